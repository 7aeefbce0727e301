"""SENSORO for the suites of all vendors: sensor data and tasks, plain and safe, of newer and older servers."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from gatehouse.reading import read_json
from gatehouse.settings import Announce
from ops.simulators import Credentials, Request, sensoro
from tests.builders import AT, URL
from tests.rig import Rig
from tests.styles import RETYPED, Write, any_encoding, any_style, compact
from tests.vendors import DROP, Delivery, Happening, Pair, with_fields
from tests.vendors.sensoro import (
    SENSORO,
    SENSORO_SAFE,
    account,
    safe_text,
    sealed_text,
    sensor_body,
    sensoro_rig,
    task_body,
)

INSIDE: Final = "data"
_MS: Final = int(AT * 1000)

_TEXT: Final[dict[str, Any]] = {
    "appId": SENSORO["app_id"],
    "sn": "0117C9A1B2C3",
    "type": "text",
    "deviceType": "node",
    "createdTime": _MS,
    "msgId": 1000000417001,
    "data": {"temperature": 23.5, "battery": 87},
    "encryptData": "",
}
_EVENT: Final[dict[str, Any]] = {
    "appId": SENSORO["app_id"],
    "taskId": 4711,
    "type": "event",
    "createdTime": _MS,
    "msgId": 1000000417002,
    "resultCode": 0,
    "resultData": {"interval": 600},
    "encryptData": "",
}
_ALL: Final[dict[str, Any]] = {
    "battery": 87,
    "interval": 600,
    "temperature": 23.5,
    "light": 0.00001,
    "humidity": 41,
    "ch4": 0,
    "pm2_5": 12.25,
    "leak": False,
    "smoke": 0,
    "magnetic": {"x": 0.5, "y": -1, "z": 0},
    "lonlat": [116.39, 39.91],
    "accelerometer": {"x": 0.01, "y": 0, "z": -9.81},
    "gyro": {"x": 1, "y": 2, "z": 3},
    "customer": "gate two",
}


def _safe(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "appId": SENSORO_SAFE["app_id"]}


def _with(**data: Any) -> dict[str, Any]:
    return {**_TEXT, "data": data}


_MESSAGES: Final[Mapping[str, dict[str, Any]]] = {
    "sensor data": {**_TEXT, "data": _ALL},
    "sensor data, safe": {**_safe(_TEXT), "data": _ALL},
    "sensor data, by time alone": {**_TEXT, "msgId": "", "createdTime": "20260701200000"},
    "sensor data, neither time nor id": {**_TEXT, "msgId": "", "createdTime": ""},
    "leak": _with(leak=True, battery=71),
    "leak, safe": _safe(_with(leak=True, battery=71)),
    "smoke": _with(smoke=0.4, battery=71),
    "task": _EVENT,
    "task, safe": _safe(_EVENT),
    "task, all of it sealed": _safe(_EVENT),
}
_SEALED: Final[Mapping[str, Sequence[str]]] = {
    "sensor data, safe": ["data"],
    "leak, safe": ["data"],
    "task, safe": ["resultData"],
    "task, all of it sealed": ["resultCode", "resultData"],
}
"""Fields of a message that are in `encryptData`: one by its value, several by their names."""
SHAPES: Final[Mapping[str, int]] = {name: 2 if "leak" in name or "smoke" in name else 1 for name in _MESSAGES}


NOT_ON_THE_WIRE: Final = ()
EXEMPT: Final = {"pictures": "its sensors have no camera, and no page has a field for a picture"}
ANSWERED_ANYWAY: Final = ()
RETRY_AFTER: Final = 15.0
SECRET: Final = {"accounts": [account(SENSORO, "plain"), account(SENSORO_SAFE, "safe")]}


def rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """The vendor's handler on fakes."""
    return sensoro_rig(secret, announce=announce)


def push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
) -> Request:
    """A push of a shape, signed as it is written."""
    return _push(shape, fields, write=write, change=change)


