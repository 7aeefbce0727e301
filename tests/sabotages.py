"""Our own parts, each with one thing wrong: the tests that hold promises are to notice."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from functions.relay.handler import Inserted, Relay
from functions.relay.sweep import Sweep
from gatehouse.deadline import BoundedSpill, Deadline
from gatehouse.errors import NotKept, Unavailable
from gatehouse.gate import Admission, Gate
from gatehouse.record import Record
from gatehouse.spill import SpillQueue, Step
from gatehouse.store import FORGOTTEN, Delivery, EventsTable, Keys

# ─── The gate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class PublishesFirst(Gate):
    """Announces before it records."""

    def admit(self, record: Record) -> Admission:
        try:
            self._topics.publish(record)
            new = self._store.record(record, self._announce) is None
        except Unavailable:
            self._spill.send(record, Step.RECORD)
            return Admission.SPILLED
        if new:
            self._store.mark_published(record.id)
        return Admission.ANNOUNCED


class Swallows(Gate):
    """Acknowledges what nobody kept."""

    def admit(self, record: Record) -> Admission:
        try:
            return super().admit(record)
        except NotKept:
            return Admission.SPILLED


class MarksFirst(Gate):
    """Marks before it announces."""

    def _announced(self, record: Record, admission: Admission) -> Admission:
        if admission is not Admission.DUPLICATE:
            self._mark(record)
        return super()._announced(record, admission)


class DropsPublish(Gate):
    """Forgets the events that are stored and not announced."""

    def redo(self, record: Record, step: Step) -> Admission:
        return Admission.ANNOUNCED if step is Step.PUBLISH else super().redo(record, step)


class ForgetsConflicts(Gate):
    """Takes whatever has a known id for a repetition."""

    def _recorded(self, record: Record) -> tuple[Admission, Record]:
        new = self._store.record(record, self._announce) is None
        return (Admission.RECORDED if new else Admission.DUPLICATE), record


class SwallowsInTime(Gate):
    """Acknowledges what nobody kept, where there is a deadline."""

    def within(self, deadline: Deadline) -> Gate:
        gate = super().within(deadline)
        gate._spill = _SwallowingTimelySpill(self._spill, deadline)  # noqa: SLF001 - of its own kind
        return gate


class _SwallowingTimelySpill(BoundedSpill):
    def send(self, record: Record, step: Step) -> None:
        with contextlib.suppress(NotKept):
            super().send(record, step)


# ─── The table and the queue ──────────────────────────────────────────────────────────────────────────────────────────


class ReplacingTable(EventsTable):
    """A put that replaces what is there."""

    def record(self, record: Record, announce: str) -> dict[str, str] | None:
        self._client.delete_item(TableName=self._table, Key={"id": {"S": record.id}})
        return super().record(record, announce)


class InconsistentTable(EventsTable):
    """Reads what may be behind."""

    def _items(self, keys: Keys, attributes: str) -> tuple[Keys, Keys]:
        answer = self._client.batch_get_item(
            RequestItems={self._table: {"Keys": keys, "ProjectionExpression": attributes}}
        )
        return answer["Responses"].get(self._table, []), []


class UnindexedTable(EventsTable):
    """Writes records that are in no index of what is pending."""

    def record(self, record: Record, announce: str) -> dict[str, str] | None:
        there = super().record(record, announce)
        self._client.update_item(TableName=self._table, Key={"id": {"S": record.id}}, UpdateExpression="REMOVE pending")
        return there


class NeverMarkedTable(EventsTable):
    """Marks what was announced, and leaves it among what is pending."""

    def mark_published(self, record_id: str) -> None:
        super().mark_published(record_id)
        self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": record_id}},
            UpdateExpression="SET delivery = :pending, pending = :shard",
            ExpressionAttributeValues={":pending": {"S": Delivery.PENDING}, ":shard": {"S": record_id[-1]}},
        )


class SwallowingQueue(SpillQueue):
    """Says yes to whatever SQS does not take."""

    def _send(self, body: str, **attributes: str) -> None:
        with contextlib.suppress(NotKept):
            super()._send(body, **attributes)


# ─── The relay and the sweep ──────────────────────────────────────────────────────────────────────────────────────────


class SwallowingRelay(Relay):
    """Tells the stream that all is well."""

    def _spilled(self, record: Record) -> bool:
        super()._spilled(record)
        return True


class HastyRelay(Relay):
    """Ignores the grace."""

    def _forgotten(self, entries: Sequence[Inserted]) -> set[str]:
        return self._pending([entry.record.id for entry in entries]) if entries else set()


class BlindRelay(Relay):
    """Announces without a look at what is pending."""

    def _forgotten(self, entries: Sequence[Inserted]) -> set[str]:
        return {entry.record.id for entry in entries}


class SilentSweep(Sweep):
    """Marks, and announces nothing."""

    def announce(self) -> int:
        for batch in self._table.forgotten(self._now() - FORGOTTEN):
            for record in batch:
                self._mark(record)
        return 0


class IdleSweep(Sweep):
    """Never looks."""

    def announce(self) -> int:
        return 0


class EagerSweep(Sweep):
    """Takes what is young for forgotten."""

    def announce(self) -> int:
        now = self._now
        self._now = lambda: now() + FORGOTTEN
        return super().announce()
