"""The events of SensePass's pushes, by firmware: every entry of the vendor's tables, and values that are in none."""

from typing import Any

import pytest

from gatehouse.telemetry import Count, Span
from ops.simulators.sensepass import BLOCKLISTED, NOT_LIVE, STAFF, STRANGER, VISITOR, Firmware, Person
from tests.builders import AT
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sensepass import SERIAL, terminal

FIRMWARE: tuple[Firmware, ...] = ("1.0", "1.1", "1.2.1", "1.3")
LATER = FIRMWARE[1:]


def _data(rig: Rig[Any], **fields: Any) -> dict[str, Any]:
    """The event's data of a record of V1.3 with these fields."""
    return _data_of(rig, "1.3", **fields)


def _data_of(rig: Rig[Any], firmware: Firmware, **fields: Any) -> dict[str, Any]:
    assert rig.send(terminal(firmware).upload(**{"rgb_image": " ", **fields})).status == 200
    data: dict[str, Any] = rig.event["data"]
    return data


# ─── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_of_the_newest_firmware_is_a_recognition(sensepass: Rig[Any]) -> None:
    data = _data(sensepass, uuid="U1", bodyTemperature=36.4, livenessScore=0.5)

    event = sensepass.event
    assert (event["type"], event["subject"]) == ("gatehouse.recognition.v1", SERIAL)
    assert (event["source"], event["time"]) == ("urn:gatehouse:sensepass:north", "2026-07-01T12:00:00.000000Z")
    payload = data.pop("payload")
    assert (payload["type"], payload["data"]["uuid"], payload["data"]["user"]["remark"]) == (0, "U1", "")
    assert data == {
        "vendor": "sensepass",
        "account": "north",
        "device": SERIAL,
        "site": "north",
        "occurred_at": "2026-07-01T12:00:00.000000Z",
        "received_at": "2026-07-01T12:00:00.000000Z",
        "arrival": "live",
        "lag_ms": 0,
        "kind": "staff",
        "person": {
            "kind": "staff",
            "id": "17",
            "name": "Mira Holt",
            "job_number": "J17",
            "card": "40017",
            "group_id": "3",
            "group_name": "Workshop",
            "groups": [{"id": "3", "name": "Workshop", "kind": "unknown"}],
            "gender": "unknown",
        },
        "method": "face",
        "outcome": "granted",
        "recognition_score": 0.9837480783462524,
        "liveness_score": 0.5,
        "mask": "not_worn",
        "temperature": 36.4,
        "stage": "recorded",
        "pictures": [],
    }


@pytest.mark.parametrize("firmware", FIRMWARE)
@pytest.mark.parametrize(
    ("person", "kind", "outcome"),
    [
        (STAFF, "staff", "granted"),
        (VISITOR, "visitor", "granted"),
        (STRANGER, "stranger", "denied"),
        (NOT_LIVE, "unknown", "denied"),
        (BLOCKLISTED, "blocklisted", "denied"),
    ],
)
def test_who_it_was_and_what_came_of_it(
    sensepass: Rig[Any], firmware: Firmware, person: Person, kind: str, outcome: str
) -> None:
    data = _data_of(sensepass, firmware, person=person)

    assert (data["kind"], data["person"]["kind"], data["outcome"]) == (kind, kind, outcome)
    assert data.get("anomaly") == ("not_live" if person is NOT_LIVE else None)
    assert data["person"].get("id") == (None if person.number is None else str(person.number))
    assert data["person"].get("name") == (person.name or None)


@pytest.mark.parametrize(
    ("status", "concluded"),
    [
        (0, None),
        (1, False),
        (2, True),
        (3, False),
        (4, True),
        (5, True),
        (6, False),
        (7, None),
        ("5", True),
    ],
)
def test_status_of_v1_0_where_the_terminal_does_not_say_pass(
    sensepass: Rig[Any], status: object, concluded: bool | None
) -> None:
    data = _data_of(sensepass, "1.0", recognizeStatus=status, **{"pass": None})

    decided = {"allowed": bool(concluded), "by": "doubt" if concluded is None else "terminal"}
    assert {name: data["decision"][name] for name in decided} == decided


