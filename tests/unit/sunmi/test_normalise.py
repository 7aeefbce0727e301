"""The events of SUNMI's pushes: every entry of the vendor's tables, and values that are in none."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.telemetry import Count
from ops.simulators import Request
from ops.simulators import sunmi as simulator
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sunmi import FACE, SUNMI, face_push, sunmi_form, sunmi_rig

MOTION = {
    "ipc_id": "29388",
    "sn": "FS101D8BS00080",
    "name": "设备1",
    "video_url": "https://videos.example.com/1?a=1&b=2",
    "model_name": "FM020",
    "motion_type": 1,
}


def test_a_face_is_a_recognition(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push())

    event = sunmi.event
    assert event["type"] == "gatehouse.recognition.v1"
    assert event["source"] == "urn:gatehouse:sunmi:2039dds"
    assert event["subject"] == "928"
    assert event["time"] == "2026-07-01T12:00:00.000000Z"
    data = event["data"]
    assert data.pop("payload")["payload"] == FACE
    assert data == {
        "vendor": "sunmi",
        "account": "2039dds",
        "device": "928",
        "site": "10096",
        "occurred_at": "2026-07-01T12:00:00.000000Z",
        "received_at": "2026-07-01T12:00:00.000000Z",
        "arrival": "live",
        "lag_ms": 0,
        "kind": "familiar",
        "person": {
            "kind": "familiar",
            "id": "29195",
            "group_id": "8927",
            "group_name": "熟客",
            "gender": "male",
            "age_from": 19,
            "age_to": 28,
            "groups": [],
        },
        "method": "face",
        "outcome": "recognised",
        "mask": "unknown",
        "stage": "recorded",
        "pictures": [],
    }


def test_the_payload_holds_every_field_but_the_signature(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push())

    assert sorted(sunmi.event["data"]["payload"]) == ["app_id", "event", "payload", "random", "shop_id", "timestamp"]


@pytest.mark.parametrize(
    ("gender", "expected"),
    [(1, "male"), (2, "female"), (0, "unknown"), (3, "unknown"), ("2", "female"), (None, "unknown")],
)
def test_gender(sunmi: Rig[Any], gender: object, expected: str) -> None:
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
def test_age_range(sunmi: Rig[Any], age_range: object, expected: tuple[int | None, int | None]) -> None:
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
def test_group_type(sunmi: Rig[Any], group_type: object, kind: str, outcome: str) -> None:
    sunmi.send(face_push({**FACE, "group_type": group_type}))

    data = sunmi.event["data"]
    assert (data["kind"], data["person"]["kind"], data["outcome"]) == (kind, kind, outcome)
    assert sunmi.topics.messages[0].attributes["kind"] == kind


def test_a_face_of_which_nothing_is_told_is_still_a_recognition(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push({}))

    event = sunmi.event
    assert event["type"] == "gatehouse.recognition.v1"
    assert "subject" not in event


@pytest.mark.parametrize(
    ("motion_type", "kind"),
    [(1, "motion"), (2, "sound"), (0, "unknown"), (3, "unknown"), ("2", "sound"), (True, "unknown")],
)
def test_motion_type(sunmi: Rig[Any], motion_type: object, kind: str) -> None:
    sunmi.send(face_push({**MOTION, "motion_type": motion_type}, event=1010))

    event = sunmi.event
    assert event["type"] == "gatehouse.alarm.v1"
    assert (event["data"]["kind"], event["data"]["severity"], event["data"]["state"]) == (kind, "low", "raised")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(document.cookie)",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/1.mp4",
        "http://localhost:8080/",
        "https://videos.example.com@10.0.0.1/",
        "file:///etc/passwd",
        "no address",
    ],
)
def test_a_video_that_leads_elsewhere_is_no_link(sunmi: Rig[Any], url: str) -> None:
    # S15: a script's address reached the topic, and so every program that shows events.
    sunmi.send(face_push({**MOTION, "video_url": url}, event=1010))

    data = sunmi.event["data"]
    assert data["links"] == []
    assert data["payload"]["payload"]["video_url"] == url


def test_a_motion_names_the_camera_and_links_the_video(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push(MOTION, event=1010))

    data = sunmi.event["data"]
    assert (data["device"], data["serial"], data["device_name"]) == ("29388", "FS101D8BS00080", "设备1")
    assert data["links"] == [{"role": "video", "url": "https://videos.example.com/1?a=1&b=2"}]
    assert data["payload"]["payload"]["model_name"] == "FM020"


@pytest.mark.parametrize("ipc_id", ["928", 928, 928.0, " 928 "])
def test_one_camera_is_one_device_in_all_its_events(sunmi: Rig[Any], ipc_id: object) -> None:
    """Protocol A7: all events of a camera have its `ipc_id`."""
    sunmi.send(face_push({**MOTION, "ipc_id": ipc_id}, event=1010))
    sunmi.send(face_push({**FACE, "ipc_id": "928"}, event=2001))

    assert {record.by_device for record in sunmi.store.records.values()} == {"sunmi#928"}


def test_a_motion_without_serial_number_and_video_names_the_camera_by_its_id(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push({**MOTION, "sn": "", "video_url": ""}, event=1010))

    data = sunmi.event["data"]
    assert (data["device"], data["links"], "serial" in data) == ("29388", [], False)


def test_a_motion_with_a_serial_number_only_is_better_than_one_of_no_device(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push({**MOTION, "ipc_id": None}, event=1010))

    assert (sunmi.event["data"]["device"], sunmi.event["data"]["serial"]) == ("FS101D8BS00080", "FS101D8BS00080")


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
def test_code_of_a_face_added(sunmi: Rig[Any], code: object, result: str, reason: str | None) -> None:
    sunmi.send(face_push({"code": code, "msg": "so", "face_id": 123}, event=1100))

    event = sunmi.event
    assert event["type"] == "gatehouse.notice.v1"
    data = event["data"]
    assert (data["kind"], data["result"], data.get("reason")) == ("face_registered", result, reason)
    assert (data["message"], data["reference"]) == ("so", {"face_id": "123"})


@pytest.mark.parametrize(
    ("code", "face_id", "reference"),
    [
        (5527, 0, {}),
        (5000, "0", {}),
        (None, 0.0, {}),
        (5527, 195, {"face_id": "195"}),
        (0, 195, {"face_id": "195"}),
        (0, None, {}),
    ],
)
def test_a_face_that_was_not_added_is_no_reference(
    sunmi: Rig[Any], code: object, face_id: object, reference: dict[str, str]
) -> None:
    sunmi.send(face_push({"code": code, "msg": "", "face_id": face_id}, event=1100))

    assert sunmi.event["data"]["reference"] == reference


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        ('{"goods": [{"id": 0, "price": 0.0}]}', {"goods": [{"id": 0, "price": 0.0}]}),
        ('[{"id": 0}]', [{"id": 0}]),
        ("[]", []),
        ('"text"', "text"),
        ('"{\\"price\\": 0}"', {"price": 0}),
        ("12.50", 12.5),
        ("true", True),
        ("text, and 1&2 more", "text, and 1&2 more"),
        ("{ price: 0 }", "{ price: 0 }"),
        ("0&1", "0&1"),
        ("", ""),
    ],
)
def test_a_changed_price_is_a_notice_with_its_payload_as_it_is(sunmi: Rig[Any], payload: str, kept: object) -> None:
    sunmi.send(face_push(payload, event=4100))

    data = sunmi.event["data"]
    assert (data["kind"], data["payload"]["payload"]) == ("price_changed", kept)


@pytest.mark.parametrize("payload", [None, "null"])
def test_a_changed_price_of_which_nothing_is_told_is_a_notice(sunmi: Rig[Any], payload: str | None) -> None:
    sunmi.send(_signed({"event": "4100"} if payload is None else {"event": "4100", "payload": payload}))

    assert sunmi.event["data"]["kind"] == "price_changed"


def _signed(more: dict[str, str]) -> Request:
    """A push with just these fields."""
    fields = {"app_id": SUNMI["app_id"], "timestamp": "1782907200", "random": "N1", "shop_id": "10096", **more}
    return sunmi_form(fields, simulator.sign(fields, SUNMI["app_key"]))


# ─── Where ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_shop_is_no_site(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push(shop_id=""))

    assert "site" not in sunmi.event["data"]
    assert sunmi.event["data"]["payload"]["shop_id"] == ""


@pytest.mark.parametrize("shop_id", ["", " ", None])
@pytest.mark.parametrize(
    ("event", "payload"),
    [(1010, MOTION), (1100, {"code": 0}), (2001, FACE), (4100, "1"), (6001, {"id": "1"}), (9999, {})],
)
def test_a_shop_that_is_known_by_its_number_only_is_a_site(
    sunmi: Rig[Any], shop_id: str | None, event: int, payload: Any
) -> None:
    sunmi.send(face_push(payload, event=event, shop_id=shop_id, sunmi_shop_no="470826116009"))

    assert sunmi.event["data"]["site"] == "470826116009"
    assert sunmi.topics.messages[0].attributes["site"] == "470826116009"


def test_a_shop_that_is_known_by_both_is_the_operators(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push(shop_id="10096", sunmi_shop_no="470826116009"))

    assert sunmi.event["data"]["site"] == "10096"


# ─── Receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

RECEIPT = {"id": "70dcd2f600e45736e1", "sn": "N302D9WZC0064", "seq": "16354077750"}
REFERENCE = {"receipt_id": "70dcd2f600e45736e1", "seq": "16354077750"}
PICTURE = b"\x89PNG\r\n\x1a\n" + b"a receipt" * 50
IN_BASE64 = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize("event", [6001, 6002, 6003, 6004])
def test_a_receipt_is_a_notice_of_its_printer(sunmi: Rig[Any], event: int) -> None:
    sunmi.send(face_push({**RECEIPT, "text": "Tea & cake", "order_id": "1"}, event=event))

    data = sunmi.event["data"]
    assert (data["kind"], data["code"], data["device"], data["reference"]) == (
        "receipt",
        event,
        "N302D9WZC0064",
        REFERENCE,
    )
    assert data["payload"]["payload"]["text"] == "Tea & cake"


def test_a_receipt_of_an_older_platform_has_a_number_and_no_upload(sunmi: Rig[Any]) -> None:
    sunmi.send(face_push({"id": 123, "sn": "sn", "text": "abc"}, event=6001))

    assert sunmi.event["data"]["reference"] == {"receipt_id": "123"}


@pytest.mark.parametrize(
    "text",
    [
        IN_BASE64,
        IN_BASE64.rstrip("="),
        base64.urlsafe_b64encode(PICTURE).decode(),
        base64.encodebytes(PICTURE).decode(),
        f"data:image/png;base64,{IN_BASE64}",
    ],
)
@pytest.mark.parametrize("event", [6001, 6002, 9999])
def test_the_picture_of_a_receipt_goes_into_the_bucket_and_into_no_event(
    sunmi: Rig[Any], event: int, text: str
) -> None:
    assert sunmi.send(face_push({**RECEIPT, "base64_image": text}, event=event)).status == 200

    (picture,) = sunmi.event["data"]["pictures"]
    assert (picture["role"], picture["content_type"], picture["size"]) == ("receipt", "image/png", len(PICTURE))
    assert picture["key"] == f"sunmi/{sunmi.event['id']}/receipt-{hashlib.sha256(PICTURE).hexdigest()}.png"
    assert sunmi.media.pictures[picture["key"]].data == PICTURE
    assert sunmi.event["data"]["payload"]["payload"] == RECEIPT
    assert "base64" not in json.dumps(sunmi.event)


_DEEP: list[Any] = [
    {**RECEIPT, "data": {"base64_image": IN_BASE64}},
    {**RECEIPT, "data": [{"receipts": [{"Base64-Image": IN_BASE64}]}]},
    {**RECEIPT, "base64Image": IN_BASE64},
    {**RECEIPT, "BASE64_IMAGE": IN_BASE64},
    {**RECEIPT, "data": json.dumps({"base64_image": IN_BASE64, "more": "m" * 200})},
    {**RECEIPT, "logo": base64.b64encode(PICTURE + bytes(200)).decode()},
    {**RECEIPT, "logos": ["data:image/png;base64," + base64.b64encode(PICTURE + bytes(200)).decode()]},
]


@pytest.mark.parametrize("event", [6002, 4100, 9999])
@pytest.mark.parametrize("payload", _DEEP)
def test_a_picture_is_in_no_event_wherever_it_stands(sunmi: Rig[Any], payload: Any, event: int) -> None:
    assert sunmi.send(face_push(payload, event=event)).status == 200

    assert IN_BASE64[:20] not in json.dumps(sunmi.event)
    (picture,) = sunmi.event["data"]["pictures"]
    assert (picture["role"], picture["content_type"]) == ("receipt", "image/png")
    assert sunmi.media.pictures[picture["key"]].data.startswith(PICTURE)


@pytest.mark.parametrize("event", [6002, 4100])
def test_a_picture_in_a_field_of_the_form_is_in_no_event(sunmi: Rig[Any], event: int) -> None:
    assert sunmi.send(face_push(RECEIPT, event=event, base64_image=IN_BASE64)).status == 200

    assert IN_BASE64 not in json.dumps(sunmi.event)
    assert [one["role"] for one in sunmi.event["data"]["pictures"]] == ["receipt"]
    assert sunmi.event["data"]["payload"]["payload"] == RECEIPT


def test_each_of_two_pictures_is_stored(sunmi: Rig[Any]) -> None:
    other = base64.b64encode(PICTURE + b"2").decode()
    sunmi.send(face_push({**RECEIPT, "base64_image": IN_BASE64, "b": {"base64_image": other}}, event=6002))

    assert sorted(one["role"] for one in sunmi.event["data"]["pictures"]) == ["receipt", "receipt_2"]
    assert len(sunmi.media.pictures) == 2


def test_a_long_text_that_holds_json_without_a_picture_stays_a_text(sunmi: Rig[Any]) -> None:
    text = json.dumps({"items": ["tea"] * 100})
    sunmi.send(face_push({**RECEIPT, "text": text}, event=6001))

    assert sunmi.event["data"]["payload"]["payload"]["text"] == text


@pytest.mark.parametrize("text", ["§ no base64", ["a", "list"], {"a": "b"}, 7, True])
def test_a_picture_that_cannot_be_decoded_is_said_and_kept_in_no_form(sunmi: Rig[Any], text: object) -> None:
    assert sunmi.send(face_push({**RECEIPT, "base64_image": text}, event=6002)).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["pictures"]) == ("receipt", [{"role": "receipt", "error": "undecodable"}])
    assert data["payload"]["payload"] == RECEIPT
    assert sunmi.media.pictures == {}


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_picture_is_no_picture(sunmi: Rig[Any], nothing: object) -> None:
    sunmi.send(face_push({**RECEIPT, "base64_image": nothing}, event=6002))

    assert sunmi.event["data"]["pictures"] == []


def test_a_picture_of_a_megabyte_is_taken(sunmi: Rig[Any]) -> None:
    large = base64.b64encode(b"\xff\xd8\xff" + b"\xfb\xff\xfe" * 261_000).decode()
    push = face_push({**RECEIPT, "base64_image": large}, event=6002)
    assert 1024 * 1024 < len(push.body) < 3 * 1024 * 1024

    assert sunmi.send(push).status == 200
    (upload,) = sunmi.media.pictures.values()
    assert upload.content_type == "image/jpeg"


@pytest.mark.parametrize("text", ["小票" * 170_000, "Tea & cake\n" * 90_000])
def test_the_text_of_a_megabyte_is_taken_and_lies_where_there_is_room(sunmi: Rig[Any], text: str) -> None:
    assert sunmi.send(face_push({**RECEIPT, "text": text}, event=6001)).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["reference"], "payload" in data) == ("receipt", REFERENCE, False)
    assert json.loads(sunmi.media.pictures[data["body"]["key"]].data)["payload"]["text"] == text


def test_a_retry_of_a_picture_is_one_event_and_one_picture(sunmi: Rig[Any]) -> None:
    push = face_push({**RECEIPT, "base64_image": IN_BASE64}, event=6002)
    for again in (push, push, replace(push, body=push.body + b"&")):
        assert sunmi.send(again).status == 200

    assert len(sunmi.stored) == len(sunmi.media.pictures) == 1


# ─── In no table ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", [0, 2002, 10**18])
def test_an_unknown_event_is_kept_as_unmapped(sunmi: Rig[Any], output: Output, event: int) -> None:
    assert sunmi.send(face_push(event=event)).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["reason"]) == (
        "unmapped",
        "event is not one of 1010, 1100, 2001, 4100, 6001, 6002, 6003, 6004",
    )
    assert data["payload"]["payload"] == FACE
    assert (data["site"], data["occurred_at"]) == ("10096", "2026-07-01T12:00:00.000000Z")
    assert output.counted[Count.UNMAPPED] == 1


UNREADABLE = [
    "",
    "{ code: 0, msg: '' }",
    "[" * 500 + "]" * 500,
    "9" * 5000,
    "设备 \ufffe \x00",
    '{"base64_image": "/9j/4AAQ',
    '{"face_id": "\udcff\udcff1"}',
    '{"face_id": 1} and more',
    "[]",
    "null",
    "0",
    '"text"',
    "true",
    "[[1]]",
    '[{"base64_image": "/9j/4AAQ"}]',
]


@pytest.mark.parametrize("event", [1010, 1100, 2001, 6001, 6002, 6003, 6004, 9999])
@pytest.mark.parametrize("payload", UNREADABLE)
def test_a_payload_that_cannot_be_read_is_kept_where_no_subscriber_looks(
    sunmi: Rig[Any], output: Output, payload: str, event: int
) -> None:
    push = face_push(payload, event=event, at=1_782_907_199)
    assert sunmi.send(push).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], data["reason"], "payload" in data) == ("unmapped", "payload is no JSON object", False)
    assert (data["site"], data["occurred_at"]) == ("10096", "2026-07-01T11:59:59.000000Z")
    assert data["body"]["key"].startswith("unreadable/sunmi/")
    assert sunmi.media.pictures[data["body"]["key"]].data == push.body
    assert output.counted == {Count.UNMAPPED: 1, Count.RECORDED: 1, Count.PUBLISHED: 1}


@pytest.mark.parametrize("payload", ["{ no JSON", FACE])
@pytest.mark.parametrize("event", [2001, 9999])
def test_what_is_too_large_for_an_event_is_kept_all_the_same(sunmi: Rig[Any], payload: Any, event: int) -> None:
    push = face_push(payload, event=event, shop_id="x" * 500_000)
    assert sunmi.send(push).status == 200

    data = sunmi.event["data"]
    assert (data["kind"], "site" in data, data["occurred_at"]) == ("unmapped", False, "2026-07-01T12:00:00.000000Z")


@pytest.mark.parametrize("depth", [150, 198, 199, 200, 201, 250, 1000, 100_000])
@pytest.mark.parametrize("event", [2001, 4100, 9999])
def test_a_payload_of_any_depth_is_kept(sunmi: Rig[Any], depth: int, event: int) -> None:
    assert sunmi.send(face_push('{"a":' * depth + "0" + "}" * depth, event=event)).status == 200

    assert len(sunmi.stored) == 1


@settings(max_examples=300, deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from(["event", "payload", "shop_id", "sunmi_shop_no", "x"]), st.binary(max_size=30)
    ),
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*FACE, *MOTION, "id", "seq", "code", "base64_image"]), inner, max_size=5)
        ),
    ),
    event=st.sampled_from(["1010", "1100", "2001", "4100", "6001", "6002", "9999"]),
)
def test_whatever_is_signed_is_one_event(fields: dict[str, bytes], payload: Any, event: str) -> None:
    rig = sunmi_rig()
    odd = {name: value.decode(errors="surrogateescape") for name, value in fields.items()}
    for more in ({"event": event, "payload": json.dumps(payload), **odd}, {"event": event, **odd}):
        assert rig.send(_signed(more)).status == 200

    assert len(rig.stored) == len(rig.published) == (1 if "payload" in odd else 2)


def test_a_push_without_a_payload_is_kept_as_unmapped(sunmi: Rig[Any]) -> None:
    assert sunmi.send(_signed({"event": "2001"})).status == 200

    assert sunmi.event["data"]["kind"] == "unmapped"


# ─── However it is written ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "payload",
    [
        '{"face_id": 7, "ipc_id": NaN}',
        '{"face_id": 7, "gender": 1e999}',
        '{"face_id": 7, "group_id": -Infinity}',
        '\ufeff{"face_id": "7"}',
        '{"face_id": "7"}\0',
        ' \r\n{"face_id": "7", "group_name": "a\tb\nc"}\n\0\0',
        '{"face_id": "7", "group_name": "\\ud842"}',
        '{"face_id": "7", "group_name": "熟\udce5\udcae"}',
        '{"face_id": 7.0}',
        '{"face_id": "7", "face_id": "7"}',
        '"{\\"face_id\\": \\"7\\"}"',
    ],
)
def test_a_payload_is_read_however_it_is_written(sunmi: Rig[Any], payload: str) -> None:
    assert sunmi.send(face_push(payload)).status == 200

    assert sunmi.event["data"]["person"]["id"] == "7"


@pytest.mark.parametrize("event", ["2001", "2001.0", " 2001", "+2001"])
def test_the_number_of_an_event_is_a_number_however_it_is_written(sunmi: Rig[Any], event: str) -> None:
    assert sunmi.send(_signed({"event": event, "payload": json.dumps(FACE)})).status == 200

    assert sunmi.event["data"]["person"]["id"] == "29195"


@pytest.mark.parametrize("value", [[], {}, True, None, 1.5, "", "x" * 10_000])
@pytest.mark.parametrize("name", sorted(FACE))
def test_a_field_that_is_odd_does_not_hide_the_recognition(sunmi: Rig[Any], name: str, value: object) -> None:
    assert sunmi.send(face_push({**FACE, name: value})).status == 200

    data = sunmi.event["data"]
    assert data["method"] == "face"
    assert data["payload"]["payload"][name] == value
