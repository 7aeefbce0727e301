"""The Fargate edge of SenseLink: keeps the WebSocket of each server open, and fetches what it missed.

A thread for each server reads; what it reads is recorded by workers, through the same gate as every push. What is in
hand at once is bounded: when AWS takes nothing, nothing is read. With `--once` nothing is kept open: what the servers
that only push have missed is fetched, and the task ends.
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

_LAST_WORDS: Final = 2.0
"""Seconds for which a server that does not pause is still read when the task is to stop."""
_SAVE: Final = 2.0
"""Seconds between two writes of a watermark."""
_REFUSALS: Final = range(20001, 30000)
"""Codes by which a server says that it does not want us; 20002 is the one that its document has."""
_AT_ONCE: Final = 5.0
"""Seconds: a connection that does not stand for so long was closed at once, and a gap before it goes on."""
_AWAY: Final = 60.0
"""Seconds at most before the next attempt where there was no connection."""
_UNWANTED: Final = 300.0
"""Seconds at most where there was one, and it was closed at once."""
_UNKNOWN_CLOCK: Final = timedelta(days=1)
"""How far a server's clock that nobody knows may be behind ours."""
_LOWERED: Final = timedelta(minutes=10)
"""How much further back than need be is said what is in hand: so not each of many late records has it said again."""
_TELLS: Final = 60.0
"""Seconds between two lines that say what a server's entry in the secret lacks."""
_PATIENCE: Final = 10
"""Failures of an alarm list after which records are not kept waiting for it any longer."""


class ListenerSettings(GateSettings):
    """ListenerSettings of the task."""

    secret_arn: str = Field(min_length=1)
    secret_grace: float = Field(default=86_400, ge=600, le=2_592_000)
    """Seconds for which what was read of it last is used on."""
    watermarks_table: str = Field(min_length=1)
    servers: str = ""
    """Names of servers in the secret, joined by commas."""
    silence: float = Field(default=90, ge=1, le=3600)
    """Seconds without a message after which a connection is dead, however open it looks."""
    overlap: float = Field(default=300, ge=0, le=86_400)
    """Seconds before the newest known record from which on a gap is fetched."""
    no_list_seconds: float = Field(default=180, ge=0, le=86_400)
    """Seconds for which a server has to say that it has no such list, where none was ever seen, to be believed."""
    denied_pause: float = Field(default=300, ge=1, le=86_400)
    """Seconds before the next attempt where a server denies permission."""
    stands: float = Field(default=60, ge=0, le=3600)
    """Seconds for which a connection has to stand for the next one to be tried at once when it is lost."""
    grace: float = Field(default=60, ge=0, le=3600)
    """Seconds for which `--once` leaves a record to the subscription, which is its usual way."""
    once_seconds: float = Field(default=600, ge=1, le=86_400)
    """For which `--once` runs at most."""
    workers: int = Field(default=16, ge=1, le=64)
    """Messages of a server that are recorded at once."""
    buffer: int = Field(default=500, ge=1, le=10_000)
    """Messages of a server in hand at most."""
    report_seconds: float = Field(default=60, ge=1, le=300)
    """Between two reports of the metrics."""
    health_port: int = Field(default=8080, ge=0, le=65_535)
    """Where `GET /` tells, on this host alone, whether the threads live; 0 for any."""


type Entry = tuple[Server, Api | None]
"""A server's entry in the secret, and its API."""


