"""A point in time by which an answer has to be out, and the ports bounded by it: none is waited for any longer."""

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
    """The time that is left.

    A Lambda stops when it answers, so an event has to be kept before the answer, within the time. Hence two marks:
    until the first the table and the bucket are waited for; from the first to the second there is time to spill.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float], share_for_spill: float = 0.4) -> None:
        self._monotonic = monotonic
        now = monotonic()
        self._end = now + max(seconds, 0.0)
        self._first = now + max(seconds, 0.0) * (1 - share_for_spill)

    def left(self) -> float:
        """Seconds until the answer."""
        return max(self._end - self._monotonic(), 0.0)

    def left_before_spilling(self) -> float:
        """Seconds until the table and the bucket are given up."""
        return max(self._first - self._monotonic(), 0.0)


@cache
def _pool() -> ThreadPoolExecutor:
    # A call that hangs keeps its thread until the client's own time-out (6 s), long after the answer. So there are
    # threads for all that can hang meanwhile, at the shortest deadline too: else the spill would wait behind them.
    # They are made as they are needed; a Lambda may have 1,024.
    return ThreadPoolExecutor(max_workers=256, thread_name_prefix="deadline")


def bounded[T](call: Callable[[], T], seconds: float) -> T:
    """Returns the result of a call that is in time. One that is not is left to itself, in its thread.

    Args:
        call: may block, for longer than any time-out of its own: a socket's is for each piece that comes.
        seconds: to wait for it.

    Raises:
        TimeoutError: it is not in time.
    """
    attempt = Attempt()

    def run() -> T:
        # A call that is not in time freezes with the sandbox. A request of it that was not sent by then is not sent.
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
        """Records an event. A call that was not in time may still write it: the relay then announces it."""
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
