"""Eye4's authenticity: the header `guid`, fixed and the same for every push of a customer (chapter V, 3)."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from pydantic import JsonValue

from functions.eye4 import wire
from functions.eye4.wire import Accounts
from gatehouse.accounts import account_for_token
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push, Unwrapped
from gatehouse.reading import read_json

_REPETITION: Final = 5
"""Seconds. Nothing tells an alarm without a recording from the same device's next one, and nobody says that Eye4 sends
one twice: what comes again in the same slot of this length is a repetition, what comes later is news."""
_PARTS: Final = 4
"""Values of a header that a gateway joined; a sender has one or two."""

_ENCODED: Final = ("{", "[", '"', "%", "e", "W", "I")
"""The beginnings of JSON in a text: as it is, percent-encoded, or in base64."""
_GUID_LENGTH: Final = 8
"""Letters that a guid has at least; the vendor's have 32."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a guid of ours."""

    account: str
    received_at: datetime
    guid: str = field(default="", repr=False)


def verify(push: Push, accounts: Accounts) -> Verified:
    """Proves that the push has a guid of ours.

    A header that comes twice is joined by a comma on the way: one of its values has to be ours.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Raises:
        Rejected: it has none, or one that is not ours.
    """
    told = push.headers.get("guid", "")
    parts = [part.strip() for part in told.split(",", _PARTS - 1)]
    sent = [part for part in parts if part]
    if not sent:
        raise Rejected(Reason.MISSING_SIGNATURE, "eye4: the header guid is missing")
    # Each is looked for, also behind one that was found: the time it takes tells only how many came.
    known = [(customer.account, customer.guids) for customer in accounts.accounts]
    found = [(account, part) for part in sent if (account := account_for_token(part, known)) is not None]
    if not found:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "eye4: no customer in the secret has this guid")
    account, guid = found[0]
    return Verified(account, push.received_at, guid)


def unwrap(push: Push, verified: Verified) -> Unwrapped:
    """Reads the body. Nothing is encrypted here; a body that is encoded twice, or percent-encoded, is read too.

    A guid that it repeats is left out: it is all that makes a push authentic, and the event goes to others.

    Raises:
        NotReadable: the body is not JSON.
    """
    try:
        payload: JsonValue = wire.unwrapped(read_json(push.body))
    except ValueError:
        payload = wire.unwrapped(push.body.decode(errors="replace"))
        if isinstance(payload, str):
            raise NotReadable("the body is not JSON") from None
    payload = _without(payload, verified.guid)
    return Unwrapped(payload, identity(payload, verified))


def _without(value: JsonValue, guid: str) -> JsonValue:
    """The same without the fields that are called guid, and with nothing where the guid itself stands in a text."""
    if isinstance(value, dict):
        return {_cleared(name, guid): _without(inner, guid) for name, inner in value.items() if not _is_guid(name)}
    if isinstance(value, list):
        return [_without(inner, guid) for inner in value]
    if not isinstance(value, str):
        return value
    inside = wire.unwrapped(value) if value.lstrip().startswith(_ENCODED) else value
    if isinstance(inside, dict | list):
        # A text stays the text that it is where there is nothing to leave out.
        cleared = _without(inside, guid)
        if cleared != inside:
            return json.dumps(cleared)
    return _cleared(value, guid)


def _is_guid(name: str) -> bool:
    return unquote(name).strip().replace("_", "").lower() == "guid"


def _cleared(text: str, guid: str) -> str:
    # A guid that is shorter than any of the vendor's is a word like another.
    return text.replace(guid, "") if len(guid) >= _GUID_LENGTH else text


def identity(payload: JsonValue, verified: Verified) -> list[str] | None:
    """An alarm's recording, with the device and the action; where there is none, the message and about when it came.

    None for what is no alarm: the body tells it from another.
    """
    if not wire.is_alarm(payload):
        return None
    alarm = wire.Alarm.read(payload)
    if alarm.fileid:
        told = (alarm.did, alarm.type, alarm.action)
        return ["alarm", *(part or "" for part in told), wire.recording_id(alarm.fileid)]
    slot = int(verified.received_at.timestamp()) // _REPETITION
    return ["message", sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest(), str(slot)]
