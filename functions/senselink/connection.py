"""One WebSocket to a SenseLink server: signed anew each time, and lost when it is silent for too long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import websocket

from functions.senselink.client import context, date
from functions.senselink.verify import signature
from functions.senselink.wire import Server
from gatehouse.errors import GatehouseError, WrongSetting

TICK: Final = 1.0
"""Seconds after which each wait checks whether it has to go on."""
_CONNECT: Final = 10.0
"""Seconds for connecting."""
LARGEST: Final = 1024 * 1024
"""Bytes of a message at most, in one frame or several. A record has a few thousand; SNS takes a quarter of this."""
_CONTROL: Final = 125
"""Bytes of a control frame at most."""
_TOO_BIG: Final = 1009
"""The status that closes a connection on which a larger message came: RFC 6455, 7.4.1."""
_DENIALS: Final = frozenset({401, 403})


class Denied(GatehouseError):
    """The server does not know the app, or rejects its signature."""


class Lost(GatehouseError):
    """There is no connection, or it has ended. The message gives the reason, without the address, which is signed."""


class TooLarge(Lost):
    """The server sent a message that is larger than the limit."""


class _Frames(websocket._abnf.frame_buffer):  # noqa: SLF001 - the library has no limit and no other place for one
    """Reads frames as they come; of a frame that is too large only the header."""

    def recv_length(self) -> None:
        super().recv_length()
        if (self.length or 0) > LARGEST:
            raise TooLarge("a frame is too large")


class _Socket(websocket.WebSocket):
    """The library's socket, reading bounded frames."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.frame_buffer = _Frames(self._recv, skip_utf8_validation=True)


_TEXTS: Final = frozenset({websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY})


class _Message:
    """A message in fragments, collected in one buffer: joining many small ones as `bytes` takes quadratic time."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._has_begun = False

    def add(self, opcode: int, content: bytes, *, is_last: bool) -> bytes | None:
        """Adds a fragment; returns the message if it was the last one.

        Raises:
            Lost: it does not belong to this message.
            TooLarge: the message exceeds the limit.
        """
        if (opcode in _TEXTS) == self._has_begun:
            raise Lost("a fragment that is none of this message")
        if len(self._content) + len(content) > LARGEST:
            raise TooLarge("a message is too large")
        self._content += content
        self._has_begun = not is_last
        if not is_last:
            return None
        whole = bytes(self._content)
        self._content = bytearray()
        return whole


class Connection:
    """An open connection."""

    def __init__(self, socket: websocket.WebSocket, silence: float, monotonic: Callable[[], float]) -> None:
        self._socket = socket
        self._silence = silence
        self._monotonic = monotonic
        self._message = _Message()

    @property
    def date(self) -> datetime | None:
        """The time of the server's clock, from its answer to the handshake; None without a `Date` header."""
        return date((self._socket.getheaders() or {}).get("date"))

    def messages(self) -> Iterator[bytes | None]:
        """Yields each message of the server unchanged, and None at least every `TICK` while there is none.

        Raises:
            Lost: the connection is closed, or was silent for too long. A ping does not count as a message: another
                part of the server may send it than the one that sends records.
        """
        heard = self._monotonic()
        while True:
            message = self._next()
            if message is not None:
                yield message
                heard = self._monotonic()  # after the caller took it: while it works, nothing is read, so no silence
                continue
            yield None
            if self._monotonic() - heard > self._silence:
                raise Lost("silent")

    def _next(self) -> bytes | None:
        """The next message; None if nothing came, or a frame that does not complete a message."""
        try:
            frame = self._socket.recv_frame()  # type: ignore[no-untyped-call]
            if frame.opcode == websocket.ABNF.OPCODE_PING and len(frame.data) <= _CONTROL:
                self._socket.pong(frame.data)
        except websocket.WebSocketTimeoutException:
            return None
        except TooLarge:
            self._refuse()
            raise
        except (websocket.WebSocketException, OSError) as error:
            raise Lost(type(error).__name__) from None
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            raise Lost("closed by the server")
        if frame.opcode not in {*_TEXTS, websocket.ABNF.OPCODE_CONT}:
            return None
        try:
            return self._message.add(frame.opcode, frame.data, is_last=bool(frame.fin))
        except TooLarge:
            self._refuse()
            raise

    def _refuse(self) -> None:
        with suppress(websocket.WebSocketException, OSError):
            self._socket.send_close(_TOO_BIG)


@contextmanager
def connected(
    server: Server,
    silence: float,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Connection]:
    """Opens a connection to a server, and closes it at the end of the block.

    Args:
        server: with `url`, `app_key` and `app_secret`.
        silence: seconds without a message after which it counts as lost.
        now: Unix seconds.
        monotonic: a clock for durations.

    Raises:
        Denied: the server denies access.
        Lost: it does not answer.
        WrongSetting: the server's entry in the secret lacks one of these fields.
    """
    if server.url is None or server.app_key is None or server.app_secret is None:
        raise WrongSetting(f"server {server.server} needs url, app_key and app_secret in the secret")
    timestamp = int(now() * 1000)
    sign = signature(timestamp, server.app_secret.get_secret_value())
    try:
        socket = websocket.create_connection(
            f"{server.url.rstrip('/')}/websocket/record/{server.app_key}/{timestamp}/{sign}",
            timeout=_CONNECT,
            sslopt={"context": context(server)} if server.url.startswith("wss") else {},
            skip_utf8_validation=True,  # content that is not text is kept unchanged
            enable_multithread=False,
            class_=_Socket,
            redirect_limit=0,  # messages of another host are not the server's
        )
    except websocket.WebSocketBadStatusException as error:
        if error.status_code in _DENIALS:
            raise Denied(f"answered {error.status_code}") from None
        raise Lost(f"answered {error.status_code}") from None
    except (websocket.WebSocketException, OSError, ValueError) as error:  # ValueError: an invalid port
        raise Lost(type(error).__name__) from None
    try:
        socket.settimeout(TICK)
        yield Connection(socket, silence, monotonic)
    finally:
        # No closing handshake: a half-open peer would make us wait for it.
        socket.shutdown()  # type: ignore[no-untyped-call]
