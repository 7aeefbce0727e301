"""The Fargate edge of SenseLink: keeps the WebSocket of each server open, and fetches what it missed.

A thread for each server reads; what it reads is recorded by workers, through the same gate as every push. What is in
hand at once is bounded: when AWS takes nothing, nothing is read.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Any, Final, Protocol

from pydantic import Field

from functions.senselink import normalise, verify, wire
from functions.senselink.client import CallFailed, Client, NoSuchCall, context
from functions.senselink.connection import TICK, Connection, Denied, Lost, connected
from functions.senselink.health import Report, serve
from functions.senselink.progress import Progress, Watermarks, WatermarksTable
from functions.senselink.wire import Kind, Server
from gatehouse import aws, edge
from gatehouse.accounts import Secret
from gatehouse.errors import Unavailable, WrongSetting
from gatehouse.events import Notice, NoticeKind, Receipt, Record, Result
from gatehouse.gate import Gate, Push, Vendor
from gatehouse.media import Image, image
from gatehouse.reading import read_json, read_time
from gatehouse.settings import PictureSettings
from gatehouse.telemetry import flush, log

_BODY_LIMIT: Final = 16 * 1024 * 1024
"""Bytes. A message is sent once, so none is refused for its size."""
_AHEAD: Final = timedelta(days=1)
"""How far the clock of a server or a terminal may be ahead for its records still to be fetched."""
_DRAIN: Final = 14.0
"""Seconds for what is in hand when the task is to stop; all of it has 20."""
_LAST_WORDS: Final = 2.0
"""Seconds for which a server that does not pause is still read when the task is to stop."""
_SAVE: Final = 2.0
"""Seconds between two writes of a watermark."""


class Settings(PictureSettings):
    """What the task is told."""

    secret_arn: str = Field(min_length=1)
    watermarks_table: str = Field(min_length=1)
    servers: str = Field(min_length=1)
    """Names of servers in the secret, joined by commas."""
    silence: float = Field(default=90, ge=1, le=3600)
    """Seconds without a message after which a connection is dead, however open it looks."""
    overlap: float = Field(default=300, ge=0, le=86_400)
    """Seconds before the newest known record from which on a gap is fetched."""
    denied_pause: float = Field(default=300, ge=1, le=86_400)
    """Seconds before the next attempt where a server denies permission."""
    workers: int = Field(default=16, ge=1, le=64)
    """Messages of a server that are recorded at once."""
    buffer: int = Field(default=500, ge=1, le=10_000)
    """Messages of a server in hand at most."""
    report_seconds: float = Field(default=60, ge=1, le=300)
    """Between two reports of the metrics."""
    health_port: int = Field(default=8080, ge=0, le=65_535)
    """Where `GET /` tells, on this host alone, whether the threads live; 0 for any."""


class Api(Protocol):
    """What the listener asks of a server besides its messages."""

    def records(self, since: datetime, until: datetime) -> Iterable[Mapping[str, Any]]:
        """The records between two times, in the server's words. Raises `NoSuchCall`, `CallFailed`."""

    def picture(self, role: str, reference: str) -> bytes:
        """A picture. Raises `NoSuchCall`, `CallFailed`."""


