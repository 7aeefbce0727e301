"""Starts again what a flow did not bring to its end: under a new name, and so by today's definition.

A redrive goes on by the definition that an execution began with, and none of the same name can be started for 90 days,
however the first one ended.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import boto3

from ops.shown import printable
from ops.stack import deployed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

_MACHINE: Final = "AWS::StepFunctions::StateMachine"
_NOT_ENDED_WELL: Final[tuple[Literal["FAILED", "TIMED_OUT", "ABORTED"], ...]] = ("FAILED", "TIMED_OUT", "ABORTED")
_LONGEST: Final = 80
"""Characters of an execution's name."""
_DIGEST: Final = 32
DAYS: Final = 34
"""An execution that is older is left alone: the rows that a flow works with are kept for 35 days, and without its row a
message that came before its alarm would be taken for one that an alarm's flow has."""


@dataclass
class Counted:
    """The fate of the executions that did not end well."""

    started: int = 0
    before: int = 0
    """Restarted by an earlier run."""
    older: int = 0
    """Begun too long ago."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse restart-recordings`."""
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be started, and start nothing")
    parser.add_argument(
        "--days",
        type=int,
        choices=range(1, DAYS + 1),
        default=DAYS,
        metavar="N",
        help="leave alone what began longer ago, %(default)s at most and by default",
    )


def run(arguments: argparse.Namespace) -> None:
    """Restarts what did not end well in every flow of a stack.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it. What was started
            before is on its way, and another run does not start it again.
    """
    stack = deployed(boto3.client("cloudformation"), arguments.stack)
    states = boto3.client("stepfunctions")
    since = datetime.now(UTC) - timedelta(days=arguments.days)
    for name, machine in stack.of(_MACHINE).items():
        counted = restart(states, machine, since, dry_run=arguments.dry_run)
        done = "would be started" if arguments.dry_run else "started"
        print(f"{name}: {counted.started} {done} again, {counted.before} were before")
        if counted.older:
            print(f"{name}: {counted.older} began more than {arguments.days} days ago, and are left alone")


def restart(states: SFNClient, machine: str, since: datetime, *, dry_run: bool = False) -> Counted:
    """Starts each execution of a flow that failed, timed out or was aborted again, with the same input, once.

    One that was redriven and runs, or succeeded, is no longer among them. One whose restart failed as well is left, and
    its restart is started again.

    Args:
        states: a client of Step Functions.
        machine: the flow's ARN.
        since: executions from before are left alone.
        dry_run: whether nothing is started.
    """
    counted = Counted()
    for execution in _not_ended_well(states, machine):
        name = restarted(execution["name"])
        if execution["startDate"] < since:
            counted.older += 1
        elif _exists(states, execution["executionArn"].removesuffix(execution["name"]) + name):
            counted.before += 1
        else:
            print(f"{execution['status']:<9} {execution['startDate']:%Y-%m-%d %H:%M} {printable(execution['name'])}")
            if not dry_run:
                given = states.describe_execution(executionArn=execution["executionArn"])["input"]
                try:
                    states.start_execution(stateMachineArn=machine, name=name, input=given)
                except states.exceptions.ExecutionAlreadyExists:  # somebody else's run was a moment earlier
                    counted.before += 1
                    continue
            counted.started += 1
    return counted


def restarted(name: str) -> str:
    """The name of an execution's restart, the same each time, and none that another one has."""
    digest = hashlib.sha256(f"restart of {name}".encode()).hexdigest()[:_DIGEST]
    return f"{name[: _LONGEST - _DIGEST - 1]}-{digest}"


def _not_ended_well(states: SFNClient, machine: str) -> Iterator[ExecutionListItemTypeDef]:
    # All of them before the first is started: what is started here and fails at once is for the next run.
    yield from [
        execution
        for status in _NOT_ENDED_WELL
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter=status)
        for execution in page["executions"]
    ]


def _exists(states: SFNClient, execution: str) -> bool:
    """Tells if there is an execution. Starting one would not: while it runs, that is answered as if it were new."""
    try:
        states.describe_execution(executionArn=execution)
    except states.exceptions.ExecutionDoesNotExist:
        return False
    return True
