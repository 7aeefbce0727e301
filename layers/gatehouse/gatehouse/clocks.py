"""Devices whose clock is wrong: seen by the times of happening and arrival, and noticed once a day."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Final

from gatehouse.events import CloudEvent, EventBuilder, Notice
from gatehouse.vocabulary import Arrival, NoticeKind

_SEEN: Final = 3
"""Pushes that it takes: one may have been on its way for long."""
_ALIKE: Final = timedelta(seconds=30)
"""Largest distance between the offsets of one clock. Records from a cache lie apart as they happened."""
_BEHIND: Final = timedelta(minutes=5)
_AHEAD: Final = timedelta(minutes=1)
"""From here on a clock is wrong. Nothing comes before it happened, so that ahead tells more than behind."""
_DEVICES: Final = 4096
"""Devices that are remembered in one process; the longest unheard of is forgotten first."""
_ZONE: Final = timedelta(minutes=15)
"""Time zones lie whole quarters of an hour apart."""
_NEAR_ZONE: Final = timedelta(minutes=2)


@dataclass(slots=True)
class _Device:
    """Observations of a device."""

    lags: deque[int] = field(default_factory=lambda: deque(maxlen=_SEEN))
    """Of its newest pushes, in milliseconds."""
    noticed: tuple[date, int] | None = None
    """The day of the last notice, and its offset, roughly."""


class Clocks:
    """Observations of this process about the devices' clocks. A notice has one id a day, in every process."""

    def __init__(self) -> None:
        self._devices: OrderedDict[tuple[str, str, str], _Device] = OrderedDict()
        self._lock = Lock()

    def wrong(self, events: Sequence[CloudEvent], received_at: datetime) -> CloudEvent | None:
        """Returns the notice that a device's clock is wrong, if these events of a push show it."""
        data = next((event.data for event in events if event.data.device and event.data.lag_ms), None)
        # Rows of a list come late for another reason than a clock. Records that waited in a device did so for as many
        # times as there are records: only a clock gives them one.
        if data is None or data.arrival is Arrival.BACKFILL:
            return None
        device, day = data.device or "", data.received_at.date()
        offset = self._offset((data.vendor, data.account, device), data.lag_ms, day)
        if offset is None:
            return None
        reference = {"offset_seconds": str(round(offset.total_seconds()))}
        if zone := _zone(offset):
            reference["zone"] = zone
        # One each day and offset: whichever process sees it, and however often.
        builder = EventBuilder(
            vendor=data.vendor,
            account=data.account,
            identity=["clock", device, day.isoformat(), str(_roughly(offset))],
            received_at=received_at,
            payload=None,
        )
        return builder.event(
            Notice(
                **builder.common(device=device, occurred_at=None, site=data.site, device_name=data.device_name),
                kind=NoticeKind.CLOCK,
                reason="the device's clock is " + ("ahead" if offset > timedelta() else "behind"),
                reference=reference,
            )
        )

    def _offset(self, device: tuple[str, str, str], lag_ms: int, day: date) -> timedelta | None:
        """Offset of the clock, negative if behind; None as long as it is not sure, or was noticed already."""
        with self._lock:
            seen = self._devices.setdefault(device, _Device())
            self._devices.move_to_end(device)
            if len(self._devices) > _DEVICES:
                self._devices.popitem(last=False)
            seen.lags.append(lag_ms)
            if len(seen.lags) < _SEEN or max(seen.lags) - min(seen.lags) > _ALIKE / timedelta(milliseconds=1):
                return None
            # The least of them has the least in it of what is no clock's fault: the way here.
            offset = timedelta(milliseconds=-min(seen.lags))
            if -_BEHIND < offset < _AHEAD or seen.noticed == (day, _roughly(offset)):
                return None
            seen.noticed = (day, _roughly(offset))
            return offset


def _roughly(offset: timedelta) -> int:
    return round(offset / _BEHIND)


def _zone(offset: timedelta) -> str | None:
    """The time zone that an offset looks like: `+08:00`."""
    zones = round(offset / _ZONE)
    if zones == 0 or abs(zones) > 56 or abs(offset - zones * _ZONE) > _NEAR_ZONE:
        return None
    minutes = abs(zones) * 15
    return f"{'-' if zones < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
