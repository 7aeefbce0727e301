"""SENSORO's signature and its safe mode ("API authentication": message signature, message encryption)."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from pydantic import JsonValue

from functions.sensoro import javascript, wire
from functions.sensoro.alarms import Change
from functions.sensoro.wire import Account, Accounts
from gatehouse.accounts import Window
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push, Unwrapped
from gatehouse.reading import read_base64, read_json, read_time
from gatehouse.wire import text

CHINA: Final = timezone(timedelta(hours=8))
"""The vendor's own time zone, for a time without one. That is our choice; no page says so."""
_BLOCK: Final = 16  # of AES; the padding's block is 32
_PADDING: Final = 32
_RANDOM: Final = 16  # bytes before the length
_NO_ID: Final = frozenset({"", "null", "(null)", "nil", "none", "undefined", "nan", "n/a", "-"})
"""Words of other languages' encoders for a missing value."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""RFC 8259 §6."""
_TRUTHS: Final = frozenset({"true", "false"})
_LONGEST: Final = 400
"""Most digits of a number. A longer text is none."""
_CONTENT: Final = {"text": ("data", "encryptData"), "event": ("resultCode", "resultData", "encryptData")}
"""The fields with the content of a push, by its type."""
_VOLATILE: Final = frozenset({"encryptData", "createdTime", "msgId"})
"""Fields that stand elsewhere in an identity, or differ in each repetition."""
_COUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right, and the app whose secret signed it."""

    app: Account
    signed: bytes
    """The signed bytes: nonce, method, address and body; the body as it came, or as JavaScript writes it."""
    signed_at: datetime
    """The nonce as a time: the vendor sent the push then."""
    changes: Sequence[Change] = ()
    """Changes of its sensor's alarms; `handler.Sensors` adds them."""

    @property
    def account(self) -> str:
        """The AppID."""
        return self.app.app_id


def signature(app_secret: str, nonce: str, method: str, url: str, body: bytes) -> str:
    """The value of `X-ACCESS-SIGNATURE`: base64 of HMAC-SHA256 over nonce, method, full URL and body."""
    return _mac(app_secret, _text(nonce, method, url, body))


def _text(nonce: str, method: str, url: str, body: bytes) -> bytes:
    return f"{nonce}{method}{url}".encode() + body


def _mac(app_secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(app_secret.encode(), signed, "sha256")).decode()


def verify(push: Push, accounts: Accounts, *, window: Window) -> Verified:
    """Proves that the push is SENSORO's ("API authentication", message signature).

    Args:
        push: the raw push; its URLs are the public ones, as SENSORO was given them.
        accounts: the apps in the secret.
        window: span in which the nonce, a time, has to lie. It may be wide: a repetition makes no second event, since
            its id is remembered, and a retry that comes late after an outage must not be lost.

    Raises:
        Rejected: a header is missing, no app in the secret signed it so, or the nonce lies outside the window.
    """
    app_id, nonce, sent = (push.headers.get(f"x-access-{name}", "") for name in ("id", "nonce", "signature"))
    if not (app_id and nonce and sent):
        raise Rejected(
            Reason.MISSING_SIGNATURE,
            "sensoro: X-ACCESS-ID, X-ACCESS-NONCE and X-ACCESS-SIGNATURE are needed, one is missing",
        )
    app = next((account for account in accounts.accounts if account.app_id == app_id), None)
    if app is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensoro: no app with this X-ACCESS-ID is in the secret")
    signed = _signed(push, app, nonce, sent, push.body)
    if signed is None:
        # The vendor signs JSON.stringify(body), also where it sends the body in another form.
        compact = javascript.stringify(push.body)
        signed = None if compact is None else _signed(push, app, nonce, sent, compact)
    if signed is None:
        raise Rejected(
            Reason.WRONG_SIGNATURE,
            "sensoro: the signature is wrong; it covers the full address (setting PublicBaseUrl)",
        )
    signed_at = _time_of(nonce)
    window.check(signed_at, push.received_at, "sensoro: X-ACCESS-NONCE")
    return Verified(app, signed, signed_at)


