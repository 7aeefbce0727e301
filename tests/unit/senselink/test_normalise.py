"""SenseLink's tables ("3.1.1", "3.1.2") as our events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.senselink.normalise import normalise
from functions.senselink.verify import Verified
from functions.senselink.wire import Server
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, EventBuilder, Host, Recognition
from gatehouse.media import Image, image
from gatehouse.vocabulary import (
    AlarmKind,
    AlarmState,
    Anomaly,
    Arrival,
    Direction,
    Mask,
    Method,
    Outcome,
    PersonKind,
    Release,
    Severity,
)
from tests.builders import AT, NOW
from tests.vendors.senselink import access_record, alarm_record

NORTH = Verified(Server(server="north"))
TOKYO = Verified(Server(server="north", time_zone="+09:00"))
PHOTO = b"\xff\xd8\xffphoto"


def _builder(images: dict[str, Image | None] | None = None) -> EventBuilder:
    return EventBuilder(
        vendor="senselink",
        account="north",
        identity=["1"],
        received_at=NOW,
        payload={},
        images=images,
        bucket="media",
    )


def _recognition(images: dict[str, Image | None] | None = None, /, **more: Any) -> Recognition:
    (event,) = normalise({"code": 30000, "data": access_record(**more)}, _builder(images), TOKYO)
    assert isinstance(event.data, Recognition)
    return event.data


def _alarm(images: dict[str, Image | None] | None = None, /, **more: Any) -> Alarm:
    (event,) = normalise({"eventType": 30100, "data": alarm_record(**more)}, _builder(images), TOKYO)
    assert isinstance(event.data, Alarm)
    return event.data


# ─── An authentication ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_says_who_where_when_and_how() -> None:
    seen = _recognition()

    assert (seen.device, seen.site) == ("SPSP-f26131cf5301be29b3a6f7be150ed330", "306")
    assert (seen.person.id, seen.person.name, seen.person.kind) == ("4021", "Mira Holt", PersonKind.STAFF)
    assert (seen.person.group_id, seen.person.group_name) == ("1", "Default group")
    assert (seen.method, seen.outcome, seen.anomaly) == (Method.FACE, Outcome.RECOGNISED, None)
    assert (seen.recognition_score, seen.mask, seen.temperature) == (0.9375, Mask.UNKNOWN, None)
    assert (seen.direction, seen.person.host) == (None, None)
    assert (seen.stage, seen.decision) == ("recorded", None)


def test_the_sample_of_the_page_is_a_stranger() -> None:
    seen = _recognition(type=3, userId=0, name="", verifyScore=0)

    assert (seen.kind, seen.person.id, seen.person.name) == (PersonKind.STRANGER, None, None)
    assert (seen.outcome, seen.recognition_score) == (Outcome.NOT_RECOGNISED, 0)


@pytest.mark.parametrize(
    ("mode", "method"),
    [
        (1, Method.FACE),
        (2, Method.CODE),
        (3, Method.CARD),
        (4, Method.MULTIPLE),
        (5, Method.CARD),
        (6, Method.MULTIPLE),
        ("1", Method.FACE),
        (0, Method.UNKNOWN),
        (7, Method.UNKNOWN),
        (None, Method.UNKNOWN),
    ],
)
def test_every_entry_mode_of_the_table(mode: object, method: Method) -> None:
    assert _recognition(entryMode=mode).method is method


@pytest.mark.parametrize(
    ("code", "anomaly"),
    [
        (10001, Anomaly.ID_CARD_MISMATCH),
        (10002, Anomaly.CARD_MISMATCH),
        (10003, Anomaly.CODE_MISMATCH),
        (20001, Anomaly.VISITOR_EXPIRED),
        (20002, Anomaly.OUTSIDE_ACCESS_TIME),
        (30001, Anomaly.INVALID_ID_CARD),
        (30002, Anomaly.INVALID_CARD),
        (30003, Anomaly.INVALID_CODE),
    ],
)
def test_an_abnormal_type_that_refuses_what_was_shown_is_a_denial(code: int, anomaly: Anomaly) -> None:
    seen = _recognition(abnormalType=code)

    assert (seen.anomaly, seen.outcome) == (anomaly, Outcome.DENIED)


@pytest.mark.parametrize(("code", "anomaly"), [(40001, Anomaly.TEMPERATURE), (50001, Anomaly.NO_MASK)])
def test_a_fever_and_no_mask_are_abnormal_and_no_refusal(code: int, anomaly: Anomaly) -> None:
    """Protocol B2, `abnormalType`: the page says "abnormal"; a setting of the terminal decides who may pass."""
    known, stranger = (_recognition(abnormalType=code, type=kind, groups=[]) for kind in (1, 3))

    assert (known.anomaly, known.outcome) == (anomaly, Outcome.RECOGNISED)
    assert (stranger.anomaly, stranger.outcome) == (anomaly, Outcome.NOT_RECOGNISED)


@pytest.mark.parametrize("code", [99999, 70001, -1, "x", "NaN", True, [], {}])
def test_an_abnormal_type_that_nobody_can_read_is_neither_a_refusal_nor_none(code: object) -> None:
    seen = _recognition(abnormalType=code)

    assert (seen.anomaly, seen.outcome) == (Anomaly.UNKNOWN, Outcome.UNKNOWN)


@pytest.mark.parametrize("code", [0, "0", None, ""])
def test_no_abnormal_type_is_no_anomaly(code: object) -> None:
    assert _recognition(abnormalType=code).anomaly is None


@pytest.mark.parametrize(
    ("code", "mask"),
    [(0, Mask.UNKNOWN), (1, Mask.NOT_WORN), (2, Mask.WORN), (3, Mask.UNKNOWN), (None, Mask.UNKNOWN)],
)
def test_a_mask_of_one_is_the_other_one_of_what_zero_says_twice(code: object, mask: Mask) -> None:
    assert _recognition(mask=code).mask is mask


@pytest.mark.parametrize(
    ("kind", "group", "person", "outcome"),
    [
        (1, 2, PersonKind.STAFF, Outcome.RECOGNISED),
        (2, 1, PersonKind.VISITOR, Outcome.RECOGNISED),
        (3, None, PersonKind.STRANGER, Outcome.NOT_RECOGNISED),
        (5, 1, PersonKind.BLOCKLISTED, Outcome.RECOGNISED),
        (None, 1, PersonKind.STAFF, Outcome.RECOGNISED),
        (0, 2, PersonKind.VISITOR, Outcome.RECOGNISED),
        (9, 5, PersonKind.BLOCKLISTED, Outcome.RECOGNISED),
        (9, 9, PersonKind.UNKNOWN, Outcome.UNKNOWN),
        (None, None, PersonKind.UNKNOWN, Outcome.UNKNOWN),
    ],
)
def test_what_somebody_is_by_type_and_else_by_group(
    kind: object, group: object, person: PersonKind, outcome: Outcome
) -> None:
    seen = _recognition(type=kind, groups=[] if group is None else [{"id": 8, "name": "G", "type": group}])

    assert (seen.kind, seen.person.kind, seen.outcome) == (person, person, outcome)


def test_of_several_groups_the_first_is_named() -> None:
    seen = _recognition(groups=[{"id": 8, "name": "First", "type": 2}, {"id": 9, "name": "Second", "type": 1}])

    assert (seen.person.group_id, seen.person.group_name) == ("8", "First")


def test_all_groups_are_told() -> None:
    """Protocol B2, groups: the first one only."""
    seen = _recognition(groups=[{"id": 8, "name": "First", "type": 2}, {"id": "9", "name": "", "type": 7}])

    assert [(group.id, group.name, group.kind) for group in seen.person.groups] == [
        ("8", "First", PersonKind.VISITOR),
        ("9", None, PersonKind.UNKNOWN),
    ]


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 9, None, "x"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_group_that_bars_wins_over_all_else(kind: object, position: int) -> None:
    """Protocol B2, groups: a deny list in any place was `staff`, `recognised`."""
    groups = [{"id": 1, "name": "A", "type": 1}, {"id": 2, "name": "B", "type": 2}]
    groups.insert(position, {"id": 9, "name": "Not welcome", "type": "5" if position else 5})
    seen = _recognition(type=kind, groups=groups)

    assert (seen.kind, seen.person.kind) == (PersonKind.BLOCKLISTED, PersonKind.BLOCKLISTED)
    assert len(seen.person.groups) == 3


def test_a_type_that_nobody_can_read_is_not_taken_from_the_group() -> None:
    assert _recognition(type="x").kind is PersonKind.UNKNOWN


def test_of_several_groups_the_first_that_tells_says_what_somebody_is() -> None:
    groups = [{"id": 1, "name": "A", "type": 7}, {"id": 2, "name": "B", "type": 2}]

    assert _recognition(type=None, groups=groups).kind is PersonKind.VISITOR


@pytest.mark.parametrize(
    ("told", "direction"),
    [
        (0, None),
        (1, Direction.IN),
        (2, Direction.OUT),
        ("2", Direction.OUT),
        (1.0, Direction.IN),
        (3, None),
        (None, None),
    ],
)
def test_which_way_somebody_went(told: object, direction: Direction | None) -> None:
    """Protocol B2, direction."""
    assert _recognition(direction=told).direction is direction


def test_a_person_has_a_job_number_and_a_card() -> None:
    """Protocol B2, `jobNumber`, `icNumber`; vendor's code 2.3, `userIcNumber`."""
    person = _recognition(jobNumber="J0017", icNumber="0040017").person

    assert (person.job_number, person.card) == ("J0017", "0040017")
    assert _recognition(icNumber="", userIcNumber="40551").person.card == "40551"
    assert (_recognition().person.job_number, _recognition().person.card) == (None, None)


