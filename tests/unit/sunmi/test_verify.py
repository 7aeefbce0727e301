"""Whose a SUNMI push is: the signature, its age, and what one signed text can be made to say."""

from typing import Any

import pytest

from functions.sunmi.verify import signature
from gatehouse.telemetry import Count
from ops.simulators import sunmi as simulator
from tests.builders import FACE, NOW, SUNMI, URL, House, face_push, seconds, sunmi_form, sunmi_house
from tests.unit.conftest import Output

APP, KEY = SUNMI["app_id"], SUNMI["app_key"]
FIELDS = {
    "app_id": APP,
    "event": "2001",
    "payload": '{"ipc_id":"928","face_id":"1"}',
    "random": "N1",
    "shop_id": "10096",
    "timestamp": str(int(NOW.timestamp())),
}


def test_our_signature_is_the_one_of_each_known_push(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert vectors["sunmi"]
    for vector in vectors["sunmi"]:
        assert signature(vector["fields"].items(), vector["key"]).upper() == vector["sign"], vector["name"]


def test_the_simulators_signature_is_the_one_of_each_known_push(vectors: dict[str, list[dict[str, Any]]]) -> None:
    for vector in vectors["sunmi"]:
        assert simulator.sign(vector["fields"], vector["key"]) == vector["sign"], vector["name"]


def test_the_known_push_is_taken(sunmi: House[Any], vectors: dict[str, list[dict[str, Any]]]) -> None:
    vector = next(vector for vector in vectors["sunmi"] if vector["name"] == "face recognition push")
    sent_at = NOW.fromtimestamp(int(vector["fields"]["timestamp"]), tz=NOW.tzinfo)

    answer = sunmi.send(sunmi_form(vector["fields"], vector["sign"]), at=sent_at + seconds(3))

    assert (answer.status, answer.body) == (200, {"code": 0, "msg": "succeed", "data": {}})
    assert sunmi.event["data"]["person"]["id"] == "29195"


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signature_in_lower_case_is_accepted(sunmi: House[Any]) -> None:
    assert sunmi.send(sunmi_form(FIELDS, simulator.sign(FIELDS, KEY).lower())).status == 200


def test_a_signature_by_another_key_is_refused(sunmi: House[Any]) -> None:
    answer = sunmi.send(sunmi_form(FIELDS, simulator.sign(FIELDS, "another")))

    assert (answer.status, answer.reason) == (401, "wrong_signature")
    assert sunmi.is_untouched


@pytest.mark.parametrize("sign", ["", "0", "签名", "0" * 32, "f" * 100_00])
def test_what_is_no_signature_is_refused(sunmi: House[Any], sign: str) -> None:
    answer = sunmi.send(sunmi_form([*FIELDS.items(), ("sign", sign)]))

    assert (answer.status, answer.reason) == (401, "wrong_signature" if sign else "missing_signature")
    assert sunmi.is_untouched


def test_a_push_without_a_signature_is_refused(sunmi: House[Any]) -> None:
    assert sunmi.send(sunmi_form(FIELDS)).reason == "missing_signature"
    assert sunmi.is_untouched


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_that_was_changed_is_refused(sunmi: House[Any], name: str) -> None:
    forged = {**FIELDS, name: FIELDS[name] + "1"}

    answer = sunmi.send(sunmi_form(forged, simulator.sign(FIELDS, KEY)))

    assert (answer.status, answer.reason) == (401, "unknown_account" if name == "app_id" else "wrong_signature")
    assert sunmi.is_untouched


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_that_was_taken_away_is_refused(sunmi: House[Any], name: str) -> None:
    forged = {other: value for other, value in FIELDS.items() if other != name}

    assert sunmi.send(sunmi_form(forged, simulator.sign(FIELDS, KEY))).status == 401
    assert sunmi.is_untouched


def test_a_push_of_an_unknown_app_is_refused(sunmi: House[Any]) -> None:
    fields = {**FIELDS, "app_id": "somebody"}

    answer = sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY)))

    assert (answer.status, answer.reason) == (401, "unknown_account")


def test_a_push_without_an_app_is_refused(sunmi: House[Any]) -> None:
    assert sunmi.send(sunmi_form({"event": "2001"}, "0" * 32)).reason == "unknown_account"


TWO_APPS = {
    "accounts": [
        {"app_id": "first", "app_keys": ["key-1", "key-2"]},
        {"app_id": "second", "app_keys": ["key-3"]},
    ]
}


@pytest.mark.parametrize(("app_id", "key"), [("first", "key-1"), ("first", "key-2"), ("second", "key-3")])
def test_each_live_key_of_each_app_is_accepted(app_id: str, key: str) -> None:
    house = sunmi_house(TWO_APPS)
    push = simulator.request({"app_id": app_id, "app_key": key}, URL, 2001, FACE, at=NOW.timestamp())

    assert house.send(push).status == 200
    assert house.event["data"]["account"] == app_id


