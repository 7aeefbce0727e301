"""SenseLink for the shared suites: its messages in all versions' words, by subscription, WebSocket and from lists."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any, Final

from gatehouse.settings import Announce
from ops.simulators import Credentials, Request, senselink
from tests.builders import AT, URL
from tests.rig import Rig
from tests.styles import RETYPED, Write, any_encoding, any_style, compact
from tests.vendors import DROP, Delivery, Happening, Pair, with_fields
from tests.vendors.senselink import SENSELINK, senselink_rig

type Message = dict[str, Any]

_TOKYO: Final = timezone(timedelta(hours=9))
_NIL: Final = "00000000-0000-0000-0000-000000000000"


def _record(number: int = 1364591, at: float = AT - 2, **more: Any) -> Message:
    """Somebody at a door, with whatever the pages have."""
    full = {
        "direction": 1,
        "avatar": "5d901af663cdaf0001252bb7",
        "docPhoto": "5d901af663cdaf0001252bb8",
        "receptionUserId": 4,
        "receptionUserName": "Jon Ivers",
        "jobNumber": "J0017",
        "bodyTemperature": 36.5,
        "mask": 2,
    }
    return senselink.record(number, at=at, **{**full, **more})


def _alarm(number: int = 7001, status: int = 1, at: float = AT - 2, **more: Any) -> Message:
    return senselink.alarm(number, status, at=at, **{"code": 30001, **more})


def _listed_alarm(told: Message) -> Message:
    """The alarm as the alarm list may have it: in snake case, as the record list. Its real fields are not known."""
    return senselink.alarm_row({name: value for name, value in told.items() if name != "resloveOption"})


def _pushed(kind: int, data: Message, **more: Any) -> Message:
    message_id = "5637ebb8-e3b9-4d26-ab4a-829a95249f51"
    return {"messageId": message_id, "eventType": kind, "sendTime": int(AT * 1000), "data": data, **more}


def _said(kind: int, data: Message) -> Message:
    return {"code": kind, "desc": "", "message": "push record" if kind == 30000 else "push alarm", "data": data}


def _released(told: Message) -> Message:
    moment = datetime.fromtimestamp(AT - 1, _TOKYO)
    return {**told, "status": 3, "releaseTime": f"{moment:%Y-%m-%d %H:%M:%S}"}


_FORMS: Final[Mapping[str, tuple[int, Callable[[Message], Message]]]] = {
    "record": (30000, lambda told: _pushed(30000, told)),
    "record, version 2.2.0": (30000, lambda told: _pushed(30000, senselink.older(told))),
    "record by WebSocket": (30000, lambda told: _said(30000, told)),
    "record of the list": (30000, lambda told: {"code": 30000, "data": senselink.row(told)}),
    "record of the list, camel case": (30000, lambda told: {"code": 30000, "data": senselink.row(told, camel=True)}),
    "alarm": (30100, lambda told: _pushed(30100, told)),
    "alarm by WebSocket": (30100, lambda told: _said(30100, told)),
    "alarm, released": (30100, lambda told: _pushed(30100, _released(told))),
    "alarm of the list": (30100, lambda told: {"code": 30100, "data": _listed_alarm(told)}),
}
"""Messages that a record or an alarm is made into, by a version and a way in."""
SHAPES: Final[Mapping[str, int]] = dict.fromkeys(_FORMS, 1)
INSIDE: Final = "data"
NOT_ON_THE_WIRE: Final = ()
EXEMPT: Final = {"pictures": "its records name pictures, which stay on the server"}
ANSWERED_ANYWAY: Final = ()
RETRY_AFTER: Final = 15.0
SECRET: Final = {"accounts": [SENSELINK]}


def rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """The handler of the subscription on fakes."""
    return senselink_rig(secret, announce=announce)


def push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
) -> Request:
    """A push of a shape that arrives at `NOW`."""
    kind, form = _FORMS[shape]
    message = with_fields(form(_record() if kind == 30000 else _alarm()), fields)
    return _request(message if change is None else change(message), write)


def _request(message: Any, write: Write = compact, url: str = URL, token: str = SENSELINK["tokens"][0]) -> Request:
    return Request(f"{url}{senselink.PATH}/{token}", write(message), {"content-type": "application/json"})


# ─── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pair(name: str, first: Request, second: Request, after: float = 10) -> Pair:
    return Pair(name, Delivery(first), Delivery(second, after))


def _differing(shape: str, what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Pair:
    return _pair(f"{shape}: {what}", push(shape, one), push(shape, other))


def _name(shape: str, field: str) -> str:
    """A field's name as the shape spells it."""
    listed = senselink.row({field: 0}, camel="camel" in shape) if "record of" in shape else {field: 0}
    if "alarm of" in shape:
        listed = _listed_alarm({field: 0})
    return f"data.{next(iter(listed))}"


