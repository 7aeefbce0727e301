"""SenseLink's event subscription through the gate: acknowledged and kept within the time that the server waits."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.senselink import handler, verify
from functions.senselink.wire import Accounts, Server
from gatehouse import edge
from gatehouse.deadline import Deadline
from gatehouse.gate import Gate, Opened, Push, Unwrapped
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count
from ops.simulators.senselink import older, row
from tests.builders import ENVIRONMENT, NOW, api_event, seconds
from tests.fakes import FakeAccounts, FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.rig import Rig
from tests.vendors.senselink import SENSELINK, access_record, alarm_record, senselink_rig, told

DONE = {"code": 200, "message": "success"}


def test_a_record_is_stored_announced_and_acknowledged(senselink: Rig[Any], output: Output) -> None:
    answer = senselink.send(told(access_record()))

    assert (answer.status, answer.body) == (200, DONE)
    assert senselink.event["type"] == "gatehouse.recognition.v1"
    assert senselink.event["data"]["payload"] == json.loads(told(access_record()).body)
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}


def test_a_repetition_is_acknowledged_and_nothing_more(senselink: Rig[Any], output: Output) -> None:
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
    rig = senselink_rig({"accounts": [{**SENSELINK, "time_zone": zone}]})

    rig.send(told(alarm_record(), 30100))

    # The time is in UTC: the index by time compares text.
    assert rig.event["time"] == rig.event["data"]["occurred_at"] == occurred


def test_the_zone_is_that_of_the_server_whose_token_it_is() -> None:
    rig = senselink_rig(
        {"accounts": [SENSELINK, {"server": "utc", "tokens": ["utc-one-0123456789abcdef"], "time_zone": "+00:00"}]}
    )

    rig.send(told(alarm_record(), 30100, token="utc-one-0123456789abcdef"))

    assert rig.event["time"].startswith("2026-07-01T20:59:58")


def test_three_states_of_an_alarm_are_three_events(senselink: Rig[Any]) -> None:
    for status in (1, 2, 3, 1):
        senselink.send(told(alarm_record(status=status), 30100))

    assert sorted(event["data"]["state"] for event in senselink.stored) == ["raised", "released", "releasing"]
    assert {event["data"]["trace_id"] for event in senselink.stored} == {"T1"}


def test_the_subscription_fetches_no_pictures(senselink: Rig[Any]) -> None:
    senselink.send(told(access_record()))

    assert [picture["reference"] for picture in senselink.event["data"]["pictures"]] == [
        "5d901af663cdaf0001252bb9",
        "5d901af663cdaf0001252bba",
    ]
    assert not senselink.media.pictures


def test_what_aws_takes_nowhere_is_sent_again(senselink: Rig[Any]) -> None:
    senselink.store.down = senselink.spill.down = True
    assert senselink.send(told(access_record())).status == 503

    senselink.store.down = senselink.spill.down = False
    assert senselink.send(told(access_record())).status == 200
    assert len(senselink.published) == 1


def test_a_body_larger_than_is_read_is_refused(senselink: Rig[Any]) -> None:
    assert senselink.send(told(b"{" * (1024 * 1024 + 1))).status == 413
    assert senselink.is_untouched


def test_a_large_record_is_no_reason_to_end_the_subscription(senselink: Rig[Any]) -> None:
    """Protocol A1: each answer but 200 may be the last, and a body of 64 KiB was one."""
    answer = senselink.send(told(access_record(remark="r" * 300_000)))

    assert (answer.status, senselink.event["data"]["person"]["id"]) == (200, "4021")


# ─── The time that the server waits ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("passed", "left"),
    [
        pytest.param(0.0, 4.0, id="just arrived"),
        pytest.param(1.5, 2.5, id="a cold start"),
        pytest.param(3.5, 1.0, id="nearly over: it is kept all the same"),
        pytest.param(86_400.0, 1.0, id="a clock that is behind"),
        pytest.param(-86_400.0, 4.0, id="a clock that is ahead"),
    ],
)
def test_a_push_is_kept_within_four_seconds_of_its_arrival(passed: float, left: float) -> None:
    """Protocol A1: the server counts 5 s as a failure."""
    vendor = handler.vendor(
        handler.SenselinkSettings.read(ENVIRONMENT), now=lambda: NOW + seconds(passed), monotonic=lambda: 0.0
    )
    deadlines: list[Deadline] = []

    class Watched(Gate):
        """A gate that notes its deadlines."""

        def within(self, deadline: Deadline) -> Gate:
            deadlines.append(deadline)
            return super().within(deadline)

    assert vendor.respond is not None
    push = Push("POST", ("",), {}, told(access_record()).body, NOW)
    opened = Opened(push, vendor, verify.Verified(Server(server="north")), Unwrapped({}))
    gate = Watched(FakeStore(), FakeTopics(), FakeSpill(), Announce.INLINE, FakeMedia())
    answer = vendor.respond(gate, opened)

    assert (answer.status, json.loads(answer.body)) == (200, DONE)
    assert [deadline.left() for deadline in deadlines] == [left]


@dataclass
class _HangingStore(FakeStore):
    """An events table that accepts nothing before it is opened."""

    opened: threading.Event = field(default_factory=threading.Event)

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self.opened.wait(20)
        return super().record(record, announce)


def test_what_the_book_does_not_take_in_time_is_spilled_and_acknowledged() -> None:
    """Protocol A1: 200 whenever the event is in the table or in the spill queue."""
    store = _HangingStore()
    vendor = handler.vendor(
        handler.SenselinkSettings.read(ENVIRONMENT), now=lambda: NOW + seconds(60), monotonic=lambda: 0.0
    )
    spill = FakeSpill()
    gate = Gate(store, FakeTopics(), spill, Announce.INLINE, FakeMedia())
    accounts = FakeAccounts(Accounts.model_validate({"accounts": [SENSELINK]}))
    try:
        answer = edge.handler(vendor, gate, accounts, "")(api_event(told(access_record())), None)
    finally:
        store.opened.set()

    assert answer["statusCode"] == 200
    assert [step for _, step in spill.messages] == [Step.RECORD]


@pytest.mark.parametrize("down", ["store", "spill", "topics"])
def test_one_failure_of_ours_is_none_of_the_servers(senselink: Rig[Any], down: str) -> None:
    """Protocol A1, vendor's code 2.2: one answer but 200 too many stops the subscription for good."""
    getattr(senselink, down).down = True

    assert senselink.send(told(access_record())).body == DONE


