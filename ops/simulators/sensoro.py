"""A simulated SENSORO cloud: sensors of two apps, one in plain and one in safe mode, of newer and older servers."""

import base64
import hashlib
import hmac
import json
import math
import random
import secrets
import string
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from Crypto.Cipher import AES

from ops.simulators import Accounts, Credentials, Request

PATH = "/v1/sensoro"


def new_accounts() -> Accounts:
    """An app in plain mode and one in safe mode."""
    apps = {name: _app() for name in ("sensoro", "sensoro_safe")}
    documents = [
        {
            "app_id": app["app_id"],
            "app_secrets": [app["app_secret"]],
            "app_keys": [app["app_key"]],
            "mode": "safe" if name == "sensoro_safe" else "plain",
        }
        for name, app in apps.items()
    ]
    return Accounts(secret={"accounts": documents}, apps=apps)


def _app() -> dict[str, str]:
    return {
        "app_id": "".join(secrets.choice(string.digits) for _ in range(8)),
        "app_key": base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        "app_secret": secrets.token_hex(16),
    }


def compact(value: Any) -> bytes:
    """What the vendor signs and sends: as JavaScript's JSON.stringify writes it, without blanks, 21 for 21.0."""
    return _written(value).encode()


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_written(name)}:{_written(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return _number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if 1e-6 <= abs(value) < 1e21 or value == 0:
        return format(Decimal(repr(value or 0.0)), "f").removesuffix(".0")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent):+d}"


