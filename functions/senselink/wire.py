"""SenseLink's messages, by WebSocket, by subscription and from its lists, and the content of its secret.

Source: "3 Push通知" of the SenseLink GE documentation, chapters 3.1.1 and 3.1.2. Older servers and the lists have
other names for the same fields; one model reads them all.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, JsonValue, model_validator

from gatehouse.accounts import Credentials, Key, Token
from gatehouse.media import decode
from gatehouse.reading import is_nothing, read_json, read_time, whole
from gatehouse.wire import Code, DecisiveCode, Message, Number, Text, text

# ─── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _known_zone(name: str) -> str:
    if zone_of(name) is None:
        raise ValueError("neither an offset (+09:00) nor the name of a time zone (Europe/Berlin)")
    return name


class Server(Credentials):
    """A SenseLink server: the tokens of its subscription, and the listener's access to it."""

    server: str = Field(min_length=1)
    tokens: tuple[Token, ...] = ()
    """The valid tokens for the path of its event subscription."""
    url: str | None = Field(default=None, pattern=r"^wss?://[^/?#@]+/?$")
    """The address that the listener connects to: `wss://HOST:9000`."""
    app_key: str | None = Field(default=None, pattern=r"\S")
    app_secret: Key | None = None
    api_url: str | None = Field(default=None, pattern=r"^https?://[^?#@]+$")
    """The address of the lists and the pictures, `https://HOST`. Without it, gaps are reported and not filled."""
    time_zone: Annotated[
        str, Field(pattern=r"^([+-][01]\d:[0-5]\d|[A-Za-z][A-Za-z0-9_+/-]{1,39})$"), AfterValidator(_known_zone)
    ] = "+09:00"
    """The server's time zone, which applies to the record list: an offset, or a name for daylight saving."""
    ca: str | None = None
    """The authority of its certificate, as PEM, if it is not a public one."""
    pictures: bool = False
    """Has the listener fetch the pictures that a message names."""
    insecure: bool = False
    """Permits `ws://` and `http://`. A third party on the way can then read everything, and reuse a signature."""

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
def zone_of(written: str | None) -> tzinfo | None:
    """The time zone written as `+09:00`, `GMT+09:00`, `UTC+9` or `Europe/Berlin`; None for any other text."""
    name = (written or "").strip()
    if name.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-offset if match[1] == "-" else offset) if offset < timedelta(hours=24) else None
    return _named_zone(name) if _ZONE_NAME.fullmatch(name) else None


def _named_zone(name: str) -> tzinfo | None:
    # Imported here, since most servers are set up with an offset.
    import tarfile  # noqa: PLC0415
    from importlib import resources  # noqa: PLC0415
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    # Lambda's image may lack a database of time zones; dateutil, which the SDK needs, brings one.
    bundled = resources.files("dateutil.zoneinfo").joinpath("dateutil-zoneinfo.tar.gz")
    with bundled.open("rb") as content, tarfile.open(fileobj=content) as database:
        try:
            file = database.extractfile(name)
            return None if file is None else ZoneInfo.from_file(file, key=name)
        except (KeyError, ValueError):
            return None


# ─── One spelling ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _bare(name: str) -> str:
    """A field's name without case and underscores: `device_sn`, `deviceSN` and `deviceSn` are one."""
    return name.replace("_", "").lower()


def _called(*names: str) -> Any:
    """Declares a field by its names in the different versions, the most specific first."""
    return Field(default=None, validation_alias=AliasChoices(*names))


class LenientMessage(Message):
    """Base of the server's objects: reads a field by any of its names, in any spelling, from the first with a value."""

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        names = _names(cls)
        fields: dict[str, Any] = {}
        for name, value in data.items():
            alias = names.get(_bare(name))
            # An empty field is ignored: another name of the same field may have the value.
            if alias is not None and value is not None and not (isinstance(value, str) and not value.strip()):
                fields.setdefault(alias, value)
        return fields


@lru_cache
def _names(model: type[LenientMessage]) -> dict[str, str]:
    """The names that a model reads, by their bare spelling."""
    return {_bare(name): name for names in _choices(model).values() for name in names}


def _choices(model: type[LenientMessage]) -> dict[str, list[str]]:
    """The names that a model reads, by the model's own name for the field."""
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


def _identifier(value: object) -> str | None:
    """An id as its digits; None for an empty id: 0, a negative number, a word such as `null`, a nil UUID."""
    word = _name(value)
    number = whole(word)
    return word if word is None or number is None or word.isdecimal() else str(number)


def _name(value: object) -> str | None:
    """An id that may be any text, unchanged; None for an empty id."""
    word = text(value)
    return None if is_nothing(word) else word


type Identifier = Annotated[str | None, BeforeValidator(_identifier)]
"""An id that the server made; None for an empty id."""

type Name = Annotated[str | None, BeforeValidator(_name)]
"""An id that a device made, in any letters; None for an empty id."""


