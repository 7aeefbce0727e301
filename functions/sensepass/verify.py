"""SensePass's authenticity: a token in the path. The terminal signs nothing ("does not require authentication")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from functions.sensepass import wire
from functions.sensepass.wire import AccessRecord, Account, Accounts, DeviceAlarm
from functions.sensepass.withheld import withhold
from gatehouse.accounts import account_for_token
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.events import NOTHING, Decision, Known
from gatehouse.gate import Push, Unwrapped
from gatehouse.media import Image
from gatehouse.reading import is_nothing, read_json, read_time
from gatehouse.vocabulary import Arrival
from gatehouse.wire import text

FETCHED: Final = "gatehouse-arrival"
"""The header of an upload that we fetched from the terminal's list. A forged one cannot make an event look fresher."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a token of ours, and the site that the token is for."""

    site: Account
    sn: str | None = None
    """The terminal's serial number in the headers; at the door also the one in the body."""
    fetched: bool = False
    """True for a record that was fetched from the terminal's list."""
    decision: Decision | None = None
    """The answer to a terminal that waits; `door.Door` adds it."""

    @property
    def account(self) -> str:
        """The site."""
        return self.site.site


def verify(push: Push, accounts: Accounts) -> Verified:
    """Proves that the path of the push has a token of ours.

    Args:
        push: the raw push.
        accounts: the sites in the secret.

    Raises:
        Rejected: no site in the secret has the token.
    """
    account = account_for_token(
        push.path_parameters.get("token", ""), ((site, site.tokens) for site in accounts.accounts)
    )
    if account is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensepass: no site in the secret has this token")
    fetched = push.headers.get(FETCHED) == Arrival.BACKFILL
    return Verified(account, _spelled(push.headers.get("sn")), fetched)


def unwrap(push: Push, verified: Verified) -> Unwrapped:
    """Takes apart the body: the pictures, and the rest without PIN and QR code. Nothing is encrypted.

    Raises:
        Rejected: the site's token is not for this terminal.
        NotReadable: the body is not a JSON object, so that nothing can be taken out of it; or see `withhold`.
    """
    try:
        body = read_json(push.body)
    except ValueError:
        body = None
    # For a body that cannot be read, the headers may name the terminal. If they do not, the token alone decides.
    if isinstance(body, dict) or (verified.sn and push.method != "GET"):
        _check_serial(body, verified)
    if not isinstance(body, dict):
        raise NotReadable("the body is no JSON object")
    images = withhold(body, [token.get_secret_value() for token in verified.site.tokens])
    return Unwrapped(body, identity(body, verified, images), images)


def _check_serial(body: JsonValue, verified: Verified) -> None:
    allowed = {_spelled(number) for number in verified.site.serials}
    if allowed and serial(body, verified) not in allowed:
        raise Rejected(Reason.UNKNOWN_DEVICE, "sensepass: the site's token is not for this serial number")


def serial(payload: JsonValue, verified: Verified) -> str | None:
    """The terminal's serial number, in one spelling. An alarm has it in the headers only."""
    return _spelled(wire.fields(payload).get("deviceSN")) or verified.sn


def _spelled(value: object) -> str | None:
    """A serial number as it is printed on the terminal: in capitals, without blanks."""
    return "".join((text(value) or "").split()).upper() or None


def known(verified: Verified) -> Known:
    """Facts about a question at the door that could not be understood: terminal, site and answer."""
    if verified.decision is None:
        return NOTHING
    return Known(device=verified.sn, site=verified.account, decision=verified.decision)


def identity(payload: JsonValue, verified: Verified, images: Mapping[str, Image | None]) -> list[str] | None:
    """A record's uuid if the firmware has one, else the fields that tell two records apart; an alarm's id and state.

    Each state of an alarm is a happening of its own. None if the push has too little to be told from others.
    """
    message = wire.message(payload)
    if isinstance(message, DeviceAlarm):
        return _alarm_identity(message)
    return None if message is None else _record_identity(message, serial(payload, verified), images.get("rgb_image"))


def _alarm_identity(alarm: DeviceAlarm) -> list[str] | None:
    trace = _id(alarm.trace_id)
    return None if trace is None else ["alarm", trace, str(alarm.status), str(text(alarm.event_time))]


def _record_identity(access: AccessRecord, device: str | None, image: Image | None) -> list[str] | None:
    stage = "asked" if access.asked else "recorded"
    moment = read_time(access.timestamp)
    if uuid := _id(access.uuid):
        # A record without a time has little to distinguish it, and must not take the id of one that has a time.
        return [stage, uuid, *([] if moment else ["at no time"])]
    if moment is None:
        return None
    kind = access.recognize_status if access.recognition_type is None else access.recognition_type
    parts = [device, moment.isoformat(), access.user.user_id, access.mode, kind]
    return [stage, *map(str, parts), image.digest.hex() if image else ""]


def _id(word: str | None) -> str | None:
    """An id in one spelling; None for a placeholder."""
    bare = (word or "").strip("{}() ").casefold()
    return None if is_nothing(word) or is_nothing(bare) else bare