def _of_records() -> list[Pair]:
    found = []
    for shape in (shape for shape, (kind, _) in _FORMS.items() if kind == 30000):
        number, second, person = (_name(shape, field) for field in ("id", "signTime", "userId"))
        at = int(AT) - 2
        found += [
            _differing(shape, "two in one second", {number: 5}, {number: 6}),
            _differing(shape, "a server that counts from 1 again", {second: at - 9000}, {second: at}),
            _differing(
                shape, "a server that counts from 1 again, in milliseconds", {second: at - 1}, {second: at * 1000}
            ),
            _differing(shape, "another person under one id", {person: 17}, {person: 18}),
        ]
        for what, none in (("0", 0), ("null", None), ("missing", DROP), ("a nil in words", "(null)")):
            found += [
                _differing(shape, f"id {what}, another time", {number: none, second: at - 1}, {number: none}),
                _differing(shape, f"id {what}, another person", {number: none, person: 0}, {number: none, person: 18}),
                _differing(
                    shape,
                    f"id {what}, another device",
                    {number: none, _device(shape): "SPSP-1"},
                    {number: none, _device(shape): "SPSP-2"},
                ),
            ]
    return found


def _device(shape: str) -> str:
    return "data.deviceSN" if "2.2.0" in shape else _name(shape, "sn")


def _of_alarms() -> list[Pair]:
    found = []
    for shape in (shape for shape, (kind, _) in _FORMS.items() if kind == 30100):
        number, status, trace, begun, code = (
            _name(shape, field) for field in ("id", "status", "traceId", "alarmTime", "code")
        )
        early = {begun: "2026-07-01 08:00:00"}
        found += [
            _differing(shape, "two at once", {number: 5}, {number: 6}),
            _differing(shape, "another state", {status: 1}, {status: 2}),
            _differing(shape, "another trace", {trace: "T1"}, {trace: "T2"}),
            _differing(shape, "a server that counts from 1 again", early, {}),
            _differing(shape, "another alarm under one id", {code: 10003}, {code: 20003}),
            _differing(
                shape,
                "nothing but an id, and another alarm",
                {trace: "", begun: "", code: 10003},
                {trace: "", begun: "", code: 20003},
            ),
        ]
        for what, none in (("0", 0), ("null", None), ("missing", DROP)):
            found += [
                _differing(shape, f"id {what}, another state", {number: none, status: 1}, {number: none, status: 2}),
                _differing(shape, f"id {what}, another time", {number: none, **early}, {number: none}),
                _differing(shape, f"id {what}, another alarm", {number: none, code: 1}, {number: none, code: 20003}),
            ]
    return found


def _message(**more: Any) -> Mapping[str, Any]:
    """A record that tells neither its id nor when it was, in a message of its own."""
    return {"data.id": 0, "data.signTime": 0, "data.signDate": "", **more}


DIFFERENT: Final = [
    *_of_records(),
    *_of_alarms(),
    _differing("record", "neither id nor time, another message", _message(), _message(messageId="M2")),
    _differing(
        "record",
        "neither id nor time, and a nil for the message's id",
        _message(messageId=_NIL, sendTime=int(AT * 1000)),
        _message(messageId=_NIL, sendTime=int(AT * 1000) + 1500),
    ),
    _differing("record", "a nil for the message's id", {"messageId": _NIL}, {"messageId": _NIL, "data.id": 2}),
    _differing(
        "record",
        "a day and no time",
        {"data.signTime": DROP, "data.signDate": "2026-06-30"},
        {"data.signTime": DROP, "data.signDate": "2026-07-01"},
    ),
    _pair("a record and an alarm of one number", push("record", {"data.id": 5}), push("alarm", {"data.id": 5})),
    _differing("alarm, released", "released twice", {}, {"data.releaseTime": "2026-07-01 20:59:57.500"}),
    _differing("alarm, released", "another release", {}, {"data.releaseTime": "2026-07-01 22:00:00"}),
]