def _reference(value: object) -> str | None:
    word = text(value)
    return None if word is None or len(word) > LONGEST_REFERENCE or is_nothing(word) else word


LONGEST_REFERENCE: Final = 200
"""Characters of a picture's id at most; real ones have 24. A longer text is the picture itself, and no id."""

type Reference = Annotated[str | None, BeforeValidator(_reference)]
"""The server's id of a picture."""


class Group(LenientMessage):
    """A group of persons."""

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


class AccessRecord(LenientMessage):
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
    avatar: Reference = _called("avatar", "originAvatar")
    sign_avatar: Reference = _called("signAvatar", "capturePicture")
    sign_bg_avatar: Reference = _called("signBgAvatar", "captureBgPicture")
    doc_photo: Reference = _called("docPhoto")

    @property
    def device(self) -> str | None:
        """The device's LDID, which every channel has under some name; on old servers without it, the serial number."""
        return self.device_ldid or self.sn or self.device_sn

    @property
    def serial(self) -> str | None:
        """The device's serial number, if it is stated beside the LDID."""
        return next((serial for serial in (self.device_sn, self.sn) if serial not in {None, self.device}), None)

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups: those of the list, and the single one that old servers state in fields of its own."""
        single = Group(id=self.group_id, name=self.group_name)
        is_listed = single == _NO_GROUP or any(
            single.id == group.id if single.id and group.id else single.name == group.name
            for group in self.listed_groups
        )
        return self.listed_groups if is_listed else (*self.listed_groups, single)

    def moment(self, zone: tzinfo) -> datetime | None:
        """The time of the authentication, in UTC; None if it is not stated, or only the day.

        Args:
            zone: the server's, for text without one.
        """
        own = zone_of(self.sign_time_zone) or zone
        for value in (self.sign_time, self.sign_date):
            # Some versions have the whole time in the date.
            if value is not None and not _DAY.fullmatch(value) and (moment := read_time(value, own)):
                return moment
        return None

    def second(self, zone: tzinfo) -> int | None:
        """The Unix second of the authentication: one channel has milliseconds, another only seconds."""
        moment = self.moment(zone)
        return None if moment is None else int(moment.timestamp())

    def day(self, zone: tzinfo) -> datetime | None:
        """The beginning of the day of the authentication, in the record's own zone; None if no day is stated."""
        own = zone_of(self.sign_time_zone) or zone
        for value in (self.sign_date, self.sign_time):
            match = _DAY.fullmatch(value or "")
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


class AlarmRecord(LenientMessage):
    """One state of an alarm."""

    id: Identifier = _called("id")
    level: Code = _called("level")
    code: Code = _called("code")
    description: Text = _called("description")
    status: Code = _called("status")
    trace_id: Name = _called("traceId")
    device_ldid: Text = _called("deviceLdid")
    sn: Text = _called("sn")
    device_sn: Text = _called("deviceSn")
    device_name: Text = _called("deviceName")
    device_location: Text = _called("deviceLocation", "location")
    alarm_time: Text = _called("alarmTime")
    release_time: Text = _called("releaseTime")
    alarm_photo: Reference = _called("alarmPhoto")
    release_option: Code = _called("resloveOption", "resolveOption")
    """The vendor's spelling is the first."""

    @property
    def device(self) -> str | None:
        """The device's LDID, which the vendor's page calls `deviceSn`."""
        return self.device_ldid or self.device_sn or self.sn

    @property
    def serial(self) -> str | None:
        """The device's serial number, if it is stated beside the LDID."""
        return next((serial for serial in (self.sn, self.device_sn) if serial not in {None, self.device}), None)

    def raised_at(self, zone: tzinfo) -> datetime | None:
        """The time at which the alarm began, in UTC; None if it is not stated."""
        return read_time(self.alarm_time, zone)

    def released_at(self, zone: tzinfo) -> datetime | None:
        """The time at which the alarm was released, in UTC; None if it is not stated."""
        return read_time(self.release_time, zone)

    def second(self, zone: tzinfo) -> int | None:
        """The Unix second in which the alarm began, the same in each of its states."""
        moment = self.raised_at(zone) or self.released_at(zone)
        return None if moment is None else int(moment.timestamp())

    def pictures(self) -> list[tuple[str, str]]:
        """The picture, by role, with the server's id of it."""
        return [("alarm_photo", self.alarm_photo)] if self.alarm_photo else []


RECORDS: Final[Mapping[int, type[AccessRecord | AlarmRecord]]] = {Kind.RECORD: AccessRecord, Kind.ALARM: AlarmRecord}
"""The model of a message's data, by its kind."""
_KNOWN: Final = frozenset(Kind)
_SNAKE: Final = re.compile(r"_([a-z0-9])")


