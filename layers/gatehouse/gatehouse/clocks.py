"""Devices whose clock is wrong: seen from when their pushes happened and when they came, and told once a day."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Lock
from typing import Final

from gatehouse.events import Arrival, CloudEvent, Notice, NoticeKind, Receipt

_SEEN: Final = 3
"""Pushes that it takes: one may have been on its way for long."""
_ALIKE: Final = timedelta(seconds=30)
"""How far the offsets of one clock lie apart; what waited in a cache lies apart as it happened."""
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
    """What was seen of a device."""

    lags: deque[int] = field(default_factory=lambda: deque(maxlen=_SEEN))
    """Of its newest pushes, in milliseconds."""
    told: tuple[date, int] | None = None
    """The day of the last notice, and its offset, roughly."""


class Clocks:
    """What this process saw of the devices' clocks. Its notices are one each day, whoever sees it besides."""

    def __init__(self) -> None:
        self._devices: OrderedDict[tuple[str, str, str], _Device] = OrderedDict()
        self._lock = Lock()

    def wrong(self, events: Sequence[CloudEvent], receipt: Receipt) -> CloudEvent | None:
        """The notice that a device's clock is wrong, if these events of a push show it."""
        data = next((event.data for event in events if event.data.device and event.data.lag_ms), None)
        # What was fetched from a list came late for another reason than a clock. What waited in a device did so for
        # as many times as there are records: only a clock gives them one.
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
        told = Receipt(
            vendor=data.vendor,
            account=data.account,
            identity=["clock", device, day.isoformat(), str(_roughly(offset))],
            received_at=receipt.received_at,
            payload=None,
        )
        return told.event(
            Notice(
                **told.common(device=device, occurred_at=None, site=data.site, device_name=data.device_name),
                kind=NoticeKind.CLOCK,
                reason="the device's clock is " + ("ahead" if offset > timedelta() else "behind"),
                reference=reference,
            )
        )

    def _offset(self, device: tuple[str, str, str], lag_ms: int, day: date) -> timedelta | None:
        """How far the clock is ahead, negative if behind; None as long as that is not sure, or where it was said."""
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
            if -_BEHIND < offset < _AHEAD or seen.told == (day, _roughly(offset)):
                return None
            seen.told = (day, _roughly(offset))
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
