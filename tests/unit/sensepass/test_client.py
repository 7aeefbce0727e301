"""The calls to a terminal, against an HTTPS server with a certificate as a terminal makes it for itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.sensepass.client import AskRemotely, Client, NotThere
from gatehouse.errors import CallFailed
from ops.simulators.sensepass import STAFF, Terminal
from tests.unit.sensepass.device import FUNCTIONS, PASSWORD, SESSION, Device, Identity, identity, running, said

_AUTHORIZE = "https://elsewhere.example.com/v1/sensepass/north-one-0123456789abcdef/authorize"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A certificate as a terminal makes it for itself: self-signed, and for no particular host."""
    return identity(tmp_path_factory.mktemp("certificates"), "SensePass")


@pytest.fixture
def device(own: Identity) -> Iterator[Device]:
    """A terminal with a certificate of its own."""
    with running(own) as terminal:
        yield terminal


@pytest.fixture
def client(device: Device, own: Identity) -> Iterator[Client]:
    """A client that is logged in to it."""
    with device.client(fingerprint=own.fingerprint) as client:
        client.log_in("admin", PASSWORD)
        device.calls.clear()
        yield client


# ─── Who is spoken to ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "spelling", [str.upper, str.lower, lambda text: text.replace(":", ""), lambda text: f" {text} "]
)
def test_a_pinned_certificate_is_enough_although_nobody_signed_it(device: Device, own: Identity, spelling: Any) -> None:
    with device.client(fingerprint=spelling(own.fingerprint)) as client:
        client.log_in("admin", PASSWORD)


def test_another_certificate_than_the_pinned_one_is_refused_before_anything_issaid(device: Device) -> None:
    with device.client(fingerprint="ab" * 32) as client, pytest.raises(CallFailed, match="certificate"):
        client.log_in("admin", PASSWORD)

    assert device.calls == []


def test_a_self_signed_certificate_that_is_not_pinned_is_refused(device: Device) -> None:
    with device.client() as client, pytest.raises(CallFailed, match="certificate"):
        client.log_in("admin", PASSWORD)

    assert device.calls == []


def test_a_certificate_that_a_given_authority_signed_is_accepted(tmp_path: Path) -> None:
    authority = identity(tmp_path, "authority")
    with (
        running(identity(tmp_path, "door", authority, "127.0.0.1")) as device,
        device.client(ca_file=str(authority.file)) as client,
    ):
        client.log_in("admin", PASSWORD)


def test_a_certificate_of_a_given_authority_for_another_host_is_refused(tmp_path: Path) -> None:
    authority = identity(tmp_path, "authority")
    with (
        running(identity(tmp_path, "door", authority, "192.0.2.1")) as device,
        device.client(ca_file=str(authority.file)) as client,
        pytest.raises(CallFailed, match="certificate"),
    ):
        client.log_in("admin", PASSWORD)


def test_a_certificate_of_another_authority_is_refused(device: Device, tmp_path: Path) -> None:
    other = identity(tmp_path, "authority")
    with device.client(ca_file=str(other.file)) as client, pytest.raises(CallFailed, match="certificate"):
        client.log_in("admin", PASSWORD)


@pytest.mark.parametrize("fingerprint", ["", "ab" * 16, "ab" * 20, "xy" * 32, "ab" * 33, "é" * 64])
def test_what_is_no_sha256_pins_nothing_and_is_refused(fingerprint: str) -> None:
    with pytest.raises(CallFailed, match="SHA-256"):
        Client("127.0.0.1", fingerprint=fingerprint)


def test_an_authority_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match="no certificate"):
        Client("127.0.0.1", ca_file=str(tmp_path / "missing.pem"))


def test_a_fingerprint_and_an_authority_at_once_are_refused(own: Identity) -> None:
    with pytest.raises(CallFailed, match="not both"):
        Client("127.0.0.1", fingerprint=own.fingerprint, ca_file=str(own.file))


# ─── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_password_fails_the_login_and_is_not_repeated_in_the_error(device: Device, own: Identity) -> None:
    with device.client(fingerprint=own.fingerprint) as client, pytest.raises(CallFailed, match="status 401") as failure:
        client.log_in("admin", "a-wrong-password")

    assert "a-wrong-password" not in f"{failure.value!r}{failure.value.__cause__!r}"


def test_a_call_without_a_login_fails(device: Device, own: Identity) -> None:
    with device.client(fingerprint=own.fingerprint) as client, pytest.raises(CallFailed, match="status 401"):
        client.event_destination()


def test_a_login_holds_as_long_as_is_asked_for(device: Device, own: Identity) -> None:
    with device.client(fingerprint=own.fingerprint) as client:
        client.log_in("admin", PASSWORD, minutes=1440)

    assert device.calls[0][2] == {"username": "admin", "password": PASSWORD, "validTime": 1440}


