"""A SenseLink server on this machine: its WebSocket, frame by frame, and its API, answer by answer.

Handshake and sound messages are wsproto's. Frames that no sound server sends are written as bytes.
"""

import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from wsproto.events import TextMessage

from ops.serving import Handler, Port
from ops.websocket import Gone, WebSocket
from tests.web import Certificate, tls

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
GREETING = {"code": 20000, "message": " Connected!", "desc": "Connected!"}
HEARTBEAT = {"code": 10000, "desc": "heart beat", "message": "heart beat"}
DENIED = {"code": 20002, "message": "Permission Denied!", "desc": "app key not exist"}


def frame(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    """A frame as a server sends it, in whatever order: https://www.rfc-editor.org/rfc/rfc6455#section-5.2."""
    head = bytes([(0x80 if last else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    short = len(payload) < 65_536
    return head + (struct.pack("!BH", 126, len(payload)) if short else struct.pack("!BQ", 127, len(payload))) + payload


@dataclass
class Peer:
    """A client that is connected."""

    socket: WebSocket
    over: threading.Event

    def say(self, *messages: object) -> None:
        """Sends messages; bytes as they are, since they need not be text."""
        for message in messages:
            if isinstance(message, bytes):
                self.raw(frame(message))
            else:
                self.socket.send(TextMessage(json.dumps(message)))

    def raw(self, data: bytes) -> None:
        """Sends bytes."""
        self.socket.connection.sendall(data)

    def until_gone(self) -> None:
        """Says nothing until the other side goes, or the test ends."""
        self.socket.connection.settimeout(0.02)
        while not self.over.is_set():
            try:
                if not self.socket.connection.recv(4096):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


type Script = Callable[[Peer], None]


@dataclass
class Place:
    """A server that listens."""

    port: int = 0
    paths: list[str] = field(default_factory=list)
    """The targets of the requests."""
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _serving(respond: Callable[[Place, Handler], None], certificate: Certificate | None) -> Iterator[Place]:
    there = Place()

    class Answering(Handler):
        def respond(self) -> None:
            there.paths.append(self.target)
            self.close_connection = True
            respond(there, self)

    with Port(Answering, context=None if certificate is None else tls(certificate)) as port:
        there.port = port.number
        try:
            yield there
        finally:
            there.over.set()


@contextmanager
def sockets(*scripts: Script | bytes, certificate: Certificate | None = None) -> Iterator[Place]:
    """A WebSocket server that follows a script for each connection, and the last one for all that come after.

    Bytes are an answer in place of the upgrade.
    """

    def respond(there: Place, asked: Handler) -> None:
        script = scripts[min(len(there.paths), len(scripts)) - 1]
        if isinstance(script, bytes):
            asked.connection.sendall(script)
            return
        peer = Peer(WebSocket(asked), there.over)
        with suppress(Gone):
            peer.socket.accept()
            script(peer)

    with _serving(respond, certificate) as there:
        yield there


@dataclass
class Asked:
    """A call of the API."""

    path: str
    fields: dict[str, str]
    place: Place


type Api = Callable[[Asked], tuple[int, bytes] | None]


@contextmanager
def api(answer: Api, certificate: Certificate | None = None) -> Iterator[Place]:
    """An API that answers with status and body, or with None not at all; its answers have no date."""

    def respond(there: Place, asked: Handler) -> None:
        parts = urlsplit(there.paths[-1])
        found = answer(Asked(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), there))
        if found is None:
            there.over.wait()
            return
        status, body = found
        asked.send_response_only(status)
        asked.send_header("content-length", str(len(body)))
        asked.send_header("connection", "close")
        if status == 302:
            asked.send_header("location", f"http://127.0.0.1:{there.port}/stolen")
        asked.end_headers()
        asked.wfile.write(body)

    with _serving(respond, certificate) as there:
        yield there


def page(asked: Asked, records: list[Any]) -> list[Any]:
    """The page of a list that was asked for."""
    number, size = int(asked.fields["page"]), int(asked.fields["size"])
    return records[(number - 1) * size : number * size]
