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
from tests.rig import House
from tests.vendors import shapes, vendor_tests

every_push = pytest.mark.parametrize(("vendor", "shape"), shapes())
_ELSEWHERE = frozenset({Count.DECISION, Count.DECISION_LATE, Span.DECISION})
"""Counts of what a vendor does besides: no part of the way through the gate."""


def _of(vendor: str, shape: str, announce: Announce = Announce.INLINE) -> tuple[House[Any], Request, int]:
    """A vendor's function, a push, and how many events it is."""
    own = vendor_tests(vendor)
    return own.house(announce=announce), own.push(shape), own.SHAPES[shape]


def _counted(output: Output) -> dict[str, float]:
    return {name: number for name, number in output.counted.items() if name not in _ELSEWHERE}


@every_push
def test_a_push_is_recorded_published_marked_and_acknowledged(vendor: str, shape: str, output: Output) -> None:
    house, push, events = _of(vendor, shape)

    assert house.send(push).status == 200
    assert len(house.stored) == events
    assert house.published == house.stored
    assert house.store.published == set(house.store.records)
    assert set(house.store.announce.values()) == {"inline"}
    assert _counted(output) == {Count.RECORDED: events, Count.PUBLISHED: events}


@every_push
def test_the_same_push_sent_five_times_is_one_record_and_one_message(vendor: str, shape: str) -> None:
    house, push, events = _of(vendor, shape)

    answers = [house.send(push, at=NOW + seconds(late)) for late in range(5)]

    assert {answer.status for answer in answers} == {200}
    assert answers[0] == answers[-1]
    assert len(house.stored) == len(house.published) == events


@pytest.mark.parametrize(("vendor", "shape"), [found for found in shapes() if found not in shapes(2)])
def test_the_same_push_sent_five_times_at_once_is_one_record_and_one_message(vendor: str, shape: str) -> None:
    house, push, _ = _of(vendor, shape)
    house.store = SharedStore(barrier=Barrier(5, timeout=10))

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(house.send, [push] * 5))

    assert [answer.status for answer in answers] == [200] * 5
    assert len(house.stored) == len(house.published) == 1


@every_push
def test_in_announce_mode_stream_a_push_is_recorded_and_not_published(vendor: str, shape: str, output: Output) -> None:
    house, push, events = _of(vendor, shape, Announce.STREAM)

    assert house.send(push).status == 200
    assert list(house.store.announce.values()) == ["stream"] * events
    assert not house.topics.messages
    assert not house.store.published
    assert _counted(output) == {Count.RECORDED: events}


@every_push
def test_when_the_table_is_down_the_event_is_spilled_and_acknowledged(vendor: str, shape: str, output: Output) -> None:
    house, push, events = _of(vendor, shape)
    house.store.down = True

    assert house.send(push).status == 200
    assert [step for _, step in house.spill.messages] == [Step.RECORD] * events
    assert all(json.loads(record.body)["data"]["payload"] for record, _ in house.spill.messages)
    assert not house.topics.messages
    assert _counted(output) == {Count.SPILLED: events}


@every_push
def test_when_the_spill_queue_is_down_as_well_the_vendor_is_asked_to_send_again(
    vendor: str, shape: str, output: Output
) -> None:
    house, push, events = _of(vendor, shape)
    house.store.down = house.spill.down = house.media.down = True

    answer = house.send(push)

    if shape in vendor_tests(vendor).ANSWERED_ANYWAY:
        assert answer.status == 200
    else:
        assert (answer.status, answer.reason) == (503, "unavailable")
    assert house.is_untouched
    assert output.counted[Count.NOT_KEPT] >= 1
    assert (Count.FAILED in output.counted) is (answer.status == 503)

    house.store.down = house.media.down = False
    assert house.send(push).status == 200
    assert len(house.published) == events


@every_push
def test_when_the_topics_are_down_the_record_stays_pending_for_the_relay(
    vendor: str, shape: str, output: Output
) -> None:
    house, push, events = _of(vendor, shape)
    house.topics.down = True

    assert house.send(push).status == 200
    assert house.store.pending(list(house.store.records)) == set(house.store.records)
    assert not house.spill.messages
    assert _counted(output) == {Count.RECORDED: events, Count.LEFT_TO_RELAY: events}


@every_push
def test_when_the_mark_fails_the_push_is_acknowledged_and_stays_pending(
    vendor: str, shape: str, output: Output
) -> None:
    house, push, events = _of(vendor, shape)
    house.store = UnmarkableStore()

    assert house.send(push).status == 200
    assert len(house.published) == events
    assert house.store.pending(list(house.store.records)) == set(house.store.records)
    assert _counted(output) == {Count.RECORDED: events, Count.PUBLISHED: events}
    assert [line["message"] for line in output.logged] == ["published, but not marked so"] * events
