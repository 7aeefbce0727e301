"""A simulated SENSORO cloud: sensors of two apps, one in plain and one in safe mode."""

import base64
import hashlib
import hmac
import json
import random
import secrets
import string
import time
from collections.abc import Iterator, Mapping
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


def request(app: Credentials, api_url: str, body: Mapping[str, Any] | bytes, *, at: float | None = None) -> Request:
    """A signed push.

    Args:
        app: `app_id` and `app_secret`.
        api_url: where the API is, as SENSORO was given it.
        body: what goes over the wire.
        at: Unix seconds; now by default.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    nonce = str(int((time.time() if at is None else at) * 1000))
    url = api_url + PATH
    return Request(
        url=url,
        body=raw,
        headers={
            "content-type": "application/json",
            "X-ACCESS-ID": app["app_id"],
            "X-ACCESS-NONCE": nonce,
            "X-ACCESS-SIGNATURE": sign(app["app_secret"], nonce, "POST", url, raw),
        },
    )


def sensor_data(app: Credentials, data: Mapping[str, Any], *, safe: bool = False, **more: Any) -> dict[str, Any]:
    """The body of a `text` push."""
    sealed = seal(json.dumps(data).encode(), app["app_key"], app["app_id"]) if safe else ""
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
    sealed = seal(json.dumps(result).encode(), app["app_key"], app["app_id"]) if safe else ""
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


def day(apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
    """Temperatures, a door's battery, now and then a leak; the same from the app in safe mode."""
    plain, safe = apps["sensoro"], apps["sensoro_safe"]
    while True:
        yield request(plain, api_url, sensor_data(plain, _climate()))
        yield request(safe, api_url, sensor_data(safe, _climate(), safe=True, sn="0117C9D4E5F6"))
        yield request(plain, api_url, sensor_data(plain, {"leak": False, "battery": 87, "interval": 600}))
        yield request(safe, api_url, sensor_data(safe, {"leak": True, "battery": 64}, safe=True, sn="0117C9D4E5F7"))
        yield request(plain, api_url, task_result(plain))


def _climate() -> dict[str, Any]:
    return {
        "temperature": round(random.uniform(-2, 28), 1),  # noqa: S311 - weather, not a secret
        "humidity": random.randrange(30, 70),  # noqa: S311
        "light": random.randrange(900),  # noqa: S311
        "battery": random.randrange(40, 100),  # noqa: S311
        "lonlat": [116.39, 39.91],
    }
