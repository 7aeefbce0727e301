"""The README's deployment, done as a stranger does it: its commands, in its order, by SAM itself."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from ops import build, local, transforms
from ops.simulators import sunmi

_ROOT: Final = Path(__file__).parents[2]
_ACCOUNTS: Final = _ROOT / ".local" / "sunmi.json"
_NOT_RUN: Final = {
    "make prove-aws": "tests/e2e/test_proof.py runs it",
}


def _commands() -> list[str]:
    """The commands of the README's section, in their order."""
    text = (_ROOT / "README.md").read_text()
    section = text.split("\n## Deploy it to AWS\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^ {4}\S.*\n)+", section, re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


@dataclass
class Followed:
    """Results of the commands that were run."""

    ended: dict[str, int]
    """Each one's exit status, in their order."""
    said: dict[str, str]
    account: Any
    """A boto3 client of a service of the account, by its name."""
    settings: dict[str, str]
    """The parameters of the stack before it was deleted."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """The README, followed on an emulator that has nothing in it."""
    folder = tmp_path_factory.mktemp("readme")
    with (
        local.emulator(folder / "emulator") as endpoint,
        transforms.Transforms(endpoint, local.REGION, local.API_ID).serving() as url,
    ):
        account = _account(url)
        queue = account("sqs").create_queue(QueueName="mine")["QueueUrl"]
        arn = account("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        _ACCOUNTS.parent.mkdir(exist_ok=True)
        _ACCOUNTS.write_text(json.dumps(sunmi.new_accounts().secret))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "PATH": f"{_with_aws(folder)}{os.pathsep}{os.environ['PATH']}",
            "PLATFORM": build.platform(),
            "QUEUE_ARN": arn,
        }
        try:
            yield _follow(folder, environment, account)
        finally:
            _ACCOUNTS.unlink()


def _follow(folder: Path, environment: dict[str, str], account: Any) -> Followed:
    commands = [command for command in _commands() if command not in _NOT_RUN]
    *_, leaving = commands
    script = folder / "followed.sh"
    lines = []
    for number, command in enumerate(commands):
        if command == leaving:
            # Looked at before it is gone.
            lines.append(f"aws cloudformation describe-stacks --stack-name gatehouse > {folder}/stack.json")
        lines += [f"{{ {command}\n}} > {folder}/{number}.log 2>&1; echo $? > {folder}/{number}.rc"]
    script.write_text("\n".join(lines))
    # Each question is answered with yes.
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:  # noqa: S607 - a stranger has it, and bash
        subprocess.run(["bash", script], stdin=yes.stdout, cwd=_ROOT, env=environment, check=True, timeout=420)  # noqa: S607
        yes.kill()
    stack = json.loads((folder / "stack.json").read_text())["Stacks"][0]
    return Followed(
        ended={command: int((folder / f"{number}.rc").read_text()) for number, command in enumerate(commands)},
        said={command: (folder / f"{number}.log").read_text() for number, command in enumerate(commands)},
        account=account,
        settings={one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]},
    )


def _account(url: str) -> Any:
    def client(service: Any) -> Any:
        return boto3.client(
            service,
            region_name=local.REGION,
            endpoint_url=url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    return client


def _with_aws(folder: Path) -> Path:
    """A folder in which `aws` is what stands in for the AWS CLI."""
    programs = folder / "programs"
    programs.mkdir()
    program = programs / "aws"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("awscli.py")} "$@"\n')
    program.chmod(0o755)
    return programs


def test_each_command_of_the_readme_works(followed: Followed) -> None:
    assert len(followed.ended) >= 8
    failed = {command: followed.said[command][-2000:] for command, code in followed.ended.items() if code}
    assert not failed


def test_whoever_deploys_is_asked_and_a_pipeline_is_not(followed: Followed) -> None:
    deployments = {command: said for command, said in followed.said.items() if command.startswith("make deploy")}
    asked = {command for command, said in deployments.items() if "Deploy this changeset? [y/N]" in said}
    assert asked == {command for command in deployments if "--config-env ci" not in command}


def test_a_setting_sticks_though_a_later_deployment_does_not_name_it(followed: Followed) -> None:
    *_, last = [command for command in followed.ended if command.startswith("make deploy")]
    assert "RetentionDays" not in last
    assert (followed.settings["RetentionDays"], followed.settings["AnnounceMode"]) == ("30", "stream")


def test_a_deployment_without_a_change_is_no_error(followed: Followed) -> None:
    said = followed.said['make deploy ARGS="--config-env ci"']
    assert "No changes to deploy" in said


def test_the_accounts_are_in_the_secret_and_the_address_is_told(followed: Followed) -> None:
    secrets = followed.account("secretsmanager")
    put = [
        secrets.get_secret_value(SecretId=one["ARN"])["SecretString"] for one in secrets.list_secrets()["SecretList"]
    ]
    assert sum("app_keys" in document for document in put) == 1
    (address,) = [said for command, said in followed.said.items() if command.startswith("echo ")]
    assert re.fullmatch(r"https://\S+/v1/sunmi\n", address)


def test_what_is_left_is_what_somebody_may_still_want(followed: Followed) -> None:
    kept = followed.account
    assert len(kept("dynamodb").list_tables()["TableNames"]) == 4
    assert len(kept("secretsmanager").list_secrets()["SecretList"]) == 5
    assert kept("lambda").list_functions()["Functions"] == []


def test_every_command_that_is_not_run_stands_in_the_readme() -> None:
    assert _NOT_RUN.keys() <= set(_commands())
