"""The events of a push: CloudEvents 1.0 of five types, and the builder that makes them.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, TypedDict
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, SkipValidation

from gatehouse.media import Image, Upload
from gatehouse.vocabulary import (
    LIVE,
    AlarmKind,
    AlarmState,
    Anomaly,
    Arrival,
    Decider,
    Direction,
    Gender,
    Mask,
    MediaFault,
    MediaStatus,
    Method,
    NoticeKind,
    Outcome,
    PersonKind,
    Release,
    Result,
    Severity,
    Topic,
)

ID_RULE = 1
"""Version of the rule by which ids are made. Each item of the events table carries it, so that ids of another rule can
be told apart (docs/decisions/0010-event-ids.md)."""
UNREADABLE = "unreadable/"
"""Prefix in the media bucket for bodies that could not be read: one folder a vendor, kept for seven days."""
_AHEAD = timedelta(minutes=10)
"""Lead of a vendor's clock from which on its time is not believed."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def written(moment: datetime) -> str:
    """Formats a time for events and indexes: UTC, always 27 characters, so that text sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


type Moment = Annotated[AwareDatetime, PlainSerializer(written, return_type=str, when_used="json")]
"""A time: `2026-07-01T12:00:00.000000Z`."""


class Picture(_Model):
    """A picture, or another file, by claim check: a reference to it, not its content."""

    role: str
    bucket: str | None = None
    key: str | None = None
    content_type: str | None = None
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """Lower-case hex."""
    reference: str | None = None
    """The vendor's own id of the picture, where we have no copy."""
    error: Literal["undecodable"] | None = None
    """Set if the push had a picture that could not be decoded."""


class Common(TypedDict):
    """The fields that every event's data carries, as `EventBuilder.common` fills them in."""

    vendor: str
    account: str
    device: str | None
    device_name: str | None
    serial: str | None
    site: str | None
    occurred_at: datetime
    received_at: datetime
    arrival: Arrival
    lag_ms: int
    payload: JsonValue


class Data(_Model):
    """Fields that every event carries besides its own."""

    topic: ClassVar[Topic]

    vendor: str
    """Vendor of the device; the name of a folder under `functions/`."""
    account: str
    """Account whose credential verified the push: an id in the vendor's secret, never the credential."""
    device: str | None = None
    """The vendor's id of the device, usually a serial number; the same in every event of the device."""
    device_name: str | None = None
    """Name that people gave it."""
    serial: str | None = None
    """Its serial number, where `device` is another id of it."""
    site: str | None = None
    """The vendor's id of the shop, office or building."""
    occurred_at: Moment
    """Time of the happening by the vendor's clock; the time of arrival if the vendor does not tell."""
    received_at: Moment
    """Time of the push's arrival here, by API Gateway's clock."""
    arrival: Arrival = Arrival.LIVE
    """Freshness at the arrival. The message attribute has the freshness at the announcement."""
    lag_ms: int = 0
    """From `occurred_at` to `received_at`; negative where the vendor's clock is ahead."""
    conflicts_with: str | None = None
    """The `id` of another event with the same identity and other deciding fields. The vendor's pages do not tell
    whether one of the two is wrong."""
    payload: SkipValidation[JsonValue] = None
    """The vendor's own message: verified, decrypted, without signature and pictures; absent if `body` is set."""
    body: Picture | None = None
    """Reference to a push that could not be read, or to a payload that is too large for an event. It is kept for
    seven days, for the operator: no subscriber may read it."""


class Link(_Model):
    """An address on the vendor's side. It may expire and may need the vendor's network."""

    role: str
    url: str
    expires_at: Moment | None = None


class Group(_Model):
    """A group that a person belongs to."""

    id: str | None = None
    name: str | None = None
    kind: PersonKind = PersonKind.UNKNOWN


class Host(_Model):
    """Host of a visitor."""

    id: str | None = None
    name: str | None = None


