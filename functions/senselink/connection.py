"""One WebSocket to a SenseLink server: signed anew, and dead when it is silent."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import websocket

from functions.senselink.client import context
from functions.senselink.verify import signature
from functions.senselink.wire import Server
from gatehouse.errors import GatehouseError, WrongSetting

TICK: Final = 1.0
"""Seconds after which whoever waits looks up."""
_CONNECT: Final = 10.0
"""Seconds for a connection to come about."""
_DENIALS: Final = frozenset({401, 403})


class Denied(GatehouseError):
    """The server does not know the app, or does not take its signature."""


class Lost(GatehouseError):
    """There is no connection, or no more. The message says why, and has no address, since that is signed."""


class Connection:
    """An open connection."""

    def __init__(self, socket: websocket.WebSocket, silence: float, monotonic: Callable[[], float]) -> None:
        self._socket = socket
        self._silence = silence
        self._monotonic = monotonic

    def messages(self) -> Iterator[bytes | None]:
        """What the server sends, each message as it is; None at least every `TICK` while there is none.

        Raises:
            Lost: the connection is closed, or was silent for too long. A ping is no message: what answers it need
                not be what sends the records.
        """
        heard = self._monotonic()
        while True:
            try:
                opcode, data = self._socket.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                opcode, data = websocket.ABNF.OPCODE_PONG, b""
            except (websocket.WebSocketException, OSError) as error:
                raise Lost(type(error).__name__) from None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise Lost("closed by the server")
            if opcode in {websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY}:
                yield bytes(data)
                heard = self._monotonic()  # after whoever took it: reading nothing is not hearing nothing
                continue
            yield None
            if self._monotonic() - heard > self._silence:
                raise Lost("silent")


@contextmanager
def connected(
    server: Server,
    silence: float,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Connection]:
    """A connection to a server, closed with the block.

    Args:
        server: with `url`, `app_key` and `app_secret`.
        silence: seconds without a message after which it counts as lost.
        now: Unix seconds.
        monotonic: a clock for spans.

    Raises:
        Denied: the server does not let us in.
        Lost: it does not answer.
        WrongSetting: the server's entry in the secret has not what it takes.
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
            skip_utf8_validation=True,  # what is not text is kept as it is
            enable_multithread=False,
            redirect_limit=0,  # what another host says is not the server's word
        )
    except websocket.WebSocketBadStatusException as error:
        if error.status_code in _DENIALS:
            raise Denied(f"answered {error.status_code}") from None
        raise Lost(f"answered {error.status_code}") from None
    except (websocket.WebSocketException, OSError, ValueError) as error:  # ValueError: a port that is none
        raise Lost(type(error).__name__) from None
    try:
        socket.settimeout(TICK)
        yield Connection(socket, silence, monotonic)
    finally:
        # No word of goodbye: whoever is half gone would have to be waited for.
        socket.shutdown()  # type: ignore[no-untyped-call]
