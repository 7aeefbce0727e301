"""Files from addresses that a third party named: never from inside our own network, never beyond the limits of size and
time, never incomplete. The sockets are real; tests about an address note every attempted connection.
"""

import gzip
import hashlib
import logging
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3

from functions.eye4 import download
from functions.eye4.download import Body, Downloads, Interrupted, Limits, Refused, addresses
from gatehouse.errors import GatehouseError
from gatehouse.vocabulary import MediaFault
from tests.unit.eye4.cloud import Seen, Web, said, web
from tests.web import Certificate

MB = 1_000_000
LIMITS = Limits(size=20 * MB, seconds=30)
HOSTS = ["*.eye4.cn", "files.example.com"]
PUBLIC = "93.184.215.14"
METADATA = "169.254.169.254"
INTERNAL = [
    METADATA,
    "169.254.170.2",
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address that is refused
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::1",
    "fd00:ec2::254",
    "fe80::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
]


@pytest.fixture
def files() -> Iterator[Web]:
    with web() as there:
        yield there


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of attempted connections. Connections to public ones are only noted, and not made."""
    attempts: list[str] = []
    genuine = urllib3.util.connection.create_connection

    def connect(address: tuple[str, int], *more: Any, **others: Any) -> Any:
        attempts.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError
        return genuine(address, *more, **others)

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return attempts


def _nowhere(host: str, _port: int) -> list[str]:
    raise AssertionError(f"{host} was looked up")


def _to(address: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: [address]


def _own(files: Web, host: str = "127.0.0.1", limits: Limits = LIMITS, **more: Any) -> Downloads:
    """Downloads that may go to this server, as the operator's own API."""
    return Downloads(HOSTS, limits, own=f"http://{host}:{files.port}", **more)


def _fault(downloads: Downloads, url: str) -> tuple[type[GatehouseError], MediaFault]:
    """Reads a download that fails; returns its fault."""
    with pytest.raises((Refused, Interrupted)) as failure, downloads.open(url) as body:
        body.read()
    assert isinstance(failure.value, Refused | Interrupted)
    assert "//" not in str(failure.value)
    return Refused if isinstance(failure.value, Refused) else Interrupted, failure.value.fault


def _drain(body: Body, amount: int) -> None:
    """Reads so many bytes again and again, and keeps none."""
    while body.read(amount):
        pass


