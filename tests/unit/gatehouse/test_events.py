"""Events as CloudEvents, their ids, and records as they are written and filtered by."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from gatehouse.events import Alarm, CloudEvent, EventBuilder, Measurement, Notice, Person, Reading, Recognition
from gatehouse.record import Record
from gatehouse.vocabulary import AlarmKind, Arrival, NoticeKind, PersonKind, Severity
from tests.builders import NOW, some_record


def _receipt(
    *, vendor: str = "acme", account: str = "A1", identity: tuple[str, ...] = ("1",), payload: JsonValue = None
) -> EventBuilder:
    return EventBuilder(vendor=vendor, account=account, identity=identity, received_at=NOW, payload=payload)


def _notice(builder: EventBuilder, device: str | None = "D1", occurred_at: datetime | None = None) -> Notice:
    return Notice(**builder.common(device=device, occurred_at=occurred_at), kind=NoticeKind.TASK_FINISHED)


def _alarm(builder: EventBuilder) -> Alarm:
    return Alarm(**builder.common(device="D1", occurred_at=None), kind=AlarmKind.LEAK, severity=Severity.HIGH)


# ─── Ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_the_same_for_the_same_happening_whenever_it_arrives() -> None:
    later = EventBuilder(
        vendor="acme", account="A1", identity=["1"], received_at=NOW + timedelta(hours=1), payload={"a": 1}
    )

    assert _receipt().event(_notice(_receipt())).id == later.event(_notice(later)).id


def test_an_id_is_frozen() -> None:
    """Events tables in operation were written by this rule: it may never change."""
    assert _receipt().event(_notice(_receipt())).id == FROZEN


FROZEN = "acme-8dd5f7318c7909f448f9aa0bdb3fb273"


@pytest.mark.parametrize(
    "other",
    [
        _receipt(vendor="acne"),
        _receipt(account="A2"),
        _receipt(identity=("2",)),
        _receipt(identity=("1", "")),
        _receipt(account='A1","1'),
        _receipt(identity=("1", "notice")),
        _receipt(identity=()),
    ],
)
def test_another_vendor_account_or_identity_is_another_id(other: EventBuilder) -> None:
    assert other.event(_notice(other)).id != _receipt().event(_notice(_receipt())).id


def test_events_of_one_push_have_ids_of_their_own() -> None:
    builder = _receipt()
    events = [
        builder.event(_notice(builder)),
        builder.event(_alarm(builder), "leak"),
        builder.event(_alarm(builder), "smoke"),
        builder.event(_alarm(builder)),
        builder.unmapped("why"),
    ]

    assert len({event.id for event in events}) == 5


# ─── CloudEvents ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_a_cloudevent_in_structured_json() -> None:
    builder = _receipt(account="A 1/ä", payload={"zero": 0})
    event = json.loads(Record.of(builder.event(_notice(builder))).body)

    data = event.pop("data")
    assert event.pop("id").startswith("acme-")
    assert event == {
        "specversion": "1.0",
        "source": "urn:gatehouse:acme:A%201%2F%C3%A4",
        "type": "gatehouse.notice.v1",
        "subject": "D1",
        "time": "2026-07-01T12:00:00.000000Z",
        "datacontenttype": "application/json",
    }
    assert data["account"] == "A 1/ä"
    assert data["payload"] == {"zero": 0}


def test_an_unknown_time_of_occurrence_is_the_time_of_arrival() -> None:
    builder = _receipt()
    east = datetime(2026, 7, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))

    assert builder.event(_notice(builder)).time == NOW
    assert Record.of(builder.event(_notice(builder, occurred_at=east))).time == "2026-07-01T00:30:00.000000Z"


def test_a_time_without_a_zone_is_no_time() -> None:
    builder = _receipt()
    with pytest.raises((ValidationError, TypeError)):
        _notice(builder, occurred_at=datetime(2026, 7, 1))  # noqa: DTZ001 - it is refused for that


@pytest.mark.parametrize("value", [0, 0.0, False, True, "", 10**30, -1.5, {"x": 0, "y": 0.0}])
def test_a_value_of_a_reading_survives_as_it_is(value: Any) -> None:
    builder = _receipt()
    common = builder.common(device="D1", occurred_at=None)
    event = builder.event(Measurement(**common, readings={"r": Reading(value=value)}, battery=0))

    data = json.loads(Record.of(event).body)["data"]
    assert (data["readings"]["r"]["value"], type(data["readings"]["r"]["value"])) == (value, type(value))
    assert data["battery"] == 0


def test_nothing_of_a_payload_is_left_out() -> None:
    payload: JsonValue = {"null": None, "zero": 0, "false": False, "empty": "", "list": [None, {}], "": {"a": None}}

    assert json.loads(some_record(payload=payload).body)["data"]["payload"] == payload


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(json_values)
def test_whatever_json_holds_survives_in_a_payload(payload: Any) -> None:
    record = some_record(payload=[payload], device="设备")

    assert json.loads(record.body)["data"]["payload"] == [payload]
    assert CloudEvent.model_validate_json(record.body).data.device == "设备"


# ─── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_that_is_read_again_is_the_same() -> None:
    record = some_record(payload={"zero": 0, "text": "设备 \ufffe"})
    again = Record.parse(record.body)

    assert vars(again) == vars(record)
    assert (again.by_hour, again.by_device, again.attributes) == (record.by_hour, record.by_device, record.attributes)


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "null", "no json", '{"id":"1","type":"other","data":{}}', "[" * 100_000],
    ids=["empty", "no event", "list", "null", "no json", "another event", "deep"],
)
def test_what_is_no_event_of_ours_is_no_record(body: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Record.parse(body)


def test_what_sqs_refuses_in_a_body_is_escaped() -> None:
    record = some_record(payload="\ufffe\uffff\x00\x1f")

    assert not set(record.body) & {"\ufffe", "\uffff", "\x00", "\x1f"}
    assert json.loads(record.body)["data"]["payload"] == "\ufffe\uffff\x00\x1f"


def test_the_size_is_counted_in_bytes() -> None:
    record = some_record(payload="设备")

    assert record.size == len(record.body.encode()) > len(record.body)


def test_an_attribute_that_is_empty_is_left_out() -> None:
    builder = _receipt()
    common = builder.common(device="D1", occurred_at=None, site="S1")
    whole = Record.of(builder.event(Alarm(**common, kind=AlarmKind.LEAK, severity=Severity.HIGH)))

    # The publisher adds `arrival`.
    assert whole.attributes == {
        "vendor": "acme",
        "type": "gatehouse.alarm.v1",
        "account": "A1",
        "device": "D1",
        "severity": "high",
        "kind": "leak",
        "site": "S1",
        "state": "raised",
    }
    assert set(some_record(device=None).attributes) == {"vendor", "type", "account", "kind"}
    assert set(some_record(device="\x00\ufffe").attributes) == {"vendor", "type", "account", "kind"}


@pytest.mark.parametrize(
    ("device", "word"),
    [
        ("设备", "设备"),
        ("a\x00b", "ab"),
        ("x" * 300, "x" * 256),
        ("a\ufffeb\x1b", "ab"),
        ("\t\n", "\t\n"),
        ("👩", "👩"),
    ],
)
def test_an_attribute_holds_what_sns_takes(device: str, word: str) -> None:
    assert some_record(device=device).attributes["device"] == word


def test_by_device_is_the_vendor_and_the_device() -> None:
    assert some_record(device="D1").by_device == "acme#D1"
    assert some_record(device=None).by_device is None


def test_by_hour_is_the_type_the_hour_in_utc_and_one_of_four_shards() -> None:
    builder = _receipt()
    east = datetime(2026, 7, 2, 1, 30, tzinfo=timezone(timedelta(hours=8)))
    records = [some_record(str(number)) for number in range(50)]

    assert Record.of(builder.event(_notice(builder, occurred_at=east))).by_hour.startswith("notice#2026-07-01T17#")
    assert {record.by_hour for record in records} == {f"notice#2026-07-01T12#{shard}" for shard in range(4)}


@pytest.mark.parametrize("moment", [datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_first_and_the_last_moment_have_an_hour(moment: datetime) -> None:
    builder = _receipt()

    assert Record.of(builder.event(_notice(builder, occurred_at=moment))).by_hour


@pytest.mark.parametrize("micros", [0, 500_000, 999_000, 1])
def test_text_sorts_as_time_does(micros: int) -> None:
    builder = _receipt()
    moments = [NOW - timedelta(seconds=1), NOW + timedelta(microseconds=micros), NOW + timedelta(seconds=1)]
    times = [Record.of(builder.event(_notice(builder, occurred_at=moment))).time for moment in moments]

    assert times == sorted(times)
    assert {len(time) for time in times} == {27}


# ─── Freshness ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _late(seconds: float, arrival: Arrival | None = None, late: Arrival = Arrival.LATE) -> Record:
    builder = EventBuilder(vendor="acme", account="A1", identity=["1"], received_at=NOW, payload=None, arrival=arrival)
    common = builder.common(device="D1", occurred_at=NOW - timedelta(seconds=seconds), late=late)
    return Record.of(builder.event(Notice(**common, kind=NoticeKind.TASK_FINISHED)))


@pytest.mark.parametrize(
    ("record", "arrival", "lag"),
    [
        (_late(0), "live", 0),
        (_late(60), "live", 60_000),
        (_late(60.001), "late", 60_001),
        (_late(-5), "live", -5_000),
        (_late(-600), "live", -600_000),
        (_late(-601), "late", -601_000),
        (_late(86_400, late=Arrival.CACHED), "cached", 86_400_000),
        (_late(1, late=Arrival.CACHED), "live", 1_000),
        (_late(1, Arrival.BACKFILL), "backfill", 1_000),
    ],
)
def test_an_event_says_how_fresh_it_was_when_it_arrived(record: Record, arrival: str, lag: int) -> None:
    data = json.loads(record.body)["data"]

    assert (data["arrival"], data["lag_ms"]) == (arrival, lag)


@pytest.mark.parametrize(
    ("record", "after", "arrival"),
    [
        (_late(0), 59, Arrival.LIVE),
        (_late(0), 61, Arrival.LATE),
        (_late(30), 31, Arrival.LATE),
        (_late(-30), 61, Arrival.LATE),
        (_late(1, Arrival.BACKFILL), 0, Arrival.BACKFILL),
        (_late(3600), 0, Arrival.LATE),
    ],
)
def test_it_says_how_fresh_it_is_when_it_is_announced(record: Record, after: float, arrival: Arrival) -> None:
    assert record.arrival_at(NOW + timedelta(seconds=after), timedelta(seconds=60)) is arrival


# ─── Two happenings with one identity ─────────────────────────────────────────────────────────────────────────────────


def _passage(person: str | None, occurred_at: datetime | None = NOW - timedelta(seconds=2)) -> Record:
    builder = _receipt()
    common = builder.common(device="D1", occurred_at=occurred_at)
    event = builder.event(Recognition(**common, kind=PersonKind.UNKNOWN, person=Person(id=person)))
    return Record.of(event, ("person.id", "occurred_at", "kind", "nothing.there"))


def test_what_decides_is_read_from_the_event() -> None:
    assert _passage("7").deciding == {"person.id": "7", "occurred_at": "2026-07-01T11:59:58"}


def test_what_nobody_knows_decides_nothing() -> None:
    assert _passage(None, None).deciding == {}
    assert not _passage("7").differs_from(_passage(None, None).deciding)
    assert not _passage(None, None).differs_from(_passage("7").deciding)


def test_fractions_of_a_second_decide_nothing() -> None:
    moment = NOW - timedelta(seconds=2)
    assert not _passage("7", moment).differs_from(_passage("7", moment + timedelta(milliseconds=999)).deciding)
    assert _passage("7", moment).differs_from(_passage("7", moment + timedelta(seconds=1)).deciding)


def test_the_second_of_two_has_an_id_of_its_own_that_its_repetition_has_too() -> None:
    first, second, third = _passage("7"), _passage("8").beside(), _passage("9").beside()

    assert len({first.id, second.id, third.id}) == 3
    assert _passage("8").beside().id == second.id
    assert json.loads(second.body)["data"]["conflicts_with"] == first.id == _passage("8").id
    assert CloudEvent.model_validate_json(second.body).data.conflicts_with == first.id
    assert second.deciding == _passage("8").deciding
