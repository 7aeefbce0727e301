"""What a SENSORO push means: readings of which none is lost, alarms besides, results of tasks, and the rest."""

from typing import Any

import pytest

from gatehouse.telemetry import Count
from tests.builders import House, sensor_body, sensor_push, task_body
from tests.unit.conftest import Output


def test_sensor_data_is_a_measurement(sensoro: House[Any]) -> None:
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
        "occurred_at": "2026-07-01T12:00:00Z",
        "received_at": "2026-07-01T12:00:00Z",
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


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("value", [0, 0.0, -0.5, False, True, "", "0", "设备 ☂", 10**30, 1e-9, 1e300])
def test_a_reading_survives_as_it_is(sensoro: House[Any], value: object, *, safe: bool) -> None:
    assert sensoro.send(sensor_push(sensor_body({"ch4": value}, safe=safe), safe=safe)).status == 200

    for event in (*sensoro.stored, *sensoro.published):
        kept = event["data"]["readings"]["ch4"]["value"]
        assert (kept, type(kept)) == (value, type(value))
        assert event["data"]["payload"]["data"] == {"ch4": value}


@pytest.mark.parametrize("value", [0, 0.0, 100, 99.5])
def test_a_battery_is_a_number_of_percent(sensoro: House[Any], value: float) -> None:
    sensoro.send(sensor_push(sensor_body({"battery": value})))

    data = sensoro.event["data"]
    assert (data["battery"], data["readings"]) == (value, {})


def test_a_battery_that_is_no_number_is_a_reading(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"battery": "low"})))

    data = sensoro.event["data"]
    assert data["readings"] == {"battery": {"value": "low", "unit": "%EL"}}
    assert "battery" not in data


def test_an_acceleration_is_a_reading_of_three_axes(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"acceleration": {"x": 0, "y": -1.5, "z": None, "w": 1}})))

    assert sensoro.event["data"]["readings"] == {"acceleration": {"value": {"x": 0, "y": -1.5}}}


@pytest.mark.parametrize("value", [None, [], [1, 2], {}, {"a": 1}, {"x": "1"}, 10**400])
def test_what_is_no_value_of_a_sensor_stays_in_the_payload(sensoro: House[Any], value: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({"pm2_5": 0, "odd": value}))).status == 200

    data = sensoro.event["data"]
    assert data["readings"] == {"pm2_5": {"value": 0}}
    assert data["payload"]["data"]["odd"] == value


@pytest.mark.parametrize(
    "lonlat",
    [None, [], [1], [1, 2, 3], ["1", "2"], [181, 0], [0, 91], [True, 0], [None, 0], "1,2", {}, [10**400, 0]],
)
def test_what_is_no_position_stays_in_the_payload(sensoro: House[Any], lonlat: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({"lonlat": lonlat, "temperature": 0}))).status == 200

    data = sensoro.event["data"]
    assert "position" not in data
    assert data["readings"]["temperature"]["value"] == 0
    assert data["payload"]["data"]["lonlat"] == lonlat


def test_null_island_is_a_position(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"lonlat": [0, 0]})))

    assert sensoro.event["data"]["position"] == {"longitude": 0, "latitude": 0}


def test_chinese_text_survives(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"位置": "三楼"}, deviceType="温度传感器", sn="设备-1")))

    data = sensoro.event["data"]
    assert (data["kind"], data["device"], data["readings"]) == ("温度传感器", "设备-1", {"位置": {"value": "三楼"}})
    (message,) = sensoro.topics.messages
    assert "三楼" in message.body
    assert (message.attributes["kind"], message.attributes["device"]) == ("温度传感器", "设备-1")


@pytest.mark.parametrize("text", ["\ufffe\uffff", "\x00\x1f", "\u2028", "👩‍🚒" * 300, "a\nb"])
def test_text_that_aws_does_not_like_survives(sensoro: House[Any], text: str) -> None:
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
        (1782907199, "2026-07-01T11:59:59Z"),
        (0, "1970-01-01T00:00:00Z"),
        ("2026-07-01T19:59:59.123+08:00", "2026-07-01T11:59:59.123000Z"),
        ("2026-07-01T11:59:59Z", "2026-07-01T11:59:59Z"),
    ],
)
def test_created_time_is_when_it_occurred(sensoro: House[Any], created: object, expected: str) -> None:
    sensoro.send(sensor_push(sensor_body({"temperature": 1}, createdTime=created)))

    assert sensoro.event["time"] == sensoro.event["data"]["occurred_at"] == expected


