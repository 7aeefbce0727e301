"""The Fargate edge of SenseLink: keeps the WebSocket of each server open, and fetches missed messages.

One thread for each server reads messages; workers record them through the same gate as every push. The number of
messages in hand is bounded: while AWS accepts none, none is read. With `--once` no connection is opened: the task
fetches the messages that servers which only push failed to deliver, and ends.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Final

from pydantic import Field

from functions.senselink import once, wire
from functions.senselink.client import Client, context
from functions.senselink.connection import TICK, Connection, Denied, Lost, TooLarge, connected
from functions.senselink.health import Report, serve
from functions.senselink.lists import AlarmsFailed, Fetched, Lists, time_of
from functions.senselink.progress import Lateness, Progress, Watermarks, WatermarksTable, Written
from functions.senselink.recorder import Api, Recorder, Stop
from functions.senselink.wire import Kind, Server
from gatehouse import aws, edge
from gatehouse.accounts import Secret
from gatehouse.errors import CallFailed, GatehouseError, Unavailable, WrongSetting
from gatehouse.gate import Gate
from gatehouse.reading import read_json
from gatehouse.settings import GateSettings
from gatehouse.telemetry import flush, log

_LAST_READ: Final = 2.0
"""Seconds for which a server that sends without a pause is still read after a shutdown was requested."""
_SAVE: Final = 2.0
"""Seconds between two writes of a watermark."""
_REFUSALS: Final = range(20001, 30000)
"""Codes by which a server denies access; its document has only 20002."""
_AT_ONCE: Final = 5.0
"""Seconds below which a connection counts as closed at once, so that the gap before it goes on."""
_AWAY: Final = 60.0
"""Seconds at most before the next attempt after one without a connection."""
_UNWANTED: Final = 300.0
"""Seconds at most before the next attempt after a connection that was closed at once."""
_UNKNOWN_CLOCK: Final = timedelta(days=1)
"""Lag behind our clock that is assumed of a server's clock that cannot be read."""
_LOWERED: Final = timedelta(minutes=10)
"""Margin below the oldest record in hand that is written down, so that not each of many late records needs a write."""
_LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about what a server's entry in the secret lacks."""
_PATIENCE: Final = 10
"""Failures of an alarm list after which records no longer wait for it."""


class ListenerSettings(GateSettings):
    """Settings of the task."""

    secret_arn: str = Field(min_length=1)
    secret_grace: float = Field(default=86_400, ge=600, le=2_592_000)
    """Seconds for which the last readable secret stays in use."""
    watermarks_table: str = Field(min_length=1)
    servers: str = ""
    """Names of servers in the secret, joined by commas."""
    silence: float = Field(default=90, ge=1, le=3600)
    """Seconds without a message after which a connection counts as lost, although it may look open."""
    overlap: float = Field(default=300, ge=0, le=86_400)
    """Seconds before the newest known record at which the fetching of a gap begins."""
    no_list_seconds: float = Field(default=180, ge=0, le=86_400)
    """Seconds for which a server has to report a list as missing before that is believed. A list that was seen once is
    never believed to be missing."""
    denied_pause: float = Field(default=300, ge=1, le=86_400)
    """Seconds before the next attempt after a server denied permission."""
    stands: float = Field(default=60, ge=0, le=3600)
    """Seconds that a connection has to last for an immediate next attempt once it is lost."""
    grace: float = Field(default=60, ge=0, le=3600)
    """Seconds for which `--once` leaves a record to the subscription, which usually brings it."""
    once_seconds: float = Field(default=600, ge=1, le=86_400)
    """Seconds for which `--once` runs at most."""
    workers: int = Field(default=16, ge=1, le=64)
    """Messages of a server that are recorded in parallel."""
    buffer: int = Field(default=500, ge=1, le=10_000)
    """Messages of a server in hand at most."""
    report_seconds: float = Field(default=60, ge=1, le=300)
    """Seconds between two writes of the metrics."""
    health_port: int = Field(default=8080, ge=0, le=65_535)
    """Port of the health check, `GET /`, on this host only; 0 for any."""


type Entry = tuple[Server, Api | None]
"""A server's entry in the secret, and its API."""


