"""The stack itself: preflight, `sam build`, `sam deploy`, and invented accounts in the secrets."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ops import local, simulators, stack, tools
from ops.proof.remove import Removal
from ops.proof.report import RefutedError, Report
from ops.proof.site import Aws, Site

_ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = _ROOT / "template.yaml"
_LAST_LINES: Final = 12
"""Lines of a program's end that a report has."""


def preflight(report: Report, aws: Aws, name: str) -> None:
    """Asks the account what can be asked before anything is made in it."""
    claim = "nothing about the account stands in the way, as `gatehouse preflight` sees it"
    with report.step("preflight", claim) as step:
        aws.needs_aws("quotas, service-linked roles and the region's services")
        log = report.folder / "preflight.log"
        try:
            run(report, [sys.executable, "-m", "ops.cli", "preflight", "--stack", name], log.name)
        except RefutedError as error:
            stops = re.findall(r"^stop +(.+)$", log.read_text(), re.MULTILINE)
            raise RefutedError("; ".join(stops) or str(error)) from None
        step.figures["look at"] = re.findall(r"^look +(\S+)", log.read_text(), re.MULTILINE)


@contextlib.contextmanager
def deployed(report: Report, aws: Aws, name: str, settings: Mapping[str, str], *, keep: bool) -> Iterator[Site]:
    """The stack while the block runs; then, and if anything fails, it is deleted with all that belongs to it.

    Args:
        report: where it is told.
        aws: whose account.
        name: of the stack, which is not to exist yet.
        settings: the template's parameters that are not at their defaults.
        keep: whether it stays.

    Raises:
        RuntimeError: there is a stack of this name.
        RefutedError: it could not be deployed; the report says so.
    """
    if stack.status(aws.client("cloudformation"), name):
        raise RuntimeError(f"there is a stack {name} already, and it is left alone")
    removal = Removal(aws, name)
    try:
        build(report)
        yield deploy(report, aws, name, settings)
    finally:
        removal.run(report, keep=keep)
        shutil.rmtree(_built(report), ignore_errors=True)


def build(report: Report) -> None:
    """`sam build`, beside whatever was built for another deployment.

    Raises:
        RefutedError: it failed; the report says so.
    """
    with _needed(report, "build", "`sam build` builds the functions and their layer"):
        _sam(report, "build", "--build-dir", str(_built(report)))


def deploy(report: Report, aws: Aws, name: str, settings: Mapping[str, str]) -> Site:
    """`sam deploy` of the throwaway stack, as a pipeline does it.

    Raises:
        RefutedError: it failed; the report says so.
    """
    with _needed(report, "deploy", "`sam deploy` makes the stack in one go") as step:
        run_deploy(report, name, settings)
        status = stack.status(aws.client("cloudformation"), name)
        if status != "CREATE_COMPLETE":
            raise RefutedError(f"the stack is {status}")
        site = describe(aws, name, settings, report.folder)
        step.figures["resources"] = len(site.resources)
    return site


def run_deploy(report: Report, name: str, settings: Mapping[str, str], *options: str) -> None:
    """`sam deploy` of a stack by the name, with these settings and the others as they are."""
    overrides = ["--parameter-overrides", *(f"{key}={value}" for key, value in settings.items())] if settings else []
    _sam(
        report,
        "deploy",
        *("--config-file", str(_ROOT / "samconfig.toml"), "--config-env", "ci"),
        *("--template-file", str(_built(report) / "template.yaml")),
        *("--stack-name", name, "--s3-prefix", name),
        *options,
        *overrides,
    )


def describe(aws: Aws, name: str, settings: Mapping[str, str], folder: Path) -> Site:
    """A deployed stack."""
    found = stack.deployed(aws.client("cloudformation"), name)
    return Site(
        aws=aws,
        name=name,
        outputs=found.outputs,
        resources=found.resources,
        settings=found.settings | dict(settings),
        folder=folder,
    )


def fill(report: Report, site: Site) -> None:
    """Puts invented accounts of every vendor into the secrets, and a subscriber on each topic.

    Raises:
        RefutedError: it failed; the report says so.
    """
    with _needed(report, "secrets", "accounts can be put into the five secrets that the outputs name"):
        client = site.client("secretsmanager")
        for name, simulator in simulators.simulators().items():
            accounts = simulator.new_accounts()
            report.hide(accounts.secret)
            report.hide(accounts.apps)
            client.put_secret_value(
                SecretId=site.outputs[f"{name.capitalize()}SecretArn"], SecretString=json.dumps(accounts.secret)
            )
            site.vendors.update(accounts.apps)
    with _needed(report, "subscribe", "a queue of this account can subscribe to each of the five topics"):
        site.subscribe()


@contextlib.contextmanager
def _needed(report: Report, id: str, claim: str) -> Iterator[Any]:  # noqa: A002 - a step's
    """A step without which the others mean nothing."""
    with report.step(id, claim) as step:
        yield step
    if step.outcome != "proved":
        raise RefutedError(f"{id}: {step.reason}")


def _built(report: Report) -> Path:
    return report.folder.absolute() / "build"


def _sam(report: Report, command: str, *arguments: str) -> None:
    run(report, [sys.executable, "-m", "ops.tools", tools.SAM, command, *arguments], f"sam-{command}.log")


def run(report: Report, command: Sequence[str], log: str) -> None:
    """Runs a program, its words into a file.

    Raises:
        RefutedError: it failed; with the last that it said.
    """
    path = report.folder / log
    with path.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
    try:
        code = process.wait()
    except BaseException:
        # With what it started: a SAM that goes on would deploy what is being removed.
        local.end(process.pid)
        process.wait()
        raise
    if code:
        last = path.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        raise RefutedError(f"it ended with {code}, see {path}: {' '.join(last)}")
