"""The calls we make to a SenseLink server: its lists of records and alarms, and its pictures.

The document of the push has none of them. They follow the vendor's open API and the clients that use it.
"""

import hashlib
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

import urllib3
from pydantic import JsonValue

from functions.senselink.verify import signature
from functions.senselink.wire import Server
from gatehouse.errors import CallFailed, GatehouseError, WrongSetting
from gatehouse.reading import read_json, whole

PAGE: Final = 100
"""Records on a page; a server gives no more."""
ALARM_PAGE: Final = 1000
"""Alarms on a page; a server gives no more."""
_RECORDS: Final = "/api/v3/record/list"
_ALARMS: Final = "/api/v2/device/alarm/list"
_PICTURE: Final = "/v1/image/{kind}/{reference}"
_KINDS: Final = {"avatar": 1}
"""A picture's kind by its role: 1 is the person's own; all others are 2, taken by the device."""
_LISTS: Final = ("list", "record_list", "recordList", "alarm_list", "alarmList")
"""Names of a list, by version; in some versions the list is `data` itself."""
_OK: Final = 200
_CODES: Final = ("code", "errorCode", "error_code", "errcode", "errCode")
"""Names of a code. The outermost `code` is 200 on success; the others may also be 0."""
_LEVELS: Final = 4
"""Levels of nested objects in which the list is looked for."""
_ANSWER: Final = 2 * 1024 * 1024
"""Bytes of a list's page at most: a hundred records, or a thousand alarms."""
_IMAGE: Final = 4 * 1024 * 1024
"""Bytes of a picture at most."""
_AT_LONGEST: Final = 60.0
"""Seconds for a whole answer at most, even if bytes keep arriving."""
_PAGES: Final = 5_000
"""Pages of a list at most: half a million records. A list that is longer is taken to be endless."""
_PASSES: Final = 5
"""Readings of a list of several pages at most, until one brings nothing new."""
_PARTS: Final = 100_000
"""JSON values in an answer at most: a hundred for each of a thousand rows."""
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=20)
_NEAR: Final = timedelta(hours=3)
"""Distance from a change of the clocks within which a time of day may be ambiguous."""

type Row = dict[str, JsonValue]
"""A record or an alarm in a list, as the server sends it."""


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

    def records(self, since: datetime, until: datetime) -> Iterator[Row]:
        """The authentications between two times, as the server sends them.

        Versions differ in the time that the span applies to, and in the order of the list. Callers rely on neither.

        Raises:
            NoSuchCall: it has no record list.
            CallFailed: it does not answer as it should.
        """
        span = {
            "date_time_from": f"{self._wall(since, -1):%Y-%m-%d %H:%M:%S}",
            "date_time_to": f"{self._wall(until, 1):%Y-%m-%d %H:%M:%S}",
            "order": "1",
        }
        return self._rows(_RECORDS, span, PAGE)

    def alarms(self, since: datetime, until: datetime) -> Iterator[Row]:
        """The alarms of the days that a span touches, each in its present state, as the server sends them.

        Raises:
            NoSuchCall: it has no alarm list.
            CallFailed: it does not answer as it should.
        """
        days = {
            "dateFrom": f"{self._wall(since, -1):%Y-%m-%d}",
            "dateTo": f"{self._wall(until, 1):%Y-%m-%d}",
        }
        return self._rows(_ALARMS, days, ALARM_PAGE)

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
        return self._get(path, {}, _IMAGE)

    def clock(self) -> datetime | None:
        """The time of the server's clock, from the `Date` header of an answer; None without one."""
        try:
            answer = self._http.request("GET", self._url + "/", redirect=False, preload_content=False)
        except urllib3.exceptions.HTTPError:
            return None
        try:
            return date(answer.headers.get("date"))
        finally:
            answer.close()

    def _rows(self, path: str, span: Mapping[str, str], size: int) -> Iterator[Row]:
        """The rows of all pages, each once.

        Pages go by number. A row that is deleted meanwhile moves later rows into pages that were already read. So a
        list of several pages is read again until it brings nothing new.
        """
        seen: set[bytes] = set()
        for _ in range(_PASSES):
            pages, fresh = 0, 0
            for rows in self._pages(path, span, size):
                pages += 1
                for row in rows:
                    mark = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()[:16]
                    if mark not in seen:
                        seen.add(mark)
                        fresh += 1
                        yield row
            if pages < 2 or not fresh:
                return

    def _pages(self, path: str, span: Mapping[str, str], size: int) -> Iterator[list[Row]]:
        before: list[Row] = []
        for page in range(1, _PAGES):
            content = self._get(path, {**span, "page": str(page), "size": str(size)}, _ANSWER)
            try:
                rows = _listed(read_json(content, parts=_PARTS), page)
            except ValueError as error:
                why = str(error) if isinstance(error, _Refused) else "it gave no usable answer"
                raise CallFailed(f"senselink: {path}: {why}") from None
            # After the last page comes an empty one; with some versions, the last one again.
            if not rows or rows == before:
                return
            yield rows
            before = rows
        raise CallFailed(f"senselink: {path}: it has no end")

    def _wall(self, moment: datetime, outwards: int) -> datetime:
        """The server's local time at one end of a span.

        Around a change of the clocks one hour comes twice, and another is skipped. It is not known which of the two
        hours a server means, so the span is widened by the size of the change.

        Args:
            moment: the beginning or the end of the span.
            outwards: -1 for its beginning, 1 for its end.
        """
        offsets = [_offset((moment + near).astimezone(self._zone)) for near in (-_NEAR, timedelta(), _NEAR)]
        change = (max(offsets) - min(offsets)) * outwards
        shown = moment.astimezone(self._zone).replace(tzinfo=None) + change
        while change and self._never(shown):
            shown += change
        return shown

    def _never(self, shown: datetime) -> bool:
        """Tells whether a local time is skipped by a change of the clocks."""
        there = shown.replace(tzinfo=self._zone).astimezone(UTC).astimezone(self._zone)
        return there.replace(tzinfo=None) != shown

    def _get(self, path: str, fields: Mapping[str, str], most: int) -> bytes:
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
                content = _read(answer, most)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            # Not chained: its text has the address, which holds the signature.
            raise CallFailed(f"senselink: {_name(path)} did not answer: {type(error).__name__}") from None
        if answer.status == 404:
            raise NoSuchCall(f"senselink: the server has no {_name(path)}")
        if answer.status != 200 or len(content) > most:
            raise CallFailed(f"senselink: {_name(path)} answered {answer.status} with {len(content)} bytes")
        return content