class Envelope(LenientMessage):
    """The fields around the data: by WebSocket, by subscription, or in an answer."""

    event_type: Code = _called("eventType")
    code: Code = _called("code")
    message_id: Identifier = _called("messageId")
    send_time: Text = _called("sendTime")


def envelope(payload: JsonValue) -> Envelope:
    """The fields around the data of a message; empty for a payload that is no object."""
    return Envelope.model_validate(payload if isinstance(payload, dict) else {})


def kind(payload: JsonValue) -> int | None:
    """The kind of a message: its `eventType` by subscription, its `code` by WebSocket.

    A message may have both: `code` 200 then only means success.
    """
    around = envelope(payload)
    codes = [code for code in (around.event_type, around.code) if code is not None]
    codes.sort(key=lambda code: (code not in RECORDS, code not in _KNOWN))
    return codes[0] if codes else None


def record(payload: JsonValue) -> dict[str, Any] | None:
    """The record in a message, with its fields in camel case; None if there is none.

    The record list of some versions has them in snake case.
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    if isinstance(data, str):
        data = _encoded(data)
    return camel(data) if isinstance(data, dict) else None


def _encoded(data: str) -> JsonValue:
    """The data of a message that was encoded as JSON twice; None if the text is no JSON."""
    try:
        return read_json(data)
    except ValueError:
        return None


def read(payload: JsonValue) -> AccessRecord | AlarmRecord | None:
    """The record or the alarm in a message; None if it has neither."""
    model, data = RECORDS.get(kind(payload) or 0), record(payload)
    return None if model is None or data is None else model.model_validate(data)


def content(payload: JsonValue) -> dict[str, Any]:
    """The fields of the record in a message but its id, in one spelling: a number and its text are the same."""
    model = read(payload)
    if model is None:
        return {}
    own = {_bare(name): field for field, names in _choices(type(model)).items() for name in names}
    fields = {own.get(_bare(name), _bare(name)): _canonical(value) for name, value in (record(payload) or {}).items()}
    # Versions have different fields for these.
    fields |= {"device": model.device, "serial": model.serial}
    if isinstance(model, AccessRecord):
        fields["groups"] = [[group.id, group.name, group.type] for group in model.groups] or None
    return {name: value for name, value in fields.items() if value is not None and name not in _REPLACED}


_REPLACED: Final = frozenset({"id", "sn", "device_sn", "device_ldid", "listed_groups", "group_id", "group_name"})


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        inside = {_bare(name): _canonical(inner) for name, inner in value.items()}
        return {name: inner for name, inner in inside.items() if inner is not None} or None
    if isinstance(value, list):
        return [_canonical(inner) for inner in value] or None
    return str(value) if isinstance(value, bool) else text(value)


def message(body: bytes) -> JsonValue:
    """The JSON of a message, also of one that was encoded as JSON twice, or has a byte order mark each time.

    Raises:
        ValueError: it is no JSON.
    """
    value = read_json(_MARKS.sub(b"", body))
    for _ in range(_WRAPPINGS):
        if not isinstance(value, str):
            break
        try:
            value = read_json(value.lstrip("\ufeff"))
        except ValueError:
            break
    return value


_MARKS: Final = re.compile(rb"\A(?:\xef\xbb\xbf)+")
_WRAPPINGS: Final = 8
"""Times that a message may be JSON within JSON; real ones were so once."""


def without_pictures(value: Any) -> Any:
    """The same value without pictures that stand in place of their ids."""
    if isinstance(value, Mapping):
        return {name: without_pictures(inner) for name, inner in value.items() if not _is_picture(name, inner)}
    if isinstance(value, list):
        return [without_pictures(inner) for inner in value if not _is_picture("", inner)]
    inside = _encoded(value) if isinstance(value, str) and len(value) > LONGEST_REFERENCE else None
    if isinstance(inside, dict | list) and (cleared := without_pictures(inside)) != inside:
        return cleared
    return value


def _is_picture(name: str, value: object) -> bool:
    if not isinstance(value, str) or len(value) <= LONGEST_REFERENCE:
        return False
    if _bare(name) in _PICTURES:
        return True
    decoded = decode(value)
    return decoded is not None and decoded.content_type.startswith("image/")


_PICTURES: Final = frozenset(
    _bare(name)
    for model in RECORDS.values()
    for own, names in _choices(model).items()
    if own in {"avatar", "sign_avatar", "sign_bg_avatar", "doc_photo", "alarm_photo"}
    for name in names
)


def pictures(body: bytes) -> list[tuple[str, str]]:
    """The pictures that a message names, by role, with the server's ids of them."""
    try:
        model = read(message(body))
    except ValueError:
        return []
    return [] if model is None else model.pictures()


def camel(value: Any) -> Any:
    """The same value with every field's name in camel case: `sign_time` → `signTime`."""
    if isinstance(value, Mapping):
        return {_SNAKE.sub(lambda match: match[1].upper(), name): camel(inner) for name, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value
