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
"""Bytes. SUNMI's own limit is 1 MB a push, without saying of what; of a text that is not in Latin letters every byte is
three in a form. In base64, as Lambda gets it, that is 4 MiB of the 6 that it takes."""
_MAX_FIELDS: Final = 64
_MAX_SITE: Final = 1000
"""Letters. What is longer is no shop, and might not fit into the notice that is to say where it was."""
_PICTURE: Final = "base64image"
"""The name of a printer's picture, in lower case and without what is spelt differently."""
_PICTURES: Final = 8
"""Pictures of a push that are kept; a receipt has one."""
_TEXT: Final = 200
"""Characters of a text that nobody takes for a picture, whatever it is called."""

# Bytes that are no UTF-8 (a name that was cut in the middle of a character) are signed as they are.
_AS_SIGNED: Final = "surrogateescape"


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right: the app, the fields but `sign`, and what was signed."""

    account: str
    fields: Mapping[str, str]
    """As the form is cut, which nobody signed."""
    signed: str
    """The text that the signature is over, without the key."""
    signed_at: datetime


def signature(fields: Iterable[tuple[str, str]], app_key: str) -> str:
    """The signature of a form's fields, as lower-case hex; the wire has it in upper case.

    The values are the raw ones, not URL-encoded, and whatever fields there are count: newer platforms add some.
    """
    return _signatures(_signed_text(fields), [app_key])[0]


def verify(push: Push, accounts: Accounts, *, window: Window) -> Verified:
    """Proves that the push is SUNMI's.

    Args:
        push: the raw push.
        accounts: the apps that are known.
        window: the timestamp has to lie in.

    Raises:
        Rejected: it is not, or it is not a form.
    """
    fields = _fields(push.body)
    account = next((known for known in accounts.accounts if known.app_id == fields.get("app_id")), None)
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
    """Reads the fields, with `payload` as the JSON it holds and without the picture in it. Nothing is encrypted here.

    The fields that decide what the push is are those of the signed text, however the form is cut. No event carries an
    id, and a receipt's comes again with each of its events, so there is no identity: see `evidence`.

    Raises:
        NotReadable: the payload is no JSON object.
    """
    images: dict[str, Image | None] = {}
    return Unwrapped(_without_pictures(_payload_of(verified), images), images=images)


def _payload_of(verified: Verified) -> JsonValue:
    cut = verified.fields.get("payload")
    said: dict[str, JsonValue] = {
        name: _clean(value) for name, value in verified.fields.items() if name not in _DECISIVE
    }
    event, timestamp = _event(verified.signed), _timestamp(verified.signed)
    said |= {name: _clean(value) for name, value in (("event", event), ("timestamp", timestamp)) if value is not None}
    if whole(event) == PRICE_CHANGED:
        # Its payload is documented nowhere: it is the same event whatever it is, so that it stays as the form has it.
        if cut is not None:
            said["payload"] = _json_or_text(cut)
        return said
    payload = _payload(verified.signed, cut or "")
    if payload is None:
        raise NotReadable("payload is no JSON object")
    return {**said, "payload": payload}


def evidence(_push: Push, verified: Verified) -> bytes:
    """The signed text, whole, without the fields that are empty; the payload as it is.

    The text has no quoting, so one signature covers many ways to cut it into fields (`a=1&b=2` may be one field or
    two): however it is cut, it is one push. And it is the same push whether its empty fields are signed or left out.
    """
    before, payload, after = _split(verified.signed)
    told = f"{_PAYLOAD}{payload}" if payload else ""
    return f"{_filled(before)}{told}{_filled(after)}".encode(errors=_AS_SIGNED)


def _filled(fields: str) -> str:
    """The fields in a part of the signed text that have a value."""
    return "&".join(piece for piece in fields.split("&") if piece.partition("=")[1:] != ("=", ""))


def known(verified: Verified) -> Known:
    """Where and when it was."""
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
    """The text that one of the app's keys signs so."""
    # Whether empty values are signed is not documented: either form is taken.
    texts = {_signed_text(fields.items()): None, _signed_text((name, it) for name, it in fields.items() if it): None}
    keys = [key.get_secret_value() for key in account.app_keys]
    sent = sign.lower().encode(errors=_AS_SIGNED)
    signed = [text for text in texts for right in _signatures(text, keys) if hmac.compare_digest(right.encode(), sent)]
    return signed[0] if signed else None


def _signed_text(fields: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(fields) if name != "sign")


def _signatures(text: str, app_keys: Iterable[str]) -> list[str]:
    """The signature by each key; what is the same in all of them, up to a megabyte, is hashed once."""
    begun = hashlib.md5(text.encode(errors=_AS_SIGNED), usedforsecurity=False)
    found = []
    for key in app_keys:
        digest = begun.copy()
        digest.update(f"&key={key}".encode())
        found.append(digest.hexdigest())
    return found


