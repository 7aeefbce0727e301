"""The one way of a push: verify → unwrap → normalise → record → publish → acknowledge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, JsonValue

from gatehouse.clocks import Clocks
from gatehouse.errors import GatehouseError, NotKept, NotReadable, NotUnderstood, Reason, Rejected, Unavailable
from gatehouse.events import NOTHING, UNREADABLE, CloudEvent, EventBuilder, Known
from gatehouse.media import Image, Upload
from gatehouse.record import MAX_EVENT_BYTES, Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count, count, log
from gatehouse.vocabulary import LIVE, Arrival

if TYPE_CHECKING:
    from gatehouse.deadline import Deadline
    from gatehouse.ports import AccountSource, MediaStore, Spill, Store, Topics

BODY_LIMIT = 1024 * 1024
"""Bytes. A payload that is too large for an event goes into the media bucket, beside it."""


@dataclass(frozen=True, slots=True)
class Push:
    """A vendor's request, as it arrived."""

    method: str
    urls: tuple[str, ...]
    """The full addresses that the vendor may know, query string included. There are several where the gateway's event
    is ambiguous; the likeliest comes first."""
    headers: Mapping[str, str]
    """Names in lower case, as HTTP APIs hand them over."""
    body: bytes
    """Decoded from API Gateway's base64, and from its content encoding: the bytes that the vendor signed."""
    received_at: datetime
    """Aware, by API Gateway's clock."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to the vendor."""

    status: int
    body: str
    content_type: str = "application/json"


class Verified(Protocol):
    """The result of `verify`. A vendor adds what its other steps need."""

    @property
    def account(self) -> str:
        """The account whose credential verified the push."""


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The content of a push, in the clear."""

    payload: JsonValue
    """The vendor's own message, without pictures and without anything that must not be kept."""
    identity: Sequence[str] | None = None
    """The vendor's identity of the happening: the same for a repetition of the push, and for no other happening.
    None if the push has none: `Vendor.evidence` then tells it from others."""
    images: Mapping[str, Image | None] = field(default_factory=dict)
    """The pictures by their role; None for one that cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Vendor[A: BaseModel, V: Verified]:
    """The steps and words that a vendor supplies. Everything else is shared."""

    name: str
    accounts: type[A]
    """The model of the vendor's secret."""
    verify: Callable[[Push, A], V]
    """Proves the authenticity of the raw push. Raises `Rejected`."""
    unwrap: Callable[[Push, V], Unwrapped]
    """Reads, decrypts and takes apart the body. Raises `Rejected`, or `NotReadable` for an authentic body that cannot
    be read at all; a body that is merely odd is returned."""
    normalise: Callable[[JsonValue, EventBuilder, V], list[CloudEvent]]
    """Makes the events. Any exception makes the push an `unmapped` notice; `NotUnderstood` says why."""
    acknowledgement: JsonValue
    """The body of the 200 answer."""
    deciding: Sequence[str] = ()
    """Places in an event's data that tell two happenings with one identity apart: `person.id`. Every channel of the
    vendor has to carry them alike. `occurred_at` counts to the second."""
    evidence: Callable[[Push, V], bytes] = lambda push, _: push.body
    """The bytes that tell a push without identity from others: the signed ones, else its body."""
    known: Callable[[V], Known] = lambda _: NOTHING
    """Facts about a push that cannot be understood or read: where and when. It raises nothing."""
    respond: Callable[[Gate, Opened[V]], Answer] | None = None
    """Answers a push, for a vendor that needs more than `Gate.keep` and the acknowledgement. It has to call `Gate.keep`
    for every push that is an event."""
    body_limit: int = BODY_LIMIT
    """Bytes of the largest body that is taken."""
    arrival: Arrival | None = None
    """Freshness of its events; None to determine it from their age."""


@dataclass(frozen=True)
class Opened[V: Verified]:
    """A push that was verified and unwrapped."""

    push: Push
    vendor: Vendor[Any, V]
    verified: V
    unwrapped: Unwrapped
    unreadable: NotReadable | None = None
    """Set if the body could not be read. The payload is then None."""

    @property
    def payload(self) -> JsonValue:
        """The vendor's own message; None if it could not be read."""
        return self.unwrapped.payload

    @cached_property
    def identity(self) -> Sequence[str]:
        """The identity of the happening; a digest of the push's evidence if the vendor gives none."""
        if self.unwrapped.identity is not None:
            return self.unwrapped.identity
        return ["push", hashlib.sha256(self.vendor.evidence(self.push, self.verified)).hexdigest()]

    def knowing(self, verified: V) -> Opened[V]:
        """The same push with further facts in `verified`, for the vendor's own `normalise`."""
        return replace(self, verified=verified)


