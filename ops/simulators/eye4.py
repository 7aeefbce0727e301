"""A simulated Eye4: doorbells that push, and the cloud that has what they recorded.

Written after "Equipment Alarm Receiving and Access Process" (October 23, 2023).
"""

import argparse
import contextlib
import gzip
import itertools
import json
import random
import re
import secrets
import string
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from enum import StrEnum
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Self
from urllib.parse import parse_qs, quote, urlsplit

from ops.serving import Handler, Port
from ops.simulators import Accounts, Credentials, Messages, Request

ALARMS: Final = "/v1/eye4/alarms"
RESOURCES: Final = "/v1/eye4/resources"

WAIT: Final = 20
"""Seconds that the local stack waits for a resource message."""
ALARM_WAIT: Final = 30
"""Seconds that a resource message waits for its alarm there."""


class Callbacks(StrEnum):
    """The moment at which the resource message of a recording comes."""

    USUAL = "usual"
    """After the alarm."""
    EARLY = "early"
    """Before it."""
    LATE = "late"
    """Several pushes after it."""
    LOST = "lost"
    DOUBLED = "doubled"
    MIXED = "mixed"
    """All of these in turn."""


# ─── The launcher's part ──────────────────────────────────────────────────────────────────────────────────────────


def new_accounts() -> Accounts:
    """One customer, with the credentials for the cloud's API."""
    guid = secrets.token_hex(16)
    customer = {
        "account": "workshop",
        "guids": [guid],
        "api": {"userid": str(secrets.randbelow(10**8)), "authkey": secrets.token_hex(16)},
    }
    return Accounts(secret={"accounts": [customer]}, apps={"eye4": {"guid": guid}})


