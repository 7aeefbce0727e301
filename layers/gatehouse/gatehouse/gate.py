"""The one way through: verify → decrypt → normalise → record → publish → acknowledge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, JsonValue

from gatehouse.clocks import Clocks
from gatehouse.errors import NotKept, NotReadable, NotUnderstood, Reason, Rejected, Unavailable, WrongSetting
from gatehouse.events import LIVE, MAX_EVENT_BYTES, NOTHING, UNREADABLE, Arrival, CloudEvent, Known, Receipt, Record
from gatehouse.media import Image, Upload
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count, count, log

if TYPE_CHECKING:
    from gatehouse.deadline import Deadline

BODY_LIMIT = 1024 * 1024
"""Bytes. What is too large for an event lies in the media bucket, beside it."""


@dataclass(frozen=True, slots=True)
class Push:
    """What a vendor sent, as it arrived."""

    method: str
    urls: tuple[str, ...]
    """The full address as the vendor may know it, query string included; several where the gateway does not tell
    which: the likeliest first."""
    headers: Mapping[str, str]
    """Names in lower case, as HTTP APIs hand them over."""
    body: bytes
    """Decoded from API Gateway's base64, and from its content encoding: what the vendor signed."""
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
    """The vendor's own payload, in the clear, without pictures and without what must not be kept. Raises `Rejected`;
    what is authentic and merely odd is returned, and of what cannot be read at all `NotReadable` is raised."""
    identity: Callable[[JsonValue, V], Sequence[str] | None]
    """The vendor's identity of the happening; the same for a repetition of the push, and for no other happening.
    None where the push has none: `evidence` is then what tells it from another."""
    normalise: Callable[[JsonValue, Receipt], list[CloudEvent]]
    """Events. Any exception makes the push an `unmapped` notice; `NotUnderstood` says why."""
    acknowledgement: JsonValue
    """The body of the 200 answer."""
    deciding: Sequence[str] = ()
    """Where in an event's data that is what tells two happenings with one identity apart: `person.id`. Only what
    every channel of the vendor carries alike; `occurred_at` counts to the second."""
    evidence: Callable[[Push, V], bytes] = lambda push, _: push.body
    """What a push without identity is told by: what was signed, else its body."""
    known: Callable[[V], Known] = lambda _: NOTHING
    """What is known of a push that nobody understands, or can read: where and when. It raises nothing."""
    images: Callable[[V], Mapping[str, Image | None]] = lambda _: {}
    """The push's pictures by their role; None for one that cannot be decoded. Asked after `decrypt`."""
    respond: Callable[[Push, V, JsonValue, Keep], Answer] | None = None
    """Where there is more to do than to keep the push, or more to answer than an acknowledgement.
    It has to call `Keep` for whatever is an event. Of a push that cannot be read the payload is None."""
    body_limit: int = BODY_LIMIT
    arrival: Arrival | None = None
    """How its pushes come, where that is not their usual way."""


type Normalise = Callable[[JsonValue, Receipt], list[CloudEvent]]


class Keep(Protocol):
    """The steps behind normalise, for a vendor that has something to say about how."""

    def __call__(
        self, normalise: Normalise | None = None, deadline: Deadline | None = None, known: Known | None = None
    ) -> Sequence[Admission]:
        """Records and publishes what the push means, and returns what became of each event. Raises `NotKept`.

        Args:
            normalise: in place of the vendor's, where the events hold more than the push.
            deadline: until when it has to be done.
            known: in place of the vendor's, of a push that nobody understands.
        """


class Accounts[A](Protocol):
    """Where a vendor's accounts come from."""

    def accounts(self) -> A:
        """The accounts in use."""

    def newer(self) -> A | None:
        """The accounts as they are now, if they differ from those in use."""


class Store(Protocol):
    """The port to the book."""

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        """Writes an event once; None if it was new, else what decides about the one there. Raises `Unavailable`."""

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

    def send_picture(self, upload: Upload) -> None:
        """Keeps a picture for `functions/redrive`. Raises `NotKept`."""


class Album(Protocol):
    """The port to the pictures."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, upload: Upload) -> None:
        """Stores a picture. Raises `Unavailable`."""


class Admission(StrEnum):
    """What became of an event."""

    ANNOUNCED = "announced"
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """Its id was another happening's: it is announced, or left to the relay, beside that one."""
    SPILLED = "spilled"


