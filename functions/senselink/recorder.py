"""The way of a server's messages to the gate, for the listener and for its lists: several at once, and bounded.

When AWS takes nothing, what is handed over waits, and so does whoever hands it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from pydantic import JsonValue

from functions.senselink import normalise, verify, wire
from functions.senselink.client import CallFailed, NoSuchCall, Row
from functions.senselink.connection import TICK
from functions.senselink.wire import Server
from gatehouse.errors import NotKept, NotReadable, Rejected, Unavailable
from gatehouse.events import Arrival, Record
from gatehouse.gate import Admission, Answer, Gate, Keep, Push, Vendor
from gatehouse.media import Image, image
from gatehouse.telemetry import log

_BODY_LIMIT: Final = 4 * 1024 * 1024
"""Bytes. A message is sent once, so none is refused for its size: no connection and no list brings more."""
_IN_HAND: Final = 8 * 1024 * 1024
"""Bytes of a server's messages in hand at most, or a single message."""
_OWN_FAULTS: Final = 3
"""Attempts at a message that fails for a reason of its own."""
_PICTURED: Final = 4
"""Messages of a server whose pictures are in hand at once."""
_DRAIN: Final = 14.0
"""Seconds for what is in hand when the task is to stop; all of it has 20."""

type Done = Callable[[Sequence[Admission]], None]
type _Way = Callable[[list[Admission]], Vendor[wire.Accounts, verify.Verified]]
"""SenseLink for one attempt at a message, which notes what becomes of its events."""


class Api(Protocol):
    """What is asked of a server besides its messages."""

    def records(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The records between two times, in the server's words. Raises `NoSuchCall`, `CallFailed`."""

    def alarms(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The alarms of the days between two times, likewise."""

    def picture(self, role: str, reference: str) -> bytes:
        """A picture. Raises `NoSuchCall`, `CallFailed`."""

    def clock(self) -> datetime | None:
        """What the server's clock shows; None if it does not tell."""


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


class _Room:
    """The room for messages in hand: so many, and so many bytes; one alone always has room."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._taken = self._bytes = 0
        self._changed = threading.Condition()

    def take(self, size: int, timeout: float) -> bool:
        """Takes room for a message; False if there was none in time."""
        with self._changed:
            has_room = self._changed.wait_for(lambda: self._fits(size), timeout)
            if has_room:
                self._taken += 1
                self._bytes += size
            return has_room

    def leave(self, size: int) -> None:
        """Gives the room of a message back."""
        with self._changed:
            self._taken -= 1
            self._bytes -= size
            self._changed.notify_all()

    def empty(self, timeout: float) -> bool:
        """Waits until nothing is in hand; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._taken, timeout)

    def _fits(self, size: int) -> bool:
        return not self._taken or (self._taken < self._messages and self._bytes + size <= _IN_HAND)


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
        self._room = _Room(buffer)
        self._pictured = threading.BoundedSemaphore(_PICTURED)
        self.given_up = 0
        """Messages that could not be recorded as what they are, for a reason of their own."""
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"{server.server}-")
        self._trusted = _Trusted(wire.Accounts(accounts=(server,)))

    def use(self, server: Server, api: Api | None) -> None:
        """Goes on with another entry of the secret for the same server."""
        self._server, self._api = server, api
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
        while not self._room.take(len(message), TICK):
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
        while not self._room.empty(0.2) and not self._stop.over:
            self._alive()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _keep(self, message: bytes, received_at: datetime, done: Done, arrival: Arrival | None) -> bool:
        """Records a message, however long AWS takes; False if the task had to stop before.

        What fails for a reason of its own is kept as what nobody can read, where only the operator looks; what fails
        as that too is given up. Neither holds a worker.
        """
        push = Push("GET", (self._server.url or "",), {}, message, received_at)
        ways = deque([self._vendor(message, arrival), self._poisoned(message, arrival)])
        pause, faults = 0.1, 0
        try:
            while ways and not self._stop.over:
                became: list[Admission] = []
                try:
                    self._receive(push, ways[0], became)
                except (Unavailable, NotKept) as error:
                    # It will not be sent again, so it is tried again.
                    log.error("not recorded yet", server=self._server.server, error=type(error).__name__)
                    time.sleep(pause)
                    pause = min(pause * 2, 5.0)
                except Exception as error:  # noqa: BLE001 - whatever it is, the message behind it is to be recorded
                    # A library's exception in the chain may quote the message, so no traceback here.
                    log.error("a message cannot be recorded", server=self._server.server, error=type(error).__name__)
                    faults += 1
                    if isinstance(error, Rejected) or faults >= _OWN_FAULTS:
                        ways.popleft()
                        faults = 0
                        self._give_up(len(ways))
                else:
                    done(became)
                    return True
            if ways:
                return False
            done([])
            return True
        finally:
            self._room.leave(len(message))

    def _receive(self, push: Push, way: _Way, became: list[Admission]) -> None:
        pictures = self._server.pictures and self._api is not None and wire.pictures(push.body)
        with self._pictured if pictures else nullcontext():
            self._gate.receive(push, way(became), self._trusted)

    def _give_up(self, ways: int) -> None:
        if ways:
            self.given_up += 1
        else:
            log.error("a message is given up", server=self._server.server)

    def _poisoned(self, message: bytes, arrival: Arrival | None) -> _Way:
        """A message that cannot be recorded as what it is: one that nobody can read."""

        def unreadable(_push: Push, _verified: verify.Verified) -> JsonValue:
            raise NotReadable("it could not be recorded as what it is", message)

        def way(became: list[Admission]) -> Vendor[wire.Accounts, verify.Verified]:
            return replace(
                self._vendor(message, arrival)(became),
                verify=lambda _push, _accounts: verify.Verified(self._server, {}),
                decrypt=unreadable,
                body_limit=sys.maxsize,
            )

        return way

    def _vendor(self, message: bytes, arrival: Arrival | None) -> _Way:
        return partial(self._as_ours, message, arrival)

    def _as_ours(
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
