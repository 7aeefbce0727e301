"""Eye4's alarms as events: the table of actions, the recording that is to come, and the thumbnail's address."""

import json
from typing import Any

import pytest

from functions.eye4.hosts import Hosts
from functions.eye4.normalise import normalise
from functions.eye4.verify import Verified
from gatehouse.events import Alarm, EventBuilder
from tests import styles
from tests.builders import NOW
from tests.rig import Rig
from tests.vendors.eye4 import FILEID, eye4_push, eye4_rig, ring

COVER = "https://alarm-vstc.eye4.cn/alarm_image_1.jpg?e=1793703600&token=x"


@pytest.fixture
def rig() -> Rig[Any]:
    return eye4_rig()


def _data(rig: Rig[Any], body: Any) -> dict[str, Any]:
    """The data of the one event of a push."""
    assert rig.send(eye4_push(body)).status == 200
    data: dict[str, Any] = rig.event["data"]
    return data


def _alarm(payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "doorbell", "action": "100", "did": "D1", "payload": {} if payload is None else payload, **more}


# ─── What it is ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("action", "kind", "severity"),
    [
        ("100", "motion_or_door", "low"),
        ("101", "low_battery", "low"),
        (100, "motion_or_door", "low"),
        ("102", "unknown", "unknown"),
        ("18", "unknown", "unknown"),  # motion and human in the app's own history, which is another protocol
        (41, "unknown", "unknown"),
        ("0", "unknown", "unknown"),
        (0, "unknown", "unknown"),
        ("", "unknown", "unknown"),
        (None, "unknown", "unknown"),
        ("100.0", "motion_or_door", "low"),
        (100.0, "motion_or_door", "low"),
        (" 100 ", "motion_or_door", "low"),
        (101.0, "low_battery", "low"),
        (["100"], "unknown", "unknown"),
        (True, "unknown", "unknown"),
    ],
)
def test_an_action_is_a_kind_of_alarm(rig: Rig[Any], action: Any, kind: str, severity: str) -> None:
    data = _data(rig, _alarm(action=action))

    assert (data["kind"], data["severity"], data["state"]) == (kind, severity, "raised")


def test_an_event_says_which_device_and_that_it_happened_when_it_arrived(rig: Rig[Any]) -> None:
    assert rig.send(ring(did="VSTC1")).status == 200

    event = rig.event
    assert event["type"] == "gatehouse.alarm.v1"
    assert event["subject"] == event["data"]["device"] == "VSTC1"
    assert event["time"] == event["data"]["occurred_at"] == event["data"]["received_at"]
    assert event["time"] == "2026-07-01T12:00:00.000000Z"
    assert (event["data"]["arrival"], event["data"]["lag_ms"]) == ("live", 0)


@pytest.mark.parametrize("as_text", [False, True])
def test_the_vendors_own_words_travel_along(rig: Rig[Any], *, as_text: bool) -> None:
    push = ring(as_text=as_text, electricity="0")
    rig.send(push)

    assert rig.event["data"]["payload"] == json.loads(push.body)


def test_an_alarm_without_a_device_is_an_alarm(rig: Rig[Any]) -> None:
    assert "device" not in _data(rig, {"action": "100"})


@pytest.mark.parametrize("body", [{"did": "D1"}, {"action": "100"}, _alarm(payload="garbage"), _alarm(type=[1])])
def test_an_alarm_with_less_in_it_than_the_page_says_is_an_alarm(rig: Rig[Any], body: Any) -> None:
    assert "media" not in _data(rig, body)


@pytest.mark.parametrize("body", [{}, [], "x", 5, None, {"type": "doorbell"}, {"region": "cn"}, {"Key": 5}])
def test_what_is_neither_of_the_two_messages_is_kept_and_said_to_be_so(rig: Rig[Any], body: Any) -> None:
    data = _data(rig, body)

    assert (data["kind"], data["reason"]) == ("unmapped", "neither an alarm nor a resource message")


# ─── The battery ──


@pytest.mark.parametrize("electricity", [9, 9.0, "9", "9%"])
@pytest.mark.parametrize("action", ["100", "101"])
def test_an_alarm_says_how_low_the_battery_is(rig: Rig[Any], action: str, electricity: Any) -> None:
    """Protocol B4."""
    assert _data(rig, _alarm({"electricity": electricity}, action=action))["battery"] == 9


@pytest.mark.parametrize("electricity", [None, "", "full", 3700, -1])
def test_a_battery_that_tells_no_share_is_in_the_payload_only(rig: Rig[Any], electricity: Any) -> None:
    data = _data(rig, _alarm({"electricity": electricity}))

    assert "battery" not in data
    assert data["payload"]["payload"]["electricity"] == electricity


@pytest.mark.parametrize("encoding", styles.ENCODINGS)
def test_an_alarm_that_was_compressed_on_its_way_is_read(rig: Rig[Any], encoding: str) -> None:
    """Reports 21."""
    assert rig.send(styles.encoded(ring(), encoding)).status == 200
    assert (rig.event["data"]["kind"], rig.event["data"]["recording_id"]) == ("motion_or_door", FILEID)


