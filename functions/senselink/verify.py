"""SenseLink's authenticity: a token in the path of a subscription.

On a WebSocket, our signature authenticates us; the server is known by its address and certificate (`connected`).
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from pydantic import JsonValue

from functions.senselink import wire
from functions.senselink.wire import AccessRecord, Accounts, AlarmRecord, Server
from gatehouse.accounts import account_for_token
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push, Unwrapped

DECIDING: Final = ("person.id", "code", "released_at")
"""Fields that tell two occurrences with one identity apart: the person, the alarm's code and its release. All channels
carry these fields alike. They do not agree in the names of devices and groups, in pictures, or in the kind."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The proven sender of a message."""

    server: Server

    @property
    def account(self) -> str:
        """The server's name in the secret."""
        return self.server.server


def signature(timestamp: int, app_secret: str) -> str:
    """The signature of a connection and of a call: lower-case hex MD5.

    Args:
        timestamp: Unix time in milliseconds.
        app_secret: of the app.
    """
    return hashlib.md5(f"{timestamp}#{app_secret}".encode(), usedforsecurity=False).hexdigest()


def verify(push: Push, accounts: Accounts) -> Verified:
    """Finds the server by the token in the path. The event subscription has no other authentication.

    Raises:
        Rejected: no server has this token.
    """
    server = account_for_token(
        push.path_parameters.get("token", ""), ((entry, entry.tokens) for entry in accounts.accounts)
    )
    if server is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "senselink: no server in the secret has this token")
    return Verified(server)


def connected(server: Server) -> Verified:
    """Vouches for a message of a WebSocket that we opened: address and certificate prove that its peer is the server.

    The vendor signs none of its messages. We sign the connection, with `signature`.
    """
    return Verified(server)


def unwrap(push: Push, verified: Verified) -> Unwrapped:
    """Reads the message. SenseLink encrypts nothing. A picture in place of its id is left out.

    Raises:
        NotReadable: the body is not JSON.
    """
    try:
        payload: JsonValue = wire.without_pictures(wire.message(push.body))
    except ValueError:
        raise NotReadable("the body is not JSON") from None
    return Unwrapped(payload, identity(payload, verified))


def identity(payload: JsonValue, verified: Verified) -> list[str]:
    """A message's identity on every channel: a record's id and second; an alarm's id, state and beginning.

    A server that is set up anew counts from 1, so an id alone does not identify. The device is not part of it: one
    channel has its LDID, another its serial number.
    """
    record, zone = wire.read(payload), verified.server.zone
    if record is None:
        return ["message", json.dumps(_lasting(payload), sort_keys=True)]
    kind = "record" if isinstance(record, AccessRecord) else "alarm"
    if record.id is None:
        return [kind, "", _digest(payload, _message(payload) if record.second(zone) is None else "")]
    when = _when(record, zone)
    if isinstance(record, AlarmRecord) and record.trace_id is not None:
        # A device makes a trace id for one alarm only.
        return [kind, record.id, str(record.status), record.trace_id, when or ""]
    state = [str(record.status), ""] if isinstance(record, AlarmRecord) else []
    return [kind, record.id, *state, when or _digest(payload)]


def _lasting(payload: JsonValue) -> JsonValue:
    """The part of a message that stays the same when it is sent again: without the time of sending, if it has an id."""
    if not isinstance(payload, dict) or wire.envelope(payload).message_id is None:
        return payload
    return {name: value for name, value in payload.items() if name not in {"sendTime", "send_time"}}


def _when(record: AccessRecord | AlarmRecord, zone: tzinfo) -> str | None:
    """The second in which it happened; only the day, if no more is stated."""
    second = record.second(zone)
    if second is not None or isinstance(record, AlarmRecord):
        return None if second is None else str(second)
    day = record.day(zone)
    return None if day is None else f"{day:%Y-%m-%d}"


def _message(payload: JsonValue) -> str:
    """The message's own id, or its time of sending: nothing else tells a record without id and time from the next."""
    around = wire.envelope(payload)
    return around.message_id or around.send_time or ""


def _digest(payload: JsonValue, message: str = "") -> str:
    """A digest of the record in a message: the same by subscription and by WebSocket, without the envelope."""
    content = json.dumps([wire.content(payload), message], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
