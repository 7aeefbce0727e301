"""A SenseLink server on this machine: its WebSocket, frame by frame, and its API, answer by answer."""

import base64
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
GREETING = {"code": 20000, "message": " Connected!", "desc": "Connected!"}
HEARTBEAT = {"code": 10000, "desc": "heart beat", "message": "heart beat"}
DENIED = {"code": 20002, "message": "Permission Denied!", "desc": "app key not exist"}


def frame(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    """A frame as a server sends it: https://www.rfc-editor.org/rfc/rfc6455#section-5.2."""
    head = bytes([(0x80 if last else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    short = len(payload) < 65_536
    return head + (struct.pack("!BH", 126, len(payload)) if short else struct.pack("!BQ", 127, len(payload))) + payload


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Waits for a condition, and fails without it."""
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not come about"
        time.sleep(0.01)


@dataclass
class Peer:
    """Who is connected."""

    socket: socket.socket
    over: threading.Event

    def say(self, *messages: object) -> None:
        """Sends messages; bytes as they are."""
        for message in messages:
            self.raw(frame(message if isinstance(message, bytes) else json.dumps(message).encode()))

    def raw(self, data: bytes) -> None:
        """Sends bytes."""
        self.socket.sendall(data)

    def until_gone(self) -> None:
        """Says nothing until the other side goes, or the test ends."""
        self.socket.settimeout(0.02)
        while not self.over.is_set():
            try:
                if not self.socket.recv(4096):
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
    """What was asked for."""
    over: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing: who does not trust it, or has heard enough, goes away."""


@contextmanager
def _serving(respond: Callable[[Place, socket.socket, str], None], certificate: Path | None) -> Iterator[Place]:
    there = Place()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                if context is None:
                    self._answer(self.request)
                    return
                with context.wrap_socket(self.request, server_side=True) as secure:
                    self._answer(secure)

        def _answer(self, peer: socket.socket) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                data = peer.recv(4096)
                if not data:
                    return
                head += data
            there.paths.append(head.split()[1].decode())
            respond(there, peer, head.decode())

    with _Server(("127.0.0.1", 0), Handler) as server:
        there.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield there
        finally:
            there.over.set()
            server.shutdown()
            thread.join()


@contextmanager
def sockets(*scripts: Script | bytes, certificate: Path | None = None) -> Iterator[Place]:
    """A WebSocket server that follows a script for each connection, and the last one for all that come after.

    Bytes are an answer in place of the upgrade. `certificate` is a file with the key.
    """

    def respond(there: Place, peer: socket.socket, head: str) -> None:
        script = scripts[min(len(there.paths), len(scripts)) - 1]
        if isinstance(script, bytes):
            peer.sendall(script)
            return
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
        accept = base64.b64encode(digest).decode()
        peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        script(Peer(peer, there.over))

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
def api(answer: Api, certificate: Path | None = None) -> Iterator[Place]:
    """An API that answers with status and body, or with None not at all."""

    def respond(there: Place, peer: socket.socket, _head: str) -> None:
        parts = urlsplit(there.paths[-1])
        found = answer(Asked(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), there))
        if found is None:
            Peer(peer, there.over).until_gone()
            return
        status, body = found
        location = f"Location: http://127.0.0.1:{there.port}/stolen\r\n" if status == 302 else ""
        peer.sendall(
            f"HTTP/1.1 {status} so\r\n{location}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )

    with _serving(respond, certificate) as there:
        yield there


def page(asked: Asked, records: list[Any]) -> list[Any]:
    """The page of a list that was asked for."""
    number, size = int(asked.fields["page"]), int(asked.fields["size"])
    return records[(number - 1) * size : number * size]