class Person(_Model):
    """The person that was seen."""

    kind: PersonKind = PersonKind.UNKNOWN
    id: str | None = None
    name: str | None = None
    job_number: str | None = None
    """The company's number of an employee."""
    card: str | None = None
    """Number of the IC card."""
    group_id: str | None = None
    """Id of the first group."""
    group_name: str | None = None
    """Name of the first group."""
    groups: tuple[Group, ...] = ()
    """All groups. If one of them bars the person, `kind` is `blocklisted`."""
    host: Host | None = None
    gender: Gender = Gender.UNKNOWN
    age_from: int | None = None
    """Years, inclusive; an estimate."""
    age_to: int | None = None
    """Years, inclusive; absent where the range is open."""


class Decision(_Model):
    """The answer to a terminal that asked whether to open a door."""

    allowed: bool
    by: Decider
    rule: str | None = None
    """The name of the rule that matched; absent if none did."""
    milliseconds: int | None = None
    """From the arrival at the gateway to the decision."""


class Recognition(Data):
    """A person showed a face, a card or a code."""

    topic = Topic.RECOGNITION

    kind: PersonKind
    person: Person
    method: Method = Method.UNKNOWN
    direction: Direction | None = None
    """Absent if the device is set up for neither."""
    outcome: Outcome = Outcome.UNKNOWN
    device_outcome: Outcome | None = None
    """Conclusion of the device itself; set where a decision of ours was asked for."""
    recognition_score: float | None = None
    """0 to 1."""
    liveness_score: float | None = None
    """0 to 1."""
    mask: Mask = Mask.UNKNOWN
    temperature: float | None = None
    """Temperature of the body, °C."""
    anomaly: Anomaly | None = None
    stage: Literal["recorded", "asked"] = "recorded"
    """`asked` if a terminal asked for a decision; it will send the record of the passage as well."""
    decision: Decision | None = None
    pictures: tuple[Picture, ...] = ()


class Alarm(Data):
    """A danger, a fault or a movement."""

    topic = Topic.ALARM

    kind: AlarmKind
    severity: Severity
    state: AlarmState = AlarmState.RAISED
    trace_id: str | None = None
    """The vendor's id of the alarm, the same through its states."""
    code: int | None = None
    """The vendor's own code: several codes may share one `kind`."""
    person: Person | None = None
    """The person that the device names with it."""
    description: str | None = None
    """Description in the vendor's words."""
    release: Release | None = None
    """Ways to release it; absent if the vendor does not tell."""
    raised_at: Moment | None = None
    """Begin of the alarm, in each of its states; absent if the vendor does not tell."""
    released_at: Moment | None = None
    """Time of its release; absent before, and if the vendor does not tell."""
    battery: float | int | None = None
    """Percent."""
    media: Literal["pending"] | None = None
    """`pending` if a `media` event will follow."""
    recording_id: str | None = None
    """The vendor's id of the recording; the `media` event has the same."""
    links: tuple[Link, ...] = ()
    pictures: tuple[Picture, ...] = ()


type Scalar = bool | int | float | str


class Reading(_Model):
    """One value that a sensor measured. Zero and false are values."""

    value: Scalar | dict[str, float | int]
    unit: str | None = None
    """SenML's name of the unit (RFC 8428 §12.1, RFC 8798): `Cel`, `%RH`, `lx`, `%EL`, `s`; absent if the vendor does
    not tell."""


class Position(_Model):
    """Position of the device: WGS 84, degrees."""

    longitude: float
    latitude: float


class Measurement(Data):
    """Readings of a sensor, by the vendor's name of the quantity."""

    topic = Topic.MEASUREMENT

    kind: str | None = None
    """The vendor's type of device."""
    readings: dict[str, Reading]
    battery: float | int | None = None
    """Percent."""
    position: Position | None = None


class File(_Model):
    """One file of a recording: our copy, and the link to the vendor's."""

    role: str
    status: MediaStatus
    reason: MediaFault | None = None
    """Reason why there is no copy; absent if there is one."""
    copy_: Picture | None = Field(default=None, alias="copy")
    link: Link | None = None


