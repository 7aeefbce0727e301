"""SENSORO's words in ours ("Webhook", chapters 2 and 3)."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from functions.sensoro.alarms import News, Sighting
from functions.sensoro.verify import CHINA, Verified
from functions.sensoro.wire import Body, leak, said
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
    # ch4, pm2_5, smoke and the three axes come without a unit in the vendor's page
}
_ALARM: Final = {
    "leak": (AlarmKind.LEAK, Severity.HIGH),
    "smoke": (AlarmKind.SMOKE, Severity.CRITICAL),
}
_BELIEVED: Final = timedelta(days=1)
"""How far a sensor's clock may be from the platform's, where it is about an alarm."""
_RESULT: Final[dict[int | None, Result]] = {0: Result.SUCCESS, 1: Result.FAILURE}


def normalise(payload: JsonValue, builder: EventBuilder, verified: Verified) -> list[CloudEvent]:
    """Makes the events of a push: a measurement, and the changes of leak or smoke; or the result of a task.

    Args:
        payload: the push in the clear.
        builder: of its events.
        verified: with the news of its alarms.

    Raises:
        NotUnderstood: neither sensor data nor a task's result.
        pydantic.ValidationError: the body is no object.
    """
    push = Body.model_validate(payload)
    if push.type == "text":
        return _sensor_data(push, builder, verified.news)
    if push.type == "event":
        return [_task_finished(push, builder)]
    raise NotUnderstood("type is neither text nor event")


def sightings(payload: JsonValue, verified: Verified, identity: str, smoke_threshold: float) -> list[Sighting]:
    """How a push says that leak and smoke are; what cannot be read says neither that it is on nor that it is off.

    Args:
        payload: the push in the clear; of another than of sensor data there are none.
        verified: whose it is, and when it was signed.
        identity: the push's.
        smoke_threshold: what is above is smoke.
    """
    try:
        push = Body.model_validate(payload)
    except ValidationError:
        return []
    if push.type != "text" or push.data is None:
        return []
    found = {"leak": leak(push.data.get("leak")), "smoke": _is_smoke(push.data.get("smoke"), smoke_threshold)}
    happened_at = _believed(push, verified.signed_at)
    # Its repetition, which has the same signature, is then no newer; and a clock that is ahead hides nothing to come.
    at = min(happened_at, verified.signed_at)
    return [
        Sighting(verified.account, push.sn, quantity, on, at, identity, happened_at)
        for quantity, on in found.items()
        if on is not None
    ]


def _believed(push: Body, signed_at: datetime) -> datetime:
    """When an upload was made: by the sensor's clock, unless that is off by more than a day; then when it was signed.

    A clock that fell back to where it began would make each upload older than what is known.
    """
    created = _time(push.created_time)
    return signed_at if created is None or abs(created - signed_at) > _BELIEVED else created


def _sensor_data(push: Body, builder: EventBuilder, news: Sequence[News]) -> list[CloudEvent]:
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
    return [builder.event(measurement), *(_alarm(push, builder, one, battery) for one in news)]


def _alarm(push: Body, builder: EventBuilder, news: News, battery: float | None) -> CloudEvent:
    """An event of an alarm's life, under an id of the alarm's and not of the push's: whoever tells it, it is one."""
    kind, severity = _ALARM[news.quantity]
    alarm = EventBuilder(
        vendor=builder.vendor,
        account=builder.account,
        identity=["alarm", news.episode],
        received_at=builder.received_at,
        payload=None,
    )
    common = builder.common(device=push.sn, occurred_at=news.at)
    return alarm.event(
        Alarm(**common, kind=kind, severity=severity, state=news.state, trace_id=news.episode, battery=battery),
        news.state,
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
"""A reading's value; None for what is no value of a sensor (it stays in the payload)."""


def _other(value: Any) -> _Value:
    """Of a quantity that the vendor's page does not have: as it is."""
    if isinstance(value, dict):
        axes = {axis: length for axis in ("x", "y", "z") if (length := number(value.get(axis))) is not None}
        return axes or None
    if isinstance(value, bool | str):
        return None if is_no_number(value) else value
    return number(value)


def _number(value: Any) -> _Value:
    """Of a quantity that is a number by the vendor's page; a word in its place is told as well."""
    found = number(value)
    if found is not None or not isinstance(value, str):
        return _other(value) if found is None else found
    return None if not value.strip() or _is_beyond_a_double(value) else _other(value)


def _is_beyond_a_double(digits: str) -> bool:
    try:
        return math.isinf(float(digits))
    except ValueError:
        return False


def _smoke(value: Any) -> _Value:
    found = number(value)
    return said(value) if found is None else found


_READ: Final[Mapping[str, Callable[[Any], _Value]]] = {
    **dict.fromkeys(("temperature", "humidity", "light", "ch4", "pm2_5", "battery", "interval"), _number),
    "smoke": _smoke,
    "leak": leak,
    "customer": text,
    "lonlat": lambda _: None,  # it is the position
}
"""How each quantity of the vendor's page is read."""


def _is_smoke(value: Any, threshold: float) -> bool | None:
    """Whether a level, or a truth value, is one of smoke; a negative level is none."""
    level = number(value)
    if level is None:
        return said(value)
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
    """`createdTime`: a "Timestamp" on the vendor's page; milliseconds as the nonce, or whatever else tells a time."""
    return read_time(created, CHINA)
