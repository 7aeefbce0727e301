"""SenseLink's authenticity: a token in the path of a subscription, and a signature of ours on a connection."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from functions.senselink import wire
from functions.senselink.wire import Accounts, Kind, Server
from gatehouse.accounts import holder
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push
from gatehouse.media import Image
from gatehouse.reading import read_json


@dataclass(frozen=True, slots=True)
class Verified:
    """A message of a server's, and the pictures that were fetched for it."""

    server: Server
    images: Mapping[str, Image | None] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The server's name in the secret."""
        return self.server.server


def signature(timestamp: int, app_secret: str) -> str:
    """What a connection and a call are signed with: lower-case hex MD5.

    Args:
        timestamp: Unix time in milliseconds.
        app_secret: of the app.
    """
    return hashlib.md5(f"{timestamp}#{app_secret}".encode(), usedforsecurity=False).hexdigest()


def verify(push: Push, accounts: Accounts) -> Verified:
    """Whether a push of the event subscription has a token of ours; the vendor does not authenticate it otherwise.

    Raises:
        Rejected: it has none.
    """
    found = holder(push.path_parameters.get("token", ""), ((server, server.tokens) for server in accounts.accounts))
    if found is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "senselink: no server in the secret has this token")
    return Verified(found)


def decrypt(push: Push, _verified: Verified) -> JsonValue:
    """The message; nothing is encrypted here."""
    try:
        return read_json(push.body)
    except ValueError:
        raise NotReadable("the body is not JSON") from None


def images(verified: Verified) -> Mapping[str, Image | None]:
    """The pictures that were fetched for a message."""
    return verified.images


def identity(payload: JsonValue, _verified: Verified) -> list[str]:
    """A record's id; an alarm's id and status, since each state is news. However it came, it is the same happening."""
    record, kind = wire.record(payload), wire.kind(payload)
    if record is None or kind not in {Kind.RECORD, Kind.ALARM}:
        return ["message", json.dumps(payload, sort_keys=True)]
    alarm = wire.AlarmRecord.model_validate({name: record.get(name) for name in ("id", "status")})
    if alarm.id in {None, "0"}:
        return [str(kind), json.dumps(record, sort_keys=True)]
    return ["record", str(alarm.id)] if kind == Kind.RECORD else ["alarm", str(alarm.id), str(alarm.status)]
