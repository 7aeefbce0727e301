"""The guard before the emulator: a program on this machine passes, a page in its browser does not."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from ops.guard import Guard, Message, Receive, Send, host_name

_PORT = 4566
_OWN = f"127.0.0.1:{_PORT}"
_TUNNEL = "door.example"
_API = "/_aws/execute-api/9a7e4005"
_HERE = ("127.0.0.1", 50000)

type Headers = Iterable[tuple[str, str]]


class Behind:
    """An application that notes what reaches it, and answers 200."""

    def __init__(self) -> None:
        self.seen: list[Message] = []

    async def __call__(self, scope: Message, _: Receive, send: Send) -> None:
        self.seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _sent(
    headers: Headers, path: str = "/", kind: str = "http", client: Any = _HERE, admitted: Iterable[str] = ()
) -> tuple[list[Message], Behind]:
    """The guard's answer, and the application behind."""
    answered: list[Message] = []
    behind = Behind()

    async def send(message: Message) -> None:
        answered.append(message)

    async def receive() -> Message:
        raise AssertionError("what is refused is not read")

    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope: Message = {"type": kind, "path": path, "headers": encoded, "client": client}
    asyncio.run(Guard(behind, _PORT, _API, admitted)(scope, receive, send))
    return answered, behind


def _passes(headers: Headers, path: str = "/", **more: Any) -> bool:
    answered, behind = _sent(headers, path, **more)
    if behind.seen:
        assert answered[0]["status"] == 200
        return True
    start, body = answered
    assert start["status"] == 403
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    return False


@pytest.mark.parametrize("host", [_OWN, f"localhost:{_PORT}", f"LocalHost:{_PORT}", f"[::1]:{_PORT}"])
@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions", f"{_API}/v1/sunmi/push"])
def test_a_program_on_this_machine_passes(host: str, path: str) -> None:
    assert _passes([("host", host), ("user-agent", "curl/8")], path)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{_PORT}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:4567",
        f"127.0.0.1.evil.example:{_PORT}",
        f"bucket.127.0.0.1:{_PORT}",
        f"0.0.0.0:{_PORT}",
        f"user@127.0.0.1:{_PORT}",
        f"127.0.0.1:{_PORT}, evil.example",
        f"127.0.0.1:{_PORT}/",
        "",
        ":",
        f":{_PORT}",
        "\xff",
    ],
)
@pytest.mark.parametrize("admitted", [[], [_TUNNEL]])
def test_another_host_is_refused(host: str, admitted: list[str]) -> None:
    """A page of a name that leads here (DNS rebinding) has no foreign origin: its Host alone tells."""
    assert not _passes([("host", host)], f"{_API}/v1/sunmi/push", admitted=admitted)


@pytest.mark.parametrize("headers", [[], [("host", _OWN), ("Host", _OWN)], [("host", _OWN), ("host", "evil.example")]])
def test_a_request_has_one_host(headers: Headers) -> None:
    assert not _passes(headers)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        f"http://localhost:{_PORT}",  # another name than that of the request
        "http://127.0.0.1:8000",
        "http://127.0.0.1",
        _OWN,
        f"http://{_OWN}.evil.example",
        f"http://evil.example://{_OWN}",
        "file://",
    ],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    """A form's text/plain is asked for by no preflight."""
    assert not _passes([("host", _OWN), ("origin", origin)], "/2015-03-31/functions")
    assert not _passes([("host", _OWN), ("Origin", f"http://{_OWN}"), ("origin", origin)])


@pytest.mark.parametrize("origin", [f"http://{_OWN}", f"HTTP://{_OWN}"])
def test_its_own_origin_passes(origin: str) -> None:
    assert _passes([("host", _OWN), ("origin", origin), ("sec-fetch-site", "same-origin")])


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "what else", "none, cross-site"])
def test_a_page_of_another_site_is_refused(site: str) -> None:
    """A picture or a link carries no Origin."""
    assert not _passes([("host", _OWN), ("sec-fetch-site", site)])
    assert not _passes([("host", _OWN), ("sec-fetch-site", "none"), ("Sec-Fetch-Site", site)])


@pytest.mark.parametrize("site", ["none", "same-origin", "None"])
def test_an_address_that_somebody_typed_passes(site: str) -> None:
    assert _passes([("host", _OWN), ("sec-fetch-site", site)])