@pytest.mark.parametrize(
    "created",
    [
        None,
        "",
        "yesterday",
        "2026-07-01 11:59:59",
        True,
        [],
        {},
        10**400,
        -(10**18),
        "9" * 20,
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_created_time_that_is_none_is_the_time_of_arrival(sensoro: House[Any], created: object) -> None:
    sensoro.send(sensor_push(sensor_body({"temperature": 1}, createdTime=created)))

    event = sensoro.event
    assert event["type"] == "gatehouse.measurement.v1"
    assert event["data"]["occurred_at"] == event["data"]["received_at"]


# ─── Alarms ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("leak", True, "high"),
        ("leak", 1, "high"),
        ("leak", "true", "high"),
        ("smoke", 1, "critical"),
        ("smoke", 0.4, "critical"),
    ],
)
def test_leak_and_smoke_are_an_alarm_besides_the_measurement(
    sensoro: House[Any], name: str, value: object, severity: str, *, safe: bool
) -> None:
    assert sensoro.send(sensor_push(sensor_body({name: value, "battery": 64}, safe=safe), safe=safe)).status == 200

    assert len(sensoro.stored) == 2
    assert sensoro.published == sensoro.stored
    by_type = {event["type"]: event for event in sensoro.stored}
    measurement, alarm = by_type["gatehouse.measurement.v1"], by_type["gatehouse.alarm.v1"]
    assert measurement["data"]["readings"][name]["value"] == value
    assert (alarm["data"]["kind"], alarm["data"]["severity"]) == (name, severity)
    assert measurement["id"] != alarm["id"]


def test_leak_and_smoke_at_once_are_two_alarms(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(sensor_body({"leak": True, "smoke": 1})))

    assert {event["data"].get("severity") for event in sensoro.stored} == {None, "high", "critical"}
    assert len({event["id"] for event in sensoro.stored}) == 3


@pytest.mark.parametrize("name", ["leak", "smoke"])
@pytest.mark.parametrize("value", [False, 0, 0.0, "", "0", "false", " False ", None, [], {}])
def test_zero_and_false_are_no_alarm(sensoro: House[Any], name: str, value: object) -> None:
    assert sensoro.send(sensor_push(sensor_body({name: value}))).status == 200

    assert sensoro.event["type"] == "gatehouse.measurement.v1"
    assert sensoro.event["data"]["payload"]["data"] == {name: value}


# ─── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(
    ("code", "result"),
    [(0, "success"), (1, "failure"), ("1", "failure"), (2, "unknown"), (None, "unknown"), ("x", "unknown")],
)
def test_the_result_of_a_task_is_a_notice(sensoro: House[Any], code: object, result: str, *, safe: bool) -> None:
    assert sensoro.send(sensor_push(task_body(safe=safe, resultCode=code), safe=safe)).status == 200

    event = sensoro.event
    assert event["type"] == "gatehouse.notice.v1"
    data = event["data"]
    assert (data["kind"], data["result"], data["reference"]) == ("task_finished", result, {"task_id": "42"})
    assert data["payload"]["resultData"] == {"interval": 600}


def test_a_task_without_an_id_refers_to_nothing(sensoro: House[Any]) -> None:
    sensoro.send(sensor_push(task_body(taskId=None)))

    assert sensoro.event["data"]["reference"] == {}


# ─── Identity ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("change", [{"msgId": 9}, {"sn": "another"}, {"type": "event"}])
def test_another_message_device_or_type_is_another_event(sensoro: House[Any], change: dict[str, Any]) -> None:
    for body in (sensor_body({"temperature": 1}), sensor_body({"temperature": 1}, **change)):
        assert sensoro.send(sensor_push(body)).status == 200

    assert len(sensoro.stored) == 2


def test_a_message_id_of_zero_is_one(sensoro: House[Any]) -> None:
    for temperature in (1, 2):
        assert sensoro.send(sensor_push(sensor_body({"temperature": temperature}, msgId=0))).status == 200

    assert len(sensoro.stored) == 1


@pytest.mark.parametrize("msg_id", [None, "", {}, []])
def test_without_a_message_id_the_body_is_the_identity(sensoro: House[Any], msg_id: object) -> None:
    for temperature in (1, 2, 1):
        assert sensoro.send(sensor_push(sensor_body({"temperature": temperature}, msgId=msg_id))).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 2


def test_without_a_message_id_an_encrypted_body_is_the_identity_in_the_clear(sensoro: House[Any]) -> None:
    for _ in range(3):
        body = sensor_body({"temperature": 1}, safe=True, msgId="")
        assert sensoro.send(sensor_push(body, safe=True)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 1


# ─── In no table ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["picture", "", None, 7, ["text"], "TEXT"])
def test_an_unknown_type_is_kept_as_unmapped(sensoro: House[Any], output: Output, kind: object) -> None:
    body = sensor_body({"temperature": 0}, type=kind)
    assert sensoro.send(sensor_push(body)).status == 200

    data = sensoro.event["data"]
    assert (data["kind"], data["reason"], data["payload"]) == ("unmapped", "type is neither text nor event", body)
    assert output.counted == {Count.UNMAPPED: 1, Count.RECORDED: 1, Count.PUBLISHED: 1}


@pytest.mark.parametrize("data", [None, [], 0, "text", True])
def test_sensor_data_that_is_no_object_is_kept_as_unmapped(sensoro: House[Any], data: object) -> None:
    body = {**sensor_body({}), "data": data}
    assert sensoro.send(sensor_push(body)).status == 200

    assert sensoro.event["data"]["kind"] == "unmapped"
    assert sensoro.event["data"]["payload"] == body


def test_an_empty_push_is_kept_as_unmapped(sensoro: House[Any]) -> None:
    assert sensoro.send(sensor_push(b"{}")).status == 200

    assert sensoro.event["data"]["payload"] == {}
