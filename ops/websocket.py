"""The server's side of a WebSocket: handshake and frames by wsproto, the bytes by the connection."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping
from wsproto.utilities import LocalProtocolError


class Gone(Exception):
    """The client went away, or the connection was closed from here."""


class WebSocket:
    """A WebSocket that a client asked for."""

    def __init__(self, asked: BaseHTTPRequestHandler) -> None:
        """Takes over the connection of a request.

        Raises:
            wsproto.utilities.RemoteProtocolError: it asks for no WebSocket.
        """
        self.connection: socket.socket = asked.connection
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._writing = threading.Lock()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers.items()]
        self._protocol.initiate_upgrade_connection(headers, asked.path)
        asked.close_connection = True

    def accept(self, **headers: str) -> None:
        """Lets the client in.

        Args:
            headers: of the answer, besides those of the protocol.

        Raises:
            Gone: it went away.
        """
        self.send(AcceptConnection(extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()]))

    def send(self, *events: Event) -> None:
        """Sends messages, pings and the like.

        Raises:
            Gone: the client went away.
        """
        try:
            with self._writing:
                self.connection.sendall(b"".join(self._protocol.send(event) for event in events))
        except (OSError, LocalProtocolError) as error:
            raise Gone from error

    def heard(self) -> Iterator[Event]:
        """The events that the client sends, until it closes the connection or is gone; none is answered here."""
        with contextlib.suppress(OSError):
            while data := self.connection.recv(65_536):
                with self._writing:
                    self._protocol.receive_data(data)
                    events = list(self._protocol.events())
                yield from events
                if any(isinstance(event, CloseConnection) for event in events):
                    return

    def drop(self) -> None:
        """Closes the connection, without a word."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def reply(event: Event) -> Event | None:
    """The answer that the protocol asks for: to a ping, and to a close."""
    return event.response() if isinstance(event, Ping | CloseConnection) else None
