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
    DecisiveNumber,
    DecisiveText,
    DecisiveTruth,
    Message,
    Number,
    Text,
    Unreadable,
)


def readable[T](told: T | Unreadable) -> T | None:
    """What a field says; None where nobody can read it."""
    return None if isinstance(told, Unreadable) else told


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

    told_id: DecisiveText = Field(default=None, alias="id")
    name: Text = None
    type: DecisiveCode = None

    @property
    def id(self) -> str | None:
        """The id; None where it cannot be read."""
        return readable(self.told_id)


_OF_A_GROUP: Final = frozenset({"id", "name", "type"})


def _groups(value: object) -> object:
    """The groups as a list, or the one group; what is there and is neither may bar somebody, and cannot be read."""
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return UNREADABLE
    told = [group for group in listed if group is not None]
    return told if all(_is_group(group) for group in told) else UNREADABLE


def _is_group(value: object) -> bool:
    return isinstance(value, dict) and (not value or not _OF_A_GROUP.isdisjoint(value))


class User(Message):
    """Who the terminal took somebody for. `pin` is a secret and never gets this far."""

    name: Text = None
    told_user_id: DecisiveText = Field(default=None, alias="user_id")
    type: DecisiveCode = None
    told_ic_number: DecisiveText = Field(default=None, alias="ic_number")
    job_number: Text = None
    told_group_id: DecisiveText = Field(default=None, alias="group_id")
    """Of the one group that there was before V1.2.1."""
    group_name: Text = None
    told_groups: Annotated[tuple[Group, ...] | Unreadable, BeforeValidator(_groups)] = Field(default=(), alias="groups")

    @property
    def user_id(self) -> str | None:
        """The id; None where it cannot be read."""
        return readable(self.told_user_id)

    @property
    def ic_number(self) -> str | None:
        """The card; None where it cannot be read."""
        return readable(self.told_ic_number)

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """The list, or the one group of older firmware."""
        listed = readable(self.told_groups) or ()
        if listed or not (self.told_group_id or self.group_name):
            return listed
        return (Group(told_id=self.told_group_id, name=self.group_name),)

    @property
    def kinds(self) -> tuple[object, ...]:
        """What says who it is to the terminal: each may bar somebody."""
        return (self.type, self.told_groups, *(group.type for group in self.all_groups))

    @property
    def names(self) -> tuple[object, ...]:
        """What rules may ask for besides."""
        return (self.told_user_id, self.told_ic_number, *(group.told_id for group in self.all_groups))


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
    mask: DecisiveCode = None
    mode: DecisiveCode = None
    entry_mode: DecisiveCode = None
    abnormal_type: DecisiveCode = None
    body_temperature: DecisiveNumber = Field(default=None, alias="bodyTemperature")
    device: DecisiveText = Field(default=None, alias="deviceSN")
    passed: DecisiveTruth = Field(default=None, alias="pass")
    told_user: Annotated[User | Unreadable, BeforeValidator(_user)] = Field(default=User(), alias="user")

    @property
    def user(self) -> User:
        """Who it was; nobody where that cannot be read."""
        return readable(self.told_user) or User()

    @property
    def temperature(self) -> float | int | None:
        """In °C; 0.0 is "not measured"."""
        return readable(self.body_temperature) or None

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
        return UNREADABLE in (*decisive, *self.user.kinds)

    @property
    def is_unreadable_to_rules(self) -> bool:
        """Whether rules may ask for a field that is there and nobody can read: one that forbids would not match."""
        asked_for = (self.mask, self.mode, self.entry_mode, self.body_temperature, self.device)
        return UNREADABLE in (*asked_for, *self.user.names)


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
