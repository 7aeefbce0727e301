"""The promises once more, each as one check on moto's AWS, and the proof that each check sees what it is there for.

A sabotage is a subclass of one of our own parts with one thing wrong; with it, the check has to fail.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest

from functions.relay.sweep import NotAnnounced
from gatehouse.deadline import Deadline
from gatehouse.errors import NotKept
from gatehouse.gate import Admission
from gatehouse.record import Record
from gatehouse.settings import Announce
from tests import aws, sabotages
from tests.builders import some_record
from tests.fakes import FakeMedia
from tests.faults.account import Account, Parts

type Check = Callable[[Account], None]

RECORD: Final = some_record()


def is_stored_and_announced_once(cloud: Account) -> None:
    gate = cloud.gate()
    assert gate.admit(RECORD) is Admission.ANNOUNCED
    assert gate.admit(RECORD) is Admission.DUPLICATE
    assert cloud.arrivals() == ["live"]


def is_stored_before_it_is_announced(cloud: Account) -> None:
    cloud.away = {"dynamodb"}
    assert cloud.gate().admit(RECORD) is Admission.SPILLED
    assert cloud.arrivals() == []


def is_refused_where_nobody_keeps_it(cloud: Account) -> None:
    cloud.away = {"dynamodb", "sqs"}
    with pytest.raises(NotKept):
        cloud.gate().admit(RECORD)


def is_refused_at_a_deadline_too(cloud: Account) -> None:
    cloud.away = {"dynamodb", "sqs"}
    with pytest.raises(NotKept):
        cloud.gate().within(Deadline(5, time.monotonic)).admit(RECORD)


def is_left_to_the_stream_where_the_relay_cannot_spill(cloud: Account) -> None:
    cloud.table.record(RECORD, Announce.STREAM)
    cloud.away = {"sns", "sqs"}
    assert len(cloud.relay()["batchItemFailures"]) == 1


def is_given_its_time_by_the_relay(cloud: Account) -> None:
    """The relay looks while the gate is between its record and its publish."""
    topics = cloud.topics()
    done: list[str] = []

    class Between:
        """SNS as the gate sees it: the relay is faster."""

        def publish(self, record: Record) -> None:
            cloud.sleep = lambda _: finish(record)
            cloud.relay()
            finish(record)

    def finish(record: Record) -> None:
        if not done:
            done.append(record.id)
            topics.publish(record)
            cloud.table.mark_published(record.id)

    gate = cloud.parts.gate(cloud.table, Between(), cloud.spill, Announce.INLINE, FakeMedia())
    gate.admit(RECORD)
    assert cloud.arrivals() == ["live"]


def is_not_announced_by_the_relay_again(cloud: Account) -> None:
    cloud.gate().admit(RECORD)
    cloud.now += timedelta(minutes=1)
    cloud.relay()
    assert cloud.arrivals() == ["live"]


def is_announced_by_redrive_after_an_outage_of_sns(cloud: Account) -> None:
    cloud.table.record(RECORD, Announce.STREAM)
    cloud.away = {"sns"}
    assert cloud.relay() == {"batchItemFailures": []}
    cloud.away = set()
    assert cloud.redrive() == {"batchItemFailures": []}
    assert cloud.arrivals() == ["redriven"]


def is_announced_by_the_relay_after_a_death(cloud: Account) -> None:
    """Its reads must not be behind: "not there" would be "nothing to do"."""
    cloud.table.record(RECORD, Announce.INLINE)
    cloud.now += timedelta(minutes=2)
    assert cloud.relay() == {"batchItemFailures": []}
    assert cloud.arrivals() == ["late"]


def is_announced_by_the_sweep_after_days(cloud: Account) -> None:
    cloud.table.record(RECORD, Announce.INLINE)
    cloud.now += timedelta(days=2)
    assert cloud.sweep() == 1
    assert cloud.arrivals() == ["redriven"]
    assert cloud.sweep() == 0


def is_not_taken_by_the_sweep_while_it_is_young(cloud: Account) -> None:
    cloud.table.record(RECORD, Announce.STREAM)
    cloud.now += timedelta(minutes=10)
    assert cloud.sweep() == 0


def is_still_the_sweeps_while_sns_is_away(cloud: Account) -> None:
    cloud.table.record(RECORD, Announce.INLINE)
    cloud.now += timedelta(days=2)
    cloud.away = {"sns"}
    with pytest.raises(NotAnnounced):
        cloud.sweep()
    cloud.away = set()
    assert cloud.sweep() == 1
    assert cloud.arrivals() == ["redriven"]


NOTICED: Final[dict[Check, tuple[Parts, ...]]] = {
    is_stored_and_announced_once: (Parts(table=sabotages.ReplacingTable),),
    is_stored_before_it_is_announced: (Parts(gate=sabotages.PublishesFirst),),
    is_refused_where_nobody_keeps_it: (Parts(gate=sabotages.Swallows), Parts(spill=sabotages.SwallowingQueue)),
    is_refused_at_a_deadline_too: (Parts(gate=sabotages.SwallowsInTime),),
    is_left_to_the_stream_where_the_relay_cannot_spill: (
        Parts(relay=sabotages.SwallowingRelay),
        Parts(spill=sabotages.SwallowingQueue),
    ),
    is_given_its_time_by_the_relay: (Parts(relay=sabotages.HastyRelay),),
    is_not_announced_by_the_relay_again: (
        Parts(relay=sabotages.BlindRelay),
        Parts(table=sabotages.NeverMarkedTable),
    ),
    is_announced_by_redrive_after_an_outage_of_sns: (Parts(gate=sabotages.DropsPublish),),
    is_announced_by_the_relay_after_a_death: (Parts(table=sabotages.InconsistentTable),),
    is_announced_by_the_sweep_after_days: (
        Parts(table=sabotages.InconsistentTable),
        Parts(table=sabotages.UnindexedTable),
        Parts(table=sabotages.NeverMarkedTable),
        Parts(sweep=sabotages.IdleSweep),
        Parts(sweep=sabotages.SilentSweep),
    ),
    is_not_taken_by_the_sweep_while_it_is_young: (Parts(sweep=sabotages.EagerSweep),),
    is_still_the_sweeps_while_sns_is_away: (Parts(sweep=sabotages.SilentSweep),),
}


def _name(of: Check | Parts) -> str:
    return str(of) if isinstance(of, Parts) else of.__name__


@pytest.mark.parametrize("check", NOTICED, ids=_name)
def test_an_event(check: Check, cloud: Account) -> None:
    check(cloud)


@pytest.mark.parametrize(
    ("check", "parts"), [(check, parts) for check, several in NOTICED.items() for parts in several], ids=_name
)
def test_a_sabotage_is_noticed(check: Check, parts: Parts, built: aws.Aws) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(Account(built, parts))
