"""Maps Eye4's alarms to our events ("Example of an Alarm Message Structure", chapter 2)."""

from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pydantic import JsonValue

from functions.eye4 import wire
from functions.eye4.hosts import DEFAULT, Hosts
from functions.eye4.verify import Verified
from gatehouse.errors import NotUnderstood
from gatehouse.events import Alarm, CloudEvent, EventBuilder, Link
from gatehouse.links import public_link
from gatehouse.reading import read_time
from gatehouse.vocabulary import AlarmKind, Severity

COVER: Final = "cover"
"""The role of an alarm's picture."""
_ACTIONS: Final = {
    "100": (AlarmKind.MOTION_OR_DOOR, Severity.LOW),  # door magnet opened or PIR; the vendor does not say which
    wire.LOW_BATTERY: (AlarmKind.LOW_BATTERY, Severity.LOW),
}
_UNKNOWN: Final = (AlarmKind.UNKNOWN, Severity.UNKNOWN)
_USUAL: Final = Hosts([DEFAULT])
DECIDING: Final = ("battery",)
"""Fields that tell two alarms with one recording apart, in addition to device, type and action in the identity.

A repetition has the message that the device made, so its charge is the same. An attacker who sends a fileid in advance
does not know the charge, and a device that uses a fileid twice has another charge by then. The cover does not serve,
since it is signed anew each time, nor does the time, which is ours."""


def normalise(
    payload: JsonValue, builder: EventBuilder, _verified: Verified, *, hosts: Hosts = _USUAL
) -> list[CloudEvent]:
    """Makes the event of an alarm. A resource message belongs to a recording, and makes no event of its own.

    Args:
        payload: the message.
        builder: of its events.
        hosts: those from which the picture of an alarm without a recording is copied, since its address expires.

    Raises:
        NotUnderstood: it is neither an alarm nor a resource message.
    """
    if not wire.is_alarm(payload):
        raise NotUnderstood("neither an alarm nor a resource message")
    alarm = wire.AlarmMessage.read(payload)
    kind, severity = _ACTIONS.get(alarm.action or "", _UNKNOWN)
    cover = alarm.picture
    shown = link(COVER, cover, hosts.own)
    awaited = alarm.fileid or (shown and hosts.allow(shown.url))
    return [
        builder.event(
            Alarm(
                **builder.common(device=alarm.did, occurred_at=None),
                kind=kind,
                severity=severity,
                battery=alarm.battery,
                media="pending" if awaited else None,
                recording_id=alarm.fileid,
                links=(shown,) if shown else (),
            )
        )
    ]


def link(role: str, url: str | None, own: str) -> Link | None:
    """A link to an address of Eye4's, with the expiry of its signature; None for one that is not a web address.

    Args:
        role: of the file.
        url: the address.
        own: in the form that `public_link` takes.
    """
    return public_link(role, url, _expiry(url), own=own) if url else None


def _expiry(url: str) -> datetime | None:
    """The time in the address's parameter `e`, Unix seconds."""
    try:
        values = parse_qs(urlsplit(url).query).get("e", [])
    except ValueError:
        return None
    return read_time(values[0]) if values else None
