"""SUNMI for the suites that hold for all vendors."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, Final

from gatehouse.settings import Announce
from ops.simulators import Credentials, Request
from ops.simulators.sunmi import PATH, form, request, sign
from tests import styles
from tests.builders import AT, URL
from tests.rig import Rig
from tests.styles import Write, compact
from tests.vendors import Delivery, Happening, Pair, with_fields
from tests.vendors.sunmi import FACE, SUNMI, sunmi_form, sunmi_rig

INSIDE: Final = "payload"
NOT_ON_THE_WIRE: Final = ()
EXEMPT: Final[Mapping[str, str]] = {}
ANSWERED_ANYWAY: Final = ()
RETRY_AFTER: Final = 15.0
SECRET: Final = {"accounts": [{"app_id": SUNMI["app_id"], "app_keys": [SUNMI["app_key"]]}]}

PICTURE: Final = b"\xff\xd8\xff" + b"a printed receipt " * 20
MOTION: Final = {
    "ipc_id": "928",
    "sn": "FS101D8BS00080",
    "name": "设备1",
    "video_url": "https://videos.example.com/1?a=1&random=2&timestamp=3&event=4",
    "model_name": "FM020",
    "motion_type": 2,
}
RECEIPT: Final = {"id": "70dcd2f600e45736e1", "sn": "N302D9WZC0064", "seq": "16354077750"}
ORDER: Final = {
    **RECEIPT,
    "order_time": "2026-07-01 11:59:00",
    "order_id": "202607011707",
    "order_received_amount": "20",
    "sales_detail_list": [{"amount": "4", "item": "柠檬茶", "quantity": "5"}],
}
PAID: Final = {
    **ORDER,
    "receipt_type": "1",
    "sales_detail_list": [{"amount": "4", "item": "柠檬茶", "quantity": "5", "barcode": "38293823"}],
    "shop_defined_pay_method_list": [
        {"pay_method": "储值卡", "pay_discount_factor": "100", "pay_calculation_type": "1"}
    ],
    "calculated_pay_amount": "17.38",
    "ai_recognized_pay_method_list": [{"key": "储值卡", "value": "17.38"}],
}
OLDER_ORDER: Final = {
    "id": 123,
    "sn": "N302D9WZC0064",
    "order_id": 456,
    "order_time": "2026-07-01",
    "total_payment": 10.11,
    "sales_detail_list": [{"amount": 10, "item": "商品", "quantity": 1}],
}
_BY_SHOP_ID: Final = {"shop_id": "10096"}
_BY_NUMBER: Final = {"shop_id": "", "sunmi_shop_no": "470826116009"}
_MESSAGES: Final[Mapping[str, tuple[int, Mapping[str, str], Any]]] = {
    "1010": (1010, _BY_SHOP_ID, MOTION),
    "1100": (1100, _BY_SHOP_ID, {"code": 0, "msg": "so", "face_id": 195}),
    "2001": (2001, _BY_SHOP_ID, FACE),
    "2001 by shop number": (2001, _BY_NUMBER, FACE),
    "4100": (4100, _BY_SHOP_ID, {"product_id": "6901234567892", "price": 12.5}),
    "6001": (6001, _BY_NUMBER, {**RECEIPT, "text": "Tea & cake\nTotal 20"}),
    "6002": (6002, _BY_NUMBER, {**RECEIPT, "base64_image": base64.b64encode(PICTURE).decode()}),
    "6003": (6003, _BY_NUMBER, ORDER),
    "6003 older": (6003, _BY_SHOP_ID, OLDER_ORDER),
    "6004": (6004, _BY_NUMBER, PAID),
}
SHAPES: Final = dict.fromkeys(_MESSAGES, 1)


def message(shape: str, app_id: str = SUNMI["app_id"], nonce: str = "NDL8GXR", at: float = AT) -> dict[str, Any]:
    """The fields of a form, with `payload` as it is before it is written."""
    event, shop, payload = _MESSAGES[shape]
    return {"app_id": app_id, "random": nonce, "timestamp": int(at), **shop, "event": event, "payload": payload}


def written(fields: Mapping[str, Any], write: Write = compact) -> dict[str, str]:
    """The fields as they are signed. A payload in bytes is written already."""
    payload = fields.get("payload")
    text = payload if isinstance(payload, bytes) else write(payload)
    return {
        name: text.decode(errors="surrogateescape") if name == "payload" else str(value)
        for name, value in fields.items()
    }


def posted(
    fields: Mapping[str, str],
    *,
    key: str = SUNMI["app_key"],
    signature: str | None = None,
    url: str = URL,
    encode: Callable[[Mapping[str, str]], bytes] = form,
) -> Request:
    """The fields as a push, signed as they are unless a signature is given."""
    signed = {"sign": sign(fields, key) if signature is None else signature}
    # A ledger's marker may stand in the place of the signature.
    return Request(url + PATH, encode({**signed, **fields}), {"content-type": "application/x-www-form-urlencoded"})


def rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """The vendor's function on fakes."""
    return sunmi_rig(secret, announce=announce)