@pytest.mark.parametrize("client", [("192.0.2.1", 1), ("::ffff:192.0.2.1", 1), ("10.127.0.1", 1), ("", 0), None])
def test_another_machine_is_refused(client: Any) -> None:
    assert not _passes([("host", _OWN)], client=client)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1"])
def test_each_address_of_the_loopback_is_this_machine(client: str) -> None:
    assert _passes([("host", _OWN)], client=(client, 1))


def test_the_answer_repeats_nothing_of_the_request() -> None:
    answered, _ = _sent([("host", "<script>.example")], "/<script>")
    assert b"script" not in answered[1]["body"]
    assert dict(answered[0]["headers"])[b"content-type"] == b"text/plain"


# ─── A tunnel ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", [_TUNNEL, f"{_TUNNEL}:443", "Door.Example", f"{_TUNNEL}:8443"])
def test_by_an_admitted_name_vendors_reach_the_api(host: str) -> None:
    assert _passes([("host", host)], f"{_API}/v1/sunmi/push", admitted=[_TUNNEL])
    assert not _passes([("host", host)], f"{_API}/v1/sunmi/push")


def test_a_name_with_a_port_is_admitted_with_that_port() -> None:
    path = f"{_API}/v1/sunmi/push"
    assert _passes([("host", f"{_TUNNEL}:8443")], path, admitted=[f"{_TUNNEL}:8443"])
    assert not _passes([("host", f"{_TUNNEL}:443")], path, admitted=[f"{_TUNNEL}:8443"])
    assert not _passes([("host", _TUNNEL)], path, admitted=[f"{_TUNNEL}:8443"])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/2015-03-31/functions",
        "/_ministack/config",
        "/_aws/execute-api",
        _API,
        f"{_API}9/v1/sunmi/push",
        f"{_API}/../../../2015-03-31/functions",
        f"{_API}/..",
        f"/x{_API}/v1/sunmi/push",
        f"http://{_OWN}{_API}/v1/sunmi/push",
    ],
)
def test_by_an_admitted_name_nothing_else_is_reached(path: str) -> None:
    """The whole world knows a tunnel's name, and the emulator runs what it is given."""
    assert not _passes([("host", _TUNNEL)], path, admitted=[_TUNNEL])


@pytest.mark.parametrize("header", [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")])
def test_by_an_admitted_name_a_foreign_page_is_refused_as_well(header: tuple[str, str]) -> None:
    path = f"{_API}/v1/sunmi/push"
    assert not _passes([("host", _TUNNEL), header], path, admitted=[_TUNNEL])
    assert _passes([("host", _TUNNEL), ("origin", f"https://{_TUNNEL}")], path, admitted=[_TUNNEL])


@pytest.mark.parametrize(
    ("text", "name"), [("Door.Example", "door.example"), (" a-b.example:8443 ", "a-b.example:8443"), ("door", "door")]
)
def test_the_name_of_a_host(text: str, name: str) -> None:
    assert host_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "*", "*.example", "https://door.example", "door.example/", ".example", "a b", "a:b", ":1", "a,b"]
)
def test_what_is_no_name_of_a_host(text: str) -> None:
    with pytest.raises(ValueError, match="not the name of a host"):
        host_name(text)


# ─── No requests ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_start_and_the_end_of_the_server_pass() -> None:
    guard_sees = {"type": "lifespan"}
    behind = Behind()

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    asyncio.run(Guard(behind, _PORT, _API)(guard_sees, receive, send))
    assert behind.seen == [guard_sees]


def test_a_websocket_passes_as_a_request_does() -> None:
    _, behind = _sent([("host", _OWN)], kind="websocket")
    assert len(behind.seen) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "evil.example")],
        [("host", _OWN), ("origin", "http://evil.example")],
        [("host", _OWN), ("sec-fetch-site", "cross-site")],
    ],
)
def test_a_websocket_of_a_foreign_page_is_closed_before_it_is_open(headers: Headers) -> None:
    """The server makes 403 of it: https://asgi.readthedocs.io/en/latest/specs/www.html#close-send-event"""
    answered, behind = _sent(headers, kind="websocket")
    assert behind.seen == []
    assert [message["type"] for message in answered] == ["websocket.close"]
