"""Eye4's messages, the list that its API returns, and the content of its secret.

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
"""Characters of an id at most that is used as a key unchanged; real ones have 40."""
LOW_BATTERY: Final = "101"
"""The `action` without a recording."""
_MOST: Final = 8
"""Ids that are taken from one message at most; a real one has three fields."""
_SHORTEST: Final = 6
"""Letters and digits of a fileid at least. Real ones have 40; no encoder's word for null has as many and a digit."""
_SHORTEST_NUMBER: Final = 12
"""Digits of a fileid without letters at least: -1 as an unsigned number has ten."""
_SHORTEST_WORD: Final = 18
"""Letters of a fileid without digits at least: `[object Object]` has twelve, `None` four times has sixteen."""
_FIELDS: Final = frozenset({"action", "cover", "did", "electricity", "fileid", "payload", "type"})
"""The fields of an alarm, read in any case and with or without underscores. Those of a resource message are not."""
_MOST_FIELDS: Final = 32
"""Fields at most in custom data that is written as a form."""
_NAMES: Final = ("Key", "key", "d009_id")
_WRAPPINGS: Final = 8
"""Encodings within each other that are undone at most; real messages have two."""


class BodyLogin(Credentials):
    """Credentials for api.eye4.cn: in the body of each call."""

    userid: str = Field(min_length=1)
    authkey: Key


class HeaderLogin(Credentials):
    """Credentials of newer accounts, for open.eye4.cn: in headers."""

    access_key: str = Field(min_length=1)
    secret_key: Key


class Account(Credentials):
    """A customer of Eye4: the guids of its pushes, and our credentials for its recordings."""

    account: str = Field(min_length=1)
    guids: tuple[Key, ...] = Field(min_length=1)
    api: BodyLogin | HeaderLogin | None = None
    """Our credentials. Without them, alarms are kept, and their recordings are reported as `no_credentials`."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"account": "…", "guids": ["…"], "api": {…}}]}`."""

    accounts: tuple[Account, ...] = ()


# ─── Encodings within each other ──────────────────────────────────────────────────────────────────────────────────────


def unwrapped(value: Any) -> Any:
    """The value in a string of JSON, which may be nested and percent-encoded; other strings are returned unchanged."""
    for _ in range(_WRAPPINGS):
        if not isinstance(value, str):
            return value
        inner = _inside(value)
        if inner is None:
            return value
        value = inner
    return value


def _inside(written: str) -> Any:
    """Undoes one step of encoding; None if the string is not encoded."""
    # In a form `+` is a blank, but it may also be meant literally: the literal reading comes first.
    for bare in dict.fromkeys((written, unquote(written), unquote_plus(written))):
        try:
            return read_json(bare)
        except ValueError:
            continue
    bare = unquote(written)
    return _from_base64(written) if bare == written else bare


def _from_base64(written: str) -> Any:
    """The object, or the JSON text of one, that a string has in base64; None without one."""
    try:
        value = read_json(read_base64(written) or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict | str) else None


def _bare(written: str) -> str:
    """A word without percent-encoding, which S3 uses in the keys of its objects."""
    for _ in range(_WRAPPINGS):
        bare = unquote(written)
        if bare == written:
            break
        written = bare
    return written


def _bare_names(value: Any) -> Any:
    """An object with its names decoded, and an alarm's fields in the page's spelling: `fileId` becomes `fileid`."""
    if not isinstance(value, dict):
        return value
    bare = {name: _spelt(name) for name in value}
    # A name that is already in its plain spelling wins.
    return {bare[name]: inner for name, inner in value.items() if bare[name] != name} | {
        name: inner for name, inner in value.items() if bare[name] == name
    }


def _spelt(name: str) -> str:
    plain = unquote(name)
    folded = plain.strip().replace("_", "").lower()
    return folded if folded in _FIELDS else plain


def _object(value: object) -> object:
    """The custom data, which comes as an object, as a string of JSON, or as a form."""
    data = unwrapped(value)
    if isinstance(data, str):
        data = _form(data)
    data = _bare_names(data)
    return data if isinstance(data, dict) else {}


def _form(written: str) -> object:
    try:
        return dict(read_form(written.encode(errors="replace"), _MOST_FIELDS, "replace"))
    except ValueError:
        return None


def _code(value: object) -> str | None:
    """A code of the vendor's tables: 100, 100.0, "100" and "100.0" are the same."""
    code = whole(value)
    return text(value) if code is None else str(code)


def _percent(value: object) -> float | int | None:
    """A percentage from a number or a text, with or without the sign, 87.0 as 87; None for anything else."""
    percent = number(value.strip().rstrip("%").rstrip() if isinstance(value, str) else value)
    if percent is None or not 0 <= percent <= 100:
        return None
    exactly = whole(percent)
    return percent if exactly is None else exactly


