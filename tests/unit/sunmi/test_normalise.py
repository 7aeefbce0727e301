"""What a SUNMI push means: the four events, their tables, and what is in none of them."""

from typing import Any

import pytest

from gatehouse.telemetry import Count
from tests.builders import FACE, House, face_push
from tests.unit.conftest import Output

MOTION = {
    "ipc_id": "29388",
    "sn": "FS101D8BS00080",
    "name": "设备1",
    "video_url": "https://videos.example.com/1?a=1&b=2",
    "model_name": "FM020",
    "motion_type": 1,
}


def test_a_face_is_a_recognition(sunmi: House[Any]) -> None:
    sunmi.send(face_push())

    event = sunmi.event
    assert event["type"] == "gatehouse.recognition.v1"
    assert event["source"] == "urn:gatehouse:sunmi:2039dds"
    assert event["subject"] == "928"
    assert event["time"] == "2026-07-01T12:00:00Z"
    data = event["data"]
    assert data.pop("payload")["payload"] == FACE
    assert data == {
        "vendor": "sunmi",
        "account": "2039dds",
        "device": "928",
        "site": "10096",
        "occurred_at": "2026-07-01T12:00:00Z",
        "received_at": "2026-07-01T12:00:00Z",
        "kind": "familiar",
        "person": {
            "kind": "familiar",
            "id": "29195",
            "group_id": "8927",
            "group_name": "熟客",
            "gender": "male",
            "age_from": 19,
            "age_to": 28,
        },
        "method": "face",
        "outcome": "recognised",
        "mask": "unknown",
        "stage": "recorded",
        "pictures": [],
    }


def test_the_payload_holds_every_field_but_the_signature(sunmi: House[Any]) -> None:
    sunmi.send(face_push())

    assert sorted(sunmi.event["data"]["payload"]) == ["app_id", "event", "payload", "random", "shop_id", "timestamp"]


@pytest.mark.parametrize(
    ("gender", "expected"),
    [(1, "male"), (2, "female"), (0, "unknown"), (3, "unknown"), ("2", "female"), (None, "unknown")],
)
def test_gender(sunmi: House[Any], gender: object, expected: str) -> None:
    sunmi.send(face_push({**FACE, "gender": gender}))

    assert sunmi.event["data"]["person"]["gender"] == expected


@pytest.mark.parametrize(
    ("age_range", "expected"),
    [
        (1, (0, 6)),
        (2, (7, 12)),
        (3, (13, 18)),
        (4, (19, 28)),
        (5, (29, 35)),
        (6, (36, 45)),
        (7, (46, 55)),
        (8, (56, None)),
        ("8", (56, None)),
        (0, (None, None)),
        (9, (None, None)),
        (10**400, (None, None)),
        ("about 30", (None, None)),
    ],
)
def test_age_range(sunmi: House[Any], age_range: object, expected: tuple[int | None, int | None]) -> None:
    sunmi.send(face_push({**FACE, "age_range": age_range}))

    person = sunmi.event["data"]["person"]
    assert (person.get("age_from"), person.get("age_to")) == expected


@pytest.mark.parametrize(
    ("group_type", "kind", "outcome"),
    [
        (1, "stranger", "not_recognised"),
        (2, "familiar", "recognised"),
        (3, "staff", "recognised"),
        (5, "custom", "recognised"),
        (4, "unknown", "unknown"),
        (None, "unknown", "unknown"),
    ],
)
def test_group_type(sunmi: House[Any], group_type: object, kind: str, outcome: str) -> None:
    sunmi.send(face_push({**FACE, "group_type": group_type}))

    data = sunmi.event["data"]
    assert (data["kind"], data["person"]["kind"], data["outcome"]) == (kind, kind, outcome)
    assert sunmi.topics.messages[0].attributes["kind"] == kind


def test_a_face_of_which_nothing_is_told_is_still_a_recognition(sunmi: House[Any]) -> None:
    sunmi.send(face_push({}))

    event = sunmi.event
    assert event["type"] == "gatehouse.recognition.v1"
    assert "subject" not in event


