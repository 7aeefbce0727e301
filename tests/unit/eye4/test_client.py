"""The call to Eye4's API, against a web server: its credentials, and its handling of every answer."""

import gzip
import json
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from pydantic import SecretStr
from urllib3 import Timeout

from functions.eye4 import client
from functions.eye4.client import Client, Storage
from functions.eye4.wire import BodyLogin, HeaderLogin
from gatehouse.errors import CallFailed
from ops.simulators.eye4 import Cloud, Credential
from tests.unit.eye4.cloud import Answer, Seen, Web, said, web
from tests.vendors.eye4 import FILEID

BODY = BodyLogin(userid="4711", authkey=SecretStr("the-key-of-4711"))
HEADERS = HeaderLogin(access_key="AK-4712", secret_key=SecretStr("the-key-of-4712"))
SIGNED = "https://alarm-vstc.eye4.cn/alarm_video_1.h264?e=1&token=signed"


@pytest.fixture
def api() -> Iterator[Web]:
    with web() as there:
        yield there


def _answer(api: Web, answer: Answer) -> Client:
    """A client of an API that answers this."""
    api.answers["/push/fileid"] = answer
    return Client(BODY, api.url)


def _fails(asking: Client) -> str:
    """All text that an exception of a call shows when it is printed."""
    with pytest.raises(CallFailed) as failure:
        asking.files(FILEID, Storage.DOORBELL)
    return "".join([str(failure.value), repr(failure.value), *traceback.format_exception(failure.value)])


# ─── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_older_api_is_told_who_asks_in_the_body(api: Web) -> None:
    _answer(api, said(b"[]")).files(FILEID, Storage.DOORBELL)

    (asked,) = api.seen
    assert (asked.method, asked.target, asked.headers["content-type"]) == ("POST", "/push/fileid", "application/json")
    assert json.loads(asked.body) == {"userid": "4711", "authkey": "the-key-of-4711", "fileid": FILEID, "type": "D009"}
    assert {"accesskey", "secretkey", "authorization"}.isdisjoint(asked.headers)


def test_the_newer_api_is_told_who_asks_in_headers(api: Web) -> None:
    api.answers["/push/fileid"] = said(b"[]")
    Client(HEADERS, api.url).files(FILEID, Storage.ALARM)

    (asked,) = api.seen
    assert json.loads(asked.body) == {"fileid": FILEID, "type": "D005"}
    assert (asked.headers["accesskey"], asked.headers["secretkey"]) == ("AK-4712", "the-key-of-4712")


@pytest.mark.parametrize(("login", "url"), [(BODY, "https://api.eye4.cn"), (HEADERS, "https://open.eye4.cn")])
def test_the_credentials_say_which_api_it_is_and_it_is_asked_by_tls(login: BodyLogin | HeaderLogin, url: str) -> None:
    assert client.api_url(login) == url


@pytest.mark.parametrize("behind", ["", "/", "//"])
def test_the_address_of_another_api_may_end_in_a_slash(api: Web, behind: str) -> None:
    api.answers["/push/fileid"] = said(b"[]")
    Client(BODY, api.url + behind).files(FILEID, Storage.ALARM)

    assert [asked.target for asked in api.seen] == ["/push/fileid"]


def test_a_fileid_that_is_no_fileid_stays_inside_of_its_field(api: Web) -> None:
    odd = '"}, "type": "\r\n设备'
    _answer(api, said(b"[]")).files(odd, Storage.ALARM)

    assert json.loads(api.seen[0].body)["fileid"] == odd


@pytest.mark.parametrize(
    ("login", "credential"),
    [
        (BODY, Credential("body", "4711", "the-key-of-4711")),
        (HEADERS, Credential("headers", "AK-4712", "the-key-of-4712")),
    ],
)
def test_the_simulated_cloud_understands_both_ways(login: BodyLogin | HeaderLogin, credential: Credential) -> None:
    with Cloud().serving() as cloud:
        files = Client(login, cloud.url).files(FILEID, Storage.DOORBELL)

    assert len(files) == len(cloud.names(FILEID))
    assert cloud.credentials == {credential}


# ─── What is answered ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_come_in_the_vendors_order(api: Web) -> None:
    entries = [{"file_name": f"{SIGNED}{number}", "file_Type": "video"} for number in range(5)]

    files = _answer(api, said(json.dumps(entries).encode())).files(FILEID, Storage.ALARM)

    assert [(file.url, file.kind) for file in files] == [(f"{SIGNED}{number}", "video") for number in range(5)]


@pytest.mark.parametrize("written", [b"[]", b"null", b"\xef\xbb\xbf[]", b"\xef\xbb\xbfnull", b"[]\0", b" [ ] \r\n"])
def test_an_empty_list_is_no_files_and_no_failure(api: Web, written: bytes) -> None:
    """Reports 20: Go writes null for an empty list, and some servers a byte order mark before everything."""
    assert _answer(api, said(written)).files(FILEID, Storage.ALARM) == []


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"", b"\r\n"])
@pytest.mark.parametrize("behind", [b"\0", b"", b"\n\0\0"])
def test_a_list_is_read_with_what_servers_write_around_it(api: Web, before: bytes, behind: bytes) -> None:
    written = json.dumps([{"file_name": SIGNED, "file_Type": "video", "size": 1.5}]).encode()

    assert [file.url for file in _answer(api, said(before + written + behind)).files(FILEID, Storage.ALARM)] == [SIGNED]


