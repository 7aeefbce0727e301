"""SenseLink's messages, by WebSocket, by subscription and from the record list, and what its secret holds.

Source: "3 Push通知" of the SenseLink GE documentation, chapters 3.1.1 and 3.1.2.
"""

import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from enum import IntEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, JsonValue, SecretStr

from gatehouse.accounts import Credentials
from gatehouse.reading import read_json, whole
from gatehouse.wire import Code, Message, Number, Text


class Server(Credentials):
    """A SenseLink server: the tokens of its subscription, and how the listener reaches it."""

    server: str = Field(min_length=1)
    tokens: tuple[SecretStr, ...] = ()
    """What its event subscription has in its path, each that is live."""
    url: str | None = Field(default=None, pattern=r"^wss?://[^/?#@]+/?$")
    """Where the listener connects to: `wss://HOST:9000`."""
    app_key: str | None = Field(default=None, min_length=1)
    app_secret: SecretStr | None = None
    api_url: str | None = Field(default=None, pattern=r"^https?://[^?#@]+$")
    """Where the record list and the pictures are, `https://HOST`; without it, gaps are reported and not filled."""
    time_zone: str = Field(default="+09:00", pattern=r"^[+-][01]\d:[0-5]\d$")
    """The server's, in which the record list reads times."""
    ca: str | None = None
    """The authority behind its certificate, as PEM, where it is none that everybody knows."""
    pictures: bool = False
    """Whether the listener fetches the pictures that a message names."""

    @property
    def zone(self) -> timezone:
        """Its time zone."""
        hours, minutes = self.time_zone[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if self.time_zone.startswith("-") else offset)


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"server": "…", "tokens": ["…"], "url": "…", "app_key": "…", …}]}`."""

    accounts: tuple[Server, ...] = ()


class Kind(IntEnum):
    """`code` of a message by WebSocket, `eventType` of one by subscription."""

    HEARTBEAT = 10000
    CONNECTED = 20000
    DENIED = 20002
    RECORD = 30000
    ALARM = 30100


class Group(Message):
    """A group that somebody belongs to."""

    id: Text = None
    name: Text = None
    type: Code = None


def _groups(value: object) -> object:
    return [group for group in value if isinstance(group, dict)] if isinstance(value, list) else []


class AccessRecord(Message):
    """An authentication."""

    id: Text = None
    user_id: Text = Field(default=None, alias="userId")
    name: Text = None
    type: Code = None
    verify_score: Number = Field(default=None, alias="verifyScore")
    groups: Annotated[tuple[Group, ...], BeforeValidator(_groups)] = ()
    sn: Text = None
    location: Text = None
    sign_time: Code = Field(default=None, alias="signTime")
    entry_mode: Code = Field(default=None, alias="entryMode")
    abnormal_type: Code = Field(default=None, alias="abnormalType")
    body_temperature: Number = Field(default=None, alias="bodyTemperature")
    mask: Code = None
    avatar: Text = None
    sign_avatar: Text = Field(default=None, alias="signAvatar")
    sign_bg_avatar: Text = Field(default=None, alias="signBgAvatar")

    def pictures(self) -> list[tuple[str, str]]:
        """The pictures, by role, with the server's ids of them."""
        named = (("avatar", self.avatar), ("sign_avatar", self.sign_avatar), ("sign_bg_avatar", self.sign_bg_avatar))
        return [(role, reference) for role, reference in named if reference]


class AlarmRecord(Message):
    """A state of an alarm."""

    id: Text = None
    level: Code = None
    code: Code = None
    status: Code = None
    trace_id: Text = Field(default=None, alias="traceId")
    device_sn: Text = Field(default=None, alias="deviceSn")
    device_location: Text = Field(default=None, alias="deviceLocation")
    alarm_time: Text = Field(default=None, alias="alarmTime")
    release_time: Text = Field(default=None, alias="releaseTime")
    alarm_photo: Text = Field(default=None, alias="alarmPhoto")

    def pictures(self) -> list[tuple[str, str]]:
        """The picture, by role, with the server's id of it."""
        return [("alarm_photo", self.alarm_photo)] if self.alarm_photo else []


_PARTS: Final[dict[Kind, type[AccessRecord | AlarmRecord]]] = {Kind.RECORD: AccessRecord, Kind.ALARM: AlarmRecord}
_SNAKE: Final = re.compile(r"_([a-z0-9])")


def kind(payload: JsonValue) -> int | None:
    """What a message is: its `code`, or its `eventType` where it came by subscription."""
    if not isinstance(payload, dict):
        return None
    return whole(payload.get("code", payload.get("eventType")))


def record(payload: JsonValue) -> dict[str, Any] | None:
    """The record in a message, with its fields in camel case; None if there is none.

    Some versions' record list has them in snake case.
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    return camel(data) if isinstance(data, dict) else None


def pictures(message: bytes) -> list[tuple[str, str]]:
    """The pictures that a message names, by role, with the server's ids of them."""
    try:
        payload = read_json(message)
        found = record(payload)
        part = _PARTS.get(Kind(kind(payload) or 0))
    except ValueError:
        return []
    return [] if found is None or part is None else part.model_validate(found).pictures()


def camel(value: Any) -> Any:
    """The same with every field's name in camel case: `sign_time` → `signTime`."""
    if isinstance(value, Mapping):
        return {_SNAKE.sub(lambda match: match[1].upper(), name): camel(inner) for name, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value
