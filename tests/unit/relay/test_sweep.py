"""The sweep: announces records that gate and relay left pending."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from functions.relay.sweep import NotAnnounced, Sweep, handle
from gatehouse.errors import Unavailable
from gatehouse.record import Record
from gatehouse.store import FORGOTTEN
from tests.builders import NOW, some_record
from tests.fakes import FakeStore, FakeTopics, UnmarkableStore
from tests.output import Output


@dataclass
class ChoosyTopics(FakeTopics):
    """Subscribers that do not take some of the records."""

    refused: set[str] = field(default_factory=set)

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        return super().publish_all([record for record in records if record.id not in self.refused])


def _sweep(store: FakeStore, topics: FakeTopics, monotonic: Callable[[], float] = lambda: 0.0) -> Sweep:
    return Sweep(store, topics, now=lambda: NOW, monotonic=monotonic)


def test_what_is_forgotten_is_announced_and_marked_and_nothing_else_is() -> None:
    store, topics = FakeStore(), FakeTopics()
    forgotten, announced = some_record("1"), some_record("2")
    store.record(forgotten, "inline")
    store.record(announced, "stream")
    store.mark_published(announced.id)

    assert handle({}, _sweep(store, topics)) == {"announced": 1}
    assert [record.id for record in topics.messages] == [forgotten.id]
    assert handle({}, _sweep(store, topics)) == {"announced": 0}


def test_it_asks_for_what_is_older_than_anybody_is_at_it() -> None:
    asked: list[tuple[datetime, int]] = []

    class Asked(FakeStore):
        def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
            asked.append((before, first))
            yield from ()

    for later in (0, 15, 30):
        now = NOW + timedelta(minutes=later)
        Sweep(Asked(), FakeTopics(), now=lambda now=now: now).announce()  # type: ignore[misc]

    assert [before for before, _ in asked] == [NOW + timedelta(minutes=later) - FORGOTTEN for later in (0, 15, 30)]
    # The shard that comes last changes.
    assert [first - asked[0][1] for _, first in asked] == [0, 1, 2]


def test_what_sns_does_not_take_is_left_for_the_next_run_and_keeps_no_other_back() -> None:
    store = FakeStore()
    records = [some_record(str(number)) for number in range(3)]
    for record in records:
        store.record(record, "inline")
    topics = ChoosyTopics(refused={records[0].id})

    with pytest.raises(NotAnnounced, match="did not take 1 records, and 2 it did"):
        _sweep(store, topics).announce()

    assert store.published == {record.id for record in records[1:]}
    topics.refused = set()
    assert _sweep(store, topics).announce() == 1


def test_a_table_that_is_away_ends_the_run_with_an_error() -> None:
    with pytest.raises(Unavailable):
        _sweep(FakeStore(down=True), FakeTopics()).announce()


def test_what_cannot_be_marked_is_announced_all_the_same_and_once_more_by_the_next_run(output: Output) -> None:
    store, topics = UnmarkableStore(), FakeTopics()
    store.record(some_record(), "inline")

    assert _sweep(store, topics).announce() == 1
    assert _sweep(store, topics).announce() == 1

    assert len(topics.messages) == 2
    assert output.counted == {"Published": 2, "Swept": 2}


def test_a_run_ends_in_time_and_says_that_there_is_more() -> None:
    store, topics = FakeStore(), FakeTopics()
    for number in range(250):
        store.record(some_record(str(number)), "stream")
    clock = iter([0.0, 1.0, 599.0, 601.0])

    with pytest.raises(NotAnnounced, match="time was up after 200"):
        _sweep(store, topics, lambda: next(clock)).announce()

    assert _sweep(store, topics).announce() == 50
    assert len({record.id for record in topics.messages}) == len(topics.messages) == 250
