"""The way through the gate, by SENSORO's pushes: several events of one push, sizes, and odd JSON."""

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

import pytest

from functions.sensoro.wire import Accounts as SensoroAccounts
from gatehouse.errors import Unavailable
from gatehouse.gate import BODY_LIMIT, Gate
from gatehouse.record import MAX_EVENT_BYTES, Record
from gatehouse.settings import Announce
from gatehouse.telemetry import Count
from ops.simulators import Request
from tests.builders import AT, NOW, api_event, seconds
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.rig import Rig, is_hidden
from tests.styles import ODD
from tests.vendors.sensoro import SENSORO, sensor_body, sensor_push, sensoro_rig


def test_the_events_of_one_push_are_all_taken_again_until_each_is_kept(sensoro: Rig[Any]) -> None:
    push = sensor_push(sensor_body({"leak": True}))
    sensoro.store = FailingAt(2)
    sensoro.spill.down = True
    assert sensoro.send(push).status == 503
    assert len(sensoro.stored) == 1

    assert sensoro.send(push).status == 200
    assert len(sensoro.stored) == len(sensoro.published) == 2


class FailingAt(FakeStore):
    """An events table that is down for one call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._until = call
        self._lock = Lock()

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        with self._lock:
            self._until -= 1
            if self._until == 0:
                raise Unavailable("fake")
            return super().record(record, announce)


def test_a_body_that_cannot_be_read_waits_in_no_queue(output: Output) -> None:
    """Its notice is kept and answered for: a refusal can end a subscription for good. A repetition brings the body."""
    rig = sensoro_rig()
    push = sensor_push(b"no json")
    rig.media.down = True
    assert rig.send(push).status == 200
    assert not rig.spill.pictures
    assert output.counted[Count.NOT_KEPT] == 1
    assert len(rig.published) == 1
    rig.media.down = False
    assert rig.send(push).status == 200

    assert is_hidden(rig, b"no json")


def test_an_app_key_that_was_rotated_a_moment_ago_decrypts(sensoro: Rig[Any]) -> None:
    app = {**SENSORO, "app_key": "A" * 43}
    body = sensor_body({"temperature": 0}, encryptData=_sealed(app))
    assert sensoro.send(sensor_push(body)).reason == "undecryptable"

    sensoro.accounts.rotated = SensoroAccounts.model_validate(
        {"accounts": [{"app_id": SENSORO["app_id"], "app_secrets": [SENSORO["app_secret"]], "app_keys": ["A" * 43]}]}
    )
    assert sensoro.send(sensor_push(body)).status == 200


def _sealed(app: dict[str, str]) -> str:
    from ops.simulators import sensoro

    return sensoro.seal(b'{"temperature":0}', app["app_key"], app["app_id"])


def test_a_body_that_is_larger_than_the_limit_is_refused_unread(sensoro: Rig[Any], output: Output) -> None:
    answer = sensoro.send(sensor_push(b"x" * (BODY_LIMIT + 1)))

    assert (answer.status, answer.reason) == (413, "too_large")
    assert sensoro.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize("character", [b"x", b'"', b"\\", b"\n", b"\x01", b"\xff", b"\x7f", "设".encode()])
def test_a_signed_body_at_the_limit_is_kept_whole(sensoro: Rig[Any], character: bytes) -> None:
    body = (character * BODY_LIMIT)[: BODY_LIMIT - BODY_LIMIT % len(character)]

    push = sensor_push(body)
    answer = sensoro.send(Request(push.url, body, {**push.headers, "content-type": "application/octet-stream"}))

    assert answer.status == 200
    assert is_hidden(sensoro, body)


@pytest.mark.parametrize("extra", ["x" * 300_000, "\1" * 60_000, "设" * 100_000])
def test_a_payload_that_is_larger_than_sns_takes_lies_beside_its_event(sensoro: Rig[Any], extra: str) -> None:
    body = sensor_body({"temperature": 21.5}, notDocumented=extra)

    assert sensoro.send(sensor_push(body)).status == 200
    data = sensoro.event["data"]
    assert data["readings"]["temperature"]["value"] == 21.5
    assert "payload" not in data
    kept = sensoro.media.pictures[data["body"]["key"]].data
    assert json.loads(kept)["notDocumented"] == extra
    assert sensoro.topics.messages[0].size <= MAX_EVENT_BYTES


def test_of_a_push_whose_measurement_is_too_large_the_alarm_is_told_all_the_same(sensoro: Rig[Any]) -> None:
    data = {"leak": True, "customer": "x" * 260_000}

    assert sensoro.send(sensor_push(sensor_body(data))).status == 200
    kinds = sorted(event["data"]["kind"] for event in sensoro.stored)
    assert kinds == ["leak", "unmapped"]
    assert len(sensoro.published) == 2
    assert all(record.size <= MAX_EVENT_BYTES for record in sensoro.topics.messages)


def test_a_replay_tells_nothing_of_a_clock() -> None:
    """It is a repetition, and late for that reason alone."""
    store, topics = FakeStore(), FakeTopics()
    gate = Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia())
    rig = sensoro_rig()
    handler = rig.make(gate, rig.accounts)
    push = sensor_push(sensor_body({"temperature": 1}))
    for late in (0, 82_800, 82_801, 82_802):
        assert handler(api_event(push, NOW + seconds(late)), None)["statusCode"] == 200
    assert len(store.records) == 1

    for number in range(3):  # three that are new tell it
        body = sensor_body({"temperature": number + 2}, msgId=100 + number, createdTime=int(AT * 1000) - 28_800_000)
        handler(api_event(sensor_push(body), NOW), None)
    kinds = [json.loads(record.body)["data"]["kind"] for record in store.records.values() if "notice" in record.type]
    assert kinds == ["clock"]


def test_an_event_that_is_too_large_without_its_payload_is_an_unmapped_notice_that_fits(sensoro: Rig[Any]) -> None:
    readings = {f"{number:x}": 1e15 for number in range(8000)}

    assert sensoro.send(sensor_push(sensor_body(readings))).status == 200
    data = sensoro.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "larger than SNS takes")
    assert sensoro.topics.messages[0].size <= MAX_EVENT_BYTES
    kept = data.get("payload") or json.loads(sensoro.media.pictures[data["body"]["key"]].data)
    assert len(kept["data"]) == 8000


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("where", ["data", "sn", "msgId", "createdTime", "type", "deviceType", "extra"])
def test_a_signed_sensoro_push_that_holds_something_odd_is_kept_and_acknowledged(
    sensoro: Rig[Any], where: str, odd: str
) -> None:
    known = {"type": '"text"', "sn": '"S1"', "msgId": "1", "data": '{"temperature":0}'}
    fields = {"appId": '"123456"', **known, where: odd}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"

    assert sensoro.send(sensor_push(body.encode())).status == 200
    assert sensoro.event["specversion"] == "1.0"


def test_a_number_beyond_a_double_is_not_turned_into_nothing(sensoro: Rig[Any]) -> None:
    body = b'{"appId":"123456","type":"text","msgId":1,"data":{"temperature":1e999}}'
    sensoro.send(sensor_push(body))

    assert sensoro.event["data"]["payload"]["data"] == {"temperature": "1e999"}