def test_who_receives_a_visitor() -> None:
    """Protocol B2, `receptionUserId`, `receptionUserName`."""
    assert _recognition(receptionUserId=17, receptionUserName="Mira Holt").person.host == Host(
        id="17", name="Mira Holt"
    )
    assert _recognition(receptionUserId="0", receptionUserName="Mira Holt").person.host == Host(name="Mira Holt")
    assert _recognition(receptionUserId=0, receptionUserName="").person.host is None


def test_a_device_has_a_name_and_where_both_are_known_a_serial_number() -> None:
    """Protocol B2, `deviceName`; vendor's code 2.4, the LDID and the serial number."""
    seen = _recognition(deviceSN="PS71HD01MC22C00014")

    assert (seen.device, seen.serial) == ("SPSP-f26131cf5301be29b3a6f7be150ed330", "PS71HD01MC22C00014")
    assert seen.device_name == "bella pro"
    assert _recognition().serial is None


@pytest.mark.parametrize("groups", [None, "x", {}, [5, None, {"id": {}}], [[]]])
def test_odd_groups_are_no_groups(groups: object) -> None:
    assert _recognition(groups=groups).person.group_name is None


@pytest.mark.parametrize(("told", "temperature"), [(36.4, 36.4), (0, None), (0.0, None), (None, None), ("36", 36.0)])
def test_a_temperature_of_zero_was_not_measured(told: object, temperature: float | None) -> None:
    assert _recognition(bodyTemperature=told).temperature == temperature


