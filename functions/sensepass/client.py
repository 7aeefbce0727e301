"""Our calls to a terminal: the address that it pushes to, the address that it asks, and the records that it has.

Sources: "Push" of the terminal's documentation for `/v1/event/subscribe`; the vendor's web API guide
(https://webapi.gitbook.io/nebula-pass-web-api-guide) for `/v1/auth/login`, `/v1/device/functions`, which has the
address for remote authentication from V1.1 on, and `/v1/event/records`, which exists from V1.2 on.
"""

import json
import ssl
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, Self

import urllib3

from gatehouse.errors import CallFailed
from gatehouse.reading import read_json, whole

PORT: Final = 8000
PAGE: Final = 200
"""Most records of a page; a terminal gives no more at once."""
_ADDRESS_BYTES: Final = 1024
_SUBSCRIBE: Final = "/v1/event/subscribe"
_FUNCTIONS: Final = "/v1/device/functions"
_UNKNOWN_PATHS: Final = frozenset({400, 404, 405, 410, 501})
"""Refusals of a path that the firmware does not have, as a status or as a code inside a 200."""


class Refused(CallFailed):
    """The terminal refused a call, by its status or by a code inside a 200."""

    def __init__(self, path: str, status: int, code: int | None = None) -> None:
        meaning = ": the name or the password is wrong, or the login has run out" if 401 in {status, code} else ""
        super().__init__(f"the terminal's {path} answered status {status}, code {code}{meaning}")
        self.status = status
        self.code = code


class NotThere(CallFailed):
    """The terminal's firmware is too old for a call."""


class AskRemotely(IntEnum):
    """`auth_mode`: the persons about whom a terminal asks. 2 was "the server alone", until V1.3 removed it."""

    NOBODY = 0
    KNOWN = 1
    """Persons in its library, and QR codes: it opens if it and we agree. It does not ask about strangers."""
    STRANGERS = 3
    """Persons not in its library. To those in it the terminal opens by itself."""


