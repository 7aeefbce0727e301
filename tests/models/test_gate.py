"""Gate, relay, redrive and sweep under every schedule of faults: what was acknowledged is kept and announced.

All four are the real ones; the table, the topics and the queue are the smallest that behave as AWS's do: a call is
done, refused, or done without an answer, and the process may die before or after it. With a sweep, the stream may give
up at any time; without one it does not, so that the sweep hides nothing that the others do wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.redrive import handler as redrive
from functions.relay.handler import Relay
from functions.relay.handler import handle as relay
from functions.relay.sweep import Sweep
from gatehouse.errors import NotKept, Unavailable
from gatehouse.events import EventBuilder, Person, Recognition
from gatehouse.gate import Admission, Gate
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.vocabulary import PersonKind
from tests.builders import NOW, item, spilled, stream_event
from tests.fakes import FakeMedia, FakeSpill
from tests.models.explore import Died, Outcome, Schedule, explore, sized
from tests.sabotages import (
    DropsPublish,
    ForgetsConflicts,
    IdleSweep,
    MarksFirst,
    PublishesFirst,
    SilentSweep,
    Swallows,
)

_ROUNDS = 12
"""Rounds of recovery after which all that can be mended is."""


@dataclass
class World:
    """The state of AWS, and the messages to a subscriber."""

    schedule: Schedule
    records: dict[str, Record] = field(default_factory=dict)
    announce: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    stream: list[str] = field(default_factory=list)
    queue: list[tuple[Record, Step]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    # The store.

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        def act() -> Mapping[str, str] | None:
            if record.id in self.records:
                return self.records[record.id].deciding
            self.writes.append(record.id)
            self.records[record.id] = record
            self.announce[record.id] = announce
            self.stream.append(record.id)
            return None

        return self.schedule.through("put", act, lambda: Unavailable("put"))

    def mark_published(self, record_id: str) -> None:
        self.schedule.through("mark", lambda: self.published.add(record_id), lambda: Unavailable("mark"))

    def pending(self, ids: Sequence[str]) -> set[str]:
        return self.schedule.through(
            "look", lambda: set(ids) & set(self.records) - self.published, lambda: Unavailable("look")
        )

    def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
        del before, first
        found = self.schedule.through(
            "find",
            lambda: [record for key, record in self.records.items() if key not in self.published],
            lambda: Unavailable("find"),
        )
        if found:
            yield found

    # The topics.

    def publish(self, record: Record) -> None:
        self.schedule.through("publish", lambda: self.told.append(record.id), lambda: Unavailable("publish"))

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        taken = set()
        for record in records:
            try:
                self.publish(record)
            except Unavailable:
                continue
            taken.add(record.id)
        return taken

    # The spill queue.

    def send(self, record: Record, step: Step) -> None:
        self.schedule.through("spill", lambda: self.queue.append((record, step)), lambda: NotKept("spill"))

    def send_picture(self, upload: Upload) -> None:
        raise NotImplementedError(upload)


def _event(person: str) -> Record:
    builder = EventBuilder(vendor="acme", account="A1", identity=["1"], received_at=NOW, payload=None)
    common = builder.common(device="D1", occurred_at=None)
    event = builder.event(Recognition(**common, kind=PersonKind.STAFF, person=Person(id=person)))
    return Record.of(event, ("person.id",))


type MakeGate = Callable[..., Gate]


@dataclass(frozen=True)
class Program:
    """Pushes arrive, and what died or failed is mended by the stream and the queue as they do it."""

    announce: Announce = Announce.INLINE
    pushes: tuple[str, ...] = ("7", "7")
    """The person in each: the same is a repetition, another one a conflict."""
    gate: MakeGate = Gate
    world: Callable[[Schedule], World] = World
    redo: Callable[[dict[str, Any], Gate], dict[str, Any]] = redrive.handle
    sweep: type[Sweep] | None = None

    def __str__(self) -> str:
        more = ", sweep, and a stream that gives up" if self.sweep else ""
        return f"gate, relay, redrive{more} ({self.announce}), pushes {' '.join(self.pushes)}"

    def __call__(self, schedule: Schedule) -> None:
        world = self.world(schedule)
        acknowledged: set[str] = set()
        for person in self.pushes:
            try:
                self.gate(world, world, world, self.announce, FakeMedia()).admit(_event(person))
            except (Died, NotKept):
                continue  # the vendor heard no 200
            acknowledged.add(person)
        persons = {_person(record) for record in world.records.values()}
        persons |= {_person(record) for record, _ in world.queue}
        assert acknowledged <= persons, "acknowledged, and neither stored nor spilled"
        quiet = False
        for _ in range(_ROUNDS):
            self._relay(world)
            self._redrive(world)
            self._sweep(world)
            if quiet:
                break
            quiet = not world.stream and not world.queue and world.published >= set(world.records)
        assert not world.stream
        assert not world.queue
        assert len(world.writes) == len(set(world.writes)), "stored twice"
        assert set(world.told) == set(world.records), "stored and not announced, or announced and not stored"
        assert acknowledged <= {_person(record) for record in world.records.values()}
        assert len(world.records) <= len(set(self.pushes))
        if not schedule.faults:
            assert len(world.told) == len(world.records), "announced twice without a fault"

    def _sweep(self, world: World) -> None:
        if self.sweep is None:
            return
        with suppress(Died, Unavailable):  # the next run takes it up
            self.sweep(world, world, now=lambda: NOW + timedelta(days=2)).announce()

    def _relay(self, world: World) -> None:
        if self.sweep and world.stream and world.schedule.outcome("stream") is not Outcome.DONE:
            world.stream = []  # it gave up, or its day is over
            return
        batch = list(dict.fromkeys(world.stream))
        later = NOW + timedelta(hours=1)
        runs = Relay(world, world, world, grace=30, now=lambda: later, sleep=lambda _: None)
        items = [item(world.records[key], announce=world.announce[key]) for key in batch]
        try:
            answer = relay(stream_event(*items), runs)
        except (Died, Unavailable):
            return  # the stream sends it again
        if not answer["batchItemFailures"]:
            world.stream = [key for key in world.stream if key not in batch]

    def _redrive(self, world: World) -> None:
        if not world.queue:
            return
        taken, world.queue = world.queue, []
        batch = spilled(FakeSpill(messages=taken))
        try:
            answer = self.redo(batch, self.gate(world, world, world, self.announce, FakeMedia()))
        except Died:
            world.queue = taken + world.queue
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        world.queue = [message for place, message in enumerate(taken) if f"m-{place}" in failed] + world.queue


def _person(record: Record) -> str:
    return record.deciding["person.id"]


@pytest.mark.parametrize("announce", Announce)
def test_a_push_and_its_repetition_survive_every_schedule(announce: Announce) -> None:
    program = Program(announce)
    assert sized(str(program), explore(program, 3)) > 1_000


@pytest.mark.parametrize("announce", Announce)
def test_two_happenings_with_one_identity_survive_every_schedule(announce: Announce) -> None:
    program = Program(announce, pushes=("7", "8"))
    assert sized(str(program), explore(program, 2)) > 500


@pytest.mark.parametrize("announce", Announce)
def test_a_push_survives_every_schedule_with_a_stream_that_gives_up(announce: Announce) -> None:
    program = Program(announce, pushes=("7",), sweep=Sweep)
    assert sized(str(program), explore(program, 3)) > 1_000


@pytest.mark.parametrize("announce", Announce)
def test_a_push_and_its_repetition_survive_with_a_stream_that_gives_up(announce: Announce) -> None:
    program = Program(announce, sweep=Sweep)
    assert sized(str(program), explore(program, 2)) > 500


# ─── Sabotage: each is found, and by a schedule with few faults ───────────────────────────────────────────────────


class WithoutCondition(World):
    """A put that replaces what is there."""

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self.records.pop(record.id, None)
        return super().record(record, announce)


class WithoutConsistency(World):
    """Reads what was true before the last write."""

    def pending(self, ids: Sequence[str]) -> set[str]:
        super().pending(ids)
        return set(ids) & set(self.writes[:-1]) - self.published


class SwallowingQueue(World):
    """A queue that says yes to whatever it does not take."""

    def send(self, record: Record, step: Step) -> None:
        try:
            super().send(record, step)
        except NotKept:
            return


@pytest.mark.parametrize(
    "program",
    [
        Program(world=WithoutCondition),
        Program(gate=PublishesFirst),
        Program(gate=Swallows),
        Program(gate=MarksFirst),
        Program(gate=DropsPublish),
        Program(Announce.STREAM, gate=DropsPublish),
        Program(world=SwallowingQueue),
        Program(world=WithoutConsistency),
        Program(redo=lambda _batch, _gate: {"batchItemFailures": []}),
        Program(pushes=("7", "8"), gate=ForgetsConflicts),
        Program(sweep=SilentSweep),
        Program(Announce.STREAM, sweep=SilentSweep),
        Program(sweep=IdleSweep),
        Program(Announce.STREAM, sweep=IdleSweep),
    ],
    ids=lambda program: (
        f"{program.gate.__name__} {program.world.__name__} {program.announce} "
        f"{program.redo is redrive.handle} {program.sweep.__name__ if program.sweep else ''}"
    ),
)
def test_a_sabotage_is_found(program: Program) -> None:
    with pytest.raises(AssertionError, match="schedule"):
        explore(program, 3)


def test_a_fault_of_each_kind_is_tried() -> None:
    seen: set[str] = set()

    def run(schedule: Schedule) -> None:
        Program(sweep=Sweep)(schedule)
        seen.update(schedule.calls[place] for place in schedule.faults if place < len(schedule.calls))

    explore(run, 2)
    assert seen == {"put", "publish", "mark", "look", "spill", "stream", "find"}


# ─── Two at once: the relay looks while the gate is between its record and its publish ────────────────────────────


def _raced(grace: float) -> World:
    world = World(Schedule({}))
    record = _event("7")
    gate = Gate(world, world, world, Announce.INLINE, FakeMedia())
    clock = [NOW]

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)
        if not world.told:  # the gate goes on
            gate._announced(record, Admission.RECORDED)  # noqa: SLF001 - its second half

    world.record(record, Announce.INLINE)
    runs = Relay(world, world, world, grace=grace, now=lambda: clock[0], sleep=sleep)
    relay(stream_event(item(record, recorded_at=NOW)), runs)
    if not world.published:
        gate._announced(record, Admission.RECORDED)  # noqa: SLF001 - as above
    elif len(world.told) == 1 and grace == 0:
        gate._announced(record, Admission.RECORDED)  # noqa: SLF001 - it does not know of the relay
    return world


def test_a_record_that_is_on_its_way_is_announced_once() -> None:
    assert len(_raced(30).told) == 1


def test_a_relay_that_ignores_the_grace_is_found() -> None:
    assert len(_raced(0).told) == 2
