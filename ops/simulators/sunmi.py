"""A simulated SUNMI store platform, in its older and newer forms: cameras and receipt printers in invented shops."""

import base64
import gzip
import hashlib
import json
import random
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote_from_bytes

from ops.simulators import Accounts, Credentials, Messages, Request, now

PATH = "/v1/sunmi"
# A receipt as a printer's picture: one white point, PNG.
_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)


def new_accounts() -> Accounts:
    """One app."""
    app_id, app_key = secrets.token_hex(8).upper(), secrets.token_hex(10)
    return Accounts(
        secret={"accounts": [{"app_id": app_id, "app_keys": [app_key]}]},
        apps={"sunmi": {"app_id": app_id, "app_key": app_key}},
    )


def apps_of(secret: Mapping[str, Any], *, older: bool = False) -> Mapping[str, Credentials]:
    """The first app in a secret's document, with the first of its keys or the last."""
    app = secret["accounts"][0]
    return {"sunmi": {"app_id": app["app_id"], "app_key": app["app_keys"][-1 if older else 0]}}


def sign(fields: Mapping[str, str], app_key: str) -> str:
    """The platform's signature: upper-case hex MD5. Bytes that are no UTF-8 may be in it by `surrogateescape`."""
    text = "".join(f"{name}={fields[name]}&" for name in sorted(fields) if name != "sign")
    digest = hashlib.md5(f"{text}key={app_key}".encode(errors="surrogateescape"), usedforsecurity=False)
    return digest.hexdigest().upper()


