"""What a push means: CloudEvents 1.0 of five types, and how they are written down.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypedDict
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, SkipValidation

from gatehouse.media import Image, Upload

MAX_EVENT_BYTES = 250_000
"""SNS and its message attributes take 262,144 bytes together; the attributes keep the rest.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
ID_RULE = 1
"""By which rule ids are made: an item of the events table carries it, so that another rule can be told from this one
(docs/decisions/0010-event-ids.md)."""
_AHEAD = timedelta(minutes=10)
LIVE = timedelta(seconds=60)
"""As long a happening counts as one of now, where no setting says otherwise."""


class Topic(StrEnum):
    """The event types; each has an SNS topic of its own."""

    RECOGNITION = "recognition"
    ALARM = "alarm"
    MEASUREMENT = "measurement"
    MEDIA = "media"
    NOTICE = "notice"


class Arrival(StrEnum):
    """How fresh an event is. Whoever opens a gate or sounds a siren acts on `live` alone."""

    LIVE = "live"
    """It happened a moment ago."""
    LATE = "late"
    """It came on its usual way, longer after it happened than `LiveSeconds`; or nobody knows when, since the device's
    clock is ahead by more than ten minutes."""
    CACHED = "cached"
    """The device kept it while we were away, and sent it later."""
    BACKFILL = "backfill"
    """It was fetched from a list of the vendor's, after a gap."""
    REDRIVEN = "redriven"
    """It waited in a queue of ours. Of a message alone: the event itself was made before."""
    REPLAYED = "replayed"
    """It was announced before, and is again since somebody wanted it. Of a message alone."""


class Direction(StrEnum):
    """Which way somebody went, as the device is set up."""

    IN = "in"
    OUT = "out"


class Release(StrEnum):
    """How an alarm can be released."""

    NOT_NEEDED = "not_needed"
    DEVICE = "device"
    REMOTE = "remote"
    DEVICE_OR_REMOTE = "device_or_remote"


class PersonKind(StrEnum):
    """What somebody is to the place."""

    STAFF = "staff"
    VISITOR = "visitor"
    FAMILIAR = "familiar"
    STRANGER = "stranger"
    BLOCKLISTED = "blocklisted"
    CUSTOM = "custom"
    UNKNOWN = "unknown"


class Gender(StrEnum):
    """As the device estimated or the library says."""

    MALE = "male"
    FEMALE = "female"
    UNKNOWN = "unknown"


class Method(StrEnum):
    """How somebody was identified."""

    FACE = "face"
    CARD = "card"
    CODE = "code"
    PIN = "pin"
    BUTTON = "button"
    REMOTE = "remote"
    MULTIPLE = "multiple"
    UNKNOWN = "unknown"


class Mask(StrEnum):
    """Whether a mask was worn."""

    WORN = "worn"
    NOT_WORN = "not_worn"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What came of a recognition."""

    GRANTED = "granted"
    DENIED = "denied"
    RECOGNISED = "recognised"
    NOT_RECOGNISED = "not_recognised"
    UNKNOWN = "unknown"


class AlarmKind(StrEnum):
    """What is wrong, or moved."""

    MOTION = "motion"
    SOUND = "sound"
    MOTION_OR_DOOR = "motion_or_door"
    LEAK = "leak"
    SMOKE = "smoke"
    FIRE = "fire"
    TAMPERED = "tampered"
    FORCED_OPEN = "forced_open"
    HELD_OPEN = "held_open"
    PASSWORD_ATTACK = "password_attack"  # noqa: S105 - a kind of alarm
    PRESENTATION_ATTACK = "presentation_attack"
    """A picture or a mask in place of a face."""
    LOW_BATTERY = "low_battery"
    DEVICE_OFFLINE = "device_offline"
    DEVICE_FAULT = "device_fault"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How bad an alarm is."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class AlarmState(StrEnum):
    """Where an alarm stands: each change is news."""

    RAISED = "raised"
    RELEASING = "releasing"
    RELEASED = "released"
    UNKNOWN = "unknown"


class MediaStatus(StrEnum):
    """What is known of a recording."""

    AVAILABLE = "available"
    PARTIAL = "partial"
    EXPIRED = "expired"
    MISSING = "missing"


class MediaFault(StrEnum):
    """Why a recording, or a file of it, is not there."""

    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    HOST_NOT_ALLOWED = "host_not_allowed"
    PRIVATE_ADDRESS = "private_address"
    TOO_MANY = "too_many"
    NO_CREDENTIALS = "no_credentials"
    DENIED = "denied"
    """The vendor does not take our credentials."""


class NoticeKind(StrEnum):
    """What a notice tells of."""

    FACE_REGISTERED = "face_registered"
    TASK_FINISHED = "task_finished"
    PRICE_CHANGED = "price_changed"
    RECEIPT = "receipt"
    """A printer printed a receipt."""
    GAP = "gap"
    """Messages may be missing that nobody can fetch any more; `reference` has `from` and `to`."""
    CLOCK = "clock"
    """A device's clock is wrong; `reference` has `offset_seconds`, and `zone` where it looks like a time zone."""
    UNMAPPED = "unmapped"


