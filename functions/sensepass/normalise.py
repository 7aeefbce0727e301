"""SensePass's words in ours ("Event Push Protocol", V1.0, and the pages of V1.1 to V1.3)."""

from datetime import datetime
from typing import Final

from pydantic import JsonValue

from functions.sensepass import wire
from functions.sensepass.wire import AccessRecord, DeviceAlarm, Generation
from gatehouse.errors import NotUnderstood
from gatehouse.events import (
    Alarm,
    AlarmKind,
    AlarmState,
    Anomaly,
    CloudEvent,
    Decision,
    Mask,
    Method,
    Outcome,
    Person,
    PersonKind,
    Receipt,
    Recognition,
    Severity,
    Topic,
)
from gatehouse.reading import read_time

_USER: Final[dict[int | None, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.BLOCKLISTED,  # until V1.3 made it 5
    5: PersonKind.BLOCKLISTED,
}
_TYPE: Final[dict[int | None, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.STRANGER,
    # 4 is "not live": nobody can say who
    5: PersonKind.BLOCKLISTED,
}
_STATUS: Final[dict[int | None, Outcome]] = {
    1: Outcome.NOT_RECOGNISED,
    2: Outcome.RECOGNISED,
    3: Outcome.NOT_RECOGNISED,
    4: Outcome.RECOGNISED,
    5: Outcome.GRANTED,
    6: Outcome.DENIED,
}
_MASK: Final[dict[int | None, Mask]] = {1: Mask.NOT_WORN, 2: Mask.WORN}  # 0 is "not enabled"
# V1.0's mode is what the terminal accepts; only where it is one thing does it tell what was shown.
_V1_0_MODE: Final[dict[int | None, Method]] = {
    0: Method.FACE,
    3: Method.MULTIPLE,
    4: Method.CARD,
    6: Method.MULTIPLE,
}
_ENTRY_MODE: Final[dict[int | None, Method]] = {
    1: Method.FACE,
    2: Method.CODE,
    3: Method.CARD,
    4: Method.MULTIPLE,
    5: Method.CARD,
    6: Method.MULTIPLE,
    7: Method.CODE,
    8: Method.MULTIPLE,
    9: Method.MULTIPLE,
    10: Method.MULTIPLE,
    11: Method.BUTTON,
    12: Method.PIN,
}
_ABNORMAL: Final = {
    10001: Anomaly.ID_CARD_MISMATCH,
    10002: Anomaly.CARD_MISMATCH,
    10003: Anomaly.CODE_MISMATCH,
    20001: Anomaly.VISITOR_EXPIRED,
    20002: Anomaly.OUTSIDE_ACCESS_TIME,
    30001: Anomaly.INVALID_ID_CARD,
    30002: Anomaly.INVALID_CARD,
    30003: Anomaly.INVALID_CODE,
    40001: Anomaly.TEMPERATURE,
    50001: Anomaly.NO_MASK,
    70001: Anomaly.WRONG_PIN,
    70002: Anomaly.TOO_MANY_WRONG_PINS,
}
_LIBRARY: Final[dict[int | None, bool]] = {1: True, 2: True, 3: False, 5: False}
_NOT_LIVE: Final = {Generation.V1_0: 1, Generation.LATER: 4}
_ALARM: Final[dict[int | None, tuple[AlarmKind, Severity]]] = {
    10001: (AlarmKind.TAMPERED, Severity.HIGH),
    10002: (AlarmKind.FORCED_OPEN, Severity.HIGH),
    10003: (AlarmKind.HELD_OPEN, Severity.MEDIUM),
    10004: (AlarmKind.PASSWORD_ATTACK, Severity.HIGH),
    20003: (AlarmKind.FIRE, Severity.CRITICAL),
}
_STATE: Final[dict[int | None, AlarmState]] = {
    1: AlarmState.RAISED,
    2: AlarmState.RELEASING,  # "release failed": it is still there
    3: AlarmState.RELEASED,
}


def normalise(payload: JsonValue, receipt: Receipt, decision: Decision | None = None) -> list[CloudEvent]:
    """The event of a push.

    Args:
        payload: the body without pictures.
        receipt: what the gate knows of the push.
        decision: what we answered, where the terminal asked.

    Raises:
        NotUnderstood: neither a record nor an alarm.
        pydantic.ValidationError: a field of it cannot be read at all.
    """
    record = wire.record(payload)
    if record is None:
        raise NotUnderstood("the body is no object")
    kind = payload.get("type") if isinstance(payload, dict) and record is not payload else 0
    if kind == 1:
        return [_alarm(DeviceAlarm.model_validate(record), receipt)]
    access = AccessRecord.model_validate(record)
    if kind != 0 or (access.recognize_status is None and access.recognition_type is None):
        raise NotUnderstood("neither a record (type 0) nor an alarm (type 1)")
    return [_recognition(access, receipt, decision, asked=record is payload)]


def person(access: AccessRecord) -> Person:
    """Who was seen."""
    kind = _USER.get(access.user.type, PersonKind.UNKNOWN)
    if access.generation is Generation.LATER:
        kind = _TYPE.get(access.recognition_type, PersonKind.UNKNOWN)
    elif access.recognize_status == 3:
        kind = PersonKind.STRANGER
    user = access.user
    return Person(kind=kind, id=user.user_id, name=user.name, group_id=user.group_id, group_name=user.group_name)


def method(access: AccessRecord) -> Method:
    """What was shown."""
    if access.generation is Generation.V1_0 and access.entry_mode is None:
        return _V1_0_MODE.get(access.mode, Method.UNKNOWN)
    return _ENTRY_MODE.get(access.entry_mode, Method.UNKNOWN)


def anomaly(access: AccessRecord) -> Anomaly | None:
    """What was not as it should be."""
    if access.abnormal_type:
        return _ABNORMAL.get(access.abnormal_type, Anomaly.UNKNOWN)
    status = access.recognize_status if access.generation is Generation.V1_0 else access.recognition_type
    return Anomaly.NOT_LIVE if status == _NOT_LIVE[access.generation] else None


def mask(access: AccessRecord) -> Mask:
    """Whether a mask was worn."""
    return _MASK.get(access.mask, Mask.UNKNOWN)


def conclusion(access: AccessRecord) -> bool | None:
    """What the terminal itself concluded about opening; None if it does not say."""
    if anomaly(access) is not None:
        return False
    if access.passed is not None:
        return access.passed
    if access.generation is Generation.V1_0:
        if access.recognize_status == 2:
            # A remote authentication says so without `pass`; who is in the library may still be barred.
            return _LIBRARY.get(access.user.type)
        return {3: False, 4: True, 5: True, 6: False}.get(access.recognize_status or 0)
    return {1: True, 2: True, 3: False, 5: False}.get(access.recognition_type or 0)


def _recognition(access: AccessRecord, receipt: Receipt, decision: Decision | None, *, asked: bool) -> CloudEvent:
    who = person(access)
    common = receipt.common(device=access.device_sn, site=receipt.account, occurred_at=read_time(access.timestamp))
    return receipt.event(
        Recognition(
            **common,
            kind=who.kind,
            person=who,
            method=method(access),
            outcome=_outcome(access, decision),
            recognition_score=access.recognize_score,
            liveness_score=access.liveness_score,
            mask=mask(access),
            temperature=access.body_temperature or None,  # 0.0 is "not measured"
            anomaly=anomaly(access),
            stage="asked" if asked else "recorded",
            decision=decision,
            pictures=receipt.pictures(Topic.RECOGNITION),
        )
    )


def _outcome(access: AccessRecord, decision: Decision | None) -> Outcome:
    if decision is not None:
        return Outcome.GRANTED if decision.allowed else Outcome.DENIED
    if access.generation is Generation.V1_0:
        return _STATUS.get(access.recognize_status, Outcome.UNKNOWN)
    concluded = conclusion(access)
    if concluded is None:
        return Outcome.UNKNOWN
    return Outcome.GRANTED if concluded else Outcome.DENIED


def _alarm(alarm: DeviceAlarm, receipt: Receipt) -> CloudEvent:
    kind, severity = _ALARM.get(alarm.code, (AlarmKind.UNKNOWN, Severity.UNKNOWN))
    occurred_at: datetime | None = read_time(alarm.event_time)
    common = receipt.common(device=alarm.device_sn, site=receipt.account, occurred_at=occurred_at)
    return receipt.event(
        Alarm(
            **common,
            kind=kind,
            severity=severity,
            state=_STATE.get(alarm.status, AlarmState.UNKNOWN),
            trace_id=alarm.trace_id,
            pictures=receipt.pictures(Topic.ALARM),
        )
    )
