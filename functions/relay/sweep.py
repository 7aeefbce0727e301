"""Announces what was stored and forgotten: the Lambda behind a schedule.

The relay looks after what the gate did not announce, for as long as the table's stream has it, which is a day, and
while somebody lets it run. What is pending for longer than either takes is found here, however old it is, in the
table's own index of what is pending.
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
"""How long one run goes on; with the last batch, 150 s when every call runs into its time-out, below the function's
900 s. What is left then is the next run's."""
_AT_ONCE = 10


class ForgottenRecords(Protocol):
    """The port to the events table, for the sweep."""

    def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
        """The records that were written before a moment and not announced, some at a time. Raises `Unavailable`."""

    def mark_published(self, record_id: str) -> None:
        """Says that one was announced. Raises `Unavailable`."""


class Announcer(Protocol):
    """The port to SNS, for the sweep."""

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        """Announces; returns the ids of those that were taken."""


class NotAnnounced(Unavailable):
    """Some records are as forgotten as before; the next run takes them up again."""


class Sweep:
    """Announces what is pending and should not be.

    It publishes by itself and spills nothing: what SNS does not take is still pending, which is all that the next run
    has to know, however many of them fail.
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
        """Announces what is forgotten, for as long as there is time; returns how many that were.

        Raises:
            NotAnnounced: SNS did not take some of it, or there was no time for it.
            Unavailable: the table did not say what is forgotten.
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
    """One run of the schedule. What it cannot announce ends it with an error, on which an alarm stands."""
    return {"announced": sweep.announce()}


def _sweep() -> Sweep:
    settings = GateSettings.read(os.environ)
    return Sweep(
        table=edge.events_table(settings),
        topics=SnsTopics(aws.client("sns"), settings.topic_arns, settings.live, always=Arrival.REDRIVEN),
    )


lambda_handler = edge.triggered(_sweep, handle)
