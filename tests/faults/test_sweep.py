"""Stored events are announced although the relay is off for days: by the schedule, without a person."""

from datetime import timedelta

import pytest

from functions.relay.sweep import NotAnnounced
from gatehouse.gate import Admission
from gatehouse.settings import Announce
from tests.builders import some_record
from tests.faults.account import Account

each_mode = pytest.mark.parametrize("announce", Announce)


@each_mode
def test_what_the_stream_has_forgotten_is_announced_by_the_sweep(cloud: Account, announce: Announce) -> None:
    """G5, G8: the relay is off for two days, the stream has nothing any more, and nobody does anything."""
    record = some_record()
    cloud.table.record(record, announce)  # and the gate dies, or leaves it to the relay
    cloud.now += timedelta(days=2)

    assert cloud.sweep() == 1

    assert cloud.arrivals() == ["redriven"]
    assert cloud.aws.item(record.id)["delivery"] == {"S": "published"}
    assert cloud.sweep() == 0
    assert cloud.arrivals() == []


def test_what_the_relay_may_still_be_at_is_left_to_it(cloud: Account) -> None:
    cloud.gate(announce=Announce.STREAM).admit(some_record())
    cloud.now += timedelta(minutes=14)

    assert cloud.sweep() == 0
    cloud.relay()
    assert cloud.arrivals() == ["late"]


def test_a_relay_that_comes_back_announces_nothing_that_the_sweep_has_announced(cloud: Account) -> None:
    for announce in Announce:
        cloud.table.record(some_record(announce), announce)
    cloud.now += timedelta(hours=3)
    cloud.sweep()

    cloud.relay()
    assert cloud.arrivals() == ["redriven"] * 2


def test_while_sns_is_away_the_sweep_says_so_and_the_next_one_announces(cloud: Account) -> None:
    cloud.table.record(some_record(), "inline")
    cloud.now += timedelta(days=2)
    cloud.away = {"sns"}
    with pytest.raises(NotAnnounced):
        cloud.sweep()
    cloud.away = set()

    assert cloud.sweep() == 1
    assert cloud.arrivals() == ["redriven"]


def test_after_an_outage_of_sns_the_sweep_and_redrive_do_not_announce_the_same_again(cloud: Account) -> None:
    """An event that the relay spilled is pending, and older than a quarter of an hour: both find it."""
    cloud.away = {"sns"}
    assert cloud.gate(announce=Announce.STREAM).admit(some_record()) is Admission.RECORDED
    cloud.relay()
    cloud.now += timedelta(hours=2)
    cloud.away = set()

    assert cloud.sweep() == 1
    assert cloud.redrive() == {"batchItemFailures": []}
    assert cloud.arrivals() == ["redriven"]


def test_an_event_that_the_gate_announced_is_not_the_sweeps(cloud: Account) -> None:
    cloud.gate().admit(some_record())
    cloud.now += timedelta(days=2)

    assert cloud.sweep() == 0
    assert cloud.arrivals() == ["live"]