def _told_again() -> list[Pair]:
    """A record and an alarm, first as the newest server pushes them, and then as all others."""
    return [
        _pair(f"pushed, then as {shape}", push("record" if kind == 30000 else "alarm"), push(shape), after)
        for shape, (kind, _) in _FORMS.items()
        if shape != "alarm, released"
        for after in (1.0, 23 * 3600.0)
    ]


_LATER: Final = {"messageId": "9f6b0ad1-8a2e-4f6d-9f5a-0c2b7f6f8f10", "sendTime": int(AT * 1000) + 9000}

SAME: Final = [
    *_told_again(),
    *(
        _pair(f"{shape}: {types}", push(shape), push(shape, change=change))
        for shape in SHAPES
        for types, change in RETYPED.items()
    ),
    *(_pair(f"{shape}: the same bytes a day later", push(shape), push(shape), 23 * 3600) for shape in SHAPES),
    _pair("a retry in a new message", push("record"), push("record", _LATER)),
    _pair("a retry of an alarm in a new message", push("alarm"), push("alarm", _LATER)),
    _pair("with a code besides", push("record"), push("record", {"code": 200})),
    _pair("in milliseconds", push("record"), push("record", {"data.signTime": int(AT - 2) * 1000 + 250})),
    _pair("as text", push("record"), push("record", {"data.signTime": "2026-07-01 20:59:58"})),
    _pair("with the serial number", push("record"), push("record", {"data.sn": DROP, "data.deviceSN": "PS71HD01"})),
    _pair(
        "without a person, and without a word of one",
        push("record", {"data.userId": 0}),
        push("record", {"data.userId": DROP}),
    ),
    _pair("an alarm's time in milliseconds", push("alarm"), push("alarm", {"data.alarmTime": int(AT - 2) * 1000})),
    _pair(
        "a release before it is known when", push("alarm, released", {"data.releaseTime": ""}), push("alarm, released")
    ),
    *(
        _pair(
            f"id {what}, by WebSocket",
            push("record", {"data.id": none}),
            push("record by WebSocket", {"data.id": none}),
        )
        for what, none in (("0", 0), ("null", None), ("missing", DROP))
    ),
    _pair("id 0, in a new message", push("record", {"data.id": 0}), push("record", {"data.id": "0", **_LATER})),
    _pair("an alarm, id 0, by WebSocket", push("alarm", {"data.id": 0}), push("alarm by WebSocket", {"data.id": 0})),
    _pair("neither id nor time, told again", push("record", _message()), push("record", _message())),
]


# ─── A mixture ────────────────────────────────────────────────────────────────────────────────────────────────────────


