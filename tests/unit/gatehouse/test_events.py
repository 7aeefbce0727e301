"""Events as CloudEvents, their ids, and records as they are written and filtered by."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from gatehouse.events import (
    Alarm,
    AlarmKind,
    CloudEvent,
    Measurement,
    Notice,
    NoticeKind,
    Reading,
    Receipt,
    Record,
    Severity,
    parse_json,
    raw,
)
from tests.builders import NOW, some_record


def _receipt(
    *, vendor: str = "acme", account: str = "A1", identity: tuple[str, ...] = ("1",), payload: JsonValue = None
) -> Receipt:
    return Receipt(vendor=vendor, account=account, identity=identity, received_at=NOW, payload=payload)


def _notice(receipt: Receipt, device: str | None = "D1", occurred_at: datetime | None = None) -> Notice:
    return Notice(**receipt.common(device=device, occurred_at=occurred_at), kind=NoticeKind.TASK_FINISHED)


def _alarm(receipt: Receipt) -> Alarm:
    return Alarm(**receipt.common(device="D1", occurred_at=None), kind=AlarmKind.LEAK, severity=Severity.HIGH)


# ─── Ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_the_same_for_the_same_happening_whenever_it_arrives() -> None:
    later = Receipt(vendor="acme", account="A1", identity=["1"], received_at=NOW + timedelta(hours=1), payload={"a": 1})

    assert _receipt().event(_notice(_receipt())).id == later.event(_notice(later)).id


def test_an_id_is_frozen() -> None:
    """What is in the tables of those who run this was written with it: it may never change."""
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
def test_another_vendor_account_or_identity_is_another_id(other: Receipt) -> None:
    assert other.event(_notice(other)).id != _receipt().event(_notice(_receipt())).id


def test_events_of_one_push_have_ids_of_their_own() -> None:
    receipt = _receipt()
    events = [
        receipt.event(_notice(receipt)),
        receipt.event(_alarm(receipt), "leak"),
        receipt.event(_alarm(receipt), "smoke"),
        receipt.event(_alarm(receipt)),
        receipt.unmapped("why"),
    ]

    assert len({event.id for event in events}) == 5


# ─── CloudEvents ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_a_cloudevent_in_structured_json() -> None:
    receipt = _receipt(account="A 1/ä", payload={"zero": 0})
    event = json.loads(Record.of(receipt.event(_notice(receipt))).body)

    data = event.pop("data")
    assert event.pop("id").startswith("acme-")
    assert event == {
        "specversion": "1.0",
        "source": "urn:gatehouse:acme:A%201%2F%C3%A4",
        "type": "gatehouse.notice.v1",
        "subject": "D1",
        "time": "2026-07-01T12:00:00Z",
        "datacontenttype": "application/json",
    }
    assert data["account"] == "A 1/ä"
    assert data["payload"] == {"zero": 0}


def test_an_unknown_time_of_occurrence_is_the_time_of_arrival() -> None:
    receipt = _receipt()
    east = datetime(2026, 7, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))

    assert receipt.event(_notice(receipt)).time == NOW
    assert Record.of(receipt.event(_notice(receipt, occurred_at=east))).time == "2026-07-01T08:30:00+08:00"


def test_a_time_without_a_zone_is_no_time() -> None:
    receipt = _receipt()
    with pytest.raises(ValidationError):
        _notice(receipt, occurred_at=datetime(2026, 7, 1))  # noqa: DTZ001 - it is refused for that


@pytest.mark.parametrize("value", [0, 0.0, False, True, "", 10**30, -1.5, {"x": 0, "y": 0.0}])
def test_a_value_of_a_reading_survives_as_it_is(value: Any) -> None:
    receipt = _receipt()
    common = receipt.common(device="D1", occurred_at=None)
    event = receipt.event(Measurement(**common, readings={"r": Reading(value=value)}, battery=0))

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


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(json_values, st.sampled_from([None, 0, 2]))
def test_the_parser_takes_what_json_takes(value: Any, indent: int | None) -> None:
    assert parse_json(json.dumps(value, indent=indent)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        '{"a":[1e999]}',
        "[0,[1e400]]",
        "9" * 309 + ".0",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        "\ufeff{}",
        "[" * 500 + "]" * 500,
        "9" * 5000,
        "{}{}",
        "{a:1}",
        "[1,]",
        '"\n"',
    ],
)
def test_the_parser_refuses_what_could_not_be_written_down_again(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("body", [b"", b"text", "设备 \t\r\n".encode(), "\ufffe".encode()])
def test_text_is_kept_as_text(body: bytes) -> None:
    assert raw(body) == {"raw": body.decode()}


@pytest.mark.parametrize("body", [b"\xff", b"a\0", b"\x1b[0m", b"\xed\xa0\x80"])
def test_what_is_no_text_is_kept_as_base64(body: bytes) -> None:
    assert raw(body) == {"raw_base64": base64.b64encode(body).decode()}


# ─── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_that_is_read_again_is_the_same() -> None:
    record = some_record(payload={"zero": 0, "text": "设备 \ufffe"})
    again = Record(record.body)

    assert vars(again) == vars(record)
    assert (again.by_hour, again.by_device, again.attributes) == (record.by_hour, record.by_device, record.attributes)


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "null", "no json", '{"id":"1","type":"other","data":{}}', "[" * 100_000],
    ids=["empty", "no event", "list", "null", "no json", "another event", "deep"],
)
def test_what_is_no_event_of_ours_is_no_record(body: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Record(body)


def test_what_sqs_refuses_in_a_body_is_escaped() -> None:
    record = some_record(payload="\ufffe\uffff\x00\x1f")

    assert not set(record.body) & {"\ufffe", "\uffff", "\x00", "\x1f"}
    assert json.loads(record.body)["data"]["payload"] == "\ufffe\uffff\x00\x1f"


def test_the_size_is_counted_in_bytes() -> None:
    record = some_record(payload="设备")

    assert record.size == len(record.body.encode()) > len(record.body)


def test_there_are_at_most_six_attributes_and_none_is_empty() -> None:
    receipt = _receipt()

    assert set(Record.of(receipt.event(_alarm(receipt))).attributes) == {
        "vendor",
        "type",
        "account",
        "device",
        "severity",
        "kind",
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
    receipt = _receipt()
    east = datetime(2026, 7, 2, 1, 30, tzinfo=timezone(timedelta(hours=8)))
    records = [some_record(str(number)) for number in range(50)]

    assert Record.of(receipt.event(_notice(receipt, occurred_at=east))).by_hour.startswith("notice#2026-07-01T17#")
    assert {record.by_hour for record in records} == {f"notice#2026-07-01T12#{shard}" for shard in range(4)}


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_the_first_and_the_last_moment_have_an_hour(moment: datetime) -> None:
    receipt = _receipt()

    assert Record.of(receipt.event(_notice(receipt, occurred_at=moment))).by_hour