class Stop:
    """The word that ends the task."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._ends_at = 0.0

    def say(self) -> None:
        """It is to end."""
        self._ends_at = time.monotonic() + _DRAIN
        self._said.set()

    @property
    def said(self) -> bool:
        """Whether it is to end."""
        return self._said.is_set()

    @property
    def since(self) -> float:
        """Seconds since it was said."""
        return time.monotonic() - (self._ends_at - _DRAIN) if self.said else 0.0

    @property
    def over(self) -> bool:
        """Whether the time for what is in hand is over."""
        return self.said and time.monotonic() > self._ends_at

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until it is said."""
        self._said.wait(seconds)


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
        self._gate = gate
        self._watermarks = watermarks
        self._settings = settings
        self._stop = stop
        self._api = api
        self._now = now
        self._progress = Progress()
        self._saved: datetime | None = None
        self._saved_at = 0.0
        self._room = threading.BoundedSemaphore(settings.buffer)
        self._workers = ThreadPoolExecutor(settings.workers, thread_name_prefix=f"{server.server}-")
        self._filling = False
        self._filling_lock = threading.Lock()
        self._trusted = _Trusted(wire.Accounts(accounts=(server,)))
        self.report = Report(server.server)

    # ─── The connection ───────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Listens until it is to stop; then what is in hand is finished, and the watermark written."""
        self._progress = Progress(self._known())
        failures = 0
        while not self._stop.said:
            try:
                with connected(self._server, self._settings.silence) as connection:
                    self._listen(connection)
            except Denied as error:
                log.error("permission denied", server=self._server.server, why=str(error))
                self.report.denied += 1
                pause = self._settings.denied_pause
            except Lost as error:
                log.warning("no connection", server=self._server.server, why=str(error))
                failures = 1 if self.report.connected else failures + 1
                # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
                pause = random.uniform(0, min(60.0, 2.0 ** min(failures - 1, 6)))  # noqa: S311 - no secret
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
        if kind == Kind.DENIED:
            raise Denied("answered 20002")
        self._greet(received_at)
        if kind not in {Kind.CONNECTED, Kind.HEARTBEAT}:
            self._hand(message, received_at, self._progress.begin(_time(wire.record(payload), received_at)))

    def _greet(self, now: datetime) -> None:
        """The connection stands: with the first message, be it the greeting or not."""
        if self.report.connected:
            return
        log.info("connected", server=self._server.server)
        self._progress.connected(now)
        self.report.connected = True
        with self._filling_lock:
            if self._filling or self._progress.gap is None:
                return
            self._filling = True
        threading.Thread(target=self._fill, name=f"{self._server.server}-fill", daemon=True).start()

    # ─── A message ────────────────────────────────────────────────────────────────────────────────────────────────

    def _hand(self, message: bytes, received_at: datetime, ticket: object) -> Future[bool] | None:
        """Hands a message to the workers, once there is room; None if the task has no more time for it."""
        while not self._room.acquire(timeout=TICK):
            self.report.tick()
            if self._stop.over:
                return None
        return self._workers.submit(self._keep, message, received_at, ticket)

    def _keep(self, message: bytes, received_at: datetime, ticket: object) -> bool:
        """Records a message, however long it takes; False if the task had to stop before."""
        push = Push("GET", (self._server.url or "",), {}, message, received_at)
        pause = 0.1
        try:
            while not self._stop.over:
                try:
                    self._gate.receive(push, self._vendor(message), self._trusted)
                except Exception as error:  # noqa: BLE001 - it will not be sent again, so it is tried again
                    # A library's exception in the chain may quote the message, so no traceback here.
                    log.error("not recorded yet", server=self._server.server, error=type(error).__name__)
                    time.sleep(pause)
                    pause = min(pause * 2, 5.0)
                else:
                    self._progress.end(ticket)
                    return True
            return False
        finally:
            self._room.release()

    def _vendor(self, message: bytes) -> Vendor[wire.Accounts, verify.Verified]:
        """SenseLink as it comes by a connection of ours, whose far end is known."""
        return Vendor(
            name="senselink",
            accounts=wire.Accounts,
            verify=lambda _push, _accounts: verify.Verified(self._server, self._pictures(message)),
            decrypt=verify.decrypt,
            identity=verify.identity,
            normalise=partial(normalise.normalise, zone=self._server.zone),
            deciding=verify.DECIDING,
            images=verify.images,
            acknowledgement=None,
            body_limit=_BODY_LIMIT,
        )

    def _pictures(self, message: bytes) -> dict[str, Image | None]:
        """The pictures that a message names, as far as the server gives them."""
        if self._api is None or not self._server.pictures:
            return {}
        found: dict[str, Image | None] = {}
        for role, reference in wire.pictures(message):
            try:
                found[role] = image(self._api.picture(role, reference))
            except (CallFailed, NoSuchCall) as error:
                log.warning("a picture stays where it is", server=self._server.server, role=role, why=str(error))
        return found

    # ─── What was missed ──────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self) -> None:
        """Fetches what was missed, gap by gap, until there is none or no connection."""
        failures = 0
        while True:
            with self._filling_lock:
                gap = self._progress.gap
                if gap is None or self._stop.said or not self.report.connected:
                    self._filling = False
                    return
            number, since = gap
            until = self._now()
            try:
                upto = self._fetch(since, until)
            except NoSuchCall:
                upto = self._told(since, until)
            except Exception as error:  # noqa: BLE001 - whatever it is, the gap is still there
                why = str(error) if isinstance(error, CallFailed) else type(error).__name__
                log.warning("the gap cannot be filled yet", server=self._server.server, why=why)
                failures += 1
                self._stop.pause(random.uniform(0, min(60.0, 2.0 ** min(failures, 6))))  # noqa: S311 - no secret
                continue
            if upto is not None:
                self._progress.filled(number, upto)
                self.report.gap_seconds += (until - since).total_seconds()

    def _fetch(self, since: datetime, until: datetime) -> datetime | None:
        """Records what the server's list has of a gap; returns the newest one's time, None if the task had to stop."""
        if self._api is None:
            raise NoSuchCall("no api_url")
        in_hand: deque[Future[bool]] = deque()
        upto = since
        for record in self._api.records(since - timedelta(seconds=self._settings.overlap), until + _AHEAD):
            message = json.dumps({"code": int(Kind.RECORD), "data": record}).encode()
            handed = None if self._stop.said else self._hand(message, self._now(), None)
            if handed is None:
                return None
            self.report.backfilled += 1
            upto = max(upto, _time(wire.camel(record), until) or upto)
            in_hand.append(handed)
            if len(in_hand) > self._settings.buffer and not in_hand.popleft().result():
                return None
        return upto if all(handed.result() for handed in in_hand) else None

    def _told(self, since: datetime, until: datetime) -> datetime | None:
        """Says in the book what nobody can fetch, and up to when; None if the task had to stop before."""
        receipt = Receipt(
            vendor="senselink",
            account=self._server.server,
            identity=["gap", since.isoformat(), until.isoformat()],
            received_at=until,
            payload={"from": since.isoformat(), "to": until.isoformat()},
        )
        notice = Notice(
            **receipt.common(device=None, occurred_at=since),
            kind=NoticeKind.GAP,
            result=Result.FAILURE,
            reason="the server has no record list",
            reference={"from": since.isoformat(), "to": until.isoformat()},
        )
        record = Record.of(receipt.event(notice))
        while not self._stop.over:
            try:
                self._gate.admit(record)
            except Exception as error:  # noqa: BLE001 - as with a message
                log.error("a gap is not recorded yet", server=self._server.server, error=type(error).__name__)
                time.sleep(TICK)
            else:
                return until
        return None

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
        free = 0
        while free < self._settings.buffer and not self._stop.over:
            free += self._room.acquire(timeout=0.2)
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._save(at_once=True)


