"""Eye4's words in ours ("Example of an Alarm Message Structure", chapter 2)."""

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
    "100": (AlarmKind.MOTION_OR_DOOR, Severity.LOW),  # door magnet opened or PIR, the vendor does not tell which
    wire.LOW_BATTERY: (AlarmKind.LOW_BATTERY, Severity.LOW),
}
_UNKNOWN: Final = (AlarmKind.UNKNOWN, Severity.UNKNOWN)
_USUAL: Final = Hosts([DEFAULT])
DECIDING: Final = ("battery",)
"""What tells two alarms with one recording apart besides device, type and action, which are in the identity.

A repetition repeats the message that the device made, so its charge is the same; whoever takes a fileid in advance does
not know it, and a device that gives one twice has another by then. The cover is signed anew, and the time is ours."""


def normalise(
    payload: JsonValue, builder: EventBuilder, _verified: Verified, *, hosts: Hosts = _USUAL
) -> list[CloudEvent]:
    """Makes the event of an alarm. A resource message goes to its recording, and is no event of its own.

    Args:
        payload: the message.
        builder: of its events.
        hosts: the picture of an alarm without a recording is copied from these, since its address expires.

    Raises:
        NotUnderstood: it is neither an alarm nor a resource message.
    """
    if not wire.is_alarm(payload):
        raise NotUnderstood("neither an alarm nor a resource message")
    alarm = wire.Alarm.read(payload)
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
    """An address of Eye4's, with the time until which its signature holds; None if it is none of the web.

    Args:
        role: of what lies there.
        url: the address.
        own: as `public_link` takes it.
    """
    return public_link(role, url, _expiry(url), own=own) if url else None


def _expiry(url: str) -> datetime | None:
    """The address' parameter `e`, Unix seconds."""
    try:
        told = parse_qs(urlsplit(url).query).get("e", [])
    except ValueError:
        return None
    return read_time(told[0]) if told else None
