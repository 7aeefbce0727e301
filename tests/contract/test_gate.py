"""One way through the gate for every push of every vendor, when AWS is well and when it is not."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count, Span
from ops.simulators import Request
from tests.builders import NOW, seconds
from tests.fakes import SharedStore, UnmarkableStore
from tests.output import Output
from tests.rig import Rig
from tests.vendors import shapes, vendor_tests

every_push = pytest.mark.parametrize(("vendor", "shape"), shapes())
_ELSEWHERE = frozenset({Count.DECISION, Count.DECISION_LATE, Span.DECISION})
"""Counts of what a vendor does besides: no part of the way through the gate."""


def _of(vendor: str, shape: str, announce: Announce = Announce.INLINE) -> tuple[Rig[Any], Request, int]:
    """A vendor's function, a push, and how many events it is."""
    own = vendor_tests(vendor)
    return own.rig(announce=announce), own.push(shape), own.SHAPES[shape]


def _counted(output: Output) -> dict[str, float]:
    return {name: number for name, number in output.counted.items() if name not in _ELSEWHERE}


@every_push
def test_a_push_is_recorded_published_marked_and_acknowledged(vendor: str, shape: str, output: Output) -> None:
    rig, push, events = _of(vendor, shape)

    assert rig.send(push).status == 200
    assert len(rig.stored) == events
    assert rig.published == rig.stored
    assert rig.store.published == set(rig.store.records)
    assert set(rig.store.announce.values()) == {"inline"}
    assert _counted(output) == {Count.RECORDED: events, Count.PUBLISHED: events}


@every_push
def test_the_same_push_sent_five_times_is_one_record_and_one_message(vendor: str, shape: str) -> None:
    rig, push, events = _of(vendor, shape)

    answers = [rig.send(push, at=NOW + seconds(late)) for late in range(5)]

    assert {answer.status for answer in answers} == {200}
    assert answers[0] == answers[-1]
    assert len(rig.stored) == len(rig.published) == events


@pytest.mark.parametrize(("vendor", "shape"), [found for found in shapes() if found not in shapes(2)])
def test_the_same_push_sent_five_times_at_once_is_one_record_and_one_message(vendor: str, shape: str) -> None:
    rig, push, _ = _of(vendor, shape)
    rig.store = SharedStore(barrier=Barrier(5, timeout=10))

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(rig.send, [push] * 5))

    assert [answer.status for answer in answers] == [200] * 5
    assert len(rig.stored) == len(rig.published) == 1


@every_push
def test_in_announce_mode_stream_a_push_is_recorded_and_not_published(vendor: str, shape: str, output: Output) -> None:
    rig, push, events = _of(vendor, shape, Announce.STREAM)

    assert rig.send(push).status == 200
    assert list(rig.store.announce.values()) == ["stream"] * events
    assert not rig.topics.messages
    assert not rig.store.published
    assert _counted(output) == {Count.RECORDED: events}


@every_push
def test_when_the_table_is_down_the_event_is_spilled_and_acknowledged(vendor: str, shape: str, output: Output) -> None:
    rig, push, events = _of(vendor, shape)
    rig.store.down = True

    assert rig.send(push).status == 200
    assert [step for _, step in rig.spill.messages] == [Step.RECORD] * events
    assert all(json.loads(record.body)["data"]["payload"] for record, _ in rig.spill.messages)
    assert not rig.topics.messages
    assert _counted(output) == {Count.SPILLED: events}


@every_push
def test_when_the_spill_queue_is_down_as_well_the_vendor_is_asked_to_send_again(
    vendor: str, shape: str, output: Output
) -> None:
    rig, push, events = _of(vendor, shape)
    rig.store.down = rig.spill.down = rig.media.down = True

    answer = rig.send(push)

    if shape in vendor_tests(vendor).ANSWERED_ANYWAY:
        assert answer.status == 200
    else:
        assert (answer.status, answer.reason) == (503, "unavailable")
    assert rig.is_untouched
    assert output.counted[Count.NOT_KEPT] >= 1
    assert (Count.FAILED in output.counted) is (answer.status == 503)

    rig.store.down = rig.media.down = False
    assert rig.send(push).status == 200
    assert len(rig.published) == events


@every_push
def test_when_the_topics_are_down_the_record_stays_pending_for_the_relay(
    vendor: str, shape: str, output: Output
) -> None:
    rig, push, events = _of(vendor, shape)
    rig.topics.down = True

    assert rig.send(push).status == 200
    assert rig.store.pending(list(rig.store.records)) == set(rig.store.records)
    assert not rig.spill.messages
    assert _counted(output) == {Count.RECORDED: events, Count.LEFT_TO_RELAY: events}


@every_push
def test_when_the_mark_fails_the_push_is_acknowledged_and_stays_pending(
    vendor: str, shape: str, output: Output
) -> None:
    rig, push, events = _of(vendor, shape)
    rig.store = UnmarkableStore()

    assert rig.send(push).status == 200
    assert len(rig.published) == events
    assert rig.store.pending(list(rig.store.records)) == set(rig.store.records)
    assert _counted(output) == {Count.RECORDED: events, Count.PUBLISHED: events}
    assert [line["message"] for line in output.logged] == ["published, but not marked so"] * events
