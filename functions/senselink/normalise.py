"""SenseLink's words in ours ("3.1.1 認証レコードのPush", "3.1.2 アラートレコードのPush")."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from pydantic import JsonValue

from functions.senselink import wire
from functions.senselink.wire import AccessRecord, AlarmRecord, Kind
from gatehouse.errors import NotUnderstood
from gatehouse.events import (
    Alarm,
    AlarmKind,
    AlarmState,
    Anomaly,
    CloudEvent,
    Mask,
    Method,
    Outcome,
    Person,
    PersonKind,
    Picture,
    Receipt,
    Recognition,
    Severity,
    Topic,
)
from gatehouse.reading import read_time

# 'type' of a record is said to be "the user's identifier type" and no more; the sample's 3 has no user. A group's type
# has a table: 1 staff, 2 visitors, 5 the refused.
_PERSON: Final[dict[int | None, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.STRANGER,
    5: PersonKind.BLOCKLISTED,
}
_ENTRY_MODE: Final[dict[int | None, Method]] = {
    1: Method.FACE,
    2: Method.CODE,
    3: Method.CARD,
    4: Method.MULTIPLE,
    5: Method.CARD,
    6: Method.MULTIPLE,
}
_ABNORMAL: Final[dict[int | None, Anomaly]] = {
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
}
# The table has 0 and 2; 1 is in no table and can only be the other one of what 0 says twice.
_MASK: Final[dict[int | None, Mask]] = {1: Mask.NOT_WORN, 2: Mask.WORN}
_ALARM: Final[dict[int | None, AlarmKind]] = {
    10001: AlarmKind.TAMPERED,
    10002: AlarmKind.FORCED_OPEN,
    10003: AlarmKind.HELD_OPEN,
    10004: AlarmKind.PASSWORD_ATTACK,
    10006: AlarmKind.DEVICE_FAULT,
    20001: AlarmKind.DEVICE_FAULT,
    20002: AlarmKind.PRESENTATION_ATTACK,
    20003: AlarmKind.FIRE,
    30001: AlarmKind.DEVICE_OFFLINE,
    40001: AlarmKind.DEVICE_FAULT,
}
_SEVERITY: Final[dict[AlarmKind, Severity]] = {
    AlarmKind.FIRE: Severity.CRITICAL,
    AlarmKind.TAMPERED: Severity.HIGH,
    AlarmKind.FORCED_OPEN: Severity.HIGH,
    AlarmKind.PASSWORD_ATTACK: Severity.HIGH,
    AlarmKind.PRESENTATION_ATTACK: Severity.HIGH,
    AlarmKind.HELD_OPEN: Severity.MEDIUM,
}
_OUTCOME: Final = {
    PersonKind.STAFF: Outcome.RECOGNISED,
    PersonKind.VISITOR: Outcome.RECOGNISED,
    PersonKind.STRANGER: Outcome.NOT_RECOGNISED,
    PersonKind.BLOCKLISTED: Outcome.RECOGNISED,
}
# 'level', for what is in no table of kinds: 1 an alert, 2 something abnormal.
_LEVEL: Final[dict[int | None, Severity]] = {1: Severity.MEDIUM, 2: Severity.LOW}
_STATE: Final[dict[int | None, AlarmState]] = {
    1: AlarmState.RAISED,
    2: AlarmState.RELEASING,
    3: AlarmState.RELEASED,
}


def normalise(payload: JsonValue, receipt: Receipt, zone: tzinfo = UTC) -> list[CloudEvent]:
    """The event of a message.

    Args:
        payload: the message.
        receipt: what the gate knows of it.
        zone: the server's, for times without one.

    Raises:
        NotUnderstood: neither a record nor an alarm.
        pydantic.ValidationError: a field of it cannot be read at all.
    """
    record = wire.record(payload)
    told = wire.kind(payload)
    if record is None or told not in {Kind.RECORD, Kind.ALARM}:
        raise NotUnderstood("neither a record (30000) nor an alarm (30100)")
    if told == Kind.ALARM:
        return [_alarm(AlarmRecord.model_validate(record), receipt, zone)]
    return [_recognition(AccessRecord.model_validate(record), receipt)]


def _recognition(record: AccessRecord, receipt: Receipt) -> CloudEvent:
    group = record.groups[0] if record.groups else wire.Group()
    kind = _PERSON.get(record.type) or _PERSON.get(group.type, PersonKind.UNKNOWN)
    anomaly = _ABNORMAL.get(record.abnormal_type, Anomaly.UNKNOWN) if record.abnormal_type else None
    return receipt.event(
        Recognition(
            **receipt.common(device=record.sn, site=record.location, occurred_at=read_time(record.sign_time)),
            kind=kind,
            person=Person(
                kind=kind,
                id=None if record.user_id == "0" else record.user_id,
                name=record.name,
                group_id=group.id,
                group_name=group.name,
            ),
            method=_ENTRY_MODE.get(record.entry_mode, Method.UNKNOWN),
            outcome=Outcome.DENIED if anomaly else _OUTCOME.get(kind, Outcome.UNKNOWN),
            recognition_score=record.verify_score,
            mask=_MASK.get(record.mask, Mask.UNKNOWN),
            temperature=record.body_temperature or None,  # 0.0 is "not measured"
            anomaly=anomaly,
            pictures=_pictures(receipt, Topic.RECOGNITION, record.pictures()),
        )
    )


def _alarm(alarm: AlarmRecord, receipt: Receipt, zone: tzinfo) -> CloudEvent:
    kind = _ALARM.get(alarm.code, AlarmKind.UNKNOWN)
    state = _STATE.get(alarm.status, AlarmState.UNKNOWN)
    told = alarm.release_time if state is AlarmState.RELEASED and alarm.release_time else alarm.alarm_time
    return receipt.event(
        Alarm(
            **receipt.common(device=alarm.device_sn, site=alarm.device_location, occurred_at=_local_time(told, zone)),
            kind=kind,
            severity=_SEVERITY.get(kind) or _LEVEL.get(alarm.level, Severity.UNKNOWN),
            state=state,
            trace_id=alarm.trace_id,
            pictures=_pictures(receipt, Topic.ALARM, alarm.pictures()),
        )
    )


def _local_time(text: str | None, zone: tzinfo) -> datetime | None:
    """`2026-11-22 08:15:00`, in the server's zone unless it tells another one; in UTC, since it is sorted as text."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _pictures(receipt: Receipt, topic: Topic, named: Iterable[tuple[str, str]]) -> tuple[Picture, ...]:
    """The pictures that a record names: with our copy where there is one, and the server's id in any case."""
    copies = {picture.role: picture for picture in receipt.pictures(topic)}
    return tuple(
        copies.get(role, Picture(role=role)).model_copy(update={"reference": reference}) for role, reference in named
    )
