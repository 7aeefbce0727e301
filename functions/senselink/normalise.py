"""Maps SenseLink's messages to our events ("3.1.1 認証レコードのPush", "3.1.2 アラートレコードのPush")."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from pydantic import JsonValue

from functions.senselink import wire
from functions.senselink.verify import Verified
from functions.senselink.wire import AccessRecord, AlarmRecord, Kind
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, CloudEvent, EventBuilder, Group, Host, Person, Picture, Recognition
from gatehouse.vocabulary import (
    AlarmKind,
    AlarmState,
    Anomaly,
    Direction,
    Mask,
    Method,
    Outcome,
    PersonKind,
    Release,
    Severity,
    Topic,
)
from gatehouse.wire import UNREADABLE, Unreadable

# 'type' of a record: the page calls it "the user's identifier type" and no more; the record list's page has the table.
_PERSON: Final[dict[int | Unreadable | None, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
    3: PersonKind.STRANGER,
    5: PersonKind.BLOCKLISTED,
}
_GROUP: Final[dict[int | None, PersonKind]] = {
    1: PersonKind.STAFF,
    2: PersonKind.VISITOR,
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
_ABNORMAL: Final[dict[int | Unreadable | None, Anomaly]] = {
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
# Anomalies that are no refusal: the person is known, and a setting of the terminal decides whether somebody with a
# fever or without a mask may pass. All other anomalies refuse what was shown.
_NO_REFUSAL: Final = frozenset({Anomaly.TEMPERATURE, Anomaly.NO_MASK})
_DIRECTION: Final[dict[int | None, Direction]] = {1: Direction.IN, 2: Direction.OUT}
# The vendor's table has 0 twice, "not known" and "not worn", and 2. It lacks 1, which can only be "not worn".
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
# 'level', for codes outside of the vendor's table: 1 an alert, 2 something abnormal.
_LEVEL: Final[dict[int | None, Severity]] = {1: Severity.MEDIUM, 2: Severity.LOW}
_STATE: Final[dict[int | None, AlarmState]] = {
    1: AlarmState.RAISED,
    2: AlarmState.RELEASING,
    3: AlarmState.RELEASED,
}
_RELEASE: Final[dict[int | None, Release]] = {
    0: Release.NOT_NEEDED,
    1: Release.DEVICE,
    2: Release.REMOTE,
    3: Release.DEVICE_OR_REMOTE,
}
# Messages that only show that the server is alive. On a WebSocket the listener handles them.
_SIGNS_OF_LIFE: Final = frozenset({Kind.HEARTBEAT, Kind.CONNECTED})


def normalise(payload: JsonValue, builder: EventBuilder, verified: Verified) -> list[CloudEvent]:
    """Makes the event of a message; none for one that only shows that the server is alive.

    Args:
        payload: the message.
        builder: of its events.
        verified: with the server, whose time zone applies to times without one.

    Raises:
        NotUnderstood: neither a record nor an alarm.
    """
    record, zone = wire.read(payload), verified.server.zone
    if isinstance(record, AccessRecord):
        return [_recognition(record, builder, zone)]
    if isinstance(record, AlarmRecord):
        return [_alarm(record, builder, zone)]
    if wire.kind(payload) in _SIGNS_OF_LIFE and not wire.record(payload):
        return []
    raise NotUnderstood("neither a record (30000) nor an alarm (30100)")


def _recognition(record: AccessRecord, builder: EventBuilder, zone: tzinfo) -> CloudEvent:
    groups = tuple(
        Group(id=group.id, name=group.name, kind=_GROUP.get(group.type, PersonKind.UNKNOWN)) for group in record.groups
    )
    first = groups[0] if groups else Group()
    kind = _kind(record, groups)
    anomaly = _ABNORMAL.get(record.abnormal_type, Anomaly.UNKNOWN) if record.abnormal_type else None
    host = Host(id=record.reception_user_id, name=record.reception_user_name)
    common = builder.common(
        device=record.device,
        device_name=record.device_name,
        serial=record.serial,
        site=record.location,
        occurred_at=_occurred_at(record, builder, zone),
    )
    return builder.event(
        Recognition(
            **common,
            kind=kind,
            person=Person(
                kind=kind,
                id=record.user_id,
                name=record.name,
                job_number=record.job_number,
                card=record.card,
                group_id=first.id,
                group_name=first.name,
                groups=groups,
                host=None if host == Host() else host,
            ),
            method=_ENTRY_MODE.get(record.entry_mode, Method.UNKNOWN),
            direction=_DIRECTION.get(record.direction),
            outcome=_outcome(kind, anomaly),
            recognition_score=record.verify_score,
            mask=_MASK.get(record.mask, Mask.UNKNOWN),
            temperature=record.body_temperature or None,  # 0.0 is "not measured"
            anomaly=anomaly,
            pictures=_pictures(builder, Topic.RECOGNITION, record.pictures()),
        )
    )


def _kind(record: AccessRecord, groups: Iterable[Group]) -> PersonKind:
    """The kind of person: by any blocklisted group; else by the record's type; else by the first known group."""
    kinds = [group.kind for group in groups]
    if PersonKind.BLOCKLISTED in kinds:
        return PersonKind.BLOCKLISTED
    if record.type is UNREADABLE:
        return PersonKind.UNKNOWN
    return _PERSON.get(record.type) or next(
        (kind for kind in kinds if kind is not PersonKind.UNKNOWN), PersonKind.UNKNOWN
    )


