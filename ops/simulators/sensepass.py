"""Simulated SensePass terminals: doors of an invented site, each with a firmware of another generation.

Written after "Event Push Protocol" (V1.0) and the vendor's web API guide for what came later
(https://webapi.gitbook.io/nebula-pass-web-api-guide).
"""

import base64
import itertools
import json
import random
import re
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import urllib3

from ops.simulators import Accounts, Credentials, Messages, Request, now

PATH = "/v1/sensepass"

type Firmware = Literal["1.0", "1.1", "1.2.1", "1.3"]
type Fields = dict[str, Any]
type Send = Callable[[Request], tuple[int, bytes]]
"""Sends a request; the answer's status and body. May raise `OSError` or urllib3's `HTTPError`."""

_JPEG_HEAD: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_JPEG_END: Final = b"\xff\xd9"
PICTURE_BYTES: Final = 60_001
"""A small one: terminals send 50 to 300 KB. Its base64 needs padding."""
CACHE: Final = 50_000
"""Records that a terminal keeps while they are not taken."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a door, as the terminal takes them."""

    status: int
    """`recognizeStatus`: 1 not live, 2 in the library, 3 a stranger."""
    recognition: int
    """`recognitionType`: 1 staff, 2 visitor, 3 stranger, 4 not live, 5 blocklist."""
    passed: bool
    name: str = ""
    number: int | None = None
    """`user_id`; a string from V1.2.1 on."""
    type: int | None = None
    card: str = ""
    group: tuple[str, str] | None = None
    """Id and name."""


STAFF: Final = Person(2, 1, passed=True, name="Mira Holt", number=17, type=1, card="40017", group=("3", "Workshop"))
VISITOR: Final = Person(2, 2, passed=True, name="Jonas Feld", number=204, type=2, group=("8", "Guests"))
STRANGER: Final = Person(3, 3, passed=False)
NOT_LIVE: Final = Person(1, 4, passed=False)
BLOCKLISTED: Final = Person(2, 5, passed=False, name="Rolf Anders", number=666, type=5, group=("9", "Barred"))


def picture(size: int = PICTURE_BYTES, seed: int | None = None) -> bytes:
    """A picture of so many bytes that begins and ends as a JPEG does; the same for the same seed."""
    filler = max(size - len(_JPEG_HEAD) - len(_JPEG_END), 0)
    return _JPEG_HEAD + random.Random(seed).randbytes(filler) + _JPEG_END  # noqa: S311 - a picture, not a secret


def new_accounts() -> Accounts:
    """One site with a terminal of each generation; the app's serial number is that of the newest."""
    token, serial = secrets.token_urlsafe(24), f"PSC7MC22F{secrets.randbelow(100_000):05}"
    site = {"site": "workshop", "tokens": [token], "serials": list(_fleet(serial).values())}
    return Accounts(secret={"accounts": [site]}, apps={"sensepass": {"token": token, "serial": serial}})


def apps_of(secret: Mapping[str, Any], *, older: bool = False) -> Mapping[str, Credentials]:
    """The first site in a secret's document, with the first of its tokens or the last, and its terminals."""
    site = secret["accounts"][0]
    serials = site.get("serials") or list(_fleet("PSC7MC22F00001").values())
    own = {f"serial_{firmware}": serial for firmware, serial in zip(_fleet(""), itertools.cycle(serials), strict=False)}
    return {"sensepass": {"token": site["tokens"][-1 if older else 0], "serial": serials[0], **own}}


def _fleet(serial: str) -> dict[Firmware, str]:
    """Serial numbers of a site's terminals, by firmware."""
    return {"1.3": serial, "1.2.1": f"{serial}B", "1.1": f"{serial}C", "1.0": f"{serial}D"}