class Media(Data):
    """The recording of an alarm, available or not."""

    topic = Topic.MEDIA

    kind: MediaStatus
    """`partial` if there are copies of some of the files."""
    reason: MediaFault | None = None
    """Reason why there is no file at all. If there are files, each has its own."""
    alarm_id: str | None = None
    """The `id` of the alarm's event; of the first, if several alarms share the recording."""
    recording_id: str | None = None
    """The vendor's id of the recording, the same as in its alarm."""
    files: tuple[File, ...] = ()
    """Files in the vendor's order."""
    corrects: str | None = None
    """The `id` of the `media` event that this one replaces: the files have changed since."""


class Notice(Data):
    """A result, or a message that our tables do not know."""

    topic = Topic.NOTICE

    kind: NoticeKind
    result: Result = Result.UNKNOWN
    code: int | None = None
    """The vendor's own."""
    reason: str | None = None
    message: str | None = None
    reference: dict[str, str] = Field(default_factory=dict)
    """Subject of the notice: `{"task_id": "123"}`."""
    decision: Decision | None = None
    """The answer to a terminal whose question could not be understood."""
    pictures: tuple[Picture, ...] = ()


class CloudEvent(_Model):
    """The envelope, in structured JSON."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str | None = None
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    data: Recognition | Alarm | Measurement | Media | Notice


@dataclass(frozen=True, slots=True)
class Known:
    """Facts about a push that do not depend on its payload. They go into its `unmapped` notice."""

    device: str | None = None
    site: str | None = None
    occurred_at: datetime | None = None
    decision: Decision | None = None
    """The answer that was given, if a terminal waited."""


NOTHING: Final = Known()
"""No facts."""


class EventBuilder:
    """Builder of a push's events: ids, common fields and pictures, in the same way for every vendor."""

    def __init__(
        self,
        *,
        vendor: str,
        account: str,
        identity: Iterable[str],
        received_at: datetime,
        payload: JsonValue,
        images: Mapping[str, Image | None] | None = None,
        bucket: str = "",
        arrival: Arrival | None = None,
        live: timedelta = LIVE,
    ) -> None:
        """A builder for one push.

        Args:
            vendor: name of the vendor.
            account: the account whose credential verified the push.
            identity: the vendor's identity of the happening.
            received_at: arrival of the push.
            payload: the vendor's own message.
            images: the pictures of the push by their role; None for one that cannot be decoded.
            bucket: name of the bucket that the pictures go to.
            arrival: freshness of the events; None to determine it from their age.
            live: age up to which an event counts as `live`.
        """
        self.vendor = vendor
        self.account = account
        self.received_at = received_at
        self.payload = payload
        self.uploads: dict[str, Upload] = {}
        """The files that the events refer to, by their key in the media bucket."""
        self._identity = [vendor, account, *identity]
        self._images = images or {}
        self._bucket = bucket
        self._arrival = arrival
        self._live = live

    def common(
        self,
        *,
        device: str | None,
        occurred_at: datetime | None,
        site: str | None = None,
        device_name: str | None = None,
        serial: str | None = None,
        late: Arrival = Arrival.LATE,
    ) -> Common:
        """Returns the fields that every event carries. An unknown time of occurrence is the time of arrival.

        Args:
            device: the vendor's id of the device.
            occurred_at: time of the happening, if the vendor tells.
            site: the vendor's id of the place.
            device_name: name that people gave the device.
            serial: serial number of the device, if `device` is another id.
            late: freshness of an event that is not live: `cached` if only a device's own store explains it.
        """
        lag = timedelta() if occurred_at is None else self.received_at - occurred_at
        return Common(
            vendor=self.vendor,
            account=self.account,
            device=device,
            device_name=device_name,
            serial=serial,
            site=site,
            occurred_at=occurred_at or self.received_at,
            received_at=self.received_at,
            # A clock that far ahead is wrong: the time of the happening is unknown.
            arrival=self._arrival or (late if lag > self._live or lag < -_AHEAD else Arrival.LIVE),
            lag_ms=round(lag / timedelta(milliseconds=1)),
            payload=self.payload,
        )

    @cached_property
    def written_payload(self) -> str:
        """The JSON of the payload, encoded once for all events of the push."""
        return encoded(self.payload)

    def event(self, data: Recognition | Alarm | Measurement | Media | Notice, *also: str) -> CloudEvent:
        """An event of this push, with an id that a repetition of the push gives again.

        Args:
            data: the event's data.
            also: parts of the id that tell the event from others of the same type in the same push.
        """
        return CloudEvent(
            id=self._id(data.topic, *also),
            source=f"urn:gatehouse:{self.vendor}:{quote(self.account, safe='')}",
            type=f"gatehouse.{data.topic}.v1",
            subject=data.device,
            time=data.occurred_at,
            data=data,
        )

    def pictures(self, topic: Topic, *also: str) -> tuple[Picture, ...]:
        """References to the push's pictures, for its event of this type. They are uploaded under the event's id.

        Args:
            topic: the event's type.
            also: as for `event`.
        """
        return tuple(self._picture(role, image, topic, *also) for role, image in self._images.items())

    def key(self, topic: Topic, name: str, *also: str) -> str:
        """The key in the media bucket of a file that the push's event of this type refers to.

        Args:
            topic: the event's type.
            name: of the file.
            also: as for `event`.
        """
        return f"{self.vendor}/{self._id(topic, *also)}/{name}"

    def unmapped(self, why: str, body: bytes | None = None, known: Known = NOTHING) -> CloudEvent:
        """The notice that keeps a push which was verified and could not be understood.

        Args:
            why: the notice's `reason`.
            body: bytes that could not be read. They go into the bucket, where no subscriber may read them.
            known: facts that do not depend on the payload.
        """
        common = self.common(device=known.device, occurred_at=known.occurred_at, site=known.site)
        notice = Notice(
            **common,
            kind=NoticeKind.UNMAPPED,
            reason=why,
            decision=known.decision,
            pictures=self.pictures(Topic.NOTICE, "unmapped"),
        )
        event = self.event(notice, "unmapped")
        return event if body is None else self.lean(event, body)

    def lean(self, event: CloudEvent, body: bytes) -> CloudEvent:
        """The event without its payload, which goes into the media bucket for the operator, under `unreadable/`.

        Args:
            event: of this push.
            body: the payload's JSON, or the bytes that could not be read.
        """
        digest = hashlib.sha256(body)
        key = f"{UNREADABLE}{self.vendor}/{event.id}/{digest.hexdigest()}"
        self.uploads[key] = Upload(key, body, digest.digest(), "application/octet-stream", may_spill=False)
        kept = Picture(
            role="body",
            bucket=self._bucket,
            key=key,
            content_type="application/octet-stream",
            size=len(body),
            sha256=digest.hexdigest(),
        )
        data = event.data.model_copy(update={"payload": None, "body": kept})
        return event.model_copy(update={"data": data})

    def _id(self, topic: Topic, *also: str) -> str:
        # A JSON array, so that no two lists of parts ever read the same.
        identity = json.dumps([*self._identity, topic, *also], ensure_ascii=True)
        return f"{self.vendor}-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"

    def _picture(self, role: str, image: Image | None, topic: Topic, *also: str) -> Picture:
        if image is None:
            return Picture(role=role, error="undecodable")
        # The key holds no time: a repetition of the push, even on the next day, is the same picture.
        # It holds the digest, so that no other bytes are written over this picture.
        key = self.key(topic, f"{role}-{image.digest.hex()}.{image.suffix}", *also)
        self.uploads[key] = Upload(key, image.data, image.digest, image.content_type)
        return Picture(
            role=role,
            bucket=self._bucket,
            key=key,
            content_type=image.content_type,
            size=len(image.data),
            sha256=image.digest.hex(),
        )


def encoded(value: Any) -> str:
    """The compact JSON of a value that came from JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
