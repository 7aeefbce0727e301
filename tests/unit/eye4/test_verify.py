"""The sender of an Eye4 push, by its guid; and the identity of two pushes."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from functions.eye4.wire import Accounts
from gatehouse.telemetry import Count
from ops.simulators import Request, eye4
from tests.builders import NOW
from tests.output import Output
from tests.rig import Rig
from tests.vendors.eye4 import CUSTOMER, EYE4, FILEID, NEIGHBOUR, eye4_push, eye4_rig, ring, uploaded

GUID = EYE4["guid"]
OLDER = CUSTOMER["guids"][1]
SLOT = NOW.replace(minute=0)  # the beginning of one of the slots in which a message is taken for a repetition


@pytest.fixture
def rig() -> Rig[Any]:
    return eye4_rig()


def _with_guid(guid: str | None) -> Request:
    push = ring()
    headers = {name: value for name, value in push.headers.items() if name != "guid"}
    return Request(push.url, push.body, headers if guid is None else {**headers, "guid": guid})


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("guid", CUSTOMER["guids"])
def test_each_live_guid_of_a_customer_is_accepted(rig: Rig[Any], guid: str) -> None:
    assert rig.send(_with_guid(guid)).status == 200
    assert rig.event["data"]["account"] == "workshop"


def test_the_guid_says_which_customer_it_is(rig: Rig[Any]) -> None:
    rig.send(_with_guid(NEIGHBOUR["guids"][0]))

    assert rig.event["data"]["account"] == "harbour"


@pytest.mark.parametrize("guid", [None, "", " ", "\t", ",", " , "])
def test_a_push_without_a_guid_is_refused(rig: Rig[Any], guid: str | None, output: Output) -> None:
    answer = rig.send(_with_guid(guid))

    assert (answer.status, answer.reason) == (401, "missing_signature")
    assert rig.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize(
    "guid",
    [
        "0" * 32,
        GUID[:-1],
        GUID + "0",
        GUID.upper(),
        f"{GUID} {GUID}",
        f"{GUID};{GUID}",
        f"{GUID[:16]},{GUID[16:]}",
        f"a,b,c,d,{GUID}",
        ",".join("x" * 32 for _ in range(1_000)),
        GUID[:16] + " " + GUID[16:],
        "\x00" + GUID,
        "ä" * 32,
        "\ud800" * 32,
        "x" * 100_000,
    ],
)
def test_what_is_nearly_a_guid_is_refused(rig: Rig[Any], guid: str) -> None:
    answer = rig.send(_with_guid(guid))

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert rig.is_untouched


def test_a_resource_message_with_a_wrong_guid_is_refused_and_touches_no_row(rig: Rig[Any]) -> None:
    assert rig.send(uploaded(guid="0" * 32)).reason == "unknown_account"  # the rig fails where a row is touched


def test_space_around_a_guid_is_nobodys_fault(rig: Rig[Any]) -> None:
    assert rig.send(_with_guid(f"  {GUID} ")).status == 200


@pytest.mark.parametrize(
    "guid", [f"{GUID},{GUID}", f"{GUID}, {GUID}", f"{'0' * 32},{GUID}", f"{GUID},{'0' * 32}", f",{GUID}", f"{GUID},"]
)
def test_a_guid_that_a_gateway_joined_to_another_one_is_accepted(rig: Rig[Any], guid: str) -> None:
    assert rig.send(_with_guid(guid)).status == 200
    assert rig.event["data"]["account"] == "workshop"


def test_a_guid_that_was_made_a_moment_ago_is_accepted(rig: Rig[Any]) -> None:
    rig.accounts.rotated = Accounts.model_validate({"accounts": [{**CUSTOMER, "guids": ["new"]}]})

    assert rig.send(_with_guid("new")).status == 200


def test_a_guid_is_compared_in_constant_time_with_every_one_there_is(
    rig: Rig[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    genuine = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return genuine(one, other)

    monkeypatch.setattr("gatehouse.accounts.hmac.compare_digest", noting)
    for guid in (GUID, OLDER, "0" * 32, "x"):
        compared.clear()
        rig.send(_with_guid(guid))
        assert compared == [(32, 32)] * 3


def test_each_of_two_joined_guids_is_compared_with_every_one_there_is_wherever_ours_stands(
    rig: Rig[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    genuine = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return genuine(one, other)

    monkeypatch.setattr("gatehouse.accounts.hmac.compare_digest", noting)
    for guid in (f"{GUID},x", f"x,{GUID}", f"{GUID},{OLDER}", "x,y"):
        compared.clear()
        rig.send(_with_guid(guid))
        assert compared == [32] * 6


def test_the_guid_is_in_no_event_and_no_log_line(rig: Rig[Any], output: Output) -> None:
    rig.send(ring())
    rig.send(_with_guid(GUID + "0"))

    assert GUID not in "".join(record.body for record in rig.store.records.values())
    assert GUID not in output.read()


# ─── What ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ids(rig: Rig[Any], *pushes: Request, apart: timedelta = timedelta(0)) -> list[str]:
    """The event ids of these pushes, sent one after the other."""
    for number, push in enumerate(pushes):
        assert rig.send(push, at=SLOT + number * apart).status == 200
    return list(rig.store.records)


@pytest.mark.parametrize(
    "again",
    [
        ring(cover="https://alarm.example.com/alarm_image_20261122.jpg?e=1795000300"),
        ring(electricity="87%"),
        ring(as_text=True),
        ring(FILEID.upper()),
        ring(f"{FILEID[:1]} {FILEID[1:5]} {FILEID[5:]}"),
        ring(guid=OLDER),
    ],
    ids=[
        "another cover",
        "the charge otherwise written",
        "payload as text",
        "upper case",
        "the page's spaces",
        "the older guid",
    ],
)
def test_an_alarm_that_is_sent_again_otherwise_is_the_same_alarm_days_later(rig: Rig[Any], again: Request) -> None:
    assert len(_ids(rig, ring(), again, apart=timedelta(days=3))) == 1


@pytest.mark.parametrize(
    "other",
    [
        ring("2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"),
        ring(did="VSTC000000OTHER"),
        ring(action="102"),
        ring(kind="camera"),
        ring(guid=NEIGHBOUR["guids"][0]),
        ring(None),
    ],
    ids=["recording", "device", "action", "type", "customer", "no recording"],
)
def test_an_alarm_that_differs_is_another_one(rig: Rig[Any], other: Request) -> None:
    assert len(_ids(rig, ring(), other)) == 2


def test_parts_of_an_identity_do_not_run_into_each_other(rig: Rig[Any]) -> None:
    assert len(_ids(rig, ring(did="AB", kind="C"), ring(did="A", kind="BC"))) == 2


@pytest.mark.parametrize("action", ["100", "101", "177"])
def test_an_alarm_without_a_recording_is_one_within_five_seconds_and_another_one_after(
    rig: Rig[Any], action: str
) -> None:
    """Protocol A6: two openings of a door differ only in their arrival."""
    opened = ring(None, action=action)

    assert len(_ids(rig, *[opened] * 5, apart=timedelta(seconds=1.2))) == 1  # 0 to 4.8 s
    for seconds in (5, 200, 300, 86_400):
        before = len(rig.stored)
        assert rig.send(opened, at=SLOT + timedelta(seconds=seconds)).status == 200
        assert len(rig.stored) == before + 1


def test_a_door_that_opens_again_three_minutes_later_has_opened_twice(rig: Rig[Any]) -> None:
    """Protocol A6: 12:00:10 and 12:03:20."""
    opened = ring(None)
    for seconds in (10, 200):
        assert rig.send(opened, at=SLOT + timedelta(seconds=seconds)).status == 200

    assert len(rig.stored) == len(rig.published) == 2


@pytest.mark.parametrize("fileid", ["(null)", "nil", "-", "N/A", "<null>", "0" * 40])
def test_two_rings_with_a_word_for_no_recording_are_two_and_wait_for_nothing(rig: Rig[Any], fileid: str) -> None:
    """Reports 19."""
    rung = ring(fileid)

    assert len(_ids(rig, rung, rung, apart=timedelta(minutes=10))) == 2
    assert not any("media" in event["data"] or "recording_id" in event["data"] for event in rig.stored)


def test_an_alarm_whose_fileid_was_taken_by_another_message_is_kept_beside_it(rig: Rig[Any]) -> None:
    """A holder of the guid can send a fileid in advance, but does not know the charge that the device will report."""
    taken, true = ring(electricity="1"), ring(electricity="64")
    for push in (taken, true, true, taken):
        assert rig.send(push).status == 200

    first, second = rig.store.records.values()
    assert json.loads(second.body)["data"]["conflicts_with"] == first.id
    assert json.loads(second.body)["data"]["battery"] == 64
    assert rig.published == rig.stored


@pytest.mark.parametrize("electricity", ["", "full"])
def test_a_charge_that_one_of_two_lacks_makes_no_second_alarm(rig: Rig[Any], electricity: str) -> None:
    assert len(_ids(rig, ring(), ring(electricity=electricity))) == 1


def test_what_is_neither_message_is_one_however_often_it_comes_and_another_one_if_it_differs(
    rig: Rig[Any],
) -> None:
    odd, other = eye4_push({"type": "firmware", "version": "4.7"}), eye4_push({"type": "firmware", "version": "4.8"})

    assert len(_ids(rig, odd, odd, other, apart=timedelta(hours=1))) == 2


def test_a_low_battery_with_a_fileid_that_never_changes_is_news_each_time(rig: Rig[Any]) -> None:
    low = ring(action="101")
    assert len(set(_ids(rig, low, low, apart=timedelta(hours=1)))) == 2


def test_an_alarm_without_a_recording_that_says_something_else_is_another_one(rig: Rig[Any]) -> None:
    assert len(_ids(rig, ring(None, electricity="9"), ring(None, electricity="8"))) == 2


def test_the_order_of_the_fields_does_not_make_another_message(rig: Rig[Any]) -> None:
    body = {"type": "doorbell", "action": "101", "did": "D1"}
    assert len(_ids(rig, eye4_push(body), eye4_push(dict(reversed(body.items()))))) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[", b'{"a": 1e999}', b'{"a":"\\ud800"}', b"[" * 30_000, json.dumps([1]).encode(), b"null"],
)
def test_garbage_under_a_guid_of_ours_is_kept(rig: Rig[Any], body: bytes) -> None:
    for path in (eye4.ALARMS, eye4.RESOURCES):
        assert rig.send(eye4_push(body, path)).status == 200

    assert rig.event["data"]["kind"] == "unmapped"


# ─── What is in the body ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "repeated",
    [
        {"guid": GUID},
        {"GUID": GUID, "header": {"guid": GUID}},
        {"headers": [f"guid: {GUID}"]},
        {"payload": {"fileid": FILEID, "guid": GUID}},
        {"payload": json.dumps({"fileid": FILEID, "guid": GUID})},
        {"payload": quote_plus(json.dumps({"fileid": FILEID, "guid": GUID}))},
        {"payload": base64.b64encode(json.dumps({"fileid": FILEID, "guid": GUID}).encode()).decode()},
        {GUID: 1},
    ],
)
def test_a_guid_that_a_body_repeats_is_not_kept(rig: Rig[Any], repeated: dict[str, Any]) -> None:
    message = json.loads(ring().body) | repeated
    for body in (message, json.dumps(message), {"firmware": "4.7"} | repeated):
        assert rig.send(eye4_push(body)).status == 200

    kept = json.dumps(rig.stored)
    assert GUID not in kept
    assert base64.b64encode(GUID.encode())[4:-4].decode() not in kept
    assert all("eyJ" not in str(event["data"].get("payload")) for event in rig.stored)
    (alarm, *_) = [event["data"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]
    assert alarm["recording_id"] == FILEID


@pytest.mark.parametrize("encode", [quote, quote_plus, lambda body: quote(quote_plus(body))])
def test_a_body_that_is_percent_encoded_whole_is_read(rig: Rig[Any], encode: Callable[[str], str]) -> None:
    assert rig.send(eye4_push(encode(json.dumps(json.loads(ring().body))).encode())).status == 200

    assert (rig.event["data"]["kind"], rig.event["data"]["recording_id"]) == ("motion_or_door", FILEID)