class Terminal:
    """A terminal at a door, which builds each message as its firmware sends it."""

    def __init__(
        self, serial: str, token: str, api_url: str, firmware: Firmware = "1.3", now: Callable[[], float] = now
    ) -> None:
        self.serial = serial
        self.firmware = firmware
        self.event_dest = f"{api_url}{PATH}/{token}"
        self.remote_authentication_address = f"{self.event_dest}/authorize"
        self.cached: deque[Request] = deque(maxlen=CACHE)
        """Records that were not taken yet, oldest first."""
        self._now = now

    @property
    def _has_uuid(self) -> bool:
        return self.firmware in {"1.2.1", "1.3"}

    def record(
        self, person: Person = STAFF, *, at: float | None = None, image: bytes | None = None, **more: Any
    ) -> Fields:
        """A recognition: `data` of an envelope of type 0, or an item of the terminal's record list.

        Args:
            person: who stands there.
            at: Unix seconds; now by default.
            image: the snapshot; random bytes by default.
            more: further fields, or other values.
        """
        common = self._recognised(person, at, image)
        if self.firmware == "1.0":
            return {
                "recognizeStatus": person.status,
                **common,
                "livenessScore": 0.12 if person is NOT_LIVE else 0.9073520302772522,
                "pass": person.passed,
                "mode": 0,
                **more,
            }
        fields = {
            "recognitionType": person.recognition,
            **common,
            "pass": person.passed,
            "mode": 3,
            "bodyTemperature": 36.4 if self.firmware == "1.1" else 0.0,
        }
        if self._has_uuid:
            fields["uuid"] = str(uuid.uuid4())
        if self.firmware == "1.3":
            fields |= {"entry_mode": 1, "abnormal_type": 0}
        return {**fields, **more}

    def upload(
        self, person: Person = STAFF, *, at: float | None = None, image: bytes | None = None, **more: Any
    ) -> Request:
        """A recognition, pushed to `event_dest`; with V1.0 the terminal waits for the answer to open the door."""
        return self.pushed(0, self.record(person, at=at, image=image, **more))

    def question(
        self, person: Person = STAFF, *, at: float | None = None, image: bytes | None = None, **more: Any
    ) -> Request:
        """A remote authentication: may this person in? It has no envelope, no `pass`, and `recognizeStatus`.

        Raises:
            ValueError: V1.0 has none.
        """
        if self.firmware == "1.0":
            raise ValueError("a terminal with V1.0 asks with the record itself")
        fields = {"recognizeStatus": person.status, **self._recognised(person, at, image), "bodyTemperature": 0.0}
        if self.firmware == "1.3":
            fields |= {"entry_mode": 1, "qrcode_content": ""}
        return self._request(self.remote_authentication_address, {**fields, **more})

    def heartbeat(self) -> Request:
        """A heartbeat: it asks every 30 s if remote authentication is there."""
        return Request(url=self.remote_authentication_address, body=b"", method="GET")

    def alarm(
        self,
        code: int = 10003,
        status: int = 1,
        *,
        trace_id: str | None = None,
        at: float | None = None,
        image: bytes | None = None,
        **more: Any,
    ) -> Request:
        """An alarm of the terminal itself. It has no serial number: that is in the headers.

        Args:
            code: 10001 tampered, 10002 forced open, 10003 held open, 10004 password attack, 20003 fire.
            status: 1 raised, 2 release failed, 3 released; the code comes only with 1.
            trace_id: the same for each status of one alarm.
            at: Unix seconds; now by default.
            image: a picture; none by default.
            more: further fields, or other values.

        Raises:
            ValueError: only V1.3 has alarms.
        """
        if self.firmware != "1.3":
            raise ValueError("terminals have alarms from V1.3 on")
        milliseconds = int(self._at(at) * 1000)
        fields = {
            "trace_id": trace_id or f"SPX-{milliseconds}-004-{secrets.token_hex(3)}",
            "description": " ",
            **({"code": code} if status == 1 else {}),
            "event_time": milliseconds,
            "status": status,
            "alarm_photo": _base64(image) if image else " ",
            **more,
        }
        return self.pushed(1, fields)

    def pushed(self, kind: int, data: Any) -> Request:
        """Any data in an envelope, pushed to `event_dest`."""
        return self._request(self.event_dest, {"type": kind, "data": data})

    def deliver(self, push: Request, send: Send) -> bool:
        """Uploads a record behind those that wait; whether it was taken. From V1.1 on it waits if it was not."""
        if self.firmware == "1.0":
            return _is_taken(push, send)
        self.cached.append(push)
        self.upload_cached(send)
        return not self.cached

    def upload_cached(self, send: Send) -> int:
        """Uploads what waits, oldest first, until one is not taken; how many were."""
        taken = 0
        while self.cached and _is_taken(self.cached[0], send):
            self.cached.popleft()
            taken += 1
        return taken

    def _recognised(self, person: Person, at: float | None, image: bytes | None) -> Fields:
        """The fields that records of all firmware and remote authentications have in common."""
        return {
            "deviceSN": self.serial,
            "recognizeScore": 0.9837480783462524 if person.number is not None else 0.31,
            "mask": 1,
            "rgb_image": _base64(picture() if image is None else image),
            "timestamp": int(self._at(at)),
            "user": self._user(person),
        }

    def _user(self, person: Person) -> Fields:
        number: str | int | None = person.number
        if self._has_uuid:
            number = "" if person.number is None else str(person.number)
        user: Fields = {
            "name": person.name,
            "user_id": number,
            "type": person.type,
            "ic_number": person.card,
            "job_number": f"J{person.number}" if person.number is not None else "",
        }
        if self._has_uuid:
            user |= {
                "id_number": "",
                "groups": [{"id": person.group[0], "name": person.group[1]}] if person.group else [],
            }
        if self.firmware == "1.3":
            user |= {
                "pin": "4711" if person.number is not None else "",
                "remark": "",
                "guest_time_start": 0,
                "guest_time_end": 0,
            }
        return user

    def _request(self, url: str, body: Fields) -> Request:
        headers = {"user-agent": "SensePass"}
        if self.firmware != "1.0":  # V1.0 does not say what its body is
            headers["content-type"] = "application/json"
        if self._has_uuid:
            headers |= {
                "model": "SensePass-S7",
                "sn": self.serial,
                "timestamp": str(int(self._now())),
                "account": "admin",
            }
        return Request(url=url, body=json.dumps(body, ensure_ascii=False).encode(), headers=headers)

    def _at(self, at: float | None) -> float:
        return self._now() if at is None else at


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers_as_text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(inner) for inner in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _picture_in_lines(body: bytes) -> bytes:
    """Base64 as Java's MIME encoder breaks it, every 76 characters."""
    return re.sub(rb"[A-Za-z0-9+/]{76}", rb"\g<0>\\r\\n", body)


