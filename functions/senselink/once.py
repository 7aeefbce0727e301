"""`--once`: fetches what the event subscription of a server that only pushes did not bring, and says so.

A subscription that failed once too often is ended by its server, for good and without a word. Its lists still have
everything: what is found there, and nobody has brought, shows that it is silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from functions.senselink import wire
from functions.senselink.connection import TICK
from functions.senselink.health import tell_of_missed
from functions.senselink.lists import Lists
from functions.senselink.progress import Watermarks, Written
from functions.senselink.recorder import Api, Recorder, Stop
from functions.senselink.wire import Kind, Server
from gatehouse.errors import CallFailed
from gatehouse.telemetry import log

_AT_A_TIME: Final = timedelta(days=1)
"""What is fetched before the watermark is written: a run that is cut off does not begin anew."""
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
        """A fetcher that has not begun.

        Args:
            server: from where.
            watermarks: where it is kept up to when everything is recorded.
            recorder: where the rows of its lists go.
            api: its lists.
            stop: when to end.
            overlap: before the watermark, from when on is fetched.
            grace: for as long a record is left to the subscription: what it brings is of now, and what is fetched
                is not, whoever comes first.
            retention: for as long it is known what was recorded.
            now: a clock.
        """
        self.name = server.server
        self.done = False
        """Whether all of it was fetched."""
        self._watermarks = watermarks
        self._lists = Lists(server, recorder, api, stop, now)
        self._overlap = overlap
        self._grace = grace
        self._retention = retention
        self._api = api
        self._now = now

    @property
    def missed(self) -> int:
        """Records that the subscription did not bring."""
        return self._lists.missed

    def run(self) -> None:
        """Fetches from the watermark on; the first time, from a moment ago on."""
        try:
            self.done = self._fetch()
        except CallFailed as error:
            log.error("cannot be fetched", server=self.name, why=str(error))
        except Exception as error:  # noqa: BLE001 - one server's trouble is not another's
            log.error("cannot be fetched", server=self.name, why=type(error).__name__)

    def _fetch(self) -> bool:
        now = self._now()
        row = self._watermarks.read(self.name) or self._first(now)
        self._lists.seen = {Kind(kind) for kind in row.lists if kind in wire.RECORDS}
        seen = set(self._lists.seen)
        floor = max(row.begun, now - self._retention)
        mark = max(row.since, floor)
        while True:
            # What is over for a day is over by the server's clock as well; of the rest, its newest record tells.
            is_last = now - mark < 2 * _AT_A_TIME
            until = now if is_last else mark + _AT_A_TIME
            since = max(mark - self._overlap, floor)
            # An alarm list that fails for days must not have all records fetched again and again.
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

    def _first(self, now: datetime) -> Written:
        """What is written down the first time: a moment ago, by the server's clock."""
        clock = self._api.clock()
        first = min(now, now - _AT_A_TIME if clock is None else clock) - self._overlap
        return self._watermarks.begin(self.name, first) or Written(first, first)


def run(fetchers: Sequence[Fetcher], stop: Stop, seconds: float) -> int:
    """Fetches from all servers, side by side, and says what was missed.

    Args:
        fetchers: of the servers.
        stop: is said when the time is over.
        seconds: that it may take.

    Returns:
        the exit status: 1 where not everything was fetched.
    """
    threads = [threading.Thread(target=fetcher.run, name=fetcher.name, daemon=True) for fetcher in fetchers]
    ends_at = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and not stop.over:
            thread.join(TICK)
            if time.monotonic() > ends_at and not stop.said:
                log.error("not done in time")
                stop.say()
    missed = {fetcher.name: fetcher.missed for fetcher in fetchers}
    for server, records in missed.items():
        if records:
            log.error("the subscription is silent", server=server, missed=records, remedy=_REMEDY)
    tell_of_missed(missed)
    return int(not all(fetcher.done for fetcher in fetchers))
