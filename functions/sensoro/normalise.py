"""SENSORO's words in ours ("Webhook", chapters 2 and 3)."""

from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue

from functions.sensoro.wire import Push
from gatehouse.errors import NotUnderstood
from gatehouse.events import (
    Alarm,
    AlarmKind,
    CloudEvent,
    Measurement,
    Notice,
    NoticeKind,
    Position,
    Reading,
    Receipt,
    Result,
    Severity,
)
from gatehouse.reading import number, read_time

_UNIT: Final = {
    "temperature": "Cel",
    "humidity": "%RH",
    "light": "lx",
    "battery": "%EL",
    "interval": "s",
    # ch4, pm2_5, smoke and the three axes come without a unit in the vendor's page
}
_ALARM: Final = {
    "leak": (AlarmKind.LEAK, Severity.HIGH),
    "smoke": (AlarmKind.SMOKE, Severity.CRITICAL),
}
_RESULT: Final[dict[int | None, Result]] = {0: Result.SUCCESS, 1: Result.FAILURE}


def normalise(payload: JsonValue, receipt: Receipt) -> list[CloudEvent]:
    """The events of a push: a measurement, and an alarm besides for a leak or smoke; or the result of a task.

    Raises:
        NotUnderstood: neither sensor data nor a task's result.
        pydantic.ValidationError: the body is no object.
    """
    push = Push.model_validate(payload)
    if push.type == "text":
        return _sensor_data(push, receipt)
    if push.type == "event":
        return [_task_finished(push, receipt)]
    raise NotUnderstood("type is neither text nor event")


def _sensor_data(push: Push, receipt: Receipt) -> list[CloudEvent]:
    if push.data is None:
        raise NotUnderstood("data is no object: damaged, or encrypted for an app without app_keys")
    common = receipt.common(device=push.sn, occurred_at=_time(push.created_time))
    battery = number(push.data.get("battery"))
    measurement = Measurement(
        **common,
        kind=push.device_type,
        battery=battery,
        position=_position(push.data.get("lonlat")),
        readings={
            name: reading
            for name, value in push.data.items()
            if name != "battery" or battery is None
            if (reading := _reading(name, value)) is not None
        },
    )
    alarms = [
        receipt.event(Alarm(**common, kind=kind, severity=severity), name)
        for name, (kind, severity) in _ALARM.items()
        if _is_on(push.data.get(name))
    ]
    return [receipt.event(measurement), *alarms]


def _task_finished(push: Push, receipt: Receipt) -> CloudEvent:
    common = receipt.common(device=push.sn, occurred_at=_time(push.created_time))
    return receipt.event(
        Notice(
            **common,
            kind=NoticeKind.TASK_FINISHED,
            result=_RESULT.get(push.result_code, Result.UNKNOWN),
            code=push.result_code,
            reference={"task_id": push.task_id} if push.task_id else {},
        )
    )


def _reading(name: str, value: Any) -> Reading | None:
    """A value as a reading; None for what is no value of a sensor (it stays in the payload)."""
    if isinstance(value, dict):
        axes = {axis: length for axis in ("x", "y", "z") if (length := number(value.get(axis))) is not None}
        return Reading(value=axes, unit=_UNIT.get(name)) if axes else None
    if isinstance(value, bool | str) or number(value) is not None:
        return Reading(value=value, unit=_UNIT.get(name))
    return None


def _is_on(value: Any) -> bool:
    """Leak comes as a truth value, smoke as a number; zero and false are no alarm."""
    if isinstance(value, str):
        return value.strip().lower() not in {"", "0", "false"}
    return bool(value)


def _position(lonlat: Any) -> Position | None:
    if not isinstance(lonlat, list) or len(lonlat) != 2:
        return None
    longitude, latitude = map(number, lonlat)
    if longitude is None or latitude is None or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return Position(longitude=longitude, latitude=latitude)


def _time(created: Any) -> datetime | None:
    """`createdTime`: a "Timestamp" on the vendor's page; milliseconds as the nonce, or seconds, or ISO 8601."""
    return read_time(created)