@pytest.mark.parametrize(("user_type", "allowed"), [(1, True), (2, True), (5, False), (3, False), (None, False)])
def test_who_is_in_the_library_of_v1_0_may_be_barred(sensepass: Rig[Any], user_type: object, allowed: bool) -> None:
    data = _data_of(sensepass, "1.0", recognizeStatus=2, user={"type": user_type}, **{"pass": None})

    assert data["decision"]["allowed"] is allowed


@pytest.mark.parametrize(
    ("recognition", "kind", "outcome"),
    [
        (1, "staff", "granted"),
        (2, "visitor", "granted"),
        (3, "stranger", "denied"),
        (4, "unknown", "denied"),
        (5, "blocklisted", "denied"),
        (0, "unknown", "unknown"),
        (6, "unknown", "unknown"),
        ("5", "blocklisted", "denied"),
    ],
)
def test_recognition_type_of_later_firmware(sensepass: Rig[Any], recognition: object, kind: str, outcome: str) -> None:
    data = _data(sensepass, recognitionType=recognition, **{"pass": None})

    assert (data["kind"], data["outcome"]) == (kind, outcome)


@pytest.mark.parametrize(
    ("mode", "method"),
    [
        (0, "face"),
        (1, "unknown"),
        (2, "unknown"),
        (3, "unknown"),
        (4, "card"),
        (5, "unknown"),
        (6, "multiple"),
        (7, "unknown"),
        (None, "unknown"),
    ],
)
def test_mode_of_v1_0(sensepass: Rig[Any], mode: object, method: str) -> None:
    assert _data_of(sensepass, "1.0", mode=mode)["method"] == method


@pytest.mark.parametrize("mode", range(10))
@pytest.mark.parametrize("firmware", LATER)
def test_mode_of_later_firmware_is_what_is_accepted_and_tells_nothing(
    sensepass: Rig[Any], firmware: Firmware, mode: int
) -> None:
    expected = "card" if firmware == "1.3" else "unknown"
    more = {"entry_mode": 3} if firmware == "1.3" else {}

    assert _data_of(sensepass, firmware, mode=mode, **more)["method"] == expected


@pytest.mark.parametrize(
    ("entry_mode", "method"),
    [
        (1, "face"),
        (2, "code"),
        (3, "card"),
        (4, "multiple"),
        (5, "card"),
        (6, "multiple"),
        (7, "code"),
        (8, "multiple"),
        (9, "multiple"),
        (10, "multiple"),
        (11, "button"),
        (12, "pin"),
        (0, "unknown"),
        (13, "unknown"),
        (None, "unknown"),
    ],
)
def test_entry_mode(sensepass: Rig[Any], entry_mode: object, method: str) -> None:
    assert _data(sensepass, entry_mode=entry_mode)["method"] == method


@pytest.mark.parametrize(
    ("abnormal", "anomaly"),
    [
        (0, None),
        (10001, "id_card_mismatch"),
        (10002, "card_mismatch"),
        (10003, "code_mismatch"),
        (20001, "visitor_expired"),
        (20002, "outside_access_time"),
        (30001, "invalid_id_card"),
        (30002, "invalid_card"),
        (30003, "invalid_code"),
        (40001, "temperature"),
        (50001, "no_mask"),
        (70001, "wrong_pin"),
        (70002, "too_many_wrong_pins"),
        (99999, "unknown"),
        ("70001", "wrong_pin"),
    ],
)
def test_abnormal_type(sensepass: Rig[Any], abnormal: object, anomaly: str | None) -> None:
    data = _data(sensepass, abnormal_type=abnormal)

    assert data.get("anomaly") == anomaly
    assert data["outcome"] == ("granted" if anomaly is None else "denied")