def _push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    *,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
    later: float = 0,
) -> Request:
    message = with_fields(_MESSAGES[shape], fields)
    message = change(message) if change else message
    app = SENSORO_SAFE if shape in _SEALED else SENSORO
    return sensoro.request(app, URL, write(_sealed(message, app, _SEALED.get(shape, ()), write)), at=AT + later)


def _sealed(message: dict[str, Any], app: Credentials, names: Sequence[str], write: Write) -> dict[str, Any]:
    """The message with these fields encrypted."""
    if not names:
        return message
    inner = {name: message[name] for name in names if name in message}
    clear = write(inner if len(names) > 1 else inner.get(names[0]))
    left = {name: value for name, value in message.items() if name not in names}
    return {**left, "encryptData": sensoro.seal(clear, app["app_key"], app["app_id"])}


# ─── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pair(
    name: str,
    shape: str,
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    *,
    after: float = 0,
    events: int | None = None,
) -> Pair:
    """Two pushes of a shape; the second is sent anew, with a nonce of its own, where it comes later."""
    later = Delivery(_push(shape, second, later=after), after)
    return Pair(name, Delivery(_push(shape, first)), later, SHAPES[shape] if events is None else events)


_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY


def _at(seconds: float) -> int:
    return int((AT + seconds) * 1000)


DIFFERENT: Final[Sequence[Pair]] = [
    *(
        _pair(f"{shape}: another message", shape, {}, {"msgId": 1000000417999, "sn": f"{shape}-2"})
        for shape in SHAPES
        if "time" not in shape and "task" not in shape
    ),
    *(_pair(f"{shape}: another task", shape, {}, {"taskId": 4712}) for shape in SHAPES if "task" in shape),
    _pair("by time alone: a second later", "sensor data, by time alone", {}, {"createdTime": "20260701200001"}),
    _pair(
        "by time alone: another value", "sensor data, by time alone", {"data": {"leak": False}}, {"data": {"leak": "?"}}
    ),
    _pair("nothing to tell by: an hour later", "sensor data, neither time nor id", {}, {}, after=3600),
    _pair(
        "nothing to tell by: another value", "sensor data, neither time nor id", {}, {"data": {"temperature": 23.75}}
    ),
    *(
        _pair(
            f"message id {value!r}, another value",
            shape,
            {"msgId": value, "data": {"temperature": 1}},
            {"msgId": value, "data": {"temperature": 2}},
            events=1,
        )
        for value in (0, "0", "", None, "null", DROP, 5)
        for shape in ("sensor data", "sensor data, safe")
    ),
    *(
        _pair(
            f"message id {value!r} again a week later",
            shape,
            {"msgId": value},
            {"msgId": value, "createdTime": _at(_WEEK)},
            after=_WEEK,
        )
        for value in (0, 1, "word")
        for shape in ("sensor data", "task", "task, safe")
    ),
    _pair("two sensors with one message id", "sensor data", {"sn": "S1"}, {"sn": "S2"}),
    _pair("two results of one task", "task", {"msgId": 0}, {"msgId": 0, "resultCode": 1}),
    _pair("two results, sealed", "task, all of it sealed", {"msgId": 0}, {"msgId": 0, "resultCode": 1}),
    _pair("two details of one task", "task, safe", {"msgId": 0}, {"msgId": 0, "resultData": {"interval": 60}}),
    _pair("two leaks of two sensors", "leak", {"msgId": 0, "sn": "S1"}, {"msgId": 0, "sn": "S2"}),
]


def _same(name: str, shape: str, first: Request, second: Request, after: float = 0) -> Pair:
    return Pair(name, Delivery(first), Delivery(second, after), SHAPES[shape])


def _respaced(shape: str) -> Pair:
    """One message spaced otherwise: the signature is over JSON.stringify(body), however the body is written."""
    first = _push(shape, write=sensoro.compact)
    spaced = json.dumps(read_json(first.body), indent=1, ensure_ascii=False).encode()
    return _same(f"{shape}: spaced otherwise", shape, first, replace(first, body=b"\xef\xbb\xbf" + spaced), 82_800)


