"""The relay: publishes records that are not announced, once it is certain that the gate will not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from functions.relay.handler import Inserted, Relay, handle, inserted
from gatehouse.errors import Unavailable
from gatehouse.record import Record
from gatehouse.spill import Step
from gatehouse.telemetry import Count
from tests.builders import NOW, item, seconds, some_record, stream_event
from tests.fakes import FakeSpill, FakeStore, FakeTopics, UnmarkableStore
from tests.output import Output

GRACE = 30.0


@dataclass
class CountedStore(FakeStore):
    """An events table that counts how often it was asked."""

    asked: list[list[str]] = field(default_factory=list)

    def pending(self, ids: Sequence[str]) -> set[str]:
        self.asked.append(list(ids))
        return super().pending(ids)


@dataclass
class ChoosyTopics(FakeTopics):
    """Subscribers that do not take some of the records."""

    refused: set[str] = field(default_factory=set)

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        return super().publish_all([record for record in records if record.id not in self.refused])


@dataclass
class Rig:
    """A relay on fakes, with a clock that only sleeping moves."""

    store: CountedStore = field(default_factory=CountedStore)
    topics: ChoosyTopics = field(default_factory=ChoosyTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    now: datetime = NOW
    slept: list[float] = field(default_factory=list)
    while_asleep: Callable[[], None] = lambda: None

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)
        self.now += seconds(duration)
        self.while_asleep()

    def relay(self) -> Relay:
        return Relay(self.store, self.topics, self.spill, GRACE, now=lambda: self.now, sleep=self.sleep)

    def handle(self, *items: dict[str, Any]) -> dict[str, Any]:
        return handle(stream_event(*items), self.relay())

    def written(self, name: str, announce: str = "inline", *, age: float = 60) -> dict[str, Any]:
        """An item that was written some seconds ago, and is in the events table."""
        record = some_record(name)
        self.store.record(record, announce)
        return item(record, announce=announce, recorded_at=NOW - seconds(age))

    @property
    def announced(self) -> list[str]:
        return [record.id for record in self.topics.messages]


@pytest.fixture
def rig() -> Rig:
    return Rig()


# ─── Mode inline: what was forgotten ──────────────────────────────────────────────────────────────────────────────────


def test_a_record_of_the_stream_is_read_as_it_was_written() -> None:
    record = some_record(payload="设备")

    assert inserted(stream_event(item(record, announce="stream"))["Records"][0]) == Inserted(
        sequence_number="000000000000000000001",
        record=Anything.parse(record.body),
        announce="stream",
        recorded_at=NOW,
    )


class Anything(Record):
    """A record that equals each one with the same body."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other.body == self.body

    def __hash__(self) -> int:
        return hash(self.body)


def test_a_record_that_was_announced_is_left_alone(rig: Rig) -> None:
    written = rig.written("1")
    rig.store.mark_published(written["id"]["S"])

    assert rig.handle(written) == {"batchItemFailures": []}
    assert not rig.announced
    assert not rig.slept


def test_a_forgotten_record_past_the_grace_is_published_at_once_and_marked(rig: Rig, output: Output) -> None:
    written = rig.written("1", age=GRACE)

    assert rig.handle(written) == {"batchItemFailures": []}
    assert rig.slept == []
    assert rig.announced == [written["id"]["S"]]
    assert rig.store.published == {written["id"]["S"]}
    assert output.counted == {Count.PUBLISHED: 1}


def test_a_young_record_is_given_the_rest_of_its_grace_and_then_published(rig: Rig) -> None:
    written = rig.written("1", age=10)

    rig.handle(written)

    assert sum(rig.slept) == 20
    assert rig.announced == [written["id"]["S"]]


def test_a_young_record_that_is_announced_meanwhile_is_not_published_again_and_holds_up_nobody(rig: Rig) -> None:
    written = rig.written("1", age=10)
    rig.while_asleep = lambda: rig.store.mark_published(written["id"]["S"])

    rig.handle(written)

    assert sum(rig.slept) < 1
    assert not rig.announced


def test_the_youngest_pending_record_says_how_long_to_wait_and_once_for_all(rig: Rig) -> None:
    items = [rig.written("1", age=25), rig.written("2", age=5), rig.written("3", age=1)]
    rig.store.mark_published(items[2]["id"]["S"])

    rig.handle(*items)

    assert sum(rig.slept) == 25
    assert rig.announced == [written["id"]["S"] for written in items[:2]]
    assert len(rig.store.asked) == 1 + len(rig.slept) < 10


def test_a_record_from_a_clock_that_is_ahead_waits_no_longer_than_the_grace(rig: Rig) -> None:
    rig.handle(rig.written("1", age=-3600))

    assert sum(rig.slept) == GRACE


