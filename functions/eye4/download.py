"""Downloads a file from an address that a third party named, and never from inside our own network.

The rules are those of https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html:
an allow-list of hosts; the name is resolved once, each of its addresses is checked, and the connection goes to a
checked one. A redirect is checked like any other address. In addition, it may lead neither to the operator's own API
nor from https to http.
"""

import hashlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3

from functions.eye4.hosts import PORTS, Hosts, authority
from gatehouse.errors import GatehouseError
from gatehouse.vocabulary import MediaFault

_REDIRECTS: Final = 3
_TIMEOUT: Final = urllib3.Timeout(connect=3, read=10)
_PIECE: Final = 64 * 1024
_GONE: Final = frozenset({401, 403, 404, 410})
"""Statuses of a link that may have expired: hosts answer 403 or 404. The vendor's API gives a new link."""


class Refused(GatehouseError):
    """The file is never fetched."""

    def __init__(self, fault: MediaFault) -> None:
        super().__init__(fault)
        self.fault = fault


class Interrupted(GatehouseError):
    """The file could not be fetched this time."""

    def __init__(self, fault: MediaFault) -> None:
        super().__init__(fault)
        self.fault = fault


class Unreachable(Interrupted):
    """The host did not answer, or broke off: the next try may succeed."""

    def __init__(self) -> None:
        super().__init__(MediaFault.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one file."""

    size: int
    """Bytes."""
    seconds: float


class Body:
    """A file while it arrives: read in pieces, counted and hashed."""

    def __init__(
        self, response: urllib3.BaseHTTPResponse, limits: Limits, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._response = response
        self._limits = limits
        self._monotonic = monotonic
        self._ends_at = monotonic() + limits.seconds
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes read so far."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes read so far, in lower-case hex."""
        return self._hash.hexdigest()

    def read(self, amount: int = -1) -> bytes:
        """The next bytes: as many as asked for, fewer only at the end.

        Raises:
            Refused: the file exceeds the limit.
            Interrupted: it broke off, or takes too long.
        """
        pieces = bytearray()
        while amount < 0 or len(pieces) < amount:
            piece = self._piece(_PIECE if amount < 0 else min(_PIECE, amount - len(pieces)))
            if not piece:
                break
            pieces += piece
        return bytes(pieces)

    def _piece(self, amount: int) -> bytes:
        if self._monotonic() > self._ends_at:
            raise Interrupted(MediaFault.TOO_SLOW)
        try:
            # read1 returns the bytes that have arrived, so that the time limit also ends a slow trickle.
            piece: bytes = self._response.read1(amount, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _interruption(error) from None
        self.size += len(piece)
        if self.size > self._limits.size:
            raise Refused(MediaFault.TOO_LARGE)
        self._hash.update(piece)
        return piece


def addresses(host: str, port: int) -> list[str]:
    """The IPv4 addresses of a host. Lambda has no IPv6, and without it no IPv6 notation can get around a check.

    Raises:
        OSError: it has none.
    """
    return list(
        dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM))
    )


class Downloads:
    """Opens files on the allowed hosts."""

    def __init__(
        self,
        hosts: Sequence[str],
        limits: Limits,
        own: str = "",
        resolve: Callable[[str, int], list[str]] = addresses,
    ) -> None:
        """Permits downloads from these hosts.

        Args:
            hosts: in the form that `Hosts` takes.
            limits: for each file.
            own: in the form that `Hosts` takes.
            resolve: returns the addresses of a host.
        """
        self.own = own
        self._hosts = Hosts(hosts, own)
        self._limits = limits
        self._resolve = resolve

    @contextmanager
    def open(self, url: str) -> Iterator[Body]:
        """Opens a file, and closes it at the end of the block.

        Raises:
            Refused: its address is not allowed, or it is too large.
            Interrupted: it is not there, or its host does not answer.
        """
        before = None
        for _ in range(_REDIRECTS + 1):
            response = self._get(url, before)
            try:
                target = response.get_redirect_location()
                if not target:
                    yield self._body(response)
                    return
                before, url = url, _joined(url, target)
            finally:
                response.close()
        raise Unreachable

    def _body(self, response: urllib3.BaseHTTPResponse) -> Body:
        if response.status in _GONE:
            raise Interrupted(MediaFault.NOT_FOUND)
        if response.status != 200:
            raise Unreachable
        announced = response.headers.get("content-length", "")
        # The length is checked first: Python refuses to convert thousands of digits.
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > self._limits.size):
            raise Refused(MediaFault.TOO_LARGE)
        return Body(response, self._limits)

    def _get(self, url: str, before: str | None) -> urllib3.BaseHTTPResponse:
        """Requests an address; returns the answer with its head read.

        Args:
            url: the address.
            before: the address that redirected to it, if any.
        """
        try:
            parts = urlsplit(url)
            scheme, host, port = authority(parts)
        except ValueError:
            raise Refused(MediaFault.HOST_NOT_ALLOWED) from None
        if before is not None and scheme != "https" and urlsplit(before).scheme == "https":
            raise Refused(MediaFault.HOST_NOT_ALLOWED)
        # The connection goes to an address that was checked: a second look-up could give another one.
        *others, last = self._addresses(scheme, host, port, redirected=before is not None)
        for address in others:
            try:
                return _requested(parts, scheme, host, port, address)
            except Unreachable:
                continue
        return _requested(parts, scheme, host, port, last)

    def _addresses(self, scheme: str, host: str, port: int, *, redirected: bool) -> list[str]:
        """The addresses of a host, at least one, each of them checked."""
        own = self._hosts.is_own(scheme, host, port)
        # The operator's API may trust every caller from here, so no redirect may choose a path on it.
        if (own and redirected) or not (own or self._hosts.has(host, port)):
            raise Refused(MediaFault.HOST_NOT_ALLOWED)
        try:
            resolved = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise Unreachable from None
        if not own and not all(map(_is_public, resolved)):
            raise Refused(MediaFault.PRIVATE_ADDRESS)
        if not resolved:
            raise Unreachable
        return resolved


def _requested(parts: SplitResult, scheme: str, host: str, port: int, address: str) -> urllib3.BaseHTTPResponse:
    """Requests a file from a host at one of its addresses; returns the answer with its head read."""
    if scheme == "https":
        pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
            address, port, server_hostname=host, assert_hostname=host
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port)
    default = port == PORTS[scheme]
    try:
        return pool.urlopen(
            "GET",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers={
                "host": host if default else f"{host}:{port}",
                "accept-encoding": "identity",
                "user-agent": "gatehouse",
            },
            redirect=False,
            retries=False,
            timeout=_TIMEOUT,
            preload_content=False,
            decode_content=False,
        )
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _interruption(error) from None


def _interruption(error: Exception) -> Interrupted:
    """Translates a failed call. urllib3's NewConnectionError is a time-out by its type only: nothing listens there."""
    slow = isinstance(error, urllib3.exceptions.TimeoutError)
    if slow and not isinstance(error, urllib3.exceptions.NewConnectionError):
        return Interrupted(MediaFault.TOO_SLOW)
    return Unreachable()


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise Refused(MediaFault.HOST_NOT_ALLOWED) from None


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip.is_global and not ip.is_multicast
