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
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Final

from pydantic import Field

from functions.senselink import once, wire
from functions.senselink.client import CallFailed, Client, context
from functions.senselink.connection import TICK, Connection, Denied, Lost, connected
from functions.senselink.health import Report, serve
from functions.senselink.lists import AlarmsFailed, Lists, time_of
from functions.senselink.progress import Progress, Watermarks, WatermarksTable
from functions.senselink.recorder import Api, Recorder, Stop
from functions.senselink.wire import Kind, Server
from gatehouse import aws, edge
from gatehouse.accounts import Secret
from gatehouse.errors import Unavailable, WrongSetting
from gatehouse.gate import Gate
from gatehouse.reading import read_json
from gatehouse.settings import PictureSettings
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
_PATIENCE: Final = 10
"""Failures of an alarm list after which records are not kept waiting for it any longer."""


class Settings(PictureSettings):
    """What the task is told."""

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


class Listener:
    """Listens to one server."""

    def __init__(
        self,
        server: Server,
        gate: Gate,
        watermarks: Watermarks,
        settings: Settings,
        stop: Stop,
        api: Api | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
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
        """
        self._server = server
        self._watermarks = watermarks
        self._settings = settings
        self._stop = stop
        self._now = now
        self._progress = Progress()
        self._saved: datetime | None = None
        self._saved_at = 0.0
        self._filling = False
        self._filling_lock = threading.Lock()
        self._connected_at = 0.0
        self.report = Report(server.server)
        self._recorder = Recorder(
            server,
            gate,
            stop,
            api,
            workers=settings.workers,
            buffer=settings.buffer,
            alive=self.report.tick,
        )
        self._lists = Lists(server, self._recorder, api, stop, now)

    # ─── The connection ───────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Listens until it is to stop; then what is in hand is finished, and the watermark written."""
        self._progress = Progress(self._known())
        pauses = _Pauses(self._settings)
        while not self._stop.said:
            opened_at: float | None = None
            try:
                with connected(self._server, self._settings.silence) as connection:
                    opened_at = time.monotonic()
                    self._listen(connection)
            except Denied as error:
                log.error("permission denied", server=self._server.server, why=str(error))
                self.report.denied += 1
                pause = self._settings.denied_pause
            except Lost as error:
                log.warning("no connection", server=self._server.server, why=str(error))
                pause = pauses.after(None if opened_at is None else time.monotonic() - opened_at)
            else:
                pause = 0.0
            if self.report.connected:
                self.report.connected = False
                self.report.reconnects += not self._stop.said
                self._progress.disconnected()
            self._save(at_once=True)
            self._wait(pause)
        self._drain()

    def _known(self) -> datetime | None:
        """The watermark; it is waited for, since without it a gap could not be told."""
        while not self._stop.said:
            try:
                return self._watermarks.read(self._server.server)
            except Unavailable as error:
                log.error("the watermark cannot be read", server=self._server.server, error=str(error))
                self._wait(5)
        return None

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
                self._take(message)
            # What the server has sent already is still taken: it will not send it again.
            if self._stop.said and (message is None or self._stop.since > _LAST_WORDS):
                return
            self._save()

    def _take(self, message: bytes) -> None:
        """Does what a message says; whatever is neither a greeting nor a heartbeat is recorded."""
        received_at = self._now()
        try:
            payload = read_json(message)
        except ValueError:
            payload = None
        kind = wire.kind(payload)
        if kind in _REFUSALS:
            raise Denied(f"answered {kind}")
        self._greet(received_at)
        if kind not in {Kind.CONNECTED, Kind.HEARTBEAT}:
            ticket = self._progress.begin(time_of(payload, received_at, self._server))
            self._recorder.hand(message, received_at, lambda _: self._progress.end(ticket))

    def _greet(self, now: datetime) -> None:
        """The connection stands: with the first message, be it the greeting or not."""
        if self.report.connected:
            return
        log.info("connected", server=self._server.server)
        self._progress.connected(now)
        self._connected_at = time.monotonic()
        self.report.connected = True
        with self._filling_lock:
            if self._filling or self._progress.gap is None:
                return
            self._filling = True
        threading.Thread(target=self._fill, name=f"{self._server.server}-fill", daemon=True).start()

    # ─── What was missed ──────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self) -> None:
        """Fetches what was missed, gap by gap, until there is none or no connection."""
        failures = of_alarms = 0
        while True:
            with self._filling_lock:
                gap = self._progress.gap
                if gap is None or self._stop.said or not self.report.connected:
                    self._filling = False
                    return
            number, since = gap
            until = self._now()
            try:
                upto = self._filled(since, until, without_alarms=of_alarms >= _PATIENCE)
            except Exception as error:  # noqa: BLE001 - whatever it is, the gap is still there
                why = str(error) if isinstance(error, CallFailed) else type(error).__name__
                log.warning("the gap cannot be filled yet", server=self._server.server, why=why)
                failures += 1
                of_alarms += isinstance(error, AlarmsFailed)
                self._stop.pause(random.uniform(0, min(60.0, 2.0 ** min(failures, 6))))  # noqa: S311 - no secret
                continue
            if upto is not None:
                failures = of_alarms = 0
                self._progress.filled(number, upto)
                self.report.gap_seconds += (until - since).total_seconds()

    def _filled(self, since: datetime, until: datetime, *, without_alarms: bool) -> datetime | None:
        """Fetches what was missed, and tells what nobody can fetch; returns up to when the gap is closed.

        What nobody can fetch is told when the connection has stood for a moment: where it is closed again at once,
        the gap goes on, and is one. None if the connection ended before, or the task had to.
        """
        before = self._lists.fetched
        try:
            overlap = timedelta(seconds=self._settings.overlap)
            fetched = self._lists.fetch(since - overlap, until, without_alarms=without_alarms)
        finally:
            self.report.backfilled += self._lists.fetched - before
        if fetched is None:
            return None
        if not fetched.lacking:
            return fetched.upto
        if not self._stands() or not self._lists.tell(since, until, fetched.lacking):
            return None
        return until if Kind.RECORD in fetched.lacking else fetched.upto

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
        if not at_once and time.monotonic() - self._saved_at < _SAVE:
            return
        self._saved_at = time.monotonic()
        mark = self._progress.mark
        if mark is None or mark == self._saved:
            return
        try:
            self._watermarks.advance(self._server.server, mark)
        except Unavailable as error:
            log.warning("the watermark is not written", server=self._server.server, error=str(error))
        else:
            self._saved = mark

    def _drain(self) -> None:
        """Waits for what is in hand, as long as there is time."""
        self._recorder.drain()
        self._save(at_once=True)


class _Pauses:
    """Pauses between attempts: the longer, the more of them came to nothing.

    Half of each is by chance, so that not all come back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, settings: Settings) -> None:
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


def listeners(settings: Settings, servers: Sequence[Server], stop: Stop) -> list[Listener]:
    """A listener for each server that is named, on AWS.

    Raises:
        WrongSetting: one is named that is not in the secret, or that has not what it takes to connect.
    """
    known = {server.server: server for server in servers}
    names = _named(settings)
    if not names:
        raise WrongSetting("SERVERS: names no server")
    for name in names:
        if name not in known:
            raise WrongSetting(f"SERVERS: {name} is not in the secret")
        if not (known[name].url and known[name].app_key and known[name].app_secret):
            raise WrongSetting(f"SERVERS: {name} needs url, app_key and app_secret in the secret")
        context(known[name])
    gate = edge.gate(settings)
    watermarks = WatermarksTable(lambda: aws.client("dynamodb"), settings.watermarks_table)
    return [
        Listener(known[name], gate, watermarks, settings, stop, Client(known[name]) if known[name].api_url else None)
        for name in names
    ]


def fetchers(settings: Settings, servers: Sequence[Server], stop: Stop) -> list[once.Fetcher]:
    """What `--once` does, on AWS: one for each server that has lists and no listener.

    Raises:
        WrongSetting: there is none, or its entry in the secret cannot be used.
    """
    named = _named(settings)
    known = [
        server
        for server in servers
        if server.server not in named and server.api_url and server.app_key and server.app_secret
    ]
    if not known:
        raise WrongSetting("no server in the secret has api_url, app_key and app_secret, and is not in SERVERS")
    gate = edge.gate(settings)
    watermarks = WatermarksTable(lambda: aws.client("dynamodb"), settings.watermarks_table)
    clients = [Client(server) for server in known]
    return [
        once.Fetcher(
            server,
            watermarks,
            Recorder(server, gate, stop, client, workers=settings.workers, buffer=settings.buffer),
            client,
            stop,
            overlap=timedelta(seconds=settings.overlap),
            grace=timedelta(seconds=settings.grace),
        )
        for server, client in zip(known, clients, strict=True)
    ]


def _named(settings: Settings) -> list[str]:
    return [name.strip() for name in settings.servers.split(",") if name.strip()]


def main(arguments: Sequence[str] = ()) -> int:
    """Listens to all servers until SIGTERM; with `--once`, fetches what those that only push have missed, and ends."""
    stop = Stop()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.say()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        work = _work(arguments, stop)
    except (WrongSetting, Unavailable) as error:
        log.error("cannot start", error=str(error))
        return 1
    status = work()
    flush()
    return status


def _work(arguments: Sequence[str], stop: Stop) -> Callable[[], int]:
    """What is to be done, on AWS; it returns the exit status.

    Raises:
        WrongSetting: an option, a setting or an entry of the secret.
        Unavailable: the secret cannot be read.
    """
    if list(arguments) not in ([], ["--once"]):
        raise WrongSetting("there is no option but --once")
    settings = Settings.read(os.environ)
    secret = Secret(
        aws.client("secretsmanager"),
        settings.secret_arn,
        wire.Accounts,
        vendor="senselink",
        grace=settings.secret_grace,
    )
    servers = secret.accounts().accounts
    if arguments:
        return partial(once.run, fetchers(settings, servers, stop), stop, settings.once_seconds)
    return partial(_listen, listeners(settings, servers, stop), settings, stop)


def _listen(listening: Sequence[Listener], settings: Settings, stop: Stop) -> int:
    """Listens to all servers until it is to stop."""
    reports = [listener.report for listener in listening]
    threads = [
        threading.Thread(target=listener.run, name=listener.report.server, daemon=True) for listener in listening
    ]
    with serve(settings.health_port, reports, settings.report_seconds):
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not stop.over:
                thread.join(TICK)
    return 0 if stop.said else 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Not sys.exit: a worker that AWS keeps waiting would be waited for.
    os._exit(code)
