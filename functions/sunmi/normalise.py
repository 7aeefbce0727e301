"""SUNMI's events as ours ("Notification Center", chapter 8.3.1, and the events of its receipt printers)."""

from collections.abc import Callable
from typing import Final

from pydantic import JsonValue

from functions.sunmi.verify import Verified
from functions.sunmi.wire import PRICE_CHANGED, FaceAdded, FaceRecognised, Form, Motion, PrintedReceipt
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, CloudEvent, Common, EventBuilder, Notice, Person, Recognition
from gatehouse.links import public_link
from gatehouse.reading import read_time
from gatehouse.vocabulary import AlarmKind, Gender, Method, NoticeKind, Outcome, PersonKind, Result, Severity, Topic

_MOTION: Final[dict[int | None, AlarmKind]] = {
    1: AlarmKind.MOTION,
    2: AlarmKind.SOUND,  # "voice" in the table; the 0 of the page's sample is in no table
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


def normalise(payload: JsonValue, builder: EventBuilder, _verified: Verified) -> list[CloudEvent]:
    """Makes the event of a form.

    Args:
        payload: the form's fields, as `verify.unwrap` returns them.
        builder: of the event.

    Raises:
        NotUnderstood: the form's `event` is in no table of SUNMI's.
    """
    form = Form.model_validate(payload)
    to_event = _EVENTS.get(form.event)
    if to_event is None:
        raise NotUnderstood(f"event is not one of {', '.join(map(str, _EVENTS))}")
    return [to_event(form, builder)]


def _common(
    form: Form,
    builder: EventBuilder,
    device: str | None = None,
    device_name: str | None = None,
    serial: str | None = None,
) -> Common:
    return builder.common(
        device=device,
        device_name=device_name,
        serial=serial,
        site=form.site,
        occurred_at=read_time(form.timestamp),
    )


def _motion(form: Form, builder: EventBuilder) -> CloudEvent:
    motion = Motion.model_validate(form.payload)
    kind = _MOTION.get(motion.motion_type, AlarmKind.UNKNOWN)
    # A camera's id is its ipc_id, which its other events have too. The serial number is better than no device.
    device = motion.ipc_id or motion.sn
    common = _common(form, builder, device, device_name=motion.name, serial=motion.sn)
    video = public_link("video", motion.video_url)
    return builder.event(Alarm(**common, kind=kind, severity=Severity.LOW, links=(video,) if video else ()))


def _face_added(form: Form, builder: EventBuilder) -> CloudEvent:
    added = FaceAdded.model_validate(form.payload)
    result, reason = _FACE_ADDED.get(added.code, (Result.FAILURE, None))
    # 0 is no id if no face was added.
    face_id = None if added.face_id == "0" and result is not Result.SUCCESS else added.face_id
    return builder.event(
        Notice(
            **_common(form, builder),
            kind=NoticeKind.FACE_REGISTERED,
            result=result,
            code=added.code,
            reason=reason,
            message=added.msg,
            reference={"face_id": face_id} if face_id else {},
        )
    )


def _face_recognised(form: Form, builder: EventBuilder) -> CloudEvent:
    face = FaceRecognised.model_validate(form.payload)
    kind, outcome = _GROUP.get(face.group_type, (PersonKind.UNKNOWN, Outcome.UNKNOWN))
    age_from, age_to = _AGE.get(face.age_range, (None, None))
    common = _common(form, builder, face.ipc_id)
    person = Person(
        kind=kind,
        id=face.face_id,
        group_id=face.group_id,
        group_name=face.group_name,
        gender=_GENDER.get(face.gender, Gender.UNKNOWN),
        age_from=age_from,
        age_to=age_to,
    )
    return builder.event(Recognition(**common, kind=kind, person=person, method=Method.FACE, outcome=outcome))


def _price_changed(form: Form, builder: EventBuilder) -> CloudEvent:
    # "currently unavailable" (the vendor's page): the payload is documented nowhere and is passed on as it is.
    pictures = builder.pictures(Topic.NOTICE)
    return builder.event(Notice(**_common(form, builder), kind=NoticeKind.PRICE_CHANGED, pictures=pictures))


def _receipt(form: Form, builder: EventBuilder) -> CloudEvent:
    printed = PrintedReceipt.model_validate(form.payload)
    reference = {"receipt_id": printed.id, "seq": printed.seq}
    return builder.event(
        Notice(
            **_common(form, builder, printed.sn),
            kind=NoticeKind.RECEIPT,
            code=form.event,
            reference={name: value for name, value in reference.items() if value},
            pictures=builder.pictures(Topic.NOTICE),
        )
    )


_EVENTS: Final[dict[int | None, Callable[[Form, EventBuilder], CloudEvent]]] = {
    1010: _motion,
    1100: _face_added,
    2001: _face_recognised,
    PRICE_CHANGED: _price_changed,
    6001: _receipt,  # its text
    6002: _receipt,  # its picture
    6003: _receipt,  # its order, as SUNMI reads it
    6004: _receipt,  # the same with what was paid
}
