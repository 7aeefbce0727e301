"""SUNMI's words in ours ("Notification Center", chapter 8.3.1, and the events of its receipt printers)."""

from collections.abc import Callable
from typing import Final

from pydantic import JsonValue

from functions.sunmi.wire import PRICE_CHANGED, FaceAdded, FaceRecognised, Motion, PrintedReceipt, Push
from gatehouse.errors import NotUnderstood
from gatehouse.events import (
    Alarm,
    AlarmKind,
    CloudEvent,
    Common,
    Gender,
    Method,
    Notice,
    NoticeKind,
    Outcome,
    Person,
    PersonKind,
    Receipt,
    Recognition,
    Result,
    Severity,
    Topic,
)
from gatehouse.links import public_link
from gatehouse.reading import read_time

_MOTION: Final[dict[int | None, AlarmKind]] = {
    1: AlarmKind.MOTION,
    2: AlarmKind.SOUND,  # the table calls it a voice; the sample's 0 is in no table
}
_FACE_ADDED: Final[dict[int | None, tuple[Result, str | None]]] = {
    None: (Result.UNKNOWN, None),
    0: (Result.SUCCESS, None),
    5527: (Result.FAILURE, "bad_face_image"),
    5000: (Result.FAILURE, "database_error"),
}
_GENDER: Final[dict[int | None, Gender]] = {1: Gender.MALE, 2: Gender.FEMALE}
_AGE: Final[dict[int | None, tuple[int, int | None]]] = {
    1: (0, 6),
    2: (7, 12),
    3: (13, 18),
    4: (19, 28),
    5: (29, 35),
    6: (36, 45),
    7: (46, 55),
    8: (56, None),
}
_GROUP: Final[dict[int | None, tuple[PersonKind, Outcome]]] = {
    1: (PersonKind.STRANGER, Outcome.NOT_RECOGNISED),
    2: (PersonKind.FAMILIAR, Outcome.RECOGNISED),
    3: (PersonKind.STAFF, Outcome.RECOGNISED),
    5: (PersonKind.CUSTOM, Outcome.RECOGNISED),  # 4 does not exist
}


def normalise(payload: JsonValue, receipt: Receipt) -> list[CloudEvent]:
    """The events of a push; one each.

    Raises:
        NotUnderstood: the event is in no table of SUNMI's.
    """
    push = Push.model_validate(payload)
    to_event = _EVENTS.get(push.event)
    if to_event is None:
        raise NotUnderstood(f"event is not one of {', '.join(map(str, _EVENTS))}")
    return [to_event(push, receipt)]


def _common(
    push: Push,
    receipt: Receipt,
    device: str | None = None,
    device_name: str | None = None,
    serial: str | None = None,
) -> Common:
    return receipt.common(
        device=device,
        device_name=device_name,
        serial=serial,
        site=push.site,
        occurred_at=read_time(push.timestamp),
    )


def _motion(push: Push, receipt: Receipt) -> CloudEvent:
    motion = Motion.model_validate(push.payload)
    kind = _MOTION.get(motion.motion_type, AlarmKind.UNKNOWN)
    # A camera is its ipc_id, which is in its other events too; better its serial number than an alarm of no device.
    device = motion.ipc_id or motion.sn
    common = _common(push, receipt, device, device_name=motion.name, serial=motion.sn)
    video = public_link("video", motion.video_url)
    return receipt.event(Alarm(**common, kind=kind, severity=Severity.LOW, links=(video,) if video else ()))


def _face_added(push: Push, receipt: Receipt) -> CloudEvent:
    added = FaceAdded.model_validate(push.payload)
    result, reason = _FACE_ADDED.get(added.code, (Result.FAILURE, None))
    # Where no face was added, 0 is the id of none.
    face_id = None if added.face_id == "0" and result is not Result.SUCCESS else added.face_id
    return receipt.event(
        Notice(
            **_common(push, receipt),
            kind=NoticeKind.FACE_REGISTERED,
            result=result,
            code=added.code,
            reason=reason,
            message=added.msg,
            reference={"face_id": face_id} if face_id else {},
        )
    )


def _face_recognised(push: Push, receipt: Receipt) -> CloudEvent:
    face = FaceRecognised.model_validate(push.payload)
    kind, outcome = _GROUP.get(face.group_type, (PersonKind.UNKNOWN, Outcome.UNKNOWN))
    age_from, age_to = _AGE.get(face.age_range, (None, None))
    common = _common(push, receipt, face.ipc_id)
    person = Person(
        kind=kind,
        id=face.face_id,
        group_id=face.group_id,
        group_name=face.group_name,
        gender=_GENDER.get(face.gender, Gender.UNKNOWN),
        age_from=age_from,
        age_to=age_to,
    )
    return receipt.event(Recognition(**common, kind=kind, person=person, method=Method.FACE, outcome=outcome))


def _price_changed(push: Push, receipt: Receipt) -> CloudEvent:
    # "currently unavailable": the payload is documented nowhere and travels as it is.
    return receipt.event(Notice(**_common(push, receipt), kind=NoticeKind.PRICE_CHANGED))


def _receipt(push: Push, receipt: Receipt) -> CloudEvent:
    printed = PrintedReceipt.model_validate(push.payload)
    reference = {"receipt_id": printed.id, "seq": printed.seq}
    return receipt.event(
        Notice(
            **_common(push, receipt, printed.sn),
            kind=NoticeKind.RECEIPT,
            code=push.event,
            reference={name: value for name, value in reference.items() if value},
            pictures=receipt.pictures(Topic.NOTICE),
        )
    )


_EVENTS: Final[dict[int | None, Callable[[Push, Receipt], CloudEvent]]] = {
    1010: _motion,
    1100: _face_added,
    2001: _face_recognised,
    PRICE_CHANGED: _price_changed,
    6001: _receipt,  # its text
    6002: _receipt,  # its picture
    6003: _receipt,  # its order, as SUNMI reads it
    6004: _receipt,  # the same with what was paid
}
