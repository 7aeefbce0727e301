"""A terminal's own HTTPS API, with a certificate as a terminal makes it for itself."""

import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme
from werkzeug import Request, Response

from functions.sensepass.client import Client
from tests.web import Certificate, web

PASSWORD = "p4ss-of-the-terminal"
SESSION = "eyJ0eXAi.a-session.of-the-terminal"
FUNCTIONS = {"mode": 3, "record": True, "record_image": True, "alarm_record": False, "auth_mode": 0}
_REFUSED = (401, b'{"code":401,"msg":"unauthorised","data":null}')


def fingerprint(own: trustme.CA) -> str:
    """SHA-256 of a certificate, as openssl prints it."""
    certificate = ssl.PEM_cert_to_DER_cert(own.cert_pem.bytes().decode())
    return hashlib.sha256(certificate).digest().hex(":").upper()


@dataclass
class Device:
    """A terminal's HTTPS API: its state, the calls that it had, and answers that it is to give instead of its own."""

    port: int
    password: str = PASSWORD
    event_dest: str | None = None
    functions: dict[str, Any] = field(default_factory=FUNCTIONS.copy)
    records: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    instead: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any, authorization: str | None) -> tuple[int, bytes]:
        """Answers as the vendor's guide says."""
        self.calls.append((method, path, body))
        if path in self.instead:
            return self.instead[path]
        if path == "/v1/auth/login":
            known = (body["username"], body["password"]) == ("admin", self.password)
            return said({"token": SESSION}) if known else _REFUSED
        return self._answer(method, path, body) if authorization == f"Bearer {SESSION}" else _REFUSED

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        match method, path:
            case "GET", "/v1/event/subscribe":
                return said(None if self.event_dest is None else {"event_dest": self.event_dest})
            case "POST", "/v1/event/subscribe":
                self.event_dest = body["event_dest"]
            case "GET", "/v1/device/functions":
                return said(self.functions)
            case "POST", "/v1/device/functions":
                assert {"record", "record_image", "alarm_record"} <= body.keys()
                self.functions = body
            case "POST", "/v1/event/records":
                return said(self._found(**body))
        return said(None)

    def _found(self, begin_time: int, end_time: int, offset: int, limit: int, sort: int) -> dict[str, Any]:
        assert (limit <= 200, sort) == (True, 0)
        among = [record for record in self.records if begin_time <= record["timestamp"] <= end_time]
        items = among[offset : offset + limit]
        return {"offset": offset, "limit": limit, "count": len(items), "total": len(among), "items": items}

    def client(self, **verified_by: Any) -> Client:
        """A client of it, not logged in."""
        return Client("127.0.0.1", self.port, **verified_by)


def said(data: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"data": data, "code": 200, "msg": "OK"}).encode()


@contextmanager
def running(own: Certificate) -> Iterator[Device]:
    """A terminal with this certificate."""

    def respond(request: Request) -> Response:
        body = json.loads(request.data) if request.data else None
        status, answer = there.answer(request.method, request.path, body, request.headers.get("authorization"))
        location = {"location": f"https://127.0.0.1:{there.port}/stolen"} if status == 302 else None
        return Response(answer, status, location)

    with web(respond, own) as server:
        there = Device(server.port)
        yield there
