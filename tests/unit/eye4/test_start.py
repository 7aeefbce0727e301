"""From the alarms' queue to the flow: one for each recording, even with several alarms."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from mypy_boto3_stepfunctions import SFNClient

from functions.eye4 import recording, start
from functions.eye4.pending import KEPT, PendingFiles, Row
from functions.eye4.recording import Wanted
from gatehouse.errors import Unavailable
from ops.simulators import Request
from tests.aws import Aws
from tests.builders import NOW, sqs_message
from tests.fakes import FakeStates
from tests.output import Output
from tests.unit.eye4.cloud import PENDING, row
from tests.vendors.eye4 import FILEID, NEIGHBOUR, eye4_rig, ring

COVER = "http://alarm-vstc.eye4.cn/alarm_image_1.jpg?e=1795000000"
FLOW = "arn:aws:states:eu-central-1:123456789012:stateMachine:flow"
SETTINGS = start.StartSettings(flow_arn=FLOW, pending_files_table=PENDING)
NEIGHBOURS = ring(guid=NEIGHBOUR["guids"][0])


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch, account: Aws, files: PendingFiles) -> FakeStates:
    assert files.read("workshop/none") == Row()  # the table is there
    fake = FakeStates()
    clients: dict[str, Any] = {"stepfunctions": fake, "dynamodb": account.dynamodb}
    monkeypatch.setattr("gatehouse.aws.client", lambda service: clients[service])
    return fake


def _event(push: Request) -> dict[str, Any]:
    """The announced event of a push."""
    rig = eye4_rig()
    rig.send(push)
    return rig.event


def _batch(*events: Any) -> dict[str, Any]:
    """Events with raw delivery from SNS."""
    bodies = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return {"Records": [sqs_message(body, name=str(number)) for number, body in enumerate(bodies)]}


def _failed(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_an_alarm_with_a_recording_starts_a_flow_that_knows_all_it_needs(states: FakeStates) -> None:
    event = _event(ring(FILEID.upper(), did="VSTC1"))

    assert start.handle(_batch(event), SETTINGS) == {"batchItemFailures": []}

    ((_name, told),) = states.started.items()
    assert json.loads(told) == {
        "recording": f"workshop/{FILEID}",
        "account": "workshop",
        "fileid": FILEID.upper(),
        "type": "doorbell",
        "device": "VSTC1",
        "alarm_id": event["id"],
        "occurred_at": "2026-07-01T12:00:00Z",
        "received_at": "2026-07-01T12:00:00Z",
        "resolve_from": "2026-07-01T12:00:00Z",
        "expires_at": str(int((NOW + KEPT).timestamp())),
    }
    assert Wanted.model_validate_json(told) == recording.of(event)


def test_an_alarm_that_says_less_starts_a_flow_all_the_same(states: FakeStates) -> None:
    event = _event(ring())
    del event["data"]["device"]
    event["data"]["payload"] = {"payload": {"fileid": FILEID}}

    assert _failed(start.handle(_batch(event), SETTINGS)) == []
    assert {"type", "device"}.isdisjoint(json.loads(next(iter(states.started.values()))))


def test_an_alarm_that_comes_twice_is_one_flow(states: FakeStates) -> None:
    event = _event(ring())

    assert _failed(start.handle(_batch(event, event), SETTINGS)) == []
    assert _failed(start.handle(_batch(event), SETTINGS)) == []
    assert len(states.started) == 1


def test_an_alarm_in_the_envelope_of_sns_is_the_same_flow_as_one_without(states: FakeStates) -> None:
    """A message that SNS could not deliver comes back from the dead-letter queue with SNS's envelope."""
    event = _event(ring())
    # https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    envelope = {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:…", "Message": json.dumps(event),
                "Timestamp": "2026-07-01T12:00:00.000Z", "SignatureVersion": "1", "Signature": "…"}  # fmt: skip

    assert _failed(start.handle(_batch(envelope, event), SETTINGS)) == []
    ((_name, told),) = states.started.items()
    assert Wanted.model_validate_json(told) == recording.of(event)


@pytest.mark.parametrize("said", ["MARKER {", 5, None, "[]"])
def test_an_envelope_with_something_else_in_it_is_left_to_the_queue(states: FakeStates, said: Any) -> None:
    assert _failed(start.handle(_batch({"Type": "Notification", "Message": said}), SETTINGS)) == ["m-0"]
    assert not states.started