class Result(StrEnum):
    """How a task ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def written(moment: datetime) -> str:
    """A time as it stands in events and indexes: in UTC, always of 27 characters, so that text sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


type Moment = Annotated[AwareDatetime, PlainSerializer(written, return_type=str, when_used="json")]
"""A time: `2026-07-01T12:00:00.000000Z`."""


class Picture(_Model):
    """A picture, or another file, by claim check: where it is, not what it shows."""

    role: str
    bucket: str | None = None
    key: str | None = None
    content_type: str | None = None
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """Lower-case hex."""
    reference: str | None = None
    """The vendor's own id of the picture, where we do not have a copy."""
    error: Literal["undecodable"] | None = None
    """Why there is none, although the push had one."""


class Common(TypedDict):
    """The fields that every event's data carries, as `Receipt.common` fills them in."""

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
    """What every event carries besides its own fields."""

    topic: ClassVar[Topic]

    vendor: str
    """Whose device it was; the name of a folder under `functions/`."""
    account: str
    """Whose credential verified the push: an id of the vendor's secret, never the credential."""
    device: str | None = None
    """The vendor's id of the device, usually a serial number; the same in every event of the device."""
    device_name: str | None = None
    """What people call it."""
    serial: str | None = None
    """Its serial number, where `device` is another id of it."""
    site: str | None = None
    """The vendor's id of the shop, office or building."""
    occurred_at: Moment
    """When it happened by the vendor's clock; where the vendor does not tell, when it arrived."""
    received_at: Moment
    """When the push arrived here, by API Gateway's clock."""
    arrival: Arrival = Arrival.LIVE
    """How fresh it was when it arrived; how fresh it is as it is announced, the message attribute says."""
    lag_ms: int = 0
    """From `occurred_at` to `received_at`; negative where the vendor's clock is ahead."""
    conflicts_with: str | None = None
    """The `id` of another event with the same identity that differs in what decides: which of the two is right, or
    whether both are, the vendor's pages do not tell."""
    payload: SkipValidation[JsonValue] = None
    """The vendor's own words: verified, decrypted, without signature and pictures; absent where `body` is there."""
    body: Picture | None = None
    """Where the push lies for seven days that could not be read, or the payload that is too large for an event: for
    the operator, since no subscriber may read there."""


class Link(_Model):
    """An address on the vendor's side. It may expire and may need the vendor's network."""

    role: str
    url: str
    expires_at: Moment | None = None


class Group(_Model):
    """A group that somebody belongs to."""

    id: str | None = None
    name: str | None = None
    kind: PersonKind = PersonKind.UNKNOWN


class Host(_Model):
    """Who receives a visitor."""

    id: str | None = None
    name: str | None = None


class Person(_Model):
    """Who was seen."""

    kind: PersonKind = PersonKind.UNKNOWN
    id: str | None = None
    name: str | None = None
    job_number: str | None = None
    """By which a company knows its people."""
    card: str | None = None
    """Number of the IC card."""
    group_id: str | None = None
    """Of the first group."""
    group_name: str | None = None
    """Of the first group."""
    groups: tuple[Group, ...] = ()
    """All of them. One that bars wins: `kind` is then `blocklisted`."""
    host: Host | None = None
    gender: Gender = Gender.UNKNOWN
    age_from: int | None = None
    """Years, inclusive; an estimate."""
    age_to: int | None = None
    """Years, inclusive; absent where the range is open."""