def apps_of(secret: Mapping[str, Any], *, older: bool = False) -> Mapping[str, Credentials]:
    """The first customer in a secret's document, with the first of its guids or the last."""
    return {"eye4": {"guid": secret["accounts"][0]["guids"][-1 if older else 0]}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `gatehouse up`."""
    options = parser.add_argument_group("Eye4")
    options.add_argument("--eye4-api-url", metavar="URL", help="an API to ask for recordings, not the simulated one")
    options.add_argument(
        "--eye4-wait",
        type=int,
        default=WAIT,
        metavar="SECONDS",
        help="how long a resource message is waited for (%(default)s)",
    )
    options.add_argument(
        "--eye4-alarm-wait",
        type=int,
        default=ALARM_WAIT,
        metavar="SECONDS",
        help="how long a resource message waits for its alarm (%(default)s)",
    )
    options.add_argument(
        "--eye4-callbacks",
        type=Callbacks,
        choices=list(Callbacks),
        default=Callbacks.MIXED,
        help="when the simulated resource messages come (%(default)s)",
    )


@contextlib.contextmanager
def services(
    *, api_url: str | None = None, wait: int = WAIT, alarm_wait: int = ALARM_WAIT, **_: object
) -> Iterator[Mapping[str, str]]:
    """The cloud, unless there is another; yields the stack's parameters that go with it.

    Args:
        api_url: of the other one.
        wait: seconds that a resource message is waited for.
        alarm_wait: seconds that a resource message waits for its alarm.
    """
    with contextlib.ExitStack() as started:
        url = api_url or started.enter_context(Cloud().serving()).url
        yield {
            "Eye4ApiUrl": url,
            "Eye4Wait": str(wait),
            "Eye4AlarmWait": str(alarm_wait),
            "Eye4Patience": "10",  # seconds
            "Eye4RetrySeconds": "1",
            "Eye4GiveUp": "60",  # seconds
            "Eye4FileLimit": "100",  # MB
        }


# ─── Pushes ───────────────────────────────────────────────────────────────────────────────────────────────────────


type Field = Literal["Key", "key", "d009_id", "path"]
"""The field of a resource message that holds the fileid; `path`: `key` does, inside of a percent-encoded path."""


class Style(StrEnum):
    """The ways to write a body: encoders of several languages, and a compressing proxy."""

    PLAIN = "plain"
    MARKED = "marked"
    """With a byte order mark before it."""
    ENDED = "ended"
    """With C's closing zero behind it."""
    GZIP = "gzip"


def new_fileid() -> str:
    """A recording's id: 40 hex digits."""
    return secrets.token_hex(20)


def alarm(
    app: Credentials,
    api_url: str,
    *,
    fileid: str | None,
    did: str = "VSTC123456ABCDE",
    action: str | float = "100",
    kind: str = "doorbell",
    electricity: str | float = "87",
    cover: str = "https://alarm.example.com/alarm_image_20261122.jpg?e=1795000000",
    as_text: int = False,
    style: Style = Style.PLAIN,
) -> Request:
    """An alarm message.

    Args:
        app: `guid`.
        api_url: where our API is.
        fileid: of the recording that will follow; none where there will be none.
        did: the device.
        action: 100 somebody came, 101 low battery.
        kind: the type of device.
        electricity: what the battery has left, in percent.
        cover: the thumbnail's address; it stands in the payload and beside it.
        as_text: how often `payload` is JSON in a string.
        style: how it is written.
    """
    payload: Any = {"electricity": electricity, **({"fileid": fileid} if fileid else {}), "cover": cover}
    for _ in range(as_text):
        payload = json.dumps(payload)
    body = {
        "type": kind,
        "action": action,
        "did": did,
        "cover": cover,
        "payload": payload,
    }
    return _request(app, api_url + ALARMS, body, style)


def resource(
    app: Credentials,
    api_url: str,
    fileid: str,
    *,
    field: Field = "Key",
    region: str = "cn-shenzhen",
    d009_id: str = "100047",
    style: Style = Style.PLAIN,
) -> Request:
    """A resource message: a recording was uploaded.

    Args:
        app: `guid`.
        api_url: where our API is.
        fileid: of the recording.
        field: which field holds it; the document's example and its table contradict each other.
        region: where the recording is kept.
        d009_id: what the field of this name says where another one holds the fileid.
        style: how it is written.
    """
    if field == "path":
        key = quote(f"d009/{fileid}_1.h264", safe="")
        return _request(app, api_url + RESOURCES, {"key": key, "region": region, "d009_id": d009_id}, style)
    if field == "d009_id":
        return _request(
            app, api_url + RESOURCES, {"key": "alarm_video.h264", "region": region, "d009_id": fileid}, style
        )
    return _request(app, api_url + RESOURCES, {field: fileid, "region": region, "d009_id": d009_id}, style)


def _request(app: Credentials, url: str, body: Mapping[str, Any], style: Style) -> Request:
    headers = {"guid": app["guid"], "content-type": "application/json"}
    if style is Style.GZIP:
        headers["content-encoding"] = "gzip"
    return Request(url=url, body=_WRITTEN[style](json.dumps(body).encode()), headers=headers)


_WRITTEN: Final[Mapping[Style, Callable[[bytes], bytes]]] = {
    Style.PLAIN: lambda body: body,
    Style.MARKED: lambda body: b"\xef\xbb\xbf" + body,
    Style.ENDED: lambda body: body + b"\0",
    Style.GZIP: gzip.compress,
}


_IN_TURN: Final = (Callbacks.USUAL, Callbacks.EARLY, Callbacks.LATE, Callbacks.LOST, Callbacks.DOUBLED)
_LATE_BY: Final = 3  # rings


def pushes(
    apps: Mapping[str, Credentials], api_url: str, /, *, callbacks: str = Callbacks.MIXED, **_: object
) -> Iterator[Request]:
    """Somebody rings, the recording follows; one ring in five, a battery is low, and another one in five, a door opens.

    All in the forms in which devices and servers write it, side by side.

    Args:
        apps: `eye4`.
        api_url: where our API is.
        callbacks: when the resource messages come, one of `Callbacks`.
    """
    app = apps["eye4"]
    doorbells, door = [_new_did() for _ in range(3)], _new_did()
    fields: Iterator[Field] = itertools.cycle(("Key", "key", "d009_id", "path"))
    styles = itertools.cycle(Style)
    actions: Iterator[str | float] = itertools.cycle(("100", 100, 100.0))
    nothings = itertools.cycle(("(null)", "nil", "-", "0" * 40))
    batteries = itertools.cycle(range(20, 0, -1))
    late: deque[tuple[int, Request]] = deque()
    mode = Callbacks(callbacks)
    for ring, when in enumerate(itertools.cycle(_IN_TURN if mode is Callbacks.MIXED else (mode,))):
        fileid, did = new_fileid(), doorbells[ring % len(doorbells)]
        rung = alarm(app, api_url, fileid=fileid, did=did, action=next(actions), as_text=ring % 3, style=next(styles))
        uploaded = resource(app, api_url, fileid, field=next(fields), style=next(styles))
        match when:
            case Callbacks.EARLY:
                yield from (uploaded, rung)
            case Callbacks.LATE:
                yield rung
                late.append((ring + _LATE_BY, uploaded))
            case Callbacks.LOST:
                yield rung
            case Callbacks.DOUBLED:
                yield from (rung, uploaded, uploaded)
            case _:
                yield from (rung, uploaded)
        if ring % 5 == 1:
            yield alarm(app, api_url, fileid=None, did=did, action=101, electricity=f"{next(batteries)}%")
        if ring % 5 == 3:
            yield alarm(app, api_url, fileid=next(nothings), did=door, kind="door", electricity=55)
        while late and late[0][0] <= ring:
            yield late.popleft()[1]


def messages(apps: Mapping[str, Credentials], api_url: str) -> Messages:
    """Every message, in the forms that the document has and those that devices send."""
    app, did = apps["eye4"], _new_did()
    ring = partial(alarm, app, api_url, did=did)

    def cover_beside() -> Request:
        body = json.loads(ring(fileid=new_fileid()).body)
        del body["payload"]["cover"]
        return _request(app, api_url + ALARMS, body, Style.PLAIN)

    firmware = {"type": "firmware", "version": "4.7.2", "device": {"model": "DB1", "rssi": -61}}
    return {
        "doorbell": lambda: ring(fileid=new_fileid()),
        "doorbell-text-payload": lambda: ring(fileid=new_fileid(), as_text=1),
        "doorbell-encoded-twice": lambda: ring(fileid=new_fileid(), as_text=2),
        "cover-beside": cover_beside,
        "low-battery": lambda: ring(fileid=None, action=101, electricity="9%"),
        "door-magnet": lambda: ring(fileid="(null)", kind="door", electricity=55),
        "resource": lambda: resource(app, api_url, new_fileid()),
        "resource-lower-key": lambda: resource(app, api_url, new_fileid(), field="d009_id"),
        "unmapped": lambda: _request(app, api_url + ALARMS, firmware, Style.PLAIN),
        "unreadable": lambda: replace(rung := ring(fileid=new_fileid()), body=rung.body[:40]),
    }


def unsigned(push: Request) -> Request:
    """The push without its header `guid`."""
    return replace(push, headers={name: value for name, value in push.headers.items() if name != "guid"})


def _new_did() -> str:
    letters = "".join(secrets.choice(string.ascii_uppercase) for _ in range(5))
    return f"VSTC{secrets.randbelow(10**6):06}{letters}"


# ─── The cloud ────────────────────────────────────────────────────────────────────────────────────────────────────

_NAME: Final = re.compile(r"alarm_(?:image|video)_([0-9a-f]{40})_(\d+)\.(?:jpg|h264)")
_FILEID: Final = re.compile(r"[0-9a-f]{40}")

type Fault = Literal[500, 429, "cut"]
"""The status of an answer, or one that ends in the middle."""


class _Form(NamedTuple):
    """The look of files of a kind."""

    suffix: str
    content_type: str
    head: bytes
    tail: bytes


_FORMS: Final[Mapping[str, _Form]] = {
    "image": _Form(
        "jpg",
        "image/jpeg",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
        b"\xff\xd9",
    ),
    "video": _Form("h264", "application/octet-stream", b"\x00\x00\x00\x01\x67", b""),
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of a recording, and how the cloud hands it over."""

    kind: Literal["image", "video"] = "video"
    size: int = 8_000
    """Bytes, never held in memory; what the kind begins and ends with is there in any case."""
    content: bytes | None = None
    """In place of what its name and size make of it."""
    with_length: bool = True
    """False for an answer without a content-length, which is chunked."""
    refusals: tuple[int, ...] = ()
    """The status of the answers to the first requests."""
    location: str | None = None
    """The address that a request is redirected to."""
    pause: float = 0
    """Seconds before each chunk."""
    chunk: int = 65_536
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The files under a fileid, and the way in which the API tells of them."""

    files: tuple[File, ...] = ()
    type: str = "D009"
    """D005 alarm, D009 doorbell; under the other one it is not found."""
    there_from: int | None = 1
    """The number of the asking, under its type, from which on it is there; none for never."""
    entries: Any = None
    """The answer of the API in place of the files' list; any JSON."""
    refusals: tuple[int, ...] = ()
    """The status of the answers to the first askings, under its type."""


class Credential(NamedTuple):
    """The credentials of a request, and which of the two ways they came."""

    way: Literal["body", "headers"]
    user: str
    key: str


class Faults:
    """Answers that a cloud in trouble gives in place of its own: 500, 429, or half of it."""

    def __init__(self, seed: int, share: float) -> None:
        """Decides by a seed, for a share (0 to 1) of the requests."""
        self.struck: Counter[Fault] = Counter()
        """The number of requests that met each."""
        self._random = random.Random(seed)  # noqa: S311 - trouble, not a secret
        self._share = share
        self._lock = threading.Lock()

    def strike(self) -> Fault | None:
        """The next request's fault, if it has one."""
        with self._lock:
            if self._random.random() >= self._share:
                return None
            fault: Fault = self._random.choice((500, 429, "cut"))
            self.struck[fault] += 1
            return fault


class Cloud:
    """`POST /push/fileid`, and the files that it names. Every well-formed fileid has a recording."""

    def __init__(
        self, *, expiry: int = 3600, faults: Faults | None = None, now: Callable[[], float] = time.time
    ) -> None:
        """A cloud that does not serve yet.

        Args:
            expiry: seconds for which a link is good.
            faults: what goes wrong.
            now: Unix seconds.
        """
        self.url = ""
        """Of the API and the files, while it serves."""
        self.asked: Counter[str] = Counter()
        """Requests to the API by fileid, those that met a fault among them."""
        self.fetched: Counter[str] = Counter()
        """Requests for files by name."""
        self.credentials: set[Credential] = set()
        """The credentials that requests to the API came with."""
        self.ended = threading.Event()
        """Set when it serves no more: an answer that is under way then ends."""
        self._expiry = expiry
        self._faults = faults
        self._now = now
        self._held: dict[str, Recording] = {}
        self._asked_under: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serves on a free port of 127.0.0.1 until the block ends."""
        self.ended.clear()
        with Port(partial(_Handler, self)) as port:
            self.url = f"http://{port.address}"
            try:
                yield self
            finally:
                self.ended.set()
                self.url = ""

    def hold(self, fileid: str, recording: Recording) -> None:
        """Has this recording under a fileid in place of the one it would have."""
        self._held[fileid] = recording

    def recording(self, fileid: str) -> Recording:
        """The recording under a fileid; by default, if well-formed, an image and one to three segments of some KB."""
        if fileid in self._held:
            return self._held[fileid]
        if not _FILEID.fullmatch(fileid):
            return Recording()
        chance = random.Random(fileid)  # noqa: S311 - the same for the same fileid
        segments = (File("video", chance.randrange(4_000, 12_000)) for _ in range(chance.randint(1, 3)))
        return Recording((File("image", chance.randrange(2_000, 6_000)), *segments))

    def names(self, fileid: str) -> list[str]:
        """The names of a recording's files, in order."""
        return [
            f"alarm_{file.kind}_{fileid}_{number}.{_FORMS[file.kind].suffix}"
            for number, file in enumerate(self.recording(fileid).files)
        ]

    def link(self, name: str) -> str:
        """A link to a file that is good from now on for as long as links are."""
        return f"{self.url}/files/{name}?e={int(self._now() + self._expiry)}"

    def file(self, link: str) -> tuple[str, File]:
        """The name and the file that a link, or a name, is of.

        Raises:
            LookupError: there is none.
        """
        name = urlsplit(link).path.rpartition("/")[2]
        match = _NAME.fullmatch(name)
        if match is None or name not in self.names(match[1]):
            raise LookupError(name)
        return name, self.recording(match[1]).files[int(match[2])]

    def chunks(self, link: str) -> Iterator[bytes]:
        """The bytes of a file, by its link or name, as they are sent.

        Raises:
            LookupError: there is none.
        """
        name, file = self.file(link)
        content = file.content
        if content is None:
            return _invented(name, file)
        return (content[start : start + file.chunk] for start in range(0, len(content), file.chunk))

    def content(self, link: str) -> bytes:
        """The bytes of a file, by its link or name.

        Raises:
            LookupError: there is none.
        """
        return b"".join(self.chunks(link))

    def is_expired(self, link: str) -> bool:
        """True for a link that is past its `e`, or has none."""
        (expires_at, *_) = parse_qs(urlsplit(link).query).get("e", [""])
        return not expires_at.isdecimal() or int(expires_at) < self._now()

    def fault(self) -> Fault | None:
        """The fault of the next request, if it has one."""
        return self._faults.strike() if self._faults else None

    def answer(self, question: Mapping[str, Any], headers: Message) -> tuple[int, Any]:
        """Status and JSON for a request to the API."""
        fileid, kind = str(question.get("fileid")), str(question.get("type"))
        given: list[Credential] = []
        if "userid" in question and "authkey" in question:
            given.append(Credential("body", str(question["userid"]), str(question["authkey"])))
        if "AccessKey" in headers and "SecretKey" in headers:
            given.append(Credential("headers", headers["AccessKey"], headers["SecretKey"]))
        with self._lock:
            self.credentials.update(given)
            self.asked[fileid] += 1
            self._asked_under[fileid, kind] += 1
            number = self._asked_under[fileid, kind]
        if not given:
            return 401, {"error": "who asks?"}
        recording = self.recording(fileid)
        # An answer without files is an empty list or, as some encoders have it, null.
        nothing: Any = [] if number % 2 else None
        if kind != recording.type:
            return 200, nothing
        if number <= len(recording.refusals):
            return recording.refusals[number - 1], {"error": "refused"}
        if recording.there_from is None or number < recording.there_from:
            return 200, nothing
        if recording.entries is not None:
            return 200, recording.entries
        links = zip(recording.files, map(self.link, self.names(fileid)), strict=True)
        # The name of the type is spelt one way on the page, and another way by everybody else.
        types = itertools.cycle(("file_Type", "file_type"))
        return 200, [{"file_name": link, next(types): file.kind} for file, link in links]

    def count_fetch(self, name: str) -> int:
        """Notes a request for a file; the how-manieth it is."""
        with self._lock:
            self.fetched[name] += 1
            return self.fetched[name]


def _invented(name: str, file: File) -> Iterator[bytes]:
    """A file's bytes, the same for the same name: one block again and again, numbered, in the form of its kind."""
    form = _FORMS[file.kind]
    left = max(file.size - len(form.head) - len(form.tail), 0)
    block = random.Random(name).randbytes(min(left, file.chunk))  # noqa: S311 - a picture, not a secret
    yield form.head
    for number in itertools.count():
        if left <= 0:
            break
        piece = (number.to_bytes(8) + block[8:])[:left]
        left -= len(piece)
        yield piece
    if form.tail:
        yield form.tail


class _Handler(Handler):
    def __init__(self, cloud: Cloud, *socket: Any) -> None:
        self._cloud = cloud
        super().__init__(*socket)

    def respond(self) -> None:
        if self.command == "POST":
            self._links()
        else:
            self._file()

    def _links(self) -> None:
        body = self.body()
        if self.path != "/push/fileid":
            self._json(404, {"error": "no such path"})
            return
        try:
            question = json.loads(body)
        except ValueError:
            question = None
        if not isinstance(question, dict):
            self._json(400, {"error": "not a JSON object"})
            return
        status, answer = self._cloud.answer(question, self.headers)
        fault = self._cloud.fault()
        if isinstance(fault, int):
            self._json(fault, {"error": "in trouble"})
        else:
            self._json(status, answer, cut=fault == "cut")

    def _file(self) -> None:
        try:
            name, file = self._cloud.file(self.path)
        except LookupError:
            self._json(404, {"error": "no such file"})
            return
        number = self._cloud.count_fetch(name)
        fault = self._cloud.fault()
        if isinstance(fault, int):
            self._json(fault, {"error": "in trouble"})
        elif number <= len(file.refusals):
            self._json(file.refusals[number - 1], {"error": "refused"})
        elif self._cloud.is_expired(self.path):
            self._json(403, {"error": "the link has expired"})
        elif file.location:
            self.answer(302, location=file.location, connection="close")
        else:
            self._send(name, file, cut=fault == "cut")

    def _json(self, status: int, answer: Any, *, cut: bool = False) -> None:
        body = json.dumps(answer).encode()
        length = str(len(body))
        self.begin(status, content_type="application/json", content_length=length, connection="close")
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _send(self, name: str, file: File, *, cut: bool) -> None:
        form = _FORMS[file.kind]
        size = len(file.content) if file.content is not None else max(file.size, len(form.head) + len(form.tail))
        length = {"content_length": str(size)} if file.with_length else {"transfer_encoding": "chunked"}
        self.begin(200, content_type=form.content_type, connection="close", **length)
        left = size // 2 if cut else size
        for chunk in self._cloud.chunks(name):
            if file.pause and self._cloud.ended.wait(file.pause):
                return
            piece = chunk[:left]
            if not piece:
                break
            left -= len(piece)
            self.wfile.write(piece if file.with_length else b"%x\r\n%s\r\n" % (len(piece), piece))
        if not file.with_length and not cut:
            self.wfile.write(b"0\r\n\r\n")
