"""Models of SensePass's messages, of all firmware generations, and of its secret.

Sources: "Event Push Protocol" of the terminal's documentation (V1.0), and the pages of V1.1 to V1.3 for later fields.
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


def readable[T](value: T | Unreadable) -> T | None:
    """The value of a field; None if it cannot be read."""
    return None if isinstance(value, Unreadable) else value


class Account(Credentials):
    """A site or a terminal, with its live tokens."""

    site: str = Field(min_length=1)
    tokens: tuple[Token, ...] = Field(min_length=1)
    serials: tuple[str, ...] = ()
    """Serial numbers of the terminals that may use its tokens; if there are none, any terminal may."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"site": "…", "tokens": ["…"], "serials": ["…"]}]}`."""

    accounts: tuple[Account, ...] = ()


class Generation(StrEnum):
    """Generation of a record. The same field may have another meaning in each."""

    V1_0 = "1.0"
    LATER = "1.1 and later"


class Shape(StrEnum):
    """Kind of a body, by its envelope. There are no others."""

    QUESTION = "question"
    """A remote authentication: no envelope, the fields at the top."""
    RECORD = "record"
    """`type` 0."""
    ALARM = "alarm"
    """`type` 1."""


_BY_TYPE: Final = {0: Shape.RECORD, 1: Shape.ALARM}


class Group(Message):
    """A group that a user belongs to."""

    sent_id: DecisiveText = Field(default=None, alias="id")
    name: Text = None
    type: DecisiveCode = None

    @property
    def id(self) -> str | None:
        """The id; None if it cannot be read."""
        return readable(self.sent_id)


_OF_A_GROUP: Final = frozenset({"id", "name", "type"})


def _groups(value: object) -> object:
    """Reads the groups from a list, or from a single group. Any other value may bar a person, and cannot be read."""
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return UNREADABLE
    groups = [group for group in listed if group is not None]
    return groups if all(_is_group(group) for group in groups) else UNREADABLE


def _is_group(value: object) -> bool:
    return isinstance(value, dict) and (not value or not _OF_A_GROUP.isdisjoint(value))


class User(Message):
    """The person that the terminal recognised. `pin` is a secret: `withheld` takes it out before."""

    name: Text = None
    sent_user_id: DecisiveText = Field(default=None, alias="user_id")
    type: DecisiveCode = None
    sent_ic_number: DecisiveText = Field(default=None, alias="ic_number")
    job_number: Text = None
    sent_group_id: DecisiveText = Field(default=None, alias="group_id")
    """Id of the single group before V1.2.1."""
    group_name: Text = None
    sent_groups: Annotated[tuple[Group, ...] | Unreadable, BeforeValidator(_groups)] = Field(default=(), alias="groups")

    @property
    def user_id(self) -> str | None:
        """The id; None if it cannot be read."""
        return readable(self.sent_user_id)

    @property
    def ic_number(self) -> str | None:
        """The card; None if it cannot be read."""
        return readable(self.sent_ic_number)

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """The groups of the list, or the single group of older firmware."""
        listed = readable(self.sent_groups) or ()
        if listed or not (self.sent_group_id or self.group_name):
            return listed
        return (Group(sent_id=self.sent_group_id, name=self.group_name),)

    @property
    def kinds(self) -> tuple[object, ...]:
        """The fields that may bar a person."""
        return (self.type, self.sent_groups, *(group.type for group in self.all_groups))

    @property
    def names(self) -> tuple[object, ...]:
        """The further fields that rules may have conditions on."""
        return (self.sent_user_id, self.sent_ic_number, *(group.sent_id for group in self.all_groups))


def _user(value: object) -> object:
    """Reads the user. A stranger may have none; a user that is not an object cannot be read."""
    if value is None or value == "":
        return {}
    return value if isinstance(value, dict) else UNREADABLE


class AccessRecord(Message):
    """A recognition: `data` of an envelope of type 0, or the whole body of a remote authentication."""

    asked: bool = False
    """True for a remote authentication; `message` sets it."""
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
    sent_user: Annotated[User | Unreadable, BeforeValidator(_user)] = Field(default=User(), alias="user")

    @property
    def user(self) -> User:
        """The user; one without fields if it cannot be read."""
        return readable(self.sent_user) or User()

    @property
    def temperature(self) -> float | int | None:
        """Temperature in °C; None for 0.0, which is "not measured"."""
        return readable(self.body_temperature) or None

    @property
    def generation(self) -> Generation:
        """The generation, by its fields: V1.1 replaced `recognizeStatus` by `recognitionType`."""
        return Generation.V1_0 if self.recognition_type is None else Generation.LATER

    @property
    def waits(self) -> bool:
        """True if a person waits at the door for the answer."""
        return self.asked or self.generation is Generation.V1_0

    @property
    def is_unreadable(self) -> bool:
        """True if a field that decides is present and cannot be read."""
        decisive = (self.recognize_status, self.recognition_type, self.abnormal_type, self.passed, self.sent_user)
        return UNREADABLE in (*decisive, *self.user.kinds)

    @property
    def is_unreadable_to_rules(self) -> bool:
        """True if a field of the rules is present and cannot be read: a rule that forbids would not match it."""
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
    """The kind of a body; None if its envelope is not documented."""
    if not isinstance(payload, dict):
        return None
    if isinstance(payload.get("data"), dict):
        return _BY_TYPE.get(-1 if (kind := whole(payload.get("type"))) is None else kind)
    return Shape.QUESTION if payload.get("data") is None and payload.get("type") is None else None


def fields(payload: Any) -> dict[str, Any]:
    """The fields of a body: those in an envelope of any kind, else its own; none if the body is not an object."""
    if not isinstance(payload, dict):
        return {}
    inner = payload.get("data")
    return inner if isinstance(inner, dict) else payload


def message(payload: Any) -> AccessRecord | DeviceAlarm | None:
    """Reads the message in a body; None if it is neither a recognition nor an alarm in its documented envelope."""
    kind = shape(payload)
    if kind is None:
        return None
    if kind is Shape.ALARM:
        return DeviceAlarm.model_validate(fields(payload))
    access = AccessRecord.model_validate({**fields(payload), "asked": kind is Shape.QUESTION})
    is_recognition = access.recognize_status is not None or access.recognition_type is not None
    return access if is_recognition else None