def test_two_alarms_of_one_recording_are_one_flow_and_the_first_ones(states: FakeStates) -> None:
    first, second = _event(ring()), _event(ring(FILEID.upper(), action="177"))
    assert first["id"] != second["id"]

    assert _failed(start.handle(_batch(first, second), SETTINGS)) == []
    assert [json.loads(told)["alarm_id"] for told in states.started.values()] == [first["id"]]


def test_one_fileid_of_two_customers_is_two_flows(states: FakeStates) -> None:
    start.handle(_batch(_event(ring()), _event(NEIGHBOURS)), SETTINGS)

    assert sorted(json.loads(told)["account"] for told in states.started.values()) == ["harbour", "workshop"]


@pytest.mark.parametrize(
    "error", ["ThrottlingException", "ExecutionLimitExceeded", "StateMachineDoesNotExist", "hangs"]
)
def test_a_flow_that_does_not_start_leaves_its_message_to_the_queue(states: FakeStates, error: str) -> None:
    event = _event(ring())
    states.error = error

    assert _failed(start.handle(_batch(event), SETTINGS)) == ["m-0"]

    states.error = None
    assert _failed(start.handle(_batch(event), SETTINGS)) == []
    assert len(states.started) == 1


def test_messages_that_fail_are_named_and_hold_up_no_others(states: FakeStates, output: Output) -> None:
    good, other = _event(ring(FILEID)), _event(ring("1" * 40))
    no_recording = _event(ring(None, action="101", cover=""))

    answer = start.handle(_batch("MARKER {", good, no_recording, {}, "5", other), SETTINGS)

    assert _failed(answer) == ["m-0", "m-2", "m-3", "m-4"]
    assert len(states.started) == 2
    assert {line["message_id"] for line in output.logged if line["level"] == "ERROR"} == set(_failed(answer))
    assert "MARKER" not in output.read()


def test_step_functions_own_word_for_a_flow_that_was_started_is_understood(account: Aws, files: PendingFiles) -> None:
    client: SFNClient = account.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/flow"
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    flow = client.create_state_machine(name="flow", definition=definition, roleArn=role)["stateMachineArn"]
    first, second = _event(ring()), _event(ring(action="177"))

    assert start.start(first, flow, client, files) == start.start(second, flow, client, files)
    (execution,) = client.list_executions(stateMachineArn=flow)["executions"]
    told = json.loads(client.describe_execution(executionArn=execution["executionArn"])["input"])
    assert told["alarm_id"] == first["id"]


def test_any_other_error_of_step_functions_is_raised(files: PendingFiles) -> None:
    with pytest.raises(Unavailable, match="StateMachineDeleting"):
        start.start(_event(ring()), FLOW, cast("SFNClient", FakeStates(error="StateMachineDeleting")), files)


# ─── The picture of an alarm without a recording ──────────────────────────────────────────────────────────────────────


def test_a_cover_has_a_flow_that_waits_for_nothing(states: FakeStates, account: Aws) -> None:
    event = _event(ring(None, cover=COVER, did="VSTC1"))

    assert _failed(start.handle(_batch(event, event), SETTINGS)) == []

    (told,) = map(json.loads, states.started.values())
    assert (told["cover"], told["alarm_id"], told["device"]) == (COVER, event["id"], "VSTC1")
    assert "fileid" not in told
    # The row looks like one whose resource message came first: the flow's condition fails at once.
    assert row(account, told["recording"])["arrived_at"] == NOW.isoformat()


def test_two_openings_of_a_door_have_a_flow_each(states: FakeStates) -> None:
    rig = eye4_rig()
    for seconds in (0, 200):
        rig.send(ring(None, cover=COVER), NOW + timedelta(seconds=seconds))

    start.handle(_batch(*rig.stored), SETTINGS)
    assert len(states.started) == 2


def test_a_row_that_is_not_written_leaves_the_alarm_to_the_queue(states: FakeStates, account: Aws) -> None:
    account.dynamodb.delete_table(TableName=PENDING)

    assert _failed(start.handle(_batch(_event(ring(None, cover=COVER)), _event(ring())), SETTINGS)) == ["m-0"]
    assert len(states.started) == 1