class Admission(StrEnum):
    """The result of admitting an event."""

    ANNOUNCED = "announced"
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """Another happening had its id: it is stored under a second one, and announced or left to the relay."""
    SPILLED = "spilled"


class Gate:
    """The steps around a vendor's own: open, record, publish, and the way out if AWS does not take one of them."""

    def __init__(
        self,
        store: Store,
        topics: Topics,
        spill: Spill,
        announce: Announce,
        media: MediaStore,
        *,
        live: timedelta = LIVE,
        clocks: Clocks | None = None,
    ) -> None:
        """A gate.

        Args:
            store: the events table.
            topics: the subscribers.
            spill: the queue for events and pictures that AWS does not take at once.
            announce: `inline` if the gate publishes, `stream` if the relay does.
            media: the media bucket.
            live: age up to which an event counts as `live`.
            clocks: observations of the devices' clocks.
        """
        self._store = store
        self._topics = topics
        self._spill = spill
        self._announce = announce
        self._media = media
        self._live = live
        self._clocks = clocks or Clocks()

    def receive[A: BaseModel, V: Verified](
        self, push: Push, vendor: Vendor[A, V], accounts: AccountSource[A]
    ) -> Answer:
        """Takes a push all the way, and returns the answer to the vendor.

        Raises:
            Rejected: the push is too large, not authentic, or not readable as far as that has to be decided.
            Unavailable: the vendor's secret cannot be read.
            WrongSetting: the vendor's secret is not usable.
            NotKept: an event was taken neither by the table nor by the spill queue.
        """
        opened = _open(push, vendor, accounts)
        if vendor.respond is not None:
            return vendor.respond(self, opened)
        self.keep(opened)
        return Answer(200, json.dumps(vendor.acknowledgement))

    def keep[V: Verified](self, opened: Opened[V]) -> Sequence[Admission]:
        """Records and publishes the events of a push.

        Returns:
            an admission for each event.

        Raises:
            NotKept: an event was taken neither by the table nor by the spill queue.
        """
        built = self._build(opened)
        admissions = self._admit_all(built.records, built.uploads)
        if set(admissions) - {Admission.DUPLICATE}:
            self._check_clock(built)
        return admissions

    def within(self, deadline: Deadline) -> Gate:
        """The same gate, bounded by a deadline: it waits no longer for any of its ports."""
        from gatehouse import deadline as bounded  # noqa: PLC0415 - most vendors do not wait

        return Gate(
            bounded.BoundedStore(self._store, deadline),
            bounded.BoundedTopics(self._topics, deadline),
            bounded.BoundedSpill(self._spill, deadline),
            self._announce,
            bounded.BoundedMedia(self._media, deadline),
            live=self._live,
            clocks=self._clocks,
        )

    def _admit_all(self, records: Sequence[Record], uploads: Sequence[Upload]) -> list[Admission]:
        """Admits the events and pictures of a push, in parallel: the function's timeout allows for one of them."""
        steps: list[Callable[[], Admission | None]] = [partial(self.admit, record) for record in records]
        steps += [partial(self.store_picture, upload) for upload in uploads]
        if len(steps) < 2:
            return [admission for only in steps if (admission := only()) is not None]
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most pushes are one event

        with ThreadPoolExecutor(max_workers=8) as pool:
            running = [pool.submit(step) for step in steps[1:]]
            first = steps[0]()  # saves a thread
        admissions = [first, *(step.result() for step in running)]
        return [admission for admission in admissions if admission is not None]

    def store_picture(self, upload: Upload) -> None:
        """Stores a picture, or spills it.

        Raises:
            NotKept: neither the bucket nor the spill queue took it.
        """
        vendor = upload.key.removeprefix(UNREADABLE).partition("/")[0]
        try:
            self._media.put(upload)
        except Unavailable as error:
            if not upload.may_spill:
                # The file is lost. Its event keeps the reference, and the vendor's answer is about the event.
                log.error("a body that could not be read, or was too large, is lost", key=upload.key, error=str(error))
                count(Count.NOT_KEPT, vendor)
                return
            try:
                self._spill.send_picture(upload)
            except NotKept:
                count(Count.NOT_KEPT, vendor)
                raise
            log.warning("spilled: the bucket did not take the picture", error=str(error))
            count(Count.SPILLED, vendor)

    def redo_picture(self, upload: Upload) -> None:
        """Stores a picture from the spill queue.

        Raises:
            Unavailable: the bucket still does not take it; the queue keeps it.
        """
        self._media.put(upload)

    def admit(self, record: Record) -> Admission:
        """Records and publishes one event, or spills it.

        Raises:
            NotKept: neither the table nor the spill queue took it.
        """
        try:
            admission, kept = self._recorded(record)
        except Unavailable as error:
            try:
                self._spill.send(record, Step.RECORD)
            except NotKept:
                count(Count.NOT_KEPT, record.vendor)
                raise
            log.warning("spilled: the table did not take the event", event_id=record.id, error=str(error))
            count(Count.SPILLED, record.vendor)
            return Admission.SPILLED
        return self._announced(kept, admission)

    def redo(self, record: Record, step: Step) -> Admission:
        """Takes an event from the spill queue the same way again.

        Raises:
            Unavailable: the table or the topic still does not take it; the queue keeps it.
        """
        if step is Step.RECORD:
            admission, kept = self._recorded(record)
            return self._announced(kept, admission)
        if not self._is_pending(record):
            count(Count.DUPLICATE, record.vendor)
            return Admission.DUPLICATE
        self._topics.publish(record)
        count(Count.PUBLISHED, record.vendor)
        self._mark(record)
        return Admission.ANNOUNCED

    def _is_pending(self, record: Record) -> bool:
        """Tells whether a stored event is still to be announced. The sweep may have done it, or an earlier try."""
        try:
            return bool(self._store.pending([record.id]))
        except Unavailable as error:
            # An event may be announced twice, but should not be announced late.
            log.warning("announced without a look", event_id=record.id, error=str(error))
            return True

    def _recorded(self, record: Record) -> tuple[Admission, Record]:
        """Writes an event once; under a second id if another happening has its id. Returns the written record.

        Raises:
            Unavailable: the table does not take it.
        """
        there = self._store.record(record, self._announce)
        if there is None:
            return Admission.RECORDED, record
        if not record.differs_from(there):
            return Admission.DUPLICATE, record
        second = record.beside()
        if self._store.record(second, self._announce) is not None:
            return Admission.DUPLICATE, second
        log.warning("two happenings of one identity", event_id=second.id, conflicts_with=record.id)
        count(Count.CONFLICT, record.vendor)
        return Admission.CONFLICT, second

    def _check_clock(self, built: _Built) -> None:
        """Admits a notice if the device's clock is wrong. Only new events show it: a repetition is late by nature."""
        notice = self._clocks.wrong(built.events, built.builder.received_at)
        if notice is None:
            return
        try:
            self.admit(Record.of(notice))
        except NotKept as error:
            log.warning("the notice of a wrong clock is lost", error=str(error))

    def _build[V: Verified](self, opened: Opened[V]) -> _Built:
        """Builds the events and records of a push. A push that cannot be understood becomes one `unmapped` notice.

        Nothing is refused from here on: after any fault in the vendor's tables or ours, the push is kept.
        """
        vendor = opened.vendor
        builder = self._builder(opened)
        try:
            if opened.unreadable is not None:
                raise opened.unreadable  # noqa: TRY301 - one place decides what is kept how
            built = _Built(builder, vendor.normalise(opened.payload, builder, opened.verified))
            for event in built.events:
                built.records += [record] if (record := _fitting(event, builder, vendor.deciding)) else []
        except Exception as error:  # noqa: BLE001 - see above
            why = str(error) if isinstance(error, NotUnderstood) else type(error).__name__
        else:
            if len(built.records) < len(built.events):
                # The other events are kept all the same: a leak is announced, however much its sensor measured.
                built.records.append(self._unmapped(opened, builder, "larger than SNS takes", None))
            return built
        builder = self._builder(opened)  # a new one, without the pictures of events that were not kept
        body = None
        if opened.unreadable is not None:
            body = opened.push.body if opened.unreadable.content is None else opened.unreadable.content
        return _Built(builder, records=[self._unmapped(opened, builder, why, body)])

    def _unmapped[V: Verified](self, opened: Opened[V], builder: EventBuilder, why: str, body: bytes | None) -> Record:
        """The record of the notice for a push, or a part of it, that cannot be understood."""
        vendor = opened.vendor
        log.warning("unmapped", vendor=vendor.name, why=why)
        count(Count.UNMAPPED, vendor.name)
        notice = builder.unmapped(why, body, vendor.known(opened.verified))
        record = Record.of(notice) if body is not None else _fitting(notice, builder)
        if record is None:
            raise NotKept("no form of the push fits into an event")
        return record

    def _builder[V: Verified](self, opened: Opened[V]) -> EventBuilder:
        return EventBuilder(
            vendor=opened.vendor.name,
            account=opened.verified.account,
            identity=opened.identity,
            received_at=opened.push.received_at,
            payload=opened.payload,
            images=opened.unwrapped.images,
            bucket=self._media.bucket,
            arrival=opened.vendor.arrival,
            live=self._live,
        )

    def _announced(self, record: Record, admission: Admission) -> Admission:
        if admission is Admission.DUPLICATE:
            count(Count.DUPLICATE, record.vendor)
            return admission
        count(Count.RECORDED, record.vendor)
        if self._announce is Announce.STREAM:
            return admission
        try:
            self._topics.publish(record)
        except Unavailable as error:
            # The record is pending, and the relay behind the table publishes pending records.
            log.warning("left to the relay: not published", event_id=record.id, error=str(error))
            count(Count.LEFT_TO_RELAY, record.vendor)
            return admission
        count(Count.PUBLISHED, record.vendor)
        self._mark(record)
        return Admission.ANNOUNCED if admission is Admission.RECORDED else admission

    def _mark(self, record: Record) -> None:
        try:
            self._store.mark_published(record.id)
        except Unavailable as error:
            # It stays pending and is announced once more: the promise is "at least once".
            log.warning("published, but not marked so", event_id=record.id, error=str(error))


