"""Fetches a span from a server's lists for the recorder, and records a gap notice for a list that does not exist."""

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
"""Lead of a server's or terminal's clock up to which its records are still fetched. It also makes a span of days
include its last day, which some servers leave out."""
_IN_HAND: Final = 500
"""Rows that are handed over and not yet recorded, at most."""
_NAMES: Final = {Kind.RECORD: "record list", Kind.ALARM: "alarm list"}
_NEW: Final = frozenset({Admission.ANNOUNCED, Admission.RECORDED, Admission.CONFLICT})
_STATES: Final[Mapping[int, Callable[[AlarmRecord, tzinfo], datetime | None]]] = {
    1: AlarmRecord.raised_at,
    3: AlarmRecord.released_at,
}
"""The time at which an alarm entered its state. Of state 2, "being released", no field has it."""
_ABSENT: Final = 5
"""Calls that have to report a list as missing before it counts as missing."""


class AlarmsFailed(CallFailed):
    """The alarm list does not answer as it should."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of fetching a span."""

    upto: datetime
    """The time of the newest record, at any place in the list; the span's beginning without records."""
    oldest: datetime | None = None
    """The time of the oldest record."""
    lacking: tuple[Kind, ...] = ()
    """The kinds of which the server has no list."""


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
        """Makes the lists of a server; calls nothing yet.

        Args:
            server: the lists' owner.
            recorder: for their rows.
            api: the server's; None if it has none.
            stop: the shutdown request.
            now: a clock.
            patience: seconds for which a list has to be missing before that is believed; None to believe it at once.
        """
        self.seen: set[Kind] = set()
        """The kinds of which a list was seen."""
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
        """Records among them that were new to the events table."""
        self._counting = threading.Lock()

    def use(self, server: Server, api: Api | None) -> None:
        """Switches to another entry of the secret for the same server."""
        self._server, self._api = server, api

    def fetch(
        self, since: datetime, until: datetime, *, young: datetime | None = None, without_alarms: bool = False
    ) -> Fetched | None:
        """Records the rows that the lists have of a span.

        Args:
            since: its beginning.
            until: its end.
            young: the time after which records are skipped: the subscription may still bring them, and the next fetch
                finds them.
            without_alarms: treats a failing alarm list as missing.

        Returns:
            the result; None if the task had to stop before.

        Raises:
            CallFailed: the record list gives no usable answer.
            AlarmsFailed: the alarm list gives none; the records of the span are recorded.
        """
        lacking = []
        upto: tuple[datetime, datetime | None] | None = (since, None)
        try:
            upto = self._records(since, until, young)
            self._note_seen(Kind.RECORD)
        except NoSuchCall:
            self._note_missing(Kind.RECORD)
            lacking.append(Kind.RECORD)
        if upto is None:
            return None
        try:
            if not self._alarms(since, until, young):
                return None
            self._note_seen(Kind.ALARM)
        except NoSuchCall:
            try:
                self._note_missing(Kind.ALARM)
            except CallFailed as error:
                self._without_alarms(error, tolerated=without_alarms)
            lacking.append(Kind.ALARM)
        except CallFailed as error:
            self._without_alarms(error, tolerated=without_alarms)
            lacking.append(Kind.ALARM)
        return Fetched(*upto, tuple(lacking))

    def _without_alarms(self, error: CallFailed, *, tolerated: bool) -> None:
        if not tolerated:
            raise AlarmsFailed(str(error)) from None
        log.warning("alarms are not fetched", server=self._server.server, why=str(error))

    def _note_seen(self, kind: Kind) -> None:
        self.seen.add(kind)
        self._absent.pop(kind, None)

    def _note_missing(self, kind: Kind) -> None:
        """Notes that the server reports a list as missing, and decides whether to believe it.

        Raises:
            CallFailed: the list was seen before, or was not reported missing often and long enough: a proxy in front
                of a starting server gives the same answer.
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

    def record_gap(self, since: datetime, until: datetime, lacking: Sequence[Kind]) -> bool:
        """Records a gap notice, with the missing lists and the span; False if the task had to stop before."""
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
        """Records the access records; returns the times of the newest and the oldest, None if the task had to stop."""
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
        """Records the alarms that entered their state in the span; False if the task had to stop."""
        if self._api is None:
            raise NoSuchCall("no api_url")
        rows = self._api.alarms(since, until + _AHEAD)
        wanted = (row for row in rows if self._is_within(row, since, young))
        return self._hand_all(Kind.ALARM, wanted, lambda _: None)

    def _is_within(self, row: Row, since: datetime, young: datetime | None) -> bool:
        """Tells whether an alarm may have entered its state in the span, since the list has whole days.

        An alarm without that time, such as one that is being released, counts as within.
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
            outcome = None if self._stop.requested else hand()
            if outcome is None:
                return False
            self.fetched += 1
            in_hand.append(outcome)
            if len(in_hand) > _IN_HAND and not in_hand.popleft().result():
                return False
        return all(outcome.result() for outcome in in_hand)

    def _note(self, admissions: Sequence[Admission]) -> None:
        with self._counting:
            self.missed += not _NEW.isdisjoint(admissions)


def time_of(payload: JsonValue, received_at: datetime, server: Server) -> datetime | None:
    """The time that a record states, but none later than its arrival; None for a message without such a time.

    Args:
        payload: a message.
        received_at: its arrival.
        server: its sender.
    """
    record = _read(payload)
    stated = record.moment(server.zone) if isinstance(record, AccessRecord) else None
    return None if stated is None else min(stated, received_at)


def _read(payload: JsonValue) -> AccessRecord | AlarmRecord | None:
    try:
        return wire.read(payload)
    except ValueError:  # the gate reports it
        return None
