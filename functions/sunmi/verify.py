"""SUNMI's signature: MD5 over the sorted fields and the app's key (chapter 2.2, "Authentication")."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue

from functions.sunmi.wire import PRICE_CHANGED, Account, Accounts, Fields
from gatehouse.accounts import Window
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.events import Known
from gatehouse.gate import Push, Unwrapped
from gatehouse.media import Image, decode
from gatehouse.reading import read_form, read_json, read_time, whole

BODY_LIMIT: Final = 3 * 1024 * 1024
"""Bytes of a body. SUNMI's limit is 1 MB a push; the page does not say of what. In a form each byte of a text in other
than Latin letters takes three. Lambda gets the body as base64: 4 MiB of the 6 that it takes."""
_MAX_FIELDS: Final = 64
_MAX_SITE: Final = 1000
"""Characters of a shop's id. A longer text is no shop, and might not fit into the notice."""
_PICTURE: Final = "base64image"
"""Name of a printer's picture, in lower case and without `_` and `-`."""
_PICTURES: Final = 8
"""Pictures of a push that are kept; a receipt has one."""
_TEXT: Final = 200
"""Characters up to which a text is not a picture under any other name."""

# Bytes that are not UTF-8 (a name that was cut in the middle of a character) are signed as they are.
_AS_SIGNED: Final = "surrogateescape"


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right: the app, the fields without `sign`, and the signed text."""

    account: str
    """The app's id."""
    fields: Mapping[str, str]
    """The fields as the form separates them. The signature does not cover the separation."""
    signed: str
    """The signed text, without the key."""
    signed_at: datetime
    """The signed `timestamp`."""


def signature(fields: Iterable[tuple[str, str]], app_key: str) -> str:
    """The signature of a form's fields: lower-case hex of an MD5; on the wire it is in upper case.

    MD5 is over `name=value` of all fields but `sign`, sorted and joined by `&`, and `&key=` with the app's key. The
    values are not URL-encoded. Fields that no page documents count too: newer platforms add some.

    Args:
        fields: names and values.
        app_key: the app's key.
    """
    return _signatures(_signed_text(fields), [app_key])[0]


def verify(push: Push, accounts: Accounts, *, window: Window) -> Verified:
    """Proves that the push is SUNMI's ("Authentication", chapter 2.2).

    Args:
        push: the raw push.
        accounts: the apps in the secret.
        window: span in which the signed timestamp has to lie.

    Raises:
        Rejected: the body is not a form, no app in the secret signed it so, or the timestamp lies outside the window.
    """
    fields = _fields(push.body)
    account = next((app for app in accounts.accounts if app.app_id == fields.get("app_id")), None)
    if account is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sunmi: no app with this app_id is in the secret")
    sign = fields.pop("sign", None)
    if not sign:
        raise Rejected(Reason.MISSING_SIGNATURE, "sunmi: the field sign is missing")
    signed = _signed(fields, sign, account)
    if signed is None:
        raise Rejected(Reason.WRONG_SIGNATURE, "sunmi: the signature is wrong")
    signed_at = _signed_at(signed)
    window.check(signed_at, push.received_at, "sunmi: timestamp")
    return Verified(account.app_id, fields, signed, signed_at)


def unwrap(_push: Push, verified: Verified) -> Unwrapped:
    """Reads the fields, with `payload` as JSON and without its pictures. Nothing is encrypted.

    `event`, `timestamp` and `payload` come from the signed text, since the form could be separated differently. There
    is no identity, see `evidence`: no event carries an id, and a receipt's id comes again with each of its events.

    Raises:
        NotReadable: the payload is no JSON object.
    """
    images: dict[str, Image | None] = {}
    return Unwrapped(_without_pictures(_payload_of(verified), images), images=images)


def _payload_of(verified: Verified) -> JsonValue:
    in_form = verified.fields.get("payload")
    fields: dict[str, JsonValue] = {
        name: _clean(value) for name, value in verified.fields.items() if name not in _DECISIVE
    }
    event, timestamp = _event(verified.signed), _timestamp(verified.signed)
    fields |= {name: _clean(value) for name, value in (("event", event), ("timestamp", timestamp)) if value is not None}
    if whole(event) == PRICE_CHANGED:
        # Its payload is documented nowhere and decides nothing, so that it is taken as the form has it.
        if in_form is not None:
            fields["payload"] = _json_or_text(in_form)
        return fields
    payload = _payload(verified.signed, in_form or "")
    if payload is None:
        raise NotReadable("payload is no JSON object")
    return {**fields, "payload": payload}


