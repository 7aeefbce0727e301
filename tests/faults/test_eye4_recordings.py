"""A recording is resolved although the process dies or AWS fails at any step: one event, the right one, and told."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pytest
from moto import mock_aws

from functions.eye4.download import Body
from functions.eye4.pending import PendingFiles, Reported, Row
from functions.eye4.resolve import Bucket
from functions.redrive.handler import handle as redrive
from functions.relay.handler import Relay
from functions.relay.handler import handle as relay
from gatehouse.errors import NotKept, Unavailable
from gatehouse.events import Picture
from gatehouse.gate import Gate
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from ops.simulators.eye4 import File, Recording
from tests import aws
from tests.builders import NOW, item, spilled, stream_event
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics, Killed
from tests.unit.eye4.cloud import ResolverRig, resolver_rig
from tests.vendors.eye4 import FILEID

FILES: Final = (File("image", 2_000), File("video", 9_000))
STEPS: Final = ("taken", "keep", "copied", "keep", "copied", "note_reported", "record", "publish", "mark")
"""The side effects of a recording of two files, in their order."""
WHEN: Final = ("before", "after")
POINTS: Final = [(number, when) for number in range(len(STEPS)) for when in WHEN]
at_each_point = pytest.mark.parametrize(
    ("number", "when"), POINTS, ids=[f"{when}-{STEPS[number]}-{number}" for number, when in POINTS]
)


@dataclass
class Trouble:
    """A fault: at which of the steps, counted from 0, before it is done or after, and with which error."""

    number: int = -1
    when: str = "before"
    error: Callable[[], BaseException] = Killed
    attempts: int = 1
    """Attempts that go wrong."""
    done: list[str] = field(default_factory=list)
    """The steps so far."""

    def through[T](self, step: str, call: Callable[[], T]) -> T:
        """One step."""
        strikes = len(self.done) == self.number and self.attempts > 0
        if strikes and self.when == "before":
            self.attempts -= 1
            raise self.error()
        result = call()
        self.done.append(step)
        if strikes:
            self.attempts -= 1
            raise self.error()
        return result


class Rows(PendingFiles):
    """Rows whose trouble is set when there is one."""

    trouble = Trouble()

    def taken(self, recording: str, alarm_id: str) -> Row:
        return self.trouble.through("taken", lambda: super(Rows, self).taken(recording, alarm_id))

    def note_reported(self, recording: str, reported: Reported, row: Row) -> None:
        self.trouble.through("note_reported", lambda: super(Rows, self).note_reported(recording, reported, row))

    def copied(self, recording: str, name: str, copy: Picture) -> None:
        self.trouble.through("copied", lambda: super(Rows, self).copied(recording, name, copy))


@dataclass
class Media:
    """The media bucket, in trouble."""

    inner: Bucket
    trouble: Trouble

    @property
    def name(self) -> str:
        return self.inner.name

    def keep(self, key: str, body: Body, content_type: str) -> None:
        self.trouble.through("keep", lambda: self.inner.keep(key, body, content_type))


@dataclass
class Book(FakeStore):
    """The events table, in trouble."""

    trouble: Trouble = field(default_factory=Trouble)

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        return self.trouble.through("record", lambda: super(Book, self).record(record, announce))

    def mark_published(self, record_id: str) -> None:
        self.trouble.through("mark", lambda: super(Book, self).mark_published(record_id))


@dataclass
class Subscribers(FakeTopics):
    """The subscribers, in trouble."""

    trouble: Trouble = field(default_factory=Trouble)

    def publish(self, record: Record) -> None:
        self.trouble.through("publish", lambda: super(Subscribers, self).publish(record))


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ResolverRig]:
    """The resolver and all that it works with, and a recording of two files."""
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), resolver_rig(aws.Aws(), Rows) as made:
        made.cloud.hold(FILEID, Recording(FILES))
        yield made


def _in(trouble: Trouble, on: ResolverRig) -> ResolverRig:
    """The same, in trouble."""
    on.bucket = Media(on.media, trouble)
    on.store, on.topics = Book(trouble=trouble), Subscribers(trouble=trouble)
    assert isinstance(on.files, Rows)
    on.files.trouble = trouble
    return on


def _settle(on: ResolverRig) -> None:
    """Does the rest when all is well: redrives the spilled and, an hour later, relays the forgotten."""
    assert isinstance(on.files, Rows)
    on.files.trouble.attempts = 0
    if on.spill.messages:
        assert redrive(spilled(on.spill), Gate(on.store, on.topics, FakeSpill(), on.announce, FakeMedia())) == {
            "batchItemFailures": []
        }
    items = [item(record, announce=on.store.announce[record.id]) for record in on.store.records.values()]
    relayed = Relay(on.store, on.topics, FakeSpill(), 30.0, now=lambda: NOW + timedelta(hours=1))
    assert relay(stream_event(*items), relayed) == {"batchItemFailures": []}


def _assert_told(on: ResolverRig) -> None:
    """Sees that one event, of all files, is with the subscribers and marked, and that the copies are whole."""
    (record,) = on.store.records.values()
    assert {message.body for message in on.topics.messages} == {record.body}
    assert len(on.topics.messages) <= 2
    assert on.store.published == {record.id}
    on.topics.messages = [record]
    event = on.event
    assert (event["data"]["kind"], event["data"]["recording_id"]) == ("available", FILEID)
    copies = [file["copy"]["key"] for file in event["data"]["files"]]
    assert [on.stored[key] for key in copies] == [on.cloud.content(name) for name in on.cloud.names(FILEID)]
    # Copies of a try that was cut off before it was noted lie beside them, and go with them.
    assert all(key.startswith(f"eye4/{event['id']}/") for key in on.stored)
    assert len(on.stored) <= len(copies) + 3


def test_these_are_the_steps(healthy: ResolverRig) -> None:
    trouble = Trouble()
    on = _in(trouble, healthy)
    on.resolve()

    assert trouble.done == list(STEPS)
    _assert_told(on)


@at_each_point
@pytest.mark.parametrize("announce", Announce)
def test_killed_at_any_step_and_run_again_there_is_one_event_and_it_is_announced(
    healthy: ResolverRig, announce: Announce, number: int, when: str
) -> None:
    healthy.announce = announce
    if announce is Announce.STREAM and STEPS[number] in ("publish", "mark"):
        number = STEPS.index("record")  # the last step there is
    on = _in(Trouble(number, when), healthy)
    with pytest.raises(Killed):
        on.resolve()
    on.now = NOW + timedelta(seconds=60)  # other times in whatever is written now

    assert on.resolve() == "available"
    _settle(on)

    _assert_told(on)


@at_each_point
def test_killed_at_any_step_what_is_noted_is_not_fetched_again(healthy: ResolverRig, number: int, when: str) -> None:
    on = _in(Trouble(number, when), healthy)
    with pytest.raises(Killed):
        on.resolve()
    noted = on.files.read(f"workshop/{FILEID}").copies
    fetched = dict(on.cloud.fetched)

    on.resolve()

    for position, name in enumerate(on.cloud.names(FILEID), start=1):
        again = 0 if any(f"/{position:03}-" in key for key in noted) else 1
        assert on.cloud.fetched[name] == fetched.get(name, 0) + again


@at_each_point
@pytest.mark.parametrize("attempts", [1, 3])
def test_aws_failing_at_any_step_and_recovering_there_is_one_event_and_it_is_announced(
    healthy: ResolverRig, attempts: int, number: int, when: str
) -> None:
    on = _in(Trouble(number, when, lambda: Unavailable("as told"), attempts), healthy)
    for _ in range(attempts + 1):
        try:
            on.resolve()
        except Unavailable:
            continue
        break
    else:
        pytest.fail("it does not recover")
    _settle(on)

    _assert_told(on)


@pytest.mark.parametrize("when", WHEN)
def test_neither_the_table_nor_the_queue_taking_the_event_it_comes_with_the_next_attempt(
    healthy: ResolverRig, when: str
) -> None:
    on = _in(Trouble(STEPS.index("record"), when, lambda: Unavailable("as told")), healthy)
    on.spill.down = True
    with pytest.raises(NotKept):
        on.resolve()

    on.spill.down = False
    assert on.resolve() == "available"
    _settle(on)

    _assert_told(on)


def test_the_first_event_stays_although_a_later_attempt_would_say_something_else(healthy: ResolverRig) -> None:
    """Killed when `available` is recorded; by the next attempt Eye4 has lost the files."""
    on = _in(Trouble(STEPS.index("record"), "after"), healthy)
    with pytest.raises(Killed):
        on.resolve()
    on.cloud.hold(FILEID, Recording(FILES, there_from=None))

    on.resolve(waited=100_000)
    _settle(on)

    (record,) = on.store.records.values()
    assert '"kind":"available"' in record.body
    assert {message.body for message in on.topics.messages} == {record.body}


CORRECTED: Final = ("taken", "keep", "copied", "record", "publish", "mark", "note_reported")
"""The side effects of one film that came after `missing` was said."""


@pytest.mark.parametrize("number", range(len(CORRECTED)), ids=CORRECTED)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("error", [Killed, lambda: Unavailable("as told")], ids=["killed", "AWS"])
def test_a_correction_is_one_event_and_announced_whatever_goes_wrong(
    healthy: ResolverRig, number: int, when: str, error: Callable[[], BaseException]
) -> None:
    healthy.cloud.hold(FILEID, Recording(there_from=None))
    assert healthy.resolve(waited=600) == "missing"
    (first,) = healthy.store.records.values()
    healthy.cloud.hold(FILEID, Recording((File("video", 9_000),)))
    healthy.files.arrived(f"workshop/{FILEID}", {"Key": FILEID})
    trouble = Trouble(number, when, error)
    on = _in(trouble, healthy)
    on.store.records[first.id], on.store.announce[first.id] = first, on.announce
    on.store.published.add(first.id)

    for _ in range(3):
        try:
            on.resolve()
        except (Killed, Unavailable):
            continue
        break
    _settle(on)

    _, second = on.store.records.values()
    assert f'"corrects":"{first.id}"' in second.body
    assert {message.id for message in on.topics.messages} >= {second.id}
    assert on.store.published == {first.id, second.id}
    reported = on.files.read(f"workshop/{FILEID}").reported
    assert reported is not None
    assert reported.event == second.id


def test_these_are_the_steps_of_a_correction(healthy: ResolverRig) -> None:
    healthy.cloud.hold(FILEID, Recording(there_from=None))
    healthy.resolve(waited=600)
    healthy.cloud.hold(FILEID, Recording((File("video", 9_000),)))
    first = dict(healthy.store.records)
    trouble = Trouble()
    on = _in(trouble, healthy)
    on.store.records.update(first)
    on.resolve()

    # The first of them is told again, and is there.
    assert [step for position, step in enumerate(trouble.done) if position != 3] == list(CORRECTED)


def test_an_event_that_was_spilled_and_comes_again_before_its_redrive_is_one(healthy: ResolverRig) -> None:
    on = _in(Trouble(STEPS.index("record"), "before", lambda: Unavailable("as told")), healthy)
    on.resolve()
    assert [step for _, step in on.spill.messages] == [Step.RECORD]
    on.now = NOW + timedelta(seconds=60)
    on.resolve()

    _settle(on)

    _assert_told(on)