def test_the_destination_of_events_is_set_and_read_back(device: Device, client: Client) -> None:
    assert client.event_destination() == ""

    client.set_event_destination("https://push.example.com/v1/sensepass/north-one-0123456789abcdef")

    assert device.calls[-1][2] == {
        "event_dest": "https://push.example.com/v1/sensepass/north-one-0123456789abcdef",
        "enabled": True,
    }
    assert client.event_destination() == "https://push.example.com/v1/sensepass/north-one-0123456789abcdef"


def test_an_address_of_1024_bytes_is_taken_and_one_of_more_is_not_sent(device: Device, client: Client) -> None:
    client.set_event_destination("h" * 1024)
    before = len(device.calls)

    for address in ("h" * 1025, "é" * 513):
        with pytest.raises(CallFailed, match="takes 1024"):
            client.set_event_destination(address)
        with pytest.raises(CallFailed, match="takes 1024"):
            client.set_remote_authentication(address)

    assert [path for method, path, _ in device.calls[before:] if method == "POST"] == []


def test_the_address_of_remote_authentication_is_set_and_the_other_functions_stay(
    device: Device, client: Client
) -> None:
    assert client.remote_authentication_address() == ""

    client.set_remote_authentication(_AUTHORIZE)

    assert device.functions == {**FUNCTIONS, "auth_mode": 1, "remote_authentication_address": _AUTHORIZE}
    assert client.remote_authentication_address() == _AUTHORIZE


def test_a_terminal_can_be_told_to_ask_about_strangers_or_about_nobody(device: Device, client: Client) -> None:
    client.set_remote_authentication(_AUTHORIZE, AskRemotely.STRANGERS)
    assert device.functions["auth_mode"] == 3

    client.set_remote_authentication(_AUTHORIZE, AskRemotely.NOBODY)
    assert client.remote_authentication_address() == ""


def test_a_terminal_without_functions_cannot_ask(device: Device, client: Client) -> None:
    device.instead["/v1/device/functions"] = said(None)

    with pytest.raises(CallFailed, match=r"older than V1\.1"):
        client.set_remote_authentication(_AUTHORIZE)


# ─── Which records there are ──────────────────────────────────────────────────────────────────────────────────────────


def _records(count: int) -> list[dict[str, Any]]:
    terminal = Terminal("PSC7MC22F00001", "north-one-0123456789abcdef", "https://push.example.com", "1.2.1")
    return [terminal.record(STAFF, at=1000 + number, image=b"\xff\xd8\xff") for number in range(count)]


def test_records_come_page_by_page_and_none_is_missed_or_doubled(device: Device, client: Client) -> None:
    device.records = _records(25)

    pages = list(client.records(1000, 1024, page=10))

    assert [len(page) for page in pages] == [10, 10, 5]
    assert [record for page in pages for record in page] == device.records
    assert [body["offset"] for _, _, body in device.calls] == [0, 10, 20]


def test_the_groups_of_a_listed_record_stand_where_a_pushed_one_has_them(device: Device, client: Client) -> None:
    pushed, *_ = _records(1)
    groups = pushed["user"].pop("groups")
    device.records = [{**pushed, "groups": groups}, {"timestamp": 1, "groups": []}]

    ((page),) = client.records(0, 2000)

    assert page == [{**pushed, "user": {**pushed["user"], "groups": groups}}, {"timestamp": 1, "groups": []}]


def test_only_records_of_the_time_range_come(device: Device, client: Client) -> None:
    device.records = _records(25)

    ((page),) = client.records(1005, 1009)

    assert [record["timestamp"] for record in page] == [1005, 1006, 1007, 1008, 1009]


def test_no_more_than_200_are_asked_for_at_once(device: Device, client: Client) -> None:
    assert list(client.records(0, 2000, page=5000)) == []

    assert device.calls[-1][2]["limit"] == 200


def test_a_terminal_that_does_not_count_its_records_is_asked_until_a_page_is_empty(
    device: Device, client: Client
) -> None:
    device.instead["/v1/event/records"] = said({"items": _records(2)})
    pages = client.records(0, 2000)
    next(pages)
    device.instead["/v1/event/records"] = said({"items": []})

    assert list(pages) == []


@pytest.mark.parametrize("data", [None, {"items": None}, {"items": None, "total": 0}, {"items": []}])
def test_a_terminal_without_records_says_null(device: Device, client: Client, data: Any) -> None:
    device.instead["/v1/event/records"] = said(data)

    assert list(client.records(0, 2000)) == []


