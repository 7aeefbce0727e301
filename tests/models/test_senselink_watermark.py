"""The watermark in every schedule of a few steps: nothing that the server's list has, and that is ours, is lost.

The progress, the lateness and what is written are the real ones; server, terminals and table are the smallest there
can be. A step lets something happen, breaks the connection, kills a task, or lets one go on; all schedules of so many
steps are walked through, each state once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest

from functions.senselink.progress import Lateness, Progress, Written
from tests.builders import NOW

_OVERLAP = timedelta(minutes=5)
_SLOW = timedelta(minutes=20)
"""Seconds that one terminal's clock is behind."""
_LATE = timedelta(days=3)
"""Seconds that another one was cut off, before it tells what it has."""


@dataclass
class Listener:
    """A task: what `functions.senselink.listener` does with the progress, without its threads."""

    progress: Progress
    lateness: Lateness
    saved: datetime
    known_late: timedelta
    in_hand: dict[int, object] = field(default_factory=dict)
    owed: datetime | None = None
    connected: bool = False


@dataclass
class World:
    """A server's list, the events table, and what is written down."""

    now: datetime = NOW
    row: Written | None = None
    listed: dict[int, datetime] = field(default_factory=dict)
    table: set[int] = field(default_factory=set)
    ours: set[int] = field(default_factory=set)
    """Records from after the first mark that were heard, or are no later than what is heard otherwise."""
    task: Listener | None = None

    # The steps of the task.

    def start(self) -> None:
        row = self.row
        if row is None:
            row = self.row = Written(self.now, self.now)
            anew = True
        else:
            anew = False
        lateness = self.learnt()
        self.task = Listener(
            Progress(row.since, anew=anew, floor=lambda: row.begun), lateness, row.mark, lateness.most(self.now)
        )
        self.task.connected = True

    def learnt(self) -> Lateness:
        return Lateness(self.row.late if self.row else {})

    def hear(self, number: int) -> None:
        task, at = self.task, self.listed[number]
        if task is None or not task.connected:
            return
        told = task.progress.ours(at)
        if told is not None:
            task.lateness.seen(task.progress.behind(told), self.now)
        task.in_hand[number] = task.progress.begin(told)
        if told is not None and told < task.saved - _OVERLAP - task.known_late:
            self.save()

    def record(self) -> None:
        """The newest of what is in hand is recorded: whatever is older waits."""
        if self.task and self.task.in_hand:
            number = max(self.task.in_hand)
            self.table.add(number)
            self.task.progress.end(self.task.in_hand.pop(number))

    def save(self) -> None:
        task, row = self.task, self.row
        if task is None or row is None:
            return
        mark = task.progress.mark
        task.known_late = task.lateness.most(self.now)
        row = replace(row, late=task.lateness.days)
        if mark > task.saved:
            row = replace(row, mark=max(row.mark, mark))
            task.saved = mark
        owes = mark < task.saved - _OVERLAP - task.known_late
        task.owed = mark if owes else None
        others = {name: text for name, text in row.owed.items() if name != "owed_me"}
        self.row = replace(row, owed={**others, **({"owed_me": _text(mark)} if owes else {})})

    def fill(self) -> None:
        task = self.task
        if task is None or not task.connected or (gap := task.progress.gap) is None or self.row is None:
            return
        number, since = gap
        since = max(since - _OVERLAP - task.lateness.most(self.now), self.row.begun)
        found = {one: at for one, at in self.listed.items() if at >= since}
        self.table |= found.keys()
        task.progress.filled(number, max([gap[1], *(min(at, self.now) for at in found.values())]))

    # The events.

    def drop(self) -> None:
        if self.task and self.task.connected:
            self.task.connected = False
            self.task.progress.disconnected()

    def connect(self) -> None:
        if self.task is None:
            self.start()
        else:
            self.task.connected = True

    def kill(self) -> None:
        self.task = None

    def happens(self, behind: timedelta) -> None:
        self.now += timedelta(minutes=1)
        number = len(self.listed) + 1
        self.listed[number] = self.now - behind
        if self.row is not None and self.listed[number] >= self.row.begun:
            is_heard = self.task is not None and self.task.connected
            # A record that was never heard, and is later than anything that was, is out of reach: the README says so.
            if is_heard or behind <= _OVERLAP + Lateness(self.row.late).most(self.now):
                self.ours.add(number)
        self.hear(number)

    @property
    def key(self) -> object:
        task = self.task
        progress = None
        if task:
            known = (task.progress.mark, task.progress.gap, task.saved, task.known_late, task.owed, task.connected)
            progress = (*known, frozenset(task.in_hand), tuple(task.lateness.days.items()))
        row = self.row and (self.row.mark, tuple(self.row.owed.items()), tuple(self.row.late.items()))
        return self.now, tuple(self.listed.items()), frozenset(self.table), row, progress

    def settled(self) -> World:
        """The same, after all has come to rest."""
        world = deepcopy(self)
        world.kill()
        world.start()
        for _ in range(3):
            world.fill()
        return world


