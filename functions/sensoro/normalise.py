"""SENSORO's pushes as our events ("Webhook", chapters 2 and 3)."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from functions.sensoro.alarms import Change, Sighting
from functions.sensoro.verify import CHINA, Verified
from functions.sensoro.wire import Body, leak, truth_value
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, CloudEvent, EventBuilder, Measurement, Notice, Position, Reading, Scalar
from gatehouse.reading import is_no_number, number, read_time
from gatehouse.vocabulary import AlarmKind, NoticeKind, Result, Severity
from gatehouse.wire import text

_UNIT: Final = {
    "temperature": "Cel",
    "humidity": "%RH",
    "light": "lx",
    "battery": "%EL",
    "interval": "s",
    # ch4, pm2_5, smoke and the three axes have no unit on the vendor's page
}
_ALARM: Final = {
    "leak": (AlarmKind.LEAK, Severity.HIGH),
    "smoke": (AlarmKind.SMOKE, Severity.CRITICAL),
}
_BELIEVED: Final = timedelta(days=1)
"""Largest distance of a sensor's clock from the platform's at which the time of an alarm is the sensor's."""
_RESULT: Final[dict[int | None, Result]] = {0: Result.SUCCESS, 1: Result.FAILURE}


def normalise(payload: JsonValue, builder: EventBuilder, verified: Verified) -> list[CloudEvent]:
    """Makes the events of a push: a measurement and the changes of its alarms, or the result of a task.

    Args:
        payload: the push in the clear.
        builder: of its events.
        verified: holds the changes of its alarms.

    Raises:
        NotUnderstood: the push is neither sensor data nor the result of a task.
        pydantic.ValidationError: the body is not an object.
    """
    push = Body.model_validate(payload)
    if push.type == "text":
        return _sensor_data(push, builder, verified.changes)
    if push.type == "event":
        return [_task_finished(push, builder)]
    raise NotUnderstood("type is neither text nor event")


def sightings(payload: JsonValue, verified: Verified, identity: str, smoke_threshold: float) -> list[Sighting]:
    """Reads the conditions of leak and smoke from a push. A value that cannot be read is neither on nor off.

    Args:
        payload: the push in the clear.
        verified: holds the app and the time of the signature.
        identity: of the push.
        smoke_threshold: levels above it are smoke.

    Returns:
        a sighting for each quantity that the push has; none if it is not sensor data.
    """
    try:
        push = Body.model_validate(payload)
    except ValidationError:
        return []
    if push.type != "text" or push.data is None:
        return []
    conditions = {"leak": leak(push.data.get("leak")), "smoke": _is_smoke(push.data.get("smoke"), smoke_threshold)}
    happened_at = _believed(push, verified.signed_at)
    # A repetition has the same signature, so it is no newer. A clock that is ahead does not hide later uploads.
    at = min(happened_at, verified.signed_at)
    return [
        Sighting(verified.account, push.sn, quantity, on, at, identity, happened_at)
        for quantity, on in conditions.items()
        if on is not None
    ]


def _believed(push: Body, signed_at: datetime) -> datetime:
    """Time of an upload by the sensor's clock; the time of the signature if that clock is off by more than a day.

    A clock that fell back to its start would make each upload older than the known ones.
    """
    created = _time(push.created_time)
    return signed_at if created is None or abs(created - signed_at) > _BELIEVED else created


def _sensor_data(push: Body, builder: EventBuilder, changes: Sequence[Change]) -> list[CloudEvent]:
    if push.data is None:
        raise NotUnderstood("data is no object: damaged, or encrypted for an app without app_keys")
    common = builder.common(device=push.sn, occurred_at=_time(push.created_time))
    battery = number(push.data.get("battery"))
    values = {name: _READ.get(name, _other)(value) for name, value in push.data.items()}
    measurement = Measurement(
        **common,
        kind=push.device_type,
        battery=battery,
        position=_position(push.data.get("lonlat")),
        readings={
            name: Reading(value=value, unit=_UNIT.get(name))
            for name, value in values.items()
            if value is not None and (name != "battery" or battery is None)
        },
    )
    return [builder.event(measurement), *(_alarm(push, builder, change, battery) for change in changes)]


def _alarm(push: Body, builder: EventBuilder, change: Change, battery: float | None) -> CloudEvent:
    """The event of an alarm's change. Its id is made from the alarm's: several pushes may make the same event."""
    kind, severity = _ALARM[change.quantity]
    alarm = EventBuilder(
        vendor=builder.vendor,
        account=builder.account,
        identity=["alarm", change.episode],
        received_at=builder.received_at,
        payload=None,
    )
    common = builder.common(device=push.sn, occurred_at=change.at)
    return alarm.event(
        Alarm(**common, kind=kind, severity=severity, state=change.state, trace_id=change.episode, battery=battery),
        change.state,
    )


def _task_finished(push: Body, builder: EventBuilder) -> CloudEvent:
    common = builder.common(device=push.sn, occurred_at=_time(push.created_time))
    return builder.event(
        Notice(
            **common,
            kind=NoticeKind.TASK_FINISHED,
            result=_RESULT.get(push.result_code, Result.UNKNOWN),
            code=push.result_code,
            reference={"task_id": push.task_id} if push.task_id else {},
        )
    )


type _Value = Scalar | dict[str, float | int] | None
"""A reading's value; None for a value that is no reading and stays in the payload only."""


def _other(value: Any) -> _Value:
    """Reads a quantity that is not on the vendor's page: as it is."""
    if isinstance(value, dict):
        axes = {axis: length for axis in ("x", "y", "z") if (length := number(value.get(axis))) is not None}
        return axes or None
    if isinstance(value, bool | str):
        return None if is_no_number(value) else value
    return number(value)


def _number(value: Any) -> _Value:
    """Reads a quantity that is a number by the vendor's page. A word in its place is a reading as well."""
    parsed = number(value)
    if parsed is not None or not isinstance(value, str):
        return _other(value) if parsed is None else parsed
    return None if not value.strip() or _is_beyond_a_double(value) else _other(value)


def _is_beyond_a_double(digits: str) -> bool:
    try:
        return math.isinf(float(digits))
    except ValueError:
        return False


def _smoke(value: Any) -> _Value:
    level = number(value)
    return truth_value(value) if level is None else level


_READ: Final[Mapping[str, Callable[[Any], _Value]]] = {
    **dict.fromkeys(("temperature", "humidity", "light", "ch4", "pm2_5", "battery", "interval"), _number),
    "smoke": _smoke,
    "leak": leak,
    "customer": text,
    "lonlat": lambda _: None,  # goes into the position
}
"""The reader of each quantity on the vendor's page."""


def _is_smoke(value: Any, threshold: float) -> bool | None:
    """Tells whether a level, or a truth value, means smoke. A negative level tells neither."""
    level = number(value)
    if level is None:
        return truth_value(value)
    return None if level < 0 else level > threshold


def _position(lonlat: Any) -> Position | None:
    pair = lonlat.strip(" []").split(",") if isinstance(lonlat, str) else lonlat
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    longitude, latitude = map(number, pair)
    if longitude is None or latitude is None or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return Position(longitude=longitude, latitude=latitude)


def _time(created: Any) -> datetime | None:
    """Reads `createdTime`, a "Timestamp" by the vendor's page: in milliseconds like the nonce, or in another form."""
    return read_time(created, CHINA)
