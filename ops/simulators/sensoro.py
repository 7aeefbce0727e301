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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from Crypto.Cipher import AES

from ops.simulators import Accounts, Credentials, Messages, Request, now

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


def apps_of(secret: Mapping[str, Any], *, older: bool = False) -> Mapping[str, Credentials]:
    """The first app in plain mode and the first in safe mode, each with the first of its keys or the last."""
    which = -1 if older else 0
    apps: dict[str, Credentials] = {}
    for account in secret["accounts"]:
        app = {"app_id": account["app_id"], "app_secret": account["app_secrets"][which]}
        keys = account.get("app_keys")
        name = "sensoro_safe" if account.get("mode") == "safe" else "sensoro"
        apps.setdefault(name, {**app, "app_key": keys[which]} if keys else app)
    return apps


def _app() -> dict[str, str]:
    return {
        "app_id": "".join(secrets.choice(string.digits) for _ in range(8)),
        "app_key": base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        "app_secret": secrets.token_hex(16),
    }


def compact(value: Any) -> bytes:
    """The text that the vendor signs and sends: JSON of JavaScript's JSON.stringify, without blanks, 21 for 21.0."""
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
    nonce = str(int((now() if at is None else at) * 1000))
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
        "createdTime": int(now() * 1000),
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
        "createdTime": int(now() * 1000),
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
    while True:
        for make in _day(plain, safe, api_url).values():
            yield make()


def messages(apps: Mapping[str, Credentials], api_url: str) -> Messages:
    """Every message: those of a day, and those that no page knows."""
    plain, safe = apps["sensoro"], apps["sensoro_safe"]
    cut = compact(sensor_data(plain, _climate()))[:80]
    firmware: dict[str, Any] = {"type": "firmware", "firmware": {"from": "1.4.0", "to": "1.5.2"}}
    unmapped = {name: value for name, value in sensor_data(plain, {}, **firmware).items() if name != "data"}
    return {
        **_day(plain, safe, api_url),
        "unmapped": partial(request, plain, api_url, unmapped),
        "unreadable": partial(request, plain, api_url, cut),
    }


def unsigned(push: Request) -> Request:
    """The push without its header `X-ACCESS-SIGNATURE`."""
    headers = {name: value for name, value in push.headers.items() if name != "X-ACCESS-SIGNATURE"}
    return replace(push, headers=headers)


def _day(plain: Credentials, safe: Credentials, api_url: str) -> dict[str, Callable[[], Request]]:
    def pushed(data: Mapping[str, Any], **more: Any) -> Request:
        return request(plain, api_url, sensor_data(plain, data, **more))

    def sealed(data: Mapping[str, Any], **more: Any) -> Request:
        return request(safe, api_url, sensor_data(safe, data, safe=True, **more))

    def cellar(*, leak: Any, **more: Any) -> Request:
        return sealed({"leak": leak, "battery": 64}, sn="0117C9D4E5F7", deviceType="leak", **more)

    def hall(smoke: Any) -> Request:
        return pushed({"smoke": smoke, "battery": 90}, sn="0117C9A1B2C5", deviceType="smoke")

    dry = {"leak": False, "battery": 87, "interval": 600}
    return {
        "sensor-data": lambda: pushed(_climate()),
        "sensor-data-safe-mode": lambda: sealed(_climate(), sn="0117C9D4E5F6"),
        "no-leak": lambda: pushed(dry, sn="0117C9A1B2C4", deviceType="leak"),
        "leak-alarm": lambda: cellar(leak=True),
        "task-result": lambda: request(plain, api_url, task_result(plain)),
        "smoke-alarm": lambda: hall(0.4),
        **_odd(plain, safe, api_url),
        "leak-again": lambda: cellar(leak=1, msgId=""),  # it still leaks, which is no second alarm
        "smoke-again": lambda: hall("0.3"),
        "task-result-safe-mode": lambda: request(safe, api_url, task_result(safe, safe=True)),
        "smoke-over": lambda: hall(0),
        "leak-over": lambda: cellar(leak=False),
    }


def _odd(plain: Credentials, safe: Credentials, api_url: str) -> dict[str, Callable[[], Request]]:
    """The same in other forms."""

    def pushed(data: Mapping[str, Any], **more: Any) -> Request:
        return request(plain, api_url, sensor_data(plain, data, **more))

    def as_text() -> Request:
        texts = {name: str(value) for name, value in _climate().items() if name != "lonlat"}
        return pushed({**texts, "lonlat": ["116.39", "39.91"]}, createdTime=_beijing())

    def of_python() -> Request:
        body = sensor_data(plain, {"temperature": 21.0, "ch4": 1e-05, "customer": "gate 2"})
        # Python writes 21.0 and 1e-05 where JavaScript signs 21 and 0.00001.
        return request(plain, api_url, json.dumps(body, indent=2).encode(), signed=compact(body))

    def broken() -> Request:
        body = sensor_data(plain, {"humidity": 40, "temperature": float("nan")}, msgId=0)
        return request(plain, api_url, json.dumps(body).encode())

    def in_lines() -> Request:
        lines = "\n".join(textwrap.wrap(seal(compact(_climate()), safe["app_key"], safe["app_id"]), 76))
        body = sensor_data(safe, {}, safe=True, sn="0117C9D4E5F6", encryptData=f"{lines}\n")
        return request(safe, api_url, body)

    def without_padding() -> Request:
        result = seal(b'{"resultCode":1,"resultData":{}}', safe["app_key"], safe["app_id"]).rstrip("=")
        task = {name: value for name, value in task_result(safe, safe=True).items() if name != "resultCode"}
        return request(safe, api_url, {**task, "encryptData": result.translate(str.maketrans("+/", "-_"))})

    return {
        # The sample of chapter 2 to the letter: neither time nor id.
        "sensor-data-without-id": lambda: pushed({"temperature": 21.5}, createdTime="", msgId=""),
        "sensor-data-as-text": as_text,
        "sensor-data-of-python": of_python,
        "sensor-data-marked": lambda: request(
            plain, api_url, b"\xef\xbb\xbf" + compact(sensor_data(plain, _climate())) + b"\0"
        ),
        "sensor-data-not-a-number": broken,
        "sensor-data-safe-mode-in-lines": in_lines,
        "task-result-safe-mode-without-padding": without_padding,
    }


def _beijing() -> str:
    """The time there as a compact date."""
    return (datetime.fromtimestamp(now(), UTC) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")


def _climate() -> dict[str, Any]:
    return {
        "temperature": round(random.uniform(-2, 28), 1),  # noqa: S311 - weather, not a secret
        "humidity": random.randrange(30, 70),  # noqa: S311
        "light": random.randrange(900),  # noqa: S311
        "battery": random.randrange(40, 100),  # noqa: S311
        "lonlat": [116.39, 39.91],
    }