def evidence(_push: Push, verified: Verified) -> bytes:
    """The signed text without empty fields; the payload as it is.

    The text has no quoting, so one signature covers several separations into fields (`a=1&b=2` may be one field or
    two). All of them are one push. With its empty fields signed or left out it is also the same push.
    """
    before, payload, after = _split(verified.signed)
    field = f"{_PAYLOAD}{payload}" if payload else ""
    return f"{_filled(before)}{field}{_filled(after)}".encode(errors=_AS_SIGNED)


def _filled(fields: str) -> str:
    """A part of the signed text without the fields that have no value."""
    return "&".join(piece for piece in fields.split("&") if piece.partition("=")[1:] != ("=", ""))


def known(verified: Verified) -> Known:
    """Shop and time of a push that could not be understood."""
    names = ("shop_id", "sunmi_shop_no")
    site = Fields.model_validate({name: _clean(verified.fields.get(name, "")) for name in names}).site
    return Known(site=site if site and len(site) <= _MAX_SITE else None, occurred_at=verified.signed_at)


# ─── The signature ────────────────────────────────────────────────────────────────────────────────────────────────────


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = read_form(body, _MAX_FIELDS, _AS_SIGNED)
    except ValueError:
        raise Rejected(Reason.MALFORMED, f"sunmi: the body is not a form of at most {_MAX_FIELDS} fields") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Rejected(Reason.MALFORMED, "sunmi: a field comes twice")
    return fields


def _signed(fields: Mapping[str, str], sign: str, account: Account) -> str | None:
    """The text that has this signature by one of the app's keys; None if there is none."""
    # The page does not say whether empty values are signed: either form is taken.
    texts = {_signed_text(fields.items()): None, _signed_text((name, it) for name, it in fields.items() if it): None}
    keys = [key.get_secret_value() for key in account.app_keys]
    sent = sign.lower().encode(errors=_AS_SIGNED)
    signed = [text for text in texts for right in _signatures(text, keys) if hmac.compare_digest(right.encode(), sent)]
    return signed[0] if signed else None


def _signed_text(fields: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(fields) if name != "sign")


def _signatures(text: str, app_keys: Iterable[str]) -> list[str]:
    """The signature by each key. The text, up to a megabyte, is hashed once for all of them."""
    common = hashlib.md5(text.encode(errors=_AS_SIGNED), usedforsecurity=False)
    signatures = []
    for key in app_keys:
        digest = common.copy()
        digest.update(f"&key={key}".encode())
        signatures.append(digest.hexdigest())
    return signatures


def _signed_at(signed: str) -> datetime:
    signed_at = read_time(_timestamp(signed))
    if signed_at is None:
        raise Rejected(Reason.MALFORMED, "sunmi: timestamp is not a Unix time")
    return signed_at


# ─── The signed text ──────────────────────────────────────────────────────────────────────────────────────────────────
# The signature covers the text and not its separation into fields: `random=1&shop_id=2` may be one field or two. The
# event's type and age are therefore read from the text, by a rule that does not depend on the separation. The text is
# sorted by the fields' names, so that app_id and event come before the payload, and the timestamp behind it.

_DECISIVE: Final = ("event", "payload", "timestamp")
_PAYLOAD: Final = "&payload="
_BEHIND: Final = "&random="
_BLANKS: Final = re.compile(r"[\ufeff\s]*")
_END: Final = re.compile(r"[\s\0]*(?=&|\Z)")
_JSON: Final = json.JSONDecoder(strict=False, parse_constant=str)


def _event(signed: str) -> str | None:
    head = signed.partition(_PAYLOAD)[0]
    return _value(head.partition("&event="))


def _timestamp(signed: str) -> str | None:
    return _value(signed.rpartition("&timestamp="))


def _value(parts: tuple[str, str, str]) -> str | None:
    """A field's value, up to the next field.

    Args:
        parts: the text partitioned by the field's name.
    """
    _, name, after = parts
    return after.partition("&")[0] if name else None


