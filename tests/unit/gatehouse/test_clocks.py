"""Notices of devices whose clock is wrong, and of no others."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from gatehouse.clocks import Clocks
from gatehouse.events import CloudEvent, EventBuilder, Notice
from gatehouse.record import Record
from gatehouse.vocabulary import Arrival, NoticeKind
from tests.builders import NOW


def _seen(
    clocks: Clocks,
    lag: float,
    *,
    device: str | None = "D1",
    at: datetime = NOW,
    arrival: Arrival | None = None,
    late: Arrival = Arrival.LATE,
) -> CloudEvent | None:
    """The notice, if any, when a push arrives with a lag of some seconds by its device's clock."""
    builder = EventBuilder(
        vendor="acme", account="A1", identity=[str(at)], received_at=at, payload={"secret": 1}, arrival=arrival
    )
    occurred_at = at - timedelta(seconds=lag)
    common = builder.common(device=device, occurred_at=occurred_at, device_name="Gate", site="S1", late=late)
    return clocks.wrong([builder.event(Notice(**common, kind=NoticeKind.TASK_FINISHED))], at)


def _last(lags: Sequence[float], clocks: Clocks | None = None) -> CloudEvent | None:
    known = clocks or Clocks()
    said = [_seen(known, lag, at=NOW + timedelta(minutes=number)) for number, lag in enumerate(lags)]
    return said[-1]


@pytest.mark.parametrize(
    ("lags", "offset", "zone"),
    [
        ([28_800, 28_801, 28_802], "-28800", "-08:00"),
        ([-28_800, -28_799, -28_800], "28800", "+08:00"),
        ([-20_700, -20_701, -20_700], "20701", "+05:45"),
        ([600, 610, 605], "-600", None),
        ([-61, -62, -61], "62", None),
        ([7_000_000, 7_000_000, 7_000_001], "-7000000", None),
    ],
)
def test_a_wrong_clock_is_named_with_its_offset_and_the_zone_it_looks_like(
    lags: list[float], offset: str, zone: str | None
) -> None:
    event = _last(lags)

    assert event is not None
    data = json.loads(Record.of(event).body)["data"]
    assert (data["kind"], data["device"], data["device_name"], data["site"]) == ("clock", "D1", "Gate", "S1")
    assert data["reference"] == {"offset_seconds": offset} | ({"zone": zone} if zone else {})
    assert "payload" not in data


@pytest.mark.parametrize(
    "lags",
    [
        [0, 0, 0],
        [1, 20, 3],
        [299, 299, 299],
        [-59, -59, -59],
        [28_800, 28_800],
        [28_800, 28_800, 1],
        [3_600, 7_200, 10_800],
        [86_400, 3_600, 60],
    ],
)
def test_a_right_clock_and_a_device_that_was_cut_off_are_not_named(lags: list[float]) -> None:
    assert _last(lags) is None


def test_it_is_said_once_a_day_whichever_process_sees_it() -> None:
    clocks = Clocks()
    first = _last([28_800] * 3, clocks)
    assert first is not None
    assert _last([28_800] * 5, clocks) is None
    another = _last([28_801] * 4, Clocks())
    assert another is None
    same = _last([28_801] * 3, Clocks())
    assert same is not None
    assert same.id == first.id

    tomorrow = [_seen(clocks, 28_800, at=NOW + timedelta(days=1)) for _ in range(3)]
    said = [event for event in tomorrow if event]
    assert len(said) == 1
    assert said[0].id != first.id


def test_another_offset_is_said_on_the_same_day() -> None:
    clocks = Clocks()
    assert _last([28_800] * 3, clocks)
    assert _last([-3_600] * 3, clocks)


def test_what_was_fetched_tells_nothing_of_a_clock() -> None:
    clocks = Clocks()
    assert not any(_seen(clocks, 28_800, arrival=Arrival.BACKFILL) for _ in range(5))


def test_what_waited_in_a_device_tells_of_its_clock_only_if_it_always_waited_as_long() -> None:
    clocks = Clocks()
    assert not any(_seen(clocks, 28_800 - 600 * number, late=Arrival.CACHED) for number in range(9))
    assert any(_seen(clocks, 28_800, late=Arrival.CACHED) for _ in range(3))


def test_a_push_that_tells_no_device_or_no_time_tells_nothing() -> None:
    clocks = Clocks()
    assert not any(_seen(clocks, 28_800, device=None) for _ in range(5))
    assert not any(_seen(clocks, 0) for _ in range(5))
    assert clocks.wrong([], NOW) is None


def test_a_device_that_is_long_unheard_of_is_forgotten_first() -> None:
    clocks = Clocks()
    _seen(clocks, 28_800, device="old")
    _seen(clocks, 28_800, device="old")
    for number in range(5000):
        _seen(clocks, 1, device=str(number))
    assert _seen(clocks, 28_800, device="old") is None
