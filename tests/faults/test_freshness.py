"""Freshness is said by whoever publishes, at that moment: SNS or the table is away for an hour, and nobody acts."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.redrive import handler as redrive
from functions.relay.handler import Relay, handle
from gatehouse.events import Arrival, Topic
from gatehouse.gate import Admission, Gate
from gatehouse.settings import Announce
from gatehouse.spill import SpillQueue
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from tests import aws
from tests.builders import NOW, some_record, stream_event


class Account:
    """moto's AWS with a clock, and with services that can be away."""

    def __init__(self, account: aws.Aws) -> None:
        self.aws = account
        self.now = NOW
        self.away: set[str] = set()
        for client in (account.dynamodb, account.sns, account.sqs):
            client.meta.events.register("before-send.*.*", self._send)
        self.table = EventsTable(account.dynamodb, aws.TABLE, 90, self.clock)
        self.spill = SpillQueue(lambda: account.sqs, account.spill_url)

    def clock(self) -> datetime:
        return self.now

    def _send(self, request: Any, **_more: object) -> None:
        service = next((name for name in self.away if name in request.url or name in str(request.headers)), None)
        if service:
            raise EndpointConnectionError(endpoint_url=service)

    def gate(self, always: Arrival | None = None, announce: Announce = Announce.INLINE) -> Gate:
        topics = SnsTopics(self.aws.sns, self.aws.topic_arns, always=always, now=self.clock)
        return Gate(self.table, topics, self.spill, announce)

    def relay(self) -> Relay:
        topics = SnsTopics(self.aws.sns, self.aws.topic_arns, now=self.clock)
        return Relay(self.table, topics, self.spill, grace=30, now=self.clock, sleep=lambda _: None)

    def arrivals(self) -> list[str]:
        """The freshness of each message that came to the subscriber, and that its event had when it arrived."""
        messages = self.aws.received(self.aws.queue_urls[Topic.NOTICE])
        assert {json.loads(message["body"])["data"]["arrival"] for message in messages} <= {"live"}
        return [message["attributes"]["arrival"] for message in messages]


@pytest.fixture
def account() -> Iterator[Account]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.ENVIRONMENT.items():
            patch.setenv(name, value)
        with aws.built_aws() as built:
            yield Account(built)


def test_what_is_published_at_once_is_live(account: Account) -> None:
    assert account.gate().admit(some_record()) is Admission.ANNOUNCED

    assert account.arrivals() == ["live"]


@pytest.mark.parametrize("announce", Announce)
def test_what_sns_does_not_take_for_an_hour_is_late(account: Account, announce: Announce) -> None:
    account.away = {"sns"}
    assert account.gate(announce=announce).admit(some_record()) is Admission.RECORDED
    (item,) = account.aws.items()
    account.now += timedelta(hours=1)
    account.away = set()

    assert handle(stream_event(item), account.relay()) == {"batchItemFailures": []}
    assert account.arrivals() == ["late"]


def test_what_the_relay_publishes_at_once_is_live(account: Account) -> None:
    account.gate(announce=Announce.STREAM).admit(some_record())
    (item,) = account.aws.items()
    account.now += timedelta(seconds=2)

    handle(stream_event(item), account.relay())
    assert account.arrivals() == ["live"]


@pytest.mark.parametrize("hours", [0, 1])
def test_what_waited_in_the_spill_queue_is_redriven_however_short(account: Account, hours: int) -> None:
    account.away = {"dynamodb"}
    assert account.gate().admit(some_record()) is Admission.SPILLED
    account.away = set()
    account.now += timedelta(hours=hours)
    (message,) = account.aws.received(account.aws.spill_url)
    batch = {
        "Records": [
            {
                "messageId": "m",
                "receiptHandle": "r",
                "body": message["body"],
                "attributes": {},
                "messageAttributes": {
                    name: {"stringValue": word, "dataType": "String"} for name, word in message["attributes"].items()
                },
                "eventSource": "aws:sqs",
            }
        ]
    }

    assert redrive.handle(batch, account.gate(Arrival.REDRIVEN)) == {"batchItemFailures": []}
    assert account.arrivals() == ["redriven"]


def test_a_publish_that_takes_its_time_is_late_by_then(account: Account) -> None:
    """Each call asks anew: what is in the second batch of the relay is as old as it is then."""
    records = [some_record(str(number)) for number in range(12)]
    for record in records:
        account.table.record(record, Announce.STREAM)
    seen = aws.calls(account.aws.sns, "sns.PublishBatch")

    def wait(**_more: object) -> None:
        account.now += timedelta(minutes=2)

    account.aws.sns.meta.events.register("before-send.sns.PublishBatch", wait)
    handle(stream_event(*account.aws.items()), account.relay())

    told = [
        entry["MessageAttributes"]["arrival"]["StringValue"]
        for call in seen
        for entry in call["PublishBatchRequestEntries"]
    ]
    assert told == ["live"] * 10 + ["late"] * 2
