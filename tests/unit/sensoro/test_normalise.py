"""The events of SENSORO's pushes: readings, of which none is lost, alarms, results of tasks, and unknown pushes."""

from typing import Any

import pytest

from gatehouse.telemetry import Count
from ops.simulators import Request
from ops.simulators import sensoro as simulator
from tests.builders import AT, NOW, seconds
from tests.output import Output
from tests.rig import Rig
from tests.styles import compact
from tests.vendors.sensoro import SENSORO_SAFE, sensor_body, sensor_push, sensoro_rig, task_body


def test_sensor_data_is_a_measurement(sensoro: Rig[Any]) -> None:
    data = {
        "temperature": 23.5,
        "humidity": 48,
        "light": 300,
        "battery": 87,
        "interval": 600,
        "lonlat": [116.39, 39.91],
    }
    body = sensor_body(data)
    sensoro.send(sensor_push(body))

    event = sensoro.event
    assert event["type"] == "gatehouse.measurement.v1"
    assert event["source"] == "urn:gatehouse:sensoro:123456"
    assert event["subject"] == "0117C9A1B2C3"
    assert event["data"] == {
        "vendor": "sensoro",
        "account": "123456",
        "device": "0117C9A1B2C3",
        "occurred_at": "2026-07-01T12:00:00.000000Z",
        "received_at": "2026-07-01T12:00:00.000000Z",
        "arrival": "live",
        "lag_ms": 0,
        "payload": body,
        "kind": "node",
        "readings": {
            "temperature": {"value": 23.5, "unit": "Cel"},
            "humidity": {"value": 48, "unit": "%RH"},
            "light": {"value": 300, "unit": "lx"},
            "interval": {"value": 600, "unit": "s"},
        },
        "battery": 87,
        "position": {"longitude": 116.39, "latitude": 39.91},
    }


def _as_written(data: dict[str, Any], *, safe: bool) -> Any:
    """A push with numbers as Python writes them: 0.0 stays 0.0 on the wire."""
    body = sensor_body(data, safe=safe)
    if safe:
        body["encryptData"] = simulator.seal(compact(data), SENSORO_SAFE["app_key"], SENSORO_SAFE["app_id"])
    return sensor_push(compact(body), safe=safe)


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("name", ["ch4", "somethingNew"])
@pytest.mark.parametrize("value", [0, 0.0, -0.5, False, True, "设备 ☂", "low", 10**30, 1e-9, 1e300])
def test_a_reading_survives_as_it_is(sensoro: Rig[Any], name: str, value: object, *, safe: bool) -> None:
    assert sensoro.send(_as_written({name: value}, safe=safe)).status == 200

    for event in (*sensoro.stored, *sensoro.published):
        kept = event["data"]["readings"][name]["value"]
        assert (kept, type(kept)) == (value, type(value))
        assert event["data"]["payload"]["data"] == {name: value}


@pytest.mark.parametrize("value", ["", "0", "23.5", "NaN "])
def test_text_of_a_quantity_that_nobody_documents_stays_text(sensoro: Rig[Any], value: str) -> None:
    sensoro.send(sensor_push(sensor_body({"somethingNew": value})))

    expected = {} if value == "NaN " else {"somethingNew": {"value": value}}
    assert sensoro.event["data"]["readings"] == expected


_NUMBERS = ["temperature", "humidity", "light", "ch4", "pm2_5", "interval", "smoke"]


@pytest.mark.parametrize("name", _NUMBERS)
@pytest.mark.parametrize(("text", "value"), [("23.5", 23.5), ("0", 0), (" 7 ", 7), ("-1e-3", -0.001), ("21.0", 21)])
def test_a_number_that_comes_as_text_is_a_number(sensoro: Rig[Any], name: str, text: str, value: float) -> None:
    sensoro.send(sensor_push(sensor_body({name: text, "battery": text})))

    measurement = next(event["data"] for event in sensoro.stored if "measurement" in event["type"])
    assert measurement["readings"][name]["value"] == value
    assert measurement["battery"] == value