class Client:
    """A terminal's API. Its certificate is always verified."""

    def __init__(
        self, host: str, port: int = PORT, *, fingerprint: str | None = None, ca_file: str | None = None
    ) -> None:
        """A client that is not logged in yet.

        A terminal makes its own certificate. Give the fingerprint of it, or the authority that signed another one for
        the terminal. With neither, an authority that this machine knows has to have signed it for this host.

        Args:
            host: name or address.
            port: of its HTTPS API.
            fingerprint: SHA-256 of the certificate (DER), in hex, with or without colons.
            ca_file: path of a PEM file with the authority.

        Raises:
            CallFailed: the fingerprint is not a SHA-256, the file cannot be read, or both are given.
        """
        self._token: str | None = None
        if fingerprint is not None and ca_file is not None:
            raise CallFailed("give a fingerprint or a CA, not both")
        if fingerprint is not None:
            # A pinned certificate needs neither a signature nor the host's name: it is compared as a whole.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._pool = urllib3.HTTPSConnectionPool(
                host, port, ssl_context=context, assert_fingerprint=_sha256(fingerprint)
            )
            return
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise CallFailed(f"{ca_file} holds no certificate: {type(error).__name__}") from error
        self._pool = urllib3.HTTPSConnectionPool(host, port, ssl_context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def log_in(self, username: str, password: str, minutes: int = 60) -> None:
        """Logs in. Every other call needs it.

        Args:
            username: as for the terminal's web page.
            password: of the user.
            minutes: validity of the login, 1 to 1440.

        Raises:
            CallFailed: the terminal refused, or did not answer.
        """
        login = {"username": username, "password": password, "validTime": minutes}
        data = self._call("POST", "/v1/auth/login", login)
        token = data.get("token") if isinstance(data, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise CallFailed("the terminal's /v1/auth/login gave no token")
        self._token = token

    def event_destination(self) -> str:
        """The address that the terminal pushes to; empty if there is none.

        Raises:
            CallFailed: the terminal refused, or did not answer.
        """
        return _text(self._call("GET", _SUBSCRIBE), "event_dest")

    def set_event_destination(self, address: str) -> None:
        """Has the terminal push to an address.

        Args:
            address: a URL of at most 1,024 bytes.

        Raises:
            CallFailed: the address is too long, or the terminal refused, or did not answer.
        """
        # Later firmware has `enabled`, and pushes nothing if only the address is set.
        self._call("POST", _SUBSCRIBE, {"event_dest": _address(address), "enabled": True})

    def remote_authentication_address(self) -> str:
        """The address that the terminal asks whether to open; empty if it does not ask.

        Raises:
            NotThere: the firmware is older than V1.1, and asks with its records.
            CallFailed: the terminal refused, or did not answer.
        """
        functions = self._functions()
        asks = isinstance(functions, dict) and functions.get("auth_mode") not in {None, AskRemotely.NOBODY}
        return _text(functions, "remote_authentication_address") if asks else ""

    def set_remote_authentication(self, address: str, ask: AskRemotely = AskRemotely.KNOWN) -> None:
        """Has the terminal ask an address whether to open. Its other functions stay as they are.

        Args:
            address: a URL of at most 1,024 bytes.
            ask: the persons about whom it asks.

        Raises:
            NotThere: the firmware is older than V1.1, and asks with its records.
            CallFailed: the address is too long, or the terminal refused, or did not answer.
        """
        functions = self._functions()
        if not isinstance(functions, dict):
            raise NotThere(f"the terminal's {_FUNCTIONS} gave no functions: it is older than V1.1")
        # Some of them are required, and the guide does not say that omitted ones stay.
        asking = {"auth_mode": int(ask), "remote_authentication_address": _address(address)}
        self._call("POST", _FUNCTIONS, {**functions, **asking})

    def records(self, begin: int, end: int, page: int = PAGE) -> Iterator[list[dict[str, Any]]]:
        """Yields the records of a time range, oldest first, page by page, in the form of a push's `data`.

        Args:
            begin: Unix seconds.
            end: Unix seconds.
            page: records of a page, at most 200. With pictures a page of 200 may have 60 MB.

        Raises:
            CallFailed: the terminal refused, or did not answer.
        """
        offset = 0
        while True:
            wanted = {"begin_time": begin, "end_time": end, "offset": offset, "limit": min(page, PAGE), "sort": 0}
            data = self._call("POST", "/v1/event/records", wanted)
            items, total = _page(data)
            if not items:
                return
            yield [_as_pushed(item) for item in items if isinstance(item, dict)]
            offset += len(items)
            if total is not None and offset >= total:
                return

    def _functions(self) -> Any:
        try:
            return self._call("GET", _FUNCTIONS)
        except Refused as error:
            if _UNKNOWN_PATHS.isdisjoint({error.status, error.code}):
                raise
            raise NotThere(f"the terminal has no {_FUNCTIONS}: it is older than V1.1") from error

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Calls the terminal, and returns `data` of the answer."""
        headers = {} if self._token is None else {"authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            answer = self._pool.request(
                method,
                path,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=10, read=60),
                retries=False,
                redirect=False,
            )
            if answer.status != 200:
                raise Refused(path, answer.status)
            content: Any = read_json(answer.data)
            code = whole(content["code"])
            data = content.get("data")
        except urllib3.exceptions.SSLError as error:
            raise CallFailed(f"the terminal's certificate is not the one it should be: {path} not called") from error
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CallFailed(f"the terminal's {path} gave no usable answer: {type(error).__name__}") from error
        if code != 200:
            raise Refused(path, answer.status, code)
        return data


def _page(data: Any) -> tuple[list[Any], int | None]:
    """The items of a page, and the total if the answer has it. An answer without a list has no items."""
    if data is None:
        return [], None
    items, total = (data.get("items"), whole(data.get("total"))) if isinstance(data, dict) else (None, None)
    if isinstance(items, list):
        return items, total
    if isinstance(data, dict) and "items" in data and items is None and not total:
        return [], total
    raise CallFailed("the terminal's /v1/event/records gave no list")


def _as_pushed(item: dict[str, Any]) -> dict[str, Any]:
    """A record of the list in the form of a push: with the groups in `user` and not beside it."""
    groups, user = item.get("groups"), item.get("user")
    if groups is None or not isinstance(user, dict):
        return item
    others = {name: value for name, value in item.items() if name != "groups"}
    return {**others, "user": {"groups": groups, **user}}


def _sha256(fingerprint: str) -> str:
    """A fingerprint in urllib3's form. It has to have 64 digits: urllib3 takes shorter ones as MD5 or SHA-1."""
    digits = fingerprint.replace(":", "").strip().lower()
    try:
        if len(bytes.fromhex(digits)) == 32:
            return digits
    except ValueError:
        pass
    raise CallFailed("the fingerprint is no SHA-256: 64 hexadecimal digits, with or without colons")


def _address(address: str) -> str:
    length = len(address.encode())
    if length > _ADDRESS_BYTES:
        raise CallFailed(f"the address has {length} bytes, a terminal takes {_ADDRESS_BYTES}")
    return address


def _text(data: Any, name: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""
