"""Every run of a program whose calls may go wrong: stateless, by running it again with another fault each time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """The fate of a call to the outside."""

    DONE = "done"
    REFUSED = "refused"
    """It was not done."""
    LOST = "lost"
    """It happened, and the caller does not hear of it: a time-out does not tell."""
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"


FAULTS = (Outcome.REFUSED, Outcome.LOST, Outcome.DIES_BEFORE, Outcome.DIES_AFTER)


class Died(BaseException):
    """The process is gone: nothing of ours may catch it."""


@dataclass
class Schedule:
    """The calls of a run that go wrong, and how."""

    faults: dict[int, Outcome]
    calls: list[str] = field(default_factory=list)

    def outcome(self, call: str) -> Outcome:
        """The fate of the next call."""
        self.calls.append(call)
        return self.faults.get(len(self.calls) - 1, Outcome.DONE)

    def through[T](self, call: str, act: Callable[[], T], refuse: Callable[[], Exception]) -> T:
        """The result of a call, or its fate."""
        match self.outcome(call):
            case Outcome.REFUSED:
                raise refuse()
            case Outcome.DIES_BEFORE:
                raise Died
            case Outcome.LOST:
                act()
                raise refuse()
            case Outcome.DIES_AFTER:
                act()
                raise Died
            case _:
                return act()

    def __str__(self) -> str:
        told = [
            f"{call}: {self.faults[place]}" if place in self.faults else call for place, call in enumerate(self.calls)
        ]
        return " → ".join(told)


def explore(run: Callable[[Schedule], None], most: int, faults: Sequence[Outcome] = FAULTS) -> int:
    """Runs a program once for each schedule of up to `most` faults; returns how many there were.

    Args:
        run: the program, which asserts what has to hold.
        most: faults in one run.
        faults: the kinds of them.

    Raises:
        AssertionError: it does not hold; the message has the schedule, which is one with the fewest faults.
    """
    count = 0
    for number in range(most + 1):
        for schedule in _schedules(run, number, faults, {}, 0):
            count += 1
            del schedule
    return count


def _schedules(
    run: Callable[[Schedule], None], left: int, kinds: Sequence[Outcome], before: dict[int, Outcome], start: int
) -> Iterator[Schedule]:
    """Runs with `left` more faults behind those chosen; how many calls there are only a run can say."""
    schedule = Schedule(dict(before))
    if left == 0:
        try:
            run(schedule)
        except AssertionError as error:
            raise AssertionError(f"{error}\nschedule: {schedule}") from error
        yield schedule
        return
    probe = Schedule(dict(before))
    run(probe)
    for place in range(start, len(probe.calls)):
        for kind in kinds:
            yield from _schedules(run, left - 1, kinds, {**before, place: kind}, place + 1)


def sized(model: str, schedules: int) -> int:
    """Prints the number of a model's schedules: `pytest tests/models -s` makes the table of docs/reliability.md."""
    print(f"{model} | {schedules}")  # noqa: T201 - the table
    return schedules