@pytest.mark.parametrize("told", [int(AT) - 2, str(int(AT) - 2)])
def test_a_record_is_of_the_second_it_was_signed_in_whatever_the_zone(told: object) -> None:
    assert _recognition(signTime=told).occurred_at == NOW - timedelta(seconds=2)


@pytest.mark.parametrize("told", [None, "", "yesterday", 0, "0", 10**25, -(10**18), "2262-04-11 00:00:00", True])
def test_a_record_without_a_usable_time_is_of_when_it_came(told: object) -> None:
    assert _recognition(signTime=told).occurred_at == NOW


@pytest.mark.parametrize(
    ("told", "occurred"),
    [
        ((int(AT) - 2) * 1000 + 250, NOW - timedelta(seconds=1.75)),
        ("2026-07-01 20:59:58", NOW - timedelta(seconds=2)),
        ("2026-07-01T11:59:58Z", NOW - timedelta(seconds=2)),
    ],
)
def test_a_records_time_is_read_in_whatever_unit(told: object, occurred: datetime) -> None:
    """Reports 15, `signTime` in milliseconds."""
    assert _recognition(signTime=told).occurred_at == occurred


@pytest.mark.parametrize(
    ("date", "zone", "occurred", "arrival"),
    [
        ("2026-07-01", "+09:00", NOW, Arrival.LIVE),
        ("2026-06-30", "+09:00", datetime(2026, 6, 29, 15, tzinfo=UTC), Arrival.LATE),
        ("20260630", "GMT+02:00", datetime(2026, 6, 29, 22, tzinfo=UTC), Arrival.LATE),
        ("2026-07-02", "+09:00", NOW, Arrival.LIVE),
        ("2026-07-02", "+14:00", NOW, Arrival.LIVE),
        ("2026-07-01", "+14:00", datetime(2026, 6, 30, 10, tzinfo=UTC), Arrival.LATE),
        ("2026-06-30", "", datetime(2026, 6, 29, 15, tzinfo=UTC), Arrival.LATE),
        ("1970-01-01", "+09:00", NOW, Arrival.LIVE),
    ],
)
def test_where_only_the_day_is_told_a_day_that_is_over_is_not_of_now(
    date: str, zone: str, occurred: datetime, arrival: Arrival
) -> None:
    """Protocol B2, `signDate` where there is no `signTime`."""
    seen = _recognition(signTime=None, signDate=date, signTimeZone=zone)

    assert (seen.occurred_at, seen.arrival) == (occurred, arrival)


