"""The ports within a deadline: none is waited for longer than there is time, and a part of it is for the spill."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from gatehouse.deadline import BoundedMedia, BoundedSpill, BoundedStore, BoundedTopics, Deadline
from gatehouse.errors import NotKept, Unavailable
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.spill import Step
from tests.builders import some_record
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics

UPLOAD = Upload("acme/1/face.jpg", b"\xff\xd8\xff", b"\0" * 32, "image/jpeg")


class Clock:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def release() -> Iterator[Event]:
    """The end of the calls that hang: set when the test is over."""
    event = Event()
    yield event
    event.set()


class HangingStore(FakeStore):
    """An events table that answers when it is let go."""

    def __init__(self, release: Event) -> None:
        super().__init__()
        self._release = release

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self._release.wait()
        return super().record(record, announce)


def test_the_time_is_shared_between_the_table_and_the_spill(clock: Clock) -> None:
    deadline = Deadline(1.0, clock)
    assert [deadline.left_before_spilling(), deadline.left()] == pytest.approx([0.6, 1.0])

    clock.now += 0.7
    assert [deadline.left_before_spilling(), deadline.left()] == pytest.approx([0.0, 0.3])

    clock.now += 0.7
    assert (deadline.left_before_spilling(), deadline.left()) == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_nothing_is_tried(clock: Clock, seconds: float) -> None:
    store, spill = FakeStore(), FakeSpill()
    deadline = Deadline(seconds, clock)

    with pytest.raises(Unavailable, match="record: no time left"):
        BoundedStore(store, deadline).record(some_record(), "inline")
    with pytest.raises(NotKept, match="spill: no time left"):
        BoundedSpill(spill, deadline).send(some_record(), Step.RECORD)
    assert not store.records
    assert not spill.messages


def _timely(deadline: Deadline, down: bool) -> dict[str, Callable[[], Any]]:
    """Each call of each port."""
    store, topics = BoundedStore(FakeStore(down=down), deadline), BoundedTopics(FakeTopics(down=down), deadline)
    spill, media = BoundedSpill(FakeSpill(down=down), deadline), BoundedMedia(FakeMedia(down=down), deadline)
    return {
        "record": lambda: store.record(some_record(), "inline"),
        "mark": lambda: store.mark_published("1"),
        "publish": lambda: topics.publish(some_record()),
        "send": lambda: spill.send(some_record(), Step.RECORD),
        "send_picture": lambda: spill.send_picture(UPLOAD),
        "put": lambda: media.put(UPLOAD),
    }


CALLS = ("record", "mark", "publish", "send", "send_picture", "put")


@pytest.mark.parametrize("name", CALLS)
def test_in_time_a_call_is_as_without_a_deadline(clock: Clock, name: str) -> None:
    assert _timely(Deadline(60, clock), down=False)[name]() is None


@pytest.mark.parametrize("name", CALLS)
def test_what_a_port_refuses_is_refused(clock: Clock, name: str) -> None:
    with pytest.raises(NotKept if name.startswith("send") else Unavailable, match="fake"):
        _timely(Deadline(60, clock), down=True)[name]()


def test_a_table_that_says_it_was_there_says_so(clock: Clock) -> None:
    timely = BoundedStore(FakeStore(), Deadline(60, clock))

    assert timely.record(some_record(), "inline") is None
    assert timely.record(some_record(), "inline") == {}


def test_the_bucket_keeps_its_name(clock: Clock) -> None:
    assert BoundedMedia(FakeMedia("pictures"), Deadline(1, clock)).bucket == "pictures"


def test_a_call_that_hangs_is_given_up(clock: Clock, release: Event) -> None:
    store = HangingStore(release)

    with pytest.raises(Unavailable, match="record: not in time"):
        BoundedStore(store, Deadline(0.02, clock)).record(some_record(), "inline")
    assert not store.records


def test_calls_that_hang_do_not_keep_the_spill_waiting(clock: Clock, release: Event) -> None:
    # The calls that hang within a client's time-out of 6 s, if a door asks again as soon as it was answered.
    store, spill = HangingStore(release), FakeSpill()

    def hangs(_number: int) -> None:
        with pytest.raises(Unavailable):
            BoundedStore(store, Deadline(0.02, clock)).record(some_record(), "inline")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(hangs, range(120)))

    BoundedSpill(spill, Deadline(60, clock)).send(some_record(), Step.RECORD)
    assert len(spill.messages) == 1
