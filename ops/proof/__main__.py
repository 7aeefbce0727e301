"""`make prove-aws`: what this is worth in an account of yours, on a throwaway stack that is deleted again.

It needs credentials that may deploy. It touches no stack that exists, costs less than a dollar, and takes a quarter of
an hour. The report lies in .local/proof/; the exit status is 0 only if nothing failed. With --emulator it is rehearsed
on this machine.
"""

import argparse
import contextlib
import hashlib
import logging
import os
import platform
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from ops import build, local, tools, transforms
from ops.proof import deploy, pushes, telemetry, vendors, watch
from ops.proof.report import RefutedError, Report
from ops.proof.site import Aws, Site

PREFIX: Final = "gatehouse-proof-"
"""The beginning of the names of throwaway stacks."""
OPERATOR: Final = "prover@example.com"
"""An address without an owner, so that the stack makes its own topic of alarms: https://www.rfc-editor.org/rfc/rfc2606"""
_FOLDER: Final = Path(".local/proof")


def main(words: list[str] | None = None) -> int:
    """The program."""
    parser = _parser()
    arguments = parser.parse_args(words)
    os.environ.update(tools.region(os.environ))
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it counts for whom it thinks to be AWS
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run that was started with & would be deaf to it
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.ExitStack() as started:
            if arguments.emulator:
                started.enter_context(_emulator(arguments.folder / "emulator"))
            report = prove(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (RuntimeError, BotoCoreError, ClientError) as error:
        print(f"prove-aws: {error}", file=sys.stderr)
        return 1
    print(f"\n{report.folder / 'report.md'}")
    return int(report.has_failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make prove-aws", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack and all that was made beside it")
    parser.add_argument("--emulator", action="store_true", help="not in AWS, but in an emulator that is started here")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the reports are (%(default)s)")
    for vendor in vendors().values():
        vendor.add_arguments(parser)
    return parser


def prove(arguments: argparse.Namespace) -> Report:
    """Goes through all parts, and cleans up whatever happens."""
    aws = Aws()
    name = f"{PREFIX}{secrets.token_hex(4)}"
    report = Report(arguments.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name[-8:]}", _about(aws, name))
    report.folder.mkdir(parents=True)
    print(f"The stack {name}, account {report.about['account']}, {aws.region}; {report.folder}", flush=True)
    deploy.preflight(report, aws, name)
    if report.has_failed:
        return report  # nothing was made
    with (
        _services(aws) as parameters,
        contextlib.suppress(RefutedError),  # told in the report
        deploy.deployed(report, aws, name, {**_settings(aws), **parameters}, keep=arguments.keep) as site,
    ):
        deploy.fill(report, site)
        _look(report, site, arguments)
    return report


def _look(report: Report, site: Site, arguments: argparse.Namespace) -> None:
    for vendor in vendors().values():  # the first: no function was woken by a push yet
        vendor.prove(report, site, arguments)
    pushes.prove(report, site)
    telemetry.prove(report, site)
    watch.prove(report, site)


def _settings(aws: Aws) -> dict[str, str]:
    """Somebody who hears of alarms; and what goes with an emulator, whose API has another address than it says."""
    heard = {"OperatorEmail": OPERATOR}
    return {**heard, "PublicBaseUrl": f"{aws.endpoint}{local.API_PATH}"} if aws.endpoint else heard


@contextlib.contextmanager
def _services(aws: Aws) -> Iterator[Mapping[str, str]]:
    """Runs what the vendors have beside their pushes; yields the stack's parameters for it."""
    with contextlib.ExitStack() as started:
        parameters: dict[str, str] = {}
        for vendor in vendors().values():
            parameters |= started.enter_context(vendor.services(aws))
        yield parameters


@contextlib.contextmanager
def _emulator(folder: Path) -> Iterator[None]:
    """An emulator in AWS's place, for this process and those that it starts."""
    with (
        local.emulator(folder) as endpoint,
        transforms.Transforms(endpoint, local.REGION, local.API_ID).serving() as url,
    ):
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": local.REGION,
            "AWS_REGION": local.REGION,
            "PLATFORM": build.platform(),
        }
        yield


def _about(aws: Aws, name: str) -> dict[str, str]:
    """The facts about the run for the reader of a report."""
    return {
        "stack": name,
        "where": aws.endpoint or "AWS",
        "region": aws.region,
        "account": f"…{aws.account[-4:]}",
        "commit": _git("rev-parse", "HEAD") + (" and changes" if _git("status", "--porcelain") else ""),
        "template": hashlib.sha256(deploy.TEMPLATE.read_bytes()).hexdigest()[:16],
        "Python": platform.python_version(),
        "boto3": metadata.version("boto3"),
        "SAM": _pinned(tools.SAM, "aws-sam-cli"),
    }


def _git(*words: str) -> str:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _pinned(tool: str, package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (tools.REQUIREMENTS / f"{tool}.txt").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
