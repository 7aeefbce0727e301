"""SENSORO's signature and its safe mode ("API authentication": message signature, message encryption)."""

import base64
import binascii
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from functions.sensoro.wire import Account, Accounts
from gatehouse.errors import NotReadable, Reason, Rejected
from gatehouse.gate import Push
from gatehouse.reading import read_json, read_time

_BLOCK = 16  # of AES; the padding's block is 32
_PADDING = 32
_RANDOM = 16  # bytes before the length


@dataclass(frozen=True, slots=True)
class Verified:
    """A push whose signature is right, and the app whose secret made it."""

    app: Account

    @property
    def account(self) -> str:
        """The AppID."""
        return self.app.app_id


def signature(app_secret: str, nonce: str, method: str, url: str, body: bytes) -> str:
    """`X-ACCESS-SIGNATURE`: base64 of HMAC-SHA256 over nonce, method, full URL and body."""
    text = f"{nonce}{method}{url}".encode() + body
    return base64.b64encode(hmac.digest(app_secret.encode(), text, "sha256")).decode()


def verify(push: Push, accounts: Accounts, *, window: int) -> Verified:
    """Whether the push is SENSORO's.

    Args:
        push: the raw push; its URL is the public one, as SENSORO was given it.
        accounts: the apps that are known.
        window: seconds that the nonce, a time, may lie in the past or in the future.

    Raises:
        Rejected: it is not.
    """
    app_id, nonce, sent = (push.headers.get(f"x-access-{name}", "") for name in ("id", "nonce", "signature"))
    if not (app_id and nonce and sent):
        raise Rejected(
            Reason.MISSING_SIGNATURE,
            "sensoro: X-ACCESS-ID, X-ACCESS-NONCE and X-ACCESS-SIGNATURE are needed, one is missing",
        )
    app = next((known for known in accounts.accounts if known.app_id == app_id), None)
    if app is None:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensoro: no app with this X-ACCESS-ID is in the secret")
    if not _signed(push, app, nonce, sent, push.body):
        # Their reference server signs JSON.stringify(body), whatever then goes over the wire.
        compact = _stringify(push.body)
        if compact is None or not _signed(push, app, nonce, sent, compact):
            raise Rejected(
                Reason.WRONG_SIGNATURE,
                "sensoro: the signature is wrong; it covers the full address (setting PublicBaseUrl)",
            )
    _check_age(nonce, push, window)
    return Verified(app)