@dataclass(slots=True)
class _Built:
    """The events of a push, and their records and files that are to be kept."""

    builder: EventBuilder
    events: list[CloudEvent] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def uploads(self) -> list[Upload]:
        """The files that the records refer to."""
        return list(self.builder.uploads.values())


def unwrapped[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], verified: V) -> Opened[V]:
    """Unwraps a push that was verified. A push that is not readable, or not understood so early, is returned as such.

    Raises:
        Rejected: the vendor's `unwrap` refuses it.
    """
    try:
        return Opened(push, vendor, verified, vendor.unwrap(push, verified))
    except NotUnderstood as error:
        unreadable = error if isinstance(error, NotReadable) else NotReadable(str(error))
        return Opened(push, vendor, verified, Unwrapped(None), unreadable)


def _open[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], accounts: AccountSource[A]) -> Opened[V]:
    """Verifies and unwraps a push; once more if the secret was rotated since it was read."""
    if len(push.body) > vendor.body_limit:
        raise Rejected(
            Reason.TOO_LARGE,
            f"{vendor.name}: the body has {len(push.body)} bytes, the limit is {vendor.body_limit}",
        )
    try:
        return _opened(push, vendor, accounts.accounts())
    except Rejected as error:
        newer = accounts.newer() if error.reason.may_be_an_old_secret else None
        if newer is None:
            raise
    return _opened(push, vendor, newer)


def _opened[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], accounts: A) -> Opened[V]:
    verified = vendor.verify(push, accounts)
    try:
        return unwrapped(push, vendor, verified)
    except GatehouseError:
        raise
    except Exception as error:  # noqa: BLE001 - the push is authentic: a fault of ours must not lose it
        return Opened(push, vendor, verified, Unwrapped(None), NotReadable(type(error).__name__))


def _fitting(event: CloudEvent, builder: EventBuilder, deciding: Sequence[str] = ()) -> Record | None:
    """The record of an event. If the event is larger than SNS takes, its payload goes into the bucket.

    None if the event is too large even without its payload.
    """
    payload = builder.written_payload
    if len(payload) <= MAX_EVENT_BYTES:
        record = Record.of(event, deciding, payload)
        if record.size <= MAX_EVENT_BYTES:
            return record
    before = set(builder.uploads)
    lean = Record.of(builder.lean(event, payload.encode()), deciding)
    if lean.size <= MAX_EVENT_BYTES:
        return lean
    for key in set(builder.uploads) - before:
        del builder.uploads[key]
    return None