class Anomaly(StrEnum):
    """Why a recognition was not an ordinary one."""

    NOT_LIVE = "not_live"
    ID_CARD_MISMATCH = "id_card_mismatch"
    CARD_MISMATCH = "card_mismatch"
    CODE_MISMATCH = "code_mismatch"
    VISITOR_EXPIRED = "visitor_expired"
    OUTSIDE_ACCESS_TIME = "outside_access_time"
    INVALID_ID_CARD = "invalid_id_card"
    INVALID_CARD = "invalid_card"
    INVALID_CODE = "invalid_code"
    TEMPERATURE = "temperature"
    NO_MASK = "no_mask"
    WRONG_PIN = "wrong_pin"
    TOO_MANY_WRONG_PINS = "too_many_wrong_pins"
    UNKNOWN = "unknown"


class Decider(StrEnum):
    """Who decided whether a door opens."""

    TERMINAL = "terminal"
    RULES = "rules"
    DOUBT = "doubt"


class Decision(_Model):
    """What we answered to a terminal that asked whether to open a door."""

    allowed: bool
    by: Decider
    rule: str | None = None
    """The name of the rule that matched; absent where none did."""
    milliseconds: int | None = None
    """From the arrival at the gateway to the decision."""


class Recognition(Data):
    """Somebody showed a face, a card or a code."""

    topic = Topic.RECOGNITION

    kind: PersonKind
    person: Person
    method: Method = Method.UNKNOWN
    direction: Direction | None = None
    """Which way; absent where the device is set up for neither."""
    outcome: Outcome = Outcome.UNKNOWN
    device_outcome: Outcome | None = None
    """What the device itself concluded, where that is not the outcome: we decided beside it."""
    recognition_score: float | None = None
    """0 to 1."""
    liveness_score: float | None = None
    """0 to 1."""
    mask: Mask = Mask.UNKNOWN
    temperature: float | None = None
    """Of the body, °C."""
    anomaly: Anomaly | None = None
    stage: Literal["recorded", "asked"] = "recorded"
    """`asked` where a terminal wanted a decision and will send the record of the passage besides."""
    decision: Decision | None = None
    pictures: tuple[Picture, ...] = ()


class Alarm(Data):
    """Something is wrong, or moved."""

    topic = Topic.ALARM

    kind: AlarmKind
    severity: Severity
    state: AlarmState = AlarmState.RAISED
    trace_id: str | None = None
    """The vendor's id of the alarm, the same through its states."""
    code: int | None = None
    """The vendor's own, for what has one `kind` of several."""
    person: Person | None = None
    """Whom the device names with it."""
    description: str | None = None
    """In the vendor's words."""
    release: Release | None = None
    """How it can be released; absent where the vendor does not tell."""
    raised_at: Moment | None = None
    """When it began, in each of its states; absent where the vendor does not tell."""
    released_at: Moment | None = None
    """When it was released; absent before, and where the vendor does not tell."""
    battery: float | int | None = None
    """Percent."""
    media: Literal["pending"] | None = None
    """`pending` where a `media` event will follow."""
    recording_id: str | None = None
    """The vendor's id of the recording; the `media` event has the same."""
    links: tuple[Link, ...] = ()
    pictures: tuple[Picture, ...] = ()


type Scalar = bool | int | float | str


class Reading(_Model):
    """One value that a sensor measured. Zero and false are values."""

    value: Scalar | dict[str, float | int]
    unit: str | None = None
    """SenML's name of the unit (RFC 8428 §12.1, RFC 8798): `Cel`, `%RH`, `lx`, `%EL`, `s`; absent where
    the vendor does not tell."""


class Position(_Model):
    """Where the device is, WGS 84, degrees."""

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
    """One file of a recording: our copy, and where the vendor has it."""

    role: str
    status: MediaStatus
    reason: MediaFault | None = None
    """Why there is no copy; absent where there is one."""
    copy_: Picture | None = Field(default=None, alias="copy")
    link: Link | None = None


class Media(Data):
    """The recording of an alarm is available, or it is said that it is not."""

    topic = Topic.MEDIA

    kind: MediaStatus
    """`partial` where there are copies of some of the files."""
    reason: MediaFault | None = None
    """Why there is no file to speak of; where there are files, each has its own."""
    alarm_id: str | None = None
    """The `id` of the alarm's event; of the first, where several alarms have one recording."""
    recording_id: str | None = None
    """The vendor's id of the recording, the same as in its alarm."""
    files: tuple[File, ...] = ()
    """In the vendor's order."""
    corrects: str | None = None
    """The `id` of the `media` event that this one replaces: what it told of has changed since."""


