"""Eye4's messages, what its API lists, and what its secret holds.

Source: "Equipment Alarm Receiving and Access Process", chapters 2 to 4.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import unquote, unquote_plus

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from gatehouse.accounts import Credentials, Key
from gatehouse.reading import is_nothing, number, read_base64, read_form, read_json, whole
from gatehouse.wire import Message, Text, text

_FILEID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", re.IGNORECASE)
_ID_LENGTH: Final = 200
"""Characters of an id that is used as a key; one on the wire has 40."""
LOW_BATTERY: Final = "101"
"""The `action` that nothing is recorded of."""
_MOST: Final = 8
"""Ids that one message is looked through for; a real one has three fields."""
_SHORTEST: Final = 6
"""Letters and digits of a fileid; one on the wire has 40, and no encoder's word for nothing has so many and a digit."""
_SHORTEST_NUMBER: Final = 12
"""Digits of one without a letter: -1 as an unsigned number has ten."""
_SHORTEST_WORD: Final = 18
"""Letters of one without a digit: `[object Object]` has twelve, `None` four times has sixteen."""
_FIELDS: Final = frozenset({"action", "cover", "did", "electricity", "fileid", "payload", "type"})
"""The names of an alarm, whose case and underscores do not count. Those of a resource message do."""
_MOST_FIELDS: Final = 32
"""Fields of custom data that is written as a form."""
_NAMES: Final = ("Key", "key", "d009_id")
_WRAPPINGS: Final = 8
"""How often a value may be encoded within a value; the wire has two."""


class BodyLogin(Credentials):
    """The way of api.eye4.cn: in the body of each call."""

    userid: str = Field(min_length=1)
    authkey: Key


class HeaderLogin(Credentials):
    """The way of newer accounts, at open.eye4.cn: in headers."""

    access_key: str = Field(min_length=1)
    secret_key: Key


class Account(Credentials):
    """A customer of Eye4: the guids that its pushes carry, and how we ask for its recordings."""

    account: str = Field(min_length=1)
    guids: tuple[Key, ...] = Field(min_length=1)
    api: BodyLogin | HeaderLogin | None = None
    """None: alarms are taken, and of their recordings it is said that there are no credentials."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"account": "…", "guids": ["…"], "api": {…}}]}`."""

    accounts: tuple[Account, ...] = ()


# ─── How often something is encoded ───────────────────────────────────────────────────────────────────────────────────


def unwrapped(value: Any) -> Any:
    """A value that may be JSON in a string, in a string again, percent-encoded too; the string, if it is none of it."""
    for _ in range(_WRAPPINGS):
        if not isinstance(value, str):
            return value
        inner = _inside(value)
        if inner is None:
            return value
        value = inner
    return value


def _inside(written: str) -> Any:
    """What a string is an encoding of, by one step; None if it is none."""
    # A form's `+` is a blank, but only where it is none of its own: the plain reading comes first.
    for bare in dict.fromkeys((written, unquote(written), unquote_plus(written))):
        try:
            return read_json(bare)
        except ValueError:
            continue
    bare = unquote(written)
    return _based(written) if bare == written else bare


def _based(written: str) -> Any:
    """The object, or the text of one, that a string holds in base64; None if there is none."""
    try:
        found = read_json(read_base64(written) or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict | str) else None


def _bare(written: str) -> str:
    """What a word stands for where it is percent-encoded, as S3 does with the keys of its objects."""
    for _ in range(_WRAPPINGS):
        bare = unquote(written)
        if bare == written:
            break
        written = bare
    return written


def _bare_names(value: Any) -> Any:
    """An object whose names are not percent-encoded, and an alarm's in the page's spelling: `fileId` is `fileid`."""
    if not isinstance(value, dict):
        return value
    bare = {name: _spelt(name) for name in value}
    # What is there plainly wins.
    return {bare[name]: inner for name, inner in value.items() if bare[name] != name} | {
        name: inner for name, inner in value.items() if bare[name] == name
    }


def _spelt(name: str) -> str:
    plain = unquote(name)
    folded = plain.strip().replace("_", "").lower()
    return folded if folded in _FIELDS else plain


def _object(value: object) -> object:
    """The custom data, which comes as an object or as a string that holds one, or is a form."""
    found = unwrapped(value)
    if isinstance(found, str):
        found = _form(found)
    found = _bare_names(found)
    return found if isinstance(found, dict) else {}


def _form(written: str) -> object:
    try:
        return dict(read_form(written.encode(errors="replace"), _MOST_FIELDS, "replace"))
    except ValueError:
        return None


def _code(value: object) -> str | None:
    """A code of the vendor's tables: 100, 100.0, "100" and "100.0" are one."""
    found = whole(value)
    return text(value) if found is None else str(found)


def _percent(value: object) -> float | int | None:
    """A share of a hundred, 87.0 as 87: as a number, as text, with the sign behind it; None for what is none."""
    found = number(value.strip().rstrip("%").rstrip() if isinstance(value, str) else value)
    if found is None or not 0 <= found <= 100:
        return None
    exactly = whole(found)
    return found if exactly is None else exactly