# ─── An alarm ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alarm_says_what_where_and_how_it_stands() -> None:
    alarm = _alarm()

    assert (alarm.device, alarm.site, alarm.trace_id) == ("SPSP-f26131cf5301be29b3a6f7be150ed330", "306", "T1")
    assert (alarm.kind, alarm.severity, alarm.state) == (AlarmKind.HELD_OPEN, Severity.MEDIUM, AlarmState.RAISED)
    assert alarm.occurred_at == NOW - timedelta(seconds=2)


@pytest.mark.parametrize(
    ("code", "kind", "severity"),
    [
        (10001, AlarmKind.TAMPERED, Severity.HIGH),
        (10002, AlarmKind.FORCED_OPEN, Severity.HIGH),
        (10003, AlarmKind.HELD_OPEN, Severity.MEDIUM),
        (10004, AlarmKind.PASSWORD_ATTACK, Severity.HIGH),
        (10005, AlarmKind.UNKNOWN, Severity.LOW),
        (10006, AlarmKind.DEVICE_FAULT, Severity.LOW),
        (20001, AlarmKind.DEVICE_FAULT, Severity.LOW),
        (20002, AlarmKind.PRESENTATION_ATTACK, Severity.HIGH),
        (20003, AlarmKind.FIRE, Severity.CRITICAL),
        (30001, AlarmKind.DEVICE_OFFLINE, Severity.LOW),
        (40001, AlarmKind.DEVICE_FAULT, Severity.LOW),
        (77777, AlarmKind.UNKNOWN, Severity.LOW),
        (None, AlarmKind.UNKNOWN, Severity.LOW),
    ],
)
def test_every_alarm_code_of_the_table(code: object, kind: AlarmKind, severity: Severity) -> None:
    alarm = _alarm(code=code, level=2)

    assert (alarm.kind, alarm.severity) == (kind, severity)


@pytest.mark.parametrize(
    ("level", "severity"), [(1, Severity.MEDIUM), (2, Severity.LOW), (3, Severity.UNKNOWN), (None, Severity.UNKNOWN)]
)
def test_the_level_tells_how_bad_it_is_where_the_kind_does_not(level: object, severity: Severity) -> None:
    assert _alarm(code=30001, level=level).severity is severity
    assert _alarm(code=20003, level=level).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (1, AlarmState.RAISED),
        (2, AlarmState.RELEASING),
        (3, AlarmState.RELEASED),
        (0, AlarmState.UNKNOWN),
        (None, AlarmState.UNKNOWN),
    ],
)
def test_every_status_of_the_table(status: object, state: AlarmState) -> None:
    assert _alarm(status=status).state is state