def _read(downloads: Downloads, url: str) -> bytes:
    with downloads.open(url) as body:
        content = body.read()
    assert (body.size, body.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    return content


# ─── Which hosts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        # inside of our own network
        f"http://{METADATA}/latest/meta-data/iam/security-credentials/",
        f"https://{METADATA}/",
        "http://127.0.0.1/",
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://localhost/",
        "http://localhost.localdomain/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://[::]/",
        "http://0/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://①②⑦.0.0.1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127。0。0。1/",
        # another host that looks like an allowed one
        "http://eye4.cn/",
        "http://evileye4.cn/",
        "http://eye4.cn.evil.com/",
        "http://a.eye4.cn.evil.com/",
        "http://a.eye4.cn.evil.com./",
        "http://a.eye4.cnx/",
        "http://a-eye4.cn/",
        "http://evilfiles.example.com/",
        "http://a.files.example.com/",
        "http://.eye4.cn.evil.com/",
        "http://evil.com/a.eye4.cn/",
        "http://evil.com?a.eye4.cn",
        "http://evil.com#a.eye4.cn",
        "http://evil.com;a.eye4.cn/",
        "http://evil.com:80#@a.eye4.cn/",
        # a user name, which only serves to disguise a host
        "http://a.eye4.cn@127.0.0.1/",
        "http://a.eye4.cn:80@127.0.0.1/",
        "http://127.0.0.1@a.eye4.cn/",
        "http://a.eye4.cn%40127.0.0.1/",
        # characters that are read one way here and another way there
        "http://a.eye4.cn\\@127.0.0.1/",
        "http://127.0.0.1\\@a.eye4.cn/",
        "http://127.0.0.1\\.eye4.cn/",
        "http:\\\\127.0.0.1\\.eye4.cn",
        "http://127.0.0.1\x00.eye4.cn/",
        "http://evil.com\x00.eye4.cn/",
        "http://127.0.0.1%00.eye4.cn/",
        "http://127.0.0.1 .eye4.cn/",
        "http://127.0.0.1%.eye4.cn/",
        "http://127.0.0.1:80:80.eye4.cn/",
        "http://[127.0.0.1].eye4.cn/",
        "http://[::1].eye4.cn/",
        "http://evil.com℀.eye4.cn/",
        "http://é.eye4.cn/",
        # no web address
        "file:///etc/passwd",
        "file://a.eye4.cn/etc/passwd",
        "gopher://a.eye4.cn:6379/_FLUSHALL",
        "ftp://a.eye4.cn/x",
        "dict://a.eye4.cn/x",
        "data:text/plain,x",
        "javascript:alert(1)",
        "jar:http://a.eye4.cn!/x",
        "//a.eye4.cn/x",
        "/etc/passwd",
        "a.eye4.cn/x",
        "http:a.eye4.cn/x",
        "http:///a.eye4.cn",
        "http://",
        "http://:80/",
        "http://./",
        "http://[::1",
        "http://a.eye4.cn:99999/",
        # ports on which other programs listen
        "http://a.eye4.cn:8080/x",
        "http://a.eye4.cn:22/x",
        "https://a.eye4.cn:6379/x",
        "http://a.eye4.cn:x/",
        "",
        " ",
    ],
)
def test_an_address_that_is_not_allowed_is_refused_and_neither_looked_up_nor_called(
    url: str, dialled: list[str]
) -> None:
    assert _fault(Downloads(HOSTS, LIMITS, resolve=_nowhere), url) == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert dialled == []


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.eye4.cn/x", "a.eye4.cn"),
        ("http://A.EYE4.CN/x", "a.eye4.cn"),
        ("HTTP://a.Eye4.cn./x", "a.eye4.cn"),
        ("http://b.a.eye4.cn/x", "b.a.eye4.cn"),
        ("https://alarm-vstc.eye4.cn/x", "alarm-vstc.eye4.cn"),
        ("http://files.example.com/x", "files.example.com"),
        ("http://a.eye4.cn:80/x", "a.eye4.cn"),
        ("https://a.eye4.cn:443/x", "a.eye4.cn"),
        ("http://a.eye4.\tcn/x", "a.eye4.cn"),  # as https://url.spec.whatwg.org/#url-parsing has it
    ],
)
def test_a_host_is_allowed_whatever_its_case_and_is_called_where_it_was_found(
    url: str, host: str, dialled: list[str]
) -> None:
    asked: list[str] = []

    def resolve(name: str, _port: int) -> list[str]:
        asked.append(name)
        return [PUBLIC]

    assert _fault(Downloads(HOSTS, LIMITS, resolve=resolve), url) == (Interrupted, MediaFault.UNREACHABLE)
    assert (asked, dialled) == ([host], [PUBLIC])


@pytest.mark.parametrize("hosts", [["*.EYE4.cn"], [" *.eye4.cn "], ["x.example.com", "*.eye4.cn."]])
def test_the_setting_may_be_written_in_any_case(hosts: list[str], dialled: list[str]) -> None:
    _fault(Downloads(hosts, LIMITS, resolve=_to(PUBLIC)), "http://a.eye4.cn/")

    assert dialled == [PUBLIC]


# ─── Which addresses ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", INTERNAL)
def test_an_allowed_name_of_an_internal_address_is_refused(address: str, dialled: list[str]) -> None:
    downloads = Downloads(HOSTS, LIMITS, resolve=_to(address))

    assert _fault(downloads, "http://a.eye4.cn/") == (Refused, MediaFault.PRIVATE_ADDRESS)
    assert dialled == []


@pytest.mark.parametrize("found", [[PUBLIC, METADATA], [METADATA, PUBLIC], [PUBLIC, "127.0.0.1", PUBLIC]])
def test_one_internal_address_among_others_is_enough(found: list[str], dialled: list[str]) -> None:
    downloads = Downloads(HOSTS, LIMITS, resolve=lambda _host, _port: found)

    assert _fault(downloads, "http://a.eye4.cn/") == (Refused, MediaFault.PRIVATE_ADDRESS)
    assert dialled == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", METADATA]
)
def test_a_name_that_really_is_of_an_internal_address_is_refused_although_it_is_on_the_list(
    host: str, files: Web, dialled: list[str]
) -> None:
    """Uses the system's own resolver."""
    files.answers["/x"] = said(b"credentials")

    downloads = Downloads([host], LIMITS)

    assert _fault(downloads, f"http://{host}/x") == (Refused, MediaFault.PRIVATE_ADDRESS)
    assert _fault(downloads, f"http://{host}:{files.port}/x") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert (dialled, files.seen) == ([], [])