def decrypt(push: Push, verified: Verified) -> JsonValue:
    """The body in the clear: what `encryptData` holds stands where it would stand in plain mode.

    A body that is signed and is no JSON object is returned as text, for the notice that keeps it.

    Raises:
        Rejected: it is another app's, it does not decrypt, or it is plain although the app's mode is `safe`.
    """
    try:
        body = read_json(push.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if verified.app.mode == "safe":
            raise Rejected(Reason.PLAIN_REFUSED, "sensoro: not encrypted, and the app's mode is safe")
        raise NotReadable("the body is no JSON object")
    if "appId" in body and str(body["appId"]) != verified.app.app_id:
        raise Rejected(Reason.UNKNOWN_ACCOUNT, "sensoro: appId and X-ACCESS-ID do not agree")
    cipher = body.get("encryptData")
    if not cipher:
        if verified.app.mode == "safe":
            raise Rejected(Reason.PLAIN_REFUSED, "sensoro: not encrypted, and the app's mode is safe")
        return body
    if not verified.app.app_keys:
        return body
    if not isinstance(cipher, str):
        raise Rejected(Reason.UNDECRYPTABLE, "sensoro: encryptData is not a string")
    keys = (key.get_secret_value() for key in verified.app.app_keys)
    return _in_place(body, message(cipher, keys, verified.app.app_id))


def message(cipher: str, app_keys: Iterable[str], app_id: str) -> bytes:
    """What a cipher text of safe mode holds.

    AES-256-CBC; key = base64 of the AppKey with `=` put back; IV = the key's first 16 bytes; PKCS#7 over
    32-byte blocks; the text is 16 random bytes, the message's length as big-endian uint32, the message and the AppID.

    Raises:
        Rejected: it does not decrypt with any of the keys: padding, length or trailing AppID are wrong.
    """
    try:
        sealed = base64.b64decode(cipher, validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    if sealed and len(sealed) % _BLOCK == 0:
        for app_key in app_keys:
            found = _unsealed(sealed, app_key, app_id.encode())
            if found is not None:
                return found
    raise Rejected(Reason.UNDECRYPTABLE, "sensoro: encryptData does not decrypt with the app's keys")


def _unsealed(sealed: bytes, app_key: str, app_id: bytes) -> bytes | None:
    from Crypto.Cipher import AES  # noqa: PLC0415 - a plain push must not pay for it

    key = base64.b64decode(app_key + "=")
    text = AES.new(key, AES.MODE_CBC, key[:_BLOCK]).decrypt(sealed)
    padding = text[-1]
    if not 1 <= padding <= min(_PADDING, len(text)) or text[-padding:] != bytes([padding]) * padding:
        return None
    text = text[:-padding]
    start = _RANDOM + 4
    end = start + int.from_bytes(text[_RANDOM:start])
    if len(text) < start or not hmac.compare_digest(text[end:], app_id):
        return None
    return text[start:end]


def identity(payload: JsonValue, _verified: Verified) -> list[str]:
    """App, device and message id; where there is no message id, the body itself."""
    # As JavaScript has it: bodies that one signature covers, because they stringify alike, are one push.
    signed = _as_javascript(payload)
    body: dict[str, Any] = signed if isinstance(signed, dict) else {}
    msg_id = body.get("msgId")
    if isinstance(msg_id, str | int) and msg_id != "":
        return [str(body.get("type", "")), str(body.get("sn", "")), str(msg_id)]
    # In the clear: a push that is sent again may be encrypted with other random bytes.
    return [json.dumps(signed, sort_keys=True)]


def _signed(push: Push, app: Account, nonce: str, sent: str, body: bytes) -> bool:
    matches = [
        hmac.compare_digest(signature(secret.get_secret_value(), nonce, push.method, url, body).encode(), sent.encode())
        for secret in app.app_secrets
        for url in push.urls
    ]
    return any(matches)


def _stringify(body: bytes) -> bytes | None:
    """The body as JavaScript's JSON.stringify writes it, as far as Python does: no spaces, 23.0 as 23."""
    try:
        # By the parser that `decrypt` uses: another one would accept a body re-coded to UTF-16 as the same push.
        value = read_json(body)
    except ValueError:
        return None
    return json.dumps(_as_javascript(value), separators=(",", ":"), ensure_ascii=False).encode()


def _as_javascript(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _as_javascript(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_javascript(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


def _check_age(nonce: str, push: Push, window: int) -> None:
    signed_at = read_time(nonce)
    if signed_at is None:
        raise Rejected(Reason.MALFORMED, "sensoro: X-ACCESS-NONCE is not a Unix time in milliseconds")
    age = int((push.received_at - signed_at).total_seconds())
    if age > window:
        raise Rejected(
            Reason.STALE,
            f"sensoro: X-ACCESS-NONCE is {age} s old, the limit is {window} s (setting SensoroNonceWindow)",
        )
    if age < -window:
        raise Rejected(
            Reason.FUTURE,
            f"sensoro: X-ACCESS-NONCE is {-age} s ahead, the limit is {window} s (setting SensoroNonceWindow)",
        )


def _in_place(body: dict[str, JsonValue], clear: bytes) -> JsonValue:
    opened = {name: value for name, value in body.items() if name != "encryptData"}
    try:
        inner = read_json(clear)
    except ValueError:
        # Not as `data`: what is damaged is no reading.
        raise NotReadable("what is decrypted is not JSON", clear) from None
    if body.get("type") == "event":
        if isinstance(inner, dict) and "resultCode" in inner:
            return {**opened, **inner, "appId": body.get("appId")}
        return {**opened, "resultData": inner}
    return {**opened, "data": inner}