# ─── As terminals write, and what they do not have ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "write",
    [
        lambda answer: b"\xef\xbb\xbf" + answer,
        lambda answer: answer + b"\n\0",
        lambda answer: answer.replace(b"200", b'"200"'),
        lambda answer: answer.replace(b"}}", b', "load": NaN}}'),
    ],
)
def test_an_answer_may_be_written_as_devices_write(device: Device, client: Client, write: Any) -> None:
    status, answer = said({"event_dest": "https://push.example.com"})
    device.instead["/v1/event/subscribe"] = (status, write(answer))

    assert client.event_destination() == "https://push.example.com"


_UNKNOWN_PATH = [
    (404, b""),
    (404, b"<html>not found</html>"),
    (405, b""),
    (400, b'{"code":400,"msg":"not supported"}'),
    (501, b""),
    (200, b'{"code":404,"msg":"not found","data":null}'),
    (200, b'{"code":"404","msg":"not found"}'),
]


@pytest.mark.parametrize("answer", _UNKNOWN_PATH)
def test_a_terminal_that_knows_nothing_of_asking_is_older_than_v1_1(
    device: Device, client: Client, answer: tuple[int, bytes]
) -> None:
    device.instead["/v1/device/functions"] = answer

    with pytest.raises(NotThere, match=r"older than V1\.1"):
        client.remote_authentication_address()
    with pytest.raises(NotThere, match=r"older than V1\.1"):
        client.set_remote_authentication(_AUTHORIZE)


@pytest.mark.parametrize("answer", [(401, b""), (403, b""), (500, b""), (200, b'{"code":500}'), (200, b"")])
def test_a_terminal_that_refuses_or_fails_is_not_taken_for_an_old_one(
    device: Device, client: Client, answer: tuple[int, bytes]
) -> None:
    device.instead["/v1/device/functions"] = answer

    with pytest.raises(CallFailed) as failure:
        client.remote_authentication_address()
    assert not isinstance(failure.value, NotThere)


# ─── What goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, b"<html>"), "no usable answer"),
        ((200, b"[]"), "no usable answer"),
        ((200, b'"code"'), "no usable answer"),
        ((200, b"null"), "no usable answer"),
        ((200, b"\xff\xfe"), "no usable answer"),
        ((200, b'{"msg":"OK"}'), "no usable answer"),
        ((200, b'{"code":4001,"msg":"parameter"}'), "code 4001"),
        ((200, b'{"code":{"a":[1]},"msg":""}'), "code"),
        ((500, b'{"code":200,"msg":"OK","data":null}'), "status 500"),
        ((502, b""), "status 502"),
        ((502, b"<html>"), "status 502"),
        ((200, b'{"code":"5000","msg":"database"}'), "code 5000"),
    ],
)
def test_an_answer_that_is_not_usable_is_a_failed_call(
    device: Device, client: Client, answer: tuple[int, bytes], says: str
) -> None:
    for path in ("/v1/event/subscribe", "/v1/device/functions", "/v1/event/records"):
        device.instead[path] = answer

    for call in (
        client.event_destination,
        client.remote_authentication_address,
        lambda: client.set_event_destination("https://push.example.com"),
        lambda: client.set_remote_authentication(_AUTHORIZE),
        lambda: list(client.records(0, 1)),
    ):
        with pytest.raises(CallFailed, match=says) as failure:
            call()
        assert SESSION not in f"{failure.value!r}{failure.value.__cause__!r}"


@pytest.mark.parametrize("data", [None, {}, {"token": ""}, {"token": 5}, {"token": "a\r\nb"}, {"token": "é"}, []])
def test_a_login_that_gives_no_token_is_a_failed_call(device: Device, own: Identity, data: Any) -> None:
    device.instead["/v1/auth/login"] = said(data)

    with device.client(fingerprint=own.fingerprint) as client, pytest.raises(CallFailed, match="no token"):
        client.log_in("admin", PASSWORD)


@pytest.mark.parametrize("data", [{}, {"items": None, "total": 2}, {"items": {"a": 1}}, [], "x"])
def test_a_list_of_records_that_is_none_is_a_failed_call(device: Device, client: Client, data: Any) -> None:
    device.instead["/v1/event/records"] = said(data)

    with pytest.raises(CallFailed, match="no list"):
        list(client.records(0, 1))


def test_a_redirection_is_not_followed_with_the_login(device: Device, client: Client) -> None:
    device.instead["/v1/event/subscribe"] = (302, b'{"code":200}')

    with pytest.raises(CallFailed, match="status 302"):
        client.event_destination()

    assert [path for _, path, _ in device.calls] == ["/v1/event/subscribe"]


def test_a_terminal_that_is_not_there_is_a_failed_call() -> None:
    with Client("127.0.0.1", 9, fingerprint="ab" * 32) as client, pytest.raises(CallFailed, match="no usable answer"):
        client.log_in("admin", PASSWORD)