def push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
) -> Request:
    """A push of a shape that arrives at `NOW`, authentic as it is written."""
    changed = with_fields(message(shape), fields)
    return posted(written(change(changed) if change else changed, write))


# ─── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pair(name: str, first: Request, second: Request, after: float = 1) -> Pair:
    return Pair(name, Delivery(first), Delivery(second, after))


def _two(shape: str, what: str, **fields: Any) -> Pair:
    """A push, and one that is otherwise in some fields: `payload__id` is `payload.id`."""
    changed = {name.replace("__", "."): value for name, value in fields.items()}
    return _pair(f"{shape}: {what}", push(shape), push(shape, changed))


def _with_empty(fields: Mapping[str, str], *more: str) -> dict[str, str]:
    return {**fields, **dict.fromkeys(more, "")}


def _shuffled(fields: Mapping[str, str]) -> bytes:
    return form(dict(sorted(fields.items(), reverse=True)))


def _quoted_all(fields: Mapping[str, str]) -> bytes:
    """Every byte as a percent sign and two digits, in small letters."""
    return b"&".join(
        b"=".join("".join(f"%{byte:02x}" for byte in text.encode(errors="surrogateescape")).encode() for text in pair)
        for pair in fields.items()
    )


def _spaced(fields: Mapping[str, str]) -> bytes:
    """With `%20` for a space, empty pieces around, and a zero at the end."""
    return b"&&" + form(fields).replace(b"+", b"%20") + b"&\0"


DIFFERENT: Final[Sequence[Pair]] = (
    *(_two(shape, "another random", random="NDL8GXS") for shape in _MESSAGES),
    *(_two(shape, "a second later", timestamp=int(AT) + 1) for shape in _MESSAGES),
    *(_two(shape, "at another shop", shop_id="10097") for shape in _MESSAGES),
    _two("1010", "another camera", payload__ipc_id="929"),
    _two("1010", "a sound after a motion", payload__motion_type=1),
    _two("1100", "another face", payload__face_id=196),
    _two("2001", "another face", payload__face_id="29196"),
    _two("4100", "another price", payload__price=12.49),
    _two("4100", "no price", payload__price=0),
    _two("6001", "another receipt", payload__id="70dcd2f600e45736e2"),
    _two("6002", "another picture", payload__base64_image=base64.b64encode(PICTURE + b".").decode()),
    _two("6003", "the same receipt, read anew", payload__order_received_amount="21"),
    _two("6004", "the order of 6003, paid", event=6003),
    _two("2001", "a shop with an ampersand in its id", shop_id="M&S-12"),
    _pair(
        "2001: two shops with an ampersand", push("2001", {"shop_id": "M&S-12"}), push("2001", {"shop_id": "M&S-13"})
    ),
    _pair("not JSON", push("2001", {"payload": b"{ code: 0"}), push("2001", {"payload": b"{ code: 1"})),
    _pair("no payload", push("2001", {"payload": b""}), push("2001", {"payload": b"", "random": "NDL8GXS"})),
)

_FIELDS: Final = written(message("1010"))
_SIGN: Final = sign(_FIELDS, SUNMI["app_key"])
_RECUT: Final = {
    **{name: value for name, value in _FIELDS.items() if name not in {"random", "shop_id", "timestamp"}},
    "random": "&".join(f"{name}={_FIELDS[name]}" for name in ("random", "shop_id")).removeprefix("random="),
    "timestamp": _FIELDS["timestamp"],
}
_NUMBERED: Final = written(message("2001 by shop number"))
_WITHOUT_EMPTY: Final = {name: value for name, value in _NUMBERED.items() if value}

SAME: Final[Sequence[Pair]] = (
    *(_pair(f"{shape}: 23 hours later", push(shape), push(shape), 23 * 3600) for shape in _MESSAGES),
    *(_pair(f"{shape}: SUNMI's last retry", push(shape), push(shape), 225) for shape in _MESSAGES),
    _pair("the fields in another order", push("1010"), posted(_FIELDS, encode=_shuffled)),
    _pair("every byte quoted", push("1010"), posted(_FIELDS, encode=_quoted_all)),
    _pair("with empty pieces", push("1010"), posted(_FIELDS, encode=_spaced)),
    _pair("the signature in small letters", push("1010"), posted(_FIELDS, signature=_SIGN.lower())),
    _pair("in gzip", push("1010"), styles.encoded(push("1010"), "gzip")),
    _pair("cut into other fields", push("1010"), posted(_RECUT, signature=_SIGN)),
    _pair("cut into other fields first", posted(_RECUT, signature=_SIGN), push("1010")),
    _pair("an empty field more", push("1010"), posted(_with_empty(_FIELDS, "void", "more"), signature=_SIGN)),
    _pair("the empty field signed, and left out", posted(_NUMBERED), posted(_WITHOUT_EMPTY)),
    _pair(
        "the empty field there and not signed, and signed",
        posted(_NUMBERED, signature=sign(_WITHOUT_EMPTY, SUNMI["app_key"])),
        posted(_NUMBERED),
    ),
    _pair("not JSON", push("2001", {"payload": b"{ code: 0"}), push("2001", {"payload": b"{ code: 0"})),
)