def sign(app_secret: str, nonce: str, method: str, url: str, body: bytes) -> str:
    """`X-ACCESS-SIGNATURE`."""
    digest = hmac.new(app_secret.encode(), (nonce + method + url).encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def seal(message: bytes, app_key: str, app_id: str, *, padding: int | None = None) -> str:
    """`encryptData`: what safe mode makes of a message.

    Args:
        message: what is to be encrypted.
        app_key: 43 characters.
        app_id: goes in behind the message.
        padding: another padding than the right one, for tests; its bytes say what its length is.
    """
    key = base64.b64decode(app_key + "=")
    text = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + app_id.encode()
    length = 32 - len(text) % 32 if padding is None else padding
    text += bytes([length]) * length
    return base64.b64encode(AES.new(key, AES.MODE_CBC, key[:16]).encrypt(text)).decode()


def request(
    app: Credentials,
    api_url: str,
    body: Mapping[str, Any] | bytes,
    *,
    at: float | None = None,
    signed: bytes | None = None,
) -> Request:
    """A signed push.

    Args:
        app: `app_id` and `app_secret`.
        api_url: where the API is, as SENSORO was given it.
        body: what goes over the wire.
        at: Unix seconds; now by default.
        signed: what is signed, where that is not what goes over the wire.
    """
    raw = body if isinstance(body, bytes) else compact(body)
    nonce = str(int((time.time() if at is None else at) * 1000))
    url = api_url + PATH
    return Request(
        url=url,
        body=raw,
        headers={
            "content-type": "application/json",
            "X-ACCESS-ID": app["app_id"],
            "X-ACCESS-NONCE": nonce,
            "X-ACCESS-SIGNATURE": sign(app["app_secret"], nonce, "POST", url, raw if signed is None else signed),
        },
    )


def sensor_data(app: Credentials, data: Mapping[str, Any], *, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of a `text` push."""
    sealed = seal(compact(data), app["app_key"], app["app_id"]) if safe else ""
    return {
        "appId": app["app_id"],
        "sn": "0117C9A1B2C3",
        "type": "text",
        "deviceType": "node",
        "createdTime": int(time.time() * 1000),
        "msgId": secrets.randbelow(2**48),
        **({"encryptData": sealed} if safe else {"data": dict(data), "encryptData": ""}),
        **more,
    }


def task_result(app: Credentials, *, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of an `event` push."""
    result = {"interval": 600}
    sealed = seal(compact(result), app["app_key"], app["app_id"]) if safe else ""
    return {
        "appId": app["app_id"],
        "taskId": secrets.randbelow(10_000),
        "type": "event",
        "createdTime": int(time.time() * 1000),
        "msgId": secrets.randbelow(2**48),
        "resultCode": 0,
        **({"encryptData": sealed} if safe else {"resultData": result, "encryptData": ""}),
        **more,
    }


def pushes(apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
    """Temperatures, tasks, a leak and smoke that begin and end; from the app in safe mode the same, and in between
    the forms of older servers and other languages' encoders.
    """
    plain, safe = apps["sensoro"], apps["sensoro_safe"]

    def pushed(data: Mapping[str, Any], **more: Any) -> Request:
        return request(plain, api_url, sensor_data(plain, data, **more))

    def sealed(data: Mapping[str, Any], **more: Any) -> Request:
        return request(safe, api_url, sensor_data(safe, data, safe=True, **more))

    def cellar(*, leak: Any, **more: Any) -> Request:
        return sealed({"leak": leak, "battery": 64}, sn="0117C9D4E5F7", deviceType="leak", **more)

    def hall(smoke: Any) -> Request:
        return pushed({"smoke": smoke, "battery": 90}, sn="0117C9A1B2C5", deviceType="smoke")

    while True:
        yield pushed(_climate())
        yield sealed(_climate(), sn="0117C9D4E5F6")
        yield pushed({"leak": False, "battery": 87, "interval": 600}, sn="0117C9A1B2C4", deviceType="leak")
        yield cellar(leak=True)
        yield request(plain, api_url, task_result(plain))
        yield hall(0.4)
        yield from _odd(plain, safe, api_url)
        yield cellar(leak=1, msgId="")  # it still leaks, which is no second alarm
        yield hall("0.3")
        yield request(safe, api_url, task_result(safe, safe=True))
        yield hall(0)
        yield cellar(leak=False)


def _odd(plain: Credentials, safe: Credentials, api_url: str) -> Iterator[Request]:
    """The same in other forms."""
    # The sample of chapter 2 to the letter: neither time nor id.
    yield request(plain, api_url, sensor_data(plain, {"temperature": 21.5}, createdTime="", msgId=""))
    texts = {name: str(value) for name, value in _climate().items() if name != "lonlat"}
    yield request(plain, api_url, sensor_data(plain, {**texts, "lonlat": ["116.39", "39.91"]}, createdTime=_beijing()))
    body = sensor_data(plain, {"temperature": 21.0, "ch4": 1e-05, "customer": "gate 2"})
    # Python writes 21.0 and 1e-05 where JavaScript signs 21 and 0.00001.
    yield request(plain, api_url, json.dumps(body, indent=2).encode(), signed=compact(body))
    yield request(plain, api_url, b"\xef\xbb\xbf" + compact(sensor_data(plain, _climate())) + b"\0")
    broken = sensor_data(plain, {"humidity": 40, "temperature": float("nan")}, msgId=0)
    yield request(plain, api_url, json.dumps(broken).encode())
    lines = "\n".join(textwrap.wrap(seal(compact(_climate()), safe["app_key"], safe["app_id"]), 76))
    yield request(safe, api_url, sensor_data(safe, {}, safe=True, sn="0117C9D4E5F6", encryptData=f"{lines}\n"))
    result = seal(b'{"resultCode":1,"resultData":{}}', safe["app_key"], safe["app_id"]).rstrip("=")
    task = {name: value for name, value in task_result(safe, safe=True).items() if name != "resultCode"}
    yield request(safe, api_url, {**task, "encryptData": result.translate(str.maketrans("+/", "-_"))})


def _beijing() -> str:
    """The time there as a compact date."""
    return (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")


def _climate() -> dict[str, Any]:
    return {
        "temperature": round(random.uniform(-2, 28), 1),  # noqa: S311 - weather, not a secret
        "humidity": random.randrange(30, 70),  # noqa: S311
        "light": random.randrange(900),  # noqa: S311
        "battery": random.randrange(40, 100),  # noqa: S311
        "lonlat": [116.39, 39.91],
    }
