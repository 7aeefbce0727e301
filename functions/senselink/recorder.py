"""Records a server's messages through the gate, for the listener and for the lists: in parallel, and bounded.

While AWS accepts nothing, the messages in hand wait, and so does the caller who hands over the next one.
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
"""Bytes. A message is sent only once, so none may be refused for its size: no connection and no list brings more."""
_IN_HAND: Final = 8 * 1024 * 1024
"""Bytes of a server's messages in hand at most, or a single message."""
_OWN_FAULTS: Final = 3
"""Attempts at a message whose failure is not AWS's fault."""
_PICTURED: Final = 4
"""Messages with pictures that are recorded in parallel, for each server."""
_DRAIN: Final = 14.0
"""Seconds for the messages in hand after a shutdown was requested; the whole shutdown has 20."""

type Done = Callable[[Sequence[Admission]], None]
type _Senselink = Vendor[wire.Accounts, verify.Verified]
type _Opened = Opened[verify.Verified]
type _Form = Callable[[Push, _Senselink], _Opened]
"""A form in which a message can be recorded."""


class Api(Protocol):
    """The calls to a server's API."""

    def records(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The records between two times, as the server sends them. Raises `NoSuchCall`, `CallFailed`."""

    def alarms(self, since: datetime, until: datetime) -> Iterable[Row]:
        """The alarms of the days between two times, likewise."""

    def picture(self, role: str, reference: str) -> bytes:
        """A picture. Raises `NoSuchCall`, `CallFailed`."""

    def clock(self) -> datetime | None:
        """The time of the server's clock; None if its answer has none."""


class Stop:
    """Shutdown request, with a deadline for draining."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._ends_at = 0.0

    def request(self) -> None:
        """Requests the shutdown."""
        self._ends_at = time.monotonic() + _DRAIN
        self._requested.set()

    @property
    def requested(self) -> bool:
        """Tells whether a shutdown was requested."""
        return self._requested.is_set()

    @property
    def since(self) -> float:
        """Seconds since the request; 0 before it."""
        return time.monotonic() - (self._ends_at - _DRAIN) if self.requested else 0.0

    @property
    def deadline_passed(self) -> bool:
        """Tells whether the time for draining is over."""
        return self.requested and time.monotonic() > self._ends_at

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until the request."""
        self._requested.wait(seconds)


class _Room:
    """The room for messages in hand, limited by number and by bytes. A single message always has room."""

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
        """Waits until no message is in hand; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._taken, timeout)

    def _fits(self, size: int) -> bool:
        return not self._taken or (self._taken < self._messages and self._bytes + size <= _IN_HAND)


class Recorder:
    """Records the messages of one server, and retries each until it is recorded."""

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
        """Makes a recorder with no message in hand.

        Args:
            server: the sender of the messages.
            gate: records them.
            stop: the shutdown request.
            api: for their pictures, if the server has one.
            workers: messages that are recorded in parallel.
            buffer: messages in hand at most.
            alive: called regularly during a wait.
        """
        self._server = server
        self._gate = gate
        self._stop = stop
        self._api = api
        self._alive = alive
        self._room = _Room(buffer)
        self._pictured = threading.BoundedSemaphore(_PICTURED)
        self.given_up = 0
        """Messages that did not become events of their own, for a fault that is not AWS's."""
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"{server.server}-")

    def use(self, server: Server, api: Api | None) -> None:
        """Switches to another entry of the secret for the same server."""
        self._server, self._api = server, api

    def hand(
        self, message: bytes, received_at: datetime, done: Done, arrival: Arrival | None = None
    ) -> Future[bool] | None:
        """Hands a message to the workers, once there is room.

        Args:
            message: as the server sent it.
            received_at: its arrival.
            done: called with the admissions of its events.
            arrival: backfilled, for one from a list; None for one that the server sent.

        Returns:
            a future, True once the message is recorded; None if the task has no more time for it.
        """
        while not self._room.take(len(message), TICK):
            self._alive()
            if self._stop.deadline_passed:
                return None
        return self._workers.submit(self._keep, message, received_at, done, arrival)

    def admit(self, record: Record) -> bool:
        """Records an event of ours, and retries until it is recorded; False if the task had to stop before."""
        while not self._stop.deadline_passed:
            try:
                self._gate.admit(record)
            except Exception as error:  # noqa: BLE001 - the notice is retried, as a message is
                log.error("a notice is not recorded yet", server=self._server.server, error=type(error).__name__)
                time.sleep(TICK)
            else:
                return True
        return False

    def drain(self) -> None:
        """Waits for the messages in hand, until the deadline; then accepts no more."""
        while not self._room.empty(0.2) and not self._stop.deadline_passed:
            self._alive()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _keep(self, message: bytes, received_at: datetime, done: Done, arrival: Arrival | None) -> bool:
        """Records a message, and retries while AWS does not accept it; False if the task had to stop before.

        A message that fails for another reason is recorded as unreadable, which only the operator may read. One that
        fails again in that form is given up. Neither blocks a worker.
        """
        push = Push("GET", (self._server.url or "",), {}, message, received_at)
        forms = deque([self._as_it_is, self._as_unreadable])
        pause, faults = 0.1, 0
        try:
            while forms and not self._stop.deadline_passed:
                try:
                    admissions = self._recorded(forms[0], push, arrival)
                except (Unavailable, NotKept) as error:
                    # The server will not send it again, so it is retried here.
                    log.error("not recorded yet", server=self._server.server, error=type(error).__name__)
                    time.sleep(pause)
                    pause = min(pause * 2, 5.0)
                except Exception as error:  # noqa: BLE001 - no fault of a message may block the next ones
                    # A library's exception in the chain may quote the message, so no traceback here.
                    log.error("a message cannot be recorded", server=self._server.server, error=type(error).__name__)
                    faults += 1
                    if isinstance(error, Rejected) or faults >= _OWN_FAULTS:
                        forms.popleft()
                        faults = 0
                        self._give_up(len(forms))
                else:
                    done(admissions)
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
        """Describes SenseLink on our own connections. `verify` is not called: the connection proves the sender."""
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
        """The pictures that a message names, without those that the server does not return."""
        if self._api is None or not self._server.pictures:
            return {}
        images: dict[str, Image | None] = {}
        for role, reference in wire.pictures(message):
            try:
                images[role] = image(self._api.picture(role, reference))
            except (CallFailed, NoSuchCall) as error:
                log.warning("a picture stays where it is", server=self._server.server, role=role, why=str(error))
        return images
