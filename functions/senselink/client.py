"""The calls we make to a SenseLink server: which records it has, and its pictures.

Neither is in the document of the push; both are as clients of the vendor's open API use them.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import urllib3

from functions.senselink.verify import signature
from functions.senselink.wire import Server
from gatehouse.errors import GatehouseError, WrongSetting

PAGE: Final = 100
"""Records at once; a server gives no more."""
_RECORDS: Final = "/api/v3/record/list"
_PICTURE: Final = "/v1/image/{kind}/{reference}"
_KINDS: Final = {"avatar": 1}
"""A picture's kind by its role: 1 of a person, 2, for all others, taken on the spot."""
_ANSWER: Final = 16 * 1024 * 1024
"""Bytes."""
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=20)


class CallFailed(GatehouseError):
    """The server did not answer, or not as it should."""


class NoSuchCall(GatehouseError):
    """The server has no such call: its version is too old."""


class Client:
    """A server's API."""

    def __init__(self, server: Server, now: Callable[[], float] = time.time) -> None:
        """A client.

        Args:
            server: with `api_url`, `app_key` and `app_secret`.
            now: Unix seconds.
        """
        if server.api_url is None or server.app_key is None or server.app_secret is None:
            raise WrongSetting(f"server {server.server} needs api_url, app_key and app_secret in the secret")
        self._url = server.api_url.rstrip("/")
        self._app_key = server.app_key
        self._app_secret = server.app_secret
        self._zone = server.zone
        self._now = now
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT, ssl_context=context(server))

    def records(self, since: datetime, until: datetime) -> Iterator[Mapping[str, Any]]:
        """The authentications between two times, the oldest first, in the server's own words.

        Raises:
            NoSuchCall: it has no record list.
            CallFailed: it does not answer as it should.
        """
        before: list[Mapping[str, Any]] = []
        for page in range(1, 100_000):
            found = self._page(since, until, page)
            # What follows the last page is an empty one, or with some versions the last one again.
            if not found or found == before:
                return
            yield from found
            before = found

    def picture(self, role: str, reference: str) -> bytes:
        """A picture.

        Args:
            role: the field that names it, in snake case.
            reference: the server's id of it.

        Raises:
            NoSuchCall: there is none.
            CallFailed: the server does not answer as it should.
        """
        path = _PICTURE.format(kind=_KINDS.get(role, 2), reference=quote(reference, safe=""))
        return self._get(path, {})

    def _page(self, since: datetime, until: datetime, page: int) -> list[Mapping[str, Any]]:
        content = self._get(
            _RECORDS,
            {
                "date_time_from": self._local(since),
                "date_time_to": self._local(until),
                "order": "1",
                "page": str(page),
                "size": str(PAGE),
            },
        )
        try:
            return _listed(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise CallFailed(f"senselink: {_RECORDS} gave no usable answer: {type(error).__name__}") from None

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"

    def _get(self, path: str, fields: Mapping[str, str]) -> bytes:
        timestamp = int(self._now() * 1000)
        signed = {
            "app_key": self._app_key,
            "timestamp": str(timestamp),
            "sign": signature(timestamp, self._app_secret.get_secret_value()),
            **fields,
        }
        try:
            answer = self._http.request("GET", self._url + path, fields=signed, redirect=False, preload_content=False)
            try:
                content: bytes = answer.read(_ANSWER + 1)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            # Not chained: its text has the address, and that the signature.
            raise CallFailed(f"senselink: {_name(path)} did not answer: {type(error).__name__}") from None
        if answer.status == 404:
            raise NoSuchCall(f"senselink: the server has no {_name(path)}")
        if answer.status != 200 or len(content) > _ANSWER:
            raise CallFailed(f"senselink: {_name(path)} answered {answer.status} with {len(content)} bytes")
        return content


def context(server: Server) -> ssl.SSLContext:
    """How a server's certificate is checked: by its own authority, if it has one, and always.

    Raises:
        WrongSetting: the authority in the secret is no certificate.
    """
    try:
        return ssl.create_default_context(cadata=server.ca)
    except (ssl.SSLError, ValueError) as error:
        raise WrongSetting(f"server {server.server}: ca is not a certificate in PEM") from error


def _name(path: str) -> str:
    return path if path == _RECORDS else "picture"


def _listed(answer: Any) -> list[Mapping[str, Any]]:
    """The records in an answer: at `data.list`, `data.record_list` or `data.data.record_list`, by version.

    Raises:
        ValueError: at none of them.
    """
    data = answer
    for _ in range(3):
        if not isinstance(data, dict):
            break
        for name in ("list", "record_list", "recordList"):
            if isinstance(data.get(name), list):
                return [record for record in data[name] if isinstance(record, dict)]
        data = data.get("data")
    if isinstance(data, list):
        return [record for record in data if isinstance(record, dict)]
    raise ValueError("no list of records")