class Awaited(GatehouseError):
    """The secret does not have what it takes to connect to a server, yet or any more. The message names what is
    missing, and no value.

    It is waited for, and no reason to end: the stack makes the secret empty, together with the service that ECS has
    to see steady. A task that ended would have CloudFormation roll the whole stack back.
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
        """A listener that does not listen yet.

        Args:
            server: where to.
            gate: where its messages go.
            watermarks: where it is kept up to when they are recorded.
            settings: of the task.
            stop: when to end.
            api: its record list and pictures, if it has them.
            now: a clock.
            newest: its entry in the secret, where that is another one by now; asked before each connection. It raises
                `Awaited` where there is none to connect by.
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
        self._told_at = float("-inf")
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
        """Listens until it is to stop; then what is in hand is finished, and the watermark written."""
        if row := self._known():
            self._go_on(row)
        pauses = _Pauses(self._settings)
        while not self._stop.said:
            opened_at: float | None = None
            try:
                self._renew()
                with connected(self._server, self._settings.silence) as connection:
                    opened_at = time.monotonic()
                    self._listen(connection)
            except Awaited as error:
                self._tell(error)
                pause = TICK
            except Denied as error:
                log.error("permission denied", server=self._server.server, why=str(error))
                self.report.denied += 1
                pause = self._settings.denied_pause
            except Exception as error:  # noqa: BLE001 - whatever a server does, it is no reason to end
                why = str(error) if isinstance(error, Lost) else type(error).__name__
                log.warning("no connection", server=self._server.server, why=why)
                self.report.too_large += isinstance(error, TooLarge)
                pause = pauses.after(None if opened_at is None else time.monotonic() - opened_at)
            else:
                pause = 0.0
            if self.report.connected:
                self.report.connected = False
                self.report.reconnects += not self._stop.said
                if self._progress:
                    self._progress.disconnected()
            self._save(at_once=True)
            self._wait(pause)
        self._drain()

    def _renew(self) -> None:
        """Takes the newest entry of the secret: a secret that was rotated is used from here on."""
        if (entry := self._newest()) is None:
            return
        log.info("another entry in the secret", server=self._server.server)
        self._server, self._api = entry
        self._recorder.use(*entry)
        self._lists.use(*entry)

    def _tell(self, awaited: Awaited) -> None:
        """Says what is waited for, once in a while."""
        if time.monotonic() - self._told_at >= _TELLS:
            self._told_at = time.monotonic()
            log.error("waiting for the secret", server=self._server.server, why=str(awaited))

    def _known(self) -> Written | None:
        """What is written down of the server; it is waited for, since without it a gap could not be told."""
        while not self._stop.said:
            try:
                return self._watermarks.read(self._server.server)
            except Unavailable as error:
                log.error("the watermark cannot be read", server=self._server.server, error=str(error))
                self._wait(5)
        return None

    def _go_on(self, row: Written, *, anew: bool = False) -> Progress:
        """Begins where somebody left off; anew, where nobody has listened before."""
        self._begun, self._saved = row.begun, row.mark
        self._lateness = Lateness(row.late)
        self._known_late = self._lateness.most(self._now())
        self._lists.seen = {Kind(kind) for kind in row.lists if kind in wire.RECORDS}
        self._learnt = self._to_learn()
        self._inherited = row.owed
        progress = self._progress = Progress(row.since, anew=anew, floor=self._floor)
        return progress

    def _first(self, connection: Connection) -> Progress:
        """Writes the first mark, before anything that a server says is taken; by its own clock.

        Raises:
            Lost: the task has to stop.
        """
        now = self._now()
        clock = connection.date or (self._api.clock() if self._api else now)
        first = min(now, now - _UNKNOWN_CLOCK if clock is None else clock)
        while not self._stop.said:
            try:
                row = self._watermarks.begin(self._server.server, first)
            except Unavailable as error:
                log.error("the first watermark is not written", server=self._server.server, error=str(error))
                self._wait(1)
                continue
            if row is None:
                log.warning("nobody has listened to it before", server=self._server.server)
                self.report.begun += 1
            return self._go_on(row or Written(first, first), anew=row is None)
        raise Lost("nobody has listened yet")

    def _floor(self) -> datetime:
        """From when on what is fetched is ours, and not forgotten: what is older would be recorded once more."""
        return max(self._begun, self._now() - timedelta(days=self._settings.retention_days))

    def _overlap(self) -> timedelta:
        """Before the watermark, from when on is fetched: by as much as records come late."""
        return timedelta(seconds=self._settings.overlap) + self._lateness.most(self._now())

    def _age(self) -> float:
        return (self._now() - self._saved).total_seconds() if self._progress else 0.0

    def _wait(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while not self._stop.said and (left := ends_at - time.monotonic()) > 0:
            self.report.tick()
            self._stop.pause(min(TICK, left))

    def _listen(self, connection: Connection) -> None:
        for message in connection.messages():
            self.report.tick()
            if message is not None:
                self.report.heard()
                self._take(connection, message)
            # What the server has sent already is still taken: it will not send it again.
            if self._stop.said and (message is None or self._stop.since > _LAST_WORDS):
                return
            self._save()

    def _take(self, connection: Connection, message: bytes) -> None:
        """Does what a message says; whatever is neither a greeting nor a heartbeat is recorded."""
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
            # What nobody would fetch again is written down before it is in hand.
            self._save(at_once=True)
        self._recorder.hand(message, received_at, lambda _: progress.end(ticket))

    @property
    def _reach(self) -> timedelta:
        """Before the watermark, from when on whoever comes after this task fetches."""
        return timedelta(seconds=self._settings.overlap) + self._known_late

    def _greet(self, connection: Connection) -> Progress:
        """The connection stands: with the first message, be it the greeting or not."""
        progress = self._progress or self._first(connection)
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

    # ─── What was missed ──────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, progress: Progress) -> None:
        """Fetches what was missed, gap by gap, until there is none or no connection."""
        failures = of_alarms = 0
        while True:
            with self._filling_lock:
                gap = progress.gap
                if gap is None or self._stop.said or not self.report.connected:
                    self._filling = False
                    return
            number, since = gap
            until = self._now()
            try:
                upto = self._filled(since, until, without_alarms=of_alarms >= _PATIENCE)
                if upto is not None:
                    progress.filled(number, upto)
                    self._settle()
            except Exception as error:  # noqa: BLE001 - whatever a server does, it is no reason to end
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
        """Fetches what was missed, and tells what nobody can fetch; returns up to when the gap is closed.

        What nobody can fetch is told when the connection has stood for a moment: where it is closed again at once,
        the gap goes on, and is one. None if the connection ended before, or the task had to.
        """
        before = self._lists.fetched
        try:
            begin = max(since - self._overlap(), self._floor())
            fetched = self._lists.fetch(begin, until, without_alarms=without_alarms)
        finally:
            self.report.backfilled += self._lists.fetched - before
        if fetched is None:
            return None
        self._look(since, fetched)
        if not fetched.lacking:
            return fetched.upto
        if not self._stands() or not self._lists.tell(since, until, fetched.lacking):
            return None
        return until if Kind.RECORD in fetched.lacking else fetched.upto

    def _look(self, since: datetime, fetched: Fetched) -> None:
        """Says that a list may have been cut: the newest record that was known is not in it any more."""
        if since <= self._floor() or Kind.RECORD in fetched.lacking:
            return
        if fetched.oldest is None or fetched.oldest > since:
            log.warning("the record list begins after what is known", server=self._server.server)
            self.report.cut_short += 1

    def _settle(self) -> None:
        """What other tasks had in hand is fetched."""
        inherited, self._inherited = self._inherited, {}
        try:
            self._watermarks.settle(self._server.server, inherited)
        except Unavailable as error:
            # It is fetched once more by whoever comes next.
            log.warning("the watermark is not written", server=self._server.server, error=str(error))

    def _stands(self) -> bool:
        """Waits until it is sure that the connection was not closed at once; False if it was."""
        connected_at = self._connected_at
        while self.report.connected and self._connected_at == connected_at and not self._stop.said:
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
        """Writes down what is in hand from before all that is fetched again, or that there is nothing of it."""
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
        """Waits for what is in hand, as long as there is time."""
        self._recorder.drain()
        self._save(at_once=True)


class _Pauses:
    """Pauses between attempts: the longer, the more of them came to nothing.

    Half of each is by chance, so that not all come back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, settings: ListenerSettings) -> None:
        self._stands = settings.stands
        self._failures = 0

    def after(self, stood: float | None) -> float:
        """Seconds before the next attempt.

        Args:
            stood: seconds for which there was a connection; None where there was none. A server that closes each at
                once, since it does not want us, is asked a dozen times an hour; one that closes each after a while
                is worth listening to for that while.
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
    """A server's entry in the secret, as it is now."""

    def __init__(self, name: str, newest: Callable[[], Sequence[Server]]) -> None:
        self._name = name
        self._newest = newest
        self._server: Server | None = None

    def __call__(self) -> Entry | None:
        """The entry, if it is another one than before.

        Raises:
            Awaited: there is none to connect by.
        """
        try:
            found = self._found()
            if found == self._server:
                return None
            entry = _usable(found), _api(found)
        except (Awaited, WrongSetting, Unavailable) as error:
            self._server = None
            raise Awaited(str(error)) from None
        self._server = found
        return entry

    def _found(self) -> Server:
        for server in self._newest():
            if server.server == self._name:
                return server
        raise Awaited("it is not in the secret")


def _usable(server: Server) -> Server:
    """The server, if it has what it takes to connect.

    Raises:
        Awaited: it has not.
        WrongSetting: its authority is none.
    """
    _has(server, "url", "app_key", "app_secret")
    context(server)
    return server


def _has(server: Server, *fields: str) -> None:
    """Looks whether an entry has these fields.

    Raises:
        Awaited: it has not.
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
    """A listener for each server that is named, on AWS. Each by itself waits for its entry in the secret.

    Args:
        settings: of the task.
        servers: that are in the secret.
        stop: when to end.
        newest: those that are in the secret by now, in place of `servers`.

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
    """What `--once` does, on AWS: one for each server that has lists and no listener.

    Returns:
        them, and the names of the servers whose entries do not have what it takes, each of which was logged.
    """
    named = _named(settings)
    gate = edge.gate(settings)
    watermarks = WatermarksTable(lambda: aws.client("dynamodb"), settings.watermarks_table)
    found, awaited = [], []
    for server in servers:
        if server.server in named or not server.api_url:
            continue
        try:
            _has(server, "app_key", "app_secret")
            client = Client(server)
        except (Awaited, WrongSetting) as error:
            log.error("waiting for the secret", server=server.server, why=str(error))
            awaited.append(server.server)
            continue
        found.append(
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
    return found, awaited


def _named(settings: ListenerSettings) -> list[str]:
    """The servers that SERVERS names.

    Raises:
        WrongSetting: a name is empty, or there twice.
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
    """Listens to all servers until SIGTERM; with `--once`, fetches what those that only push have missed, and ends."""
    stop = Stop()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.say()

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
    """What is to be done, on AWS; it returns the exit status.

    Raises:
        WrongSetting: an option, or a setting. What the secret holds is none.
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
    """Fetches once; returns the exit status, 1 where the secret does not have what it takes.

    It does not wait for the secret: nothing has to become steady by it, and the next run reads the secret anew.
    """
    try:
        servers = newest()
    except (WrongSetting, Unavailable) as error:
        log.error("waiting for the secret", why=str(error))
        return 1
    found, awaited = fetchers(settings, servers, stop)
    if not found:
        if not awaited:
            log.error("waiting for the secret", why="no server in it has api_url and is not in SERVERS")
        return 1
    status = once.run(found, stop, settings.once_seconds)
    return 1 if awaited else status


def _listen(listening: Sequence[Listener], settings: ListenerSettings, stop: Stop) -> int:
    """Listens to all servers until it is to stop; returns the exit status.

    A thread that ended before is nobody's to start again but ECS's: the task ends, with what is in hand finished.
    """
    reports = [listener.report for listener in listening]
    threads = [
        threading.Thread(target=listener.run, name=listener.report.server, daemon=True) for listener in listening
    ]
    with serve(settings.health_port, reports, settings.report_seconds):
        for thread in threads:
            thread.start()
        while not stop.said and all(thread.is_alive() for thread in threads):
            stop.pause(TICK)
        was_told = stop.said
        if not was_told:
            log.error("a thread has ended", servers=[thread.name for thread in threads if not thread.is_alive()])
            stop.say()
        for thread in threads:
            while thread.is_alive() and not stop.over:
                thread.join(TICK)
    return 0 if was_told else 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: a worker that AWS keeps waiting would be waited for.
    os._exit(code)
