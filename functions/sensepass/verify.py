"""SensePass's authenticity: a token in the path. The terminal signs nothing ("does not require authentication")."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from functions.sensepass import wire
from functions.sensepass.wire import AccessRecord, Account, Accounts, DeviceAlarm
from functions.sensepass.withheld import withhold
from gatehouse.accounts import holder
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push
from gatehouse.media import Image
from gatehouse.reading import is_nothing, read_json, read_time
from gatehouse.wire import text


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a token of ours, the site that the token is for, and the pictures of the push."""

    site: Account
    sn: str | None = None
    """The serial number in the headers."""
    images: dict[str, Image | None] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The site."""
        return self.site.site


def verify(push: Push, accounts: Accounts) -> Verified:
    """Whether the push has a token of ours.

    Raises:
        Rejected: it has none.
    """
    found = holder(push.path_parameters.get("token", ""), ((site, site.tokens) for site in accounts.accounts))
    if found is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensepass: no site in the secret has this token")
    return Verified(found, _spelled(push.headers.get("sn")))


def decrypt(push: Push, verified: Verified) -> JsonValue:
    """The body without its pictures, which are decoded here, once, and without what opens doors: PIN and QR code.

    Raises:
        Rejected: the token may not speak for this terminal.
        NotReadable: nobody can tell what is to be taken out.
    """
    try:
        body = read_json(push.body)
    except ValueError:
        body = None
    # Of a body that cannot be read the headers may still tell whose it is; where they do not, the token has to do.
    if isinstance(body, dict) or (verified.sn and push.method != "GET"):
        _check_serial(body, verified)
    if not isinstance(body, dict):
        raise NotReadable("the body is no JSON object")
    verified.images.update(withhold(body, [token.get_secret_value() for token in verified.site.tokens]))
    return body


def _check_serial(body: JsonValue, verified: Verified) -> None:
    allowed = {_spelled(known) for known in verified.site.serials}
    if allowed and serial(body, verified) not in allowed:
        raise Rejected(Reason.UNKNOWN_DEVICE, "sensepass: the site's token is not for this serial number")


def serial(payload: JsonValue, verified: Verified) -> str | None:
    """The terminal's serial number, in one spelling; an alarm has it in the headers only."""
    return _spelled(wire.fields(payload).get("deviceSN")) or verified.sn


def _spelled(value: object) -> str | None:
    """A serial number as it is printed on the terminal: in capitals, without blanks."""
    return "".join((text(value) or "").split()).upper() or None


def images(verified: Verified) -> Mapping[str, Image | None]:
    """The push's pictures."""
    return verified.images


def identity(payload: JsonValue, verified: Verified) -> list[str] | None:
    """The record's uuid where the firmware has one, else what tells two records apart; an alarm's states are news."""
    message = wire.message(payload)
    if isinstance(message, DeviceAlarm):
        return _alarm_identity(message)
    return None if message is None else _record_identity(message, serial(payload, verified), verified)


def _alarm_identity(alarm: DeviceAlarm) -> list[str] | None:
    trace = _id(alarm.trace_id)
    return None if trace is None else ["alarm", trace, str(alarm.status), str(text(alarm.event_time))]


def _record_identity(access: AccessRecord, device: str | None, verified: Verified) -> list[str] | None:
    stage = "asked" if access.asked else "recorded"
    moment = read_time(access.timestamp)
    if uuid := _id(access.uuid):
        # Without a time a record has little to be told by, and must not take the id of one that has.
        return [stage, uuid, *([] if moment else ["at no time"])]
    if moment is None:
        return None
    image = verified.images.get("rgb_image")
    kind = access.recognize_status if access.recognition_type is None else access.recognition_type
    parts = [device, moment.isoformat(), access.user.user_id, access.mode, kind]
    return [stage, *map(str, parts), image.digest.hex() if image else ""]


def _id(word: str | None) -> str | None:
    """An id in one spelling; None for the words and the numbers that stand for none."""
    bare = (word or "").strip("{}() ").casefold()
    return None if is_nothing(word) or is_nothing(bare) else bare
