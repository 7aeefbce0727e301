"""What a server's lists have of a span, given to the recorder; and what is in no list, told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Final

from pydantic import JsonValue

from functions.senselink import wire
from functions.senselink.client import NoSuchCall, Row
from functions.senselink.recorder import Api, Recorder, Stop
from functions.senselink.wire import AccessRecord, AlarmRecord, Kind, Server
from gatehouse.errors import CallFailed
from gatehouse.events import EventBuilder, Notice
from gatehouse.gate import Admission
from gatehouse.record import Record
from gatehouse.telemetry import log
from gatehouse.vocabulary import Arrival, NoticeKind, Result

_AHEAD: Final = timedelta(days=1)
"""How far the clock of a server or a terminal may be ahead for its records still to be fetched; and the last day of a
span of days is asked for whether the server counts it in or not."""
_IN_HAND: Final = 500
"""Rows that were handed over and not waited for, at most."""
_NAMES: Final = {Kind.RECORD: "record list", Kind.ALARM: "alarm list"}
_NEW: Final = frozenset({Admission.ANNOUNCED, Admission.RECORDED, Admission.CONFLICT})
_STATES: Final[Mapping[int, Callable[[AlarmRecord, tzinfo], datetime | None]]] = {
    1: AlarmRecord.raised_at,
    3: AlarmRecord.released_at,
}
"""When an alarm came into its state; of 2, "being released", nothing says when that was."""


_ABSENT: Final = 5
"""Times that a list has to be asked for in vain before it counts as none."""


class AlarmsFailed(CallFailed):
    """The alarm list does not answer as it should."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a span."""

    upto: datetime
    """The time of the newest record, wherever it stood in the list; the span's beginning where there is none."""
    oldest: datetime | None = None
    """The time of the oldest record."""
    lacking: tuple[Kind, ...] = ()
    """Whose list the server does not have."""


