"""SUNMI's signature: MD5 over the sorted fields and the app's key (chapter 2.2, "Authentication")."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pydantic import JsonValue

from functions.sunmi.wire import Accounts
from gatehouse.errors import Reason, Rejected
from gatehouse.gate import Push
from gatehouse.reading import read_json, read_time

_PLAIN = ("app_id", "event", "random", "shop_id", "timestamp")
_MAX_FIELDS = 64
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right: the app, the fields but `sign`, and what was signed."""

    account: str
    fields: Mapping[str, str]
    signed: str
    """The text that the signature is over, without the key."""


def signature(fields: Iterable[tuple[str, str]], app_key: str) -> str:
    """The signature of a form's fields, as lower-case hex; the wire has it in upper case.

    The values are the raw ones, not URL-encoded, and whatever fields there are count: newer platforms add some.
    """
    return _digest(_signed_text(fields), app_key)


def verify(push: Push, accounts: Accounts, *, window: int) -> Verified:
    """Whether the push is SUNMI's.

    Args:
        push: the raw push.
        accounts: the apps that are known.
        window: seconds that the timestamp may lie in the past or in the future.

    Raises:
        Rejected: it is not, or it is not a form.
    """
    fields = _fields(push.body)
    account = next((known for known in accounts.accounts if known.app_id == fields.get("app_id")), None)
    if account is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sunmi: no app with this app_id is in the secret")
    sign = fields.get("sign")
    if not sign:
        raise Rejected(Reason.MISSING_SIGNATURE, "sunmi: the field sign is missing")
    # Whether empty values are signed is not documented: either form is taken.
    texts = (_signed_text(fields.items()), _signed_text((name, value) for name, value in fields.items() if value))
    signed = [
        text
        for key in account.app_keys
        for text in texts
        if hmac.compare_digest(_digest(text, key.get_secret_value()).encode(), sign.lower().encode())
    ]
    if not signed:
        raise Rejected(Reason.WRONG_SIGNATURE, "sunmi: the signature is wrong")
    _check_form(fields, signed[0])
    _check_age(fields, push, window)
    del fields["sign"]
    return Verified(account.app_id, fields, signed[0])


def decrypt(_push: Push, verified: Verified) -> JsonValue:
    """The fields with `payload` as the JSON it holds; nothing is encrypted here."""
    fields: dict[str, JsonValue] = dict(verified.fields)
    try:
        fields["payload"] = read_json(verified.fields.get("payload", ""))
    except ValueError:
        return fields
    return fields


def identity(_payload: JsonValue, verified: Verified) -> list[str]:
    """No event carries an id. This is the signed text, whole.

    The text has no quoting, so one signature covers many ways to cut it into fields (`a=1&b=2` may be one field or
    two), and fields that are empty may be added to some: however it is cut, it is one push.
    """
    return [verified.signed]


def _signed_text(fields: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(fields) if name != "sign")


def _digest(text: str, app_key: str) -> str:
    return hashlib.md5(f"{text}&key={app_key}".encode(), usedforsecurity=False).hexdigest()


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise Rejected(Reason.MALFORMED, "sunmi: the body is not a form in UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Rejected(Reason.MALFORMED, "sunmi: a field comes twice")
    return fields


def _check_form(fields: Mapping[str, str], signed: str) -> None:
    """The signed text has no quoting, so `random=1&shop_id=2` may be one field or two.

    One that was cut otherwise than SUNMI cuts it would be an event of another type, and so a second one of one push.

    Raises:
        Rejected: a plain field holds an ampersand, a field stands inside another, or the payload goes on in the next.
    """
    payload = fields.get("payload", "")
    plain = any("&" in fields.get(name, "") for name in _PLAIN)
    # What stands in a payload that is JSON to its end is the payload's own, as the query of an address in it.
    around = signed.replace(f"payload={payload}", "", 1) if _is_json(payload) else signed
    inside = any(f"&{name}=" in around for name in (*_PLAIN, "payload") if name not in fields)
    if plain or inside or not _is_whole(payload, signed):
        raise Rejected(Reason.MALFORMED, "sunmi: the fields are not cut as they were signed")


def _is_json(payload: str) -> bool:
    try:
        read_json(payload)
    except ValueError:
        return False
    return True


def _is_whole(payload: str, signed: str) -> bool:
    _, _, rest = signed.partition("&payload=")
    rest = rest.lstrip()
    if not rest.startswith("{"):
        return True
    try:
        _, end = _JSON.raw_decode(rest)
    except (ValueError, RecursionError):
        return True  # not JSON, however it is cut
    follows = rest[end:].lstrip()
    return payload.strip() == rest[:end] or not (follows == "" or follows.startswith("&"))


def _check_age(fields: Mapping[str, str], push: Push, window: int) -> None:
    signed_at = read_time(fields.get("timestamp"))
    if signed_at is None:
        raise Rejected(Reason.MALFORMED, "sunmi: timestamp is not a Unix time in seconds")
    age = int((push.received_at - signed_at).total_seconds())
    if age > window:
        raise Rejected(
            Reason.STALE, f"sunmi: timestamp is {age} s old, the limit is {window} s (setting SunmiTimestampWindow)"
        )
    if age < -window:
        raise Rejected(
            Reason.FUTURE,
            f"sunmi: timestamp is {-age} s ahead, the limit is {window} s (setting SunmiTimestampWindow)",
        )
