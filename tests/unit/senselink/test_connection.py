"""The WebSocket to a server: signed anew each time, lost when silent, and trusted only with a valid certificate."""

import hashlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
import trustme
from wsproto.events import CloseConnection

from functions.senselink.connection import LARGEST, Denied, Lost, TooLarge, connected
from functions.senselink.wire import Server
from gatehouse.errors import WrongSetting
from tests.unit.senselink.server import (
    BINARY,
    CLOSE,
    GREETING,
    HEARTBEAT,
    PING,
    TEXT,
    Peer,
    Place,
    frame,
    sockets,
)

SECRET = "the-secret-of-the-app"


def _server(there: Place, scheme: str = "ws", **more: Any) -> Server:
    url = f"{scheme}://127.0.0.1:{there.port}"
    return Server.model_validate(
        {"server": "north", "url": url, "app_key": "app", "app_secret": SECRET, "insecure": scheme == "ws", **more}
    )


def _heard(messages: Iterator[bytes | None], count: int) -> list[bytes]:
    """Reads so many messages, and skips the pauses between them."""
    return list(islice((message for message in messages if message is not None), count))


# ─── Who is let in ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_connection_is_signed_anew() -> None:
    times = iter([1_569_725_174.0, 1_569_725_175.5])
    with sockets(Peer.until_gone) as there:
        for _ in range(2):
            with connected(_server(there), 5, now=lambda: next(times)):
                pass

    stamps = ["1569725174000", "1569725175500"]
    signs = [hashlib.md5(f"{stamp}#{SECRET}".encode()).hexdigest() for stamp in stamps]  # noqa: S324
    assert there.paths == [f"/websocket/record/app/{at}/{sign}" for at, sign in zip(stamps, signs, strict=True)]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:{}", "ws://127.0.0.1:{}/"])
def test_the_address_may_end_in_a_slash(url: str) -> None:
    with (
        sockets(Peer.until_gone) as there,
        connected(_server(there, url=url.format(there.port)), 5),
    ):
        assert there.paths[0].startswith("/websocket/record/app/")


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_us_denies_permission(status: int) -> None:
    answer = f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\n\r\n".encode()
    with sockets(answer) as there, pytest.raises(Denied) as caught, connected(_server(there), 5):
        pass
    assert str(caught.value) == f"answered {status}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
        b"garbage\r\n\r\n",
        b"",
    ],
)
def test_a_server_that_answers_otherwise_is_no_connection_and_the_reason_has_no_signature(answer: bytes) -> None:
    with sockets(answer) as there, pytest.raises(Lost) as caught, connected(_server(there), 5):
        pass
    _, _, sign = there.paths[0].rpartition("/")
    assert sign not in _all_of(caught.value)
    assert "127.0.0.1" not in _all_of(caught.value)


def test_another_host_is_not_followed() -> None:
    with sockets(Peer.until_gone) as elsewhere:
        moved = f"HTTP/1.1 302 no\r\nLocation: ws://127.0.0.1:{elsewhere.port}/x\r\nContent-Length: 0\r\n\r\n"
        with sockets(moved.encode()) as there, pytest.raises(Lost), connected(_server(there), 5):
            pass
    assert elsewhere.paths == []


def test_where_nobody_listens_there_is_no_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Lost, match="ConnectionRefusedError"), connected(_server(Place(taken.getsockname()[1])), 5):
            pass


def test_a_port_that_is_none_is_no_connection() -> None:
    with pytest.raises(Lost, match="ValueError"), connected(_server(Place(), url="ws://127.0.0.1:99999"), 5):
        pass


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.senselink.connection._CONNECT", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(Lost, match="Timeout"),
        connected(_server(Place(mute.getsockname()[1])), 5),
    ):
        pass


@pytest.mark.parametrize("lacking", ["url", "app_key", "app_secret"])
def test_an_entry_that_lacks_what_it_takes_says_so(lacking: str) -> None:
    without: dict[str, Any] = {lacking: None}
    server = _server(Place(1), **without)
    with pytest.raises(WrongSetting, match="north needs url, app_key and app_secret"), connected(server, 5):
        pass