@pytest.mark.parametrize("name", _NUMBERS)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", '"nan"', "1e999", '""', '" "', "null"])
def test_what_is_no_number_is_no_reading_and_the_others_are(sensoro: Rig[Any], name: str, number: str) -> None:
    body = compact(sensor_body({name: "IT", "other": 1})).replace(b'"IT"', number.encode())

    assert sensoro.send(sensor_push(body)).status == 200
    data = sensoro.event["data"]
    assert data["readings"] == {"other": {"value": 1}}
    assert name in data["payload"]["data"]


@pytest.mark.parametrize(("value", "text"), [("12", "12"), ("nan", "nan"), ("1e5", "1e5"), (12, "12"), (12.0, "12")])
def test_what_a_customer_defines_is_text(sensoro: Rig[Any], value: object, text: str) -> None:
    sensoro.send(sensor_push(sensor_body({"customer": value})))

    assert sensoro.event["data"]["readings"] == {"customer": {"value": text}}


@pytest.mark.parametrize("value", [0, 0.0, 100, 99.5])
def test_a_battery_is_a_number_of_percent(sensoro: Rig[Any], value: float) -> None:
    sensoro.send(sensor_push(sensor_body({"battery": value})))

    data = sensoro.event["data"]
    assert (data["battery"], data["readings"]) == (value, {})


def test_a_battery_that_is_no_number_is_a_reading(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"battery": "low"})))

    data = sensoro.event["data"]
    assert data["readings"] == {"battery": {"value": "low", "unit": "%EL"}}
    assert "battery" not in data


def test_an_acceleration_is_a_reading_of_three_axes(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"acceleration": {"x": 0, "y": -1.5, "z": None, "w": 1}})))

    assert sensoro.event["data"]["readings"] == {"acceleration": {"value": {"x": 0, "y": -1.5}}}


def test_an_axis_may_come_as_text(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"gyro": {"x": "0.5", "y": "-1", "z": "NaN"}})))

    assert sensoro.event["data"]["readings"] == {"gyro": {"value": {"x": 0.5, "y": -1}}}


@pytest.mark.parametrize("value", [None, [], [1, 2], {}, {"a": 1}, {"x": "one"}, 10**400])
def test_what_is_no_value_of_a_sensor_stays_in_the_payload(sensoro: Rig[Any], value: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({"pm2_5": 0, "odd": value}))).status == 200

    data = sensoro.event["data"]
    assert data["readings"] == {"pm2_5": {"value": 0}}
    assert data["payload"]["data"]["odd"] == value


@pytest.mark.parametrize(
    "lonlat",
    [None, [], [1], [1, 2, 3], ["1", "N"], [181, 0], [0, 91], [True, 0], [None, 0], "1;2", "1,2,3", {}, [10**400, 0]],
)
def test_what_is_no_position_stays_in_the_payload(sensoro: Rig[Any], lonlat: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({"lonlat": lonlat, "temperature": 0}))).status == 200

    data = sensoro.event["data"]
    assert "position" not in data
    assert data["readings"]["temperature"]["value"] == 0
    assert data["payload"]["data"]["lonlat"] == lonlat


@pytest.mark.parametrize("lonlat", [["116.39", "39.91"], [116.39, " 39.91 "], "116.39,39.91", "[116.39, 39.91]"])
def test_a_position_may_come_as_text(sensoro: Rig[Any], lonlat: object) -> None:
    sensoro.send(sensor_push(sensor_body({"lonlat": lonlat})))

    data = sensoro.event["data"]
    assert data["position"] == {"longitude": 116.39, "latitude": 39.91}
    assert data["readings"] == {}


def test_null_island_is_a_position(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"lonlat": [0, 0]})))

    assert sensoro.event["data"]["position"] == {"longitude": 0, "latitude": 0}


def test_chinese_text_survives(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"位置": "三楼"}, deviceType="温度传感器", sn="设备-1")))

    data = sensoro.event["data"]
    assert (data["kind"], data["device"], data["readings"]) == ("温度传感器", "设备-1", {"位置": {"value": "三楼"}})
    (message,) = sensoro.topics.messages
    assert "三楼" in message.body
    assert (message.attributes["kind"], message.attributes["device"]) == ("温度传感器", "设备-1")


