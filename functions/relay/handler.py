"""The relay: the Lambda behind the events table's stream publishes records that are not announced.

In announce mode `inline` the gate publishes, and the relay takes over if an invocation died between record and publish.
In announce mode `stream` the relay publishes everything. Each record holds the mode that it was written in.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import Field

from gatehouse import aws, edge
from gatehouse.errors import NotKept, Unavailable
from gatehouse.ports import Spill
from gatehouse.record import Record
from gatehouse.settings import Announce, GateSettings
from gatehouse.spill import SpillQueue, Step
from gatehouse.telemetry import Count, count, log
from gatehouse.topics import SnsTopics

# A call takes 6 s at most (gatehouse.aws). A batch of 100 records of all types takes 14 publishes at most, 84 s, then
# 100 marks or spills, 60 s. With ten reads of the table, 60 s, the longest grace, 120 s, and the patience, this stays
# below the function's 600 s.
_AT_ONCE = 10
_PATIENCE = 240.0
"""Seconds for which one invocation waits for a table that is away. After that the stream sends the batch again."""
_FIRST_TRY = 15.0
"""Age in seconds from which on a record has most likely been in an earlier batch."""
_FIRST_PAUSE = 0.25
"""Seconds before the second read; each further pause is twice as long. Most gates are done within the first."""


class RelaySettings(GateSettings):
    """Settings of the relay."""

    relay_grace: float = Field(default=30, ge=30, le=120)
    """Seconds after which an invocation of the gate will not announce its record any more."""


class PendingRecords(Protocol):
    """The port to the events table, for the relay."""

    def pending(self, ids: Sequence[str]) -> set[str]:
        """Returns those of the records that have not been announced. Raises `Unavailable`."""

    def mark_published(self, record_id: str) -> None:
        """Marks a record as announced. Raises `Unavailable`."""


class Announcer(Protocol):
    """The port to SNS, for the relay."""

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        """Announces records. Returns the ids of those that SNS took."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """A record that was just written, from the stream."""

    sequence_number: str
    record: Record
    announce: str
    recorded_at: datetime


class Relay:
    """Announces a batch of the stream."""

    def __init__(
        self,
        table: PendingRecords,
        topics: Announcer,
        spill: Spill,
        grace: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A relay.

        Args:
            table: the events table.
            topics: the subscribers.
            spill: the queue for events that SNS does not take.
            grace: seconds that the gate is given to announce its record.
            now: a clock.
            sleep: waits for seconds.
        """
        self._table = table
        self._topics = topics
        self._spill = spill
        self._grace = grace
        self._now = now
        self._sleep = sleep

    def announce(self, batch: Sequence[Inserted]) -> set[str]:
        """Announces the records of mode `stream`, and those of mode `inline` that the gate left.

        A record that SNS does not take is spilled.

        Returns:
            the ids of those that could be neither announced nor spilled.

        Raises:
            Unavailable: the table does not tell which records are pending; the stream sends the batch again.
        """
        by_gate = [entry for entry in batch if entry.announce == Announce.INLINE]
        forgotten = self._forgotten(by_gate)
        by_relay = [entry for entry in batch if entry.announce == Announce.STREAM]
        announced = self._announced_before(by_relay)
        wanted = forgotten | {entry.record.id for entry in by_relay} - announced
        records = [entry.record for entry in batch if entry.record.id in wanted]
        taken = self._topics.publish_all(records)
        # In parallel: a hundred calls have to fit the function's time even if each runs into its time-out.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._mark, [record for record in records if record.id in taken]))
            left = [record for record in records if record.id not in taken]
            spilled = list(pool.map(self._spilled, left))
        return {record.id for record, kept in zip(left, spilled, strict=True) if not kept}

    def _forgotten(self, entries: Sequence[Inserted]) -> set[str]:
        pending = self._pending([entry.record.id for entry in entries]) if entries else set()
        pause, waited = _FIRST_PAUSE, 0.0
        while pending:
            # The gate may be announcing a recent record at this very moment. It gets its grace, so that a push that
            # arrives just before the batching window closes is not announced twice.
            youngest = max(entry.recorded_at for entry in entries if entry.record.id in pending)
            left = self._grace - max((self._now() - youngest).total_seconds(), waited)  # the gate's clock may be ahead
            if left <= 0:
                break
            self._sleep(min(pause, left))
            waited += min(pause, left)
            pause *= 2
            pending = self._pending(sorted(pending))
        return pending

    def _announced_before(self, entries: Sequence[Inserted]) -> set[str]:
        """The ids that were announced before. The stream repeats a batch if one of its records failed."""
        old = [entry.record.id for entry in entries if (self._now() - entry.recorded_at).total_seconds() > _FIRST_TRY]
        return set(old) - self._pending(old) if old else set()

    def _pending(self, ids: Sequence[str]) -> set[str]:
        """Returns the ids that have not been announced. Waits for a table that is away, up to `_PATIENCE`.

        Raises:
            Unavailable: the table is away for longer.
        """
        waited, pause = 0.0, 1.0
        while True:
            try:
                return self._table.pending(ids)
            except Unavailable as error:
                if waited >= _PATIENCE:
                    raise
                log.warning("the table does not say what is pending: asked again", error=str(error))
            self._sleep(pause)
            waited += pause
            pause = min(pause * 2, 30.0)

    def _mark(self, record: Record) -> None:
        count(Count.PUBLISHED, record.vendor)
        try:
            self._table.mark_published(record.id)
        except Unavailable as error:
            log.warning("published, but not marked so", event_id=record.id, error=str(error))

    def _spilled(self, record: Record) -> bool:
        try:
            self._spill.send(record, Step.PUBLISH)
        except NotKept as error:
            log.error("neither published nor spilled", event_id=record.id, error=str(error))
            return False
        log.warning("spilled: the topic did not take the event", event_id=record.id)
        count(Count.SPILLED, record.vendor)
        return True


def inserted(stream_record: Mapping[str, Any]) -> Inserted:
    """Reads a record of the table's stream.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html

    Raises:
        KeyError: the item is not one that `EventsTable` writes.
        ValueError: its event is none of ours.
    """
    change = stream_record["dynamodb"]
    item = change["NewImage"]
    return Inserted(
        sequence_number=change["SequenceNumber"],
        record=Record.parse(item["event"]["S"]),
        announce=item["announce"]["S"],
        recorded_at=datetime.fromisoformat(item["recorded_at"]["S"]),
    )


def handle(event: Mapping[str, Any], relay: Relay) -> dict[str, Any]:
    """Announces a batch, and names the records that the stream has to send again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html

    Returns:
        the partial batch response: `{"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}`.
    """
    batch = [inserted(entry) for entry in event["Records"]]
    failed = relay.announce(batch)
    return {
        "batchItemFailures": [{"itemIdentifier": entry.sequence_number} for entry in batch if entry.record.id in failed]
    }


def _relay() -> Relay:
    settings = RelaySettings.read(os.environ)
    return Relay(
        table=edge.events_table(settings),
        topics=SnsTopics(aws.client("sns"), settings.topic_arns, settings.live),
        spill=SpillQueue(lambda: aws.client("sqs"), settings.spill_queue_url),
        grace=settings.relay_grace,
    )


lambda_handler = edge.triggered(_relay, handle)
