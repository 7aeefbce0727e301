"""SensePass's messages of all firmware generations, and what its secret holds.

Source: "Event Push Protocol" of the terminal's documentation (V1.0), and the pages of V1.1 to V1.3 for what came later.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from gatehouse.accounts import Credentials, Token
from gatehouse.reading import whole
from gatehouse.wire import (
    UNREADABLE,
    Code,
    DecisiveCode,
    DecisiveTruth,
    Message,
    Number,
    Text,
    Unreadable,
)


class Account(Credentials):
    """A site or a terminal, with each of its tokens that are live."""

    site: str = Field(min_length=1)
    tokens: tuple[Token, ...] = Field(min_length=1)
    serials: tuple[str, ...] = ()
    """The serial numbers that it may speak for; none named, it may speak for any."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"site": "…", "tokens": ["…"], "serials": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Generation(StrEnum):
    """How a record is to be read; the same field may mean different things."""

    V1_0 = "1.0"
    LATER = "1.1 and later"


class Shape(StrEnum):
    """What a body is, by its envelope. There are no others."""

    QUESTION = "question"
    """A remote authentication: no envelope, the fields at the top."""
    RECORD = "record"
    """`type` 0."""
    ALARM = "alarm"
    """`type` 1."""


_BY_TYPE: Final = {0: Shape.RECORD, 1: Shape.ALARM}


class Group(Message):
    """A group that a user belongs to."""

    id: Text = None
    name: Text = None
    type: Code = None


def _groups(value: object) -> list[object]:
    listed = [value] if isinstance(value, dict) else value
    return [group for group in listed if isinstance(group, dict)] if isinstance(listed, list) else []


class User(Message):
    """Who the terminal took somebody for. `pin` is a secret and never gets this far."""

    name: Text = None
    user_id: Text = None
    type: DecisiveCode = None
    ic_number: Text = None
    job_number: Text = None
    group_id: Text = None
    """Of the one group that there was before V1.2.1."""
    group_name: Text = None
    groups: Annotated[tuple[Group, ...], BeforeValidator(_groups)] = ()

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """The list, or the one group of older firmware."""
        if self.groups or not (self.group_id or self.group_name):
            return self.groups
        return (Group(id=self.group_id, name=self.group_name),)


def _user(value: object) -> object:
    """A stranger may have no user at all; one that is there and is no object cannot be read."""
    if value is None or value == "":
        return {}
    return value if isinstance(value, dict) else UNREADABLE


class AccessRecord(Message):
    """A recognition: `data` of an envelope of type 0, or the whole body of a remote authentication."""

    asked: bool = False
    """Whether it is a remote authentication; put in by us."""
    uuid: Text = None
    timestamp: object = None
    recognize_status: DecisiveCode = Field(default=None, alias="recognizeStatus")
    recognition_type: DecisiveCode = Field(default=None, alias="recognitionType")
    recognize_score: Number = Field(default=None, alias="recognizeScore")
    liveness_score: Number = Field(default=None, alias="livenessScore")
    mask: Code = None
    mode: Code = None
    entry_mode: Code = None
    abnormal_type: DecisiveCode = None
    body_temperature: Number = Field(default=None, alias="bodyTemperature")
    passed: DecisiveTruth = Field(default=None, alias="pass")
    told_user: Annotated[User | Unreadable, BeforeValidator(_user)] = Field(default=User(), alias="user")

    @property
    def user(self) -> User:
        """Who it was; nobody where that cannot be read."""
        return self.told_user if isinstance(self.told_user, User) else User()

    @property
    def generation(self) -> Generation:
        """By its fields: V1.1 put `recognitionType` in the place of `recognizeStatus`."""
        return Generation.V1_0 if self.recognition_type is None else Generation.LATER

    @property
    def waits(self) -> bool:
        """Whether somebody stands at the door until it is answered."""
        return self.asked or self.generation is Generation.V1_0

    @property
    def is_unreadable(self) -> bool:
        """Whether a field that decides is there and nobody can read it."""
        decisive = (self.recognize_status, self.recognition_type, self.abnormal_type, self.passed, self.told_user)
        return UNREADABLE in (*decisive, self.user.type)


class DeviceAlarm(Message):
    """An alarm of the terminal: `data` of an envelope of type 1, from V1.3 on."""

    trace_id: Text = None
    code: Code = None
    status: Code = None
    event_time: object = None
    description: Text = None
    user_id: Text = None


def shape(payload: Any) -> Shape | None:
    """What a body is; None for an envelope that nobody documents."""
    if not isinstance(payload, dict):
        return None
    if isinstance(payload.get("data"), dict):
        return _BY_TYPE.get(-1 if (kind := whole(payload.get("type"))) is None else kind)
    return Shape.QUESTION if payload.get("data") is None and payload.get("type") is None else None


def fields(payload: Any) -> dict[str, Any]:
    """The fields of a body: those in its envelope, whichever that is, or its own; of what is no object none."""
    if not isinstance(payload, dict):
        return {}
    inner = payload.get("data")
    return inner if isinstance(inner, dict) else payload


def message(payload: Any) -> AccessRecord | DeviceAlarm | None:
    """What a body says; None for what is neither a record of a recognition nor an alarm, in the envelope of either."""
    found = shape(payload)
    if found is None:
        return None
    if found is Shape.ALARM:
        return DeviceAlarm.model_validate(fields(payload))
    access = AccessRecord.model_validate({**fields(payload), "asked": found is Shape.QUESTION})
    is_one = access.recognize_status is not None or access.recognition_type is not None
    return access if is_one else None
