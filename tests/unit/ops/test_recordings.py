"""Flows that failed are started again, once each, and no other one is."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.models import stepfunctions_backends
from mypy_boto3_stepfunctions import SFNClient

from ops import cli
from ops.recordings import restart, restarted
from tests.template.stack import REGION

ROLE = "arn:aws:iam::123456789012:role/flow"
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[SFNClient]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield boto3.client("stepfunctions")


@pytest.fixture
def flow(states: SFNClient) -> str:
    return states.create_state_machine(name="flow", definition=DEFINITION, roleArn=ROLE)["stateMachineArn"]


def _ends(arn: str, status: str) -> None:
    """Moto runs no state: how an execution ends is said to it."""
    backend = stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION]
    next(found for found in backend.state_machines[0].executions if found.execution_arn == arn).status = status


def _ended(states: SFNClient, flow: str, name: str, status: str) -> str:
    arn = states.start_execution(stateMachineArn=flow, name=name, input=json.dumps({"recording": name}))["executionArn"]
    _ends(arn, status)
    return arn


def _executions(states: SFNClient, flow: str) -> dict[str, Any]:
    found = [states.describe_execution(executionArn=execution["executionArn"])
             for execution in states.list_executions(stateMachineArn=flow)["executions"]]  # fmt: skip
    return {execution["name"]: (execution["status"], json.loads(execution["input"])) for execution in found}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_what_did_not_end_well_is_started_again_with_its_input(states: SFNClient, flow: str, status: str) -> None:
    _ended(states, flow, "a", status)

    assert restart(states, flow, LONG_AGO).started == 1

    assert _executions(states, flow)[restarted("a")] == ("RUNNING", {"recording": "a"})


@pytest.mark.parametrize("meanwhile", ["RUNNING", "SUCCEEDED"])
def test_a_second_run_starts_none(states: SFNClient, flow: str, meanwhile: str) -> None:
    _ended(states, flow, "a", "FAILED")
    restart(states, flow, LONG_AGO)
    _ends(f"{flow.replace(':stateMachine:', ':execution:')}:{restarted('a')}", meanwhile)

    again = restart(states, flow, LONG_AGO)

    assert (again.started, again.before) == (0, 1)
    assert len(_executions(states, flow)) == 2


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_what_runs_or_succeeded_be_it_by_a_redrive_is_not_touched(states: SFNClient, flow: str, status: str) -> None:
    _ended(states, flow, "a", status)

    assert restart(states, flow, LONG_AGO).started == 0
    assert list(_executions(states, flow)) == ["a"]


def test_a_restart_that_failed_as_well_is_itself_started_again(states: SFNClient, flow: str) -> None:
    _ended(states, flow, "a", "FAILED")
    restart(states, flow, LONG_AGO)
    _ends(f"{flow.replace(':stateMachine:', ':execution:')}:{restarted('a')}", "FAILED")

    again = restart(states, flow, LONG_AGO)

    assert (again.started, again.before) == (1, 1)
    assert _executions(states, flow)[restarted(restarted("a"))] == ("RUNNING", {"recording": "a"})


def test_more_than_a_page_of_them_are_started(states: SFNClient, flow: str) -> None:
    for number in range(1_003):
        _ended(states, flow, f"n{number}", "FAILED")

    assert restart(states, flow, LONG_AGO).started == 1_003


def test_what_began_too_long_ago_is_counted_and_left(states: SFNClient, flow: str) -> None:
    _ended(states, flow, "a", "FAILED")

    left = restart(states, flow, datetime.now(UTC) + timedelta(minutes=1))

    assert (left.started, left.older) == (0, 1)
    assert list(_executions(states, flow)) == ["a"]


@pytest.mark.parametrize("name", ["a", "a" * 80, f"{'a' * 79}b"])
def test_a_name_is_one_that_is_taken_and_another_one_for_each(name: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    assert len(restarted(name)) <= 80
    assert len({name, restarted(name), restarted(restarted(name)), restarted(f"{'a' * 79}c")}) == 4


def test_the_command_finds_the_flows_of_the_stack_and_of_no_other(
    states: SFNClient, flow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    properties = {"DefinitionString": DEFINITION, "RoleArn": ROLE, "StateMachineName": "ours"}
    template = {"Resources": {"Flow": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName="gatehouse", TemplateBody=json.dumps(template))
    ours = cloudformation.describe_stack_resource(StackName="gatehouse", LogicalResourceId="Flow")[
        "StackResourceDetail"
    ]["PhysicalResourceId"]
    backend = stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION]
    for machine in (ours, flow):
        states.start_execution(stateMachineArn=machine, name="a", input="{}")
    for found in backend.state_machines:
        found.executions[0].status = "FAILED"
    run: Callable[..., int] = lambda *more: _command(monkeypatch, *more)  # noqa: E731

    assert run("--dry-run") == 0
    assert "Flow: 1 would be started again, 0 were before" in capsys.readouterr().out
    assert len(_executions(states, ours)) == 1

    assert run() == 0
    assert "Flow: 1 started again, 0 were before" in capsys.readouterr().out
    assert (len(_executions(states, ours)), len(_executions(states, flow))) == (2, 1)


@pytest.mark.parametrize("days", ["0", "35", "x"])
def test_days_for_which_no_row_is_kept_are_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        _command(monkeypatch, "--days", days)


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gatehouse", "restart-recordings", *arguments])
    return cli.main()