def _payload(signed: str, in_form: str) -> dict[str, JsonValue] | None:
    """The payload's JSON object; None if it is not one.

    Args:
        signed: the signed text.
        in_form: the payload as the form separates it. It nearly always is the signed one, which saves the search for
            its end.
    """
    _, _, rest = signed.partition(_PAYLOAD)
    if rest.startswith(in_form) and rest[len(in_form) : len(in_form) + 1] in {"", "&"}:
        # Two separations cannot both be JSON: a complete document with a continuation is none.
        content = _object(in_form)
        if content is not None:
            return content
    end = _end(rest)
    return None if end is None else _object(rest[:end])


def _split(signed: str) -> tuple[str, str, str]:
    """The signed text before the payload, the payload, and the text behind it. The form's separation does not count.

    A payload that is not JSON ends at the field that SUNMI puts behind it.
    """
    before, _, rest = signed.partition(_PAYLOAD)
    end = _end(rest)
    if end is None:
        end = max(rest.rfind(_BEHIND), 0)
    return before, rest[:end], rest[end:]


def _end(rest: str) -> int | None:
    """The end of the JSON at the beginning of a text, with blanks behind it; None if it does not begin with JSON."""
    begin = _BLANKS.match(rest)
    try:
        _, end = _JSON.raw_decode(rest, begin.end() if begin else 0)
    except (ValueError, RecursionError):
        return None
    blanks = _END.match(rest, end)
    return blanks.end() if blanks else None


def _object(text: str) -> dict[str, JsonValue] | None:
    content = _json_or_text(text)
    return content if isinstance(content, dict) else None


def _json_or_text(text: str) -> JsonValue:
    """The JSON in a text, also if it was encoded twice; the text itself if there is none."""
    try:
        content = read_json(text.encode(errors=_AS_SIGNED))
    except ValueError:
        return _clean(text)
    if not isinstance(content, str):
        return content
    try:
        inner = read_json(content)
    except ValueError:
        return content
    return inner if isinstance(inner, dict | list) else content


def _clean(text: str) -> str:
    """The text with U+FFFD in place of bytes that are not UTF-8."""
    return text.encode(errors=_AS_SIGNED).decode(errors="replace")


def _without_pictures(value: JsonValue, images: dict[str, Image | None]) -> JsonValue:
    """A copy of a value without the pictures at any place in it.

    A field with the printers' name for a picture is one, in any spelling; a long text that decodes to a picture is one
    under any name.

    Args:
        value: the value.
        images: gets the pictures, decoded, by their role.
    """
    cleared: JsonValue = _cleared(value, images)
    return None if cleared is _IS_PICTURE else cleared


_IS_PICTURE: Final = object()


def _cleared(value: Any, images: dict[str, Image | None]) -> Any:
    if isinstance(value, dict):
        inside = {name: _cleared_field(name, inner, images) for name, inner in value.items()}
        return {name: inner for name, inner in inside.items() if inner is not _IS_PICTURE}
    if isinstance(value, list):
        return [inner for inner in (_cleared(inner, images) for inner in value) if inner is not _IS_PICTURE]
    if not isinstance(value, str) or len(value) <= _TEXT:
        return value
    if (picture := decode(value)) and picture.content_type.startswith("image/"):
        _keep(picture, images)
        return _IS_PICTURE
    return _cleared_json(value, images)


def _cleared_field(name: str, value: Any, images: dict[str, Image | None]) -> Any:
    if name.replace("_", "").replace("-", "").lower() != _PICTURE:
        return _cleared(value, images)
    if value is not None and value != "":
        _keep(decode(value) if isinstance(value, str) else None, images)
    return _IS_PICTURE


def _cleared_json(text: str, images: dict[str, Image | None]) -> Any:
    """The JSON in a text, if there was a picture in it; else the text as it is."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return text
    inside = _json_or_text(text)
    cleared = text if inside == text else _cleared(inside, images)
    return text if cleared == inside else cleared


def _keep(picture: Image | None, images: dict[str, Image | None]) -> None:
    role = "receipt" if not images else f"receipt_{len(images) + 1}"
    if len(images) < _PICTURES:
        images[role] = picture