# ─── As devices and servers write it ──────────────────────────────────────────────────────────────────────────────────


def _meaning(rig: Rig[Any], body: bytes) -> dict[str, Any]:
    assert rig.send(told(body)).body == DONE
    data: dict[str, Any] = rig.event["data"]
    return {name: value for name, value in data.items() if name != "payload"}


@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b"", b"\0"), (b"\xef\xbb\xbf\r\n", b"\n\0\0")])
def test_a_byte_order_mark_and_a_closing_zero_are_no_part_of_a_message(before: bytes, after: bytes) -> None:
    """Reports 5."""
    body = told(access_record()).body

    assert _meaning(senselink_rig(), before + body + after) == _meaning(senselink_rig(), body)


def test_half_a_character_at_a_names_end_is_one_that_nobody_knows(senselink: Rig[Any]) -> None:
    """Reports 5: a name that was cut at UTF-16 units."""
    body = told(access_record(name="Mira")).body.replace(b"Mira", b"Mira \\ud842")

    assert _meaning(senselink, body)["person"]["name"] == "Mira \ufffd"


def test_a_number_that_is_none_takes_nothing_else_with_it(senselink: Rig[Any]) -> None:
    """Reports 3."""
    body = told(access_record(bodyTemperature=float("nan"), verifyScore=float("inf"))).body
    seen = _meaning(senselink, body)

    assert seen["person"]["id"] == "4021"
    assert not {"temperature", "recognition_score"} & set(seen)


@pytest.mark.parametrize(
    "around", [{"code": 200}, {"code": "200", "message": "OK"}, {"eventType": "30000", "sendTime": "1782907198000"}]
)
def test_what_is_around_a_record_does_not_hide_it(around: dict[str, Any]) -> None:
    """Reports 22: `code` 200 beside `eventType` 30000; vendor's code 2.3: `eventType` and `sendTime` as text."""
    rig = senselink_rig()

    assert rig.send(told(access_record(), **around)).body == DONE
    assert rig.event["type"] == "gatehouse.recognition.v1"


