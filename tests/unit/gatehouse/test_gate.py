"""The one way of a push: with everything in order, with faults of AWS, and with odd pushes."""

import json
from collections.abc import Mapping

import pytest

from gatehouse.errors import NotKept, Unavailable
from gatehouse.events import EventBuilder, Person, Recognition
from gatehouse.gate import Admission, Gate
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count
from gatehouse.vocabulary import PersonKind
from tests.builders import NOW, some_record
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output

# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

UPLOAD = Upload("acme/1/face.jpg", b"\xff\xd8\xff", b"\0" * 32, "image/jpeg")


def test_a_spilled_picture_is_stored() -> None:
    media = FakeMedia()

    Gate(FakeStore(), FakeTopics(), FakeSpill(), Announce.INLINE, media).redo_picture(UPLOAD)

    assert media.pictures == {UPLOAD.key: UPLOAD}


def test_a_spilled_picture_that_is_not_taken_again_is_not_spilled_again() -> None:
    spill = FakeSpill()
    with pytest.raises(Unavailable):
        Gate(FakeStore(), FakeTopics(), spill, Announce.INLINE, FakeMedia(down=True)).redo_picture(UPLOAD)

    assert not spill.pictures


def test_a_picture_that_neither_bucket_nor_queue_takes_is_not_kept() -> None:
    gate = Gate(FakeStore(), FakeTopics(), FakeSpill(down=True), Announce.INLINE, FakeMedia(down=True))

    with pytest.raises(NotKept):
        gate.store_picture(UPLOAD)


# ─── The way again ────────────────────────────────────────────────────────────────────────────────────────────────────


each_step = pytest.mark.parametrize("step", [Step.RECORD, Step.PUBLISH])


@each_step
def test_a_spilled_event_is_announced_and_marked(step: Step) -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()
    if step is Step.PUBLISH:
        store.record(record, "inline")

    assert Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia()).redo(record, step) is Admission.ANNOUNCED
    assert topics.messages == [record]
    assert store.published == {record.id}


def test_a_spilled_event_that_was_recorded_after_all_is_a_duplicate() -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()
    store.record(record, "inline")

    assert (
        Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia()).redo(record, Step.RECORD) is Admission.DUPLICATE
    )
    assert not topics.messages


def test_a_spilled_event_is_left_to_the_relay_in_announce_mode_stream() -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()

    assert (
        Gate(store, topics, FakeSpill(), Announce.STREAM, FakeMedia()).redo(record, Step.RECORD) is Admission.RECORDED
    )
    assert store.announce == {record.id: "stream"}
    assert not topics.messages


@each_step
def test_a_spilled_event_that_is_not_taken_again_is_not_spilled_again(step: Step) -> None:
    spill = FakeSpill()
    with pytest.raises(Unavailable):
        Gate(FakeStore(down=True), FakeTopics(down=True), spill, Announce.INLINE, FakeMedia()).redo(some_record(), step)

    assert not spill.messages


# ─── Two happenings with one identity ─────────────────────────────────────────────────────────────────────────────────


def _of(person: str) -> Record:
    builder = EventBuilder(vendor="acme", account="A1", identity=["1"], received_at=NOW, payload={"person": person})
    common = builder.common(device="D1", occurred_at=None)
    event = builder.event(Recognition(**common, kind=PersonKind.STAFF, person=Person(id=person)))
    return Record.of(event, ("person.id",))


@pytest.mark.parametrize("announce", Announce)
def test_two_happenings_with_one_identity_are_both_kept_and_it_is_counted(announce: Announce, output: Output) -> None:
    store, topics = FakeStore(), FakeTopics()
    gate = Gate(store, topics, FakeSpill(), announce, FakeMedia())
    admissions = [gate.admit(_of(person)) for person in ("7", "8", "8", "7", "9")]

    new = Admission.ANNOUNCED if announce is Announce.INLINE else Admission.RECORDED
    duplicate = Admission.DUPLICATE
    assert admissions == [new, Admission.CONFLICT, duplicate, duplicate, Admission.CONFLICT]
    told = [json.loads(record.body)["data"] for record in store.records.values()]
    assert [data["person"]["id"] for data in told] == ["7", "8", "9"]
    assert [data.get("conflicts_with") for data in told] == [None, *[_of("7").id] * 2]
    assert [record.id for record in topics.messages] == (list(store.records) if announce is Announce.INLINE else [])
    assert output.counted[Count.CONFLICT] == 2
    assert store.published == {record.id for record in topics.messages}


def test_a_conflict_is_seen_on_the_way_again_too() -> None:
    store, topics, spill = FakeStore(), FakeTopics(), FakeSpill()
    gate = Gate(store, topics, spill, Announce.INLINE, FakeMedia())
    gate.admit(_of("7"))
    store.down = True
    assert gate.admit(_of("8")) is Admission.SPILLED
    store.down = False

    ((spilled, step),) = spill.messages
    assert gate.redo(spilled, step) is Admission.CONFLICT
    assert gate.redo(spilled, step) is Admission.DUPLICATE
    assert len(store.records) == len(topics.messages) == 2


def test_a_conflict_that_the_table_does_not_take_is_spilled_as_it_came() -> None:
    class Full(FakeStore):
        def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
            if self.records and record.id not in self.records:
                raise Unavailable("fake")
            return super().record(record, announce)

    store, spill = Full(), FakeSpill()
    gate = Gate(store, FakeTopics(), spill, Announce.INLINE, FakeMedia())
    gate.admit(_of("7"))

    assert gate.admit(_of("8")) is Admission.SPILLED
    assert [(record.id, record.deciding) for record, _ in spill.messages] == [(_of("8").id, {"person.id": "8"})]
