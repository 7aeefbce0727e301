"""A point in time by which an answer has to be out, and the ports bounded by it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from gatehouse.errors import NotKept, Unavailable
from gatehouse.sandbox import Attempt, under_way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gatehouse.media import Upload
    from gatehouse.ports import MediaStore, Spill, Store, Topics
    from gatehouse.record import Record
    from gatehouse.spill import Step


class Deadline:
    """The time that is left for an answer.

    A Lambda stops when it answers, so the event has to be kept before. The time has two parts: the first for the table
    and the bucket, the second to spill what they did not take.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float], share_for_spill: float = 0.4) -> None:
        """A deadline from now on.

        Args:
            seconds: from now to the answer.
            monotonic: a clock that is never set.
            share_for_spill: part of them that is left to spill, from 0 to 1.
        """
        self._monotonic = monotonic
        now = monotonic()
        self._end = now + max(seconds, 0.0)
        self._first = now + max(seconds, 0.0) * (1 - share_for_spill)

    def left(self) -> float:
        """Seconds until the answer."""
        return max(self._end - self._monotonic(), 0.0)

    def left_before_spilling(self) -> float:
        """Seconds for which the table and the bucket are still waited for."""
        return max(self._first - self._monotonic(), 0.0)


@cache
def _pool() -> ThreadPoolExecutor:
    # A call that hangs keeps its thread until the client's own time-out (6 s), long after the answer. The pool has room
    # for all calls that can hang meanwhile, also at the shortest deadline; else the spill would wait behind them.
    # Threads are made on demand; a Lambda may have 1,024.
    return ThreadPoolExecutor(max_workers=256, thread_name_prefix="deadline")


def bounded[T](call: Callable[[], T], seconds: float) -> T:
    """Runs a call in a thread and returns its result. A call that is not done in time is left running there.

    A time-out of the call itself does not bound it: a socket's time-out starts anew with each piece that arrives.

    Args:
        call: may block.
        seconds: to wait for it.

    Raises:
        TimeoutError: the call is not done in time.
    """
    attempt = Attempt()

    def run() -> T:
        # A late call may freeze with the sandbox. Its requests that were not sent by then are not sent any more.
        try:
            with under_way(attempt):
                return call()
        finally:
            attempt.end()

    running: Future[T] = _pool().submit(run)
    try:
        return running.result(timeout=seconds)
    finally:
        running.cancel()


def _within[T](seconds: float, call: Callable[[], T], operation: str) -> T:
    if seconds <= 0:
        raise Unavailable(f"{operation}: no time left")
    try:
        return bounded(call, seconds)
    except TimeoutError:
        raise Unavailable(f"{operation}: not in time") from None


class BoundedStore:
    """The `Store` port within a deadline."""

    def __init__(self, store: Store, deadline: Deadline) -> None:
        self._store = store
        self._deadline = deadline

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        """Records an event. A late call may still write it: the relay then announces it."""
        seconds = self._deadline.left_before_spilling()
        return _within(seconds, lambda: self._store.record(record, announce), "record")

    def mark_published(self, record_id: str) -> None:
        """Marks a record as announced."""
        _within(self._deadline.left(), lambda: self._store.mark_published(record_id), "mark")

    def pending(self, ids: Sequence[str]) -> set[str]:
        """Returns those of the records that have not been announced."""
        return _within(self._deadline.left(), lambda: self._store.pending(ids), "look")


class BoundedTopics:
    """The `Topics` port within a deadline."""

    def __init__(self, topics: Topics, deadline: Deadline) -> None:
        self._topics = topics
        self._deadline = deadline

    def publish(self, record: Record) -> None:
        """Announces a record."""
        _within(self._deadline.left(), lambda: self._topics.publish(record), "publish")


class BoundedSpill:
    """The `Spill` port within a deadline."""

    def __init__(self, spill: Spill, deadline: Deadline) -> None:
        self._spill = spill
        self._deadline = deadline

    def send(self, record: Record, step: Step) -> None:
        """Keeps an event."""
        self._bounded(lambda: self._spill.send(record, step))

    def send_picture(self, upload: Upload) -> None:
        """Keeps a picture."""
        self._bounded(lambda: self._spill.send_picture(upload))

    def _bounded(self, call: Callable[[], None]) -> None:
        try:
            _within(self._deadline.left(), call, "spill")
        except Unavailable as error:
            raise NotKept(str(error)) from error


class BoundedMedia:
    """The `MediaStore` port within a deadline."""

    def __init__(self, media: MediaStore, deadline: Deadline) -> None:
        self._media = media
        self._deadline = deadline

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._media.bucket

    def put(self, upload: Upload) -> None:
        """Stores a picture."""
        _within(self._deadline.left_before_spilling(), lambda: self._media.put(upload), "picture")