@pytest.mark.parametrize(
    ("mask", "expected"), [(0, "unknown"), (1, "not_worn"), (2, "worn"), (3, "unknown"), (None, "unknown")]
)
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_mask(sensepass: Rig[Any], firmware: Firmware, mask: object, expected: str) -> None:
    assert _data_of(sensepass, firmware, mask=mask)["mask"] == expected


@pytest.mark.parametrize(
    ("sent", "expected"), [(0.0, None), (0, None), (36.4, 36.4), (37, 37), ("36.4", 36.4), ("NaN", None), (None, None)]
)
def test_a_temperature_of_zero_was_not_measured(sensepass: Rig[Any], sent: object, expected: float | None) -> None:
    assert _data(sensepass, bodyTemperature=sent).get("temperature") == expected


@pytest.mark.parametrize("score", ["recognizeScore", "livenessScore"])
def test_a_score_of_zero_is_a_score(sensepass: Rig[Any], score: str) -> None:
    data = _data_of(sensepass, "1.0", **{score: 0})

    assert data["recognition_score" if score == "recognizeScore" else "liveness_score"] == 0


@pytest.mark.parametrize(("timestamp", "year"), [(int(AT), "2026"), (int(AT * 1000), "2026")])
def test_a_time_in_seconds_or_in_milliseconds(sensepass: Rig[Any], timestamp: int, year: str) -> None:
    assert _data(sensepass, timestamp=timestamp)["occurred_at"].startswith(year)


@pytest.mark.parametrize("timestamp", [None, "", "soon", 0, "NaN", 10**30, -(10**30), True])
def test_a_time_that_is_none_is_the_time_of_arrival(sensepass: Rig[Any], timestamp: object) -> None:
    data = _data(sensepass, timestamp=timestamp)

    assert data["occurred_at"] == data["received_at"]