def form(fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """The fields as a form, in their order."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return b"&".join(b"%s=%s" % (_quoted(name), _quoted(value)) for name, value in pairs)


def _quoted(text: str) -> bytes:
    return quote_from_bytes(text.encode(errors="surrogateescape"), safe=" ").replace(" ", "+").encode()


def request(
    app: Credentials,
    api_url: str,
    event: int | str,
    payload: Any,
    *,
    shop_id: str | None = "10096",
    at: float | None = None,
    nonce: str | None = None,
    empty: bool = True,
    **more: str,
) -> Request:
    """A signed push.

    Args:
        app: `app_id` and `app_key`.
        api_url: where the API is.
        event: the event's number.
        payload: what goes in as JSON; a string goes in as it is; with None there is none.
        shop_id: may be empty; with None there is none.
        at: Unix seconds; now by default.
        nonce: the field `random`.
        empty: whether fields that are empty are signed.
        more: further fields.
    """
    text = payload if payload is None or isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    all_fields = {
        "app_id": app["app_id"],
        "random": nonce or secrets.token_hex(4).upper(),
        "timestamp": str(int(now() if at is None else at)),
        "shop_id": shop_id,
        "event": str(event),
        "payload": text,
        **more,
    }
    fields = {name: value for name, value in all_fields.items() if value is not None}
    signed = {name: value for name, value in fields.items() if value or empty}
    return Request(
        url=api_url + PATH,
        body=form({**fields, "sign": sign(signed, app["app_key"])}),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def pushes(apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
    """Customers come in, now and then something moves, faces are added, receipts printed: told in every form."""
    app = apps["sunmi"]
    while True:
        for make in _MESSAGES.values():
            yield make(app, api_url)


def messages(apps: Mapping[str, Credentials], api_url: str) -> Messages:
    """Every message, by its number and a word."""
    return {name: partial(make, apps["sunmi"], api_url) for name, make in {**_MESSAGES, **_NOT_UNDERSTOOD}.items()}


def unsigned(push: Request) -> Request:
    """The form without its field `sign`."""
    return replace(push, body=re.sub(rb"&sign=\w+", b"", push.body))


def newer(app: Credentials, api_url: str, event: int, payload: Any, **more: Any) -> Request:
    """A push of a newer platform, which knows the shop by its own number."""
    return replace(
        request(app, api_url, event, payload, **{"shop_id": "", "sunmi_shop_no": "470826116009", **more}),
        headers={"content-type": "application/x-www-form-urlencoded;param=value;charset=UTF-8"},
    )


# ─── Payloads ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def motion() -> dict[str, Any]:
    """Payload of event 1010."""
    return {
        "ipc_id": "29388",
        "sn": "FS101D8BS00080",
        "name": "设备1",
        "video_url": f"https://videos.example.com/{secrets.token_hex(16)}?a=1&b=2",
        "model_name": "FM020",
        "motion_type": random.choice((1, 2)),  # noqa: S311 - a shop's day, not a secret
    }


def face_added() -> dict[str, Any]:
    """Payload of event 1100."""
    code = random.choice((0, 0, 5527))  # noqa: S311
    return {"code": code, "msg": "", "face_id": 0 if code else random.randrange(100, 999)}  # noqa: S311


def face_recognised() -> dict[str, Any]:
    """Payload of event 2001."""
    group_type, group_name = random.choice(((1, "stranger"), (2, "熟客"), (3, "staff")))  # noqa: S311
    return {
        "ipc_id": "29388",
        "face_id": str(random.randrange(29_000, 30_000)),  # noqa: S311
        "gender": random.choice((0, 1, 2)),  # noqa: S311
        "age_range": random.randrange(1, 9),  # noqa: S311
        "group_id": "8927",
        "group_name": group_name,
        "group_type": group_type,
    }


def receipt(**more: Any) -> dict[str, Any]:
    """Payload of events 6001 to 6004: what they have in common."""
    return {
        "id": secrets.token_hex(9),
        "sn": "N302D9WZC0064",
        "seq": str(random.randrange(10**10, 10**11)),  # noqa: S311
        **more,
    }


def printed_text() -> dict[str, Any]:
    """Payload of event 6001."""
    return receipt(text="Tea & cake\n柠檬茶  4.00\nTotal  20.00")


def printed_picture() -> dict[str, Any]:
    """Payload of event 6002."""
    return receipt(base64_image=base64.b64encode(_PICTURE).decode())


def order(**more: Any) -> dict[str, Any]:
    """Payload of event 6003."""
    return receipt(
        order_time="2026-07-01 17:45:00",
        order_id="202607011707",
        order_received_amount="20",
        sales_detail_list=[{"amount": "4", "item": "柠檬茶", "quantity": "5"}],
        **more,
    )


def paid_order() -> dict[str, Any]:
    """Payload of event 6004."""
    return order(
        receipt_type="1",
        shop_defined_pay_method_list=[
            {"pay_method": "储值卡", "pay_discount_factor": "100", "pay_calculation_type": "1"}
        ],
        calculated_pay_amount="17.38",
        ai_recognized_pay_method_list=[{"key": "储值卡", "value": "17.38"}],
    )


def older_order() -> dict[str, Any]:
    """Payload of event 6003 as the first page of it had it: numbers, no `seq`, other names."""
    return {
        "id": random.randrange(100, 10**6),  # noqa: S311
        "sn": "N302D9WZC0064",
        "order_id": 456,
        "order_time": "2026-07-01",
        "total_payment": 10.11,
        "sales_detail_list": [{"amount": 10, "item": "商品", "quantity": 1}],
    }


# ─── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_ended(push: Request) -> Request:
    """With an ampersand behind the last field."""
    return replace(push, body=push.body + b"&")


def _zipped(push: Request) -> Request:
    return replace(push, body=gzip.compress(push.body), headers={**push.headers, "content-encoding": "gzip"})


def _in_milliseconds() -> str:
    return str(int(now() * 1000))


_MESSAGES: Final[Mapping[str, Callable[[Credentials, str], Request]]] = {
    "2001-face-recognised": lambda app, url: request(app, url, 2001, face_recognised()),
    "2001-by-shop-number": lambda app, url: newer(app, url, 2001, face_recognised()),
    "1010-motion": lambda app, url: request(app, url, 1010, motion()),
    "6001-receipt-text": lambda app, url: newer(app, url, 6001, printed_text()),
    "2001-shop-with-ampersand": lambda app, url: request(app, url, 2001, face_recognised(), shop_id="M&S-12"),
    "6002-receipt-picture": lambda app, url: newer(app, url, 6002, printed_picture()),
    "1100-face-added": lambda app, url: request(app, url, 1100, face_added()),
    "2001-odd-form": lambda app, url: _open_ended(
        request(app, url, 2001, "\ufeff" + json.dumps(face_recognised()) + "\0")
    ),
    "6003-receipt-order": lambda app, url: newer(app, url, 6003, order(), shop_id=None),
    "6003-older-order": lambda app, url: request(app, url, 6003, older_order()),
    "1010-zipped": lambda app, url: _zipped(newer(app, url, 1010, {**motion(), "motion_type": "1"}, empty=False)),
    "6004-receipt-paid": lambda app, url: newer(app, url, 6004, paid_order()),
    "2001-not-a-number": lambda app, url: request(
        app, url, 2001, json.dumps({**face_recognised(), "age_range": float("nan")})
    ),
    "4100-price-changed": lambda app, url: request(app, url, 4100, [{"product_id": "6901234567892", "price": "12.50"}]),
    "4100-text": lambda app, url: request(app, url, 4100, "6901234567892=12.50"),
    "2001-milliseconds": lambda app, url: request(app, url, 2001, face_recognised(), timestamp=_in_milliseconds()),
}
_NOT_UNDERSTOOD: Final[Mapping[str, Callable[[Credentials, str], Request]]] = {
    "unmapped": lambda app, url: request(app, url, 3100, {"ipc_id": "928", "people_in": 14, "people_out": 9}),
    "unreadable": lambda app, url: request(app, url, 2001, json.dumps(face_recognised())[:40]),
}
