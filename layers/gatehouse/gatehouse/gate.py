"""The one way through: verify → decrypt → normalise → record → publish → acknowledge."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, JsonValue

from gatehouse.errors import NotKept, NotUnderstood, Reason, Rejected, Unavailable
from gatehouse.events import MAX_EVENT_BYTES, CloudEvent, Receipt, Record, raw
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count, count, log

BODY_LIMIT = 64 * 1024
"""Bytes. An `unmapped` notice at most doubles the body and must still fit through SNS."""


@dataclass(frozen=True, slots=True)
class Push:
    """What a vendor sent, as it arrived."""

    method: str
    url: str
    """The full address as the vendor knows it, query string included."""
    headers: Mapping[str, str]
    """Names in lower case, as HTTP APIs hand them over."""
    body: bytes
    """Decoded from API Gateway's base64: what the vendor signed."""
    received_at: datetime
    """Aware, by API Gateway's clock."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor gets back."""

    status: int
    body: str
    content_type: str = "application/json"


class Verified(Protocol):
    """What `verify` found out; a vendor adds what its other steps need."""

    @property
    def account(self) -> str:
        """Whose credential verified the push."""


@dataclass(frozen=True, slots=True)
class Vendor[A: BaseModel, V: Verified]:
    """What a vendor supplies. Everything else is shared."""

    name: str
    accounts: type[A]
    """The model of its secret."""
    verify: Callable[[Push, A], V]
    """Authenticity of the raw push. Raises `Rejected`."""
    decrypt: Callable[[Push, V], JsonValue]
    """The vendor's own payload, in the clear. Raises `Rejected`; what is authentic and merely odd is returned."""
    identity: Callable[[JsonValue, V], Sequence[str]]
    """The vendor's identity of the happening; the same for a repetition of the push."""
    normalise: Callable[[JsonValue, Receipt], list[CloudEvent]]
    """Events. Any exception makes the push an `unmapped` notice; `NotUnderstood` says why."""
    acknowledgement: JsonValue
    """The body of the 200 answer."""
    body_limit: int = BODY_LIMIT


class Accounts[A](Protocol):
    """Where a vendor's accounts come from."""

    def accounts(self) -> A:
        """The accounts in use."""

    def newer(self) -> A | None:
        """The accounts as they are now, if they differ from those in use."""


class Store(Protocol):
    """The port to the book."""

    def record(self, record: Record, announce: str) -> bool:
        """Writes an event once; False if it was there. Raises `Unavailable`."""

    def mark_published(self, record_id: str) -> None:
        """Says that it was announced. Raises `Unavailable`."""


class Topics(Protocol):
    """The port to the subscribers."""

    def publish(self, record: Record) -> None:
        """Announces a record. Raises `Unavailable`."""


class Spill(Protocol):
    """The port to the queue for what AWS does not take at once."""

    def send(self, record: Record, step: Step) -> None:
        """Keeps an event for `functions/redrive`. Raises `NotKept`."""


class Admission(StrEnum):
    """What became of an event."""

    ANNOUNCED = "announced"
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    SPILLED = "spilled"


