"""SenseLink's messages, by WebSocket, by subscription and from its lists, and what its secret holds.

Source: "3 Push通知" of the SenseLink GE documentation, chapters 3.1.1 and 3.1.2. Older servers and the lists have
other names for the same; one model reads them all.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, JsonValue, model_validator

from gatehouse.accounts import Credentials, Key, Token
from gatehouse.reading import read_json, read_time, whole
from gatehouse.wire import Code, DecisiveCode, Message, Number, Text, text

# ─── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _known_zone(name: str) -> str:
    if zone_of(name) is None:
        raise ValueError("neither an offset (+09:00) nor the name of a time zone (Europe/Berlin)")
    return name


class Server(Credentials):
    """A SenseLink server: the tokens of its subscription, and how the listener reaches it."""

    server: str = Field(min_length=1)
    tokens: tuple[Token, ...] = ()
    """Those in the path of its event subscription, each that is live."""
    url: str | None = Field(default=None, pattern=r"^wss?://[^/?#@]+/?$")
    """The address that the listener connects to: `wss://HOST:9000`."""
    app_key: str | None = Field(default=None, pattern=r"\S")
    app_secret: Key | None = None
    api_url: str | None = Field(default=None, pattern=r"^https?://[^?#@]+$")
    """The address of the lists and the pictures, `https://HOST`; without it, gaps are reported and not filled."""
    time_zone: Annotated[
        str, Field(pattern=r"^([+-][01]\d:[0-5]\d|[A-Za-z][A-Za-z0-9_+/-]{1,39})$"), AfterValidator(_known_zone)
    ] = "+09:00"
    """The server's, in which the record list reads times: an offset, or a name where there is daylight saving."""
    ca: str | None = None
    """The authority behind its certificate, as PEM, where it is none that everybody knows."""
    pictures: bool = False
    """The listener fetches the pictures that a message names."""
    insecure: bool = False
    """`ws://` and `http://` are meant: whoever is in between reads all, and may use a signature again."""

    @model_validator(mode="after")
    def _is_secure(self) -> Self:
        plain = [
            name
            for name, address in (("url", self.url), ("api_url", self.api_url))
            if address and not address.startswith(("wss:", "https:"))
        ]
        if plain and not self.insecure:
            raise ValueError(f'{" and ".join(plain)} without TLS: takes "insecure": true')
        return self

    @property
    def zone(self) -> tzinfo:
        """Its time zone."""
        return zone_of(self.time_zone) or UTC


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"server": "…", "tokens": ["…"], "url": "…", "app_key": "…", …}]}`."""

    accounts: tuple[Server, ...] = ()


# ─── Time zones ───────────────────────────────────────────────────────────────────────────────────────────────────────

_OFFSET: Final = re.compile(r"(?:GMT|UTC)?\s*([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{1,39}")


@lru_cache(maxsize=256)
def zone_of(told: str | None) -> tzinfo | None:
    """The time zone that somebody means by `+09:00`, `GMT+09:00`, `UTC+9` or `Europe/Berlin`; None if none is meant."""
    name = (told or "").strip()
    if name.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-offset if match[1] == "-" else offset) if offset < timedelta(hours=24) else None
    return _named_zone(name) if _ZONE_NAME.fullmatch(name) else None


def _named_zone(name: str) -> tzinfo | None:
    # Most servers are set up with an offset.
    import tarfile  # noqa: PLC0415
    from importlib import resources  # noqa: PLC0415
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    # Lambda's image need not have a database of time zones; dateutil, which the SDK needs, brings one.
    bundled = resources.files("dateutil.zoneinfo").joinpath("dateutil-zoneinfo.tar.gz")
    with bundled.open("rb") as content, tarfile.open(fileobj=content) as database:
        try:
            found = database.extractfile(name)
            return None if found is None else ZoneInfo.from_file(found, key=name)
        except (KeyError, ValueError):
            return None


# ─── One spelling ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _bare(name: str) -> str:
    """A field's name without what versions spell differently: `device_sn`, `deviceSN` and `deviceSn` are one."""
    return name.replace("_", "").lower()


def _called(*names: str) -> Any:
    """A field by the names that it has in one version or another, the most telling first."""
    return Field(default=None, validation_alias=AliasChoices(*names))


class Told(Message):
    """The base of what a server tells: reads a field by any of its names, in any spelling, where one has a value."""

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        names = _names(cls)
        found: dict[str, Any] = {}
        for name, value in data.items():
            alias = names.get(_bare(name))
            # An empty field beside a full one of another name says nothing.
            if alias is not None and value is not None and not (isinstance(value, str) and not value.strip()):
                found.setdefault(alias, value)
        return found


@lru_cache
def _names(model: type[Told]) -> dict[str, str]:
    """The names that a model reads, by their bare spelling."""
    return {_bare(name): name for names in _choices(model).values() for name in names}


def _choices(model: type[Told]) -> dict[str, list[str]]:
    """The names that a model reads, by its own name for the field."""
    return {
        own: [str(name) for name in field.validation_alias.choices]
        for own, field in model.model_fields.items()
        if isinstance(field.validation_alias, AliasChoices)
    }


# ─── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Kind(IntEnum):
    """`code` of a message by WebSocket, `eventType` of one by subscription."""

    HEARTBEAT = 10000
    CONNECTED = 20000
    DENIED = 20002
    RECORD = 30000
    ALARM = 30100


_NO_ID: Final = frozenset({"null", "(null)", "none", "nil", "undefined", "nan"})


def _identifier(value: object) -> str | None:
    """An id as its digits; None for what is the id of nothing: 0, a negative number, a nil in words, nil UUIDs."""
    word = text(value)
    if word is None or word.lower() in _NO_ID or not word.strip("0-."):
        return None
    number = whole(value)
    if number is None or word.isdecimal():
        return word
    return str(number) if number > 0 else None


type Identifier = Annotated[str | None, BeforeValidator(_identifier)]
"""An id of the server's; absent where it is the id of nothing."""


class Group(Told):
    """A group that somebody belongs to."""

    id: Identifier = _called("id", "groupId")
    name: Text = _called("name", "groupName")
    type: Code = _called("type")


def _groups(value: object) -> object:
    several = [value] if isinstance(value, dict) else value
    if not isinstance(several, list):
        return []
    read = [Group.model_validate(group) for group in several if isinstance(group, dict)]
    return [group for group in read if group != _NO_GROUP]


_NO_GROUP: Final = Group()


class AccessRecord(Told):
    """An authentication."""

    id: Identifier = _called("id")
    user_id: Identifier = _called("userId")
    name: Text = _called("name", "userName")
    type: DecisiveCode = _called("type", "userType")
    verify_score: Number = _called("verifyScore")
    reception_user_id: Identifier = _called("receptionUserId")
    reception_user_name: Text = _called("receptionUserName")
    listed_groups: Annotated[tuple[Group, ...], BeforeValidator(_groups)] = Field(
        default=(), validation_alias=AliasChoices("groups")
    )
    group_id: Identifier = _called("groupId")
    group_name: Text = _called("groupName")
    device_ldid: Text = _called("deviceLdid")
    sn: Text = _called("sn")
    device_sn: Text = _called("deviceSn")
    device_name: Text = _called("deviceName")
    location: Text = _called("location", "deviceLocation")
    direction: Code = _called("direction")
    sign_time: Text = _called("signTime")
    sign_date: Text = _called("signDate")
    sign_time_zone: Text = _called("signTimeZone")
    entry_mode: Code = _called("entryMode")
    abnormal_type: DecisiveCode = _called("abnormalType")
    body_temperature: Number = _called("bodyTemperature")
    mask: Code = _called("mask")
    job_number: Text = _called("jobNumber")
    card: Text = _called("icNumber", "userIcNumber")
    avatar: Text = _called("avatar", "originAvatar")
    sign_avatar: Text = _called("signAvatar", "capturePicture")
    sign_bg_avatar: Text = _called("signBgAvatar", "captureBgPicture")
    doc_photo: Text = _called("docPhoto")

    @property
    def device(self) -> str | None:
        """Its LDID, which every channel has by one name or another; an old server's serial number where it has none."""
        return self.device_ldid or self.sn or self.device_sn

    @property
    def serial(self) -> str | None:
        """The device's serial number, where that is told beside the LDID."""
        return next((told for told in (self.device_sn, self.sn) if told not in {None, self.device}), None)

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups: those of the list, and the one that old servers tell by itself."""
        alone = Group(id=self.group_id, name=self.group_name)
        known = alone == _NO_GROUP or any(
            alone.id == group.id if alone.id and group.id else alone.name == group.name for group in self.listed_groups
        )
        return self.listed_groups if known else (*self.listed_groups, alone)

    def moment(self, zone: tzinfo) -> datetime | None:
        """The time at which it was made, in UTC; None where it does not say, or no more than the day.

        Args:
            zone: the server's, for text without one.
        """
        own = zone_of(self.sign_time_zone) or zone
        for told in (self.sign_time, self.sign_date):
            # Some tell the whole time in the date.
            if told is not None and not _DAY.fullmatch(told) and (moment := read_time(told, own)):
                return moment
        return None

    def second(self, zone: tzinfo) -> int | None:
        """The Unix second in which it was made: one channel tells milliseconds where another tells seconds."""
        moment = self.moment(zone)
        return None if moment is None else int(moment.timestamp())

    def day(self, zone: tzinfo) -> datetime | None:
        """The beginning of the day on which it was made, in its own zone; None where it does not say."""
        own = zone_of(self.sign_time_zone) or zone
        for told in (self.sign_date, self.sign_time):
            match = _DAY.fullmatch(told or "")
            if match and (moment := read_time(f"{match[1]}-{match[2]}-{match[3]} 00:00:00", own)):
                return moment.astimezone(own)
        return None

    def pictures(self) -> list[tuple[str, str]]:
        """The pictures, by role, with the server's ids of them."""
        named = (
            ("avatar", self.avatar),
            ("sign_avatar", self.sign_avatar),
            ("sign_bg_avatar", self.sign_bg_avatar),
            ("doc_photo", self.doc_photo),
        )
        return [(role, reference) for role, reference in named if reference]


_DAY: Final = re.compile(r"(\d{4})[-/.年]?(\d{1,2})[-/.月]?(\d{1,2})日?")


class AlarmRecord(Told):
    """A state of an alarm."""

    id: Identifier = _called("id")
    level: Code = _called("level")
    code: Code = _called("code")
    description: Text = _called("description")
    status: Code = _called("status")
    trace_id: Text = _called("traceId")
    device_ldid: Text = _called("deviceLdid")
    sn: Text = _called("sn")
    device_sn: Text = _called("deviceSn")
    device_name: Text = _called("deviceName")
    device_location: Text = _called("deviceLocation", "location")
    alarm_time: Text = _called("alarmTime")
    release_time: Text = _called("releaseTime")
    alarm_photo: Text = _called("alarmPhoto")
    release_option: Code = _called("resloveOption", "resolveOption")
    """The vendor's spelling is the first."""

    @property
    def device(self) -> str | None:
        """Its LDID, which is what the page means by `deviceSn`."""
        return self.device_ldid or self.device_sn or self.sn

    @property
    def serial(self) -> str | None:
        """The device's serial number, where that is told beside the LDID."""
        return next((told for told in (self.sn, self.device_sn) if told not in {None, self.device}), None)

    def raised_at(self, zone: tzinfo) -> datetime | None:
        """The time at which it began, in UTC; None where it does not say."""
        return read_time(self.alarm_time, zone)

    def released_at(self, zone: tzinfo) -> datetime | None:
        """The time at which it was released, in UTC; None where it does not say."""
        return read_time(self.release_time, zone)

    def second(self, zone: tzinfo) -> int | None:
        """The Unix second in which it began, the same in each of its states."""
        moment = self.raised_at(zone) or self.released_at(zone)
        return None if moment is None else int(moment.timestamp())

    def pictures(self) -> list[tuple[str, str]]:
        """The picture, by role, with the server's id of it."""
        return [("alarm_photo", self.alarm_photo)] if self.alarm_photo else []


RECORDS: Final[Mapping[int, type[AccessRecord | AlarmRecord]]] = {Kind.RECORD: AccessRecord, Kind.ALARM: AlarmRecord}
"""The model of a message's data, by its kind."""
_KNOWN: Final = frozenset(Kind)
_SNAKE: Final = re.compile(r"_([a-z0-9])")


class Envelope(Told):
    """The fields around the data: by WebSocket, by subscription, or in an answer."""

    event_type: Code = _called("eventType")
    code: Code = _called("code")
    message_id: Identifier = _called("messageId")
    send_time: Text = _called("sendTime")


def envelope(payload: JsonValue) -> Envelope:
    """The fields around the data of a message; empty where it is no message."""
    return Envelope.model_validate(payload if isinstance(payload, dict) else {})


def kind(payload: JsonValue) -> int | None:
    """The kind of a message: its `eventType` where it came by subscription, its `code` by WebSocket.

    Both may be there: `code` 200 is then the envelope's own success.
    """
    around = envelope(payload)
    told = [code for code in (around.event_type, around.code) if code is not None]
    told.sort(key=lambda code: (code not in RECORDS, code not in _KNOWN))
    return told[0] if told else None


def record(payload: JsonValue) -> dict[str, Any] | None:
    """The record in a message, with its fields in camel case; None if there is none.

    Some versions' record list has them in snake case.
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    if isinstance(data, str):
        data = _encoded(data)
    return camel(data) if isinstance(data, dict) else None


def _encoded(data: str) -> JsonValue:
    """The data of a message that was made into JSON twice."""
    try:
        return read_json(data)
    except ValueError:
        return None


def read(payload: JsonValue) -> AccessRecord | AlarmRecord | None:
    """The record or the alarm that a message tells of; None if it is about neither."""
    model, found = RECORDS.get(kind(payload) or 0), record(payload)
    return None if model is None or found is None else model.model_validate(found)


def held(payload: JsonValue) -> dict[str, Any]:
    """All that the record in a message says but its id, however it is spelled: numbers and their text are one."""
    told = read(payload)
    if told is None:
        return {}
    own = {_bare(name): field for field, names in _choices(type(told)).items() for name in names}
    said = {own.get(_bare(name), _bare(name)): _said(value) for name, value in (record(payload) or {}).items()}
    # Versions differ in which of several fields they have for these.
    said |= {"device": told.device, "serial": told.serial}
    if isinstance(told, AccessRecord):
        said["groups"] = [[group.id, group.name, group.type] for group in told.groups] or None
    return {name: value for name, value in said.items() if value is not None and name not in _TOLD_OTHERWISE}


_TOLD_OTHERWISE: Final = frozenset({"id", "sn", "device_sn", "device_ldid", "listed_groups", "group_id", "group_name"})


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        inside = {_bare(name): _said(inner) for name, inner in value.items()}
        return {name: inner for name, inner in inside.items() if inner is not None} or None
    if isinstance(value, list):
        return [_said(inner) for inner in value] or None
    return str(value) if isinstance(value, bool) else text(value)


def pictures(message: bytes) -> list[tuple[str, str]]:
    """The pictures that a message names, by role, with the server's ids of them."""
    try:
        found = read(read_json(message))
    except ValueError:
        return []
    return [] if found is None else found.pictures()


def camel(value: Any) -> Any:
    """The same with every field's name in camel case: `sign_time` → `signTime`."""
    if isinstance(value, Mapping):
        return {_SNAKE.sub(lambda match: match[1].upper(), name): camel(inner) for name, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value