class _Trusted:
    """The accounts of a connection: its far end, whoever it says it is."""

    def __init__(self, accounts: wire.Accounts) -> None:
        self._accounts = accounts

    def accounts(self) -> wire.Accounts:
        return self._accounts

    def newer(self) -> None:
        return None


def _time(record: Mapping[str, Any] | None, received_at: datetime) -> datetime | None:
    """When a record was made, by its own word, or when it came, if that is earlier; None if it does not say."""
    told = read_time(record.get("signTime")) if record else None
    return None if told is None else min(told, received_at)


def listeners(settings: Settings, servers: Sequence[Server], stop: Stop) -> list[Listener]:
    """A listener for each server that is named, on AWS.

    Raises:
        WrongSetting: one is named that is not in the secret, or that has not what it takes to connect.
    """
    known = {server.server: server for server in servers}
    names = [name.strip() for name in settings.servers.split(",") if name.strip()]
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


def main() -> int:
    """Listens to all servers until SIGTERM."""
    stop = Stop()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.say()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        settings = Settings.read(os.environ)
        secret = Secret(aws.client("secretsmanager"), settings.secret_arn, wire.Accounts, vendor="senselink")
        listening = listeners(settings, secret.accounts().accounts, stop)
    except (WrongSetting, Unavailable) as error:
        log.error("cannot start", error=str(error))
        return 1
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
    flush()
    return 0 if stop.said else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: a worker that AWS keeps waiting would be waited for.
    os._exit(code)