class Gate:
    """The steps behind a vendor's own: record, publish, and what happens when AWS does not take one of them."""

    def __init__(self, store: Store, topics: Topics, spill: Spill, announce: Announce) -> None:
        self._store = store
        self._topics = topics
        self._spill = spill
        self._announce = announce

    def receive[A: BaseModel, V: Verified](self, push: Push, vendor: Vendor[A, V], accounts: Accounts[A]) -> Answer:
        """The whole path of a push.

        Raises:
            Rejected: it is not authentic, or not readable before that is known.
            Unavailable: the vendor's secret cannot be read.
            NotKept: an event was taken neither by the table nor by the spill queue.
        """
        if len(push.body) > vendor.body_limit:
            raise Rejected(
                Reason.TOO_LARGE,
                f"{vendor.name}: the body has {len(push.body)} bytes, the limit is {vendor.body_limit}",
            )
        verified, payload = _open(push, vendor, accounts)
        self._admit_all(_records(push, vendor, verified, payload))
        return Answer(200, json.dumps(vendor.acknowledgement))

    def _admit_all(self, records: Sequence[Record]) -> None:
        """Admits the events of one push, side by side where they are several: the function's time is for one."""
        if len(records) == 1:
            self.admit(records[0])
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - few pushes hold several events

        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(self.admit, records))

    def admit(self, record: Record) -> Admission:
        """Record and publish one event, or spill it.

        Raises:
            NotKept: neither the table nor the spill queue took it.
        """
        try:
            new = self._store.record(record, self._announce)
        except Unavailable as error:
            try:
                self._spill.send(record, Step.RECORD)
            except NotKept:
                count(Count.NOT_KEPT, record.vendor)
                raise
            log.warning("spilled: the table did not take the event", event_id=record.id, error=str(error))
            count(Count.SPILLED, record.vendor)
            return Admission.SPILLED
        return self._announced(record) if new else _duplicate(record)

    def redo(self, record: Record, step: Step) -> Admission:
        """The way again for an event from the spill queue.

        Raises:
            Unavailable: the table or the topic still does not take it; the queue keeps it.
        """
        if step is Step.RECORD:
            new = self._store.record(record, self._announce)
            return self._announced(record) if new else _duplicate(record)
        self._topics.publish(record)
        count(Count.PUBLISHED, record.vendor)
        self._mark(record)
        return Admission.ANNOUNCED

    def _announced(self, record: Record) -> Admission:
        count(Count.RECORDED, record.vendor)
        if self._announce is Announce.STREAM:
            return Admission.RECORDED
        try:
            self._topics.publish(record)
        except Unavailable as error:
            # The record is pending, and the relay behind the table publishes what is pending.
            log.warning("left to the relay: not published", event_id=record.id, error=str(error))
            count(Count.LEFT_TO_RELAY, record.vendor)
            return Admission.RECORDED
        count(Count.PUBLISHED, record.vendor)
        self._mark(record)
        return Admission.ANNOUNCED

    def _mark(self, record: Record) -> None:
        try:
            self._store.mark_published(record.id)
        except Unavailable as error:
            # It stays pending and is announced once more: at least once is what we promise.
            log.warning("published, but not marked so", event_id=record.id, error=str(error))


def _duplicate(record: Record) -> Admission:
    count(Count.DUPLICATE, record.vendor)
    return Admission.DUPLICATE


def _open[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], accounts: Accounts[A]) -> tuple[V, JsonValue]:
    """Verify and decrypt; once more if the secret was rotated since we read it."""
    known = accounts.accounts()
    try:
        verified = vendor.verify(push, known)
        return verified, vendor.decrypt(push, verified)
    except Rejected as error:
        newer = accounts.newer() if error.reason.may_be_an_old_secret else None
        if newer is None:
            raise
    verified = vendor.verify(push, newer)
    return verified, vendor.decrypt(push, verified)


def _records[A: BaseModel, V: Verified](
    push: Push, vendor: Vendor[A, V], verified: V, payload: JsonValue
) -> list[Record]:
    """What the push means; a push that cannot be understood is one `unmapped` notice.

    From here on nothing is refused: whatever goes wrong in the vendor's tables or ours, the push is kept.
    """
    identity: Sequence[str] = [push.body.hex()]
    receipt: Receipt | None = None
    try:
        identity = vendor.identity(payload, verified)
        receipt = _receipt(push, vendor, verified, payload, identity)
        records = [Record.of(event) for event in vendor.normalise(payload, receipt)]
        if any(record.size > MAX_EVENT_BYTES for record in records):
            raise NotUnderstood("larger than SNS takes")  # noqa: TRY301 - one place decides what is kept how
    except Exception as error:  # noqa: BLE001 - see above
        why = str(error) if isinstance(error, NotUnderstood) else type(error).__name__
    else:
        return records
    log.warning("unmapped", vendor=vendor.name, why=why)
    count(Count.UNMAPPED, vendor.name)
    if receipt is not None:
        try:
            record = Record.of(receipt.unmapped(why))
        except Exception as error:  # noqa: BLE001 - what JSON cannot carry as a value it carries as text
            log.warning("unmapped payload kept as text", vendor=vendor.name, why=type(error).__name__)
        else:
            if record.size <= MAX_EVENT_BYTES:
                return [record]
    whole = _receipt(push, vendor, verified, raw(push.body), identity)
    return [Record.of(whole.unmapped(why))]


def _receipt[A: BaseModel, V: Verified](
    push: Push, vendor: Vendor[A, V], verified: V, payload: JsonValue, identity: Sequence[str]
) -> Receipt:
    return Receipt(
        vendor=vendor.name,
        account=verified.account,
        identity=identity,
        received_at=push.received_at,
        payload=payload,
    )