# ─── A mixture ────────────────────────────────────────────────────────────────────────────────────────────────────────

_CODINGS: Final = (form, _shuffled, _quoted_all, _spaced)
_SHOPS: Final = ("10096", "", "M&S-12", "a=b&c=d", "店 &", "&")
_UNREADABLE: Final = (b"", b"{ code: 0 }", b"[]", b"null", b'"text"', b"\xff", b'{"a":1} and more', b"NaN", b"[" * 400)
_PRICES: Final[Sequence[Any]] = ({"price": 0}, [{"price": "1.5"}], "text", "", None, 12, b"a=1&b=2", b"{ price: 1 }")


def happening(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    """Something that happened, told in a mixture of all the forms in which SUNMI, or its retry, may tell it."""
    app = apps["sunmi"]
    shape = random.choice(list(_MESSAGES))
    fields = message(
        shape, app["app_id"], f"N{number}{secrets.token_hex(2)}", at.timestamp() - random.random() * 80_000
    )
    if random.random() < 0.3:
        fields["shop_id"] = random.choice(_SHOPS)
    if random.random() < 0.2:
        fields["timestamp"] *= 1000
    unmapped = random.random() < 0.1
    if unmapped:
        odd: dict[str, Any] = {"event": 2001, "payload": random.choice(_UNREADABLE)}
        fields |= odd if random.random() < 0.5 else {"event": random.choice(("9999", "", "x", 0))}
    elif shape == "4100":
        fields["payload"] = random.choice(_PRICES)
    elif random.random() < 0.3:
        fields["payload"] = {**fields["payload"], random.choice(list(fields["payload"])): random.choice(_ODD)}
    if random.random() < 0.3 and not isinstance(fields["payload"], bytes):
        fields = random.choice(list(styles.RETYPED.values()))(fields)
    text = written(fields, styles.any_style(random))
    return Happening(
        f"{number}: {shape} {json.dumps(text, ensure_ascii=True)[:400]}",
        [_told(random, app, text, url) for _ in range(random.choice((1, 1, 1, 2, 3)))],
        unmapped=unmapped,
    )


_ODD: Final[Sequence[Any]] = (
    None,
    "",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    float("nan"),
    float("inf"),
    "x" * 3000,
    "熟客 &a=1",
    [[0]],
)


def _told(random: Random, app: Credentials, fields: Mapping[str, str], url: str) -> Request:
    """One telling: the fields in another order or quoting, the signature in small letters, fields that are empty."""
    signature = sign(fields, app["app_key"])
    if random.random() < 0.2:
        signature = signature.lower()
    more = {}
    if "" not in fields.values() and random.random() < 0.2:
        more = {"void": ""}  # not signed
    told = posted({**fields, **more}, signature=signature, url=url, encode=random.choice(_CODINGS))
    return styles.any_encoding(random, replace(told, headers={**told.headers, "x-try": str(random.random())}))


# ─── Marked ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_M: Final = "MARKER"
_APP: Final = {"app_id": SUNMI["app_id"], "app_key": f"key-{_M}"}


def _marked(payload: Any, event: int = 2001, **more: Any) -> Request:
    return request(_APP, URL, event, payload, **{"at": AT, **more})


MARKED_SECRET: Final = {"accounts": [{"app_id": _APP["app_id"], "app_keys": [_APP["app_key"]]}]}
MARKED: Final[Mapping[str, Request]] = {
    "face": _marked(dict.fromkeys(FACE, _M)),
    "motion": _marked({"sn": _M, "video_url": _M, "motion_type": _M}, 1010),
    "result": _marked({"code": 5527, "msg": _M, "face_id": _M}, 1100),
    "price": _marked({"name": _M}, 4100),
    "unknown": _marked({"name": _M}, 7777),
    "no json": _marked(f"{{ {_M}: "),
    "odd json": _marked(f'{{"{_M}": 1e999}}'),
    "no object": _marked([_M]),
    "a field more": _marked({}, marker=_M),
    "stale": _marked({"name": _M}, at=0),
    "cut": _marked({"name": _M}, shop_id=f"{_M}&a=1"),
    "forged": request({**_APP, "app_key": _M}, URL, 2001, {"a": _M}, at=AT),
    "unknown app": request({**_APP, "app_id": _M}, URL, 2001, {"a": _M}, at=AT),
    "no time": sunmi_form({"app_id": SUNMI["app_id"], "timestamp": _M}, _M),
    "no form": Request(URL + PATH, _M.encode() + b"\xff"),
    "too large": Request(URL + PATH, _M.encode() * 700_000),
}