@pytest.mark.parametrize(
    ("user", "group"),
    [
        ({"group_id": 8, "group_name": "Lab"}, ("8", "Lab")),
        ({"groups": [{"id": "8", "name": "Lab"}, {"id": "9", "name": "Roof"}]}, ("8", "Lab")),
        ({"groups": []}, (None, None)),
        ({"groups": ["Lab"]}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_the_group_of_a_user(sensepass: Rig[Any], user: dict[str, Any], group: tuple[str | None, str | None]) -> None:
    person = _data(sensepass, user=user)["person"]

    assert (person.get("group_id"), person.get("group_name")) == group


@pytest.mark.parametrize("firmware", FIRMWARE)
@pytest.mark.parametrize("value", [[], {}, True, None, 1.5, "", "x" * 10_000, -1], ids=repr)
@pytest.mark.parametrize("name", ["deviceSN", "timestamp", "user", "mask", "mode", "pass", "recognizeScore", "uuid"])
def test_a_field_that_is_odd_does_not_hide_the_recognition(
    sensepass: Rig[Any], firmware: Firmware, name: str, value: object
) -> None:
    _data_of(sensepass, firmware, **{name: value})

    assert sensepass.event["type"] == "gatehouse.recognition.v1"
    assert sensepass.event["data"]["payload"]["data"][name] == value


def test_a_question_of_the_newest_firmware_is_read_by_its_entry_mode(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().question(entry_mode=3))

    data = sensepass.event["data"]
    assert (data["stage"], data["method"], data["kind"]) == ("asked", "card", "staff")


@pytest.mark.parametrize("firmware", FIRMWARE)
@pytest.mark.parametrize(
    "user",
    [
        {"type": 5},
        {"type": 3},
        {"type": 1, "groups": [{"id": "3"}, {"id": "9", "name": "Barred", "type": 5}]},
        {"type": 1, "groups": {"id": "9", "type": "5"}},
    ],
)
def test_one_group_that_bars_wins(sensepass: Rig[Any], firmware: Firmware, user: dict[str, Any]) -> None:
    data = _data_of(sensepass, firmware, user=user)

    assert (data["kind"], data["person"]["kind"]) == ("blocklisted", "blocklisted")


def test_all_groups_are_there(sensepass: Rig[Any]) -> None:
    groups = [{"id": 8, "name": "Lab", "type": 1}, {"id": "9", "name": "Roof"}]

    assert _data(sensepass, user={"groups": groups})["person"]["groups"] == [
        {"id": "8", "name": "Lab", "kind": "staff"},
        {"id": "9", "name": "Roof", "kind": "unknown"},
    ]


@pytest.mark.parametrize(("firmware", "arrival"), [("1.0", "late"), ("1.1", "cached"), ("1.3", "cached")])
def test_what_waited_in_the_terminal_is_said_to_have(sensepass: Rig[Any], firmware: Firmware, arrival: str) -> None:
    data = _data_of(sensepass, firmware, timestamp=int(AT) - 7200)

    assert (data["arrival"], data["lag_ms"]) == (arrival, 7_200_000)


def test_an_old_question_is_late(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().question(timestamp=int(AT) - 7200))

    assert sensepass.event["data"]["arrival"] == "late"


# ─── Alarms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "kind", "severity"),
    [
        (10001, "tampered", "high"),
        (10002, "forced_open", "high"),
        (10003, "held_open", "medium"),
        (10004, "password_attack", "high"),
        (20003, "fire", "critical"),
        (99999, "unknown", "unknown"),
    ],
)
def test_code_of_an_alarm(sensepass: Rig[Any], code: int, kind: str, severity: str) -> None:
    assert sensepass.send(terminal().alarm(code, trace_id="T1", at=AT + 0.5)).status == 200

    event = sensepass.event
    data = event["data"]
    assert (event["type"], event["time"]) == ("gatehouse.alarm.v1", "2026-07-01T12:00:00.500000Z")
    assert (data["kind"], data["severity"], data["state"], data["trace_id"]) == (kind, severity, "raised", "T1")
    assert (data["device"], data["site"], data["pictures"]) == (SERIAL, "north", [])


@pytest.mark.parametrize(
    ("status", "state"), [(1, "raised"), (2, "releasing"), (3, "released"), (0, "unknown"), (4, "unknown")]
)
def test_status_of_an_alarm(sensepass: Rig[Any], status: int, state: str) -> None:
    sensepass.send(terminal().alarm(status=status))

    data = sensepass.event["data"]
    assert (data["state"], data["kind"]) == (state, "held_open" if status == 1 else "unknown")


def test_an_alarm_says_its_code_its_words_and_whom_it_names(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().alarm(10004, description="5 wrong PINs", user_id=17))

    data = sensepass.event["data"]
    assert (data["code"], data["description"], data["person"]["id"]) == (10004, "5 wrong PINs", "17")


def test_an_alarm_of_which_nothing_is_told_is_still_an_alarm(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().pushed(1, {}))

    assert sensepass.event["type"] == "gatehouse.alarm.v1"


# ─── In no table ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [2, -1, None, "zero", [], {}, True])
def test_an_envelope_of_another_type_is_kept_as_unmapped(sensepass: Rig[Any], output: Output, kind: Any) -> None:
    assert sensepass.send(terminal().pushed(kind, {"deviceSN": SERIAL, "news": 1})).status == 200

    data = sensepass.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "neither a record (type 0) nor an alarm (type 1)")
    assert data["payload"]["data"] == {"deviceSN": SERIAL, "news": 1}
    # A person may wait at the door of its sender: it was answered, in doubt.
    told = {Count.UNMAPPED: 1, Count.RECORDED: 1, Count.PUBLISHED: 1, Count.DECISION: 1}
    assert {name: times for name, times in output.counted.items() if name != Span.DECISION} == told


def test_a_record_that_says_nothing_of_a_recognition_is_kept_as_unmapped(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().pushed(0, {"deviceSN": SERIAL}))

    assert sensepass.event["data"]["kind"] == "unmapped"