def _signed_at(signed: str) -> datetime:
    signed_at = read_time(_timestamp(signed))
    if signed_at is None:
        raise Rejected(Reason.MALFORMED, "sunmi: timestamp is not a Unix time")
    return signed_at


# ─── What was signed ──────────────────────────────────────────────────────────────────────────────────────────────────
# The form is not signed, only its text: `random=1&shop_id=2` may be one field or two. What decides the type of the
# event, and its age, is therefore read from the text, by a rule that asks nothing of how the form is cut. The text is
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
    before, found, after = signed.rpartition("&timestamp=")
    return _value((before, found, after))


def _value(parts: tuple[str, str, str]) -> str | None:
    """What follows a field's name, up to the next field."""
    _, found, after = parts
    return after.partition("&")[0] if found else None


def _payload(signed: str, cut: str) -> dict[str, JsonValue] | None:
    """The JSON object that the payload is; None where it is none.

    Args:
        signed: the signed text.
        cut: the payload as the form is cut: nearly always that is how SUNMI cut it, which saves a look for its end.
    """
    _, _, rest = signed.partition(_PAYLOAD)
    if rest.startswith(cut) and rest[len(cut) : len(cut) + 1] in {"", "&"}:
        # No two ways to cut it are both JSON: what goes on behind the end of the one is none.
        found = _object(cut)
        if found is not None:
            return found
    end = _end(rest)
    return None if end is None else _object(rest[:end])


def _split(signed: str) -> tuple[str, str, str]:
    """The signed text before the payload, the payload, and the text behind it, however the form is cut.

    Where it is no JSON, it goes on to the field that SUNMI has behind it.
    """
    before, _, rest = signed.partition(_PAYLOAD)
    end = _end(rest)
    if end is None:
        end = max(rest.rfind(_BEHIND), 0)
    return before, rest[:end], rest[end:]


def _end(rest: str) -> int | None:
    """Where the JSON ends with which a text begins; None where it begins with none."""
    begin = _BLANKS.match(rest)
    try:
        _, end = _JSON.raw_decode(rest, begin.end() if begin else 0)
    except (ValueError, RecursionError):
        return None
    blanks = _END.match(rest, end)
    return blanks.end() if blanks else None


def _object(text: str) -> dict[str, JsonValue] | None:
    found = _json_or_text(text)
    return found if isinstance(found, dict) else None


def _json_or_text(text: str) -> JsonValue:
    """The JSON in a text, or in the text that is in it, if it was written twice; the text, if there is none."""
    try:
        found = read_json(text.encode(errors=_AS_SIGNED))
    except ValueError:
        return _clean(text)
    if not isinstance(found, str):
        return found
    try:
        inner = read_json(found)
    except ValueError:
        return found
    return inner if isinstance(inner, dict | list) else found


def _clean(text: str) -> str:
    """The text with what is no UTF-8 as U+FFFD."""
    return text.encode(errors=_AS_SIGNED).decode(errors="replace")


def _without_pictures(value: JsonValue, found: dict[str, Image | None]) -> JsonValue:
    """The same without the pictures in it, wherever they stand; each is decoded here, once.

    A picture is what has a printer's name for it, in any spelling, and a long text that is one, whatever its name.
    """
    cleared: JsonValue = _cleared(value, found)
    return None if cleared is _IS_PICTURE else cleared


_IS_PICTURE: Final = object()


def _cleared(value: Any, found: dict[str, Image | None]) -> Any:
    if isinstance(value, dict):
        inside = {name: _told(name, inner, found) for name, inner in value.items()}
        return {name: inner for name, inner in inside.items() if inner is not _IS_PICTURE}
    if isinstance(value, list):
        return [inner for inner in (_cleared(inner, found) for inner in value) if inner is not _IS_PICTURE]
    if not isinstance(value, str) or len(value) <= _TEXT:
        return value
    if (picture := decode(value)) and picture.content_type.startswith("image/"):
        _keep(picture, found)
        return _IS_PICTURE
    return _unfolded(value, found)


def _told(name: str, value: Any, found: dict[str, Image | None]) -> Any:
    if name.replace("_", "").replace("-", "").lower() != _PICTURE:
        return _cleared(value, found)
    if value is not None and value != "":
        _keep(decode(value) if isinstance(value, str) else None, found)
    return _IS_PICTURE


def _unfolded(text: str, found: dict[str, Image | None]) -> Any:
    """The JSON in a text, if there was a picture in it; else the text as it is."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return text
    inside = _json_or_text(text)
    cleared = text if inside == text else _cleared(inside, found)
    return text if cleared == inside else cleared


def _keep(picture: Image | None, found: dict[str, Image | None]) -> None:
    role = "receipt" if not found else f"receipt_{len(found) + 1}"
    if len(found) < _PICTURES:
        found[role] = picture