def test_a_host_that_does_not_exist_is_not_there_this_time(dialled: list[str]) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return addresses(f"{host}.invalid", port)

    assert _fault(Downloads(HOSTS, LIMITS, resolve=resolve), "http://a.eye4.cn/") == (
        Interrupted,
        MediaFault.UNREACHABLE,
    )
    long = "a" * 70
    assert _fault(Downloads(HOSTS, LIMITS), f"http://{long}.eye4.cn/") == (Interrupted, MediaFault.UNREACHABLE)
    assert dialled == []


def test_the_connection_goes_to_the_address_that_was_looked_at(dialled: list[str]) -> None:
    """A name may resolve to another address at the next look-up."""
    answers = iter([[PUBLIC], ["127.0.0.1"], [METADATA]])

    _fault(Downloads(HOSTS, LIMITS, resolve=lambda _host, _port: next(answers)), "http://a.eye4.cn/")

    assert dialled == [PUBLIC]
    assert next(answers) == ["127.0.0.1"]


def test_the_host_that_was_named_is_told_to_whom_is_called(files: Web) -> None:
    files.answers["/a"] = said(b"file")
    downloads = _own(files, "files.eye4.cn", resolve=_to("127.0.0.1"))

    assert _read(downloads, f"http://files.eye4.cn:{files.port}/a?e=1&token=a%2Fb") == b"file"

    (asked,) = files.seen
    assert (asked.method, asked.target) == ("GET", "/a?e=1&token=a%2Fb")
    assert asked.headers["host"] == f"files.eye4.cn:{files.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert {"authorization", "cookie", "accesskey"}.isdisjoint(asked.headers)


def test_an_addresss_path_cannot_become_another_request(files: Web) -> None:
    files.answers["/a%0D%0Ahost:%20x"] = files.answers["/a%20b"] = said(b"file")
    for path in ("/a%0D%0Ahost:%20x", "/a b"):
        assert _read(_own(files), f"{files.url}{path}") == b"file"

    assert all(asked.headers["host"] == f"127.0.0.1:{files.port}" for asked in files.seen)


# ─── The operator's own ───────────────────────────────────────────────────────────────────────────────────────────────


def test_files_may_lie_on_the_very_host_and_port_of_an_api_that_the_operator_set(files: Web) -> None:
    files.answers["/a"] = said(b"file")

    assert _read(_own(files), f"{files.url}/a") == b"file"
    assert _read(_own(files, "localhost"), f"http://LOCALHOST:{files.port}/a") == b"file"


