"""Eye4's two messages through the gate: the alarm is kept, the resource message ends a flow's wait, in either order."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mypy_boto3_dynamodb import DynamoDBClient

from functions.eye4.handler import Eye4Settings
from functions.eye4.pending import PendingFiles
from gatehouse.errors import WrongSetting
from gatehouse.telemetry import Count
from ops.simulators import Request, eye4
from tests.aws import Aws
from tests.builders import NOW, seconds
from tests.fakes import FakeStates
from tests.output import Output
from tests.rig import Rig
from tests.unit.eye4.cloud import PENDING, row, rows, waits
from tests.vendors.eye4 import EYE4_ENVIRONMENT, FILEID, NEIGHBOUR, eye4_push, eye4_rig, ring, uploaded

RECORDING = f"workshop/{FILEID}"
NEIGHBOURS = f"harbour/{FILEID}"


# ─── An alarm ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alarm_is_stored_announced_and_acknowledged_and_touches_no_row(
    eye4: Rig[Any], account: Aws, output: Output
) -> None:
    answer = eye4.send(ring())

    assert (answer.status, answer.body) == (200, {})
    assert eye4.event["data"]["media"] == "pending"
    assert rows(account) == []
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}


def test_an_alarm_that_aws_takes_nowhere_is_sent_again(eye4: Rig[Any]) -> None:
    eye4.store.down = eye4.spill.down = True
    assert eye4.send(ring()).status == 503

    eye4.store.down = eye4.spill.down = False
    assert eye4.send(ring()).status == 200
    assert len(eye4.published) == 1


# ─── A resource message ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["Key", "key", "d009_id"])
def test_a_resource_message_ends_the_wait_whichever_field_names_the_recording(
    eye4: Rig[Any], account: Aws, states: FakeStates, field: Any
) -> None:
    waits(account)

    answer = eye4.send(uploaded(field=field))

    assert (answer.status, answer.body) == (200, {})
    assert states.ended == ["token"]


def test_a_resource_message_is_no_event_of_its_own(eye4: Rig[Any], output: Output) -> None:
    eye4.send(uploaded())

    assert eye4.is_untouched
    assert output.counted == {}


def test_a_resource_message_before_its_alarm_is_noted_for_it(
    eye4: Rig[Any], account: Aws, files: PendingFiles, states: FakeStates
) -> None:
    assert eye4.send(uploaded()).status == 200

    assert states.ended == []
    assert files.read(RECORDING).arrived_at == NOW
    with pytest.raises(account.dynamodb.exceptions.ConditionalCheckFailedException):
        waits(account)


def test_a_resource_message_that_comes_twice_ends_the_same_wait_twice(
    eye4: Rig[Any], account: Aws, files: PendingFiles, states: FakeStates
) -> None:
    """The first message may have been noted without reaching the wait."""
    waits(account)
    eye4.send(uploaded())

    assert eye4.send(uploaded(region="another"), at=NOW + seconds(60)).status == 200
    assert states.ended == ["token", "token"]
    assert files.read(RECORDING).resource == json.loads(uploaded().body)


def test_a_resource_message_of_a_recording_that_no_alarm_was_for_is_taken(
    eye4: Rig[Any], account: Aws, states: FakeStates
) -> None:
    assert eye4.send(uploaded("1" * 40)).status == 200

    assert states.ended == []
    assert f"workshop/{'1' * 40}" in rows(account)


def test_the_name_beside_a_fileid_ends_no_wait_but_its_own(eye4: Rig[Any], account: Aws, states: FakeStates) -> None:
    waits(account, "mine")
    waits(account, "the name's", "workshop/film-20261125-7")
    waits(account, "another's", f"workshop/{'1' * 40}")

    eye4.send(uploaded(d009_id="film-20261125-7"))

    assert states.ended == ["mine", "the name's"]


def test_a_message_that_names_two_recordings_ends_both_waits(eye4: Rig[Any], account: Aws, states: FakeStates) -> None:
    other = "2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"
    waits(account, "one")
    waits(account, "two", f"workshop/{other}")

    eye4.send(uploaded(d009_id=other))

    assert sorted(states.ended) == ["one", "two"]


def test_another_customers_message_touches_no_row_of_this_one(eye4: Rig[Any], account: Aws, states: FakeStates) -> None:
    waits(account)
    before = row(account, RECORDING)

    assert eye4.send(uploaded(guid=NEIGHBOUR["guids"][0])).status == 200

    assert states.ended == []
    assert row(account, RECORDING) == before
    assert NEIGHBOURS in rows(account)


@pytest.mark.parametrize("fileid", [f"../workshop/{FILEID}", f"workshop/{FILEID}", f"harbour/../workshop/{FILEID}"])
def test_no_name_of_a_recording_leads_to_another_customers_row(
    eye4: Rig[Any], account: Aws, states: FakeStates, fileid: str
) -> None:
    waits(account)

    eye4.send(uploaded(fileid, guid=NEIGHBOUR["guids"][0]))

    assert states.ended == []
    assert all(key.startswith("harbour/") for key in rows(account) if key != RECORDING)


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_a_wait_that_is_over_is_nobodys_fault(eye4: Rig[Any], account: Aws, states: FakeStates, code: str) -> None:
    waits(account)
    states.error = code

    assert eye4.send(uploaded()).status == 200


@pytest.mark.parametrize("code", ["ThrottlingException", "KmsThrottlingException", "AccessDeniedException", "hangs"])
def test_step_functions_not_taking_it_has_the_vendor_send_it_again(
    eye4: Rig[Any], account: Aws, states: FakeStates, code: str
) -> None:
    waits(account)
    states.error = code
    answer = eye4.send(uploaded())
    assert (answer.status, answer.reason) == (503, "unavailable")

    states.error = None
    assert eye4.send(uploaded()).status == 200
    assert states.ended == ["token"]


def test_dynamodb_not_taking_it_has_the_vendor_send_it_again(account: Aws, states: FakeStates) -> None:
    away: DynamoDBClient = account.client("dynamodb", endpoint="http://127.0.0.1:9")
    rig = eye4_rig(files=PendingFiles(lambda: away, PENDING, lambda: NOW), states=states)

    answer = rig.send(uploaded())

    assert (answer.status, answer.reason) == (503, "unavailable")
    assert rig.is_untouched


# ─── Whichever of the two addresses it comes to ───────────────────────────────────────────────────────────────────────


def _to(path: str, push: Request) -> Request:
    return eye4_push(push.body, path)


def test_an_alarm_that_comes_to_the_address_of_resources_is_an_alarm(eye4: Rig[Any], account: Aws) -> None:
    assert eye4.send(_to("/v1/eye4/resources", ring())).status == 200

    assert eye4.event["data"]["kind"] == "motion_or_door"
    assert rows(account) == []


def test_a_resource_message_that_comes_to_the_address_of_alarms_ends_the_wait(
    eye4: Rig[Any], account: Aws, states: FakeStates
) -> None:
    waits(account)

    assert eye4.send(_to("/v1/eye4/alarms", uploaded())).status == 200
    assert states.ended == ["token"]
    assert eye4.is_untouched


@pytest.mark.parametrize("path", [eye4.ALARMS, eye4.RESOURCES])
@pytest.mark.parametrize("body", [{"type": "firmware", "version": "4.7"}, {"Key": ""}, {"region": "cn"}])
def test_what_is_neither_is_kept_whole_and_counted(output: Output, path: str, body: Any) -> None:
    rig = eye4_rig()  # which fails where a row is touched
    assert rig.send(eye4_push(body, path)).status == 200

    assert rig.event["data"]["kind"] == "unmapped"
    assert rig.event["data"]["payload"] == body
    assert output.counted[Count.UNMAPPED] == 1


@pytest.mark.parametrize("path", [eye4.ALARMS, eye4.RESOURCES])
@pytest.mark.parametrize("body", [b"\xff", b"", b'{"fileid": MARKER', b"fileid=MARKER&cover=x"])
def test_what_cannot_be_read_is_kept_where_no_subscriber_looks(output: Output, path: str, body: bytes) -> None:
    rig = eye4_rig()
    assert rig.send(eye4_push(body, path)).status == 200

    data = rig.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "the body is not JSON")
    assert rig.media.pictures[data["body"]["key"]].data == body
    assert data["body"]["key"].startswith("unreadable/eye4/")
    assert "MARKER" not in json.dumps(rig.stored) + output.read()


_names = st.sampled_from(["action", "did", "type", "payload", "cover", "Key", "key", "d009_id", "region", "fileid"])
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([FILEID, f"a_{FILEID}.h264", "100", "101", "http://[::1", "{", '{"fileid": 5}', "9" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=6,
)


def test_no_message_under_a_guid_of_ours_is_refused_or_fails(eye4: Rig[Any], states: FakeStates) -> None:
    @settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(_names, _values, max_size=5) | _values, st.booleans())
    def attempt(body: Any, to_alarms: bool) -> None:
        path = "/v1/eye4/alarms" if to_alarms else "/v1/eye4/resources"
        answer = eye4.send(eye4_push(body, path))
        assert (answer.status, answer.body) == (200, {})

    attempt()
    assert states.ended == []
    assert eye4.stored


@pytest.mark.parametrize("value", ["0", "604801", "a day", ""])
def test_a_wait_for_an_alarm_that_cannot_be_is_named(value: str) -> None:
    with pytest.raises(WrongSetting, match="ALARM_WAIT"):
        Eye4Settings.read({**EYE4_ENVIRONMENT, "ALARM_WAIT": value})


def test_a_message_waits_for_its_alarm_as_long_as_the_template_says() -> None:
    assert Eye4Settings.read(EYE4_ENVIRONMENT).alarm_wait == 86_400
