"""Eye4 for the suites that hold for all vendors."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from pydantic import JsonValue

from functions.eye4 import pending
from functions.eye4.pending import PendingFiles, Row
from gatehouse.settings import Announce
from ops.simulators import Credentials, Request
from ops.simulators.eye4 import ALARMS, RESOURCES
from tests import styles
from tests.builders import URL
from tests.rig import Rig
from tests.styles import Write, compact
from tests.vendors import Delivery, Happening, Pair, with_fields
from tests.vendors.eye4 import CUSTOMER, EYE4, FILEID, NEIGHBOUR, eye4_rig

INSIDE: Final = "payload"
NOT_ON_THE_WIRE: Final = ("file_name", "file_Type", "beside")
"""These are fields of what Eye4's API answers; `beside` is the message, where a field of `payload` may stand."""
EXEMPT: Final = {"pictures": "its messages name files; a flow fetches them later, and tests/unit/eye4 covers it"}
ANSWERED_ANYWAY: Final = ()
RETRY_AFTER: Final = 2.0
"""A message has no time: what comes again after its slot of five seconds is another ring."""
SECRET: Final = {"accounts": [CUSTOMER, NEIGHBOUR]}
_COVER: Final = "http://alarm-vstc.eye4.cn/alarm_image_20261122.jpg?e=1795000000"
_OTHER: Final = "2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"
_NOTHINGS: Final = (
    *("(null)", "nil", "<null>", "N/A", "-", "undefined", "0" * 40, " ", -1, "-1", "\\N", "nullptr", "(null)(null)"),
    *("unknown", "[object Object]", "Optional(nil)", "no"),
)

type Message = dict[str, Any]
type Wrap = Callable[[Any], Any]
"""Makes of the custom data what stands on the wire."""


def _as_text(custom: Any) -> str:
    return json.dumps(custom)


_WRAPS: Final[Mapping[str, Wrap]] = {
    "object": lambda custom: custom,
    "text": _as_text,
    "encoded twice": lambda custom: _as_text(_as_text(custom)),
    "percent-encoded": lambda custom: quote(_as_text(custom)),
    "as forms encode": lambda custom: quote_plus(_as_text(custom)),
    "base64": lambda custom: base64.b64encode(_as_text(custom).encode()).decode(),
    "a form": urlencode,
}
_DOORBELL: Final[Message] = {
    "type": "doorbell",
    "action": 100,
    "did": "VSTC123456ABCDE",
    "payload": {"electricity": 87, "fileid": FILEID, "cover": _COVER},
}
_MESSAGES: Final[Mapping[str, tuple[Message, Wrap]]] = {
    "doorbell": (_DOORBELL, _WRAPS["object"]),
    "doorbell, payload as text": (_DOORBELL, _WRAPS["text"]),
    "doorbell, payload encoded twice": (_DOORBELL, _WRAPS["encoded twice"]),
    "doorbell, payload percent-encoded": (_DOORBELL, _WRAPS["percent-encoded"]),
    "cover beside the payload": (
        {
            "type": "camera",
            "action": "100",
            "did": "VSTC123456ABCDE",
            "cover": _COVER,
            "payload": {"electricity": "87%", "fileid": FILEID},
        },
        _WRAPS["object"],
    ),
    "door magnet": (
        {
            "type": "door",
            "action": "100",
            "did": "VSTD000007MAGNT",
            "payload": {"electricity": 55, "fileid": "(null)", "cover": _COVER},
        },
        _WRAPS["object"],
    ),
    "low battery": (
        {"type": "doorbell", "action": 101, "did": "VSTC123456ABCDE", "payload": {"electricity": 9}},
        _WRAPS["object"],
    ),
    "resource": ({"Key": FILEID, "region": "cn-shenzhen", "d009_id": "100047"}, _WRAPS["object"]),
    "resource, as in the table": (
        {"key": f"d009%2F{FILEID}_1.h264", "region": "cn-shenzhen", "d009_id": FILEID},
        _WRAPS["object"],
    ),
}
SHAPES: Final[Mapping[str, int]] = {shape: 0 if shape.startswith("resource") else 1 for shape in _MESSAGES}


