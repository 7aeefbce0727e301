"""A simulated SUNMI store platform: cameras in invented shops."""

import hashlib
import json
import random
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from ops.simulators import Accounts, Credentials, Request

PATH = "/v1/sunmi"


def new_accounts() -> Accounts:
    """One app."""
    app_id, app_key = secrets.token_hex(8).upper(), secrets.token_hex(10)
    return Accounts(
        secret={"accounts": [{"app_id": app_id, "app_keys": [app_key]}]},
        apps={"sunmi": {"app_id": app_id, "app_key": app_key}},
    )


def sign(fields: Mapping[str, str], app_key: str) -> str:
    """The platform's signature: upper-case hex MD5."""
    text = "".join(f"{name}={fields[name]}&" for name in sorted(fields) if name != "sign")
    return hashlib.md5(f"{text}key={app_key}".encode(), usedforsecurity=False).hexdigest().upper()


def request(
    app: Credentials,
    api_url: str,
    event: int,
    payload: Any,
    *,
    shop_id: str = "10096",
    at: float | None = None,
    nonce: str | None = None,
    **more: str,
) -> Request:
    """A signed push.

    Args:
        app: `app_id` and `app_key`.
        api_url: where the API is.
        event: the event's number.
        payload: what goes in as JSON; a string goes in as it is.
        shop_id: may be empty.
        at: Unix seconds; now by default.
        nonce: the field `random`.
        more: further fields.
    """
    fields = {
        "app_id": app["app_id"],
        "random": nonce or secrets.token_hex(4).upper(),
        "timestamp": str(int(time.time() if at is None else at)),
        "shop_id": shop_id,
        "event": str(event),
        "payload": payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False),
        **more,
    }
    fields["sign"] = sign(fields, app["app_key"])
    return Request(
        url=api_url + PATH,
        body=urlencode(fields).encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def day(apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
    """Customers come in, now and then something moves, a face is added."""
    app = apps["sunmi"]
    while True:
        for event in (2001, 1010, 2001, 1100, 2001):
            yield request(app, api_url, event, _PAYLOADS[event]())


def _motion() -> dict[str, Any]:
    return {
        "ipc_id": "29388",
        "sn": "FS101D8BS00080",
        "name": "设备1",
        "video_url": f"https://videos.example.com/{secrets.token_hex(16)}?a=1&b=2",
        "model_name": "FM020",
        "motion_type": random.choice((1, 2)),  # noqa: S311 - a shop's day, not a secret
    }


def _face_added() -> dict[str, Any]:
    return {"code": random.choice((0, 0, 5527)), "msg": "", "face_id": random.randrange(100, 999)}  # noqa: S311


def _face_recognised() -> dict[str, Any]:
    group_type, group_name = random.choice(((1, "stranger"), (2, "熟客"), (3, "staff")))  # noqa: S311
    return {
        "ipc_id": "928",
        "face_id": str(random.randrange(29_000, 30_000)),  # noqa: S311
        "gender": random.choice((0, 1, 2)),  # noqa: S311
        "age_range": random.randrange(1, 9),  # noqa: S311
        "group_id": "8927",
        "group_name": group_name,
        "group_type": group_type,
    }


_PAYLOADS = {1010: _motion, 1100: _face_added, 2001: _face_recognised}
