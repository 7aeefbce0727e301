"""moto's AWS with a clock, services that can be away and reads that may be behind, and our own parts on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import EndpointConnectionError

from functions.redrive import handler as redrive
from functions.relay.handler import Relay, handle
from functions.relay.sweep import Sweep
from gatehouse.gate import Gate
from gatehouse.settings import Announce
from gatehouse.spill import SpillQueue
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import Arrival, Topic
from tests import aws
from tests.builders import NOW, sqs_message, stream_event
from tests.fakes import FakeMedia


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The classes that do the work; a sabotage is another one in the place of one of them."""

    table: type[EventsTable] = EventsTable
    spill: type[SpillQueue] = SpillQueue
    gate: type[Gate] = Gate
    relay: type[Relay] = Relay
    sweep: type[Sweep] = Sweep

    def __str__(self) -> str:
        kinds = (self.table, self.spill, self.gate, self.relay, self.sweep)
        return next((kind.__name__ for kind in kinds if not kind.__module__.startswith(("gatehouse", "functions"))), "")


@dataclass
class Account:
    """An AWS account, and what of ours runs in it."""

    aws: aws.Aws
    parts: Parts = Parts()
    now: datetime = NOW
    away: set[str] = field(default_factory=set)
    """The services that do not answer."""
    sleep: Callable[[float], None] = lambda _: None
    """Called while the relay sleeps."""
    _is_consistent: bool = True

    def __post_init__(self) -> None:
        for client in (self.aws.dynamodb, self.aws.sns, self.aws.sqs):
            client.meta.events.register("before-send.*.*", self._send)
        events = self.aws.dynamodb.meta.events
        events.register("provide-client-params.dynamodb.BatchGetItem", self._asked)
        events.register("after-call.dynamodb.BatchGetItem", self._answered)
        self.table = self.parts.table(self.aws.dynamodb, aws.TABLE, 90, self.clock)
        self.spill = self.parts.spill(lambda: self.aws.sqs, self.aws.spill_url)

    def clock(self) -> datetime:
        return self.now

    def _send(self, request: Any, **_more: object) -> None:
        service = next((name for name in self.away if name in request.url or name in str(request.headers)), None)
        if service:
            raise EndpointConnectionError(endpoint_url=service)

    def _asked(self, params: dict[str, Any], **_more: object) -> None:
        self._is_consistent = all(table.get("ConsistentRead") for table in params["RequestItems"].values())

    def _answered(self, parsed: dict[str, Any], **_more: object) -> None:
        """Answers a read that does not ask for consistency from a replica that has heard of nothing yet."""
        if not self._is_consistent and "Responses" in parsed:
            parsed["Responses"] = {table: [] for table in parsed["Responses"]}

    def topics(self, always: Arrival | None = None) -> SnsTopics:
        return SnsTopics(self.aws.sns, self.aws.topic_arns, always=always, now=self.clock)

    def gate(self, always: Arrival | None = None, announce: Announce = Announce.INLINE) -> Gate:
        return self.parts.gate(self.table, self.topics(always), self.spill, announce, FakeMedia())

    def relay(self) -> dict[str, Any]:
        """The relay gets all that is in the table, as if it had just been written."""
        relay = self.parts.relay(self.table, self.topics(), self.spill, grace=30, now=self.clock, sleep=self._asleep)
        return handle(stream_event(*self.aws.items()), relay)

    def _asleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.sleep(seconds)

    def sweep(self) -> int:
        """One run of the schedule."""
        return self.parts.sweep(self.table, self.topics(Arrival.REDRIVEN), now=self.clock).announce()

    def redrive(self) -> dict[str, Any]:
        """Redrive gets all that is in the spill queue."""
        batch = [
            sqs_message(message["body"], message["attributes"], str(number))
            for number, message in enumerate(self.aws.received(self.aws.spill_url))
        ]
        return redrive.handle({"Records": batch}, self.gate(Arrival.REDRIVEN)) if batch else {"batchItemFailures": []}

    def arrivals(self) -> list[str]:
        """The freshness of each message that came to the subscriber since the last look."""
        messages = self.aws.received(self.aws.queue_urls[Topic.NOTICE])
        # In the event itself it is as of the receipt, and is never rewritten.
        assert {message["event"]["data"]["arrival"] for message in messages} <= {"live"}
        return [message["attributes"]["arrival"] for message in messages]