@pytest.mark.parametrize("text", ["\ufffe\uffff", "\x00\x1f", "\u2028", "👩‍🚒" * 300, "a\nb"])
def test_text_that_aws_does_not_like_survives(sensoro: Rig[Any], text: str) -> None:
    assert sensoro.send(sensor_push(sensor_body({"note": text}, sn=f"S{text}", deviceType=text))).status == 200

    assert sensoro.event["data"]["readings"]["note"]["value"] == text
    (message,) = sensoro.topics.messages
    assert not {"\ufffe", "\uffff", "\x00"} & set(message.body)
    assert all(0 < len(word) <= 256 for word in message.attributes.values())


# ─── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (1782907199123, "2026-07-01T11:59:59.123000Z"),
        ("1782907199123", "2026-07-01T11:59:59.123000Z"),
        (1782907199123.0, "2026-07-01T11:59:59.123000Z"),
        (1782907199, "2026-07-01T11:59:59.000000Z"),
        ("2026-07-01T19:59:59.123+08:00", "2026-07-01T11:59:59.123000Z"),
        ("2026-07-01T11:59:59Z", "2026-07-01T11:59:59.000000Z"),
        # A time without a zone is in the vendor's own.
        ("2026-07-01 19:59:59", "2026-07-01T11:59:59.000000Z"),
        ("2026/7/1 19:59", "2026-07-01T11:59:00.000000Z"),
        (20260701195959, "2026-07-01T11:59:59.000000Z"),
        ("20260701195959", "2026-07-01T11:59:59.000000Z"),
    ],
)
def test_created_time_is_when_it_occurred(sensoro: Rig[Any], created: object, expected: str) -> None:
    """Reports 15 and 16: in any unit, and with six digits of fraction, so that times sort as text."""
    sensoro.send(sensor_push(sensor_body({"temperature": 1}, createdTime=created)))

    assert sensoro.event["time"] == sensoro.event["data"]["occurred_at"] == expected


@pytest.mark.parametrize(
    "created",
    [
        None,
        "",
        "yesterday",
        0,
        1,
        20266101200000,
        99991231235959,
        32503680000000,
        True,
        [],
        {},
        10**400,
        -(10**18),
        "9" * 20,
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_created_time_that_is_none_is_the_time_of_arrival(sensoro: Rig[Any], created: object) -> None:
    sensoro.send(sensor_push(sensor_body({"temperature": 1}, createdTime=created)))

    event = sensoro.event
    assert event["type"] == "gatehouse.measurement.v1"
    assert event["data"]["occurred_at"] == event["data"]["received_at"]


# ─── Alarms: their life is in test_alarms.py ──────────────────────────────────────────────────────────────────────────


def _alarms(rig: Rig[Any]) -> list[dict[str, Any]]:
    return [event["data"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("leak", True, "high"),
        ("leak", 1, "high"),
        ("leak", 1.0, "high"),
        ("leak", "true", "high"),
        ("leak", " TRUE", "high"),
        ("leak", "1", "high"),
        ("leak", "yes", "high"),
        ("leak", "on", "high"),
        ("smoke", 1, "critical"),
        ("smoke", 0.4, "critical"),
        ("smoke", "0.4", "critical"),
        ("smoke", True, "critical"),
        ("smoke", "true", "critical"),
        ("smoke", 1e-9, "critical"),
    ],
)
def test_leak_and_smoke_are_an_alarm_besides_the_measurement(
    sensoro: Rig[Any], name: str, value: object, severity: str, *, safe: bool
) -> None:
    assert sensoro.send(sensor_push(sensor_body({name: value, "battery": 64}, safe=safe), safe=safe)).status == 200

    assert len(sensoro.stored) == 2
    assert sensoro.published == sensoro.stored
    by_type = {event["type"]: event for event in sensoro.stored}
    measurement, alarm = by_type["gatehouse.measurement.v1"], by_type["gatehouse.alarm.v1"]
    assert measurement["data"]["readings"][name]["value"]
    assert measurement["data"]["payload"]["data"][name] == value
    assert (alarm["data"]["kind"], alarm["data"]["severity"], alarm["data"]["state"]) == (name, severity, "raised")
    assert (alarm["data"]["device"], alarm["data"]["battery"]) == ("0117C9A1B2C3", 64)
    assert measurement["id"] != alarm["id"]


@pytest.mark.parametrize("value", [2, 0.5, "2", "1.00", "T", "t", "Y", " y "])
def test_a_leak_is_one_in_whatever_spelling(sensoro: Rig[Any], value: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({"leak": value}))).status == 200

    assert sorted(event["type"] for event in sensoro.stored) == ["gatehouse.alarm.v1", "gatehouse.measurement.v1"]


@pytest.mark.parametrize("again", ["true", "TRUE", "True", 1, "1", "on", "T", 2])
def test_a_leak_that_is_spelt_otherwise_when_it_is_sent_again_is_one_upload(sensoro: Rig[Any], again: object) -> None:
    for value, late in ((True, 0), (again, 3)):
        assert sensoro.send(sensor_push(sensor_body({"leak": value}), at=AT + late), NOW + seconds(late)).status == 200

    assert sorted(event["type"] for event in sensoro.stored) == ["gatehouse.alarm.v1", "gatehouse.measurement.v1"]


def test_leak_and_smoke_at_once_are_two_alarms(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"leak": True, "smoke": 1})))

    assert {event["data"].get("severity") for event in sensoro.stored} == {None, "high", "critical"}
    assert len({event["id"] for event in sensoro.stored}) == 3
    assert len({alarm["trace_id"] for alarm in _alarms(sensoro)}) == 2


