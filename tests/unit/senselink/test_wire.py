"""SenseLink's messages and its secret, as they are read."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.senselink import wire
from functions.senselink.wire import AccessRecord, Accounts, AlarmRecord, Kind, Server
from tests.builders import access_record, alarm_record
from tests.template.stack import ROOT


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"code": 30000}, Kind.RECORD),
        ({"code": "30000"}, Kind.RECORD),
        ({"eventType": 30100}, Kind.ALARM),
        ({"code": 10000, "eventType": 30100}, Kind.ALARM),
        ({"code": 200, "eventType": 30000}, Kind.RECORD),
        ({"code": "200", "eventType": "30100.0"}, Kind.ALARM),
        ({"code": 30000, "eventType": 0}, Kind.RECORD),
        ({"code": 30000.0, "event_type": None}, Kind.RECORD),
        ({"event_type": " 30100 "}, Kind.ALARM),
        ({"code": 200, "eventType": 10000}, Kind.HEARTBEAT),
        ({"code": 200, "eventType": 30200}, 30200),
        ({"code": 200}, 200),
        ({"code": 20000}, Kind.CONNECTED),
        ({"code": 20002}, Kind.DENIED),
        ({"code": 30200}, 30200),
        ({"code": True}, None),
        ({"code": "x"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_message_says_what_it_is(payload: Any, kind: int | None) -> None:
    assert wire.kind(payload) == kind


@pytest.mark.parametrize("payload", [None, [], {}, {"data": None}, {"data": []}, {"data": "x"}, "data"])
def test_where_there_is_no_record_there_is_none(payload: Any) -> None:
    assert wire.record(payload) is None


def test_a_record_reads_by_the_vendors_names() -> None:
    record = AccessRecord.model_validate(access_record(bodyTemperature=36.5, mask="2", avatar="A", entryMode="3"))

    assert (record.id, record.user_id, record.sign_time) == ("1364591", "4021", str(access_record()["signTime"]))
    assert (record.mask, record.entry_mode, record.body_temperature) == (2, 3, 36.5)
    assert [group.type for group in record.groups] == [1]
    assert [role for role, _ in record.pictures()] == ["avatar", "sign_avatar", "sign_bg_avatar"]


@pytest.mark.parametrize("odd", [None, [], {}, "x", True, 1e300, float("nan"), [{"id": {}}], 10**40])
def test_an_odd_field_is_read_as_absent_and_never_fails(odd: object) -> None:
    record = AccessRecord.model_validate(dict.fromkeys(access_record(), odd))
    alarm = AlarmRecord.model_validate(dict.fromkeys(alarm_record(), odd))

    # A truth value, a list or an object is no code; a number may be one of no table.
    assert record.entry_mode is None or isinstance(record.entry_mode, int)
    assert alarm.code is None or isinstance(alarm.code, int)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"code": 30000, "data": access_record()}, ["sign_avatar", "sign_bg_avatar"]),
        ({"eventType": 30000, "data": {"sign_avatar": "S"}}, ["sign_avatar"]),
        ({"code": 30100, "data": alarm_record(alarmPhoto="P")}, ["alarm_photo"]),
        ({"code": 30100, "data": alarm_record()}, []),
        ({"code": 30200, "data": access_record()}, []),
        ({"code": 30000}, []),
        ("{", []),
        (None, []),
    ],
)
def test_the_pictures_that_a_message_names(message: object, named: list[str]) -> None:
    assert [role for role, _ in wire.pictures(json.dumps(message).encode())] == named


@pytest.mark.parametrize("message", [b"", b"{", b"\xff", b"[" * 5000])
def test_what_is_no_json_names_no_pictures(message: bytes) -> None:
    assert wire.pictures(message) == []


@pytest.mark.parametrize(
    ("text", "minutes"), [("+09:00", 540), ("-03:30", -210), ("+00:00", 0), ("-00:30", -30), ("+14:00", 840)]
)
def test_the_zone_of_a_server(text: str, minutes: int) -> None:
    assert Server(server="north", time_zone=text).zone.utcoffset(None) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": ""},
        {"url": "http://192.0.2.1"},
        {"url": "wss://192.0.2.1:9000/websocket"},
        {"url": "wss://user@192.0.2.1"},
        {"api_url": "192.0.2.1"},
        {"api_url": "https://192.0.2.1?x=1"},
        {"app_key": ""},
        {"time_zone": "Asia/Atlantis"},
        {"time_zone": "../etc/passwd"},
        {"time_zone": "/etc/localtime"},
        {"time_zone": "Europe"},
        {"time_zone": ""},
        {"time_zone": "+9:00"},
        {"tokens": "one"},
        {"password": "x"},
    ],
)
def test_a_wrong_entry_of_the_secret_is_refused_without_being_quoted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Accounts.model_validate({"accounts": [{"server": "north", "app_secret": "MARKER", **wrong}]})

    assert "MARKER" not in str(caught.value)


def test_the_zone_is_tokyos_unless_it_is_another() -> None:
    assert Server(server="north").time_zone == "+09:00"


def test_the_secret_of_the_samples_is_one_and_shows_no_credential() -> None:
    accounts = Accounts.model_validate_json((ROOT / "events" / "senselink" / "secret.json").read_text())

    assert len(accounts.accounts) == 2
    for server in accounts.accounts:
        credentials = [*server.tokens, *([server.app_secret] if server.app_secret else [])]
        assert not any(credential.get_secret_value() in repr(accounts) for credential in credentials)