def test_the_manuals_example_of_an_older_server(senselink: Rig[Any]) -> None:
    """Protocol A3, vendor's code 2.3: device, person, kind and group were lost."""
    senselink.send(told(older(access_record(avatar="A1"))))
    seen = senselink.event["data"]

    assert senselink.event["subject"] == seen["device"] == "SPSP-f26131cf5301be29b3a6f7be150ed330"
    assert (seen["kind"], seen["person"]["name"], seen["person"]["group_name"]) == (
        "staff",
        "Mira Holt",
        "Default group",
    )
    assert seen["pictures"][0]["reference"] == "A1"
    (record,) = senselink.store.records.values()
    assert record.attributes["device"] == seen["device"]


@pytest.mark.parametrize("camel", [False, True])
def test_a_row_of_the_record_list_keeps_its_device_person_kind_and_pictures(camel: bool) -> None:
    """Protocol A2, vendor's code 2.4."""
    pushed, fetched = senselink_rig(), senselink_rig()
    pushed.send(told(access_record()))
    fetched.send(told(json.dumps({"code": 30000, "data": row(access_record(), camel=camel)}).encode()))

    assert fetched.event["id"] == pushed.event["id"]
    assert {**fetched.event["data"], "payload": None} == {**pushed.event["data"], "payload": None}


def test_a_record_that_comes_later_says_so(senselink: Rig[Any]) -> None:
    senselink.send(told(access_record()), at=NOW + seconds(3600))

    assert (senselink.event["data"]["arrival"], senselink.event["data"]["lag_ms"]) == ("late", 3_602_000)


# ─── What is no record ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [10000, 20000])
def test_a_sign_of_life_is_acknowledged_and_nothing_more(senselink: Rig[Any], code: int) -> None:
    assert senselink.send(told(None, code)).body == DONE
    assert senselink.is_untouched


@pytest.mark.parametrize("kind", [30200, 20002, 0])
def test_a_type_that_no_page_knows_is_kept_with_what_it_holds(senselink: Rig[Any], kind: int) -> None:
    for _ in range(2):
        assert senselink.send(told({"elevator": {"car": 2}}, kind)).body == DONE

    assert senselink.event["data"]["kind"] == "unmapped"
    assert senselink.event["data"]["payload"]["data"] == {"elevator": {"car": 2}}


@pytest.mark.parametrize("body", [b"null", b"[]"])
def test_what_is_no_message_is_kept_whole_and_counted(senselink: Rig[Any], output: Output, body: bytes) -> None:
    assert senselink.send(told(body)).body == DONE

    assert senselink.event["data"]["kind"] == "unmapped"
    assert output.counted[Count.UNMAPPED] == 1


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b'{"code":30000,"message""push","data":{"idNumber":"X-99"}}', b"[" * 3000]
)
def test_what_nobody_can_read_is_kept_where_no_subscriber_looks(
    senselink: Rig[Any], output: Output, body: bytes
) -> None:
    """Reports 2: a body that could not be parsed was written into the table and published."""
    assert senselink.send(told(body)).body == DONE

    data = senselink.event["data"]
    assert (data["kind"], data.get("payload")) == ("unmapped", None)
    assert data["body"]["key"].startswith("unreadable/senselink/")
    assert senselink.media.pictures[data["body"]["key"]].data == body
    assert "X-99" not in json.dumps(senselink.stored) + output.read()
    assert output.counted[Count.UNMAPPED] == 1


_names = st.sampled_from([*access_record(), *alarm_record(), "sign_time", "groups", "data", "code", "eventType"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("9" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=6,
)


def test_no_message_under_a_token_of_ours_is_refused_or_fails(senselink: Rig[Any]) -> None:
    @settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(_names, _values, max_size=8) | _values, st.sampled_from([30000, 30100, "30000", 5]))
    def attempt(data: Any, kind: Any) -> None:
        answer = senselink.send(told(data, kind))
        assert (answer.status, answer.body) == (200, DONE)

    attempt()
    assert senselink.stored
