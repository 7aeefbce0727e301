"""Whose a SenseLink message is, what a connection is signed with, and which happening a message tells of."""

import hmac
import json
from typing import Any

import pytest

from functions.senselink import verify
from functions.senselink.wire import Accounts, Server, camel
from gatehouse.reading import read_json
from gatehouse.telemetry import Count
from ops.simulators import Request
from tests.builders import NOW, SENSELINK, URL, House, access_record, alarm_record, seconds, senselink_house, told
from tests.unit.conftest import Output

SOUTH = {"server": "south", "tokens": ["south-one", "south-two", "south-three"]}


def _snake(record: dict[str, Any]) -> dict[str, Any]:
    """A record as some versions' list has it."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in record.items()}


def _identity(message: object) -> list[str]:
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return verify.identity(read_json(text), verify.Verified(Server(server="north")))


# ─── The signature of ours ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_is_that_of_the_known_answer(vectors: dict[str, list[dict[str, Any]]]) -> None:
    (known,) = vectors["senselink"]

    assert verify.signature(int(known["timestamp"]), known["app_secret"]) == known["sign"]


def test_another_time_and_another_secret_are_another_signature() -> None:
    assert len({verify.signature(at, secret) for at in (1, 2) for secret in ("a", "b")}) == 4


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_no_server_has_is_refused(senselink: House[Any], output: Output) -> None:
    answer = senselink.send(told(access_record(), token="another"))

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert senselink.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize("token", ["", "north", "north-one ", "NORTH-ONE", "north-one%00", "\ud800", "x" * 10_000])
def test_what_is_nearly_a_token_is_refused(senselink: House[Any], token: str) -> None:
    assert senselink.send(told(access_record(), token=token)).status == 401
    assert senselink.is_untouched


def test_a_push_without_a_token_is_refused(senselink: House[Any]) -> None:
    push = told(access_record())

    assert senselink.send(Request(URL + "/v1/senselink", push.body, push.headers)).status == 401


def test_a_server_without_tokens_takes_no_push() -> None:
    house = senselink_house({"accounts": [{"server": "mute", "url": "wss://192.0.2.1:9000"}]})

    assert house.send(told(access_record(), token="")).status == 401


@pytest.mark.parametrize(
    ("token", "server"),
    [("north-one", "north"), ("north-two", "north"), ("south-one", "south"), ("south-three", "south")],
)
def test_each_live_token_says_which_server_it_is(token: str, server: str) -> None:
    house = senselink_house({"accounts": [SENSELINK, SOUTH]})

    assert house.send(told(access_record(), token=token)).status == 200
    assert house.event["data"]["account"] == server
    assert token not in json.dumps(house.event)


def test_the_same_record_of_two_servers_is_two_happenings() -> None:
    house = senselink_house({"accounts": [SENSELINK, SOUTH]})

    house.send(told(access_record(), token="north-one"))
    house.send(told(access_record(), token="south-one"))

    assert len(house.stored) == 2


def test_a_token_that_was_made_a_moment_ago_is_accepted(senselink: House[Any]) -> None:
    senselink.accounts.rotated = Accounts.model_validate({"accounts": [{"server": "north", "tokens": ["new"]}]})

    assert senselink.send(told(access_record(), token="new")).status == 200


@pytest.mark.parametrize("token", ["north-one", "north-two", "south-three", "nobody"])
def test_every_token_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    house = senselink_house({"accounts": [SENSELINK, SOUTH]})
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(ours: bytes, theirs: bytes) -> bool:
        compared.append((len(ours), len(theirs)))
        return real(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    house.send(told(access_record(), token=token))

    # By hashes of one length: neither which token nor how much of it is right changes what is done.
    assert compared[:5] == [(32, 32)] * 5
    assert len(compared) == 5


# ─── Which happening ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_the_same_by_websocket_by_subscription_and_from_the_list() -> None:
    record = access_record()
    ways = [
        {"code": 30000, "message": "push record", "data": record},
        {"messageId": "a", "eventType": 30000, "sendTime": 1, "data": record},
        {"messageId": "b", "eventType": "30000", "sendTime": 2, "data": {**record, "id": str(record["id"])}},
        {"code": 30000, "data": _snake(record)},
        {"code": 30000, "data": {"id": record["id"]}},
    ]

    assert {tuple(_identity(message)) for message in ways} == {("record", "1364591")}


def test_a_record_by_all_ways_is_one_event() -> None:
    house = senselink_house()

    house.send(told(access_record()))
    house.send(told(access_record(), token="north-two", messageId="M2", sendTime=5), at=NOW + seconds(3600))
    house.send(told(json.dumps({"code": 30000, "data": _snake(access_record())}).encode()))

    assert len(house.stored) == 1


def test_each_state_of_an_alarm_is_a_happening_and_each_only_one() -> None:
    states = [
        {"code": 30100, "data": alarm_record(status=status, releaseTime=time)}
        for status in (1, 2, 3)
        for time in ("", "2026-07-01 21:00:00")
    ]

    assert {tuple(_identity(state)) for state in states} == {("alarm", "7001", status) for status in "123"}


def test_a_record_and_an_alarm_of_one_number_are_two_happenings() -> None:
    assert _identity({"code": 30000, "data": access_record(id=5)}) != _identity(
        {"code": 30100, "data": alarm_record(id=5)}
    )


@pytest.mark.parametrize("kind", [30000, 30100])
@pytest.mark.parametrize("no_id", [{"id": 0}, {"id": "0"}, {"id": None}, {"id": ""}, {"id": True}, {}])
def test_without_an_id_a_record_is_known_by_what_it_holds(kind: int, no_id: dict[str, Any]) -> None:
    def message(**more: Any) -> dict[str, Any]:
        return {"code": kind, "data": {**no_id, "signTime": 5, "status": 1, **more}}

    assert _identity(message()) == _identity({**message(), "messageId": "another"})
    assert _identity(message()) == _identity({"eventType": kind, "data": _snake(message()["data"])})
    assert _identity(message()) != _identity(message(signTime=6))
    assert _identity(message()) != _identity({"code": 60100 - kind, "data": message()["data"]})


@pytest.mark.parametrize("message", [b'{"code":30000,"message""push","data":{}}', b"\xff\xfe", b"", b"[" * 3000])
def test_what_cannot_be_parsed_is_known_by_its_bytes(senselink: House[Any], message: bytes) -> None:
    for _ in range(2):
        assert senselink.send(told(message)).status == 200
    assert senselink.send(told(message + b" ")).status == 200

    assert len(senselink.stored) == 2
    assert {event["data"]["kind"] for event in senselink.stored} == {"unmapped"}


@pytest.mark.parametrize("message", [None, 5, "30000", [30000], {"code": 30000}, {"code": 30000, "data": [1]}, {}])
def test_what_is_no_message_is_known_by_what_it_holds(message: object) -> None:
    assert _identity(message) == ["message", json.dumps(message, sort_keys=True)]


def test_camel_case_goes_all_the_way_down() -> None:
    assert camel({"sign_time": [{"user_id": 1, "a_1b": {"x_y": None}}], "signTime2": 0}) == {
        "signTime": [{"userId": 1, "a1b": {"xY": None}}],
        "signTime2": 0,
    }
