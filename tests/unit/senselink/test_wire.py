"""Reading of SenseLink's messages and its secret."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.senselink import wire
from functions.senselink.wire import AccessRecord, Accounts, AlarmRecord, Kind, Server, camel, zone_of
from tests.builders import AT, NOW
from tests.template.stack import ROOT
from tests.vendors.senselink import access_record, alarm_record


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

    # A truth value, a list or an object is no code; a number may be a code outside of the table.
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


# ─── One model for all versions ───────────────────────────────────────────────────────────────────────────────────────

_PEOPLE = {
    "a push": access_record(
        userId=77, sn="SPSE-6b39", signAvatar="c1", signBgAvatar="c2", icNumber="40017", jobNumber="J1", avatar="a1"
    ),
    # Protocol A3, vendor's code 2.3: the manual's example of V2.2.0.
    "a push of V2.2.0": {
        "id": 1364591,
        "deviceSN": "SPSE-6b39",
        "deviceName": "bella pro",
        "userId": 77,
        "userName": "Mira Holt",
        "userType": 1,
        "groupId": 1,
        "groupName": "Default group",
        "originAvatar": "a1",
        "signAvatar": "c1",
        "signBgAvatar": "c2",
        "icNumber": "40017",
        "jobNumber": "J1",
        "signTime": int(AT) - 2,
        "companyId": 1,
    },
    # Protocol A2, vendor's code 2.4: a row of the record list, in the form that a PHP client reads.
    "a row": {
        "id": 1364591,
        "device_ldid": "SPSE-6b39",
        "device_name": "bella pro",
        "user_id": 77,
        "user_name": "Mira Holt",
        "user_type": 1,
        "group_id": 1,
        "group_name": "Default group",
        "groups": [{"id": 1, "name": "Default group", "type": 1}],
        "avatar": "a1",
        "capture_picture": "c1",
        "capture_bg_picture": "c2",
        "user_ic_number": "40017",
        "job_number": "J1",
        "sign_time": int(AT) - 2,
        "sign_time_zone": "GMT+09:00",
    },
}
_PEOPLE["a row in camel case"] = camel(_PEOPLE["a row"])


@pytest.mark.parametrize("version", _PEOPLE)
def test_every_versions_names_are_read_as_the_same(version: str) -> None:
    record = AccessRecord.model_validate(_PEOPLE[version])

    assert (record.id, record.device, record.device_name) == ("1364591", "SPSE-6b39", "bella pro")
    assert (record.user_id, record.name, record.type) == ("77", "Mira Holt", 1)
    assert [(group.id, group.name) for group in record.groups] == [("1", "Default group")]
    assert (record.card, record.job_number) == ("40017", "J1")
    assert record.pictures() == [("avatar", "a1"), ("sign_avatar", "c1"), ("sign_bg_avatar", "c2")]
    assert record.moment(UTC) == NOW - timedelta(seconds=2)


@pytest.mark.parametrize("name", ["deviceSN", "deviceSn", "device_sn", "devicesn", "DEVICE_SN", "DeviceSN"])
def test_a_fields_name_is_known_in_any_spelling(name: str) -> None:
    assert AccessRecord.model_validate({name: "SPSE-1"}).device == "SPSE-1"
    assert AlarmRecord.model_validate({name: "SPSE-1"}).device == "SPSE-1"


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_field_beside_a_full_one_of_another_name_says_nothing(empty: object) -> None:
    record = AccessRecord.model_validate(
        {"sn": empty, "deviceSN": "PS71", "name": empty, "user_name": "Mira Holt", "type": empty, "userType": 2}
    )

    assert (record.device, record.name, record.type) == ("PS71", "Mira Holt", 2)


@pytest.mark.parametrize(
    ("told", "device", "serial"),
    [
        ({"sn": "SPSE-1"}, "SPSE-1", None),
        ({"sn": "SPSE-1", "deviceSN": "PS71"}, "SPSE-1", "PS71"),
        ({"device_ldid": "SPSE-1", "sn": "PS71"}, "SPSE-1", "PS71"),
        ({"device_ldid": "SPSE-1", "device_sn": "PS71"}, "SPSE-1", "PS71"),
        ({"device_ldid": "SPSE-1", "sn": "SPSE-1"}, "SPSE-1", None),
        ({"deviceSN": "PS71"}, "PS71", None),
        ({}, None, None),
    ],
)
def test_a_device_is_its_ldid_and_its_serial_number_is_told_beside_it(
    told: dict[str, Any], device: str | None, serial: str | None
) -> None:
    record = AccessRecord.model_validate(told)

    assert (record.device, record.serial) == (device, serial)


def test_an_alarms_device_is_the_ldid_in_whatever_field() -> None:
    alarm = AlarmRecord.model_validate({"deviceSn": "SPSE-1", "sn": "PS71"})

    assert (alarm.device, alarm.serial) == ("SPSE-1", "PS71")


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        ({"groups": [{"id": 1, "name": "A"}], "groupId": 1, "groupName": "A"}, [("1", "A")]),
        ({"groups": [{"id": 1, "name": "A"}], "groupId": "2", "groupName": "B"}, [("1", "A"), ("2", "B")]),
        ({"groups": [], "group_id": 2, "group_name": "B"}, [("2", "B")]),
        ({"groups": None, "groupName": "B"}, [(None, "B")]),
        ({"groups": [{"groupId": 1, "groupName": "A"}]}, [("1", "A")]),
        ({"groups": {"id": 1, "name": "A"}}, [("1", "A")]),
        ({"groups": [None, 5, {}, {"id": 0, "name": ""}]}, []),
        ({"groupId": 0, "groupName": ""}, []),
        ({}, []),
    ],
)
def test_all_groups_are_read_each_once(told: dict[str, Any], groups: list[tuple[str | None, str | None]]) -> None:
    assert [(group.id, group.name) for group in AccessRecord.model_validate(told).groups] == groups


def test_a_record_that_was_made_into_json_twice_is_read() -> None:
    assert wire.record({"code": 30000, "data": json.dumps({"user_name": "Mira Holt"})}) == {"userName": "Mira Holt"}


# ─── Times and zones ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ({"signTime": int(AT)}, NOW),
        ({"signTime": int(AT) * 1000}, NOW),
        ({"sign_time": str(int(AT))}, NOW),
        ({"signTime": "2026-07-01 12:00:00"}, NOW - timedelta(hours=9)),
        ({"signTime": "2026-07-01 12:00:00", "signTimeZone": "+08:00"}, NOW - timedelta(hours=8)),
        ({"signTime": "2026-07-01 12:00:00", "signTimeZone": "GMT+02:00"}, NOW - timedelta(hours=2)),
        ({"signTime": "2026-07-01 12:00:00", "signTimeZone": "Europe/Berlin"}, NOW - timedelta(hours=2)),
        ({"signTime": "2026-07-01 12:00:00", "signTimeZone": "nowhere"}, NOW - timedelta(hours=9)),
        ({"signTime": int(AT), "signTimeZone": "+02:00"}, NOW),
        ({"signDate": "2026-07-01 12:00:00"}, NOW - timedelta(hours=9)),
        ({"signTime": 0, "signDate": "2026-07-01 12:00:00", "signTimeZone": "UTC"}, NOW),
        ({"signDate": "2026-07-01"}, None),
        ({"signTime": "2026-07-01"}, None),
        ({"signTime": 20260701}, None),
        ({}, None),
    ],
)
def test_when_a_record_was_made(told: dict[str, Any], moment: datetime | None) -> None:
    tokyo = Server(server="north").zone

    assert AccessRecord.model_validate(told).moment(tokyo) == moment


@pytest.mark.parametrize("told", ["2026-07-01", "20260701", "2026/7/1", "2026年7月1日"])
def test_on_which_day_a_record_was_made(told: str) -> None:
    for record in (AccessRecord.model_validate({"signDate": told}), AccessRecord.model_validate({"sign_time": told})):
        day = record.day(Server(server="north").zone)
        assert day is not None
        assert day.isoformat() == "2026-07-01T00:00:00+09:00"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("+09:00", 540),
        ("-03:30", -210),
        ("+00:00", 0),
        ("-00:30", -30),
        ("+14:00", 840),
        ("GMT+09:00", 540),
        ("gmt-3:30", -210),
        ("UTC+9", 540),
        ("+0900", 540),
        ("+9", 540),
        (" +09:00 ", 540),
        ("GMT", 0),
        ("Z", 0),
        ("Asia/Tokyo", 540),
    ],
)
def test_a_zone_is_read_as_servers_write_it(text: str, minutes: int) -> None:
    zone = zone_of(text)

    assert zone is not None
    assert zone.utcoffset(NOW.replace(tzinfo=None)) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", [None, "", "+99:00", "nowhere", "Asia/Atlantis", "../../etc/passwd", "A" * 5000, "+"])
def test_what_is_no_zone_is_none(text: str | None) -> None:
    assert zone_of(text) is None


@pytest.mark.parametrize(
    ("text", "minutes"), [("+09:00", 540), ("-03:30", -210), ("+00:00", 0), ("-00:30", -30), ("+14:00", 840)]
)
def test_the_zone_of_a_server(text: str, minutes: int) -> None:
    assert Server(server="north", time_zone=text).zone.utcoffset(None) == timedelta(minutes=minutes)


def test_a_zone_by_name_has_daylight_saving() -> None:
    zone = Server(server="north", time_zone="Europe/Berlin").zone
    winter, summer = (datetime(2026, month, 1, 12, tzinfo=zone) for month in (1, 7))

    assert (winter.utcoffset(), summer.utcoffset()) == (timedelta(hours=1), timedelta(hours=2))


def test_a_zone_is_known_where_the_machine_knows_none() -> None:
    """Lambda's image may lack a database of time zones."""
    zones = (
        "from datetime import datetime\n"
        "from functions.senselink.wire import Server, zone_of\n"
        "zone = Server(server='n', time_zone='Europe/Berlin').zone\n"
        "print([datetime(2026, month, 1, tzinfo=zone).utcoffset().seconds for month in (1, 7)])\n"
        "print(zone_of('Asia/Atlantis'), zone_of('Europe'), zone_of('Asia/Tokyo'))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", zones],
        env={**os.environ, "PYTHONTZPATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines() == ["[3600, 7200]", "None None Asia/Tokyo"]


# ─── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────────


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
        {"tokens": [""]},
        {"tokens": ["1"]},
        {"tokens": ["nineteen-characters"]},
        {"tokens": ["letters and blanks 0123456789"]},
        {"tokens": ["a/path/of-more-than-20-characters"]},
        {"tokens": ["north-one-0123456789abcdef", "  "]},
        {"app_secret": ""},
        {"app_secret": " "},
        {"app_key": " "},
        {"password": "x"},
        {"url": "ws://192.0.2.1:9000"},
        {"api_url": "http://192.0.2.1"},
        {"url": "wss://192.0.2.1:9000", "api_url": "http://192.0.2.1"},
    ],
)
def test_a_wrong_entry_of_the_secret_is_refused_without_being_quoted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Accounts.model_validate({"accounts": [{"server": "north", "app_secret": "MARKER", **wrong}]})

    assert "MARKER" not in str(caught.value)
    # Reports 13: an empty secret is refused when it is read, and the field named.
    assert str(next(iter(wrong))) in str(caught.value)


def test_the_zone_is_tokyos_unless_it_is_another() -> None:
    assert Server(server="north").time_zone == "+09:00"


def test_the_secret_of_the_samples_is_one_and_shows_no_credential() -> None:
    accounts = Accounts.model_validate_json((ROOT / "events" / "senselink" / "secret.json").read_text())

    assert len(accounts.accounts) == 2
    for server in accounts.accounts:
        credentials = [*server.tokens, *([server.app_secret] if server.app_secret else [])]
        assert not any(credential.get_secret_value() in repr(accounts) for credential in credentials)


def test_s22_an_address_without_tls_has_to_be_meant() -> None:
    plain = {"server": "north", "url": "ws://192.0.2.1:9000", "api_url": "http://192.0.2.1"}
    with pytest.raises(ValidationError, match='url and api_url without TLS: takes "insecure": true'):
        Accounts.model_validate({"accounts": [plain]})

    assert Accounts.model_validate({"accounts": [{**plain, "insecure": True}]}).accounts[0].url == plain["url"]
