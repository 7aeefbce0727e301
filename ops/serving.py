"""The HTTP server that the simulated vendors, the emulator's transforms and some tests have in common."""

import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Handler(BaseHTTPRequestHandler):
    """A handler of requests, whatever their method, that logs none of them."""

    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        """Answers the request."""
        raise NotImplementedError

    def _respond(self) -> None:
        self.respond()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _respond  # noqa: N815 - http.server's names

    @property
    def target(self) -> str:
        """The request's target as it came: in `path`, two slashes at its beginning are one."""
        return self.requestline.split(" ")[1]

    def body(self) -> bytes:
        """Reads the body of the request."""
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Sends a whole answer; an underscore in a header's name stands for a hyphen."""
        self.begin(status, content_length=str(len(content)), **headers)
        self.wfile.write(content)

    def begin(self, status: int, **headers: str) -> None:
        """Sends the head of an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Logs nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over a client that went away, or that did not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Port:
    """A port of 127.0.0.1 behind which a handler answers, once it is open; it can be closed, and opened again."""

    def __init__(
        self, handler: Callable[..., BaseHTTPRequestHandler], number: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        """A port that is still closed.

        Args:
            handler: makes the answers.
            number: a free one by default; it stays the same from the first opening on.
            context: of TLS, where it is spoken.
        """
        self.number = number
        self._handler = handler
        self._context = context

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.number}"

    def open(self) -> None:
        """Lets requests in."""
        self._server = _Server(("127.0.0.1", self.number), self._handler)
        self.number = self._server.server_port
        if self._context is not None:
            # The handshake is left to the thread of the connection.
            self._server.socket = self._context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Lets no more in; connections that there are go on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