def context(server: Server) -> ssl.SSLContext:
    """The TLS settings for a server: its certificate is always checked, by the authority in the secret if it names one.

    Raises:
        WrongSetting: the authority in the secret is not a certificate.
    """
    try:
        return ssl.create_default_context(cadata=server.ca)
    except (ssl.SSLError, ValueError) as error:
        raise WrongSetting(f"server {server.server}: ca is not a certificate in PEM") from error


def date(header: str | None) -> datetime | None:
    """The time in a `Date` header, in UTC; None if there is none."""
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _read(answer: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """Reads an answer, up to a little more than the limit, so that the caller sees a larger one.

    Raises:
        CallFailed: it takes too long.
    """
    ends_at = time.monotonic() + _AT_LONGEST
    content = bytearray()
    while len(content) <= most:
        piece = answer.read1(65_536)
        if not piece:
            break
        content += piece
        if time.monotonic() > ends_at:
            raise CallFailed("senselink: an answer takes too long")
    return bytes(content)


def _name(path: str) -> str:
    return path if path in {_RECORDS, _ALARMS} else "picture"


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


class _Refused(ValueError):
    """The answer reports an error, although its HTTP status may be 200."""


def _listed(answer: JsonValue, page: int) -> list[Row]:
    """The rows in an answer: at `data.list`, `data.record_list`, `data.data.record_list` and the like, by version.

    Some languages write an empty list as null. An answer without any list has to state a total of 0. A first page
    without rows and with a total above 0 counts as an error of the server.

    Args:
        answer: the parsed answer.
        page: its number, from 1 on.

    Raises:
        ValueError: there is no list.
        _Refused: the answer reports an error, on any level.
    """
    may_be_null = _LISTS if not isinstance(answer, dict) or answer.get("code") is None else (*_LISTS, "data")
    level, rows, is_empty, total = answer, None, False, 0
    for depth in range(_LEVELS):
        if isinstance(level, dict):
            _refuse(level, depth)
            stated = whole(level.get("total"))
            total = max(total, stated or 0)
            is_empty = is_empty or stated == 0 or any(level.get(name, 0) is None for name in may_be_null)
            level = next((level[name] for name in _LISTS if isinstance(level.get(name), list)), level.get("data"))
        if isinstance(level, list):
            rows = [row for row in level if isinstance(row, dict)]
            break
    if rows is None and not is_empty:
        raise ValueError("no list")
    if not rows and total and page == 1:
        raise _Refused(f"it has {total}, and lists none")
    return rows or []


def _refuse(level: Mapping[str, JsonValue], depth: int) -> None:
    """Raises `_Refused` if one level of an answer reports an error."""
    for name in _CODES:
        value = level.get(name)
        fine = {_OK} if name == "code" and not depth else {_OK, 0}
        if value is not None and (code := whole(value)) not in fine:
            raise _Refused("it answered with " + ("a code that is no number" if code is None else f"code {code}"))
    if any(level.get(name) is False or str(level.get(name)).lower() == "false" for name in ("success", "ok")):
        raise _Refused("it says itself that it has failed")