def unwrap(push: Push, verified: Verified) -> Unwrapped:
    """Reads and decrypts the body. The content of `encryptData` is put where it stands in plain mode.

    Raises:
        NotReadable: the body is not a JSON object, or the decrypted content is not JSON.
        Rejected: it names another app, does not decrypt, or is plain although the app's mode is `safe`.
    """
    body = _body(push)
    payload = _in_the_clear(body, verified)
    return Unwrapped(payload, identity(payload))


def _in_the_clear(body: dict[str, JsonValue] | None, verified: Verified) -> JsonValue:
    cipher = body.get("encryptData") if body else None
    if verified.app.mode == "safe" and not _is_filled(cipher):
        raise Rejected(Reason.PLAIN_REFUSED, "sensoro: not encrypted, and the app's mode is safe")
    if body is None:
        raise NotReadable("the body is no JSON object")
    if not _is_blank(body.get("appId")) and _app_id(body["appId"]) != verified.app.app_id:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensoro: appId and X-ACCESS-ID do not agree")
    if not _is_filled(cipher) or not verified.app.app_keys:
        return body
    if not isinstance(cipher, str):
        raise Rejected(Reason.UNDECRYPTABLE, "sensoro: encryptData is not a string")
    keys = (key.get_secret_value() for key in verified.app.app_keys)
    return _in_place(body, message(cipher, keys, verified.app.app_id))


def is_encrypted(push: Push) -> bool:
    """Tells whether a push is encrypted, regardless of the app's mode."""
    return _is_filled((_body(push) or {}).get("encryptData"))


