"""The sweep: the Lambda behind a schedule announces records that gate and relay left pending.

The relay sees a record for as long as the table's stream has it, which is a day, and only while it is switched on. The
sweep finds every record that is pending for longer than gate and relay need, of any age, in the table's own index of
pending records.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from gatehouse import aws, edge
from gatehouse.errors import Unavailable
from gatehouse.record import Record
from gatehouse.settings import GateSettings
from gatehouse.store import FORGOTTEN
from gatehouse.telemetry import Count, count, log
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import Arrival

_SECONDS = 600.0
"""Seconds after which a run begins no further batch. The last batch takes 150 s if every call runs into its time-out;
together that is below the function's 900 s. The next run continues."""
_AT_ONCE = 10


class ForgottenRecords(Protocol):
    """The port to the events table, for the sweep."""

    def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
        """Yields the records that were written before a moment and not announced, in batches. Raises `Unavailable`."""

    def mark_published(self, record_id: str) -> None:
        """Marks a record as announced. Raises `Unavailable`."""


class Announcer(Protocol):
    """The port to SNS, for the sweep."""

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        """Announces records. Returns the ids of those that SNS took."""


class NotAnnounced(Unavailable):
    """Some records are still pending. The next run tries again."""


class Sweep:
    """Announces records that gate and relay left pending.

    It spills nothing: a record that SNS does not take stays pending, and the next run finds it again.
    """

    def __init__(
        self,
        table: ForgottenRecords,
        topics: Announcer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._topics = topics
        self._now = now
        self._monotonic = monotonic

    def announce(self) -> int:
        """Announces the forgotten records, for as long as there is time.

        Returns:
            the number of records that were announced.

        Raises:
            NotAnnounced: SNS did not take some of them, or the time was up.
            Unavailable: the table did not tell which records are pending.
        """
        ends_at = self._monotonic() + _SECONDS
        now = self._now()
        announced = refused = 0
        for batch in self._table.forgotten(now - FORGOTTEN, first=int(now.timestamp()) // 900):
            if self._monotonic() > ends_at:
                raise NotAnnounced(f"the time was up after {announced} records")
            taken = self._topics.publish_all(batch)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(self._mark, [record for record in batch if record.id in taken]))
            announced += len(taken)
            refused += len(batch) - len(taken)
        if refused:
            raise NotAnnounced(f"SNS did not take {refused} records, and {announced} it did")
        return announced

    def _mark(self, record: Record) -> None:
        count(Count.PUBLISHED, record.vendor)
        count(Count.SWEPT, record.vendor)
        log.warning("announced by the sweep: it was forgotten", event_id=record.id)
        try:
            self._table.mark_published(record.id)
        except Unavailable as error:
            log.warning("published, but not marked so", event_id=record.id, error=str(error))


def handle(_event: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    """Does one run of the schedule. It ends with an error if a record cannot be announced; an alarm watches for that.

    Returns:
        `{"announced": <number>}`.
    """
    return {"announced": sweep.announce()}


def _sweep() -> Sweep:
    settings = GateSettings.read(os.environ)
    return Sweep(
        table=edge.events_table(settings),
        topics=SnsTopics(aws.client("sns"), settings.topic_arns, settings.live, always=Arrival.REDRIVEN),
    )


lambda_handler = edge.triggered(_sweep, handle)
