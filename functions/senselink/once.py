"""`--once`: fetches the records that the event subscription of a server that only pushes failed to deliver.

A server ends a subscription that failed a few times, for good and without notice. Its lists still have everything. A
record in them that was never pushed shows that the subscription is silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from functions.senselink import wire
from functions.senselink.connection import TICK
from functions.senselink.health import write_missed
from functions.senselink.lists import Lists
from functions.senselink.progress import Watermarks, Written
from functions.senselink.recorder import Api, Recorder, Stop
from functions.senselink.wire import Kind, Server
from gatehouse.errors import CallFailed
from gatehouse.telemetry import log

_AT_A_TIME: Final = timedelta(days=1)
"""The span that is fetched before the watermark is written, so that an interrupted run does not begin anew."""
_REMEDY: Final = "start the event subscription again, in the server's System Management > Open Platform"


class Fetcher:
    """Fetches from one server."""

    def __init__(
        self,
        server: Server,
        watermarks: Watermarks,
        recorder: Recorder,
        api: Api,
        stop: Stop,
        *,
        overlap: timedelta,
        grace: timedelta,
        retention: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Makes a fetcher that has not begun.

        Args:
            server: the one to fetch from.
            watermarks: of all servers.
            recorder: for the rows of its lists.
            api: its lists.
            stop: the shutdown request.
            overlap: the span before the watermark that is fetched again.
            grace: the time for which a record is left to the subscription. A record that it brings counts as current,
                a fetched one as backfilled, so fetching must not come first.
            retention: the time for which the events table remembers a record.
            now: a clock.
        """
        self.name = server.server
        self.done = False
        """True once everything was fetched."""
        self._watermarks = watermarks
        self._lists = Lists(server, recorder, api, stop, now)
        self._overlap = overlap
        self._grace = grace
        self._retention = retention
        self._api = api
        self._now = now

    @property
    def missed(self) -> int:
        """Records that the subscription failed to deliver."""
        return self._lists.missed

    def run(self) -> None:
        """Fetches from the watermark on; on the first run, from shortly before now."""
        try:
            self.done = self._fetch()
        except CallFailed as error:
            log.error("cannot be fetched", server=self.name, why=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of one server must not stop the others
            log.error("cannot be fetched", server=self.name, why=type(error).__name__)

    def _fetch(self) -> bool:
        now = self._now()
        row = self._watermarks.read(self.name) or self._write_first_mark(now)
        self._lists.seen = {Kind(kind) for kind in row.lists if kind in wire.RECORDS}
        seen = set(self._lists.seen)
        floor = max(row.begun, now - self._retention)
        mark = max(row.since, floor)
        while True:
            # A span that ended a day ago has also ended by the server's clock, so the mark moves to its end. For a
            # later one, the newest record gives the mark.
            is_last = now - mark < 2 * _AT_A_TIME
            until = now if is_last else mark + _AT_A_TIME
            since = max(mark - self._overlap, floor)
            # An alarm list that fails for days must not cause all records to be fetched again and again.
            fetched = self._lists.fetch(since, until, young=now - self._grace, without_alarms=not is_last)
            if self._lists.seen != seen:
                self._watermarks.learn(self.name, row.late, self._lists.seen)
                seen = set(self._lists.seen)
            if fetched is None:
                return False
            if Kind.RECORD in fetched.lacking:
                log.error("the server has no record list", server=self.name)
                return False
            mark = max(mark, fetched.upto if is_last else until)
            self._watermarks.advance(self.name, mark)
            if is_last:
                self._watermarks.settle(self.name, row.owed)
                return True

    def _write_first_mark(self, now: datetime) -> Written:
        """Writes the first mark: shortly before now, by the server's clock."""
        clock = self._api.clock()
        first = min(now, now - _AT_A_TIME if clock is None else clock) - self._overlap
        return self._watermarks.begin(self.name, first) or Written(first, first)


def run(fetchers: Sequence[Fetcher], stop: Stop, seconds: float) -> int:
    """Fetches from all servers in parallel, and reports the records that their subscriptions missed.

    Args:
        fetchers: of the servers.
        stop: requested when the time is over.
        seconds: the time for all of them.

    Returns:
        the exit status: 1 if not everything was fetched.
    """
    threads = [threading.Thread(target=fetcher.run, name=fetcher.name, daemon=True) for fetcher in fetchers]
    ends_at = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and not stop.deadline_passed:
            thread.join(TICK)
            if time.monotonic() > ends_at and not stop.requested:
                log.error("not done in time")
                stop.request()
    missed = {fetcher.name: fetcher.missed for fetcher in fetchers}
    for server, records in missed.items():
        if records:
            log.error("the subscription is silent", server=server, missed=records, remedy=_REMEDY)
    write_missed(missed)
    return int(not all(fetcher.done for fetcher in fetchers))