class Lists:
    """The lists of one server."""

    def __init__(
        self,
        server: Server,
        recorder: Recorder,
        api: Api | None,
        stop: Stop,
        now: Callable[[], datetime],
        patience: float | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            server: whose lists.
            recorder: where their rows go.
            api: the server's; None where it has none.
            stop: when to end.
            now: a clock.
            patience: seconds for which a list has to be missing before it counts as none; None where each time counts.
        """
        self.seen: set[Kind] = set()
        """Whose list there is: it was seen."""
        self._patience = patience
        self._absent: dict[Kind, tuple[float, int]] = {}
        self._server = server
        self._recorder = recorder
        self._api = api
        self._stop = stop
        self._now = now
        self.fetched = 0
        """Rows that were given to the recorder."""
        self.missed = 0
        """Records among them that nobody had recorded before."""
        self._counting = threading.Lock()

    def use(self, server: Server, api: Api | None) -> None:
        """Goes on with another entry of the secret for the same server."""
        self._server, self._api = server, api

    def fetch(
        self, since: datetime, until: datetime, *, young: datetime | None = None, without_alarms: bool = False
    ) -> Fetched | None:
        """Records what the lists have of a span.

        Args:
            since: its beginning.
            until: its end.
            young: from when on a record is left to whoever brings it by itself, and where it is next time.
            without_alarms: whether an alarm list that fails counts as none.

        Returns:
            what became of it; None if the task had to stop before.

        Raises:
            CallFailed: the record list does not answer as it should.
            AlarmsFailed: the alarm list does not; the records of the span are recorded.
        """
        lacking = []
        upto: tuple[datetime, datetime | None] | None = (since, None)
        try:
            upto = self._records(since, until, young)
            self._there(Kind.RECORD)
        except NoSuchCall:
            self._missing(Kind.RECORD)
            lacking.append(Kind.RECORD)
        if upto is None:
            return None
        try:
            if not self._alarms(since, until, young):
                return None
            self._there(Kind.ALARM)
        except NoSuchCall:
            try:
                self._missing(Kind.ALARM)
            except CallFailed as error:
                self._without_alarms(error, bears=without_alarms)
            lacking.append(Kind.ALARM)
        except CallFailed as error:
            self._without_alarms(error, bears=without_alarms)
            lacking.append(Kind.ALARM)
        return Fetched(*upto, tuple(lacking))

    def _without_alarms(self, error: CallFailed, *, bears: bool) -> None:
        if not bears:
            raise AlarmsFailed(str(error)) from None
        log.warning("alarms are not fetched", server=self._server.server, why=str(error))

    def _there(self, kind: Kind) -> None:
        self.seen.add(kind)
        self._absent.pop(kind, None)

    def _missing(self, kind: Kind) -> None:
        """There is no list, so it seems.

        Raises:
            CallFailed: there was one, or it was not asked for often and long enough: whoever is in front of a server
                that starts says the same.
        """
        if self._api is None:
            return
        if kind in self.seen:
            raise CallFailed(f"senselink: the server had a {_NAMES[kind]}, and says that it has none")
        since, times = self._absent.get(kind, (time.monotonic(), 0))
        self._absent[kind] = since, times + 1
        if self._patience is None:
            return
        if times + 1 < _ABSENT or time.monotonic() - since < self._patience:
            raise CallFailed(f"senselink: the server has no {_NAMES[kind]} yet")

    def tell(self, since: datetime, until: datetime, lacking: Sequence[Kind]) -> bool:
        """Says in the book what nobody can fetch, between when and when; False if the task had to stop before."""
        builder = EventBuilder(
            vendor="senselink",
            account=self._server.server,
            identity=["gap", since.isoformat(), until.isoformat(), *(str(int(kind)) for kind in lacking)],
            received_at=until,
            payload={
                "from": since.isoformat(),
                "to": until.isoformat(),
                "missing": [int(kind) for kind in lacking],
            },
        )
        names = [_NAMES[kind] for kind in lacking]
        notice = Notice(
            **builder.common(device=None, occurred_at=since),
            kind=NoticeKind.GAP,
            result=Result.FAILURE,
            code=int(lacking[0]) if len(lacking) == 1 else None,
            reason=f"the server has no {names[0]}"
            if len(names) == 1
            else f"the server has neither {' nor '.join(names)}",
            reference={"from": since.isoformat(), "to": until.isoformat()},
        )
        return self._recorder.admit(Record.of(builder.event(notice)))

    def _records(
        self, since: datetime, until: datetime, young: datetime | None
    ) -> tuple[datetime, datetime | None] | None:
        """Records the records; returns the times of the newest and the oldest, None if the task had to stop."""
        if self._api is None:
            raise NoSuchCall("no api_url")
        upto = since
        oldest: datetime | None = None

        def old_enough(rows: Iterable[Row]) -> Iterable[Row]:
            nonlocal upto, oldest
            for row in rows:
                at = time_of({"code": int(Kind.RECORD), "data": row}, until, self._server)
                if at is not None and young is not None and at > young:
                    continue
                upto = max(upto, at or upto)
                oldest = min(oldest or at, at) if at else oldest
                yield row

        rows = old_enough(self._api.records(since, until + _AHEAD))
        return (upto, oldest) if self._hand_all(Kind.RECORD, rows, self._note) else None

    def _alarms(self, since: datetime, until: datetime, young: datetime | None) -> bool:
        """Records the alarms that came into their state in the span; False if the task had to stop."""
        if self._api is None:
            raise NoSuchCall("no api_url")
        rows = self._api.alarms(since, until + _AHEAD)
        wanted = (row for row in rows if self._is_within(row, since, young))
        return self._hand_all(Kind.ALARM, wanted, lambda _: None)

    def _is_within(self, row: Row, since: datetime, young: datetime | None) -> bool:
        """Whether an alarm can have come into its state in a span: the list has whole days.

        Only where it says when; it does not for one that is being released.
        """
        alarm = _read({"code": int(Kind.ALARM), "data": row})
        when = _STATES.get(alarm.status or 0) if isinstance(alarm, AlarmRecord) else None
        at = when(alarm, self._server.zone) if when and isinstance(alarm, AlarmRecord) else None
        return at is None or (at >= since and (young is None or at <= young))

    def _hand_all(self, kind: Kind, rows: Iterable[Row], done: Callable[[Sequence[Admission]], None]) -> bool:
        in_hand: deque[Future[bool]] = deque()
        for row in rows:
            message = json.dumps({"code": int(kind), "data": row}).encode()
            hand = partial(self._recorder.hand, message, self._now(), done, Arrival.BACKFILL)
            handed = None if self._stop.said else hand()
            if handed is None:
                return False
            self.fetched += 1
            in_hand.append(handed)
            if len(in_hand) > _IN_HAND and not in_hand.popleft().result():
                return False
        return all(handed.result() for handed in in_hand)

    def _note(self, became: Sequence[Admission]) -> None:
        with self._counting:
            self.missed += not _NEW.isdisjoint(became)


def time_of(payload: JsonValue, received_at: datetime, server: Server) -> datetime | None:
    """When a record was made, by its own word, or when it came, if that is earlier; None if it does not say.

    Args:
        payload: a message.
        received_at: when it came.
        server: whose it is.
    """
    found = _read(payload)
    told = found.moment(server.zone) if isinstance(found, AccessRecord) else None
    return None if told is None else min(told, received_at)


def _read(payload: JsonValue) -> AccessRecord | AlarmRecord | None:
    try:
        return wire.read(payload)
    except ValueError:  # the gate will say so
        return None