@pytest.mark.parametrize(("app_id", "key"), [("first", "key-3"), ("second", "key-1"), ("second", "")])
def test_the_key_of_one_app_does_not_sign_for_another(app_id: str, key: str) -> None:
    house = sunmi_house(TWO_APPS)
    push = simulator.request({"app_id": app_id, "app_key": key}, URL, 2001, FACE, at=NOW.timestamp())

    assert house.send(push).reason == "wrong_signature"
    assert house.is_untouched


def test_a_retry_that_is_signed_with_the_new_key_is_the_same_push() -> None:
    house = sunmi_house(TWO_APPS)
    for key in ("key-1", "key-2"):
        app = {"app_id": "first", "app_key": key}
        assert house.send(simulator.request(app, URL, 2001, FACE, at=NOW.timestamp(), nonce="N1")).status == 200

    assert len(house.stored) == 1


# ─── What is signed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_empty_values_may_be_signed(sunmi: House[Any]) -> None:
    fields = {**FIELDS, "shop_id": ""}

    assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200
    assert "site" not in sunmi.event["data"]


def test_empty_values_may_be_left_out_of_the_signature(sunmi: House[Any]) -> None:
    signed = {name: value for name, value in FIELDS.items() if name != "shop_id"}

    assert sunmi.send(sunmi_form({**signed, "shop_id": ""}, simulator.sign(signed, KEY))).status == 200
    assert "site" not in sunmi.event["data"]


def test_a_field_that_newer_platforms_add_is_signed_too(sunmi: House[Any]) -> None:
    fields = {**FIELDS, "sunmi_shop_no": "470826116009"}

    assert sunmi.send(sunmi_form(fields, simulator.sign(FIELDS, KEY))).reason == "wrong_signature"
    assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200
    assert sunmi.event["data"]["payload"]["sunmi_shop_no"] == "470826116009"


def test_values_are_signed_as_they_are_before_the_url_encoding(sunmi: House[Any]) -> None:
    push = face_push({**FACE, "group_name": "a+b c&d=e%20 设备 ☂"})

    assert sunmi.send(push).status == 200
    assert sunmi.event["data"]["person"]["group_name"] == "a+b c&d=e%20 设备 ☂"


def test_the_order_of_the_fields_does_not_matter(sunmi: House[Any]) -> None:
    pairs = list(FIELDS.items())
    for order in (pairs, pairs[::-1], sorted(pairs, key=lambda pair: pair[1])):
        assert sunmi.send(sunmi_form(order, simulator.sign(FIELDS, KEY))).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 1


# ─── One signed text, cut into other fields ───────────────────────────────────────────────────────────────────────────

LINKED = {**FIELDS, "event": "1010", "payload": '{"sn":"S1","video_url":"https://v.example.com/?a=1&q=2&=3"}'}
LINKED_SIGN = simulator.sign(LINKED, KEY)


def _text(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields))


PLAIN = {name: value for name, value in LINKED.items() if name != "payload"}
CUT = {
    "the payload goes on in a field of its own": {
        **PLAIN,
        "payload": '{"sn":"S1","video_url":"https://v.example.com/?a=1',
        "q": '2&=3"}',
    },
    "the payload swallows the fields behind it": {
        **{name: PLAIN[name] for name in ("app_id", "event", "timestamp")},
        "payload": LINKED["payload"] + "&random=N1&shop_id=10096",
    },
    "the payload begins in the name of its field": {
        **PLAIN,
        'payload={"sn":"S1","video_url":"https://v.example.com/?a': '1&q=2&=3"}',
    },
    "a plain field swallows the next one": {
        **{name: LINKED[name] for name in ("app_id", "event", "payload", "timestamp")},
        "random": "N1&shop_id=10096",
    },
}


@pytest.mark.parametrize("fields", CUT.values(), ids=CUT)
def test_a_push_cut_into_other_fields_gives_no_second_event(sunmi: House[Any], fields: dict[str, str]) -> None:
    assert _text(fields) == _text(LINKED)
    assert sunmi.send(sunmi_form(LINKED, LINKED_SIGN)).status == 200

    answer = sunmi.send(sunmi_form(fields, LINKED_SIGN))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_further_field_that_swallows_the_event_gives_no_second_event(sunmi: House[Any]) -> None:
    fields = {**LINKED, "company_id": "10000"}
    cut = {name: value for name, value in fields.items() if name != "event"} | {"company_id": "10000&event=1010"}
    sign = simulator.sign(fields, KEY)
    assert _text(cut) == _text(fields)
    assert sunmi.send(sunmi_form(fields, sign)).status == 200

    assert sunmi.send(sunmi_form(cut, sign)).reason == "malformed"
    assert len(sunmi.stored) == 1


