"""SensePass's pushes as our events ("Event Push Protocol", V1.0, and the pages of V1.1 to V1.3)."""

from typing import Final

from pydantic import JsonValue

from functions.sensepass import wire
from functions.sensepass.verify import Verified, serial
from functions.sensepass.wire import AccessRecord, DeviceAlarm, Generation
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, CloudEvent, EventBuilder, Group, Person, Recognition
from gatehouse.reading import read_time
from gatehouse.vocabulary import (
    AlarmKind,
    AlarmState,
    Anomaly,
    Arrival,
    Mask,
    Method,
    Outcome,
    PersonKind,
    Severity,
    Topic,
)
from gatehouse.wire import Unreadable

type _Code = int | Unreadable | None

_USER: Final[dict[_Code, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.BLOCKLISTED,  # until V1.3 made it 5
    5: PersonKind.BLOCKLISTED,
}
_TYPE: Final[dict[_Code, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.STRANGER,
    # 4 is "not live": the person is unknown
    5: PersonKind.BLOCKLISTED,
}
_STATUS: Final[dict[_Code, Outcome]] = {
    1: Outcome.NOT_RECOGNISED,
    2: Outcome.RECOGNISED,
    3: Outcome.NOT_RECOGNISED,
    4: Outcome.RECOGNISED,
    5: Outcome.GRANTED,
    6: Outcome.DENIED,
}
_NO_PASS: Final[tuple[_Code, ...]] = (0, 3, 6)
"""`recognizeStatus`: unknown, stranger, failed. With these a `pass` of true is a contradiction."""
_NOT_IN: Final[tuple[_Code, ...]] = (0, 3, 5)
"""`recognitionType` of a question: unknown, stranger, barred. (In a record, we may have let a stranger in.)"""
_MASK: Final[dict[_Code, Mask]] = {1: Mask.NOT_WORN, 2: Mask.WORN}  # 0 is "not enabled"
# The mode of V1.0 lists what the terminal accepts. It tells what was shown only if that is a single thing. The pages
# once had 2 and 3 the other way round and were corrected, so that neither is used.
_V1_0_MODE: Final[dict[_Code, Method]] = {
    0: Method.FACE,
    4: Method.CARD,
    6: Method.MULTIPLE,
}
_ENTRY_MODE: Final[dict[_Code, Method]] = {
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
_ABNORMAL: Final[dict[_Code, Anomaly]] = {
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
_LIBRARY: Final = {PersonKind.STAFF: True, PersonKind.VISITOR: True, PersonKind.BLOCKLISTED: False}
_CONCLUDED: Final[dict[_Code, bool]] = {3: False, 4: True, 5: True, 6: False}
_FAILED: Final = frozenset({0, 6})
"""Statuses of V1.0 for a face that the library knows and that was not authenticated."""
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
    2: AlarmState.RELEASING,  # "release failed": the alarm goes on
    3: AlarmState.RELEASED,
}


def normalise(payload: JsonValue, builder: EventBuilder, verified: Verified) -> list[CloudEvent]:
    """Makes the event of a push.

    Args:
        payload: the body without pictures.
        builder: of the event.
        verified: holds the terminal, and the decision if the terminal asked.

    Raises:
        NotUnderstood: the push is neither a record nor an alarm.
        pydantic.ValidationError: a field cannot be read at all.
    """
    message = wire.message(payload)
    if message is None:
        raise NotUnderstood("neither a record (type 0) nor an alarm (type 1)")
    if isinstance(message, DeviceAlarm):
        return [_alarm(message, builder, serial(payload, verified))]
    return [_recognition(message, builder, serial(payload, verified), verified)]


def person(access: AccessRecord) -> Person:
    """The person that was seen."""
    user = access.user
    groups = tuple(
        Group(id=group.id, name=group.name, kind=_USER.get(group.type, PersonKind.UNKNOWN)) for group in user.all_groups
    )
    first = groups[0] if groups else Group()
    return Person(
        kind=PersonKind.BLOCKLISTED if _is_barred(user.type, groups) else _kind(access),
        id=user.user_id,
        name=user.name,
        job_number=user.job_number,
        card=user.ic_number,
        group_id=first.id,
        group_name=first.name,
        groups=groups,
    )


def _is_barred(user_type: _Code, groups: tuple[Group, ...]) -> bool:
    kinds = (_USER.get(user_type), *(group.kind for group in groups))
    return PersonKind.BLOCKLISTED in kinds


def _kind(access: AccessRecord) -> PersonKind:
    if access.generation is Generation.LATER:
        return _TYPE.get(access.recognition_type, PersonKind.UNKNOWN)
    if access.recognize_status == 3:
        return PersonKind.STRANGER
    return _USER.get(access.user.type, PersonKind.UNKNOWN)


def method(access: AccessRecord) -> Method:
    """The means of identification that was shown."""
    if access.generation is Generation.V1_0 and access.entry_mode is None:
        return _V1_0_MODE.get(access.mode, Method.UNKNOWN)
    return _ENTRY_MODE.get(access.entry_mode, Method.UNKNOWN)


def anomaly(access: AccessRecord) -> Anomaly | None:
    """The anomaly of the recognition; None if there is none."""
    if access.abnormal_type:
        return _ABNORMAL.get(access.abnormal_type, Anomaly.UNKNOWN)
    status = access.recognize_status if access.generation is Generation.V1_0 else access.recognition_type
    return Anomaly.NOT_LIVE if status == _NOT_LIVE[access.generation] else None


def mask(access: AccessRecord) -> Mask:
    """The state of the mask."""
    return _MASK.get(access.mask, Mask.UNKNOWN)


def is_doubtful(access: AccessRecord) -> bool:
    """Tells whether a field that decides cannot be read, or two of them contradict each other."""
    if access.is_unreadable:
        return True
    if access.passed is not True:
        return False
    barred = access.recognition_type in _NOT_IN or person(access).kind is PersonKind.BLOCKLISTED
    return access.recognize_status in _NO_PASS or (access.waits and barred)


def conclusion(access: AccessRecord) -> bool | None:
    """The terminal's own conclusion whether to open; None if it states none, or contradicts itself."""
    if anomaly(access) is not None:
        return False
    if is_doubtful(access):
        return None
    if access.passed is not None:
        return access.passed is True
    # Without `pass`, a known person is let in unless barred, and V1.0's status may state the result.
    kind = person(access).kind
    if access.generation is Generation.LATER:
        return False if kind is PersonKind.STRANGER else _LIBRARY.get(kind)
    return _LIBRARY.get(kind) if access.recognize_status == 2 else _CONCLUDED.get(access.recognize_status)


def refuses(access: AccessRecord) -> bool:
    """Tells whether the terminal itself refuses the person, for another reason than that it does not know them."""
    if anomaly(access) is not None:
        return True
    kind = person(access).kind
    if kind is PersonKind.STRANGER:
        return False
    return access.passed is False or access.recognize_status in _FAILED or kind is PersonKind.BLOCKLISTED


def _recognition(access: AccessRecord, builder: EventBuilder, terminal: str | None, verified: Verified) -> CloudEvent:
    decision = verified.decision
    seen = person(access)
    own = _own_outcome(access)
    # A record may have waited in the terminal. A question is asked while a person waits.
    late = Arrival.LATE if access.waits else Arrival.CACHED
    common = builder.common(device=terminal, site=builder.account, occurred_at=read_time(access.timestamp), late=late)
    if verified.fetched:
        common["arrival"] = Arrival.BACKFILL
    return builder.event(
        Recognition(
            **common,
            kind=seen.kind,
            person=seen,
            method=method(access),
            outcome=own if decision is None else _GRANTED[decision.allowed],
            device_outcome=None if decision is None else own,
            recognition_score=access.recognize_score,
            liveness_score=access.liveness_score,
            mask=mask(access),
            temperature=access.temperature,
            anomaly=anomaly(access),
            stage="asked" if access.asked else "recorded",
            decision=decision,
            pictures=builder.pictures(Topic.RECOGNITION),
        )
    )


_GRANTED: Final[dict[bool | None, Outcome]] = {True: Outcome.GRANTED, False: Outcome.DENIED, None: Outcome.UNKNOWN}


def _own_outcome(access: AccessRecord) -> Outcome:
    """The terminal's own outcome. The status of V1.0 tells more than yes and no."""
    if access.generation is Generation.V1_0 and access.passed is None and not access.is_unreadable:
        return _STATUS.get(access.recognize_status, Outcome.UNKNOWN)
    return _GRANTED[conclusion(access)]


def _alarm(alarm: DeviceAlarm, builder: EventBuilder, terminal: str | None) -> CloudEvent:
    kind, severity = _ALARM.get(alarm.code, (AlarmKind.UNKNOWN, Severity.UNKNOWN))
    common = builder.common(device=terminal, site=builder.account, occurred_at=read_time(alarm.event_time))
    return builder.event(
        Alarm(
            **common,
            kind=kind,
            severity=severity,
            state=_STATE.get(alarm.status, AlarmState.UNKNOWN),
            trace_id=alarm.trace_id,
            code=alarm.code,
            description=alarm.description,
            person=Person(id=alarm.user_id) if alarm.user_id else None,
            pictures=builder.pictures(Topic.ALARM),
        )
    )