def happening(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    """Something at a door, told once or several times, each time by another version or on another way."""
    token = apps["senselink"]["token"]
    moment = at.timestamp() - random.randrange(1, 50)
    tells = [_somebody, _state, _stranger, _nobody_knows, _cut, _sign_of_life]
    what, told, events, unmapped = random.choices(tells, weights=(40, 30, 10, 5, 5, 3))[0](random, number, moment)
    requests = [
        _request(message, bytes, url, token)
        if isinstance(message, bytes)
        else _request(_retyped(random, message), any_style(random), url, token)
        for message in told
    ]
    return Happening(what, [any_encoding(random, request) for request in requests], events, unmapped)


def _retyped(random: Random, message: Any) -> Any:
    return random.choice(list(RETYPED.values()))(message) if random.random() < 0.3 else message


type _Told = tuple[str, list[Any], int, bool]


def _forms(random: Random, kind: int, told: Message, count: int) -> list[Message]:
    forms = [form for name, (of, form) in _FORMS.items() if of == kind and name != "alarm, released"]
    return [_around(random, random.choice(forms)(told)) for _ in range(count)]


def _around(random: Random, message: Message) -> Message:
    """The same in another message: the fields around a record mean nothing."""
    if "eventType" not in message:
        return message
    changes: tuple[Message, ...] = (
        {},
        {"messageId": _NIL},
        {"messageId": f"{random.random()}"},
        {"code": 200},
        {"code": "200", "messageId": None},
    )
    return {**message, "sendTime": int(AT * 1000) + random.randrange(10_000), **random.choice(changes)}


def _somebody(random: Random, number: int, at: float) -> _Told:
    barred = [{"id": 1, "name": "Default group", "type": 1}, {"id": 9, "name": "Not welcome", "type": 5}]
    told = _record(
        number,
        at,
        userId=random.choice((0, 17, number)),
        groups=random.choice(([], barred, [{"id": 1, "name": "工場", "type": 1}])),
        name=random.choice(("Mira Holt", "小林 美咲", "")),
        entryMode=random.randrange(8),
        abnormalType=random.choice((0, 0, 40001, 30002, 99999)),
    )
    return "a record", _forms(random, 30000, told, random.randrange(1, 4)), 1, False


def _state(random: Random, number: int, at: float) -> _Told:
    told = _alarm(number, random.choice((1, 2)), at, code=random.choice((10001, 10003, 20003, 30001, 77777)))
    if random.random() < 0.3:
        told = {**told, "status": 3, "releaseTime": told["alarmTime"]}
    return "a state of an alarm", _forms(random, 30100, told, random.randrange(1, 4)), 1, False


def _stranger(random: Random, number: int, at: float) -> _Told:
    """A record without an id, by the two ways that spell it alike."""
    told = _record(random.choice((0, 0, -1)), at, userId=0, name="", type=3, groups=[], remark=f"visit {number}")
    said = [_pushed(30000, told, messageId=_NIL), _said(30000, told), _pushed(30000, told)]
    return "a record without an id", random.choices(said, k=random.randrange(1, 4)), 1, False


def _nobody_knows(random: Random, number: int, _at: float) -> _Told:
    message = _pushed(random.choice((30200, 31000)), {"id": number, "elevator": {"car": 2}})
    return "of a type that no page knows", [message], 1, True


def _cut(random: Random, number: int, at: float) -> _Told:
    whole = compact(_said(30000, _record(number, at)))
    return "cut off", [random.choice((whole[:-3], whole.replace(b'"message":', b'"message"')))] * 2, 1, True


def _sign_of_life(random: Random, _number: int, _at: float) -> _Told:
    message = random.choice(({"code": 10000, "message": "heart beat"}, {"eventType": "20000", "data": {}}))
    return "a sign of life", [message], 0, False


# ─── Marked ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_M: Final = "MARKER"
_TOKEN: Final = f"{_M}-token-0123456789abcdef"
_WORDS: Final[Mapping[str, Any]] = dict.fromkeys(
    ("name", "avatar", "docPhoto", "receptionUserName", "jobNumber", "deviceName", "sn", "signAvatar", "location"), _M
)


def _marked(message: Any, token: str = _TOKEN) -> Request:
    return Request(
        f"{URL}{senselink.PATH}/{token}",
        message if isinstance(message, bytes) else compact(message),
        {"content-type": "application/json"},
    )


MARKED_SECRET: Final = {
    "accounts": [{**SENSELINK, "tokens": [_TOKEN], "app_key": f"key-{_M}", "app_secret": f"secret-{_M}"}]
}
MARKED: Final[Mapping[str, Request]] = {
    "record": _marked(_pushed(30000, _record(**_WORDS), messageId=_M)),
    "record by WebSocket": _marked(_said(30000, _record(**_WORDS))),
    "record of the list": _marked({"code": 30000, "data": senselink.row(_record(**_WORDS))}),
    "record, version 2.2.0": _marked(_pushed(30000, senselink.older(_record(**_WORDS)))),
    "alarm": _marked(_pushed(30100, _alarm(description=_M, traceId=_M, deviceName=_M, deviceSn=_M, alarmPhoto=_M))),
    "odd time": _marked(_pushed(30000, _record(signTime=_M, signDate=_M))),
    "odd types": _marked(_pushed(30000, _record(userId=_M, groups=_M, type=_M, direction=_M, entryMode=_M))),
    "odd alarm": _marked(
        _pushed(30100, {**_alarm(), **dict.fromkeys(("code", "status", "alarmTime", "releaseTime"), _M)})
    ),
    "a field more": _marked(_pushed(30000, _record(notDocumented={_M: [_M]}))),
    "unknown": _marked({"messageId": _M, "eventType": 30200, "data": {_M: _M}}),
    "no object": _marked([_M]),
    "no json": _marked(_M.encode()),
    "half a json": _marked(compact(_pushed(30000, _record(**_WORDS)))[:-3]),
    "no text": _marked(_M.encode() + b"\xff"),
    "too large": _marked(_M.encode() * 200_000),
    "unknown token": _marked(_pushed(30000, _record(**_WORDS)), f"{_M}-unknown"),
    "no token": _marked(_pushed(30000, _record(**_WORDS)), ""),
}
