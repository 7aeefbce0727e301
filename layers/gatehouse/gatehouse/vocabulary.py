"""The words of an event: its type, its freshness, and the values of its fields. They are the same for all vendors."""

from datetime import timedelta
from enum import StrEnum

LIVE = timedelta(seconds=60)
"""Default of the age up to which an event counts as `live`."""


class Topic(StrEnum):
    """The event types; each has an SNS topic of its own."""

    RECOGNITION = "recognition"
    ALARM = "alarm"
    MEASUREMENT = "measurement"
    MEDIA = "media"
    NOTICE = "notice"


class Arrival(StrEnum):
    """Freshness of an event. A consumer that opens a gate or sounds a siren acts on `live` alone."""

    LIVE = "live"
    """It happened a moment ago."""
    LATE = "late"
    """It came on its usual way, longer than `LiveSeconds` after it happened; or its time is unknown, since the device's
    clock is more than ten minutes ahead."""
    CACHED = "cached"
    """The device kept it while we were not reachable, and sent it later."""
    BACKFILL = "backfill"
    """It was fetched from a list of the vendor's, after a gap."""
    REDRIVEN = "redriven"
    """It waited in a queue of ours. Only a message has it: the event itself was made before."""
    REPLAYED = "replayed"
    """It was announced before, and again at an operator's wish. Only a message has it."""


class Direction(StrEnum):
    """Direction of a passage, as the device is set up."""

    IN = "in"
    OUT = "out"


class Release(StrEnum):
    """Ways to release an alarm."""

    NOT_NEEDED = "not_needed"
    DEVICE = "device"
    REMOTE = "remote"
    DEVICE_OR_REMOTE = "device_or_remote"


class PersonKind(StrEnum):
    """Relation of a person to the place."""

    STAFF = "staff"
    VISITOR = "visitor"
    FAMILIAR = "familiar"
    STRANGER = "stranger"
    BLOCKLISTED = "blocklisted"
    CUSTOM = "custom"
    UNKNOWN = "unknown"


class Gender(StrEnum):
    """Gender, by the device's estimate or the vendor's library."""

    MALE = "male"
    FEMALE = "female"
    UNKNOWN = "unknown"


class Method(StrEnum):
    """Means by which a person was identified."""

    FACE = "face"
    CARD = "card"
    CODE = "code"
    PIN = "pin"
    BUTTON = "button"
    REMOTE = "remote"
    MULTIPLE = "multiple"
    UNKNOWN = "unknown"


class Mask(StrEnum):
    """State of a mask."""

    WORN = "worn"
    NOT_WORN = "not_worn"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """Outcome of a recognition."""

    GRANTED = "granted"
    DENIED = "denied"
    RECOGNISED = "recognised"
    NOT_RECOGNISED = "not_recognised"
    UNKNOWN = "unknown"


class AlarmKind(StrEnum):
    """Kind of an alarm."""

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
    """Severity of an alarm."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class AlarmState(StrEnum):
    """State of an alarm. Each change is an event."""

    RAISED = "raised"
    RELEASING = "releasing"
    RELEASED = "released"
    UNKNOWN = "unknown"


class MediaStatus(StrEnum):
    """State of a recording, or of a file of it."""

    AVAILABLE = "available"
    PARTIAL = "partial"
    EXPIRED = "expired"
    MISSING = "missing"


class MediaFault(StrEnum):
    """Reason why a recording, or a file of it, is not there."""

    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    HOST_NOT_ALLOWED = "host_not_allowed"
    PRIVATE_ADDRESS = "private_address"
    TOO_MANY = "too_many"
    NO_CREDENTIALS = "no_credentials"
    DENIED = "denied"
    """The vendor refuses our credentials."""


class NoticeKind(StrEnum):
    """Subject of a notice."""

    FACE_REGISTERED = "face_registered"
    TASK_FINISHED = "task_finished"
    PRICE_CHANGED = "price_changed"
    RECEIPT = "receipt"
    """A printer printed a receipt."""
    GAP = "gap"
    """Messages may be missing that cannot be fetched any more; `reference` has `from` and `to`."""
    CLOCK = "clock"
    """A device's clock is wrong; `reference` has `offset_seconds`, and `zone` if the offset looks like a time zone."""
    UNMAPPED = "unmapped"


class Result(StrEnum):
    """Result of a task."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class Anomaly(StrEnum):
    """Anomaly of a recognition."""

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
    """Source of a decision whether a door opens."""

    TERMINAL = "terminal"
    RULES = "rules"
    DOUBT = "doubt"