@pytest.mark.parametrize("style", styles.STYLES)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_an_alarm_is_read_in_whichever_style_it_is_written(rig: Rig[Any], style: str, times: int) -> None:
    body = json.loads(ring(as_text=times).body)

    assert rig.send(eye4_push(styles.STYLES[style](body))).status == 200
    assert (rig.event["data"]["recording_id"], rig.event["data"]["battery"]) == (FILEID, 87)


def test_a_body_that_is_encoded_twice_is_read(rig: Rig[Any]) -> None:
    assert _data(rig, json.dumps(_alarm({"fileid": FILEID})))["recording_id"] == FILEID


# ─── The recording ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("as_text", [False, True])
def test_an_alarm_with_a_fileid_has_a_recording_to_come(rig: Rig[Any], *, as_text: bool) -> None:
    rig.send(ring(as_text=as_text))

    data = rig.event["data"]
    assert (data["media"], data["recording_id"]) == ("pending", FILEID)


def test_the_fileid_is_the_vendors_own_but_for_spaces(rig: Rig[Any]) -> None:
    """The API is asked for the id unchanged."""
    assert _data(rig, _alarm({"fileid": f"{FILEID[:9].upper()} {FILEID[9:]}"}))["recording_id"] == (
        FILEID[:9].upper() + FILEID[9:]
    )


def test_an_unknown_action_may_have_a_recording(rig: Rig[Any]) -> None:
    assert _data(rig, _alarm({"fileid": FILEID}, action="177"))["media"] == "pending"


@pytest.mark.parametrize("action", ["101", 101])
def test_a_low_battery_never_waits_for_a_recording(rig: Rig[Any], action: Any) -> None:
    data = _data(rig, _alarm({"fileid": FILEID, "electricity": 0}, action=action))

    assert "media" not in data
    assert "recording_id" not in data
    assert data["payload"]["payload"]["electricity"] == 0


@pytest.mark.parametrize("payload", [{}, "", "{}", "no json", {"fileid": ""}, {"fileid": None}, {"fileid": " "}, [], 0])
def test_an_alarm_without_a_fileid_waits_for_nothing(rig: Rig[Any], payload: Any) -> None:
    data = _data(rig, _alarm(payload))

    assert "media" not in data
    assert "recording_id" not in data


# ─── The thumbnail ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        _alarm({"cover": COVER}),
        _alarm(json.dumps({"cover": COVER})),
        _alarm(cover=COVER),
        _alarm({"cover": COVER}, cover=COVER),
        _alarm("no json", cover=COVER),
        _alarm({"cover": ""}, cover=COVER),
    ],
    ids=["payload", "payload as text", "beside it", "both", "payload is garbage", "payload has none"],
)
def test_the_cover_is_one_link_wherever_it_stands(rig: Rig[Any], body: Any) -> None:
    assert _data(rig, body)["links"] == [{"role": "cover", "url": COVER, "expires_at": "2026-11-03T11:00:00.000000Z"}]


@pytest.mark.parametrize(
    ("query", "expires_at"),
    [
        ("e=1793703600", "2026-11-03T11:00:00.000000Z"),
        ("token=x&e=1793703600", "2026-11-03T11:00:00.000000Z"),
        ("e=0", None),
        ("e=", None),
        ("e=soon", None),
        ("e=99999999999999999999", None),
        ("e=" + "9" * 4000, None),
        ("E=1793703600", None),
        ("", None),
    ],
)
def test_a_link_expires_when_its_address_says_so(rig: Rig[Any], query: str, expires_at: str | None) -> None:
    (link,) = _data(rig, _alarm({"cover": f"https://a.eye4.cn/1.jpg?{query}"}))["links"]

    assert link.get("expires_at") == expires_at


@pytest.mark.parametrize("cover", ["http://[::1", "no address", "javascript:alert(1)", "http://169.254.169.254/?e=1"])
def test_a_cover_that_is_no_address_costs_the_alarm_nothing_and_is_never_called(rig: Rig[Any], cover: str) -> None:
    data = _data(rig, _alarm({"cover": cover, "fileid": FILEID}))

    # S15: consumers do not get it as a link either.
    assert data["links"] == []
    assert data["payload"]["payload"]["cover"] == cover


def test_a_cover_at_an_api_that_the_operator_set_is_a_link_wherever_that_is() -> None:
    def links(own: str) -> list[str]:
        payload = _alarm({"cover": "http://127.0.0.1:9000/1.jpg?e=1793703600"})
        builder = EventBuilder(vendor="eye4", account="A1", identity=["1"], received_at=NOW, payload=payload)
        (event,) = normalise(payload, builder, Verified("A1", NOW), hosts=Hosts(["*.eye4.cn"], own))
        assert isinstance(event.data, Alarm)
        return [link.url for link in event.data.links]

    assert links("http://127.0.0.1:9000") == ["http://127.0.0.1:9000/1.jpg?e=1793703600"]
    assert links("http://127.0.0.1:9001") == links("") == []


@pytest.mark.parametrize("cover", [None, "", " ", [], {}, False])
def test_no_cover_is_no_link(rig: Rig[Any], cover: Any) -> None:
    assert _data(rig, _alarm({"cover": cover}, cover=cover))["links"] == []