def _outcome(kind: PersonKind, anomaly: Anomaly | None) -> Outcome:
    if anomaly is None or anomaly in _NO_REFUSAL:
        return _OUTCOME.get(kind, Outcome.UNKNOWN)
    return Outcome.UNKNOWN if anomaly is Anomaly.UNKNOWN else Outcome.DENIED


def _occurred_at(record: AccessRecord, builder: EventBuilder, zone: tzinfo) -> datetime | None:
    """The time of a record. If it states only a day: the day's beginning if that day is over, else None, which stands
    for the time of arrival.
    """
    moment = record.moment(zone)
    if moment is not None:
        return moment
    day = record.day(zone)
    is_over = day is not None and day.date() < builder.received_at.astimezone(day.tzinfo).date()
    return day.astimezone(UTC) if day is not None and is_over else None


def _alarm(alarm: AlarmRecord, builder: EventBuilder, zone: tzinfo) -> CloudEvent:
    kind = _ALARM.get(alarm.code, AlarmKind.UNKNOWN)
    state = _STATE.get(alarm.status, AlarmState.UNKNOWN)
    raised_at, released_at = alarm.raised_at(zone), alarm.released_at(zone)
    common = builder.common(
        device=alarm.device,
        device_name=alarm.device_name,
        serial=alarm.serial,
        site=alarm.device_location,
        occurred_at=(released_at if state is AlarmState.RELEASED else None) or raised_at,
    )
    return builder.event(
        Alarm(
            **common,
            kind=kind,
            severity=_SEVERITY.get(kind) or _LEVEL.get(alarm.level, Severity.UNKNOWN),
            state=state,
            trace_id=alarm.trace_id,
            code=alarm.code,
            description=alarm.description,
            release=_RELEASE.get(alarm.release_option),
            raised_at=raised_at,
            released_at=released_at,
            pictures=_pictures(builder, Topic.ALARM, alarm.pictures()),
        )
    )


def _pictures(builder: EventBuilder, topic: Topic, named: Iterable[tuple[str, str]]) -> tuple[Picture, ...]:
    """The pictures that a record names, each with the server's id, and with our copy if there is one."""
    copies = {picture.role: picture for picture in builder.pictures(topic)}
    return tuple(
        copies.get(role, Picture(role=role)).model_copy(update={"reference": reference}) for role, reference in named
    )
