"""The simulated SenseLink server speaks as the document says, and is in trouble when it is told to be."""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3
import websocket

from ops.simulators.senselink import PICTURE, Server, Shape

_APP = {"app_key": "0f3a9c71", "app_secret": "the-secret-of-0f3a9c71"}
_ZONE = timezone(timedelta(hours=9))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(_APP, heartbeat=0.2).serving() as serving:
        yield serving


def _signed(secret: str = _APP["app_secret"]) -> tuple[str, str]:
    timestamp = str(int(time.time() * 1000))
    return timestamp, hashlib.md5(f"{timestamp}#{secret}".encode(), usedforsecurity=False).hexdigest()


def _connect(server: Server, *, key: str = _APP["app_key"], secret: str = _APP["app_secret"]) -> websocket.WebSocket:
    timestamp, sign = _signed(secret)
    return websocket.create_connection(f"{server.url}/websocket/record/{key}/{timestamp}/{sign}", timeout=5)


def _next(connection: websocket.WebSocket) -> dict[str, Any]:
    """The next message that is no heartbeat."""
    while True:
        message: dict[str, Any] = json.loads(connection.recv())
        if message["code"] != 10000:
            return message


def _listed(server: Server, **more: str) -> dict[str, Any]:
    now = datetime.now(_ZONE)
    query = {
        "date_time_from": f"{now - timedelta(minutes=1):%Y-%m-%d %H:%M:%S}",
        "date_time_to": f"{now + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}",
        "order": "1",
        "page": "1",
        "size": "100",
        **more,
    }
    return _asked(server, "/api/v3/record/list", **query)


def _asked(server: Server, path: str, **query: str) -> dict[str, Any]:
    timestamp, sign = _signed()
    signed = {"app_key": _APP["app_key"], "timestamp": timestamp, "sign": sign, **query}
    answer: dict[str, Any] = urllib3.request("GET", f"{server.api_url}{path}?{urlencode(signed)}").json()
    return answer


def test_who_signs_is_greeted_and_told_what_happens_and_has_heartbeats(server: Server) -> None:
    with closing(_connect(server)) as connection:
        assert _next(connection)["code"] == 20000
        passed, raised = server.happen(), server.alarm(7, 2)
        assert [_next(connection)["data"] for _ in range(2)] == [passed, raised]
        assert json.loads(connection.recv())["code"] == 10000


@pytest.mark.parametrize(
    ("wrong", "why"), [({"key": "unknown"}, "app key not exist"), ({"secret": "wrong"}, "sign error")]
)
def test_who_signs_wrongly_is_denied_and_disconnected(server: Server, wrong: dict[str, str], why: str) -> None:
    with closing(_connect(server, **wrong)) as connection:
        message = json.loads(connection.recv())
        assert (message["code"], message["desc"]) == (20002, why)
        assert connection.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE
        connection.shutdown()  # type: ignore[no-untyped-call] # `close` leaves the socket to the other side
    assert server.connections == 0


def test_a_message_in_pieces_is_whole_again_and_a_ping_is_answered(server: Server) -> None:
    server.in_pieces = True
    with closing(_connect(server)) as connection:
        assert _next(connection)["code"] == 20000
        assert _next_after(connection, server)["remark"] == "あ" * 40_000
        connection.ping("hello")
        while (frame := connection.recv_data(control_frame=True))[0] != websocket.ABNF.OPCODE_PONG:
            pass
        assert frame[1] == b"hello"


def _next_after(connection: websocket.WebSocket, server: Server) -> dict[str, Any]:
    server.happen(remark="あ" * 40_000)
    data: dict[str, Any] = _next(connection)["data"]
    return data


def _heard(connection: websocket.WebSocket, seconds: float) -> set[int]:
    """The kinds of frames that come within some seconds."""
    connection.settimeout(0.1)
    ends_at, opcodes = time.monotonic() + seconds, set()
    while time.monotonic() < ends_at:
        with suppress(websocket.WebSocketTimeoutException):
            opcodes.add(int(connection.recv_data(control_frame=True)[0]))
    return opcodes


@pytest.mark.parametrize(
    ("fault", "heard"), [(Server.half_open, set()), (Server.silence, {websocket.ABNF.OPCODE_PING})]
)
def test_a_deaf_connection_stays_open_and_has_no_message(
    server: Server, fault: Callable[[Server], None], heard: set[int]
) -> None:
    with closing(_connect(server)) as connection:
        _next(connection)
        fault(server)
        _heard(connection, 0.1)  # what was on its way
        missed = server.happen()
        assert _heard(connection, 1) == heard
    assert server.records == [missed]