_OFF: list[Any] = [False, 0, 0.0, "", "0", "0.0", "false", " False ", "off", "OFF", "no", "-0.0"]
_ODD: list[Any] = [-1, "-1", None, [], [0], [1], {}, {"value": False}, {"value": True}, 10**400]
_WORDS: list[Any] = ["normal", "ok", "NaN", "Infinity", "leak", "?"]


@pytest.mark.parametrize("name", ["leak", "smoke"])
@pytest.mark.parametrize("value", [*_OFF, *_ODD, *_WORDS])
def test_zero_false_and_what_nobody_can_read_are_no_alarm(sensoro: Rig[Any], name: str, value: object) -> None:
    """Reports 14: neither a value that is off, nor one that cannot be read."""
    assert sensoro.send(sensor_push(sensor_body({name: value}))).status == 200

    assert sensoro.event["type"] == "gatehouse.measurement.v1"
    assert sensoro.event["data"]["payload"]["data"] == {name: value}


@pytest.mark.parametrize(
    ("name", "value", "reading"),
    [
        ("leak", "off", False),
        ("leak", 0, False),
        ("leak", "1", True),
        ("smoke", "off", False),
        ("smoke", False, False),
        ("smoke", "0.0", 0.0),
        ("smoke", -1, -1),
        ("leak", "normal", None),
        ("leak", -1, None),
        ("leak", 2, True),
        ("leak", "1.00", True),
        ("leak", "0.5", True),
        ("leak", "0.00", False),
        ("leak", "T", True),
        ("leak", " y ", True),
        ("leak", "F", False),
        ("leak", "n", False),
        ("smoke", "Y", True),
        ("smoke", "f", False),
        ("leak", {"value": True}, None),
        ("leak", [1], None),
        ("smoke", "normal", None),
        ("smoke", {"value": 1}, None),
    ],
)
def test_leak_and_smoke_are_a_reading_where_they_can_be_read(
    sensoro: Rig[Any], name: str, value: object, reading: object
) -> None:
    """Reports 14: a value that cannot be read is no reading either."""
    sensoro.send(sensor_push(sensor_body({name: value})))

    measurement = next(event["data"] for event in sensoro.stored if "measurement" in event["type"])
    assert measurement["readings"] == ({} if reading is None else {name: {"value": reading}})


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", ["leak", "smoke"])
def test_a_bare_nan_is_no_alarm(sensoro: Rig[Any], name: str, word: str) -> None:
    body = compact(sensor_body({name: "IT"})).replace(b'"IT"', word.encode())

    assert sensoro.send(sensor_push(body)).status == 200
    assert (sensoro.event["type"], sensoro.event["data"]["readings"]) == ("gatehouse.measurement.v1", {})


