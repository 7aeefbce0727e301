"""SensePass's authenticity: a token in the path. The terminal signs nothing ("does not require authentication")."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from functions.sensepass import wire
from functions.sensepass.wire import Account, Accounts
from gatehouse.accounts import holder
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push
from gatehouse.media import Image, decode
from gatehouse.reading import read_json

_PICTURES: Final = ("rgb_image", "alarm_photo")


@dataclass(frozen=True, slots=True)
class Verified:
    """A push with a token of ours, the site that the token is for, and the pictures of the push."""

    site: Account
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
    return Verified(found)


def decrypt(push: Push, verified: Verified) -> JsonValue:
    """The body without its pictures, which are decoded here, once, and without what opens doors: PIN and QR code.

    Raises:
        Rejected: the token may not speak for this terminal.
    """
    try:
        body = read_json(push.body)
    except ValueError:
        raise NotReadable("the body is not JSON") from None
    record = wire.record(body)
    if record is None:
        return body
    serial = record.get("deviceSN") or push.headers.get("sn")
    if verified.site.serials and serial not in verified.site.serials:
        raise Rejected(Reason.UNKNOWN_DEVICE, "sensepass: the site's token is not for this serial number")
    if isinstance(serial, str):
        record.setdefault("deviceSN", serial)  # an alarm has it in the headers only
    for name in _PICTURES:
        picture = record.pop(name, None)
        text = picture.strip() if isinstance(picture, str) else picture
        # A blank stands for none.
        if text:
            verified.images[name] = decode(text) if isinstance(text, str) else None
    user = record.get("user")
    if isinstance(user, dict):
        user.pop("pin", None)
    record.pop("qrcode_content", None)
    return body


def images(verified: Verified) -> Mapping[str, Image | None]:
    """The push's pictures."""
    return verified.images


def identity(payload: JsonValue, verified: Verified) -> list[str]:
    """The record's uuid where the firmware has one, else what tells two records apart; an alarm's states are news."""
    record = wire.record(payload)
    if record is None:
        return [json.dumps(payload, sort_keys=True)]
    envelope: dict[str, Any] = payload if isinstance(payload, dict) else {}
    if envelope.get("type") == 1:
        parts = [record.get(name) for name in ("trace_id", "status", "event_time")]
        return ["alarm", *map(str, parts)] if record.get("trace_id") else [json.dumps(payload, sort_keys=True)]
    stage = "asked" if record is payload else "recorded"
    if record.get("uuid"):
        return [stage, str(record["uuid"])]
    user = record.get("user")
    user_id = user.get("user_id") if isinstance(user, dict) else None
    kind = record.get("recognizeStatus", record.get("recognitionType"))
    parts = [record.get("deviceSN"), record.get("timestamp"), user_id, record.get("mode"), kind]
    image = verified.images.get("rgb_image")
    return [stage, *map(str, parts), image.digest.hex() if image else ""]