def test_the_same_host_on_another_port_or_by_another_scheme_is_not_the_operators_own(
    files: Web, dialled: list[str]
) -> None:
    with web() as beside:
        for url in (
            beside.url,
            f"https://127.0.0.1:{files.port}",
            "http://127.0.0.1",
            f"http://localhost:{files.port}",
        ):
            assert _fault(_own(files), f"{url}/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)

    assert (dialled, files.seen, beside.seen) == ([], [], [])


def test_nothing_is_the_operators_own_where_no_api_is_set(files: Web) -> None:
    assert _fault(Downloads(HOSTS, LIMITS), f"{files.url}/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert files.seen == []


# ─── Redirects ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _redirect(target: str, status: int = 302) -> bytes:
    return said(status=status, location=target)


@pytest.fixture
def public(files: Web, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """Downloads that find the server on the web, at port 80 of every allowed name."""
    genuine = urllib3.util.connection.create_connection

    def connect(address: tuple[str, int], *more: Any, **others: Any) -> Any:
        assert address == (PUBLIC, 80)
        return genuine(("127.0.0.1", files.port), *more, **others)

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return Downloads(HOSTS, LIMITS, own=f"http://127.0.0.1:{files.port}", resolve=_to(PUBLIC))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/b?e=2", "http://b.eye4.cn/b?e=2", "//b.eye4.cn:80/b?e=2"])
def test_a_redirect_is_followed(files: Web, public: Downloads, status: int, target: str) -> None:
    files.answers |= {"/a": _redirect(target, status), "/b": said(b"file")}

    assert _read(public, "http://a.eye4.cn/a?e=1") == b"file"
    assert [asked.target for asked in files.seen] == ["/a?e=1", "/b?e=2"]


def test_a_redirect_never_reaches_an_api_of_our_own(files: Web, public: Downloads) -> None:
    # S19: GET /admin?delete=1 was called on the operator's API, from inside its network.
    files.answers |= {"/a": _redirect(f"{files.url}/admin?delete=1"), "/admin": said(b"deleted")}

    assert _fault(public, "http://a.eye4.cn/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert [asked.target for asked in files.seen] == ["/a"]


def test_a_redirect_does_not_lead_from_an_api_of_our_own_to_another_path_of_it(files: Web) -> None:
    files.answers |= {"/a": _redirect("/admin?delete=1"), "/admin": said(b"deleted")}

    assert _fault(_own(files), f"{files.url}/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert [asked.target for asked in files.seen] == ["/a"]


def test_a_redirect_never_reaches_an_api_of_our_own_that_is_on_the_list_too(files: Web) -> None:
    files.answers |= {"/a": _redirect(f"http://files.eye4.cn:{files.port}/admin"), "/admin": said(b"deleted")}
    downloads = _own(files, "files.eye4.cn", resolve=_to("127.0.0.1"))

    assert _fault(downloads, f"http://files.eye4.cn:{files.port}/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert [asked.target for asked in files.seen] == ["/a"]


@pytest.mark.parametrize("port", [22, 8080, 8443, 9001])
def test_a_redirect_goes_to_no_other_port_of_an_allowed_host(files: Web, public: Downloads, port: int) -> None:
    files.answers["/a"] = _redirect(f"http://a.eye4.cn:{port}/b")

    assert _fault(public, "http://a.eye4.cn/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert len(files.seen) == 1


@pytest.mark.parametrize(
    "target",
    [
        f"http://{METADATA}/latest/meta-data/",
        f"//{METADATA}/latest/meta-data/",
        "http://127.0.0.1:9001/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://evil.com/",
        "http://a.eye4.cn@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://a.eye4.cn/",
        "http://[",
        "http://[::1",
    ],
)
def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(files: Web, dialled: list[str], target: str) -> None:
    files.answers["/a"] = _redirect(target)

    assert _fault(_own(files), f"{files.url}/a") == (Refused, MediaFault.HOST_NOT_ALLOWED)
    assert dialled == ["127.0.0.1"]


@pytest.mark.parametrize("address", ["127.0.0.1", METADATA, "10.0.0.1"])
def test_a_redirect_to_an_allowed_name_of_an_internal_address_is_refused(
    files: Web, dialled: list[str], address: str
) -> None:
    files.answers["/a"] = _redirect("http://a.eye4.cn/b")
    known = {"127.0.0.1": "127.0.0.1", "a.eye4.cn": address}

    downloads = _own(files, resolve=lambda host, _port: [known[host]])

    assert _fault(downloads, f"{files.url}/a") == (Refused, MediaFault.PRIVATE_ADDRESS)
    assert dialled == ["127.0.0.1"]
    assert len(files.seen) == 1


def test_redirects_in_a_circle_have_an_end(files: Web, public: Downloads) -> None:
    files.answers["/a"] = _redirect("/a")

    assert _fault(public, "http://a.eye4.cn/a") == (Interrupted, MediaFault.UNREACHABLE)
    assert len(files.seen) == 4


# ─── What comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        *((status, MediaFault.NOT_FOUND) for status in (401, 403, 404, 410)),
        *((status, MediaFault.UNREACHABLE) for status in (201, 204, 206, 304, 400, 429, 500, 503)),
    ],
)
def test_any_other_status_is_no_file_this_time(files: Web, status: int, fault: MediaFault) -> None:
    files.answers["/a"] = said(b"not the file", status=status)

    assert _fault(_own(files), f"{files.url}/a") == (Interrupted, fault)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MB])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_comes_to_the_byte(files: Web, size: int, *, chunked: bool) -> None:
    content = bytes(number * 7 % 251 for number in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    files.answers["/a"] = [_chunked_head(), *_chunks(content), b"0\r\n\r\n"] if chunked else said(content)

    assert _read(_own(files), f"{files.url}/a") == content


def _chunked_head() -> bytes:
    return said(length=None, transfer_encoding="chunked")


def _chunks(content: bytes, size: int = 50_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


def test_as_many_bytes_come_as_are_asked_for_and_fewer_only_at_the_end(files: Web) -> None:
    """S3 accepts parts of under 5 MiB only as the last one."""
    files.answers["/a"] = [said(length=10), b"0123", b"45", b"6789"]

    with _own(files).open(f"{files.url}/a") as body:
        assert [body.read(7), body.read(0), body.read(7), body.read(7)] == [b"0123456", b"", b"789", b""]


@pytest.mark.parametrize(
    "answer",
    [
        said(b"half", length=8),
        said(b"", length=8),
        _chunked_head() + b"8\r\nhalf",
        _chunked_head() + b"4\r\nhalf\r\n",
        _chunked_head() + b"4\r\nhalf",
        _chunked_head() + b"4\r\nhalf\r\nzz\r\n",
        _chunked_head(),
    ],
    ids=["short", "nothing", "short chunk", "no last chunk", "no end of a chunk", "no chunk", "no chunks"],
)
def test_half_a_file_is_never_taken_for_a_whole_one(files: Web, answer: bytes) -> None:
    files.answers["/a"] = answer

    with _own(files).open(f"{files.url}/a") as body, pytest.raises(Interrupted) as failure:
        _drain(body, 3)
    assert failure.value.fault is MediaFault.UNREACHABLE


@pytest.mark.parametrize(
    "answer", [b"", b"x\r\n\r\n", b"HTTP/1.1 200 OK\r\nx" * 9000, b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n"]
)
def test_what_is_no_answer_is_no_file_this_time(files: Web, answer: bytes) -> None:
    files.answers["/a"] = answer

    assert _fault(_own(files), f"{files.url}/a") == (Interrupted, MediaFault.UNREACHABLE)


def test_a_host_that_is_not_there_is_not_there_this_time() -> None:
    assert _fault(Downloads(HOSTS, LIMITS, own="http://127.0.0.1:9"), "http://127.0.0.1:9/a") == (
        Interrupted,
        MediaFault.UNREACHABLE,
    )


def test_a_malformed_header_puts_no_key_into_the_log(files: Web, caplog: pytest.LogCaptureFixture) -> None:
    """S9: urllib3 logs a warning with the whole address, and Lambda's handler on the root logger prints it."""
    head = b"HTTP/1.1 200 x\r\nno header at all\r\nlocation: http://a.eye4.cn/?sig=KEY\r\nconnection: close\r\n\r\nfile"
    files.answers["/f.mp4"] = head
    with caplog.at_level(logging.DEBUG):
        assert _read(_own(files), f"{files.url}/f.mp4?e=1&token=KEY") == b"file"

    assert len(files.seen) == 1
    assert caplog.text == ""


# ─── How much ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("announced", [str(3_000_000_000), str(20 * MB + 1), "9" * 100, "9" * 5000])
def test_a_file_that_says_it_is_too_large_is_refused_unread(files: Web, announced: str) -> None:
    def answer(_: Seen) -> Iterator[bytes]:
        yield said(length=announced)
        files.over.wait(30)

    files.answers["/a"] = answer
    read: list[bytes] = []

    with pytest.raises(Refused) as failure, _own(files).open(f"{files.url}/a") as body:
        read.append(body.read(1))  # which would wait

    assert failure.value.fault is MediaFault.TOO_LARGE
    assert read == []


def _three_gigabytes(_: Seen) -> Iterator[bytes]:
    yield _chunked_head()
    piece = b"%x\r\n%s\r\n" % (MB, bytes(MB))
    for _number in range(3000):
        yield piece


def test_a_file_without_end_is_refused_at_the_limit_and_is_never_in_memory(files: Web) -> None:
    files.answers["/a"] = _three_gigabytes
    tracemalloc.start()
    with _own(files).open(f"{files.url}/a") as body, pytest.raises(Refused) as failure:
        _drain(body, 100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert failure.value.fault is MediaFault.TOO_LARGE
    assert LIMITS.size < body.size <= LIMITS.size + 65_536
    assert files.sent <= LIMITS.size + 20 * MB  # what the buffers of two sockets take
    assert peak < 8 * MB


def test_a_file_of_just_the_limit_is_taken(files: Web) -> None:
    files.answers["/a"] = said(b"12345")
    assert _read(_own(files, limits=Limits(5, 30)), f"{files.url}/a") == b"12345"

    files.answers["/a"] = [_chunked_head(), *_chunks(b"123456"), b"0\r\n\r\n"]
    assert _fault(_own(files, limits=Limits(5, 30)), f"{files.url}/a") == (Refused, MediaFault.TOO_LARGE)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x"])
def test_what_is_compressed_is_not_unpacked(files: Web, encoding: str) -> None:
    bomb = gzip.compress(bytes(50 * MB))
    files.answers["/a"] = said(bomb, content_encoding=encoding)

    assert _read(_own(files), f"{files.url}/a") == bomb


# ─── How long ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_trickle_ends_when_its_time_is_up(files: Web) -> None:
    def trickle(_: Seen) -> Iterator[bytes]:
        yield said(length=MB)
        while True:
            yield b"x"

    files.answers["/a"] = trickle
    clock = iter(float(second) for second in range(1000))
    response = urllib3.PoolManager(retries=False).request("GET", f"{files.url}/a", preload_content=False)
    body = Body(response, Limits(size=MB, seconds=100), monotonic=lambda: next(clock))
    with pytest.raises(Interrupted) as failure:
        body.read()
    response.close()

    assert failure.value.fault is MediaFault.TOO_SLOW
    assert next(clock) == 102.0


@pytest.mark.parametrize("head", [b"", said(b"half", length=8)], ids=["at once", "in the middle"])
def test_a_host_that_says_nothing_is_too_slow(files: Web, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(download, "_TIMEOUT", urllib3.Timeout(connect=0.2, read=0.2))

    def hang(_: Seen) -> Iterator[bytes]:
        yield head
        files.over.wait(30)

    files.answers["/a"] = hang

    assert _fault(_own(files), f"{files.url}/a") == (Interrupted, MediaFault.TOO_SLOW)


def test_a_trickle_is_measured_by_the_real_clock(files: Web) -> None:
    def trickle(_: Seen) -> Iterator[bytes]:
        yield said(length=MB)
        while not files.over.wait(0.02):
            yield b"x"

    files.answers["/a"] = trickle
    before = time.monotonic()

    assert _fault(_own(files, limits=Limits(MB, 0.2)), f"{files.url}/a") == (Interrupted, MediaFault.TOO_SLOW)
    assert time.monotonic() - before < 10


# ─── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.LeafCert:
    """A trusted certificate of files.eye4.cn."""
    authority, file = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return authority.issue_cert("files.eye4.cn")


def _secure(files: Web, host: str) -> tuple[Downloads, str]:
    own = f"https://{host}:{files.port}"
    return Downloads(HOSTS, LIMITS, own=own, resolve=_to("127.0.0.1")), f"{own}/a"


def test_a_certificate_is_of_the_name_although_the_address_is_called(trusted: Certificate, dialled: list[str]) -> None:
    with web(trusted) as files:
        files.answers["/a"] = said(b"file")
        assert _read(*_secure(files, "files.eye4.cn")) == b"file"

    assert dialled == ["127.0.0.1"]


def test_a_redirect_never_leads_from_https_to_http(trusted: Certificate, dialled: list[str]) -> None:
    with web(trusted) as files:
        files.answers["/a"] = _redirect("http://a.eye4.cn/b")
        assert _fault(*_secure(files, "files.eye4.cn")) == (Refused, MediaFault.HOST_NOT_ALLOWED)

    assert dialled == ["127.0.0.1"]


def test_a_redirect_from_https_to_https_is_followed(trusted: Certificate, dialled: list[str]) -> None:
    known = {"files.eye4.cn": "127.0.0.1", "a.eye4.cn": PUBLIC}
    with web(trusted) as files:
        files.answers["/a"] = _redirect("https://a.eye4.cn/b")
        own = f"https://files.eye4.cn:{files.port}"
        downloads = Downloads(HOSTS, LIMITS, own=own, resolve=lambda host, _port: [known[host]])
        assert _fault(downloads, f"{own}/a") == (Interrupted, MediaFault.UNREACHABLE)

    assert dialled == ["127.0.0.1", PUBLIC]


@pytest.mark.parametrize("host", ["other.eye4.cn", "files.eye4.cn.evil.com", "127.0.0.1"])
def test_a_certificate_of_another_host_is_refused_before_anything_is_said(trusted: Certificate, host: str) -> None:
    with web(trusted) as files:
        files.answers["/a"] = said(b"file")
        assert _fault(*_secure(files, host)) == (Interrupted, MediaFault.UNREACHABLE)

    assert files.seen == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("own", [trustme.CA(), trustme.CA().issue_cert("files.eye4.cn")], ids=["itself", "another"])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(own: Certificate) -> None:
    with web(own) as files:
        files.answers["/a"] = said(b"file")
        assert _fault(*_secure(files, "files.eye4.cn")) == (Interrupted, MediaFault.UNREACHABLE)

    assert files.seen == []
