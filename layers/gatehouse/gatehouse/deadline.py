"""A point in time by which an answer has to be out, whatever is down: the ports, none of which is waited for longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from functools import cache
from typing import TYPE_CHECKING

from gatehouse.errors import NotKept, Unavailable
from gatehouse.sandbox import Attempt, under_way

if TYPE_CHECKING:
    from gatehouse.events import Record
    from gatehouse.gate import Album, Spill, Store, Topics
    from gatehouse.media import Upload
    from gatehouse.spill import Step


class Deadline:
    """How much time is left.

    A Lambda stops when it answers: what must be kept is kept before the answer, within the time. Hence two marks: until
    the first the table and the bucket are waited for, until the second what is left is used to spill.
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


def _within[T](seconds: float, call: Callable[[], T], what: str) -> T:
    if seconds <= 0:
        raise Unavailable(f"{what}: no time left")
    attempt = Attempt()

    def run() -> T:
        # A call that is not in time freezes with the sandbox. What of it was not sent by then is not sent at all.
        try:
            with under_way(attempt):
                return call()
        finally:
            attempt.end()

    running: Future[T] = _pool().submit(run)
    try:
        return running.result(timeout=seconds)
    except NotInTime:
        running.cancel()
        raise Unavailable(f"{what}: not in time") from None


class TimelyStore:
    """The `Store` port, waited for no longer than there is time."""

    def __init__(self, store: Store, deadline: Deadline) -> None:
        self._store = store
        self._deadline = deadline

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        """As `Store.record`. A call that was not in time may still write the record: the relay then announces it."""
        seconds = self._deadline.left_before_spilling()
        return _within(seconds, lambda: self._store.record(record, announce), "record")

    def mark_published(self, record_id: str) -> None:
        """As `Store.mark_published`."""
        _within(self._deadline.left(), lambda: self._store.mark_published(record_id), "mark")

    def pending(self, ids: Sequence[str]) -> set[str]:
        """As `Store.pending`."""
        return _within(self._deadline.left(), lambda: self._store.pending(ids), "look")


class TimelyTopics:
    """The `Topics` port, waited for no longer than there is time."""

    def __init__(self, topics: Topics, deadline: Deadline) -> None:
        self._topics = topics
        self._deadline = deadline

    def publish(self, record: Record) -> None:
        """As `Topics.publish`."""
        _within(self._deadline.left(), lambda: self._topics.publish(record), "publish")


class TimelySpill:
    """The `Spill` port, waited for no longer than there is time."""

    def __init__(self, spill: Spill, deadline: Deadline) -> None:
        self._spill = spill
        self._deadline = deadline

    def send(self, record: Record, step: Step) -> None:
        """As `Spill.send`."""
        self._bounded(lambda: self._spill.send(record, step))

    def send_picture(self, upload: Upload) -> None:
        """As `Spill.send_picture`."""
        self._bounded(lambda: self._spill.send_picture(upload))

    def _bounded(self, call: Callable[[], None]) -> None:
        try:
            _within(self._deadline.left(), call, "spill")
        except Unavailable as error:
            raise NotKept(str(error)) from error


class TimelyAlbum:
    """The `Album` port, waited for no longer than there is time."""

    def __init__(self, album: Album, deadline: Deadline) -> None:
        self._album = album
        self._deadline = deadline

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._album.bucket

    def put(self, upload: Upload) -> None:
        """As `Album.put`."""
        _within(self._deadline.left_before_spilling(), lambda: self._album.put(upload), "picture")