def _body(push: Push) -> dict[str, JsonValue] | None:
    try:
        body = read_json(push.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_filled(cipher: JsonValue) -> bool:
    """Tells whether `encryptData` has content. In plain mode the field is present and empty."""
    return bool(cipher.strip() if isinstance(cipher, str) else cipher)


def _is_blank(app_id: JsonValue) -> bool:
    """Tells whether the body names no app. The header names one in any case, and the signature proves it."""
    return app_id is None or (isinstance(app_id, str) and not app_id.strip())


def _app_id(value: JsonValue) -> str | None:
    # Taken literally: an app with a blank at the end of its name is another one.
    return value if isinstance(value, str) else text(value)


def message(cipher: str, app_keys: Iterable[str], app_id: str) -> bytes:
    """Decrypts a cipher text of safe mode ("API authentication", message encryption).

    AES-256-CBC; key = the AppKey with `=` put back, decoded from base64; IV = the key's first 16 bytes; PKCS#7 over
    32-byte blocks; the text is 16 random bytes, the message's length as big-endian uint32, the message and the AppID.

    Args:
        cipher: base64.
        app_keys: the app's live keys, each of 43 characters.
        app_id: the AppID.

    Raises:
        Rejected: it does not decrypt with any of the keys: padding, length or trailing AppID are wrong.
    """
    sealed = read_base64(cipher)
    if sealed and len(sealed) % _BLOCK == 0:
        for app_key in app_keys:
            clear = _unsealed(sealed, app_key, app_id.encode())
            if clear is not None:
                return clear
    raise Rejected(Reason.UNDECRYPTABLE, "sensoro: encryptData does not decrypt with the app's keys")


def _unsealed(sealed: bytes, app_key: str, app_id: bytes) -> bytes | None:
    from Crypto.Cipher import AES  # noqa: PLC0415 - a plain push must not pay for it

    key = base64.b64decode(app_key + "=")
    clear = AES.new(key, AES.MODE_CBC, key[:_BLOCK]).decrypt(sealed)
    padding = clear[-1]
    if not 1 <= padding <= min(_PADDING, len(clear)) or clear[-padding:] != bytes([padding]) * padding:
        return None
    clear = clear[:-padding]
    start = _RANDOM + 4
    end = start + int.from_bytes(clear[_RANDOM:start])
    if len(clear) < start or not hmac.compare_digest(clear[end:], app_id):
        return None
    return clear[start:end]


def identity(payload: JsonValue) -> list[str] | None:
    """Sensor or task, message id, time, and a digest of the content; None for a push with neither message id nor time.

    A repetition has the same values, perhaps in another spelling, while its nonce, signature and random bytes of
    encryption may differ. A message id alone is not enough: it may be 0, a word or missing, or start again. All fields
    that decide are part of the identity, so that the vendor needs no `deciding` fields.
    """
    body: dict[str, Any] = payload if isinstance(payload, dict) else {}
    msg_id = _message_id(body.get("msgId"))
    created = read_time(body.get("createdTime"), CHINA)
    if msg_id is None and created is None:
        return None
    return [
        *(text(body.get(name)) or "" for name in ("type", "sn", "taskId")),
        msg_id or "",
        created.isoformat() if created else _spelled(body.get("createdTime")),
        hashlib.sha256(_spelled(_content(body, msg_id)).encode()).hexdigest(),
    ]


def evidence(_push: Push, verified: Verified) -> bytes:
    """The signed bytes, nonce included.

    The same body an hour later under another nonce is another reading. A signed push that is re-spaced, or separated
    into another address and body, is the same one.
    """
    return verified.signed


def _message_id(value: object) -> str | None:
    """The `msgId` in one spelling; None if it is a placeholder, which tells no two messages apart."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    word = _spelled(value)
    if word.strip().lower() in _NO_ID:
        return None
    return None if _NUMBER.fullmatch(word) and float(word) <= 0 else word


def _content(body: dict[str, Any], msg_id: str | None) -> JsonValue:
    """The content of a push; of a type that is not documented, the whole body."""
    names = _CONTENT.get(text(body.get("type")) or "")
    if names is None:
        return {name: value for name, value in body.items() if name not in _VOLATILE}
    # Without keys there is only the cipher text, with random bytes in it. It counts only where there is no message id.
    content = {name: body.get(name) for name in names if name not in _VOLATILE or msg_id is None}
    data = content.get("data")
    if isinstance(data, dict) and (leak := wire.leak(data.get("leak"))) is not None:
        content["data"] = {**data, "leak": leak}
    return content


def _spelled(value: Any) -> str:
    """A value in one spelling. Numbers are written as JavaScript does, also those that come as text."""
    return json.dumps(_alike(value), sort_keys=True) if isinstance(value, dict | list) else str(_alike(value))


def _alike(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _alike(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_alike(inner) for inner in value]
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return value.lower() == "true"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and len(value) <= _LONGEST and _NUMBER.fullmatch(value)):
        return value
    try:
        return javascript.notation(float(value))  # type: ignore[arg-type] # a number, or text that is one
    except (ValueError, OverflowError):
        return str(value)


def _signed(push: Push, app: Account, nonce: str, sent: str, body: bytes) -> bytes | None:
    """The signed bytes, if one of the app's secrets gives this signature for one of our addresses; else None."""
    texts = [_text(nonce, push.method, url, body) for url in push.urls]
    matches = [
        signed
        for secret in app.app_secrets
        for signed in texts
        if hmac.compare_digest(_mac(secret.get_secret_value(), signed).encode(), sent.encode())
    ]
    return matches[0] if matches else None


def _time_of(nonce: str) -> datetime:
    signed_at = read_time(nonce) if _COUNT.fullmatch(nonce) else None
    if signed_at is None:
        raise Rejected(Reason.MALFORMED, "sensoro: X-ACCESS-NONCE is not a Unix time in milliseconds")
    return signed_at


def _in_place(body: dict[str, JsonValue], clear: bytes) -> JsonValue:
    opened = {name: value for name, value in body.items() if name != "encryptData"}
    try:
        inner = read_json(clear)
    except ValueError:
        # The notice gets the clear bytes, not `data`: damaged content is no reading.
        raise NotReadable("what is decrypted is not JSON", clear) from None
    if body.get("type") == "event":
        if isinstance(inner, dict) and "resultCode" in inner:
            return {**opened, **inner, "appId": body.get("appId")}
        return {**opened, "resultData": inner}
    return {**opened, "data": inner}