def _is_fileid(value: str) -> bool:
    """Tells whether a text has the form of a fileid. `(null)`, `-1`, `[object Object]`, zeros and short numbers do not.

    The form decides, since there is no complete list of words for null. A word for null that counted as an id would
    make all openings of a door one recording.
    """
    bare = "".join(filter(str.isalnum, _bare(value)))
    if not any(digit in bare for digit in "123456789"):
        return sum(map(str.isalpha, bare)) >= _SHORTEST_WORD
    return len(bare) >= (_SHORTEST_NUMBER if bare.isdecimal() else _SHORTEST)


# ─── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Custom(Message):
    """The data that the device itself adds."""

    fileid: Text = None
    cover: Text = None
    electricity: Annotated[float | int | None, BeforeValidator(_percent)] = None


class AlarmMessage(Message):
    """The first of the two messages, an alarm."""

    type: Text = None
    action: Annotated[str | None, BeforeValidator(_code)] = None
    did: Text = None
    custom: Annotated[Custom, BeforeValidator(_object)] = Field(default=Custom(), alias="payload")
    beside: Custom = Custom()
    """The same fields outside of `payload`."""

    @classmethod
    def read(cls, payload: JsonValue) -> "AlarmMessage":
        """Reads a message as an alarm."""
        return cls.model_validate(payload)

    @model_validator(mode="before")
    @classmethod
    def _laid_out(cls, message: Any) -> Any:
        fields = _bare_names(message)
        return {**fields, "beside": fields} if isinstance(fields, dict) else fields

    @property
    def fileid(self) -> str | None:
        """The recording that is to come, if any. The vendor's page prints it with spaces; real ones have none."""
        if self.action == LOW_BATTERY:
            return None
        for value in (self.custom.fileid, self.beside.fileid):
            if value and _is_fileid(value):
                return "".join(_bare(value).split())
        return None

    @property
    def battery(self) -> float | int | None:
        """The charge in per cent, inside or outside of `payload`."""
        return self.beside.electricity if self.custom.electricity is None else self.custom.electricity

    @property
    def picture(self) -> str | None:
        """The address of the cover, inside or outside of `payload`."""
        covers = (self.custom.cover, self.beside.cover)
        return next((cover for cover in covers if cover and not is_nothing(_bare(cover))), None)


class Listed(Message):
    """A file in the API's answer."""

    url: Text = Field(default=None, alias="file_name")
    type: Text = Field(default=None, alias="file_Type")

    @model_validator(mode="before")
    @classmethod
    def _respelt(cls, entry: Any) -> Any:
        """Reads the names in any spelling: the vendor's own page has `file_Type` beside `file_name`."""
        if not isinstance(entry, dict):
            return entry
        spellings = {"filename": "file_name", "filetype": "file_Type"}
        respelt = {spellings.get(name.lower().replace("_", ""), name): value for name, value in entry.items()}
        return respelt | entry

    @property
    def kind(self) -> str | None:
        """`image`, `video`, or another word of the vendor's: `Video` and `video/mp4` are the same."""
        return (self.type or "").partition("/")[0].strip().lower() or None


def is_alarm(payload: JsonValue) -> bool:
    """Tells whether this is the first of the two messages, by its fields and not by the path that it came to."""
    message = _bare_names(payload)
    if not isinstance(message, dict):
        return False
    return "action" in message or ("did" in message and not any(name in message for name in _NAMES))


def recording_ids(payload: JsonValue) -> list[str]:
    """The ids in the second of the two messages that may be the alarm's fileid.

    The vendor's pages contradict each other, so each field counts as a whole, and so does every part of a field with
    the form of a fileid, such as in a file's name.
    """
    message = _bare_names(payload)
    if not isinstance(message, dict):
        return []
    ids: dict[str, None] = {}
    for name in _NAMES:
        value = message.get(name)
        if isinstance(value, str) and _is_fileid(value):
            written = _bare(value)
            ids |= dict.fromkeys((recording_id(written), *map(recording_id, _FILEID.findall(written))))
    # Ids with a fileid's usual form are kept first when there are too many.
    kept = sorted(filter(_is_fileid, ids), key=_has_no_form)[:_MOST]
    return [recording for recording in ids if recording in kept]


def _has_no_form(recording: str) -> bool:
    return _FILEID.fullmatch(recording) is None


def likeliest(recordings: Sequence[str]) -> str:
    """The likeliest fileid among the ids of a message: the first with a fileid's usual form, else the first."""
    return next(filter(_FILEID.fullmatch, recordings), recordings[0])


def recording_id(fileid: str) -> str:
    """A fileid in its canonical form, for comparison."""
    whole_id = "".join(fileid.split())
    if _FILEID.fullmatch(whole_id):
        return whole_id.lower()
    return whole_id if len(whole_id) <= _ID_LENGTH else sha256(whole_id.encode()).hexdigest()


def listed(answer: Any) -> list[Listed]:
    """The files of the API's answer that have an address; null counts as an empty list.

    Raises:
        ValueError: the answer is no list.
    """
    if answer is None:
        return []
    if not isinstance(answer, list):
        raise ValueError("no list")  # noqa: TRY004 - one kind of error for every unusable answer
    files = [Listed.model_validate(entry) for entry in answer if isinstance(entry, dict)]
    return [file for file in files if file.url]
