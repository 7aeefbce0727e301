"""Devices whose clock is wrong: detected from the lag of their pushes, one notice a day."""

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
"""Pushes that it takes to be sure: a single one may have been delayed on its way."""
_ALIKE: Final = timedelta(seconds=30)
"""Largest spread of the lags of one wrong clock. The lags of records from a cache differ as their times do."""
_BEHIND: Final = timedelta(minutes=5)
_AHEAD: Final = timedelta(minutes=1)
"""Offsets from which on a clock is wrong. A push can be late but never early, so the limit ahead is narrower."""
_DEVICES: Final = 4096
"""Devices that one process remembers. The one unheard of for longest is dropped first."""
_ZONE: Final = timedelta(minutes=15)
"""Step between time zones."""
_NEAR_ZONE: Final = timedelta(minutes=2)


@dataclass(slots=True)
class _Device:
    """Observations of a device."""

    lags: deque[int] = field(default_factory=lambda: deque(maxlen=_SEEN))
    """Lags of its newest pushes, in milliseconds."""
    noticed: tuple[date, int] | None = None
    """The day of the last notice, and its rounded offset."""


class Clocks:
    """Observations of this process about the devices' clocks. A notice has the same id all day, in every process."""

    def __init__(self) -> None:
        self._devices: OrderedDict[tuple[str, str, str], _Device] = OrderedDict()
        self._lock = Lock()

    def wrong(self, events: Sequence[CloudEvent], received_at: datetime) -> CloudEvent | None:
        """Returns a notice that a device's clock is wrong, if these events of a push show it.

        Args:
            events: of one push.
            received_at: the push's arrival.
        """
        data = next((event.data for event in events if event.data.device and event.data.lag_ms), None)
        # Rows of a list are late for another reason. Records from a device's cache have a lag each; only a wrong clock
        # gives all of them the same.
        if data is None or data.arrival is Arrival.BACKFILL:
            return None
        device, day = data.device or "", data.received_at.date()
        offset = self._offset((data.vendor, data.account, device), data.lag_ms, day)
        if offset is None:
            return None
        reference = {"offset_seconds": str(round(offset.total_seconds()))}
        if zone := _zone(offset):
            reference["zone"] = zone
        # The id is by day and offset: every process makes the same notice, however often.
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
        """Offset of the clock, negative if behind; None while it is not certain, or if it was noticed today."""
        with self._lock:
            seen = self._devices.setdefault(device, _Device())
            self._devices.move_to_end(device)
            if len(self._devices) > _DEVICES:
                self._devices.popitem(last=False)
            seen.lags.append(lag_ms)
            if len(seen.lags) < _SEEN or max(seen.lags) - min(seen.lags) > _ALIKE / timedelta(milliseconds=1):
                return None
            # The least lag holds the least of the delay on the way, which is no fault of the clock.
            offset = timedelta(milliseconds=-min(seen.lags))
            if -_BEHIND < offset < _AHEAD or seen.noticed == (day, _roughly(offset)):
                return None
            seen.noticed = (day, _roughly(offset))
            return offset


def _roughly(offset: timedelta) -> int:
    return round(offset / _BEHIND)


def _zone(offset: timedelta) -> str | None:
    """The time zone that an offset looks like: `+08:00`; None if it looks like none."""
    zones = round(offset / _ZONE)
    if zones == 0 or abs(zones) > 56 or abs(offset - zones * _ZONE) > _NEAR_ZONE:
        return None
    minutes = abs(zones) * 15
    return f"{'-' if zones < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