class Notice(Data):
    """A result, or whatever our tables do not know."""

    topic = Topic.NOTICE

    kind: NoticeKind
    result: Result = Result.UNKNOWN
    code: int | None = None
    """The vendor's own."""
    reason: str | None = None
    message: str | None = None
    reference: dict[str, str] = Field(default_factory=dict)
    """What it is about: `{"task_id": "123"}`."""
    decision: Decision | None = None
    """What a terminal was answered whose question nobody understood."""
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
    """What is known of a push before anybody reads what it says: its `unmapped` notice has that."""

    device: str | None = None
    site: str | None = None
    occurred_at: datetime | None = None
    decision: Decision | None = None
    """What was answered to it, where somebody waited."""


NOTHING: Final = Known()


class Receipt:
    """What the gate knows of a push that passed: the part of its events that is the same for every vendor."""

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
        """What is known of a push.

        Args:
            vendor: whose it is.
            account: whose credential verified it.
            identity: the vendor's identity of the happening.
            received_at: when it arrived.
            payload: the vendor's own words.
            images: its pictures, by their role.
            bucket: where they go.
            arrival: how it came, where that was not its usual way.
            live: as long its happening counts as one of now.
        """
        self.vendor = vendor
        self.account = account
        self.received_at = received_at
        self.payload = payload
        self.uploads: dict[str, Upload] = {}
        """The pictures that the events refer to, by their key in the media bucket."""
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
        """The fields that every event carries; an unknown time of occurrence is the time of arrival.

        Args:
            device: the vendor's id of it.
            occurred_at: when it happened, if the vendor tells.
            site: the vendor's id of the place.
            device_name: what people call the device.
            serial: its serial number, where `device` is another id.
            late: what it is if it is not of now: `cached` where only a device's own store explains it.
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
            # Ahead of us by more than clocks are: nobody knows when that was.
            arrival=self._arrival or (late if lag > self._live or lag < -_AHEAD else Arrival.LIVE),
            lag_ms=round(lag / timedelta(milliseconds=1)),
            payload=self.payload,
        )

    @cached_property
    def written_payload(self) -> str:
        """The JSON of the payload, which is written once for all events of the push."""
        return encoded(self.payload)

    def event(self, data: Recognition | Alarm | Measurement | Media | Notice, *also: str) -> CloudEvent:
        """An event of this push, with an id that a repetition of the push gives again.

        Args:
            data: what happened.
            also: what tells it from further events of the same type in the same push.
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
        """References to the push's pictures for its event of this type, which are uploaded under the event's id.

        Args:
            topic: the event's type.
            also: as for `event`.
        """
        return tuple(self._picture(role, image, topic, *also) for role, image in self._images.items())

    def key(self, topic: Topic, name: str, *also: str) -> str:
        """Where in the media bucket a file belongs that its event of this type refers to.

        Args:
            topic: the event's type.
            name: of the file.
            also: as for `event`.
        """
        return f"{self.vendor}/{self._id(topic, *also)}/{name}"

    def unmapped(self, why: str, body: bytes | None = None, known: Known = NOTHING) -> CloudEvent:
        """The notice that keeps a push which was verified and not understood.

        Args:
            why: goes into the notice.
            body: what could not be read, or is too large for an event: it goes where no subscriber looks.
            known: of the push all the same.
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
        """The event without its payload, which lies in the media bucket for the operator, under `unreadable/`.

        Args:
            event: of this push.
            body: the payload's JSON, or what could not be read at all.
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
        # Nothing in it of when it came: a repetition of the push, on the next day too, is the same picture.
        # And its digest: whatever else claims to be this event's picture is not written over it.
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


UNREADABLE = "unreadable/"
"""Where in the media bucket lies what nobody could read: one folder a vendor, kept for seven days."""
_CONFLICT = "conflict"
_SECONDS = len("2026-07-01T12:00:00")
# What JSON leaves alone and SQS refuses: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NOT_IN_SQS = ("\ufffe", "\uffff")
_NOT_IN_ATTRIBUTE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HOUR_SHARDS = 4
_FILTERS = ("account", "device", "severity", "kind", "site", "state")