@pytest.mark.parametrize(
    ("level", "is_alarm"), [(0.4, False), (50, False), ("50", False), (50.1, True), ("51", True), (True, True)]
)
def test_smoke_is_what_is_above_the_threshold(level: object, is_alarm: bool) -> None:
    rig = sensoro_rig(settings={"SMOKE_THRESHOLD": "50"})
    rig.send(sensor_push(sensor_body({"smoke": level})))

    assert len(_alarms(rig)) == is_alarm
    assert len(rig.stored) == 1 + is_alarm


# ─── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(
    ("code", "result"),
    [(0, "success"), (1, "failure"), ("1", "failure"), (2, "unknown"), (None, "unknown"), ("x", "unknown")],
)
def test_the_result_of_a_task_is_a_notice(sensoro: Rig[Any], code: object, result: str, *, safe: bool) -> None:
    assert sensoro.send(sensor_push(task_body(safe=safe, resultCode=code), safe=safe)).status == 200

    event = sensoro.event
    assert event["type"] == "gatehouse.notice.v1"
    data = event["data"]
    assert (data["kind"], data["result"], data["reference"]) == ("task_finished", result, {"task_id": "42"})
    assert data["payload"]["resultData"] == {"interval": 600}


def test_a_task_without_an_id_refers_to_nothing(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(task_body(taskId=None)))

    assert sensoro.event["data"]["reference"] == {}


# ─── Identity ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("change", [{"msgId": 9}, {"sn": "another"}, {"type": "event"}, {"createdTime": 1782907201000}])
def test_another_message_device_time_or_type_is_another_event(sensoro: Rig[Any], change: dict[str, Any]) -> None:
    for body in (sensor_body({"temperature": 1}), sensor_body({"temperature": 1}, **change)):
        assert sensoro.send(sensor_push(body)).status == 200

    assert len(sensoro.stored) == 2


