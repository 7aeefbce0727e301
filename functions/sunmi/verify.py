"""SUNMI's signature: MD5 over the sorted fields and the app's key (chapter 2.2, "Authentication")."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pydantic import JsonValue

from functions.sunmi.wire import Accounts
from gatehouse.errors import Reason, Rejected
from gatehouse.events import parse_json
from gatehouse.gate import Push
from gatehouse.wire import unix_time

_IDENTITY = ("app_id", "event", "payload", "random", "shop_id", "timestamp")
_MAX_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right: the app, and the fields but `sign`."""

    account: str
    fields: Mapping[str, str]


def signature(fields: Iterable[tuple[str, str]], app_key: str) -> str:
    """The signature of a form's fields, as lower-case hex; the wire has it in upper case.

    The values are the raw ones, not URL-encoded, and whatever fields there are count: newer platforms add some.
    """
    text = "&".join(f"{name}={value}" for name, value in sorted(fields) if name != "sign") + f"&key={app_key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


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
    forms = (fields.items(), [(name, value) for name, value in fields.items() if value])
    matches = [
        hmac.compare_digest(signature(form, key.get_secret_value()).encode(), sign.lower().encode())
        for key in account.app_keys
        for form in forms
    ]
    if not any(matches):
        raise Rejected(Reason.WRONG_SIGNATURE, "sunmi: the signature is wrong")
    _check_form(fields)
    _check_age(fields, push, window)
    del fields["sign"]
    return Verified(account.app_id, fields)


def decrypt(_push: Push, verified: Verified) -> JsonValue:
    """The fields with `payload` as the JSON it holds; nothing is encrypted here."""
    fields: dict[str, JsonValue] = dict(verified.fields)
    try:
        fields["payload"] = parse_json(verified.fields.get("payload", ""))
    except ValueError:
        return fields
    return fields


def identity(_payload: JsonValue, verified: Verified) -> list[str]:
    """No event carries an id. This is the signed text over the fields that tell two pushes apart.

    Joined as in the signature: a signed text that somebody cuts into other fields keeps its identity.
    """
    return ["&".join(f"{name}={verified.fields[name]}" for name in _IDENTITY if name in verified.fields)]


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


def _check_form(fields: Mapping[str, str]) -> None:
    # The signed text has no quoting, so `random=1&shop_id=2` may be one field or two. None of the plain fields
    # ever holds an ampersand; one that does was cut from somebody else's push.
    if any("&" in value for name, value in fields.items() if name in _IDENTITY and name != "payload"):
        raise Rejected(Reason.MALFORMED, "sunmi: a plain field holds an ampersand")


def _check_age(fields: Mapping[str, str], push: Push, window: int) -> None:
    signed_at = unix_time(fields.get("timestamp"))
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
