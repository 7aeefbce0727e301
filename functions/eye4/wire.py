"""Eye4's messages, what its API lists, and what its secret holds.

Source: "Equipment Alarm Receiving and Access Process", chapters 2 to 4.
"""

import re
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, SecretStr

from gatehouse.accounts import Credentials
from gatehouse.reading import read_json
from gatehouse.wire import Message, Text

_FILEID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", re.IGNORECASE)
_ID_LENGTH: Final = 200
"""Characters of an id that is used as a key; one on the wire has 40."""
LOW_BATTERY: Final = "101"
"""The `action` that nothing is recorded of."""
_MOST: Final = 8
"""Ids that one message is looked through for; a real one has three fields."""
_NOTHING: Final = frozenset({"", "0", "none", "null", "undefined"})
_NAMES: Final = ("Key", "key", "d009_id")


class BodyLogin(Credentials):
    """The way of api.eye4.cn: in the body of each call."""

    userid: str = Field(min_length=1)
    authkey: SecretStr


class HeaderLogin(Credentials):
    """The way of newer accounts, at open.eye4.cn: in headers."""

    access_key: str = Field(min_length=1)
    secret_key: SecretStr


class Account(Credentials):
    """A customer of Eye4: the guids that its pushes carry, and how we ask for its recordings."""

    account: str = Field(min_length=1)
    guids: tuple[SecretStr, ...] = Field(min_length=1)
    api: BodyLogin | HeaderLogin | None = None
    """None: alarms are taken, and of their recordings it is said that there are no credentials."""


class Accounts(Credentials):
    """The document in the secret: `{"accounts": [{"account": "…", "guids": ["…"], "api": {…}}]}`."""

    accounts: tuple[Account, ...] = ()


def _object(value: object) -> object:
    """The custom data, which comes as an object or as a string that holds one."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


class Custom(Message):
    """What the device itself puts in."""

    fileid: Text = None
    cover: Text = None


class Alarm(Message):
    """The first of the two messages."""

    type: Text = None
    action: Text = None
    did: Text = None
    cover: Text = None
    custom: Annotated[Custom, BeforeValidator(_object)] = Field(default=Custom(), alias="payload")

    @property
    def fileid(self) -> str | None:
        """The recording that is to come, if there is one; the page breaks it by spaces, the wire does not."""
        if self.action == LOW_BATTERY:
            return None
        told = "".join((self.custom.fileid or "").split())
        return None if told.lower() in _NOTHING else told


class Listed(Message):
    """A file in the API's answer."""

    url: Text = Field(default=None, alias="file_name")
    kind: Text = Field(
        default=None, validation_alias=AliasChoices("file_Type", "file_type"), serialization_alias="file_Type"
    )


def is_alarm(payload: JsonValue) -> bool:
    """Whether it is the first of the two messages: by what is in it, whichever address it came to."""
    if not isinstance(payload, dict):
        return False
    return "action" in payload or ("did" in payload and not any(name in payload for name in _NAMES))


def recording_ids(payload: JsonValue) -> list[str]:
    """What may be the alarm's fileid in the second of the two messages: the vendor's pages contradict each other.

    Each of the fields as a whole, and whatever looks like a fileid inside of one: a file's name may hold it.
    """
    if not isinstance(payload, dict):
        return []
    found: dict[str, None] = {}
    for name in _NAMES:
        value = payload.get(name)
        if isinstance(value, str) and value.strip():
            found |= dict.fromkeys((recording_id(value), *(recording_id(part) for part in _FILEID.findall(value))))
    return list(found)[:_MOST]


def recording_id(fileid: str) -> str:
    """A fileid in the one form in which two of them are compared."""
    whole = "".join(fileid.split())
    if _FILEID.fullmatch(whole):
        return whole.lower()
    return whole if len(whole) <= _ID_LENGTH else sha256(whole.encode()).hexdigest()


def listed(answer: Any) -> list[Listed]:
    """The files of the API's answer that have an address.

    Raises:
        ValueError: the answer is no list.
    """
    if not isinstance(answer, list):
        raise ValueError("no list")  # noqa: TRY004 - one kind of error for every unusable answer
    files = [Listed.model_validate(entry) for entry in answer if isinstance(entry, dict)]
    return [file for file in files if file.url]
