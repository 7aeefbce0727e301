"""From a vendor's HTTP push to a subscriber's queue, through the deployed template."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any

import pytest

from ops.simulators import sensoro, simulators, sunmi
from tests.e2e.conftest import Rig

_DAY = 5


def _of(rig: Rig, vendor: str) -> list[dict[str, Any]]:
    return rig.events(lambda event: event["data"]["vendor"] == vendor)


@pytest.mark.parametrize("vendor", sorted(simulators()))
def test_what_a_vendors_devices_send_in_a_day_is_recorded_and_arrives(rig: Rig, vendor: str) -> None:
    before = {event["id"] for event in _of(rig, vendor)}
    pushes = list(islice(simulators()[vendor].pushes(rig.stack.vendors, rig.stack.api_url), _DAY))

    answers = [rig.send(push) for push in pushes]

    assert [answer.status for answer in answers] == [200] * _DAY
    rig.until(lambda: len(_of(rig, vendor)) >= len(before) + _DAY)
    arrived = [event for event in _of(rig, vendor) if event["id"] not in before]
    for event in arrived:
        (message,) = rig.received[event["id"]]
        assert event["specversion"] == "1.0"
        assert message["attributes"]["vendor"] == vendor
        assert message["attributes"]["type"] == event["type"]
        rig.until_published(event["id"])


def test_each_topics_inspection_queue_holds_the_events_of_its_type(rig: Rig) -> None:
    app = rig.stack.vendors["sensoro"]
    body = sensoro.sensor_data(app, {"leak": True}, sn="INSPECTED")
    rig.send(sensoro.request(app, rig.stack.api_url, body))
    rig.until(lambda: rig.events(lambda event: event["data"].get("device") == "INSPECTED")[1:])

    for topic, queue in rig.stack.inspection_queues.items():
        held = list(chain.from_iterable(iter(partial(rig.messages, queue), [])))
        assert {message["event"]["type"] for message in held} <= {f"gatehouse.{topic}.v1"}
        inspected = [message for message in held if message["event"]["data"].get("device") == "INSPECTED"]
        assert len(inspected) == (topic in {"alarm", "measurement"})


def test_a_push_sent_five_times_and_then_five_at_once_is_one_record_and_one_message(rig: Rig) -> None:
    app = rig.stack.vendors["sunmi"]
    before = rig.count_records("sunmi")
    repeated = [sunmi.request(app, rig.stack.api_url, 1100, {"code": 0, "face_id": "five times"}) for _ in range(2)]
    one_by_one, at_once = repeated

    answers = [rig.send(one_by_one) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers += pool.map(rig.send, [at_once] * 5)

    assert {answer.status for answer in answers} == {200}
    assert rig.count_records("sunmi") == before + 2
    last = sunmi.request(app, rig.stack.api_url, 1100, {"code": 0, "face_id": "the last one"})
    rig.send(last)
    rig.until(lambda: rig.events(lambda event: event["data"].get("reference") == {"face_id": "the last one"}))
    same = rig.events(lambda event: event["data"].get("reference") == {"face_id": "five times"})
    assert [len(rig.received[event["id"]]) for event in same] == [1, 1]


def test_a_tampered_push_is_refused_with_a_reason_and_leaves_nothing(rig: Rig) -> None:
    before = rig.count_records("sunmi")
    push = sunmi.request(rig.stack.vendors["sunmi"], rig.stack.api_url, 2001, {"face_id": "1"})

    answer = rig.send(replace(push, body=push.body.replace(b"2001", b"1010")))

    assert answer.status == 401
    assert answer.json()["error"]["reason"] == "not_authentic"
    assert rig.count_records("sunmi") == before


def test_zero_false_and_chinese_text_survive_safe_mode(rig: Rig) -> None:
    app = rig.stack.vendors["sensoro_safe"]
    data = {"temperature": 0, "leak": False, "customer": "仓库一号"}
    body = sensoro.sensor_data(app, data, safe=True, sn="SAFE-0")

    answer = rig.send(sensoro.request(app, rig.stack.api_url, body))
    assert (answer.status, answer.data) == (200, b"")

    (event,) = rig.until(lambda: rig.events(lambda event: event["data"].get("device") == "SAFE-0"))
    readings = event["data"]["readings"]
    assert readings["temperature"] == {"value": 0, "unit": "Cel"}
    assert readings["leak"]["value"] is False
    assert readings["customer"]["value"] == "仓库一号"
    assert event["data"]["payload"]["data"] == data
    assert json.loads(rig.record(event["id"])["event"]) == event


def test_a_signed_push_that_nobody_understands_is_kept_as_a_notice(rig: Rig) -> None:
    push = sunmi.request(rig.stack.vendors["sunmi"], rig.stack.api_url, 9999, {"news": "from the future"})

    assert rig.send(push).status == 200

    (event,) = rig.until(
        lambda: rig.events(lambda event: event["data"].get("payload", {}).get("payload") == {"news": "from the future"})
    )
    assert event["data"]["kind"] == "unmapped"