def _text(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')} x"


STEPS: dict[str, Callable[[World], None]] = {
    "a record": lambda world: world.happens(timedelta()),
    "a record of the slow terminal": lambda world: world.happens(_SLOW),
    "a record of long ago": lambda world: world.happens(_LATE),
    "a record of no time": lambda world: world.happens(timedelta(days=9000)),
    "recorded": World.record,
    "saved": World.save,
    "drop": World.drop,
    "connect": World.connect,
    "fill": World.fill,
    "kill": World.kill,
}


def _begun() -> World:
    """A server that was listened to for a month; the slow terminal was heard."""
    world = World(row=Written(NOW, NOW - timedelta(days=30), late={f"{NOW:%Y-%m-%d}": _SLOW.total_seconds()}))
    world.start()
    world.fill()
    return world


def _explore(depth: int) -> int:
    """Walks through all schedules; returns the number of states.

    Raises:
        AssertionError: something is lost; with a shortest schedule.
    """
    first = _begun()
    seen = {first.key}
    queue: deque[tuple[World, tuple[str, ...]]] = deque([(first, ())])
    while queue:
        world, way = queue.popleft()
        lost = world.ours - world.settled().table
        assert not lost, f"lost {lost}: {' → '.join(way)}"
        if len(way) == depth:
            continue
        for name, step in STEPS.items():
            after = deepcopy(world)
            step(after)
            if after.key not in seen:
                seen.add(after.key)
                queue.append((after, (*way, name)))
    return len(seen)


@pytest.fixture(autouse=True)
def _no_locks() -> Iterator[None]:
    """A lock that is always free: one thread runs here, and a real lock cannot be copied."""

    class Free:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    with patch("functions.senselink.progress.threading.Lock", Free):
        yield


def test_in_no_schedule_is_anything_lost_that_was_heard_or_is_listed() -> None:
    assert _explore(5) > 7_000


def test_a_mark_that_forgets_what_is_in_hand_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(progress: Progress) -> datetime:
        return progress._newest  # noqa: SLF001 - the sabotage

    monkeypatch.setattr(Progress, "mark", property(forgetful))
    with pytest.raises(AssertionError, match="lost"):
        _explore(4)


def test_a_mark_that_only_goes_forward_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """L1: what is late and in hand is older than what is written, and nothing else says so."""
    whole = World.save

    def forward_only(world: World) -> None:
        whole(world)
        if world.row:
            world.row = replace(world.row, owed={})

    monkeypatch.setattr(World, "save", forward_only)
    with pytest.raises(AssertionError, match="a record of long ago"):
        _explore(4)


def test_an_overlap_that_learns_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """L4: the slow terminal's record of a gap."""
    monkeypatch.setattr(World, "learnt", lambda _world: Lateness({}))
    with pytest.raises(AssertionError, match="slow terminal"):
        _explore(4)
