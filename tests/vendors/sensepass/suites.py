"""SensePass for the suites that hold for all vendors."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, Final, get_args

from functions.sensepass.verify import FETCHED
from gatehouse.settings import Announce
from ops.simulators import Credentials, Request
from ops.simulators.sensepass import STAFF, STRANGER, VISITOR, Firmware, Person, Terminal, picture
from tests import styles
from tests.builders import AT
from tests.rig import Rig
from tests.styles import Write, compact
from tests.vendors import DROP, Delivery, Happening, Pair, with_fields
from tests.vendors.sensepass import SERIAL, SITE, sensepass_rig, terminal

SHAPES: Final = {
    "V1.0 record": 1,
    "V1.1 record": 1,
    "V1.1 question": 1,
    "V1.2.1 record": 1,
    "V1.2.1 question": 1,
    "V1.3 record": 1,
    "V1.3 question": 1,
    "V1.3 alarm": 1,
    "V1.3 alarm released": 1,
}
INSIDE: Final = "data"
NOT_ON_THE_WIRE: Final = ("asked", "user", "groups")
"""Fields of our models that are none of the wire: put in by us, or no more than the place of others."""

EXEMPT: Final = {"answers": "the terminal greets the person by the name that the answer to its question has"}
ANSWERED_ANYWAY: Final = ("V1.0 record", *(shape for shape in SHAPES if "question" in shape))
"""At the door of V1.0 the record is the question."""
RETRY_AFTER: Final = 15.0
SECRET: Final = {"accounts": [SITE]}
_UUID: Final = "3c9e2f60-5a7b-4d18-9b0e-6f1d2a7c8e51"


def rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """SensePass's handler."""
    return sensepass_rig(secret, announce=announce)


def push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
) -> Request:
    """A push of a shape; a path that begins with `headers.` is of a header, and a question has no `data.`."""
    made = _message(terminal(_firmware(shape)), shape, STAFF, AT - 2, _UUID, picture(300, seed=1))
    return _with(made, fields or {}, write, change)


def _firmware(shape: str) -> Firmware:
    known: tuple[Firmware, ...] = get_args(Firmware.__value__)
    return next(firmware for firmware in known if shape.split(maxsplit=1)[0] == f"V{firmware}")


def _message(door: Terminal, shape: str, person: Person, at: float, name: str, image: bytes) -> Request:
    """The push as a terminal of the firmware sends it."""
    if "alarm" in shape:
        return door.alarm(status=3 if "released" in shape else 1, trace_id=name, at=at, image=image)
    uuid = {"uuid": name} if door.firmware in {"1.2.1", "1.3"} and "record" in shape else {}
    ask = door.question if "question" in shape else door.upload
    return ask(person, at=at, image=image, **uuid)


def _with(
    request: Request, fields: Mapping[str, Any], write: Write = compact, change: Callable[[Any], Any] | None = None
) -> Request:
    """The push with some of its fields and headers otherwise."""
    message = json.loads(request.body)
    bare = "data" not in message
    inside = {
        path.removeprefix("data.") if bare else path: value
        for path, value in fields.items()
        if not path.startswith("headers.")
    }
    message = with_fields(message, inside)
    headers = dict(request.headers)
    for path, value in fields.items():
        name = path.removeprefix("headers.")
        if name != path:
            headers.pop(name, None)
            headers |= {} if value is DROP else {name: str(value)}
    return replace(request, body=write(message if change is None else change(message)), headers=headers)


# ─── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pair(name: str, first: Request, second: Request, after: float = 0) -> Pair:
    return Pair(name, Delivery(first), Delivery(second, after))


def _fields_pair(name: str, shape: str, first: Mapping[str, Any], second: Mapping[str, Any], after: float = 0) -> Pair:
    return _pair(name, push(shape, first), push(shape, second), after)


def _raw(first: bytes, second: bytes, path: str = "") -> tuple[Request, Request]:
    url = terminal().event_dest + path
    return Request(url, first), Request(url, second)


def _nan(value: Any) -> bytes:
    """JSON as C writes it where a value is no number."""
    return compact(value).replace(b'"nan"', b"NaN")


