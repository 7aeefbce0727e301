"""The errors of the gate, and the side that each one is a fault of.

GatehouseError
├── Rejected        theirs: the push is not authentic or not readable; answered 4xx, nothing stored
├── NotUnderstood   no fault: verified, but not in our tables; becomes an `unmapped` notice, answered 2xx
│   └── NotReadable authentic, but in no readable form: its body goes where no subscriber may read
├── Unavailable     AWS did not take a call; the caller decides what that means
├── CallFailed      a vendor's API did not answer, or not as it should; the caller decides what that means
├── TooOld          an event that waited longer than its id is remembered: it may be a repetition
├── NotKept         ours: neither the table nor the spill queue took the event; answered 503
└── WrongSetting    ours: a setting that cannot work; raised at start, names the setting
"""

from enum import StrEnum
from typing import Final


class GatehouseError(Exception):
    """The root of all errors that Gatehouse raises on purpose."""


NOT_AUTHENTIC: Final = "not_authentic"
"""The `reason` in the answer to a sender that has shown no credential, the same for every fault."""


class Reason(StrEnum):
    """Reason of a rejection, in the metric, in the log line, and in the answer where the sender may know it."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNDECRYPTABLE = "undecryptable"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_DEVICE = "unknown_device"
    MISSING_SIGNATURE = "missing_signature"
    WRONG_SIGNATURE = "wrong_signature"
    STALE = "stale"
    FUTURE = "future"
    PLAIN_REFUSED = "plain_refused"

    @property
    def status(self) -> int:
        """The HTTP status that answers it (RFC 9110 §15.5)."""
        return _STATUS.get(self, 401)

    @property
    def may_be_told(self) -> bool:
        """False where the sender has shown no credential: it would learn which accounts exist."""
        return self not in _UNPROVEN

    @property
    def may_be_an_old_secret(self) -> bool:
        """True if a credential that was rotated a moment ago would explain the rejection."""
        return self in _CREDENTIALS


_STATUS = {Reason.MALFORMED: 400, Reason.UNDECRYPTABLE: 400, Reason.TOO_LARGE: 413}
_UNPROVEN = {
    Reason.UNKNOWN_ACCOUNT,
    Reason.UNKNOWN_DEVICE,
    Reason.MISSING_SIGNATURE,
    Reason.WRONG_SIGNATURE,
    Reason.PLAIN_REFUSED,
}
_CREDENTIALS = {
    Reason.UNKNOWN_ACCOUNT,
    Reason.UNKNOWN_DEVICE,
    Reason.WRONG_SIGNATURE,
    Reason.UNDECRYPTABLE,
    Reason.PLAIN_REFUSED,
}


class Rejected(GatehouseError):
    """The push was turned away.

    The message goes into the log, and to the sender if `Reason.may_be_told`. It says what to do, and holds nothing of
    the push but numbers.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotUnderstood(GatehouseError):
    """The push is authentic, but our tables do not know it. The message is logged: it holds nothing of the payload."""


class NotReadable(NotUnderstood):
    """The push is authentic, but in no readable form."""

    def __init__(self, message: str, content: bytes | None = None) -> None:
        """An error.

        Args:
            message: goes into the notice.
            content: the bytes that could not be read; None if they are the body of the push.
        """
        super().__init__(message)
        self.content = content


class Unavailable(GatehouseError):
    """An AWS call did not go through within its time and its attempts."""


class CallFailed(GatehouseError):
    """A call of ours to a vendor's API or device failed. The message holds no address and no credential."""


class TooOld(GatehouseError):
    """The event waited for longer than ids are remembered: its record may have existed and expired."""


class NotKept(GatehouseError):
    """Neither the events table nor the spill queue took the event: only the vendor's retry can save it."""


class WrongSetting(GatehouseError):
    """A setting cannot work. The message names the environment variable and what it needs."""