@pytest.mark.parametrize(
    "error",
    [
        {"error": "no such user"},
        {"code": 401, "msg": "authkey"},
        {"code": "200", "data": None},
        {"code": 500, "data": []},
        "denied",
        0,
        False,
    ],
)
def test_an_error_inside_of_a_200_is_a_failed_call(api: Web, error: Any) -> None:
    _fails(_answer(api, said(b"\xef\xbb\xbf" + json.dumps(error).encode())))


def test_half_a_surrogate_in_one_link_costs_the_others_nothing(api: Web) -> None:
    written = b'[{"file_name": "\\ud800", "file_Type": "video"}, {"file_name": "http://a.eye4.cn/2"}]'

    files = _answer(api, said(written)).files(FILEID, Storage.ALARM)

    assert [file.url for file in files] == ["\ufffd", "http://a.eye4.cn/2"]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 502, 503])
def test_any_other_status_is_a_failed_call_that_says_which(api: Web, status: int) -> None:
    with web() as elsewhere:
        answer = said(b"[]", status=status, location=f"{elsewhere.url}/push/fileid", retry_after="0")

        assert str(status) in _fails(_answer(api, answer))

    assert len(api.seen) == 1
    assert elsewhere.seen == []  # where the credentials would have gone


@pytest.mark.parametrize(
    "answer",
    [
        said(b""),
        said(b"{}"),
        said(b'{"error": "no such user"}'),
        said(b"<html>"),
        said(b"\xff\xfe\x00"),
        said(b"["),
        said(b"[" * 100_000),
        said(b"[" * 100_000 + b"]" * 100_000),
        said(b"9" * 5000),
        said(b"[]", length=100),
        said(b"[]", content_encoding="gzip"),
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n[]",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n[]",
    ],
    ids=lambda answer: repr(answer[-24:]),
)
def test_an_answer_that_is_none_is_a_failed_call(api: Web, answer: bytes) -> None:
    _fails(_answer(api, answer))


def test_an_answer_without_end_is_not_read_to_its_end(api: Web) -> None:
    def endless(_: Seen) -> Iterator[bytes]:
        yield said(length=None)
        while True:
            yield b"[" * 65_536

    assert "more than" in _fails(_answer(api, endless))
    assert api.sent < 16 * 1024 * 1024  # what the buffers of two sockets take


def test_a_compressed_answer_is_not_larger_than_a_plain_one(api: Web) -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")

    assert "more than" in _fails(_answer(api, said(bomb, content_encoding="gzip")))


def test_an_api_that_hangs_is_a_failed_call(api: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", Timeout(connect=0.2, read=0.2))

    def hang(_: Seen) -> Iterator[bytes]:
        api.over.wait(30)
        yield b""

    assert "ReadTimeoutError" in _fails(_answer(api, hang))


def test_an_api_that_hangs_in_the_middle_is_a_failed_call(api: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_TIMEOUT", Timeout(connect=0.2, read=0.2))

    def hang(_: Seen) -> Iterator[bytes]:
        yield said(b"[", length=2)
        api.over.wait(30)

    assert "ReadTimeoutError" in _fails(_answer(api, hang))


def test_an_api_that_is_not_there_is_a_failed_call() -> None:
    assert "NewConnectionError" in _fails(Client(BODY, "http://127.0.0.1:9"))


def test_an_api_whose_certificate_nobody_vouches_for_is_told_nothing() -> None:
    with web(trustme.CA().issue_cert("127.0.0.1")) as impostor:
        assert "SSLError" in _fails(Client(BODY, impostor.url))

    assert impostor.seen == []


@pytest.mark.parametrize("login", [BODY, HEADERS])
@pytest.mark.parametrize(
    "answer",
    [
        said(json.dumps({"echo": "the-key-of-4711 the-key-of-4712", "link": SIGNED}).encode()),
        said(b'["the-key-of-4711 the-key-of-4712 signed"', status=200),
        said(b"the-key-of-4711 the-key-of-4712 signed", status=500),
        b"the-key-of-4711 the-key-of-4712 signed\r\n\r\n",
    ],
    ids=["no list", "no json", "refused", "no http"],
)
def test_no_credential_and_no_link_is_in_what_an_exception_shows(
    api: Web, login: BodyLogin | HeaderLogin, answer: bytes
) -> None:
    api.answers["/push/fileid"] = answer

    shown = _fails(Client(login, api.url))

    for hidden in ("the-key", "4711", "AK-4712", "signed"):
        assert hidden not in shown


def test_a_client_does_not_print_its_credentials() -> None:
    shown: list[Any] = [repr(Client(BODY)), repr(BODY), repr(HEADERS), str(BODY)]

    assert "the-key" not in "".join(shown)