def test_a_record_that_has_expired_meanwhile_is_not_published(rig: Rig) -> None:
    assert rig.handle(item(some_record())) == {"batchItemFailures": []}
    assert not rig.announced


def test_an_empty_batch_asks_nobody(rig: Rig) -> None:
    assert rig.handle() == {"batchItemFailures": []}
    assert not rig.store.asked


# ─── Mode stream: everything ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_of_mode_stream_is_published_without_a_read_and_without_a_wait(rig: Rig) -> None:
    written = rig.written("1", "stream", age=1)

    assert rig.handle(written) == {"batchItemFailures": []}
    assert rig.announced == [written["id"]["S"]]
    assert rig.store.published == {written["id"]["S"]}
    assert not rig.store.asked
    assert not rig.slept


def test_each_record_goes_by_the_mode_that_it_was_written_in(rig: Rig) -> None:
    stream, forgotten, done = rig.written("1", "stream", age=1), rig.written("2"), rig.written("3")
    rig.store.mark_published(done["id"]["S"])

    rig.handle(done, stream, forgotten)

    assert rig.announced == [stream["id"]["S"], forgotten["id"]["S"]]
    assert rig.store.asked == [[done["id"]["S"], forgotten["id"]["S"]]]


# ─── AWS is not well ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("announce", ["inline", "stream"])
def test_what_sns_refuses_is_spilled_to_be_published(rig: Rig, output: Output, announce: str) -> None:
    written = rig.written("1", announce)
    rig.topics.down = True

    assert rig.handle(written) == {"batchItemFailures": []}
    ((record, step),) = rig.spill.messages
    assert (record.body, step) == (written["event"]["S"], Step.PUBLISH)
    assert not rig.store.published
    assert output.counted == {Count.SPILLED: 1}


def test_what_can_be_neither_announced_nor_spilled_is_sent_again_by_the_stream(rig: Rig) -> None:
    items = [rig.written(str(number), "stream") for number in range(4)]
    rig.topics.refused = {items[1]["id"]["S"], items[3]["id"]["S"]}
    rig.spill.down = True

    answer = rig.handle(*items)

    assert answer == {
        "batchItemFailures": [
            {"itemIdentifier": "000000000000000000002"},
            {"itemIdentifier": "000000000000000000004"},
        ]
    }
    assert rig.announced == [items[0]["id"]["S"], items[2]["id"]["S"]]
    assert rig.store.published == set(rig.announced)


def test_of_a_batch_only_what_was_refused_is_spilled(rig: Rig) -> None:
    items = [rig.written(str(number)) for number in range(3)]
    rig.topics.refused = {items[1]["id"]["S"]}

    assert rig.handle(*items) == {"batchItemFailures": []}
    assert [record.id for record, _ in rig.spill.messages] == [items[1]["id"]["S"]]
    assert rig.announced == [items[0]["id"]["S"], items[2]["id"]["S"]]


def test_a_batch_that_comes_again_publishes_only_what_was_not(rig: Rig) -> None:
    items = [rig.written(str(number), "stream", age=1) for number in range(4)]
    rig.topics.refused = {items[1]["id"]["S"]}
    rig.spill.down = True
    for _ in range(21):
        rig.handle(*items)
        rig.now += seconds(60)

    assert sorted(rig.announced) == sorted(written["id"]["S"] for written in (items[0], *items[2:]))


def test_a_table_that_is_away_for_a_while_is_waited_for(rig: Rig) -> None:
    written = rig.written("1")
    rig.store.down = True

    def back() -> None:
        rig.store.down = sum(rig.slept) < 200

    rig.while_asleep = back
    assert rig.handle(written) == {"batchItemFailures": []}
    assert rig.announced == [written["id"]["S"]]


def test_a_table_that_is_away_for_longer_has_the_batch_sent_again(rig: Rig) -> None:
    written = rig.written("1")
    rig.store.down = True

    with pytest.raises(Unavailable):
        rig.handle(written)
    assert not rig.announced
    assert 240 <= sum(rig.slept) <= 300


def test_what_was_published_and_could_not_be_marked_is_not_sent_again_by_the_stream(output: Output) -> None:
    store, topics = UnmarkableStore(), FakeTopics()
    record = some_record(payload="MARKER")
    store.record(record, "inline")
    relay = Relay(store, topics, FakeSpill(), GRACE, now=lambda: NOW, sleep=lambda _duration: None)

    answer = handle(stream_event(item(record, recorded_at=NOW - seconds(60))), relay)

    assert answer == {"batchItemFailures": []}
    assert len(topics.messages) == 1
    assert [line["message"] for line in output.logged] == ["published, but not marked so"]
    assert "MARKER" not in output.read()
