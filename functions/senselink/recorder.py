"""The way of a server's messages to the gate, for the listener and for its lists: several at once, and bounded.

When AWS takes nothing, what is handed over waits, and so does whoever hands it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from pydantic import JsonValue

from functions.senselink import normalise, verify, wire
from functions.senselink.client import CallFailed, NoSuchCall, Row
from functions.senselink.connection import TICK
from functions.senselink.wire import Server
from gatehouse.events import Arrival, Record
from gatehouse.gate import Admission, Answer, Gate, Keep, Push, Vendor
from gatehouse.media import Image, image
from gatehouse.telemetry import log

_BODY_LIMIT: Final = 16 * 1024 * 1024
"""Bytes. A message is sent once, so none is refused for its size."""
_DRAIN: Final = 14.0
"""Seconds for what is in hand when the task is to stop; all of it has 20."""

type Done = Callable[[Sequence[Admission]], None]


class Api(Protocol):
    """What is asked of a server besides its messages."""

    def records(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The records between two times, in the server's words. Raises `NoSuchCall`, `CallFailed`."""

    def alarms(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The alarms of the days between two times, likewise."""

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


class Recorder:
    """Records the messages of one server, each however long it takes."""

    def __init__(
        self,
        server: Server,
        gate: Gate,
        stop: Stop,
        api: Api | None = None,
        *,
        workers: int,
        buffer: int,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """A recorder with nothing in hand.

        Args:
            server: whose messages.
            gate: where they go.
            stop: when to end.
            api: where their pictures are, if anywhere.
            workers: messages that are recorded at once.
            buffer: messages in hand at most.
            alive: is called while somebody waits.
        """
        self._server = server
        self._gate = gate
        self._stop = stop
        self._api = api
        self._alive = alive
        self._buffer = buffer
        self._room = threading.BoundedSemaphore(buffer)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"{server.server}-")
        self._trusted = _Trusted(wire.Accounts(accounts=(server,)))

    def hand(
        self, message: bytes, received_at: datetime, done: Done, arrival: Arrival | None = None
    ) -> Future[bool] | None:
        """Hands a message to the workers, once there is room.

        Args:
            message: as the server sent it.
            received_at: when.
            done: is told what became of its events.
            arrival: how it came, where not by itself.

        Returns:
            whether it was recorded, some day; None if the task has no more time for it.
        """
        while not self._room.acquire(timeout=TICK):
            self._alive()
            if self._stop.over:
                return None
        return self._workers.submit(self._keep, message, received_at, done, arrival)

    def admit(self, record: Record) -> bool:
        """Records an event of ours, however long it takes; False if the task had to stop before."""
        while not self._stop.over:
            try:
                self._gate.admit(record)
            except Exception as error:  # noqa: BLE001 - as with a message
                log.error("a notice is not recorded yet", server=self._server.server, error=type(error).__name__)
                time.sleep(TICK)
            else:
                return True
        return False

    def drain(self) -> None:
        """Waits for what is in hand, as long as there is time; then it takes nothing more."""
        free = 0
        while free < self._buffer and not self._stop.over:
            free += self._room.acquire(timeout=0.2)
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _keep(self, message: bytes, received_at: datetime, done: Done, arrival: Arrival | None) -> bool:
        """Records a message, however long it takes; False if the task had to stop before."""
        push = Push("GET", (self._server.url or "",), {}, message, received_at)
        pause = 0.1
        try:
            while not self._stop.over:
                became: list[Admission] = []
                try:
                    self._gate.receive(push, self._vendor(message, arrival, became), self._trusted)
                except Exception as error:  # noqa: BLE001 - it will not be sent again, so it is tried again
                    # A library's exception in the chain may quote the message, so no traceback here.
                    log.error("not recorded yet", server=self._server.server, error=type(error).__name__)
                    time.sleep(pause)
                    pause = min(pause * 2, 5.0)
                else:
                    done(became)
                    return True
            return False
        finally:
            self._room.release()

    def _vendor(
        self, message: bytes, arrival: Arrival | None, became: list[Admission]
    ) -> Vendor[wire.Accounts, verify.Verified]:
        """SenseLink as it comes from a server of ours, whose far end is known."""

        def respond(_push: Push, _verified: verify.Verified, _payload: JsonValue, keep: Keep) -> Answer:
            became.extend(keep())
            return Answer(200, "")

        return Vendor(
            name="senselink",
            accounts=wire.Accounts,
            verify=lambda _push, _accounts: verify.Verified(self._server, self._pictures(message)),
            decrypt=verify.decrypt,
            identity=verify.identity,
            normalise=partial(normalise.normalise, zone=self._server.zone),
            deciding=verify.DECIDING,
            images=verify.images,
            respond=respond,
            acknowledgement=None,
            body_limit=_BODY_LIMIT,
            arrival=arrival,
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


class _Trusted:
    """The accounts of a connection: its far end, whoever it says it is."""

    def __init__(self, accounts: wire.Accounts) -> None:
        self._accounts = accounts

    def accounts(self) -> wire.Accounts:
        return self._accounts

    def newer(self) -> None:
        return None
