"""The sandbox that a function runs in: frozen when it has answered, with whatever a thread of it has under way.

Lambda stops the process as soon as the answer is given, and goes on with it at the next call, seconds or hours later. A
request that was under way is then late, cut off or answered long ago; what it brings or misses says nothing about now.
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
"""Seconds between two calls from which on what was under way counts as frozen. What is shorter no request notices: each
has a second to connect and two to be answered (aws.py)."""


class Sandbox:
    """Counts how often it slept, by when it was called and when it had answered."""

    def __init__(self, clocks: Sequence[Callable[[], float]] = (time.monotonic, time.time)) -> None:
        """A sandbox that has neither been called nor rested: elsewhere than on Lambda it stays one, and never sleeps.

        Args:
            clocks: the first may stand still while it is frozen, and the other one be set.
        """
        self._clocks = clocks
        self._lock = threading.Lock()
        self._calls = 0
        self._rests_since: tuple[float, ...] | None = None
        self._sleeps = 0

    def called(self) -> None:
        """A call begins."""
        with self._lock:
            self._look()
            self._calls += 1

    def answered(self) -> None:
        """A call ends."""
        with self._lock:
            self._calls -= 1
            self._rest()

    def rests(self) -> None:
        """The start is done: it may be long before the first call."""
        with self._lock:
            self._rest()

    @property
    def sleeps(self) -> int:
        """The number of sleeps; asked by a thread that wakes before the call that woke it, this sleep is among them."""
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
"""This process's."""


class Attempt:
    """Something that a thread has under way, beside a call."""

    def __init__(self, sandbox: Sandbox = SANDBOX) -> None:
        self._sandbox = sandbox
        self._begun = sandbox.sleeps
        self._slept = False
        self._lock = threading.Lock()
        self.ended = threading.Event()

    @contextmanager
    def ending(self) -> Iterator[bool]:
        """It ends with the block, which uses what came of it if that counts: if the sandbox did not sleep meanwhile."""
        try:
            yield not self.slept
        finally:
            self.end()

    def end(self) -> None:
        """It has ended."""
        with self._lock:
            self._slept = self._slept or self._sandbox.sleeps != self._begun
            self.ended.set()

    @property
    def slept(self) -> bool:
        """Tells whether the sandbox slept while it was under way: nothing comes of it any more."""
        with self._lock:
            if not self.ended.is_set():
                self._slept = self._slept or self._sandbox.sleeps != self._begun
            return self._slept


_under_way: ContextVar[Attempt | None] = ContextVar("under_way", default=None)


@contextmanager
def under_way(attempt: Attempt) -> Iterator[None]:
    """The requests of this thread belong to an attempt, while the block runs."""
    token = _under_way.set(attempt)
    try:
        yield
    finally:
        _under_way.reset(token)


def check() -> None:
    """Looks whether a request may be sent, before each attempt of the SDK's own.

    A request that slept is not sent again. What it says was true before: a message that was `live` then would open a
    gate now.

    Raises:
        Unavailable: the sandbox slept since it was made.
    """
    attempt = _under_way.get()
    if attempt is not None and attempt.slept:
        raise Unavailable("the sandbox slept")
