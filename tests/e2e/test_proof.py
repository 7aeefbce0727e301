"""`make prove-aws` against the emulator, as far as one goes: so that it works when somebody needs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import build, local, transforms
from ops.proof import watch
from ops.stack import emulator_client
from tests.vendors import vendor_names
from tests.waiting import until

_PATIENCE = 420  # seconds

# Steps that AWS alone can decide; docs/aws-truth.md has the rest of them, W1 and so on.
_NOT_HERE = {"preflight", "door-gateway", "door-metrics", "listener-fargate", "metrics", "alarm-rings", "queries"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An emulator in AWS's place, as somebody with an account has it in the environment."""
    with (
        local.emulator(tmp_path_factory.mktemp("emulator")) as endpoint,
        transforms.Transforms(endpoint, local.REGION, local.API_ID).serving() as url,
    ):
        account = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        yield {
            **account,
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": local.REGION,
            "PLATFORM": build.platform(),
        }


def _started(environment: dict[str, str], folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ops.proof", "--folder", str(folder), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _report(folder: Path) -> dict[str, Any]:
    (found,) = folder.glob("*/report.json")
    document: dict[str, Any] = json.loads(found.read_text())
    return document


def _left(environment: dict[str, str]) -> dict[str, list[str]]:
    """Things in the account."""

    def names(service: str, operation: str, key: str, name: str | None) -> list[str]:
        found = getattr(emulator_client(service, local.REGION, environment["AWS_ENDPOINT_URL"]), operation)().get(
            key, []
        )
        return [one[name] if name else one for one in found]

    left = {
        "stacks": names("cloudformation", "list_stacks", "StackSummaries", "StackStatus"),
        "tables": names("dynamodb", "list_tables", "TableNames", None),
        "buckets": names("s3", "list_buckets", "Buckets", "Name"),
        "queues": names("sqs", "list_queues", "QueueUrls", None),
        "topics": names("sns", "list_topics", "Topics", "TopicArn"),
        "secrets": names("secretsmanager", "list_secrets", "SecretList", "Name"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "parameters": names("ssm", "describe_parameters", "Parameters", "Name"),
    }
    left["stacks"] = [status for status in left["stacks"] if status != "DELETE_COMPLETE"]
    return {kind: found for kind, found in left.items() if found}


def test_everything_that_an_emulator_can_decide_is_proved_and_nothing_is_left(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ended = _started(environment, tmp_path)
    said, _ = ended.communicate(timeout=_PATIENCE)

    report = _report(tmp_path)
    by_outcome: dict[str, set[str]] = {"proved": set(), "not proved": set(), "failed": set()}
    for step in report["steps"]:
        by_outcome[step["outcome"]].add(step["id"])
    assert by_outcome["failed"] == set(), said
    assert by_outcome["not proved"] == _NOT_HERE | watch.verdicts().keys() | watch.left_to_hands().keys()
    for vendor in vendor_names():
        assert {f"pushes-{vendor}", f"once-{vendor}"} <= by_outcome["proved"]
    assert {"door-cold", "door-warm", "recording-with", "recording-without", "listener"} <= by_outcome["proved"]
    assert ended.returncode == 0
    assert _left(environment) == {}


def test_an_interrupted_proof_leaves_nothing_either(environment: dict[str, str], tmp_path: Path) -> None:
    proof = _started(environment, tmp_path)
    assert proof.stdout is not None
    for line in proof.stdout:
        if "door-cold" in line:
            break
    assert "tables" in _left(environment)

    proof.send_signal(signal.SIGINT)

    proof.communicate(timeout=_PATIENCE)
    assert proof.returncode == 130
    assert _report(tmp_path)["steps"][-1]["id"] == "removed"
    assert _report(tmp_path)["steps"][-1]["outcome"] == "proved"
    assert _left(environment) == {}


def test_a_deployment_that_is_interrupted_is_removed_as_well(environment: dict[str, str], tmp_path: Path) -> None:
    proof = _started(environment, tmp_path)
    until(lambda: "tables" in _left(environment), _PATIENCE, meanwhile=lambda: time.sleep(0.5))  # SAM is at it

    proof.send_signal(signal.SIGTERM)

    proof.communicate(timeout=_PATIENCE)
    assert proof.returncode == 130
    assert [step["id"] for step in _report(tmp_path)["steps"]] == ["preflight", "build", "deploy", "removed"]
    assert _left(environment) == {}