class Awaited(GatehouseError):
    """The secret lacks something that is needed to connect to a server. The message names it, and no value.

    The task waits for it and does not end: the stack creates the secret empty, together with the service that has to
    become steady in ECS. A task that ended would make CloudFormation roll the whole stack back.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """


class Listener:
    """Listens to one server."""

    def __init__(
        self,
        server: Server,
        gate: Gate,
        watermarks: Watermarks,
        settings: ListenerSettings,
        stop: Stop,
        api: Api | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        newest: Callable[[], Entry | None] = lambda: None,
    ) -> None:
        """Makes a listener that is not running yet.

        Args:
            server: the one to listen to.
            gate: for its messages.
            watermarks: of all servers.
            settings: of the task.
            stop: the shutdown request.
            api: its lists and pictures, if it has them.
            now: a clock.
            newest: returns the server's entry in the secret if it has changed, else None; called before each
                connection. It raises `Awaited` without a usable entry.
        """
        self._server = server
        self._api = api
        self._newest = newest
        self._task = uuid.uuid4().hex[:12]
        self._watermarks = watermarks
        self._settings = settings
        self._stop = stop
        self._now = now
        self._progress: Progress | None = None
        self._lateness = Lateness({})
        self._begun = datetime.min.replace(tzinfo=UTC)
        self._saved = self._begun
        self._owed: datetime | None = None
        self._learnt: tuple[object, ...] = ({}, frozenset())
        self._known_late = timedelta()
        self._inherited: Mapping[str, str] = {}
        self._saved_at = 0.0
        self._filling = False
        self._filling_lock = threading.Lock()
        self._connected_at = 0.0
        self._logged_at = float("-inf")
        self.report = Report(server.server)
        self.report.age = self._age
        self.report.given_up = lambda: self._recorder.given_up
        self._recorder = Recorder(
            server,
            gate,
            stop,
            api,
            workers=settings.workers,
            buffer=settings.buffer,
            alive=self.report.tick,
        )
        self._lists = Lists(server, self._recorder, api, stop, now, settings.no_list_seconds)

    # ─── The connection ───────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Listens until a shutdown is requested; then finishes the messages in hand, and writes the watermark."""
        if row := self._read_mark():
            self._resume(row)
        pauses = _Pauses(self._settings)
        while not self._stop.requested:
            opened_at: float | None = None
            try:
                self._renew()
                with connected(self._server, self._settings.silence) as connection:
                    opened_at = time.monotonic()
                    self._listen(connection)
            except Awaited as error:
                self._log_awaited(error)
                pause = TICK
            except Denied as error:
                log.error("permission denied", server=self._server.server, why=str(error))
                self.report.denied += 1
                pause = self._settings.denied_pause
            except Exception as error:  # noqa: BLE001 - no fault of a server may end the listener
                why = str(error) if isinstance(error, Lost) else type(error).__name__
                log.warning("no connection", server=self._server.server, why=why)
                self.report.too_large += isinstance(error, TooLarge)
                pause = pauses.after(None if opened_at is None else time.monotonic() - opened_at)
            else:
                pause = 0.0
            if self.report.connected:
                self.report.connected = False
                self.report.reconnects += not self._stop.requested
                if self._progress:
                    self._progress.disconnected()
            self._save(at_once=True)
            self._wait(pause)
        self._drain()

    def _renew(self) -> None:
        """Switches to the newest entry of the secret, so that a rotated secret is used from the next connection on."""
        if (entry := self._newest()) is None:
            return
        log.info("another entry in the secret", server=self._server.server)
        self._server, self._api = entry
        self._recorder.use(*entry)
        self._lists.use(*entry)

    def _log_awaited(self, awaited: Awaited) -> None:
        """Logs what the secret lacks, at most once in `_LOG_INTERVAL`."""
        if time.monotonic() - self._logged_at >= _LOG_INTERVAL:
            self._logged_at = time.monotonic()
            log.error("waiting for the secret", server=self._server.server, why=str(awaited))

    def _read_mark(self) -> Written | None:
        """Reads the server's row, and waits until that succeeds: without the row, a gap would go unnoticed."""
        while not self._stop.requested:
            try:
                return self._watermarks.read(self._server.server)
            except Unavailable as error:
                log.error("the watermark cannot be read", server=self._server.server, error=str(error))
                self._wait(5)
        return None

    def _resume(self, row: Written, *, anew: bool = False) -> Progress:
        """Continues where the last task ended; `anew` marks the first listener to the server, which has no gap."""
        self._begun, self._saved = row.begun, row.mark
        self._lateness = Lateness(row.late)
        self._known_late = self._lateness.most(self._now())
        self._lists.seen = {Kind(kind) for kind in row.lists if kind in wire.RECORDS}
        self._learnt = self._to_learn()
        self._inherited = row.owed
        progress = self._progress = Progress(row.since, anew=anew, floor=self._floor)
        return progress

    def _write_first_mark(self, connection: Connection) -> Progress:
        """Writes the first mark, by the server's clock, before any of its messages is taken.

        Raises:
            Lost: a shutdown was requested.
        """
        now = self._now()
        clock = connection.date or (self._api.clock() if self._api else now)
        first = min(now, now - _UNKNOWN_CLOCK if clock is None else clock)
        while not self._stop.requested:
            try:
                row = self._watermarks.begin(self._server.server, first)
            except Unavailable as error:
                log.error("the first watermark is not written", server=self._server.server, error=str(error))
                self._wait(1)
                continue
            if row is None:
                log.warning("nobody has listened to it before", server=self._server.server)
                self.report.begun += 1
            return self._resume(row or Written(first, first), anew=row is None)
        raise Lost("a shutdown was requested")

    def _floor(self) -> datetime:
        """The time before which no record is fetched: the first mark, or the limit of retention.

        A record that is older than retention may have expired in the events table, and would be recorded once more.
        """
        return max(self._begun, self._now() - timedelta(days=self._settings.retention_days))

    def _overlap(self) -> timedelta:
        """The span before the watermark that is fetched again, since records come late by so much."""
        return timedelta(seconds=self._settings.overlap) + self._lateness.most(self._now())

    def _age(self) -> float:
        return (self._now() - self._saved).total_seconds() if self._progress else 0.0

    def _wait(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while not self._stop.requested and (left := ends_at - time.monotonic()) > 0:
            self.report.tick()
            self._stop.pause(min(TICK, left))

    def _listen(self, connection: Connection) -> None:
        for message in connection.messages():
            self.report.tick()
            if message is not None:
                self.report.heard()
                self._take(connection, message)
            # Messages that the server has already sent are still taken: it will not send them again.
            if self._stop.requested and (message is None or self._stop.since > _LAST_READ):
                return
            self._save()

    def _take(self, connection: Connection, message: bytes) -> None:
        """Handles a message; all but greetings and heartbeats are recorded."""
        received_at = self._now()
        try:
            payload = read_json(message)
        except ValueError:
            payload = None
        kind = wire.kind(payload)
        if kind in _REFUSALS:
            raise Denied(f"answered {kind}")
        progress = self._greet(connection)
        if kind in {Kind.CONNECTED, Kind.HEARTBEAT}:
            return
        at = progress.ours(time_of(payload, received_at, self._server))
        if at is not None:
            self._lateness.seen(progress.behind(at), received_at)
        ticket = progress.begin(at)
        if at is not None and at < self._saved - self._reach and (self._owed is None or at < self._owed):
            # A record that no later task would fetch is written down before it is handed over.
            self._save(at_once=True)
        self._recorder.hand(message, received_at, lambda _: progress.end(ticket))

    @property
    def _reach(self) -> timedelta:
        """The span before the watermark that the next task fetches again."""
        return timedelta(seconds=self._settings.overlap) + self._known_late

    def _greet(self, connection: Connection) -> Progress:
        """Notes that the connection works, on its first message, and starts to fill a gap."""
        progress = self._progress or self._write_first_mark(connection)
        if self.report.connected:
            return progress
        log.info("connected", server=self._server.server)
        self._connected_at = time.monotonic()
        self.report.connected = True
        with self._filling_lock:
            if self._filling or progress.gap is None:
                return progress
            self._filling = True
        fill = partial(self._fill, progress)
        threading.Thread(target=fill, name=f"{self._server.server}-fill", daemon=True).start()
        return progress

    # ─── Missed messages ──────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, progress: Progress) -> None:
        """Fetches missed messages, gap by gap, until there is no gap or no connection."""
        failures = of_alarms = 0
        while True:
            with self._filling_lock:
                gap = progress.gap
                if gap is None or self._stop.requested or not self.report.connected:
                    self._filling = False
                    return
            number, since = gap
            until = self._now()
            try:
                upto = self._filled(since, until, without_alarms=of_alarms >= _PATIENCE)
                if upto is not None:
                    progress.filled(number, upto)
                    self._settle()
            except Exception as error:  # noqa: BLE001 - no fault of a server may end the thread
                why = str(error) if isinstance(error, CallFailed) else type(error).__name__
                log.warning("the gap cannot be filled yet", server=self._server.server, why=why)
                failures += 1
                of_alarms += isinstance(error, AlarmsFailed)
                self._stop.pause(random.uniform(0, min(60.0, 2.0 ** min(failures, 6))))  # noqa: S311 - no secret
                continue
            if upto is not None:
                failures = of_alarms = 0
                self.report.gap_seconds += (until - since).total_seconds()

    def _filled(self, since: datetime, until: datetime, *, without_alarms: bool) -> datetime | None:
        """Fetches missed messages, and records a gap notice for those that cannot be fetched.

        The notice is recorded once the connection has lasted for a moment: if it is closed at once, the gap goes on,
        and stays one gap.

        Returns:
            the time up to which the gap is closed; None if the connection or the task ended before.
        """
        before = self._lists.fetched
        try:
            begin = max(since - self._overlap(), self._floor())
            fetched = self._lists.fetch(begin, until, without_alarms=without_alarms)
        finally:
            self.report.backfilled += self._lists.fetched - before
        if fetched is None:
            return None
        self._warn_if_cut(since, fetched)
        if not fetched.lacking:
            return fetched.upto
        if not self._lasts() or not self._lists.record_gap(since, until, fetched.lacking):
            return None
        return until if Kind.RECORD in fetched.lacking else fetched.upto

    def _warn_if_cut(self, since: datetime, fetched: Fetched) -> None:
        """Warns that a list may have been cut: the newest known record is no longer in it."""
        if since <= self._floor() or Kind.RECORD in fetched.lacking:
            return
        if fetched.oldest is None or fetched.oldest > since:
            log.warning("the record list begins after what is known", server=self._server.server)
            self.report.cut_short += 1

    def _settle(self) -> None:
        """Notes that the messages which earlier tasks had in hand are fetched."""
        inherited, self._inherited = self._inherited, {}
        try:
            self._watermarks.settle(self._server.server, inherited)
        except Unavailable as error:
            # The next task fetches them once more.
            log.warning("the watermark is not written", server=self._server.server, error=str(error))

    def _lasts(self) -> bool:
        """Waits until the connection has lasted for `_AT_ONCE`; False if it was closed before."""
        connected_at = self._connected_at
        while self.report.connected and self._connected_at == connected_at and not self._stop.requested:
            left = connected_at + _AT_ONCE - time.monotonic()
            if left <= 0:
                return True
            self._stop.pause(min(TICK, left))
        return False

    # ─── The watermark, and the end ───────────────────────────────────────────────────────────────────────────────

    def _save(self, *, at_once: bool = False) -> None:
        """Writes the watermark, if it has moved."""
        progress = self._progress
        if progress is None or (not at_once and time.monotonic() - self._saved_at < _SAVE):
            return
        self._saved_at = time.monotonic()
        mark = progress.mark
        try:
            if (learnt := self._to_learn()) != self._learnt:
                self._watermarks.learn(self._server.server, self._lateness.days, frozenset(self._lists.seen))
                self._learnt, self._known_late = learnt, self._lateness.most(self._now())
            if mark > self._saved:
                self._watermarks.advance(self._server.server, mark)
                self._saved = mark
            self._owe(mark)
        except Unavailable as error:
            log.warning("the watermark is not written", server=self._server.server, error=str(error))

    def _owe(self, mark: datetime) -> None:
        """Writes down the time of the oldest message in hand, if the next task would not fetch it; else removes it."""
        owes = mark < self._saved - self._reach
        if owes and (self._owed is None or not self._owed <= mark <= self._owed + 6 * _LOWERED):
            owed = max(mark - _LOWERED, self._floor())
            self._watermarks.owe(self._server.server, self._task, owed)
            self._owed = owed
        elif not owes and self._owed is not None:
            self._watermarks.owe(self._server.server, self._task, None)
            self._owed = None

    def _to_learn(self) -> tuple[object, ...]:
        return self._lateness.days, frozenset(self._lists.seen)

    def _drain(self) -> None:
        """Waits for the messages in hand, until the shutdown's deadline, and writes the watermark."""
        self._recorder.drain()
        self._save(at_once=True)


class _Pauses:
    """Pauses between attempts, longer after each failure.

    Half of each pause is random, so that not all listeners come back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, settings: ListenerSettings) -> None:
        self._stands = settings.stands
        self._failures = 0

    def after(self, stood: float | None) -> float:
        """Seconds before the next attempt.

        Args:
            stood: seconds for which the connection lasted; None without a connection. A server that closes each
                connection at once, since it does not want us, is tried a dozen times an hour. One that closes each
                after a while is tried again sooner, since it delivers messages for that while.
        """
        if stood is not None and stood >= self._stands:
            self._failures = 0
        self._failures += 1
        longest = _AWAY
        if stood is not None:
            longest = _UNWANTED if stood < _AT_ONCE else max(1.0, self._stands - stood)
        longest = min(longest, 2.0 ** min(self._failures - 1, 9))
        return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


class _Entry:
    """Reads a server's entry in the secret, and notices a changed one."""

    def __init__(self, name: str, newest: Callable[[], Sequence[Server]]) -> None:
        self._name = name
        self._newest = newest
        self._server: Server | None = None

    def __call__(self) -> Entry | None:
        """The entry if it has changed, else None.

        Raises:
            Awaited: there is no usable entry.
        """
        try:
            server = self._find()
            if server == self._server:
                return None
            entry = _usable(server), _api(server)
        except (Awaited, WrongSetting, Unavailable) as error:
            self._server = None
            raise Awaited(str(error)) from None
        self._server = server
        return entry

    def _find(self) -> Server:
        for server in self._newest():
            if server.server == self._name:
                return server
        raise Awaited("it is not in the secret")


def _usable(server: Server) -> Server:
    """Returns the server if its entry suffices to connect.

    Raises:
        Awaited: a field is missing.
        WrongSetting: its `ca` is not a certificate.
    """
    _require(server, "url", "app_key", "app_secret")
    context(server)
    return server


def _require(server: Server, *fields: str) -> None:
    """Checks that an entry has these fields.

    Raises:
        Awaited: one is missing.
    """
    if lacking := ", ".join(field for field in fields if not getattr(server, field)):
        raise Awaited(f"its entry in the secret has no {lacking}")


def _api(server: Server) -> Client | None:
    return Client(server) if server.api_url else None


def listeners(
    settings: ListenerSettings,
    servers: Sequence[Server],
    stop: Stop,
    newest: Callable[[], Sequence[Server]] | None = None,
) -> list[Listener]:
    """Makes a listener on AWS for each server in SERVERS. Each waits for its own entry in the secret.

    Args:
        settings: of the task.
        servers: the entries in the secret.
        stop: the shutdown request.
        newest: reads the entries anew, in place of `servers`.

    Raises:
        WrongSetting: no server is named.
    """
    names = _named(settings)
    if not names:
        raise WrongSetting("SERVERS: names no server")
    gate = edge.gate(settings)
    watermarks = WatermarksTable(lambda: aws.client("dynamodb"), settings.watermarks_table)
    return [
        Listener(
            Server(server=name),
            gate,
            watermarks,
            settings,
            stop,
            newest=_Entry(name, newest or (lambda: servers)),
        )
        for name in names
    ]


def fetchers(settings: ListenerSettings, servers: Sequence[Server], stop: Stop) -> tuple[list[once.Fetcher], list[str]]:
    """Makes the fetchers of `--once` on AWS: one for each server that has lists and no listener.

    Returns:
        the fetchers, and the names of the servers whose entries lack something, each of which was logged.
    """
    named = _named(settings)
    gate = edge.gate(settings)
    watermarks = WatermarksTable(lambda: aws.client("dynamodb"), settings.watermarks_table)
    made, awaited = [], []
    for server in servers:
        if server.server in named or not server.api_url:
            continue
        try:
            _require(server, "app_key", "app_secret")
            client = Client(server)
        except (Awaited, WrongSetting) as error:
            log.error("waiting for the secret", server=server.server, why=str(error))
            awaited.append(server.server)
            continue
        made.append(
            once.Fetcher(
                server,
                watermarks,
                Recorder(server, gate, stop, client, workers=settings.workers, buffer=settings.buffer),
                client,
                stop,
                overlap=timedelta(seconds=settings.overlap),
                grace=timedelta(seconds=settings.grace),
                retention=timedelta(days=settings.retention_days),
            )
        )
    return made, awaited


def _named(settings: ListenerSettings) -> list[str]:
    """The names in SERVERS.

    Raises:
        WrongSetting: a name is empty, or occurs twice.
    """
    names = [name.strip() for name in settings.servers.split(",")]
    if not any(names):
        return []
    if not all(names):
        raise WrongSetting("SERVERS: has an empty name between its commas")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WrongSetting(f"SERVERS: names {', '.join(twice)} twice")
    return names


def main(arguments: Sequence[str] = ()) -> int:
    """Listens to all servers until SIGTERM; with `--once`, fetches from the servers that only push, and ends."""
    stop = Stop()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.request()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        work = _work(arguments, stop)
    except WrongSetting as error:
        log.error("cannot start", error=str(error))
        return 1
    status = work()
    flush()
    return status


def _work(arguments: Sequence[str], stop: Stop) -> Callable[[], int]:
    """Reads the options and settings; returns the work on AWS, a function that returns the exit status.

    Raises:
        WrongSetting: an option or a setting is wrong. A fault in the secret does not raise here.
    """
    if list(arguments) not in ([], ["--once"]):
        raise WrongSetting("there is no option but --once")
    settings = ListenerSettings.read(os.environ)
    _named(settings)
    secret = Secret(
        aws.client("secretsmanager"),
        settings.secret_arn,
        wire.Accounts,
        vendor="senselink",
        grace=settings.secret_grace,
    )

    def newest() -> Sequence[Server]:
        secret.newer()  # not more often than every ten seconds
        return secret.accounts().accounts

    if arguments:
        return partial(_fetch, settings, newest, stop)
    return partial(_listen, listeners(settings, (), stop, newest), settings, stop)


def _fetch(settings: ListenerSettings, newest: Callable[[], Sequence[Server]], stop: Stop) -> int:
    """Fetches once; returns the exit status, 1 if the secret lacks something.

    It does not wait for the secret: no ECS service has to become steady, and the next run reads the secret anew.
    """
    try:
        servers = newest()
    except (WrongSetting, Unavailable) as error:
        log.error("waiting for the secret", why=str(error))
        return 1
    made, awaited = fetchers(settings, servers, stop)
    if not made:
        if not awaited:
            log.error("waiting for the secret", why="no server in it has api_url and is not in SERVERS")
        return 1
    status = once.run(made, stop, settings.once_seconds)
    return 1 if awaited else status


def _listen(listening: Sequence[Listener], settings: ListenerSettings, stop: Stop) -> int:
    """Listens to all servers until a shutdown is requested; returns the exit status.

    A thread that ends by itself is not started again: the task finishes the messages in hand and ends, and ECS starts
    another.
    """
    reports = [listener.report for listener in listening]
    threads = [
        threading.Thread(target=listener.run, name=listener.report.server, daemon=True) for listener in listening
    ]
    with serve(settings.health_port, reports, settings.report_seconds):
        for thread in threads:
            thread.start()
        while not stop.requested and all(thread.is_alive() for thread in threads):
            stop.pause(TICK)
        was_requested = stop.requested
        if not was_requested:
            log.error("a thread has ended", servers=[thread.name for thread in threads if not thread.is_alive()])
            stop.request()
        for thread in threads:
            while thread.is_alive() and not stop.deadline_passed:
                thread.join(TICK)
    return 0 if was_requested else 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: it would wait for a worker that waits for AWS.
    os._exit(code)
