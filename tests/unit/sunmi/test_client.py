"""The calls to SUNMI, against a server that checks them as SUNMI does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from functions.sunmi.client import Client
from gatehouse.errors import CallFailed
from ops.simulators import sunmi

_KEY = "0123456789abcdef0123"


@dataclass
class Platform:
    """The requests that SUNMI's side received, and the answer that it is to give."""

    url: str
    status: int = 200
    answer: bytes = b'{"code":0,"msg":"succeed","data":{}}'
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A server in SUNMI's place."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            there.calls.append((self.path, dict(parse_qsl(body.decode(), keep_blank_values=True))))
            self.send_response(there.status)
            self.end_headers()
            self.wfile.write(there.answer)

        def log_message(self, *_: object) -> None:
            """Stays silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Platform(f"http://127.0.0.1:{server.server_port}/openapi")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


def _client(platform: Platform) -> Client:
    return Client("APP1", _KEY, platform.url, now=lambda: 1_604_567_375.9, random=lambda: "NDL8GXR")


def test_a_hook_is_added_with_a_signature_that_the_platform_computes_too(platform: Platform) -> None:
    _client(platform).add_hook("10096", "https://push.example.com/v1/sunmi", [2001, 1010])

    ((path, fields),) = platform.calls
    assert path == "/openapi/hook/add"
    assert fields["sign"] == sunmi.sign(fields, _KEY)
    assert {name: fields[name] for name in ("app_id", "random", "timestamp", "shop_id", "http_callback")} == {
        "app_id": "APP1",
        "random": "NDL8GXR",
        "timestamp": "1604567375",
        "shop_id": "10096",
        "http_callback": "https://push.example.com/v1/sunmi",
    }
    assert json.loads(fields["event_list"]) == [1010, 2001]


def test_a_hook_is_deleted(platform: Platform) -> None:
    _client(platform).delete_hook("10096", [4100])

    ((path, fields),) = platform.calls
    assert path == "/openapi/hook/delete"
    assert fields["event_list"] == "[4100]"
    assert "http_callback" not in fields


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (200, b'{"code":5090,"msg":"sign"}', "check the app's key"),
        (200, b'{"code":5013,"msg":""}', "no such shop"),
        (200, b'{"code":5032,"msg":""}', "not a valid shop"),
        (200, b'{"code":5042,"msg":""}', "bound already"),
        (200, b'{"code":5043,"msg":""}', "the shop's key is wrong"),
        (200, b'{"code":5047,"msg":""}', "code 5047: not in SUNMI's table"),
        (200, b'{"code":12,"msg":""}', "code 12"),
        (401, b'{"code":5090,"msg":"sign"}', "status 401"),
        (200, b"<html>", "no usable answer"),
        (200, b"[]", "no usable answer"),
        (502, b"", "no usable answer"),
    ],
)
def test_a_refusal_is_told_by_its_code_whatever_the_status(
    platform: Platform, status: int, answer: bytes, says: str
) -> None:
    platform.status, platform.answer = status, answer

    with pytest.raises(CallFailed, match=says) as failure:
        _client(platform).add_hook("10096", "https://push.example.com/v1/sunmi", [2001])

    assert _KEY not in str(failure.value)


def test_a_platform_that_is_not_there_is_a_failed_call() -> None:
    with pytest.raises(CallFailed, match="no usable answer"):
        Client("APP1", _KEY, "http://127.0.0.1:9").delete_hook("10096", [2001])
