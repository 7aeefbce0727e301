"""SenseLink's event subscription through the gate: acknowledged, kept, and in the server's time."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatehouse.telemetry import Count
from tests.builders import SENSELINK, House, access_record, alarm_record, senselink_house, told
from tests.unit.conftest import Output

DONE = {"code": 200, "message": "success"}


def test_a_record_is_stored_announced_and_acknowledged(senselink: House[Any], output: Output) -> None:
    answer = senselink.send(told(access_record()))

    assert (answer.status, answer.body) == (200, DONE)
    assert senselink.event["type"] == "gatehouse.recognition.v1"
    assert senselink.event["data"]["payload"] == json.loads(told(access_record()).body)
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}


def test_a_repetition_is_acknowledged_and_nothing_more(senselink: House[Any], output: Output) -> None:
    for number in range(3):
        answer = senselink.send(told(access_record(), messageId=str(number)))
        assert (answer.status, answer.body) == (200, DONE)

    assert senselink.event
    assert output.counted[Count.DUPLICATE] == 2


@pytest.mark.parametrize(
    ("zone", "occurred"),
    [
        ("+09:00", "2026-07-01T11:59:58.000000Z"),
        ("-03:30", "2026-07-02T00:29:58.000000Z"),
        ("Europe/Berlin", "2026-07-01T18:59:58.000000Z"),
        ("Asia/Tokyo", "2026-07-01T11:59:58.000000Z"),
    ],
)
def test_an_alarms_times_are_in_its_servers_zone(zone: str, occurred: str) -> None:
    house = senselink_house({"accounts": [{**SENSELINK, "time_zone": zone}]})

    house.send(told(alarm_record(), 30100))

    # In UTC: the index by time compares text.
    assert house.event["time"] == house.event["data"]["occurred_at"] == occurred


def test_the_zone_is_that_of_the_server_whose_token_it_is() -> None:
    house = senselink_house({"accounts": [SENSELINK, {"server": "utc", "tokens": ["t"], "time_zone": "+00:00"}]})

    house.send(told(alarm_record(), 30100, token="t"))

    assert house.event["time"].startswith("2026-07-01T20:59:58")


def test_three_states_of_an_alarm_are_three_events(senselink: House[Any]) -> None:
    for status in (1, 2, 3, 1):
        senselink.send(told(alarm_record(status=status), 30100))

    assert sorted(event["data"]["state"] for event in senselink.stored) == ["raised", "released", "releasing"]
    assert {event["data"]["trace_id"] for event in senselink.stored} == {"T1"}


def test_the_subscription_fetches_no_pictures(senselink: House[Any]) -> None:
    senselink.send(told(access_record()))

    assert [picture["reference"] for picture in senselink.event["data"]["pictures"]] == [
        "5d901af663cdaf0001252bb9",
        "5d901af663cdaf0001252bba",
    ]
    assert not senselink.album.pictures


def test_what_aws_takes_nowhere_is_sent_again(senselink: House[Any]) -> None:
    senselink.store.down = senselink.spill.down = True
    assert senselink.send(told(access_record())).status == 503

    senselink.store.down = senselink.spill.down = False
    assert senselink.send(told(access_record())).status == 200
    assert len(senselink.published) == 1


def test_a_body_larger_than_is_read_is_refused(senselink: House[Any]) -> None:
    assert senselink.send(told(b"{" * (1024 * 1024 + 1))).status == 413
    assert senselink.is_untouched


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b'{"code":30000,"message""push"}', b"[]"])
def test_what_is_no_message_is_kept_whole_and_counted(senselink: House[Any], output: Output, body: bytes) -> None:
    assert senselink.send(told(body)).body == DONE

    assert senselink.event["data"]["kind"] == "unmapped"
    assert output.counted[Count.UNMAPPED] == 1


_names = st.sampled_from([*access_record(), *alarm_record(), "sign_time", "groups", "data", "code", "eventType"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("9" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=6,
)


def test_no_message_under_a_token_of_ours_is_refused_or_fails(senselink: House[Any]) -> None:
    @settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(_names, _values, max_size=8) | _values, st.sampled_from([30000, 30100, "30000", 5]))
    def attempt(data: Any, kind: Any) -> None:
        answer = senselink.send(told(data, kind))
        assert (answer.status, answer.body) == (200, DONE)

    attempt()
    assert senselink.stored