def _different() -> list[Pair]:
    records = [shape for shape in SHAPES if "alarm" not in shape]
    uuids = ["V1.2.1 record", "V1.3 record"]
    alarm = "V1.3 alarm"
    somebody, somebody_else = {"data.user.user_id": 1}, {"data.user.user_id": 2}
    nobody = {"data.user": DROP, "data.rgb_image": " ", "data.uuid": DROP}
    early, late = AT - 60, AT - 1
    return [
        *(_fields_pair(f"{shape}: two people in one second", shape, somebody, somebody_else) for shape in records),
        *(
            _fields_pair(
                f"{shape}: once more in the next second",
                shape,
                {"data.timestamp": int(early), "data.uuid": "a" if "record" in shape else DROP},
                {"data.timestamp": int(early) + 1, "data.uuid": "b" if "record" in shape else DROP},
            )
            for shape in records
        ),
        *(_fields_pair(f"{shape}: a uuid that another person took", shape, somebody, somebody_else) for shape in uuids),
        *(
            _fields_pair(f"{shape}: a uuid that a record without time and person took", shape, taken, {})
            for shape in uuids
            for taken in ({"data.timestamp": DROP, "data.user": DROP}, {"data.timestamp": 0, "data.user": {}})
        ),
        *(
            _fields_pair(f"{shape}: one uuid on two terminals", shape, {}, {"data.deviceSN": "PS71HD01MC22C99999"})
            for shape in uuids
        ),
        *(
            _fields_pair(
                f"{shape}: the uuid {nil!r}", shape, {"data.uuid": nil, **somebody}, {"data.uuid": nil, **somebody_else}
            )
            for shape in uuids
            for nil in ("00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "null")
        ),
        *(
            _fields_pair(
                f"{shape}: the uuid {nil!r}, and other times",
                shape,
                {"data.uuid": nil, "data.timestamp": int(early)},
                {"data.uuid": nil, "data.timestamp": int(late)},
            )
            for shape in uuids
            for nil in ("(null)", "  ", "", "0", "NULL", "None", None)
        ),
        *(
            _fields_pair(
                f"{shape}: two strangers of one second, of whom there is no picture",
                shape,
                {**nobody, "data.recognizeScore": 0.31},
                {**nobody, "data.recognizeScore": 0.27},
            )
            for shape in records
        ),
        *(
            _fields_pair(
                f"{shape}: records without a time",
                shape,
                {"data.timestamp": DROP, "data.uuid": DROP, **somebody},
                {"data.timestamp": DROP, "data.uuid": DROP, **somebody_else},
            )
            for shape in records
        ),
        _pair(
            "V1.0: NaN in the records of two people",
            push("V1.0 record", {"data.bodyTemperature": "nan", **somebody}, _nan),
            push("V1.0 record", {"data.bodyTemperature": "nan", **somebody_else}, _nan),
        ),
        _pair(
            "the question and the record of the passage",
            push("V1.3 question", {"data.uuid": _UUID}),
            push("V1.3 record"),
        ),
        _fields_pair("an alarm's states", alarm, {"data.status": 1}, {"data.status": 3}),
        _fields_pair("an alarm's states at other times", alarm, {"data.event_time": 1782907100000}, {}),
        _fields_pair("two alarms", alarm, {"data.trace_id": "T1"}, {"data.trace_id": "T2"}),
        _fields_pair("one trace of two codes", alarm, {"data.code": 10001}, {"data.code": 10002}),
        *(
            _fields_pair(
                f"alarms whose trace is {nil!r}",
                alarm,
                {"data.trace_id": nil, "data.code": 10001},
                {"data.trace_id": nil, "data.code": 10002},
            )
            for nil in (DROP, None, "", "null", "(null)", "0")
        ),
        _fields_pair("released alarms", "V1.3 alarm released", {"data.trace_id": "T1"}, {"data.trace_id": "T2"}),
        _pair("envelopes of no known type", terminal().pushed(2, {"n": 1}), terminal().pushed(2, {"n": 2})),
        _pair("envelopes of type 0 that say nothing", terminal().pushed(0, {"n": 1}), terminal().pushed(0, {"n": 2})),
        *(
            _pair(f"bodies that nobody can read: {first!r}{path}", *_raw(first, second, path))
            for path in ("", "/authorize")
            for first, second in (
                (b'{"type":0,"data":{"user":{"name":"Mira"', b'{"type":0,"data":{"user":{"name":"Jonas"'),
                (b"[1]", b"[2]"),
                (b"7", b"8"),
                (b'"a"', b'"b"'),
                (b"\xc3\xed\xc0\xad", b"\xc3\xed\xc0\xae"),
                (b"", b" "),
            )
        ),
    ]


def _listed(shape: str) -> Request:
    """The record as `/v1/event/records` has it and as it is sent on from there: no headers of the terminal's."""
    made = push(shape, write=lambda value: json.dumps(value).encode())
    return replace(made, headers={"content-type": "application/json", FETCHED: "backfill"})


def _same() -> list[Pair]:
    records = [shape for shape in SHAPES if "record" in shape and "V1.0" not in shape]
    uuids = ["V1.2.1 record", "V1.3 record"]
    headers = {"headers.user-agent": "SensePass/2", "headers.timestamp": int(AT) + 900}
    other_token = {
        shape: replace(
            push(shape), url=push(shape).url.replace("north-one-0123456789abcdef", "north-two-0123456789abcdef")
        )
        for shape in SHAPES
    }
    day = 86_400
    return [
        *(_pair(f"{shape}: the same bytes", push(shape), push(shape), 1) for shape in SHAPES),
        *(_pair(f"{shape}: the next day", push(shape), push(shape), day) for shape in SHAPES),
        *(_pair(f"{shape}: 23 h later, by a newer token", push(shape), other_token[shape], 82_800) for shape in SHAPES),
        *(_fields_pair(f"{shape}: other headers", shape, {}, headers, 30) for shape in SHAPES),
        *(_pair(f"{shape}: uploaded, and fetched", push(shape), _listed(shape), 3_600) for shape in records),
        *(_pair(f"{shape}: fetched, and uploaded", _listed(shape), push(shape), 3_600) for shape in records),
        *(
            _pair(f"{shape}: written otherwise: {style}", push(shape), push(shape, write=styles.STYLES[style]))
            for shape in SHAPES
            for style in ("indented, with carriage returns", "with a byte order mark", "with C's closing zero")
        ),
        *(
            _pair(f"{shape}: {types}", push(shape), push(shape, change=styles.RETYPED[types]))
            for shape in SHAPES
            for types in styles.RETYPED
        ),
        *(_pair(f"{shape}: compressed", push(shape), styles.encoded(push(shape), "gzip")) for shape in SHAPES),
        *(
            _fields_pair(f"{shape}: the uuid in capitals", shape, {}, {"data.uuid": _UUID.upper()}, 60)
            for shape in uuids
        ),
        *(
            _fields_pair(
                f"{shape}: the serial number in another case", shape, {}, {"data.deviceSN": " ps71hd01mc22c00014"}
            )
            for shape in SHAPES
            if "alarm" not in shape
        ),
        *(
            _fields_pair(f"{shape}: the picture broken into lines", shape, {}, {"data.rgb_image": _lines(300, 1)})
            for shape in SHAPES
            if "alarm" not in shape
        ),
        *(
            _pair(f"the same bytes, which nobody can read: {body!r}", *_raw(body, body), day)
            for body in (b'{"type":0,"data":{"user":{"name":"Mira"', b"[1]", b"\xff\xfe", b"")
        ),
    ]


def _lines(size: int, seed: int) -> str:
    return base64.encodebytes(picture(size, seed=seed)).decode()


# ─── Happenings ───────────────────────────────────────────────────────────────────────────────────────────────────────

_ODD: Final[Mapping[str, Mapping[str, Any]]] = {
    "as it is": {},
    "a temperature that is no number": {"data.bodyTemperature": "nan"},
    "the serial number in small letters": {"data.deviceSN": "small"},
    "no picture": {"data.rgb_image": " "},
    "a field of a later version": {"data.walkSpeed": {"value": 1.5, "pin": "4711"}},
    "half of a character at a name's end": {"data.user.name": "Mira \ud842"},
    "an empty list of groups": {"data.user.groups": []},
}
_UNREADABLE: Final[Sequence[Callable[[int], bytes]]] = (
    lambda number: f'{{"type":0,"data":{{"user":{{"pin":"47{number}"'.encode(),
    lambda number: f"[{number}]".encode(),
    lambda number: f'{{"type":7,"data":{{"n":{number}}}}}'.encode(),
    lambda number: f'{{"data":{{"recognizeStatus":2,"n":{number}}}}}'.encode(),
    lambda number: f"姓名{number}".encode("gb18030"),
    lambda number: f'"{number}"'.encode(),
)


def happening(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    """Somebody at a door, or an alarm of it, or what nobody can read; told once or several times."""
    app = apps["sensepass"]
    shape = random.choice([*SHAPES, "unreadable"])
    # The newest terminal's serial number is the app's; the site lets all of them speak with its token.
    door = Terminal(
        app["serial"], app["token"], url, "1.3" if shape == "unreadable" else _firmware(shape), at.timestamp
    )
    if shape == "unreadable":
        body = random.choice(_UNREADABLE)(number)
        request = Request(
            random.choice([door.event_dest, door.remote_authentication_address]), body, {"sn": app["serial"]}
        )
        return Happening(shape, [request] * random.randint(1, 3), unmapped=True)
    person = replace(random.choice([STAFF, VISITOR, STRANGER]), number=number)
    odd = random.choice(list(_ODD))
    fields = {path: value for path, value in _ODD[odd].items() if "alarm" not in shape}
    if "data.deviceSN" in fields:
        fields["data.deviceSN"] = f" {app['serial'].lower()}"
    image = picture(200, seed=number)
    made = _message(door, shape, person, at.timestamp() - random.randint(0, 5_000), f"T-{number}", image)
    told = [_told(random, made, fields) for _ in range(random.randint(1, 3))]
    return Happening(f"{shape}, {odd}", told)


def _told(random: Random, request: Request, fields: Mapping[str, Any]) -> Request:
    """The same message in any of the forms in which it may be written."""
    style = styles.any_style(random)
    change = random.choice([None, *styles.RETYPED.values()])

    def write(value: Any) -> bytes:
        # A lone surrogate is in no UTF-8: whoever sends one sends it escaped.
        try:
            return style(value).replace(b'"nan"', b"NaN")
        except UnicodeEncodeError:
            return json.dumps(value).encode().replace(b'"nan"', b"NaN")

    return styles.any_encoding(random, _with(request, fields, write, change))


DIFFERENT: Final[Sequence[Pair]] = _different()
SAME: Final[Sequence[Pair]] = _same()


# ─── Marked ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_M: Final = "MARKER"
_TOKEN: Final = f"{_M}-token-0123456789abcdef"
_PICTURE: Final = b"\xff\xd8\xff\xe0" + f"{_M}-picture".encode() * 50
_SOMEBODY: Final = {
    "name": _M,
    "user_id": _M,
    "ic_number": _M,
    "job_number": _M,
    "id_number": _M,
    "pin": _M,
    "type": 1,
    "group_id": _M,
}
_KNOWN: Final[Mapping[str, Any]] = {"image": _PICTURE, "user": _SOMEBODY}
_DOOR: Final = terminal("1.3", _TOKEN, f"{_M}-serial")
MARKED_SECRET: Final = {"accounts": [{**SITE, "tokens": [_TOKEN], "serials": [SERIAL, f"{_M}-serial"]}]}
MARKED: Final[Mapping[str, Request]] = {
    **{
        f"V{firmware} record": terminal(firmware, _TOKEN, f"{_M}-serial").upload(**_KNOWN, uuid=_M)
        for firmware in get_args(Firmware.__value__)
    },
    "question": _DOOR.question(**_KNOWN),
    "question, a stranger": _DOOR.question(STRANGER, image=_PICTURE),
    "alarm": _DOOR.alarm(trace_id=_M, image=_PICTURE, description=_M),
    "odd picture": _DOOR.upload(user=_SOMEBODY, rgb_image=[_M]),
    "odd time": _DOOR.upload(**_KNOWN, timestamp=_M),
    "unknown": _DOOR.pushed(7, {"deviceSN": SERIAL, **_SOMEBODY}),
    "no json": Request(_DOOR.event_dest, _M.encode()),
    "half a json": Request(_DOOR.remote_authentication_address, f'{{"user": "{_M}'.encode()),
    "too large": Request(_DOOR.event_dest, _M.encode() * 1_000_000),
    "unknown token": terminal(token=_M).upload(**_KNOWN),
    "another terminal": terminal(token=_TOKEN, serial=f"{_M}-other").upload(**_KNOWN),
}
