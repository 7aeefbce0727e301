"""The way of a server's messages to the gate, for the listener and for its lists: several at once, and bounded.

When AWS takes nothing, what is handed over waits, and so does whoever hands it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from functions.senselink import normalise, verify, wire
from functions.senselink.client import NoSuchCall, Row
from functions.senselink.connection import TICK
from functions.senselink.wire import Server
from gatehouse.errors import CallFailed, NotKept, NotReadable, Reason, Rejected, Unavailable
from gatehouse.gate import Admission, Gate, Opened, Push, Unwrapped, Vendor, unwrapped
from gatehouse.media import Image, image
from gatehouse.record import Record
from gatehouse.telemetry import log
from gatehouse.vocabulary import Arrival

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
type _Senselink = Vendor[wire.Accounts, verify.Verified]
type _Opened = Opened[verify.Verified]
type _Form = Callable[[Push, _Senselink], _Opened]
"""A form in which a message can be recorded."""


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

    def use(self, server: Server, api: Api | None) -> None:
        """Goes on with another entry of the secret for the same server."""
        self._server, self._api = server, api

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

        A message that fails for a reason of its own is recorded as unreadable, which only the operator may read. One
        that fails as that too is given up. Neither holds a worker.
        """
        push = Push("GET", (self._server.url or "",), {}, message, received_at)
        forms = deque([self._as_it_is, self._as_unreadable])
        pause, faults = 0.1, 0
        try:
            while forms and not self._stop.over:
                try:
                    became = self._recorded(forms[0], push, arrival)
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
                        forms.popleft()
                        faults = 0
                        self._give_up(len(forms))
                else:
                    done(became)
                    return True
            if forms:
                return False
            done([])
            return True
        finally:
            self._room.leave(len(message))

    def _recorded(self, form: _Form, push: Push, arrival: Arrival | None) -> Sequence[Admission]:
        pictures = self._server.pictures and self._api is not None and wire.pictures(push.body)
        with self._pictured if pictures else nullcontext():
            return self._gate.keep(form(push, self._vendor(arrival)))

    def _give_up(self, forms: int) -> None:
        if forms:
            self.given_up += 1
        else:
            log.error("a message is given up", server=self._server.server)

    def _as_it_is(self, push: Push, vendor: _Senselink) -> _Opened:
        if len(push.body) > _BODY_LIMIT:
            raise Rejected(Reason.TOO_LARGE, f"a message of {len(push.body)} bytes")
        return unwrapped(push, vendor, verify.connected(self._server))

    def _as_unreadable(self, push: Push, vendor: _Senselink) -> _Opened:
        error = NotReadable("it could not be recorded as what it is", push.body)
        return Opened(push, vendor, verify.connected(self._server), Unwrapped(None), error)

    def _vendor(self, arrival: Arrival | None) -> _Senselink:
        """SenseLink by WebSocket or by its lists. Its `verify` is not asked: the far end is known."""
        return Vendor(
            name="senselink",
            accounts=wire.Accounts,
            verify=verify.verify,
            unwrap=self._unwrap,
            normalise=normalise.normalise,
            deciding=verify.DECIDING,
            acknowledgement=None,
            arrival=arrival,
        )

    def _unwrap(self, push: Push, verified: verify.Verified) -> Unwrapped:
        """Reads a message, and fetches its pictures."""
        return replace(verify.unwrap(push, verified), images=self._pictures(push.body))

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