# ─── What is heard ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_messages_come_as_they_are_and_in_their_order() -> None:
    large = b'{"x": "' + b"y" * 100_000 + b'"}'

    def script(peer: Peer) -> None:
        peer.say(GREETING, HEARTBEAT, b'{"message""x"}', b"\xff\xfe", large)
        peer.raw(frame(b"binary", BINARY))
        peer.raw(frame(b"first ", TEXT, last=False) + frame(b"", PING) + frame(b"last", 0))
        peer.raw(frame(b"\xe5\x83", TEXT, last=False) + frame(b"\x8f", 0))  # a character cut in two
        peer.until_gone()

    with sockets(script) as there, connected(_server(there), 5) as connection:
        heard = _heard(connection.messages(), 8)

    assert heard[2:] == [b'{"message""x"}', b"\xff\xfe", large, b"binary", b"first last", "像".encode()]
    assert b"20000" in heard[0]


def test_who_waits_looks_up() -> None:
    with sockets(Peer.until_gone) as there, connected(_server(there), 5) as connection:
        assert list(islice(connection.messages(), 3)) == [None, None, None]


@pytest.mark.parametrize("cut", [1, 3, 5, 40])
def test_a_frame_of_which_half_arrived_survives_a_tick(cut: int) -> None:
    message = b"half of it comes later" * 10
    sent = frame(message)

    def script(peer: Peer) -> None:
        peer.raw(sent[:cut])
        time.sleep(0.15)
        peer.raw(sent[cut:])
        peer.until_gone()

    with sockets(script) as there, connected(_server(there), 5) as connection:
        ticks = 0
        for heard in connection.messages():
            if heard is not None:
                break
            ticks += 1
    assert heard == message
    assert ticks >= 3


def test_silence_is_death_although_the_connection_is_open() -> None:
    with sockets(Peer.until_gone) as there, connected(_server(there), 0.2) as connection:
        began = time.monotonic()
        with pytest.raises(Lost, match="silent"):
            list(connection.messages())
        assert 0.2 <= time.monotonic() - began < 5


def test_silence_is_death_although_pings_go_on() -> None:
    def script(peer: Peer) -> None:
        while not peer.over.is_set():
            peer.raw(frame(b"still here", PING))
            time.sleep(0.005)

    with sockets(script) as there, connected(_server(there), 0.3) as connection, pytest.raises(Lost, match="silent"):
        list(connection.messages())


def test_a_heartbeat_is_a_sign_of_life() -> None:
    def script(peer: Peer) -> None:
        for _ in range(10):
            peer.say(HEARTBEAT)
            time.sleep(0.05)
        peer.until_gone()

    with sockets(script) as there, connected(_server(there), 0.3) as connection:
        heard: list[bytes] = []
        with pytest.raises(Lost, match="silent"):
            heard.extend(message for message in connection.messages() if message)
    assert len(heard) == 10


def test_who_was_slow_to_take_a_message_was_not_deaf() -> None:
    def script(peer: Peer) -> None:
        peer.say(HEARTBEAT)
        peer.until_gone()

    with sockets(script) as there, connected(_server(there), 0.2) as connection:
        messages = connection.messages()
        assert _heard(messages, 1)
        time.sleep(0.4)
        assert next(messages) is None


def _closes(peer: Peer) -> None:
    peer.raw(frame(b"\x03\xe8", CLOSE))
    peer.until_gone()


def _goes(peer: Peer) -> None:
    peer.say(HEARTBEAT)


def _breaks_off(peer: Peer) -> None:
    peer.raw(frame(b"x" * 500)[:100])


def _garbage(peer: Peer) -> None:
    peer.raw(b"\xff\x01" * 4)
    peer.until_gone()


@pytest.mark.parametrize("script", [_closes, _goes, _breaks_off, _garbage])
def test_a_connection_that_ends_is_lost_at_once(script: Any) -> None:
    with sockets(script) as there, connected(_server(there), 60) as connection, pytest.raises(Lost) as caught:
        list(connection.messages())
    assert "silent" not in str(caught.value)


# ─── What is too much ─────────────────────────────────────────────────────────────────────────────────────────────────


def _endless(peer: Peer) -> None:
    peer.raw(frame(b"x", last=False))
    while True:
        peer.raw(frame(b"x" * 60_000, 0, last=False))


def _huge(peer: Peer) -> None:
    peer.raw(b"\x81\x7f" + (300 * 1024 * 1024).to_bytes(8))
    while True:
        peer.raw(b"x" * 60_000)


def _a_byte_too_many(peer: Peer) -> None:
    peer.raw(frame(b"x" * (LARGEST + 1)))
    peer.until_gone()