@pytest.mark.parametrize(
    ("status", "released", "occurred"),
    [
        (1, "2026-07-01 21:30:00", "2026-07-01T11:59:58"),
        (2, "2026-07-01 21:30:00", "2026-07-01T11:59:58"),
        (3, "2026-07-01 21:30:00", "2026-07-01T12:30:00"),
        (3, "", "2026-07-01T11:59:58"),
        (3, None, "2026-07-01T11:59:58"),
    ],
)
def test_an_alarm_is_of_its_beginning_until_it_is_released_in_the_servers_zone(
    status: int, released: object, occurred: str
) -> None:
    assert _alarm(status=status, releaseTime=released).occurred_at == datetime.fromisoformat(occurred).replace(
        tzinfo=UTC
    )


@pytest.mark.parametrize(
    "told",
    [
        int(AT) - 2,
        (int(AT) - 2) * 1000,
        str((int(AT) - 2) * 1000),
        "2026-07-01T20:59:58",
        "2026/07/01 20:59:58",
        "2026-07-01T11:59:58.000Z",
        "20260701205958",
    ],
)
def test_an_alarms_time_is_read_in_whatever_form(told: object) -> None:
    """Reports 15, `alarmTime` as epoch milliseconds."""
    raised, released = _alarm(alarmTime=told), _alarm(status=3, releaseTime=told)

    assert raised.occurred_at == raised.raised_at == NOW - timedelta(seconds=2)
    assert released.occurred_at == released.released_at == NOW - timedelta(seconds=2)


def test_a_release_tells_when_it_began_as_well() -> None:
    alarm = _alarm(status=3, releaseTime="2026-07-01 21:30:00")

    assert (alarm.raised_at, alarm.released_at) == (NOW - timedelta(seconds=2), NOW + timedelta(minutes=30))
    assert _alarm().released_at is None


def test_an_alarm_says_what_it_is_in_the_vendors_words() -> None:
    """Protocol B2, `description`, `code`, `deviceName`: 10006, 20001 and 40001 are one kind."""
    alarm = _alarm(code=20001, description="カメラの汚れ", sn="PS71HD01")

    assert (alarm.kind, alarm.code, alarm.description) == (AlarmKind.DEVICE_FAULT, 20001, "カメラの汚れ")
    assert (alarm.device_name, alarm.serial) == ("bella pro", "PS71HD01")


@pytest.mark.parametrize(
    ("option", "release"),
    [
        (0, Release.NOT_NEEDED),
        (1, Release.DEVICE),
        (2, Release.REMOTE),
        (3, Release.DEVICE_OR_REMOTE),
        ("3", Release.DEVICE_OR_REMOTE),
        (4, None),
        (None, None),
        ("", None),
    ],
)
def test_how_an_alarm_can_be_released(option: object, release: Release | None) -> None:
    """Protocol B2, `resloveOption`."""
    assert _alarm(resloveOption=option).release is release


def test_an_alarm_of_the_list_is_read_by_the_same_names_in_snake_case() -> None:
    """Vendor's code 2.1: no real row was seen, so its names are read leniently."""
    told = alarm_record(description="held open")
    row = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in told.items()}
    (event,) = normalise({"code": 30100, "data": row}, _builder(), TOKYO)

    assert event.data == _alarm(description="held open")


def test_a_time_that_tells_its_zone_is_of_that_one() -> None:
    assert _alarm(alarmTime="2026-07-01T12:00:00+02:00").occurred_at == NOW - timedelta(hours=2)


@pytest.mark.parametrize("told", ["", None, "soon", "2026-13-45 00:00:00", 5, "0001-01-01 00:00:00"])
def test_an_alarm_without_a_usable_time_is_of_when_it_came(told: object) -> None:
    assert _alarm(alarmTime=told).occurred_at == NOW