def encoded(value: Any) -> str:
    """The JSON of a value that was JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _for_sqs(body: str) -> str:
    for character in _NOT_IN_SQS:
        if character in body:
            body = body.replace(character, f"\\u{ord(character):x}")
    return body


class Record:
    """An event as it is written in the book and announced: its JSON, and the few words people filter by."""

    def __init__(self, body: str, deciding: Mapping[str, str] | None = None, head: str | None = None) -> None:
        """Reads the JSON of a CloudEvent of ours.

        Args:
            body: the JSON.
            deciding: what tells it from another happening with the same identity, by where it is in `data`.
            head: the same without the payload, where it is at hand: nothing of the payload is asked for here.

        Raises:
            ValueError: it is not one.
        """
        self.body = body
        self.deciding = dict(deciding or {})
        try:
            event = json.loads(body if head is None else head)
            self._data: dict[str, Any] = {name: value for name, value in event["data"].items() if name != "payload"}
            self.id: str = event["id"]
            self.type: str = event["type"]
            self.topic = Topic(self.type.split(".")[1])
            self.time: str = event["time"]
            self.vendor: str = self._data["vendor"]
            self._filters = {name: self._data.get(name) for name in _FILTERS}
            self.received_at = datetime.fromisoformat(self._data["received_at"])
            self.occurred_at = datetime.fromisoformat(self._data["occurred_at"])
            self.arrival = Arrival(self._data["arrival"])
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"not an event of ours: {type(error).__name__}") from None

    @classmethod
    def of(cls, event: CloudEvent, deciding: Sequence[str] = (), payload: str | None = None) -> Self:
        """The record of an event.

        Args:
            event: the event.
            deciding: where in its data that is what decides: `person.id`.
            payload: the JSON of its payload, where it is at hand.
        """
        # The payload may be anything, of any size: it is written once, by an encoder that does not ask for types.
        head = event.model_dump_json(exclude_none=True, by_alias=True, exclude={"data": {"payload"}})
        body = head
        if event.data.payload is not None:
            text = encoded(event.data.payload) if payload is None else payload
            body = f'{head.removesuffix("}}")},"payload":{text}}}}}'
        record = cls(_for_sqs(body), head=head)
        record.deciding = {path: word for path in deciding if (word := record._decides(path))}
        return record

    def _decides(self, path: str) -> str | None:
        """The word at a place in the data; None where there is none, or nobody knows."""
        value: Any = self._data
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or value == "unknown":
            return None
        if path.endswith("_at"):
            # To the second, since one channel may have no more; when it came is not when it happened.
            return None if value == self._data["received_at"] else str(value)[:_SECONDS]
        if isinstance(value, str):
            return value
        # 87 and 87.0 are one number, and True is none.
        return str(float(value)) if type(value) is int else json.dumps(value, sort_keys=True)

    def differs_from(self, deciding: Mapping[str, str]) -> bool:
        """Whether another event with this identity is another happening: what one of them lacks decides nothing."""
        return any(deciding.get(path, word) != word for path, word in self.deciding.items())

    def beside(self) -> "Record":
        """The same as a second event beside one with its id: under an id of its own, which its repetition has too."""
        digest = hashlib.sha256(json.dumps([self.id, _CONFLICT, self.deciding], sort_keys=True).encode())
        event = json.loads(self.body)
        event["id"] = f"{self.vendor}-{digest.hexdigest()[:32]}"
        event["data"]["conflicts_with"] = self.id
        return Record(_for_sqs(encoded(event)), self.deciding)

    @cached_property
    def size(self) -> int:
        """Bytes, as SNS and DynamoDB count them."""
        return len(self.body.encode())

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The message attributes for filter policies, but for `arrival`, which whoever publishes adds: nine at most
        with it, since SNS drops a message with more than ten on its raw way to SQS
        (https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html). An empty one is left out.
        """
        words = {"vendor": self.vendor, "type": self.type, **self._filters}
        clean = {name: _NOT_IN_ATTRIBUTE.sub("", str(word))[:256] for name, word in words.items() if word}
        return {name: word for name, word in clean.items() if word}

    def arrival_at(self, now: datetime, live: timedelta) -> Arrival:
        """How fresh it is for whoever is told of it now: `live` is only what happened, and came, a moment ago."""
        if self.arrival is not Arrival.LIVE:
            return self.arrival
        return Arrival.LATE if now - min(self.received_at, self.occurred_at) > live else Arrival.LIVE

    @property
    def by_device(self) -> str | None:
        """Partition key of the index by device."""
        device = self.attributes.get("device")
        return f"{self.vendor}#{device}" if device else None

    @property
    def by_hour(self) -> str:
        """Partition key of the index by type and hour (UTC), sharded so that a burst does not heat one."""
        shard = int(hashlib.sha256(self.id.encode()).hexdigest()[:8], 16) % _HOUR_SHARDS
        return f"{self.topic}#{self.occurred_at.astimezone(UTC):%Y-%m-%dT%H}#{shard}"
