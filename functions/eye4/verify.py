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
"""Seconds of a time slot. An alarm without a recording does not differ from the same device's next one, and no page
states that Eye4 repeats them. So an equal one in the same slot counts as a repetition, a later one as a new alarm."""
_PARTS: Final = 4
"""Values of a header that are read at most, where a gateway joined several; a sender has one or two."""
_ENCODED: Final = ("{", "[", '"', "%", "e", "W", "I")
"""The first characters of JSON in a text: plain, percent-encoded, or in base64."""
_GUID_LENGTH: Final = 8
"""Characters of a guid at least; the vendor's have 32."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a guid of ours."""

    account: str
    received_at: datetime
    guid: str = field(default="", repr=False)


def verify(push: Push, accounts: Accounts) -> Verified:
    """Proves that the push has the guid of a customer in the secret.

    API Gateway joins a repeated header with a comma: one of its values has to be such a guid.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Raises:
        Rejected: it has no guid, or an unknown one.
    """
    header = push.headers.get("guid", "")
    parts = [part.strip() for part in header.split(",", _PARTS - 1)]
    sent = [part for part in parts if part]
    if not sent:
        raise Rejected(Reason.MISSING_SIGNATURE, "eye4: the header guid is missing")
    # Every value is compared, even after a match, so that the time taken reveals only the number of values.
    customers = [(customer.account, customer.guids) for customer in accounts.accounts]
    matches = [(account, part) for part in sent if (account := account_for_token(part, customers)) is not None]
    if not matches:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "eye4: no customer in the secret has this guid")
    account, guid = matches[0]
    return Verified(account, push.received_at, guid)


def unwrap(push: Push, verified: Verified) -> Unwrapped:
    """Reads the body. Eye4 encrypts nothing; a body that is encoded twice, or percent-encoded, is read too.

    A guid in the body is left out: it alone authenticates a push, and events go to consumers.

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
    """The same value without fields named guid, and with the guid itself removed from every text."""
    if isinstance(value, dict):
        return {_cleared(name, guid): _without(inner, guid) for name, inner in value.items() if not _is_guid(name)}
    if isinstance(value, list):
        return [_without(inner, guid) for inner in value]
    if not isinstance(value, str):
        return value
    inside = wire.unwrapped(value) if value.lstrip().startswith(_ENCODED) else value
    if isinstance(inside, dict | list):
        # A text without a guid in it stays unchanged.
        cleared = _without(inside, guid)
        if cleared != inside:
            return json.dumps(cleared)
    return _cleared(value, guid)


def _is_guid(name: str) -> bool:
    return unquote(name).strip().replace("_", "").lower() == "guid"


def _cleared(text: str, guid: str) -> str:
    # A guid that is shorter than any of the vendor's could be part of an ordinary word.
    return text.replace(guid, "") if len(guid) >= _GUID_LENGTH else text


def identity(payload: JsonValue, verified: Verified) -> list[str] | None:
    """The identity of an alarm: device, type, action and recording; without a recording, the message and its time slot.

    None for another message, which is identified by its body.
    """
    if not wire.is_alarm(payload):
        return None
    alarm = wire.AlarmMessage.read(payload)
    if alarm.fileid:
        source = (alarm.did, alarm.type, alarm.action)
        return ["alarm", *(part or "" for part in source), wire.recording_id(alarm.fileid)]
    slot = int(verified.received_at.timestamp()) // _REPETITION
    return ["message", sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest(), str(slot)]