SAME: Final[Sequence[Pair]] = [
    *(_same(f"{shape}: the same bytes", shape, request := _push(shape), request) for shape in SHAPES),
    *(_same(f"{shape}: replayed after 23 hours", shape, request := _push(shape), request, 82_800) for shape in SHAPES),
    *map(_respaced, SHAPES),
    *(
        _same(f"{shape}: sent anew", shape, _push(shape), _push(shape, later=late), late)
        for shape in SHAPES
        if "neither" not in shape
        for late in (30, 82_800)
    ),
    *(
        _same(f"{shape}: {types}", shape, _push(shape), _push(shape, change=change, later=30), 30)
        for shape in SHAPES
        if "neither" not in shape
        for types, change in RETYPED.items()
    ),
    _same(
        "its time in another spelling",
        "sensor data",
        _push("sensor data"),
        _push("sensor data", {"createdTime": "2026-07-01T12:00:00Z"}, later=30),
        30,
    ),
    _same(
        "without a message id, encrypted anew",
        "sensor data, safe",
        _push("sensor data, safe", {"msgId": 0}),
        _push("sensor data, safe", {"msgId": 0}, later=30),
        30,
    ),
]


# ─── A mixture ────────────────────────────────────────────────────────────────────────────────────────────────────────


def happening(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    """Something that a sensor or a task told of, and its repetitions."""
    return random.choice(_HAPPENINGS)(random, number, apps, url, at)


def _told(
    random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime, *, alarms: bool = False
) -> Happening:
    """Sensor data: each repetition in another style, of other types, and with other random bytes."""
    safe = random.random() < 0.5
    app = apps["sensoro_safe" if safe else "sensoro"]
    data, events = _data(random)
    if alarms:
        data, events = {**data, **random.choice(_ON)}, 2
    message = {
        "appId": app["app_id"],
        "sn": f"S{number}",
        "type": "text",
        "deviceType": random.choice(["node", "leak", "设备", ""]),
        "data": data,
        **_dated(random, number, at),
    }
    told_by = _is_told_by(message)
    first = _signed(random, message, app, url, at, ("data",) if safe else ())
    again = [
        _signed(random, _respelled(random, message), app, url, at + timedelta(seconds=n), ("data",) if safe else ())
        if told_by
        else first
        for n in range(random.randrange(3))
    ]
    return Happening(f"sensor data {number}, safe: {safe}, alarms: {alarms}", [first, *again], events)


def _alarm(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    return _told(random, number, apps, url, at, alarms=True)


def _task(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    safe = random.random() < 0.5
    app = apps["sensoro_safe" if safe else "sensoro"]
    names = random.choice([("resultData",), ("resultCode", "resultData")]) if safe else ()
    message = {
        "appId": app["app_id"],
        "type": "event",
        "taskId": number,
        "resultCode": random.choice([0, 1, "0", 1.0, 7, None]),
        "resultData": {"interval": random.choice([600, "600", 60.5])},
        "createdTime": _created(random, at),
        "msgId": random.choice([0, 3, "", None, number]),
    }
    requests = [_signed(random, message, app, url, at + timedelta(seconds=n), names) for n in range(3)]
    return Happening(f"task {number}, safe: {safe}", requests[: random.choice([1, 3])])


def _unread(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    """A body that cannot be read: it is a notice, once for each signature."""
    app = apps["sensoro"]
    body = random.choice(
        [
            f"no json {number}".encode(),
            f'{{"n":{number},"data":{{'.encode(),
            f"[{number}]".encode(),
            f'{{"type":"later","n":{number}}}'.encode(),
            f'{{"type":"text","n":{number},"data":[1]}}'.encode(),
            f"设备 {number}".encode("gbk"),
        ]
    )
    request = any_encoding(random, sensoro.request(app, url, body, at=at.timestamp()))
    return Happening(f"unread {number}", [request] * random.randrange(1, 4), unmapped=True)


def _unread_safe(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    app = apps["sensoro_safe"]
    clear = random.choice([b"", b"no json", b"\xff\xfe", b'{"temperature":'])
    message = {"appId": app["app_id"], "sn": f"S{number}", "type": "text", "msgId": number}
    sealed = {**message, "encryptData": sensoro.seal(clear, app["app_key"], app["app_id"])}
    request = sensoro.request(app, url, any_style(random)(sealed), at=at.timestamp())
    return Happening(f"unread, safe {number}", [request] * 2, unmapped=True)


_HAPPENINGS: Final = [_told, _told, _told, _alarm, _task, _unread, _unread_safe]
_ON: Final[Sequence[Mapping[str, Any]]] = [
    {"leak": True},
    {"leak": 1},
    {"leak": "true"},
    {"leak": "on"},
    {"smoke": 0.5},
    {"smoke": "3"},
    {"smoke": True},
]
_OFF: Final[Sequence[Mapping[str, Any]]] = [
    {},
    {"leak": False},
    {"leak": "off"},
    {"leak": "normal"},
    {"leak": [0]},
    {"smoke": "0.0"},
    {"smoke": -1},
    {"smoke": {"value": False}},
    {"smoke": float("nan")},
]


def _data(random: Random) -> tuple[dict[str, Any], int]:
    """Data without an alarm, and how many events it is."""
    found: dict[str, Any] = {
        "temperature": random.choice([0, -0.0, 21.0, 23.5, 1e-7, 0.00001, float("nan"), "21", 1e21, None]),
        "humidity": random.choice([41, "41.5", float("inf"), ""]),
        "battery": random.choice([0, 87, "64", "low"]),
        "lonlat": random.choice([[116.39, 39.91], ["116.39", "39.91"], "116.39,39.91", None, []]),
        "customer": random.choice(["库房", "12", 'a "quoted" / one', "\ud842", "a\tb"]),
        "somethingNew": random.choice([1, "x", {"a": 1}, [1], True]),
        "magnetic": random.choice([{"x": 1, "y": "2", "z": float("nan")}, {}, None]),
    }
    names = random.sample(sorted(found), random.randrange(len(found) + 1))
    return {name: found[name] for name in names} | dict(random.choice(_OFF)), 1


def _created(random: Random, at: datetime) -> Any:
    """A time of the vendor's, in whatever spelling."""
    whole = int(at.timestamp())
    china = (at + timedelta(hours=8)).replace(tzinfo=None)
    return random.choice(
        [
            whole * 1000,
            str(whole * 1000),
            float(whole * 1000),
            whole,
            str(whole),
            f"{china:%Y%m%d%H%M%S}",
            f"{china:%Y-%m-%d %H:%M:%S}",
            f"{china:%Y-%m-%dT%H:%M:%S}+08:00",
        ]
    )


def _dated(random: Random, number: int, at: datetime) -> dict[str, Any]:
    """Time and id, one of them, or none."""
    created = _created(random, at) if random.random() < 0.8 else random.choice(["", None, 0, "yesterday"])
    return {"createdTime": created, "msgId": random.choice([number, str(number), 0, "", None, f"m{number}", -1])}


def _is_told_by(message: Mapping[str, Any]) -> bool:
    """True if a push has something to tell it by besides its signature."""
    return message["createdTime"] not in ("", None, 0, "yesterday") or message["msgId"] not in (0, "", None, -1)


def _respelled(random: Random, message: dict[str, Any]) -> dict[str, Any]:
    """The same in other types of JSON."""
    changes: list[Callable[[Any], Any]] = [lambda it: it, RETYPED["whole numbers with a fraction"]]
    changed: dict[str, Any] = random.choice(changes)(message)
    return {**changed, "appId": message["appId"]}


def _signed(
    random: Random, message: dict[str, Any], app: Credentials, url: str, at: datetime, names: Sequence[str]
) -> Request:
    """A push in any style, base64 and encoding, signed as it is written or as JavaScript would write it."""
    write = any_style(random)
    wire = _sealed(message, app, names, _surrogates(write))
    if names:
        wire["encryptData"] = random.choice(_BASE64)(wire["encryptData"])
    body = _surrogates(write)(wire)
    stamp = at.timestamp()
    request = sensoro.request(app, url, body, at=stamp)
    if random.random() < 0.5 and "encryptData" in wire and not _is_odd(wire):
        request = sensoro.request(app, url, body, at=stamp, signed=sensoro.compact(wire))
    return any_encoding(random, request)


def _surrogates(write: Write) -> Write:
    """Writes half a pair as some do: escaped, since no UTF-8 carries it."""
    return lambda value: (
        json.dumps(value, separators=(",", ":")).encode() if "\\ud" in json.dumps(value) else write(value)
    )


def _is_odd(wire: Mapping[str, Any]) -> bool:
    """True if Python writes it otherwise than JavaScript."""
    return any(isinstance(value, float) for value in wire.values())


_BASE64: Final[Sequence[Callable[[str], str]]] = [
    lambda text: text,
    lambda text: text + "\n",
    lambda text: base64.encodebytes(base64.b64decode(text)).decode(),
    lambda text: text.rstrip("="),
    lambda text: text.translate(str.maketrans("+/", "-_")),
]


# ─── Marked ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_M: Final = "MARKER"
_PLAIN: Final = {**SENSORO, "app_secret": f"secret-{_M}"}
_SAFE: Final = {**SENSORO_SAFE, "app_secret": f"secret-{_M}"}


def _marked(body: Mapping[str, Any] | bytes, app: Credentials = _PLAIN) -> Request:
    return sensoro.request(app, URL, body, at=AT)


def _with_header(name: str) -> Request:
    made = _marked(sensor_body({_M: _M}))
    return replace(made, headers={**made.headers, name: _M})


MARKED_SECRET: Final = {"accounts": [account(_PLAIN, "plain"), account(_SAFE, "safe")]}
MARKED: Final[Mapping[str, Request]] = {
    "reading": _marked(sensor_body({_M: _M, "temperature": _M}, sn=_M, deviceType=_M, msgId=_M)),
    "alarm": _marked(sensor_body({"leak": _M})),
    "odd time": _marked(sensor_body({"temperature": 0}, createdTime=_M)),
    "task": _marked(task_body(taskId=_M, resultCode=_M)),
    "unknown": _marked(sensor_body({_M: _M}, type=_M)),
    "no object": _marked({"appId": SENSORO["app_id"], "type": "text", "data": _M}),
    "no json": _marked(_M.encode()),
    "no text": _marked(_M.encode() + b"\xff"),
    "too large": _marked(_M.encode() * 200_000),
    "another app": _marked({"appId": _M}),
    "plain": _marked({"appId": SENSORO_SAFE["app_id"], "data": _M}, _SAFE),
    "no cipher": _marked({"appId": SENSORO_SAFE["app_id"], "encryptData": _M}, _SAFE),
    "damaged": _marked(
        {"appId": SENSORO_SAFE["app_id"], "type": "text", "encryptData": sealed_text(safe_text(_M.encode()))}, _SAFE
    ),
    "wrong app id": _marked(
        {"appId": SENSORO_SAFE["app_id"], "encryptData": sealed_text(safe_text(b"{}", app_id=_M))}, _SAFE
    ),
    "forged": _with_header("X-ACCESS-SIGNATURE"),
    "unknown app": _with_header("X-ACCESS-ID"),
    "no nonce": _with_header("X-ACCESS-NONCE"),
    "query": replace(_marked(sensor_body({_M: _M})), url=f"{URL}{sensoro.PATH}?{_M}={_M}"),
}
