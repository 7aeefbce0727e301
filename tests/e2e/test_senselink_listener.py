"""From a SenseLink server's WebSocket to a subscriber's queue, and what becomes of what was missed."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from subprocess import Popen
from typing import Any

import pytest

from ops.simulators import senselink
from ops.simulators.senselink import Fields, Server
from tests.e2e.conftest import Rig
from tests.e2e.faults import Refusal

_SILENCE = 20  # seconds
_UNREACHABLE = "http://127.0.0.1:9"


@contextmanager
def _listening(rig: Rig, **variables: str) -> Iterator[Popen[bytes]]:
    with senselink.listening(rig.stack, _SILENCE, **variables) as process:
        rig.until(lambda: rig.senselink.connections == 1)
        yield process


@pytest.fixture
def listener(rig: Rig) -> Iterator[Popen[bytes]]:
    """A listener of the site, connected."""
    with _listening(rig) as process:
        yield process


@pytest.fixture
def server(rig: Rig, listener: Popen[bytes]) -> Server:
    """The server that it listens to."""
    assert listener.poll() is None
    return rig.senselink


def _of(rig: Rig, *happened: Fields) -> list[dict[str, Any]]:
    """The events of records or alarms, by their id."""
    ids = {one["id"] for one in happened}

    def matches(event: dict[str, Any]) -> bool:
        data = event["data"].get("payload", {}).get("data")
        return event["data"]["vendor"] == "senselink" and isinstance(data, dict) and data.get("id") in ids

    return rig.events(matches)


def _mark(rig: Rig) -> datetime | None:
    answer = rig.stack.client("dynamodb").get_item(
        TableName=rig.stack.tables["watermarks"], Key={"server": {"S": "workshop"}}, ConsistentRead=True
    )
    return datetime.fromisoformat(answer["Item"]["mark"]["S"]) if "Item" in answer else None


def _time(record: Fields) -> datetime:
    return datetime.fromtimestamp(record["signTime"], UTC)


def test_a_record_by_websocket_arrives_and_by_subscription_it_is_no_second_one(rig: Rig, server: Server) -> None:
    passed = server.happen(name="Ida Lund")

    (event,) = rig.until(lambda: _of(rig, passed))

    assert event["type"] == "gatehouse.recognition.v1"
    assert event["data"]["account"] == "workshop"
    assert event["data"]["person"]["name"] == "Ida Lund"
    assert datetime.fromisoformat(event["data"]["occurred_at"]) == _time(passed)
    rig.until_published(event["id"])
    before = rig.count_records("senselink")
    app = rig.stack.vendors["senselink"]
    other = senselink.record(passed["id"] + 10**12)
    for record in (passed, other):
        assert rig.send(senselink.push(app, rig.stack.api_url, 30000, record)).status == 200
    rig.until(lambda: _of(rig, other))
    assert rig.count_records("senselink") == before + 1
    assert len(rig.received[event["id"]]) == 1


def test_each_state_of_an_alarm_is_an_event(rig: Rig, server: Server) -> None:
    raised = server.alarm()
    for status in (2, 3, 3):
        server.alarm(raised["id"], status)

    rig.until(lambda: len(_of(rig, raised)) == 3)

    states = [event["data"]["state"] for event in sorted(_of(rig, raised), key=lambda event: str(event["time"]))]
    assert sorted(states) == ["raised", "released", "releasing"]


def test_what_is_no_json_is_kept_whole_and_the_next_message_is_heard(rig: Rig, server: Server) -> None:
    broken = server.babble()
    passed = server.happen()

    rig.until(lambda: _of(rig, passed))
    digest = hashlib.sha256(broken.encode()).hexdigest()
    (event,) = rig.until(lambda: rig.events(lambda event: event["data"].get("body", {}).get("sha256") == digest))
    assert event["data"]["kind"] == "unmapped"
    s3, place = rig.stack.client("s3"), event["data"]["body"]
    # It goes to the bucket beside the event, which may be announced first.
    rig.until(lambda: s3.list_objects_v2(Bucket=place["bucket"], Prefix=place["key"])["KeyCount"])
    assert s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read() == broken.encode()


def test_what_was_missed_while_the_server_restarted_is_fetched(rig: Rig, server: Server) -> None:
    heard = server.happen()
    rig.until(lambda: _of(rig, heard))
    with server.restarting():
        missed = server.flood(120)

    rig.until(lambda: len(_of(rig, *missed)) == len(missed))

    assert len(_of(rig, heard)) == 1


def test_a_list_that_is_away_for_a_while_is_asked_until_it_is_there(rig: Rig, server: Server) -> None:
    def gaps() -> list[dict[str, Any]]:
        return rig.events(lambda event: event["data"].get("kind") == "gap")

    before = len(gaps())
    heard = server.happen()
    # The gap before this listener is filled: so the list was seen.
    rig.until(lambda: (_mark(rig) or _time(heard) - timedelta(seconds=1)) >= _time(heard) and _of(rig, heard))
    server.has_list = False
    try:
        with server.restarting():
            missed = server.flood(3)
        asked = server.asked["/api/v3/record/list"]
        rig.until(lambda: server.asked["/api/v3/record/list"] >= asked + 2)
        assert not _of(rig, *missed)
    finally:
        server.has_list = True

    rig.until(lambda: len(_of(rig, *missed)) == 3)
    assert len(gaps()) == before


def test_sigterm_ends_it_in_good_order_and_the_next_one_fetches_what_was_missed(
    rig: Rig, server: Server, listener: Popen[bytes]
) -> None:
    heard = server.flood(50)
    listener.terminate()
    assert listener.wait(20) == 0
    rig.until(lambda: server.connections == 0)
    missed = server.flood(5)

    with _listening(rig):
        rig.until(lambda: len(_of(rig, *heard, *missed)) == 55)


def test_the_watermark_moves_only_behind_the_record(rig: Rig) -> None:
    """DynamoDB takes watermarks and no events, and SQS is not there."""
    server, stack = rig.senselink, rig.stack
    with Refusal(stack.aws_endpoint_url, stack.events_table).serving() as dynamodb:
        variables = {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url, "AWS_ENDPOINT_URL_SQS": _UNREACHABLE}
        with _listening(rig, **variables):
            first = server.happen(at=time.time() - 1)
            rig.until(lambda: (_mark(rig) or _time(first)) >= _time(first) and _of(rig, first))
            dynamodb.shut = True
            second = server.happen()
            # Longer than twice the time between two writes of a watermark.
            rig.until(lambda: dynamodb.shut_at and time.monotonic() - dynamodb.shut_at > 5)
            heard_meanwhile = _mark(rig)
            dynamodb.shut = False
            rig.until(lambda: _of(rig, second))
            rig.until(lambda: (_mark(rig) or _time(first)) >= _time(second))

    assert heard_meanwhile is not None
    assert _time(first) <= heard_meanwhile < _time(second)
    marks = [
        (place, json.loads(call)["ExpressionAttributeValues"][":mark"]["S"])
        for place, (table, call) in enumerate(dynamodb.put)
        if "watermarks" in table.lower() and ":mark" in json.loads(call).get("ExpressionAttributeValues", {})
    ]
    assert marks == sorted(marks, key=lambda mark: mark[1])
    recorded = next(place for place, (_, item) in enumerate(dynamodb.put) if f'\\"id\\":{second["id"]}' in item)
    passed = [place for place, mark in marks if datetime.fromisoformat(mark) >= _time(second)]
    assert passed
    assert min(passed) > recorded
