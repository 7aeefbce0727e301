"""The errors of the gate, and whose fault each one is.

GatehouseError
├── Rejected        theirs: the push is not authentic or not readable; answered 4xx, nothing stored
├── NotUnderstood   no fault: verified, but not in our tables; becomes an `unmapped` notice, answered 2xx
│   └── NotReadable authentic, and not in a form that can be read: its body is kept where no subscriber may read
├── Unavailable     AWS did not take a call; the step that follows decides what that means
├── CallFailed      a vendor's API did not answer, or not as it should; each client says what it then does
├── TooOld          an event that waited longer than its id is remembered: it may be a repetition or not
├── NotKept         ours: neither the table nor the spill queue took the event; answered 503
└── WrongSetting    ours: a setting that cannot work; raised at start and names itself
"""

from enum import StrEnum
from typing import Final


class GatehouseError(Exception):
    """The root of all errors that Gatehouse raises on purpose."""


NOT_AUTHENTIC: Final = "not_authentic"
"""The `reason` of an answer to whoever has not shown a credential, whatever was wrong."""


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
        """False for a sender that has shown no credential: it would learn which ones exist."""
        return self not in _UNPROVEN

    @property
    def may_be_an_old_secret(self) -> bool:
        """True if credentials that were rotated a moment ago would explain it."""
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

    The message goes into the log, and to a sender who may be told the reason, so it says what to do and holds nothing
    of the push but numbers.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotUnderstood(GatehouseError):
    """The push is authentic, but our tables do not know it. The message is logged: nothing of the payload."""


class NotReadable(NotUnderstood):
    """The push is authentic, and not in a form that can be read."""

    def __init__(self, message: str, content: bytes | None = None) -> None:
        """An error.

        Args:
            message: goes into the notice.
            content: the bytes that could not be read, where they are not the push's body as it came.
        """
        super().__init__(message)
        self.content = content


class Unavailable(GatehouseError):
    """An AWS call did not go through within its time and its attempts."""


class CallFailed(GatehouseError):
    """A call of ours to a vendor's API or device failed. The message holds no address and no credential."""


class TooOld(GatehouseError):
    """An event that waited for longer than ids are remembered: its record may have been there, and have expired."""


class NotKept(GatehouseError):
    """Neither the events table nor the spill queue took the event: the vendor's retry is what is left."""


class WrongSetting(GatehouseError):
    """A setting that cannot work. The message names the environment variable and what it needs."""