def _is_fileid(told: str) -> bool:
    """Whether a text has the form of a fileid: `(null)`, `-1`, `[object Object]`, zeros and a short number have not.

    By its form, since nobody knows all words for nothing, and one that is taken for an id makes all openings of a door
    one.
    """
    bare = "".join(filter(str.isalnum, _bare(told)))
    if not any(digit in bare for digit in "123456789"):
        return sum(map(str.isalpha, bare)) >= _SHORTEST_WORD
    return len(bare) >= (_SHORTEST_NUMBER if bare.isdecimal() else _SHORTEST)


# ─── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Custom(Message):
    """What the device itself puts in."""

    fileid: Text = None
    cover: Text = None
    electricity: Annotated[float | int | None, BeforeValidator(_percent)] = None


class Alarm(Message):
    """The first of the two messages."""

    type: Text = None
    action: Annotated[str | None, BeforeValidator(_code)] = None
    did: Text = None
    custom: Annotated[Custom, BeforeValidator(_object)] = Field(default=Custom(), alias="payload")
    beside: Custom = Custom()
    """The same fields, where they stand beside `payload` and not in it."""

    @classmethod
    def read(cls, payload: JsonValue) -> "Alarm":
        """The alarm in a message."""
        return cls.model_validate(payload)

    @model_validator(mode="before")
    @classmethod
    def _laid_out(cls, message: Any) -> Any:
        found = _bare_names(message)
        return {**found, "beside": found} if isinstance(found, dict) else found

    @property
    def fileid(self) -> str | None:
        """The recording that is to come, if there is one; the page breaks it by spaces, the wire does not."""
        if self.action == LOW_BATTERY:
            return None
        for told in (self.custom.fileid, self.beside.fileid):
            if told and _is_fileid(told):
                return "".join(_bare(told).split())
        return None

    @property
    def battery(self) -> float | int | None:
        """The charge in per cent, wherever it stands."""
        return self.beside.electricity if self.custom.electricity is None else self.custom.electricity

    @property
    def picture(self) -> str | None:
        """The address of the cover, wherever it stands."""
        covers = (self.custom.cover, self.beside.cover)
        return next((cover for cover in covers if cover and not is_nothing(_bare(cover))), None)


class Listed(Message):
    """A file in the API's answer."""

    url: Text = Field(default=None, alias="file_name")
    type: Text = Field(default=None, alias="file_Type")

    @model_validator(mode="before")
    @classmethod
    def _respelt(cls, entry: Any) -> Any:
        """Whichever way the names are spelt: the vendor's own page has `file_Type` beside `file_name`."""
        if not isinstance(entry, dict):
            return entry
        known = {"filename": "file_name", "filetype": "file_Type"}
        respelt = {known.get(name.lower().replace("_", ""), name): value for name, value in entry.items()}
        return respelt | entry

    @property
    def kind(self) -> str | None:
        """`image`, `video`, or whatever else the vendor says: `Video` and `video/mp4` are the same."""
        return (self.type or "").partition("/")[0].strip().lower() or None


def is_alarm(payload: JsonValue) -> bool:
    """Whether it is the first of the two messages: by what is in it, whichever address it came to."""
    message = _bare_names(payload)
    if not isinstance(message, dict):
        return False
    return "action" in message or ("did" in message and not any(name in message for name in _NAMES))


def recording_ids(payload: JsonValue) -> list[str]:
    """What may be the alarm's fileid in the second of the two messages: the vendor's pages contradict each other.

    Each of the fields as a whole, and whatever looks like a fileid inside of one: a file's name may hold it.
    """
    message = _bare_names(payload)
    if not isinstance(message, dict):
        return []
    found: dict[str, None] = {}
    for name in _NAMES:
        value = message.get(name)
        if isinstance(value, str) and _is_fileid(value):
            written = _bare(value)
            found |= dict.fromkeys((recording_id(written), *map(recording_id, _FILEID.findall(written))))
    # Where there are too many, what has a fileid's form is kept before what has not.
    kept = sorted(filter(_is_fileid, found), key=_has_no_form)[:_MOST]
    return [recording for recording in found if recording in kept]


def _has_no_form(recording: str) -> bool:
    return _FILEID.fullmatch(recording) is None


def likeliest(recordings: Sequence[str]) -> str:
    """Which of the ids in a message is the fileid: the one that has a fileid's form, else the first."""
    return next(filter(_FILEID.fullmatch, recordings), recordings[0])


def recording_id(fileid: str) -> str:
    """A fileid in the one form in which two of them are compared."""
    whole_id = "".join(fileid.split())
    if _FILEID.fullmatch(whole_id):
        return whole_id.lower()
    return whole_id if len(whole_id) <= _ID_LENGTH else sha256(whole_id.encode()).hexdigest()


def listed(answer: Any) -> list[Listed]:
    """The files of the API's answer that have an address; an encoder's null is an empty list.

    Raises:
        ValueError: the answer is no list.
    """
    if answer is None:
        return []
    if not isinstance(answer, list):
        raise ValueError("no list")  # noqa: TRY004 - one kind of error for every unusable answer
    files = [Listed.model_validate(entry) for entry in answer if isinstance(entry, dict)]
    return [file for file in files if file.url]
