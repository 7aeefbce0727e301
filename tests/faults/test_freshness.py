"""Freshness is said by whoever publishes, at that moment: SNS or the table is away for an hour, and nobody acts."""

from datetime import timedelta

import pytest

from gatehouse.gate import Admission
from gatehouse.settings import Announce
from tests import aws
from tests.builders import some_record
from tests.faults.account import Account


def test_what_is_published_at_once_is_live(cloud: Account) -> None:
    assert cloud.gate().admit(some_record()) is Admission.ANNOUNCED

    assert cloud.arrivals() == ["live"]


@pytest.mark.parametrize("announce", Announce)
def test_what_sns_does_not_take_for_an_hour_is_late(cloud: Account, announce: Announce) -> None:
    cloud.away = {"sns"}
    assert cloud.gate(announce=announce).admit(some_record()) is Admission.RECORDED
    cloud.now += timedelta(hours=1)
    cloud.away = set()

    assert cloud.relay() == {"batchItemFailures": []}
    assert cloud.arrivals() == ["late"]


def test_what_the_relay_publishes_at_once_is_live(cloud: Account) -> None:
    cloud.gate(announce=Announce.STREAM).admit(some_record())
    cloud.now += timedelta(seconds=2)

    cloud.relay()
    assert cloud.arrivals() == ["live"]


@pytest.mark.parametrize("hours", [0, 1])
def test_what_waited_in_the_spill_queue_is_redriven_however_short(cloud: Account, hours: int) -> None:
    cloud.away = {"dynamodb"}
    assert cloud.gate().admit(some_record()) is Admission.SPILLED
    cloud.away = set()
    cloud.now += timedelta(hours=hours)

    assert cloud.redrive() == {"batchItemFailures": []}
    assert cloud.arrivals() == ["redriven"]


def test_a_publish_that_takes_its_time_is_late_by_then(cloud: Account) -> None:
    """Each call asks anew: what is in the second batch of the relay is as old as it is then."""
    records = [some_record(str(number)) for number in range(12)]
    for record in records:
        cloud.table.record(record, Announce.STREAM)
    seen = aws.calls(cloud.aws.sns, "sns.PublishBatch")

    def wait(**_more: object) -> None:
        cloud.now += timedelta(minutes=2)

    cloud.aws.sns.meta.events.register("before-send.sns.PublishBatch", wait)
    cloud.relay()

    told = [
        entry["MessageAttributes"]["arrival"]["StringValue"]
        for call in seen
        for entry in call["PublishBatchRequestEntries"]
    ]
    assert told == ["live"] * 10 + ["late"] * 2