def test_while_it_restarts_nobody_comes_in_and_what_happens_is_in_the_list(server: Server) -> None:
    with closing(_connect(server)) as connection:
        _next(connection)
        with server.restarting():
            missed = server.happen()
            with pytest.raises(websocket.WebSocketConnectionClosedException):
                _next(connection)
            for url in (server.url, server.api_url):
                address = urlsplit(url)
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address.hostname, address.port), timeout=5)
    with closing(_connect(server)) as connection:
        assert _next(connection)["code"] == 20000
    assert [listed["id"] for listed in _listed(server)["data"]["list"]] == [missed["id"]]


@pytest.mark.parametrize("shape", ["list", "record_list", "data.record_list"])
def test_the_list_has_three_shapes_and_pages(server: Server, shape: Shape) -> None:
    server.shape = shape
    happened = server.flood(5)

    def ids(**more: str) -> list[int]:
        found = _listed(server, **more)["data"]
        for name in shape.split("."):
            found = found[name]
        return [record["id"] for record in found or ()]

    expected = [record["id"] for record in happened]
    assert ids() == expected
    assert ids(order="0") == expected[::-1]
    assert [ids(page=str(page), size="2") for page in (1, 2, 3, 4)] == [expected[:2], expected[2:4], expected[4:], []]
    server.repeats_last_page = True
    assert ids(page="4", size="2") == expected[4:]


def test_the_list_has_the_names_of_the_vendors_page_and_null_where_it_is_empty(server: Server) -> None:
    """vendors-code.md 2.4: its manual 2.8, and clients that read it."""
    assert _listed(server)["data"] == {"total": 0, "page_num": 1, "page_size": 100, "total_page": 0, "list": None}
    passed = server.happen(at=time.time() - 5)
    (listed,) = _listed(server)["data"]["list"]
    assert {"user_name", "user_type", "device_ldid", "capture_picture", "capture_bg_picture", "group_id"} < set(listed)
    assert (listed["user_name"], listed["device_ldid"]) == (passed["name"], passed["sn"])
    server.camel = True
    (listed,) = _listed(server)["data"]["list"]
    assert (listed["userName"], listed["deviceLdid"]) == (passed["name"], passed["sn"])


def test_the_list_is_in_the_order_of_ids_or_of_arrival_and_not_of_times(server: Server) -> None:
    late = [server.happen(at=time.time() - age)["id"] for age in (1, 9, 5)]
    assert [listed["id"] for listed in _listed(server)["data"]["list"]] == sorted(late)
    assert [listed["id"] for listed in _listed(server, order="0")["data"]["list"]] == late[::-1]


def test_the_alarm_list_has_the_alarms_of_a_day_each_in_its_last_state(server: Server) -> None:
    raised = server.alarm(7)
    server.alarm(8, at=time.time() - 3 * 86_400)
    server.alarm(7, 3, alarmTime=raised["alarmTime"])
    today = f"{datetime.now(_ZONE):%Y-%m-%d}"

    answer = _asked(server, "/api/v2/device/alarm/list", dateFrom=today, dateTo=today, page="1", size="1000")

    (listed,) = answer["data"]
    assert (listed["id"], listed["status"], listed["device_sn"]) == (7, 3, raised["deviceSn"])
    assert (answer["code"], answer["total"], answer["page_size"]) == (200, 1, 1000)
    assert _asked(server, "/api/v2/device/alarm/list", dateFrom=today, dateTo=today, page="2")["data"] is None


def test_an_old_server_has_no_list(server: Server) -> None:
    server.has_alarm_list = False
    assert _listed(server)["code"] == 200
    assert _asked(server, "/api/v2/device/alarm/list")["status"] == 404
    server.has_list = False
    assert _listed(server)["status"] == 404


def test_a_picture_is_for_who_signs(server: Server) -> None:
    timestamp, sign = _signed()
    address = f"{server.api_url}/v1/image/2/5d901af6?app_key={_APP['app_key']}&timestamp={timestamp}&sign="
    assert urllib3.request("GET", address + sign).data == PICTURE
    assert urllib3.request("GET", address + "0" * 32).status == 403


def test_what_it_babbles_is_no_json(server: Server) -> None:
    for _ in range(20):
        with pytest.raises(ValueError, match=r"\S"):
            json.loads(server.babble())