class Gate:
    """The steps behind a vendor's own: record, publish, and what happens when AWS does not take one of them."""

    def __init__(
        self,
        store: Store,
        topics: Topics,
        spill: Spill,
        announce: Announce,
        album: Album | None = None,
        *,
        live: timedelta = LIVE,
        clocks: Clocks | None = None,
    ) -> None:
        """A gate.

        Args:
            store: the events table.
            topics: the subscribers.
            spill: the queue for what AWS does not take at once.
            announce: who publishes.
            album: the pictures.
            live: as long a happening counts as one of now.
            clocks: what was seen of the devices' clocks.
        """
        self._store = store
        self._topics = topics
        self._spill = spill
        self._announce = announce
        self._album = album
        self._live = live
        self._clocks = clocks or Clocks()

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
        opened = _open(push, vendor, accounts)

        def keep(
            normalise: Normalise | None = None, deadline: Deadline | None = None, known: Known | None = None
        ) -> Sequence[Admission]:
            understood = vendor if normalise is None else replace(vendor, normalise=normalise)
            if known is not None:
                understood = replace(understood, known=lambda _: known)
            meant = self._meaning(push, understood, opened)
            gate = self if deadline is None else self._within(deadline)
            became = gate._admit_all(meant.records, meant.uploads)  # noqa: SLF001 - it is a gate
            if set(became) - {Admission.DUPLICATE}:
                gate._look_at_the_clock(meant)  # noqa: SLF001 - as above
            return became

        if vendor.respond is not None:
            return vendor.respond(push, opened.verified, opened.payload, keep)
        keep()
        return Answer(200, json.dumps(vendor.acknowledgement))

    def _within(self, deadline: Deadline) -> Gate:
        """The same gate, which waits for nothing longer than there is time."""
        from gatehouse import deadline as timely  # noqa: PLC0415 - most vendors do not wait

        return Gate(
            timely.TimelyStore(self._store, deadline),
            timely.TimelyTopics(self._topics, deadline),
            timely.TimelySpill(self._spill, deadline),
            self._announce,
            None if self._album is None else timely.TimelyAlbum(self._album, deadline),
            live=self._live,
            clocks=self._clocks,
        )

    def _admit_all(self, records: Sequence[Record], uploads: Sequence[Upload]) -> list[Admission]:
        """Admits the events and pictures of a push, side by side where they are several: the time is for one."""
        steps: list[Callable[[], Admission | None]] = [partial(self.admit, record) for record in records]
        steps += [partial(self.store_picture, upload) for upload in uploads]
        if len(steps) < 2:
            return [admission for only in steps if (admission := only()) is not None]
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most pushes are one event

        with ThreadPoolExecutor(max_workers=8) as pool:
            running = [pool.submit(step) for step in steps[1:]]
            first = steps[0]()  # a thread less
        became = [first, *(step.result() for step in running)]
        return [admission for admission in became if admission is not None]

    def store_picture(self, upload: Upload) -> None:
        """Stores a picture, or spills it.

        Raises:
            NotKept: neither the bucket nor the spill queue took it.
        """
        vendor = upload.key.removeprefix(UNREADABLE).partition("/")[0]
        try:
            self._stored(upload)
        except Unavailable as error:
            if not upload.may_spill:
                # It may wait nowhere; its event says where it would lie, and is what the vendor is answered for.
                log.error("what could not be read, or was too large, is lost", key=upload.key, error=str(error))
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
        """The way again for a picture from the spill queue.

        Raises:
            Unavailable: the bucket still does not take it; the queue keeps it.
        """
        self._stored(upload)

    def _stored(self, upload: Upload) -> None:
        if self._album is None:
            raise WrongSetting("MEDIA_BUCKET: a picture came, and no bucket is set")
        self._album.put(upload)

    def admit(self, record: Record) -> Admission:
        """Record and publish one event, or spill it.

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
        """The way again for an event from the spill queue.

        Raises:
            Unavailable: the table or the topic still does not take it; the queue keeps it.
        """
        if step is Step.RECORD:
            admission, kept = self._recorded(record)
            return self._announced(kept, admission)
        self._topics.publish(record)
        count(Count.PUBLISHED, record.vendor)
        self._mark(record)
        return Admission.ANNOUNCED

    def _recorded(self, record: Record) -> tuple[Admission, Record]:
        """Writes an event once; as a second one where its id is another happening's. Returns what was written.

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

    def _look_at_the_clock(self, meant: _Meaning) -> None:
        """Tells of a device whose clock is wrong: of what came anew, since a repetition is late for another reason."""
        wrong = self._clocks.wrong(meant.events, meant.receipt)
        if wrong is None:
            return
        try:
            self.admit(Record.of(wrong))
        except NotKept as error:
            log.warning("not told that a clock is wrong", error=str(error))

    def _meaning[A: BaseModel, V: Verified](self, push: Push, vendor: Vendor[A, V], opened: _Opened[V]) -> _Meaning:
        """What the push means; a push that cannot be understood is one `unmapped` notice.

        From here on nothing is refused: whatever goes wrong in the vendor's tables or ours, the push is kept.
        """
        identity: Sequence[str] | None = None
        try:
            if opened.unreadable is not None:
                raise opened.unreadable  # noqa: TRY301 - one place decides what is kept how
            identity = vendor.identity(opened.payload, opened.verified)
            receipt = self._receipt(push, vendor, opened, identity)
            meant = _Meaning(receipt, vendor.normalise(opened.payload, receipt))
            for event in meant.events:
                meant.records += [record] if (record := _fitting(event, receipt, vendor.deciding)) else []
        except Exception as error:  # noqa: BLE001 - see above
            why = str(error) if isinstance(error, NotUnderstood) else type(error).__name__
        else:
            if len(meant.records) < len(meant.events):
                # The others are kept all the same: a leak is told, however much its sensor measured.
                meant.records.append(self._unmapped(vendor, opened, receipt, "larger than SNS takes", None))
            return meant
        receipt = self._receipt(push, vendor, opened, identity)
        body = None
        if opened.unreadable is not None:
            body = push.body if opened.unreadable.content is None else opened.unreadable.content
        return _Meaning(receipt, records=[self._unmapped(vendor, opened, receipt, why, body)])

    def _unmapped[A: BaseModel, V: Verified](
        self, vendor: Vendor[A, V], opened: _Opened[V], receipt: Receipt, why: str, body: bytes | None
    ) -> Record:
        """The notice of a push, or of a part of it, that is not understood."""
        log.warning("unmapped", vendor=vendor.name, why=why)
        count(Count.UNMAPPED, vendor.name)
        notice = receipt.unmapped(why, body, vendor.known(opened.verified))
        record = Record.of(notice) if body is not None else _fitting(notice, receipt)
        if record is None:
            raise NotKept("no form of the push fits into an event")
        return record

    def _receipt[A: BaseModel, V: Verified](
        self, push: Push, vendor: Vendor[A, V], opened: _Opened[V], identity: Sequence[str] | None
    ) -> Receipt:
        if identity is None:
            identity = ["push", hashlib.sha256(vendor.evidence(push, opened.verified)).hexdigest()]
        return Receipt(
            vendor=vendor.name,
            account=opened.verified.account,
            identity=identity,
            received_at=push.received_at,
            payload=opened.payload,
            images=vendor.images(opened.verified),
            bucket="" if self._album is None else self._album.bucket,
            arrival=vendor.arrival,
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
            # The record is pending, and the relay behind the table publishes what is pending.
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
            # It stays pending and is announced once more: at least once is what we promise.
            log.warning("published, but not marked so", event_id=record.id, error=str(error))


@dataclass(slots=True)
class _Meaning:
    """What a push means, and the records and pictures that are to be kept of it."""

    receipt: Receipt
    events: list[CloudEvent] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def uploads(self) -> list[Upload]:
        """The pictures that the records refer to, and what is too large for them or could not be read."""
        return list(self.receipt.uploads.values())


@dataclass(frozen=True, slots=True)
class _Opened[V: Verified]:
    """A push that was verified, and what it holds."""

    verified: V
    payload: JsonValue = None
    unreadable: NotReadable | None = None
    """Why there is no payload."""


def _open[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], accounts: Accounts[A]) -> _Opened[V]:
    """Verify and decrypt; once more if the secret was rotated since we read it."""
    try:
        return _opened(push, vendor, accounts.accounts())
    except Rejected as error:
        newer = accounts.newer() if error.reason.may_be_an_old_secret else None
        if newer is None:
            raise
    return _opened(push, vendor, newer)


def _opened[A: BaseModel, V: Verified](push: Push, vendor: Vendor[A, V], accounts: A) -> _Opened[V]:
    verified = vendor.verify(push, accounts)
    try:
        return _Opened(verified, vendor.decrypt(push, verified))
    except NotReadable as error:
        return _Opened(verified, unreadable=error)


def _fitting(event: CloudEvent, receipt: Receipt, deciding: Sequence[str] = ()) -> Record | None:
    """The record of an event; where it is larger than SNS takes, without its payload, which then lies in the bucket.

    None where it is too large without its payload too.
    """
    payload = receipt.written_payload
    if len(payload) <= MAX_EVENT_BYTES:
        record = Record.of(event, deciding, payload)
        if record.size <= MAX_EVENT_BYTES:
            return record
    before = set(receipt.uploads)
    lean = Record.of(receipt.lean(event, payload.encode()), deciding)
    if lean.size <= MAX_EVENT_BYTES:
        return lean
    for key in set(receipt.uploads) - before:
        del receipt.uploads[key]
    return None
