"""Eye4's authenticity: the header `guid`, fixed and the same for every push of a customer (chapter V, 3)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from functions.eye4 import wire
from functions.eye4.wire import Accounts
from gatehouse.accounts import holder
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push
from gatehouse.reading import read_json

_REPETITION: Final = 300
"""Seconds. An alarm without a fileid has nothing that tells it from the same device's next one: what comes again
in the same slot of this length is taken for a repetition."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a guid of ours."""

    account: str
    received_at: datetime


def verify(push: Push, accounts: Accounts) -> Verified:
    """Whether the push has a guid of ours.

    Raises:
        Rejected: it has none, or one that is not ours.
    """
    sent = push.headers.get("guid", "").strip()
    if not sent:
        raise Rejected(Reason.MISSING_SIGNATURE, "eye4: the header guid is missing")
    found = holder(sent, ((customer.account, customer.guids) for customer in accounts.accounts))
    if found is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "eye4: no customer in the secret has this guid")
    return Verified(found, push.received_at)


def decrypt(push: Push, _verified: Verified) -> JsonValue:
    """The body; nothing is encrypted here."""
    try:
        return read_json(push.body)
    except ValueError:
        raise NotReadable("the body is not JSON") from None


def identity(payload: JsonValue, verified: Verified) -> list[str]:
    """An alarm's recording, with the device and the action; where there is none, the message and about when it came."""
    if wire.is_alarm(payload):
        alarm = wire.Alarm.model_validate(payload)
        if alarm.fileid:
            told = (alarm.did, alarm.type, alarm.action)
            return ["alarm", *(part or "" for part in told), wire.recording_id(alarm.fileid)]
    slot = int(verified.received_at.timestamp()) // _REPETITION
    return ["message", json.dumps(payload, sort_keys=True), str(slot)]