def test_times_without_a_zone_are_in_the_servers() -> None:
    london = Verified(Server(server="north", time_zone="+00:00"))
    (event,) = normalise({"code": 30100, "data": alarm_record()}, _builder(), london)

    assert event.data.occurred_at == NOW + timedelta(hours=8, minutes=59, seconds=58)


# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pictures_are_named_by_the_servers_ids() -> None:
    pictures = _recognition(avatar="A1").pictures

    assert [(picture.role, picture.reference, picture.key) for picture in pictures] == [
        ("avatar", "A1", None),
        ("sign_avatar", "5d901af663cdaf0001252bb9", None),
        ("sign_bg_avatar", "5d901af663cdaf0001252bba", None),
    ]


def test_the_photo_of_a_document_is_a_picture_as_well() -> None:
    """Protocol B2, `docPhoto`."""
    named = {picture.role: picture.reference for picture in _recognition(docPhoto="D1").pictures}
    fetched = _recognition({"doc_photo": image(PHOTO)}, docPhoto="D1").pictures[-1]

    assert named["doc_photo"] == "D1"
    assert (fetched.role, fetched.reference, fetched.size) == ("doc_photo", "D1", len(PHOTO))


@pytest.mark.parametrize(
    "told",
    [
        {"originAvatar": "A1", "avatar": "", "signAvatar": "S1", "signBgAvatar": "B1"},
        {"avatar": "A1", "signAvatar": None, "capturePicture": "S1", "signBgAvatar": "", "capture_bg_picture": "B1"},
    ],
)
def test_pictures_of_older_servers_and_of_the_list_have_the_same_roles(told: dict[str, Any]) -> None:
    assert [(picture.role, picture.reference) for picture in _recognition(**told).pictures] == [
        ("avatar", "A1"),
        ("sign_avatar", "S1"),
        ("sign_bg_avatar", "B1"),
    ]


def test_a_picture_that_was_fetched_has_our_copy_besides() -> None:
    fetched, left = _recognition({"sign_avatar": image(PHOTO)}).pictures

    assert (fetched.role, fetched.reference) == ("sign_avatar", "5d901af663cdaf0001252bb9")
    assert (fetched.bucket, fetched.size, fetched.content_type) == ("media", len(PHOTO), "image/jpeg")
    assert fetched.key is not None
    assert fetched.key.startswith("senselink/")
    assert (left.role, left.key) == ("sign_bg_avatar", None)


def test_the_photo_of_an_alarm() -> None:
    (photo,) = _alarm({"alarm_photo": image(PHOTO)}, alarmPhoto="P1").pictures
    assert (photo.role, photo.reference, photo.size) == ("alarm_photo", "P1", len(PHOTO))

    assert _alarm().pictures == ()


# ─── What is neither ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {},
        {"code": 30200, "data": access_record()},
        {"code": 30000},
        {"code": 30000, "data": []},
        {"code": None, "data": access_record()},
        {"raw": "{"},
        {"code": 20002, "message": "Permission Denied!"},
        {"code": 10000, "data": {"id": 1}},
    ],
)
def test_what_is_neither_is_not_understood(payload: Any) -> None:
    with pytest.raises(NotUnderstood, match="neither"):
        normalise(payload, _builder(), NORTH)


@pytest.mark.parametrize("kind", [30000, 30100])
def test_an_empty_record_is_an_event_all_the_same(kind: int) -> None:
    (event,) = normalise({"code": kind, "data": {}}, _builder(), NORTH)

    assert (event.data.device, event.data.occurred_at) == (None, NOW)


@pytest.mark.parametrize("code", [10000, 20000, "10000"])
@pytest.mark.parametrize("data", [None, {}, "", []])
def test_a_sign_of_life_is_no_event(code: Any, data: Any) -> None:
    assert normalise({"eventType": code, "messageId": "M1", "data": data}, _builder(), NORTH) == []
    assert normalise({"code": code, "message": "heart beat"}, _builder(), NORTH) == []