def test_empty_fields_that_somebody_adds_give_no_second_event(sunmi: House[Any]) -> None:
    for more in ({}, {"void": ""}, {"void": "", "empty": ""}):
        assert sunmi.send(sunmi_form({**LINKED, **more}, LINKED_SIGN)).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_payload_that_is_not_json_gives_one_notice_however_it_is_cut(sunmi: House[Any]) -> None:
    whole = {**PLAIN, "payload": "{ code: 0, url: x?a=1&q=2 }"}
    cut = {**PLAIN, "payload": "{ code: 0, url: x?a=1", "q": "2 }"}
    assert _text(cut) == _text(whole)
    sign = simulator.sign(whole, KEY)
    assert [sunmi.send(sunmi_form(fields, sign)).status for fields in (whole, cut)] == [200, 200]

    assert sunmi.event["data"]["payload"]["payload"] == whole["payload"]


@pytest.mark.parametrize("payload", ['{"a":"&random=1&event=2"} ', ' {"a":"}&"}', '{"a":1} and more', "{}{}", "0&1"])
def test_a_payload_with_whatever_in_it_is_not_taken_for_cut(sunmi: House[Any], payload: str) -> None:
    assert sunmi.send(face_push(payload)).status == 200


def test_a_plain_field_that_holds_an_ampersand_is_refused(sunmi: House[Any]) -> None:
    assert sunmi.send(face_push(shop_id="1&2")).reason == "malformed"
    assert sunmi.is_untouched


# ─── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [0, 599, 600, 600.999])
def test_a_timestamp_up_to_the_limit_in_the_past_is_accepted(sunmi: House[Any], late: float) -> None:
    assert sunmi.send(face_push(), at=NOW + seconds(late)).status == 200


@pytest.mark.parametrize("late", [601, 86_400])
def test_a_timestamp_past_the_limit_is_stale(sunmi: House[Any], late: float) -> None:
    answer = sunmi.send(face_push(), at=NOW + seconds(late))

    assert (answer.status, answer.reason) == (401, "stale")
    assert f"{late} s old" in answer.body["error"]["message"]
    assert sunmi.is_untouched


@pytest.mark.parametrize("early", [1, 600])
def test_a_timestamp_up_to_the_limit_in_the_future_is_accepted(sunmi: House[Any], early: float) -> None:
    assert sunmi.send(face_push(), at=NOW - seconds(early)).status == 200


@pytest.mark.parametrize("early", [601, 86_400])
def test_a_timestamp_from_the_future_is_refused(sunmi: House[Any], early: float) -> None:
    answer = sunmi.send(face_push(), at=NOW - seconds(early))

    assert (answer.status, answer.reason) == (401, "future")
    assert sunmi.is_untouched


@pytest.mark.parametrize("timestamp", ["", "now", "1e9", "9" * 20, "9" * 5000, "-1" + "0" * 18, "2026-07-01"])
def test_a_signed_push_whose_timestamp_is_none_is_refused(sunmi: House[Any], timestamp: str) -> None:
    fields = {**FIELDS, "timestamp": timestamp}

    answer = sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY)))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert sunmi.is_untouched


def test_a_retry_of_the_same_push_is_answered_200_and_stored_once(sunmi: House[Any], output: Output) -> None:
    # 15 s, 30 s, 1 min and 2 min after one another
    for late in (0, 15, 45, 105, 225):
        assert sunmi.send(face_push(), at=NOW + seconds(late)).status == 200

    assert sunmi.event["data"]["received_at"] == "2026-07-01T12:00:00Z"
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1, Count.DUPLICATE: 4}


@pytest.mark.parametrize("change", [{"nonce": "N2"}, {"at": NOW.timestamp() + 1}, {"shop_id": "2"}, {"event": 1100}])
def test_a_push_that_differs_in_one_field_is_another_event(sunmi: House[Any], change: dict[str, Any]) -> None:
    sunmi.send(face_push())

    assert sunmi.send(face_push(**change)).status == 200
    assert len(sunmi.stored) == 2


# ─── What is no form ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xff\xfe",
        b"app_id=%ff",
        b"app_id=%ED%A0%80",
        b"app_id=2039dds&app_id=2039dds",
        b"&".join(b"f%d=1" % number for number in range(65)),
        b"app_id",
        b"&&&",
    ],
)
def test_a_body_that_is_no_form_is_refused(sunmi: House[Any], body: bytes) -> None:
    push = face_push()
    answer = sunmi.send(type(push)(url=push.url, body=body, headers=push.headers))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert sunmi.is_untouched


def test_an_empty_body_is_refused(sunmi: House[Any]) -> None:
    push = face_push()
    assert sunmi.send(type(push)(url=push.url, body=b"", headers=push.headers)).status in {400, 401}
    assert sunmi.is_untouched
