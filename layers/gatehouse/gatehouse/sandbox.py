"""The sandbox that a function runs in. Lambda freezes it after the answer, together with all threads.

The process goes on at the next call, seconds or hours later. A request that was under way is then late, cut off or was
answered long ago: its result says nothing about the present.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from gatehouse.errors import Unavailable

_ASLEEP: Final = 1.0
"""Seconds between two calls from which on the sandbox counts as frozen meanwhile. A request does not notice a shorter
pause: it has one second to connect and two to be answered (aws.py)."""


class Sandbox:
    """Counts the sleeps of the sandbox, by the times of calls and answers."""

    def __init__(self, clocks: Sequence[Callable[[], float]] = (time.monotonic, time.time)) -> None:
        """A sandbox before its first call. Elsewhere than on Lambda it is never called, and never sleeps.

        Args:
            clocks: in seconds. The first may stand still during a sleep, and the second may be set: the greater
                difference counts.
        """
        self._clocks = clocks
        self._lock = threading.Lock()
        self._calls = 0
        self._rests_since: tuple[float, ...] | None = None
        self._sleeps = 0

    def called(self) -> None:
        """Notes that a call begins."""
        with self._lock:
            self._look()
            self._calls += 1

    def answered(self) -> None:
        """Notes that a call ends."""
        with self._lock:
            self._calls -= 1
            self._rest()

    def rests(self) -> None:
        """Notes that the start has ended. The first call may come much later."""
        with self._lock:
            self._rest()

    @property
    def sleeps(self) -> int:
        """The number of sleeps. It includes the last one also for a thread that runs before `called` does."""
        with self._lock:
            self._look()
            return self._sleeps

    def _rest(self) -> None:
        self._rests_since = self._now()

    def _look(self) -> None:
        if self._calls or self._rests_since is None:
            return
        now = self._now()
        if max(after - before for after, before in zip(now, self._rests_since, strict=True)) >= _ASLEEP:
            self._sleeps += 1
            self._rests_since = now

    def _now(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)


SANDBOX: Final = Sandbox()
"""The sandbox of this process."""


class Attempt:
    """A piece of work that a thread has under way, beside a call."""

    def __init__(self, sandbox: Sandbox = SANDBOX) -> None:
        self._sandbox = sandbox
        self._begun = sandbox.sleeps
        self._slept = False
        self._lock = threading.Lock()
        self.ended = threading.Event()

    @contextmanager
    def ending(self) -> Iterator[bool]:
        """Ends the attempt with the block. Yields True if its result counts: the sandbox did not sleep meanwhile."""
        try:
            yield not self.slept
        finally:
            self.end()

    def end(self) -> None:
        """Ends the attempt."""
        with self._lock:
            self._slept = self._slept or self._sandbox.sleeps != self._begun
            self.ended.set()

    @property
    def slept(self) -> bool:
        """Tells whether the sandbox slept while the attempt was under way. Its result is then not used."""
        with self._lock:
            if not self.ended.is_set():
                self._slept = self._slept or self._sandbox.sleeps != self._begun
            return self._slept


_under_way: ContextVar[Attempt | None] = ContextVar("under_way", default=None)


@contextmanager
def under_way(attempt: Attempt) -> Iterator[None]:
    """Assigns the requests of this thread to an attempt, while the block runs."""
    token = _under_way.set(attempt)
    try:
        yield
    finally:
        _under_way.reset(token)


def check() -> None:
    """Checks that a request may be sent. The SDK's clients call it before each of their own attempts.

    A request from before a sleep is not sent: a message that was `live` then would open a gate now.

    Raises:
        Unavailable: the sandbox slept since the thread's attempt began.
    """
    attempt = _under_way.get()
    if attempt is not None and attempt.slept:
        raise Unavailable("the sandbox slept")