@pytest.mark.parametrize("script", [_huge, _endless, _a_byte_too_many])
def test_s7_a_message_that_is_too_large_ends_the_connection_and_is_not_held(script: Any) -> None:
    tracemalloc.start()
    try:
        with sockets(script) as there, connected(_server(there), 60) as connection:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            with pytest.raises(TooLarge):
                list(connection.messages())
            assert tracemalloc.get_traced_memory()[1] - before < 8 * LARGEST
    finally:
        tracemalloc.stop()


def test_s7_whoever_sends_too_much_is_told_so() -> None:
    told = threading.Event()

    def script(peer: Peer) -> None:
        peer.raw(b"\x81\x7f" + (300 * 1024 * 1024).to_bytes(8))
        if [event.code for event in peer.socket.heard() if isinstance(event, CloseConnection)] == [1009]:
            told.set()

    with sockets(script) as there, connected(_server(there), 5) as connection:
        with pytest.raises(TooLarge):
            list(connection.messages())
        assert told.wait(5)


def test_a_message_as_large_as_may_be_is_read_whole_and_in_many_fragments() -> None:
    def script(peer: Peer) -> None:
        peer.raw(frame(b"x" * LARGEST))
        peer.raw(frame(b"", last=False))
        for _ in range(LARGEST // 64):
            peer.raw(frame(b"y" * 64, 0, last=False))
        peer.raw(frame(b"", 0))
        peer.until_gone()

    with sockets(script) as there, connected(_server(there), 60) as connection:
        whole, pieces = _heard(connection.messages(), 2)
    assert (len(whole), len(pieces)) == (LARGEST, LARGEST)


def test_s7_fragments_without_end_and_content_are_silence() -> None:
    def script(peer: Peer) -> None:
        peer.raw(frame(b"", last=False))
        while True:
            peer.raw(frame(b"", 0, last=False))

    with sockets(script) as there, connected(_server(there), 0.3) as connection, pytest.raises(Lost, match="silent"):
        list(connection.messages())


@pytest.mark.parametrize(
    "frames", [frame(b"x", 0), frame(b"x", last=False) + frame(b"x"), frame(b"x") + frame(b"x", 0)]
)
def test_a_fragment_that_is_none_of_a_message_ends_the_connection(frames: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.raw(frames)
        peer.until_gone()

    with (
        sockets(script) as there,
        connected(_server(there), 60) as connection,
        pytest.raises(Lost, match="fragment"),
    ):
        list(connection.messages())


# ─── Who is trusted ───────────────────────────────────────────────────────────────────────────────────────────────────


def _pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def test_a_private_authority_is_trusted_where_the_secret_has_it(authority: trustme.CA) -> None:
    def script(peer: Peer) -> None:
        peer.say(GREETING)
        peer.until_gone()

    with (
        sockets(script, certificate=authority.issue_cert("127.0.0.1")) as there,
        connected(_server(there, "wss", ca=_pem(authority)), 5) as connection,
    ):
        assert _heard(connection.messages(), 1)


@pytest.mark.parametrize("given", ["none", "another"])
def test_without_its_authority_a_server_is_not_trusted_and_learns_nothing(authority: trustme.CA, given: str) -> None:
    ca = None if given == "none" else _pem(trustme.CA())
    with (
        sockets(Peer.until_gone, certificate=authority.issue_cert("127.0.0.1")) as there,
        pytest.raises(Lost, match="SSL"),
        connected(_server(there, "wss", ca=ca), 5),
    ):
        pass
    assert there.paths == []


@pytest.mark.parametrize("wrong", ["another host", "expired"])
def test_a_certificate_for_another_host_or_of_another_time_is_not_trusted(authority: trustme.CA, wrong: str) -> None:
    began, ended = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    certificate = {
        "another host": authority.issue_cert("192.0.2.1"),
        "expired": authority.issue_cert("127.0.0.1", not_before=began, not_after=ended),
    }[wrong]
    with (
        sockets(Peer.until_gone, certificate=certificate) as there,
        pytest.raises(Lost, match="SSL"),
        connected(_server(there, "wss", ca=_pem(authority)), 5),
    ):
        pass
    assert there.paths == []


@pytest.mark.parametrize("ca", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_is_no_certificate_says_so(ca: str) -> None:
    server = _server(Place(1), "wss", ca=ca)
    with pytest.raises(WrongSetting, match="server north: ca is not a certificate"), connected(server, 5):
        pass


def _all_of(error: BaseException | None) -> str:
    """All text of an error and its causes."""
    return "" if error is None else f"{error!r} {error} {_all_of(error.__cause__)}"