ODD: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "C's closing zero": lambda body: body + b"\0",
    "a temperature that is no number": lambda body: body.replace(b'"mask": 1', b'"mask": 1, "bodyTemperature": NaN'),
    "half of a character": lambda body: body.replace(b'"name": "Mira Holt', rb'"name": "Mira Holt \ud842'),
    "numbers as text": lambda body: json.dumps(_numbers_as_text(json.loads(body))).encode(),
    "base64 in lines": _picture_in_lines,
    "base64 without its end": lambda body: body.replace(b"==", b""),
    "the serial number in small letters": lambda body: re.sub(rb'(?<="deviceSN": )"\w+"', _small, body),
}
"""The odd forms in which devices write the same message."""


def _small(match: re.Match[bytes]) -> bytes:
    return match[0].lower()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _is_taken(push: Request, send: Send) -> bool:
    """Tells if an upload was taken: the status and the answer's code have to say so."""
    try:
        status, body = send(push)
        return status == 200 and bool(json.loads(body)["code"] == 200)
    except (OSError, urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return False


def pushes(apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
    """People come to four doors: staff, visitors, strangers; now and then a door is held open, or no one comes.

    Terminals of each generation send side by side, every other time in one of the odd forms.
    """
    doors = _doors(apps["sensepass"], api_url)
    for write in itertools.cycle(ODD.values()):
        for make in _day(doors, write).values():
            yield make()


def messages(apps: Mapping[str, Credentials], api_url: str) -> Messages:
    """Every message of every firmware, and two that are not understood."""
    doors = _doors(apps["sensepass"], api_url)
    elevator = {"deviceSN": doors["1.3"].serial, "elevator": {"car": 2, "floor": -1}}
    return {
        **_day(doors, bytes),
        "unmapped": lambda: doors["1.3"].pushed(2, elevator),
        "unreadable": lambda: written(doors["1.1"].upload(), lambda body: body[:80]),
    }


def _doors(app: Credentials, api_url: str) -> dict[Firmware, Terminal]:
    return {
        firmware: Terminal(app.get(f"serial_{firmware}", serial), app["token"], api_url, firmware)
        for firmware, serial in _fleet(app["serial"]).items()
    }


def _day(doors: Mapping[Firmware, Terminal], write: Callable[[bytes], bytes]) -> dict[str, Callable[[], Request]]:
    """A round of messages; the last of them are in an odd form, and both alarms are one."""
    trace = f"SPX-{secrets.token_hex(6)}"
    return {
        "v1-0-record": lambda: doors["1.0"].upload(_somebody()),
        "v1-3-authorize": lambda: doors["1.3"].question(_somebody()),
        "v1-1-record": lambda: doors["1.1"].upload(_somebody()),
        "v1-2-1-record": lambda: doors["1.2.1"].upload(_somebody()),
        "v1-3-alarm": lambda: doors["1.3"].alarm(trace_id=trace, description="Door open for 30 s"),
        "v1-3-heartbeat": doors["1.3"].heartbeat,
        "v1-0-record-odd": lambda: written(doors["1.0"].upload(_somebody()), write),
        "v1-1-authorize": lambda: written(doors["1.1"].question(_somebody()), write),
        # A record that the terminal kept for an hour.
        "v1-3-record": lambda: written(doors["1.3"].upload(_somebody(), at=now() - 3_600), write),
        "v1-3-alarm-released": lambda: written(doors["1.3"].alarm(status=3, trace_id=trace), write),
    }


def written(push: Request, write: Callable[[bytes], bytes]) -> Request:
    """The same push, written otherwise."""
    return replace(push, body=write(push.body))


def _somebody() -> Person:
    return random.choice((STAFF, STAFF, VISITOR, STRANGER, NOT_LIVE, BLOCKLISTED))  # noqa: S311 - a day, not a secret