@pytest.mark.parametrize(
    ("motion_type", "kind"),
    [(1, "motion"), (2, "sound"), (0, "unknown"), (3, "unknown"), ("2", "sound"), (True, "unknown")],
)
def test_motion_type(sunmi: House[Any], motion_type: object, kind: str) -> None:
    sunmi.send(face_push({**MOTION, "motion_type": motion_type}, event=1010))

    event = sunmi.event
    assert event["type"] == "gatehouse.alarm.v1"
    assert (event["data"]["kind"], event["data"]["severity"], event["data"]["state"]) == (kind, "low", "raised")


def test_a_motion_names_the_camera_by_its_serial_number_and_links_the_video(sunmi: House[Any]) -> None:
    sunmi.send(face_push(MOTION, event=1010))

    data = sunmi.event["data"]
    assert data["device"] == "FS101D8BS00080"
    assert data["links"] == [{"role": "video", "url": "https://videos.example.com/1?a=1&b=2"}]
    assert data["payload"]["payload"]["name"] == "设备1"


def test_a_motion_without_serial_number_and_video_names_the_camera_by_its_id(sunmi: House[Any]) -> None:
    sunmi.send(face_push({**MOTION, "sn": "", "video_url": ""}, event=1010))

    data = sunmi.event["data"]
    assert (data["device"], data["links"]) == ("29388", [])


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        (0, "success", None),
        (5527, "failure", "bad_face_image"),
        (5000, "failure", "database_error"),
        (1234, "failure", None),
        ("0", "success", None),
        (None, "unknown", None),
        ("fine", "unknown", None),
    ],
)
def test_code_of_a_face_added(sunmi: House[Any], code: object, result: str, reason: str | None) -> None:
    sunmi.send(face_push({"code": code, "msg": "so", "face_id": 123}, event=1100))

    event = sunmi.event
    assert event["type"] == "gatehouse.notice.v1"
    data = event["data"]
    assert (data["kind"], data["result"], data.get("reason")) == ("face_registered", result, reason)
    assert (data["message"], data["reference"]) == ("so", {"face_id": "123"})


def test_a_changed_price_is_a_notice_with_its_payload_as_it_is(sunmi: House[Any]) -> None:
    sunmi.send(face_push({"goods": [{"id": 0, "price": 0.0}]}, event=4100))

    data = sunmi.event["data"]
    assert (data["kind"], data["payload"]["payload"]) == ("price_changed", {"goods": [{"id": 0, "price": 0.0}]})


def test_an_empty_shop_is_no_site(sunmi: House[Any]) -> None:
    sunmi.send(face_push(shop_id=""))

    assert "site" not in sunmi.event["data"]
    assert sunmi.event["data"]["payload"]["shop_id"] == ""


# ─── In no table ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", [0, 2002, 10**18])
def test_an_unknown_event_is_kept_as_unmapped(sunmi: House[Any], output: Output, event: int) -> None:
    assert sunmi.send(face_push(event=event)).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "event is not one of 1010, 1100, 2001, 4100")
    assert data["payload"]["payload"] == FACE
    assert output.counted[Count.UNMAPPED] == 1


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{ code: 0, msg: '' }",
        '{"face_id": NaN}',
        '{"face_id": 1e999}',
        '{"face_id": "\\ud800"}',
        "[" * 500 + "]" * 500,
        "9" * 5000,
        "设备 ￾ \x00",
    ],
)
def test_a_payload_that_is_not_json_is_kept_as_unmapped_with_its_text(
    sunmi: House[Any], output: Output, payload: str
) -> None:
    assert sunmi.send(face_push(payload)).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["payload"]["payload"]) == ("unmapped", payload)
    assert output.counted == {Count.UNMAPPED: 1, Count.RECORDED: 1, Count.PUBLISHED: 1}


@pytest.mark.parametrize("payload", ["[]", "null", "0", '"text"', "true", "[[1]]"])
def test_a_payload_that_is_no_object_is_kept_as_unmapped(sunmi: House[Any], payload: str) -> None:
    assert sunmi.send(face_push(payload)).status == 200

    assert sunmi.event["data"]["kind"] == "unmapped"


@pytest.mark.parametrize("value", [[], {}, True, None, 1.5, "", "x" * 10_000])
@pytest.mark.parametrize("name", sorted(FACE))
def test_a_field_that_is_odd_does_not_hide_the_recognition(sunmi: House[Any], name: str, value: object) -> None:
    assert sunmi.send(face_push({**FACE, name: value})).status == 200

    data = sunmi.event["data"]
    assert data["method"] == "face"
    assert data["payload"]["payload"][name] == value