@pytest.mark.parametrize("msg_id", [0, "0", 0.0, "", None, -1, "null", "undefined", "(null)", "NaN", 7, "a-word"])
@pytest.mark.parametrize("safe", [False, True])
def test_another_reading_under_the_same_message_id_is_another_event(
    sensoro: Rig[Any], msg_id: object, *, safe: bool
) -> None:
    """Protocol A4, reports 17: a `msgId` may be 0, or start again."""
    for temperature in (1, 2, 1):
        body = sensor_body({"temperature": temperature}, safe=safe, msgId=msg_id)
        assert sensoro.send(sensor_push(body, safe=safe)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 2


@pytest.mark.parametrize("msg_id", [0, 1, 7, "", "a-word", None])
def test_the_same_reading_a_week_later_under_the_same_message_id_is_another_event(
    sensoro: Rig[Any], msg_id: object
) -> None:
    """Protocol A4, reports 17: a `msgId` may be 0, or start again."""
    week = 7 * 86_400
    for late in (0, week):
        body = sensor_body({"leak": False}, msgId=msg_id, createdTime=int((NOW + seconds(late)).timestamp() * 1000))
        assert sensoro.send(sensor_push(body, at=(NOW + seconds(late)).timestamp()), NOW + seconds(late)).status == 200

    assert len(sensoro.stored) == 2


@pytest.mark.parametrize("safe", [False, True])
def test_two_tasks_with_one_message_id_are_two(sensoro: Rig[Any], *, safe: bool) -> None:
    """Protocol A5: the task tells them apart."""
    for task in (1, 2, 1):
        assert sensoro.send(sensor_push(task_body(safe=safe, taskId=task, msgId=3), safe=safe)).status == 200

    assert {event["data"]["reference"]["task_id"] for event in sensoro.stored} == {"1", "2"}
    assert len(sensoro.stored) == 2


def test_another_result_of_a_task_is_another_event(sensoro: Rig[Any]) -> None:
    """Protocol A5: so does the result."""
    for code in (0, 1):
        sensoro.send(sensor_push(task_body(resultCode=code, msgId=0)))

    assert {event["data"]["result"] for event in sensoro.stored} == {"success", "failure"}


_SPELLINGS: list[dict[str, Any]] = [
    {"msgId": "7"},
    {"msgId": 7.0},
    {"createdTime": str(int(NOW.timestamp() * 1000))},
    {"createdTime": NOW.timestamp()},
    {"createdTime": "2026-07-01T20:00:00+08:00"},
    {"createdTime": "20260701200000"},
    {"data": {"temperature": "21", "light": "0.00001", "n": 5}},
    {"data": {"temperature": 21, "light": 1e-05, "n": "5.0"}},
    {"data": {"n": 5, "light": 0.00001, "temperature": 21.0}},
]


@pytest.mark.parametrize("change", _SPELLINGS)
def test_a_retry_that_is_spelled_otherwise_is_one_event(sensoro: Rig[Any], change: dict[str, Any]) -> None:
    body = sensor_body({"temperature": 21.0, "light": 1e-05, "n": 5})
    for late, spelled in enumerate((body, {**body, **change})):
        push = sensor_push(compact(spelled), at=NOW.timestamp() + late)
        assert sensoro.send(push, NOW + seconds(late)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 1


def test_text_that_is_no_number_in_json_is_not_taken_for_one(sensoro: Rig[Any]) -> None:
    for code in ("001", "1", "+1", " 1"):
        sensoro.send(sensor_push(sensor_body({"customer": code})))

    assert len(sensoro.stored) == 4


_NOTHING: dict[str, Any] = {"createdTime": "", "msgId": ""}


@pytest.mark.parametrize("none", [_NOTHING, {"createdTime": None, "msgId": 0}, {"createdTime": 0, "msgId": "0"}])
def test_without_id_and_time_the_same_reading_later_is_another_event(sensoro: Rig[Any], none: dict[str, Any]) -> None:
    """Protocol A4: neither field tells the push from the next one."""
    body = sensor_body({"temperature": 1}, **none)
    for late in (0, 3600):
        push = sensor_push(body, at=NOW.timestamp() + late)
        for _ in range(2):
            assert sensoro.send(push, NOW + seconds(late)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 2


def test_without_id_and_time_a_push_that_is_spaced_otherwise_is_one(sensoro: Rig[Any]) -> None:
    """One signature covers all the forms."""
    body = sensor_body({"temperature": 21.5}, **_NOTHING)
    first = sensor_push(body)
    for wire in (first.body, compact(body).replace(b":", b": "), b"\xef\xbb\xbf" + compact(body) + b"\n\0"):
        assert sensoro.send(Request(first.url, wire, first.headers)).status == 200

    assert len(sensoro.stored) == 1


def test_without_id_and_time_an_encrypted_push_is_its_own_retry(sensoro: Rig[Any]) -> None:
    push = sensor_push(sensor_body({"temperature": 1}, safe=True, **_NOTHING), safe=True)
    for _ in range(3):
        assert sensoro.send(push).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 1


def test_with_a_time_alone_an_encrypted_push_is_told_by_what_is_in_it(sensoro: Rig[Any]) -> None:
    for late in range(3):
        body = sensor_body({"temperature": 1}, safe=True, msgId="")
        push = sensor_push(body, safe=True, at=NOW.timestamp() + late)
        assert sensoro.send(push, NOW + seconds(late)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 1


# ─── In no table ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["picture", "", None, 7, ["text"], "TEXT"])
def test_an_unknown_type_is_kept_as_unmapped(sensoro: Rig[Any], output: Output, kind: object) -> None:
    body = sensor_body({"temperature": 0}, type=kind)
    assert sensoro.send(sensor_push(body)).status == 200

    data = sensoro.event["data"]
    assert (data["kind"], data["reason"], data["payload"]) == ("unmapped", "type is neither text nor event", body)
    assert output.counted == {Count.UNMAPPED: 1, Count.RECORDED: 1, Count.PUBLISHED: 1}


@pytest.mark.parametrize("data", [None, [], 0, "text", True])
def test_sensor_data_that_is_no_object_is_kept_as_unmapped(sensoro: Rig[Any], data: object) -> None:
    body = {**sensor_body({}), "data": data}
    assert sensoro.send(sensor_push(body)).status == 200

    assert sensoro.event["data"]["kind"] == "unmapped"
    assert sensoro.event["data"]["payload"] == body


def test_an_empty_push_is_kept_as_unmapped(sensoro: Rig[Any]) -> None:
    assert sensoro.send(sensor_push(b"{}")).status == 200

    assert sensoro.event["data"]["payload"] == {}