@dataclass
class Rows(PendingFiles):
    """The recordings' rows in memory, as the handler writes them."""

    found: dict[str, Row] = field(default_factory=dict)

    def arrived(self, recording: str, resource: JsonValue) -> Row:
        before = self.found.get(recording, Row())
        self.found[recording] = replace(before, messages=before.messages | {pending.digest(resource)})
        return before


def rig(secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
    """Eye4's function on fakes, with the recordings' rows in memory."""
    return eye4_rig(secret, files=Rows(), announce=announce)


def push(
    shape: str,
    fields: Mapping[str, Any] | None = None,
    write: Write = compact,
    change: Callable[[Any], Any] | None = None,
) -> Request:
    message, wrap = _MESSAGES[shape]
    changed = with_fields(message, fields)
    return _request(URL, EYE4["guid"], changed if change is None else change(changed), wrap, write)


def _request(url: str, guid: str, message: Message, wrap: Wrap = _WRAPS["object"], write: Write = compact) -> Request:
    path = ALARMS if "did" in message or "action" in message else RESOURCES
    if isinstance(message.get("payload"), dict):
        message = {**message, "payload": wrap(message["payload"])}
    return Request(url + path, write(message), {"guid": guid, "content-type": "application/json"})


# ─── Pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pair(name: str, first: Request, second: Request, after: float = 0, events: int = 1) -> Pair:
    return Pair(name, Delivery(first), Delivery(second, after), events)


def _differ(shape: str, name: str, after: float = 0, **fields: Any) -> Pair:
    """Two of a shape, of which the second has other fields."""
    changed = {path.replace("__", "."): value for path, value in fields.items()}
    return _pair(f"{shape}: {name}", push(shape), push(shape, changed), after, SHAPES[shape])


def _wrapped(wrap: Wrap) -> Request:
    return _request(URL, EYE4["guid"], {**_DOORBELL, "payload": wrap(_DOORBELL["payload"])})


_ALARMS: Final = [shape for shape in SHAPES if not shape.startswith("resource")]
_RECORDED: Final = [shape for shape in _ALARMS if shape not in {"door magnet", "low battery"}]

DIFFERENT: Final = (
    *(_differ(shape, "another device", did="VSTC000000OTHER") for shape in _ALARMS),
    *(_differ(shape, "another type", type="bell") for shape in _ALARMS),
    *(_differ(shape, "another action", action=177) for shape in _ALARMS),
    *(_differ(shape, "another recording", payload__fileid=_OTHER) for shape in _RECORDED),
    *(_differ(shape, "a fileid that another message took", payload__electricity=12) for shape in _RECORDED),
    *(_differ(shape, "with a recording and without", payload__fileid="nil") for shape in _RECORDED),
    _differ("door magnet", "opened again after three minutes", after=200),
    _differ("door magnet", "opened again after five minutes", after=300),
    _differ("door magnet", "opened again after five seconds", after=5),
    _differ("door magnet", "opened again a day later", after=86_400),
    _differ("low battery", "an hour later", after=3_600),
    _differ("low battery", "less of it", payload__electricity=8),
    *(
        _pair(
            f"two rings ten minutes apart with the fileid {nothing}",
            push("doorbell", {"payload.fileid": nothing}),
            push("doorbell", {"payload.fileid": nothing}),
            600,
        )
        for nothing in _NOTHINGS
    ),
    *(_differ(shape, "another recording", d009_id=_OTHER) for shape in SHAPES if shape not in _ALARMS),
    _pair(
        "two messages that are neither",
        _request(URL, EYE4["guid"], {"type": "firmware", "version": 1}),
        _request(URL, EYE4["guid"], {"type": "firmware", "version": 2}),
    ),
)
SAME: Final = (
    *(_pair(f"{shape}: the same bytes", push(shape), push(shape), events=SHAPES[shape]) for shape in SHAPES),
    *(_pair(f"{shape}: the same bytes a day later", push(shape), push(shape), 86_400) for shape in _RECORDED),
    *(_pair(f"{shape}: the same bytes within the slot", push(shape), push(shape), 2) for shape in _ALARMS),
    *(
        _pair(f"{shape}: otherwise written", push(shape), push(shape, write=styles.STYLES["with a byte order mark"]), 1)
        for shape in _ALARMS
    ),
    *(
        _pair(f"{shape}: compressed", push(shape), styles.encoded(push(shape), "gzip"), 1, SHAPES[shape])
        for shape in SHAPES
    ),
    *(
        _pair(f"{shape}: in other types of JSON", push(shape), push(shape, change=retype), 600)
        for shape in _RECORDED
        for retype in styles.RETYPED.values()
    ),
    *(_pair(f"as an object and as {shape}", push("doorbell"), push(shape), 600) for shape in _RECORDED[:4]),
    *(
        _pair(f"as an object and with a payload in the encoding: {name}", push("doorbell"), _wrapped(wrap), 600)
        for name, wrap in _WRAPS.items()
    ),
    *(
        _pair(f"{shape}: its cover signed anew", push(shape), push(shape, {"payload.cover": f"{_COVER}1"}), 600)
        for shape in _RECORDED
    ),
    *(
        _pair(f"{shape}: a fileid in capitals", push(shape), push(shape, {"payload.fileid": FILEID.upper()}), 600)
        for shape in _RECORDED
    ),
    _pair(
        "at the other address",
        push("doorbell"),
        replace(push("doorbell"), url=URL + RESOURCES),
        600,
    ),
)


# ─── Anything that happens ────────────────────────────────────────────────────────────────────────────────────────────


def happening(random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime) -> Happening:
    del at  # no message of Eye4's has a time
    tell = random.choice((_recorded, _recorded, _unrecorded, _unrecorded, _uploaded, _claimed, _neither, _unreadable))
    return tell(random, number, apps["eye4"]["guid"], url)


def _new(random: Random, number: int, **custom: Any) -> Message:
    return {
        "type": random.choice(("doorbell", "camera", "设备", "")),
        "action": random.choice((100, 100, 101, 177)),
        "did": f"VST{number:08}é"[: random.choice((11, 12))],
        "payload": {"electricity": random.choice((0, 9, 87, 100)), **custom},
        **({"cover": _COVER} if random.random() < 0.3 else {}),
    }


def _fileid(random: Random) -> str:
    return f"{random.getrandbits(160) | 1:040x}"


def _told(random: Random, url: str, guid: str, message: Message, wrap: Wrap = _WRAPS["object"]) -> Request:
    """A message in one of the styles, now and then compressed."""
    guid = random.choice((guid, guid, f"{guid}, {guid}", f"other,{guid}"))
    return styles.any_encoding(random, _request(url, guid, message, wrap, styles.any_style(random)))


def _recorded(random: Random, number: int, guid: str, url: str) -> Happening:
    message = _new(random, number, fileid=_fileid(random), cover=f"{_COVER}{number}")
    message["action"] = random.choice((100, 177))
    again = []
    for _ in range(random.randrange(3)):
        retype = random.choice([lambda value: value, *styles.RETYPED.values()])
        resigned = with_fields(message, {"payload.cover": f"{_COVER}{random.randrange(100)}"})
        again.append(_told(random, url, guid, retype(resigned), random.choice(list(_WRAPS.values()))))
    return Happening("recorded", (_told(random, url, guid, message), *again))


def _unrecorded(random: Random, number: int, guid: str, url: str) -> Happening:
    message = _new(random, number, fileid=random.choice(_NOTHINGS))
    wrap = random.choice(list(_WRAPS.values()))
    requests = [_told(random, url, guid, message, wrap) for _ in range(random.randrange(1, 3))]
    return Happening("unrecorded", requests, within=5)


def _uploaded(random: Random, number: int, guid: str, url: str) -> Happening:
    fileid = _fileid(random)
    message = random.choice(
        (
            {"Key": fileid, "region": "cn", "d009_id": number},
            {"key": f"alarm_video_{fileid}.h264", "region": "cn", "d009_id": fileid},
            {"Key": quote(f"d009/{fileid}_1.h264", safe=""), "region": "cn", "d009_id": "(null)"},
            {"did": f"VST{number}", "key": fileid.upper()},
        )
    )
    return Happening("uploaded", [_told(random, url, guid, message) for _ in range(random.randrange(1, 4))], events=0)


def _claimed(random: Random, number: int, guid: str, url: str) -> Happening:
    """A fileid that another message took before: both are kept, and each once."""
    true = _new(random, number, fileid=_fileid(random)) | {"action": 100}
    false = with_fields(true, {"payload.electricity": 55})
    return Happening("claimed", [_told(random, url, guid, message) for message in (false, true, true, false)], events=2)


def _neither(random: Random, number: int, guid: str, url: str) -> Happening:
    message = random.choice(
        ({"type": "firmware", "n": number}, {"Key": "(null)", "n": number}, {"region": str(number)})
    )
    request = _request(url, guid, message, write=styles.any_style(random))
    return Happening("neither", (request, styles.any_encoding(random, request)), unmapped=True)


def _unreadable(random: Random, number: int, guid: str, url: str) -> Happening:
    body = random.choice((b'{"did": "%d"', b"did=%d&action=100", b"\xff\xfe%d", b"<alarm>%d</alarm>")) % number
    request = Request(url + random.choice((ALARMS, RESOURCES)), body, {"guid": guid})
    return Happening("unreadable", (request, styles.any_encoding(random, request)), unmapped=True)


# ─── Marked ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_M: Final = "MARKER"
_GUID: Final = f"{_M}-0a7c93e51b2d4f86b8e4d7c1a9f35062"


def _marked(message: Any, path: str = ALARMS, guid: str = _GUID) -> Request:
    body = message if isinstance(message, bytes) else compact(message)
    return Request(URL + path, body, {"guid": guid, "content-type": "application/json"})


def _ring(custom: Any, **more: Any) -> Message:
    return {"type": _M, "action": 100, "did": _M, "payload": custom, **more}


MARKED_SECRET: Final = {
    "accounts": [{"account": "workshop", "guids": [_GUID], "api": {"userid": f"user-{_M}", "authkey": f"key-{_M}"}}]
}
MARKED: Final[Mapping[str, Request]] = {
    "alarm": _marked(_ring({"electricity": 87, "fileid": _M, "cover": f"https://files.example.com/{_M}?e={_M}"})),
    "alarm, payload as text": _marked(_ring(_as_text({"electricity": _M, "fileid": _M, "cover": _M}))),
    "alarm, cover beside it": _marked(_ring({"fileid": FILEID}, cover=_M)),
    "odd alarm": _marked(_ring([_M], action=_M)),
    "odd payload": _marked(_ring(_M)),
    "a field more": _marked(_ring({"fileid": FILEID, _M: _M}, notDocumented=_M)),
    "neither": _marked({"type": _M, "version": _M}),
    "no object": _marked([_M]),
    "no json": _marked(_M.encode()),
    "half a json": _marked(b'{"did": "' + _M.encode()),
    "no text": _marked(_M.encode() + b"\xff"),
    "a resource that names nothing": _marked({"Key": "(null)", "region": _M}, RESOURCES),
    "too large": _marked(_M.encode() * 200_000),
    "unknown guid": _marked(_ring({"fileid": FILEID}), guid=_M),
    "no guid": _marked(_ring({"fileid": FILEID}), guid=""),
}
