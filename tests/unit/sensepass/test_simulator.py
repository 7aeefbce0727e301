"""The simulated terminal: the records that it keeps while no push is taken, and the gaps of each firmware."""

import json
from datetime import UTC, datetime
from itertools import islice

import pytest

from ops.simulators import Request
from ops.simulators.sensepass import ODD, STAFF, Firmware, Terminal, new_accounts, picture, pushes, written
from tests.builders import URL
from tests.vendors.sensepass import sensepass_rig

_TAKEN = (200, b'{"code": 200}')


def _terminal(firmware: Firmware = "1.3") -> Terminal:
    return Terminal(
        "PSC7MC22F00001",
        "north-one-0123456789abcdef",
        "https://push.example.com",
        firmware,
        now=lambda: 1_782_907_200.0,
    )


def _down(_: Request) -> tuple[int, bytes]:
    raise ConnectionRefusedError


@pytest.mark.parametrize("answer", [(503, b""), (200, b'{"code": 503}'), (200, b"<html>"), (200, b"[]"), (401, b"{}")])
def test_what_is_not_taken_waits_and_is_uploaded_in_its_order(answer: tuple[int, bytes]) -> None:
    terminal = _terminal()
    uploads = [terminal.upload(image=b"") for _ in range(3)]
    sent: list[Request] = []

    assert [terminal.deliver(upload, lambda _: answer) for upload in uploads] == [False] * 3
    assert terminal.upload_cached(_down) == 0
    assert list(terminal.cached) == uploads

    def taken(push: Request) -> tuple[int, bytes]:
        sent.append(push)
        return _TAKEN

    assert terminal.upload_cached(taken) == 3
    assert sent == uploads
    assert not terminal.cached


def test_what_waits_goes_before_what_comes() -> None:
    terminal = _terminal("1.1")
    early, late = terminal.upload(image=b""), terminal.upload(image=b"")
    sent: list[Request] = []
    terminal.deliver(early, _down)

    def taken(push: Request) -> tuple[int, bytes]:
        sent.append(push)
        return _TAKEN

    assert terminal.deliver(late, taken)
    assert sent == [early, late]


def test_the_first_generation_keeps_nothing_asks_nobody_and_has_no_alarms() -> None:
    terminal = _terminal("1.0")

    assert not terminal.deliver(terminal.upload(), _down)
    assert not terminal.cached
    with pytest.raises(ValueError, match=r"V1\.0"):
        terminal.question()
    with pytest.raises(ValueError, match=r"V1\.3"):
        terminal.alarm()


@pytest.mark.parametrize(
    ("firmware", "has", "has_not"),
    [
        ("1.0", {"recognizeStatus", "livenessScore"}, {"recognitionType", "bodyTemperature", "uuid", "entry_mode"}),
        ("1.1", {"recognitionType", "bodyTemperature"}, {"recognizeStatus", "livenessScore", "uuid", "entry_mode"}),
        ("1.2.1", {"recognitionType", "uuid"}, {"recognizeStatus", "entry_mode"}),
        ("1.3", {"recognitionType", "uuid", "entry_mode", "abnormal_type"}, {"recognizeStatus"}),
    ],
)
def test_a_record_has_the_fields_of_its_firmware(firmware: Firmware, has: set[str], has_not: set[str]) -> None:
    fields = _terminal(firmware).record(STAFF).keys()

    assert has <= fields
    assert not has_not & fields


@pytest.mark.parametrize(("firmware", "number"), [("1.0", 17), ("1.1", 17), ("1.2.1", "17"), ("1.3", "17")])
def test_a_user_number_became_text(firmware: Firmware, number: object) -> None:
    assert _terminal(firmware).record(STAFF)["user"]["user_id"] == number


def test_a_question_has_neither_envelope_nor_conclusion() -> None:
    body = json.loads(_terminal().question(STAFF, image=b"").body)

    assert body["recognizeStatus"] == 2
    assert not {"type", "data", "pass", "mode", "uuid", "recognitionType"} & body.keys()


def test_a_picture_is_as_large_as_it_is_to_be_and_begins_as_a_jpeg() -> None:
    assert len(picture(200_000)) == 200_000
    assert picture(100, seed=1) == picture(100, seed=1) != picture(100, seed=2)
    assert picture(100).startswith(b"\xff\xd8\xff\xe0")


def test_a_day_has_each_message_and_each_odd_form_and_all_of_it_is_understood() -> None:
    accounts = new_accounts()
    sent = list(islice(pushes(accounts.apps, URL), 10 * len(ODD)))
    rig = sensepass_rig(accounts.secret)

    for push in sent:
        assert rig.send(push, datetime.now(UTC)).status == 200

    events = [event for event in rig.stored if event["data"]["kind"] != "clock"]
    assert len(events) == len([push for push in sent if push.method == "POST"])
    assert {event["type"] for event in events} == {"gatehouse.recognition.v1", "gatehouse.alarm.v1"}
    assert {event["data"].get("stage") for event in events} == {"asked", "recorded", None}
    assert {event["data"].get("state") for event in events} >= {"raised", "released"}
    assert {event["data"]["arrival"] for event in events} == {"live", "cached"}
    assert not [picture for event in events for picture in event["data"]["pictures"] if "error" in picture]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_form_is_odd(odd: str) -> None:
    push = _terminal("1.1").upload()

    assert written(push, ODD[odd]).body != push.body
