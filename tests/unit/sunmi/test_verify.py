"""The authenticity of SUNMI's pushes: the signature, its age, and the forms that one signed text can be cut into."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.sunmi.handler import SunmiSettings
from functions.sunmi.verify import BODY_LIMIT, signature
from functions.sunmi.wire import Accounts
from gatehouse.telemetry import Count
from ops.simulators import sunmi as simulator
from tests.builders import ENVIRONMENT, NOW, URL, seconds
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sunmi import FACE, SUNMI, face_push, sunmi_form, sunmi_rig

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


def test_the_known_push_is_taken(sunmi: Rig[Any], vectors: dict[str, list[dict[str, Any]]]) -> None:
    vector = next(vector for vector in vectors["sunmi"] if vector["name"] == "face recognition push")
    sent_at = NOW.fromtimestamp(int(vector["fields"]["timestamp"]), tz=NOW.tzinfo)

    answer = sunmi.send(sunmi_form(vector["fields"], vector["sign"]), at=sent_at + seconds(3))

    assert (answer.status, answer.body) == (200, {"code": 0, "msg": "succeed", "data": {}})
    assert sunmi.event["data"]["person"]["id"] == "29195"


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signature_in_lower_case_is_accepted(sunmi: Rig[Any]) -> None:
    assert sunmi.send(sunmi_form(FIELDS, simulator.sign(FIELDS, KEY).lower())).status == 200


def test_a_signature_by_another_key_is_refused(sunmi: Rig[Any]) -> None:
    answer = sunmi.send(sunmi_form(FIELDS, simulator.sign(FIELDS, "another")))

    assert (answer.status, answer.reason) == (401, "wrong_signature")
    assert sunmi.is_untouched


@pytest.mark.parametrize("sign", ["", "0", "签名", "0" * 32, "f" * 100_00])
def test_what_is_no_signature_is_refused(sunmi: Rig[Any], sign: str) -> None:
    answer = sunmi.send(sunmi_form([*FIELDS.items(), ("sign", sign)]))

    assert (answer.status, answer.reason) == (401, "wrong_signature" if sign else "missing_signature")
    assert sunmi.is_untouched


def test_a_push_without_a_signature_is_refused(sunmi: Rig[Any]) -> None:
    assert sunmi.send(sunmi_form(FIELDS)).reason == "missing_signature"
    assert sunmi.is_untouched


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_that_was_changed_is_refused(sunmi: Rig[Any], name: str) -> None:
    forged = {**FIELDS, name: FIELDS[name] + "1"}

    answer = sunmi.send(sunmi_form(forged, simulator.sign(FIELDS, KEY)))

    assert (answer.status, answer.reason) == (401, "unknown_account" if name == "app_id" else "wrong_signature")
    assert sunmi.is_untouched


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_field_that_was_taken_away_is_refused(sunmi: Rig[Any], name: str) -> None:
    forged = {other: value for other, value in FIELDS.items() if other != name}

    assert sunmi.send(sunmi_form(forged, simulator.sign(FIELDS, KEY))).status == 401
    assert sunmi.is_untouched


def test_a_push_of_an_unknown_app_is_refused(sunmi: Rig[Any]) -> None:
    fields = {**FIELDS, "app_id": "somebody"}

    answer = sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY)))

    assert (answer.status, answer.reason) == (401, "unknown_account")


def test_a_push_without_an_app_is_refused(sunmi: Rig[Any]) -> None:
    assert sunmi.send(sunmi_form({"event": "2001"}, "0" * 32)).reason == "unknown_account"


TWO_APPS = {
    "accounts": [
        {"app_id": "first", "app_keys": ["key-1", "key-2"]},
        {"app_id": "second", "app_keys": ["key-3"]},
    ]
}


@pytest.mark.parametrize(("app_id", "key"), [("first", "key-1"), ("first", "key-2"), ("second", "key-3")])
def test_each_live_key_of_each_app_is_accepted(app_id: str, key: str) -> None:
    rig = sunmi_rig(TWO_APPS)
    push = simulator.request({"app_id": app_id, "app_key": key}, URL, 2001, FACE, at=NOW.timestamp())

    assert rig.send(push).status == 200
    assert rig.event["data"]["account"] == app_id


@pytest.mark.parametrize(("app_id", "key"), [("first", "key-3"), ("second", "key-1"), ("second", "")])
def test_the_key_of_one_app_does_not_sign_for_another(app_id: str, key: str) -> None:
    rig = sunmi_rig(TWO_APPS)
    push = simulator.request({"app_id": app_id, "app_key": key}, URL, 2001, FACE, at=NOW.timestamp())

    assert rig.send(push).reason == "wrong_signature"
    assert rig.is_untouched


def test_a_retry_that_is_signed_with_the_new_key_is_the_same_push() -> None:
    rig = sunmi_rig(TWO_APPS)
    for key in ("key-1", "key-2"):
        app = {"app_id": "first", "app_key": key}
        assert rig.send(simulator.request(app, URL, 2001, FACE, at=NOW.timestamp(), nonce="N1")).status == 200

    assert len(rig.stored) == 1


@pytest.mark.parametrize("key", ["", " ", "\t\n"])
def test_an_empty_key_is_refused_when_the_secret_is_read_and_named(key: str) -> None:
    with pytest.raises(ValueError, match=r"app_keys\.1\b[^§]*is empty"):
        Accounts.model_validate({"accounts": [{"app_id": "first", "app_keys": ["key-1", key]}]})


# ─── What is signed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_empty_values_may_be_signed(sunmi: Rig[Any]) -> None:
    fields = {**FIELDS, "shop_id": ""}

    assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200
    assert "site" not in sunmi.event["data"]


def test_empty_values_may_be_left_out_of_the_signature(sunmi: Rig[Any]) -> None:
    signed = {name: value for name, value in FIELDS.items() if name != "shop_id"}

    assert sunmi.send(sunmi_form({**signed, "shop_id": ""}, simulator.sign(signed, KEY))).status == 200
    assert "site" not in sunmi.event["data"]


def test_a_field_that_newer_platforms_add_is_signed_too(sunmi: Rig[Any]) -> None:
    fields = {**FIELDS, "sunmi_shop_no": "470826116009"}

    assert sunmi.send(sunmi_form(fields, simulator.sign(FIELDS, KEY))).reason == "wrong_signature"
    assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200
    assert sunmi.event["data"]["payload"]["sunmi_shop_no"] == "470826116009"


def test_values_are_signed_as_they_are_before_the_url_encoding(sunmi: Rig[Any]) -> None:
    push = face_push({**FACE, "group_name": "a+b c&d=e%20 设备 ☂"})

    assert sunmi.send(push).status == 200
    assert sunmi.event["data"]["person"]["group_name"] == "a+b c&d=e%20 设备 ☂"


def test_the_order_of_the_fields_does_not_matter(sunmi: Rig[Any]) -> None:
    pairs = list(FIELDS.items())
    for order in (pairs, pairs[::-1], sorted(pairs, key=lambda pair: pair[1])):
        assert sunmi.send(sunmi_form(order, simulator.sign(FIELDS, KEY))).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_form_that_ends_in_an_ampersand_is_read(sunmi: Rig[Any]) -> None:
    """Reports 6: a trailing `&` is legal in a form."""
    push = face_push()

    assert sunmi.send(replace(push, body=b"&" + push.body.replace(b"&", b"&&") + b"&")).status == 200
    assert sunmi.event["data"]["device"] == "928"


def test_a_content_type_with_parameters_is_a_form(sunmi: Rig[Any]) -> None:
    push = face_push()
    content_type = "application/x-www-form-urlencoded;param=value;charset=UTF-8"

    assert sunmi.send(replace(push, headers={"content-type": content_type})).status == 200
    assert sunmi.event["data"]["device"] == "928"


def test_a_name_without_an_equals_sign_is_an_empty_field(sunmi: Rig[Any]) -> None:
    """Reports 6: a name without `=` is legal in a form."""
    fields = {**FIELDS, "shop_id": ""}
    push = sunmi_form(fields, simulator.sign(fields, KEY))

    assert sunmi.send(replace(push, body=push.body.replace(b"shop_id=", b"shop_id"))).status == 200
    assert sunmi.event["data"]["payload"]["shop_id"] == ""


@pytest.mark.parametrize(
    "shop_id", ["M&S-12", "&", "a&b", "R&D=1", "a=b&c=d", "A&timestamp=1", "A&event=2", "A&shop_id=5", "A&payload=5"]
)
def test_a_shop_with_an_ampersand_in_its_id_is_a_site(sunmi: Rig[Any], shop_id: str) -> None:
    """Reports 7: `&` in a value that is signed right."""
    assert sunmi.send(face_push(shop_id=shop_id)).status == 200

    data = sunmi.event["data"]
    assert (data["site"], data["device"], data["occurred_at"]) == (shop_id, "928", "2026-07-01T12:00:00.000000Z")


def test_an_unknown_field_may_hold_an_ampersand(sunmi: Rig[Any]) -> None:
    """Reports 7: `&` in a value that is signed right."""
    assert sunmi.send(face_push(company_name="Hand & Fuß", z="1&timestamp")).status == 200
    assert sunmi.event["data"]["payload"]["company_name"] == "Hand & Fuß"


def test_a_name_that_was_cut_in_the_middle_of_a_character_is_signed_as_it_is(sunmi: Rig[Any]) -> None:
    cut = json.dumps({**FACE, "group_name": "熟客"}, ensure_ascii=False).encode().replace("客".encode(), b"\xe5\xae")

    assert sunmi.send(face_push(cut.decode(errors="surrogateescape"), shop_id="店\udce5")).status == 200
    data = sunmi.event["data"]
    assert (data["person"]["group_name"], data["site"]) == ("熟\ufffd", "店\ufffd")


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
def test_a_push_cut_into_other_fields_gives_no_second_event(sunmi: Rig[Any], fields: dict[str, str]) -> None:
    assert _text(fields) == _text(LINKED)
    assert sunmi.send(sunmi_form(LINKED, LINKED_SIGN)).status == 200

    assert sunmi.send(sunmi_form(fields, LINKED_SIGN)).status == 200
    assert len(sunmi.stored) == len(sunmi.published) == 1


@pytest.mark.parametrize("fields", CUT.values(), ids=CUT)
def test_a_push_that_was_cut_into_other_fields_before_it_came_is_what_it_was(
    sunmi: Rig[Any], fields: dict[str, str]
) -> None:
    for cut in (fields, LINKED):
        assert sunmi.send(sunmi_form(cut, LINKED_SIGN)).status == 200

    data = sunmi.event["data"]
    assert data["device"] == "S1"
    assert data["links"] == [{"role": "video", "url": "https://v.example.com/?a=1&q=2&=3"}]


words = st.text(st.sampled_from('ab&=1{}"\\, '), max_size=12)
values = st.one_of(
    words,
    st.sampled_from(
        [
            "1&event=1100",
            "&payload={}",
            "x&random=2&shop_id=3",
            "&timestamp=1782907200",
            '{"a":1}&q=2',
            "0&q=1",
            "null",
            '{"u":"?a=1&event=1010&payload=2&timestamp=3"}',
        ]
    ),
)
signed_fields = st.fixed_dictionaries(
    {
        "payload": st.builds(lambda word: json.dumps({"ipc_id": "1", "face_id": word, "sn": word}), values) | values,
        "random": st.just("N1") | words,
        "event": st.sampled_from(["2001", "1010", "1100", "4100", "6002", "9999", ""]),
    },
    optional=dict.fromkeys(("shop_id", "sunmi_shop_no", "company_name", "flag", "pay", "size", "version", ""), values),
)


@settings(max_examples=300, deadline=None)
@given(more=signed_fields, draw=st.data())
def test_one_signed_text_is_one_event_however_it_is_cut(more: dict[str, str], draw: st.DataObject) -> None:
    fields = {"app_id": APP, "timestamp": FIELDS["timestamp"], **more}
    text, sign = _text(fields), simulator.sign(fields, KEY)
    rig, taken = sunmi_rig(), 0
    forms = [fields, *(_cut(text, draw) for _ in range(4))]
    for form in draw.draw(st.permutations(forms)):
        if len(dict(form)) == len(form) and _text(dict(form)) == text:
            taken += rig.send(sunmi_form(dict(form), sign)).status == 200

    assert len(rig.stored) == min(taken, 1)


def _cut(text: str, draw: st.DataObject) -> dict[str, str]:
    """The text cut at any of its ampersands, and each piece at any of its equals signs."""
    pieces = [""]
    for part in text.split("&"):
        if pieces == [""]:
            pieces = [part]
        elif draw.draw(st.booleans()):
            pieces.append(part)
        else:
            pieces[-1] += "&" + part
    found = {}
    for piece in pieces:
        at = draw.draw(st.sampled_from([place for place, it in enumerate(piece) if it == "="] or [len(piece)]))
        found[piece[:at]] = piece[at + 1 :]
    return found


def test_a_further_field_that_swallows_the_event_gives_no_second_event(sunmi: Rig[Any]) -> None:
    fields = {**LINKED, "company_id": "10000"}
    cut = {name: value for name, value in fields.items() if name != "event"} | {"company_id": "10000&event=1010"}
    sign = simulator.sign(fields, KEY)
    assert _text(cut) == _text(fields)
    assert sunmi.send(sunmi_form(fields, sign)).status == 200

    assert sunmi.send(sunmi_form(cut, sign)).status == 200
    assert len(sunmi.stored) == 1


@pytest.mark.parametrize("empty", [True, False])
def test_empty_fields_that_are_taken_away_give_no_second_event(sunmi: Rig[Any], empty: bool) -> None:
    without = {name: value for name, value in LINKED.items() if name != "shop_id"}
    for fields in ({**without, "shop_id": ""}, without):
        signed = {**without, "shop_id": ""} if empty else without
        sunmi.send(sunmi_form(fields, simulator.sign(signed, KEY)))

    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_retry_that_signs_its_empty_fields_or_not_is_one_push(sunmi: Rig[Any]) -> None:
    for empty in (True, False):
        push = simulator.request(SUNMI, URL, 2001, FACE, shop_id="", at=NOW.timestamp(), nonce="N1", empty=empty)
        assert sunmi.send(push).status == 200

    assert len(sunmi.stored) == 1


def test_empty_fields_that_somebody_adds_give_no_second_event(sunmi: Rig[Any]) -> None:
    for more in ({}, {"void": ""}, {"void": "", "empty": ""}):
        assert sunmi.send(sunmi_form({**LINKED, **more}, LINKED_SIGN)).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_payload_that_is_not_json_gives_one_notice_however_it_is_cut(sunmi: Rig[Any]) -> None:
    whole = {**PLAIN, "payload": "{ code: 0, url: x?a=1&q=2 }"}
    cut = {**PLAIN, "payload": "{ code: 0, url: x?a=1", "q": "2 }"}
    assert _text(cut) == _text(whole)
    sign = simulator.sign(whole, KEY)
    assert [sunmi.send(sunmi_form(fields, sign)).status for fields in (whole, cut)] == [200, 200]

    data = sunmi.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "payload is no JSON object")


@pytest.mark.parametrize("payload", ['{"a":"&random=1&event=2"} ', ' {"a":"}&"}', '{"a":1} and more', "{}{}", "0&1"])
def test_a_payload_with_whatever_in_it_is_not_taken_for_cut(sunmi: Rig[Any], payload: str) -> None:
    assert sunmi.send(face_push(payload)).status == 200


# ─── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [0, 601, 86_399, 86_400, 86_400.999])
def test_a_timestamp_up_to_the_limit_in_the_past_is_accepted(sunmi: Rig[Any], late: float) -> None:
    assert sunmi.send(face_push(), at=NOW + seconds(late)).status == 200


@pytest.mark.parametrize("late", [86_401, 700_000])
def test_a_timestamp_past_the_limit_is_stale(sunmi: Rig[Any], late: float) -> None:
    answer = sunmi.send(face_push(), at=NOW + seconds(late))

    assert (answer.status, answer.reason) == (401, "stale")
    assert f"{late} s old, the limit is 86400 s (setting SunmiTimestampWindow)" in answer.body["error"]["message"]
    assert sunmi.is_untouched


@pytest.mark.parametrize("early", [1, 600])
def test_a_timestamp_up_to_the_limit_in_the_future_is_accepted(sunmi: Rig[Any], early: float) -> None:
    assert sunmi.send(face_push(), at=NOW - seconds(early)).status == 200


@pytest.mark.parametrize("early", [601, 86_400])
def test_a_timestamp_from_the_future_is_refused(sunmi: Rig[Any], early: float) -> None:
    answer = sunmi.send(face_push(), at=NOW - seconds(early))

    assert (answer.status, answer.reason) == (401, "future")
    assert f"{early} s ahead, the limit is 600 s (setting SunmiTimestampAhead)" in answer.body["error"]["message"]
    assert sunmi.is_untouched


def test_each_window_is_a_setting_of_its_own() -> None:
    settings = SunmiSettings.read({**ENVIRONMENT, "TIMESTAMP_WINDOW": "60", "TIMESTAMP_AHEAD": "30"})

    assert (settings.timestamp_window, settings.timestamp_ahead) == (60, 30)


@pytest.mark.parametrize("late", [3600, 23 * 3600])
@pytest.mark.parametrize("change", [{}, {"user-agent": "curl/8"}, {"x-forwarded-for": "192.0.2.1"}])
def test_a_captured_push_that_is_replayed_makes_no_second_event(
    sunmi: Rig[Any], late: float, change: dict[str, str]
) -> None:
    push = face_push()
    sunmi.send(push)
    again = replace(push, headers={**push.headers, **change}, body=push.body + b"&")

    assert sunmi.send(again, at=NOW + seconds(late)).status == 200
    assert len(sunmi.stored) == len(sunmi.published) == 1


def test_a_push_that_comes_after_an_outage_is_taken_and_said_to_be_late(sunmi: Rig[Any]) -> None:
    assert sunmi.send(face_push(), at=NOW + seconds(23 * 3600)).status == 200

    data = sunmi.event["data"]
    assert (data["arrival"], data["lag_ms"], data["occurred_at"]) == (
        "late",
        82_800_000,
        "2026-07-01T12:00:00.000000Z",
    )


@pytest.mark.parametrize("timestamp", ["1782907199500", "1782907199500000", "1782907199.5", " 1782907199.5 "])
def test_a_timestamp_in_milliseconds_or_with_a_fraction_is_read(sunmi: Rig[Any], timestamp: str) -> None:
    assert sunmi.send(face_push(timestamp=timestamp)).status == 200

    data = sunmi.event["data"]
    assert (data["occurred_at"], data["lag_ms"]) == ("2026-07-01T11:59:59.500000Z", 500)


def test_a_timestamp_in_milliseconds_may_be_no_older(sunmi: Rig[Any]) -> None:
    late = NOW + seconds(86_401)

    assert sunmi.send(face_push(timestamp=f"{int(NOW.timestamp())}000"), at=late).reason == "stale"


@pytest.mark.parametrize("timestamp", ["", "now", "9" * 20, "9" * 5000, "-1" + "0" * 18, "2026-07-01", "0", "NaN"])
def test_a_signed_push_whose_timestamp_is_none_is_refused(sunmi: Rig[Any], timestamp: str) -> None:
    fields = {**FIELDS, "timestamp": timestamp}

    answer = sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY)))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert sunmi.is_untouched


def test_a_retry_of_the_same_push_is_answered_200_and_stored_once(sunmi: Rig[Any], output: Output) -> None:
    # 15 s, 30 s, 1 min and 2 min after one another
    for late in (0, 15, 45, 105, 225):
        assert sunmi.send(face_push(), at=NOW + seconds(late)).status == 200

    assert sunmi.event["data"]["received_at"] == "2026-07-01T12:00:00.000000Z"
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1, Count.DUPLICATE: 4}


@pytest.mark.parametrize("change", [{"nonce": "N2"}, {"at": NOW.timestamp() + 1}, {"shop_id": "2"}, {"event": 1100}])
def test_a_push_that_differs_in_one_field_is_another_event_and_so_is_a_retry_signed_anew(
    sunmi: Rig[Any], change: dict[str, Any]
) -> None:
    sunmi.send(face_push())

    assert sunmi.send(face_push(**change)).status == 200
    assert len(sunmi.stored) == 2


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ('{"ipc_id":"1","name":"a&b=&c"}', '{"ipc_id":"1","name":"a&c"}'),
        ('{"ipc_id":"1","video_url":"http://x/?a=1&b=&c=2"}', '{"ipc_id":"1","video_url":"http://x/?a=1&c=2"}'),
        ('{"ipc_id":"1","name":"&random=&"}', '{"ipc_id":"1","name":"&"}'),
        ("no json&b=&c", "no json&c"),
    ],
)
@pytest.mark.parametrize("event", ["1010", "4100"])
def test_payloads_that_differ_in_a_piece_without_a_value_are_two_events(
    sunmi: Rig[Any], one: str, another: str, event: str
) -> None:
    """Only an empty field of the form may be left out. The payload is a single value, with any content."""
    for payload in (one, another, one):
        fields = {**FIELDS, "event": event, "payload": payload, "sunmi_shop_no": ""}
        assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200
        fields.pop("sunmi_shop_no")
        assert sunmi.send(sunmi_form(fields, simulator.sign(fields, KEY))).status == 200

    assert len(sunmi.stored) == 2


# ─── What is no form ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b"app_id=2039dds&app_id=2039dds",
        b"app_id=2039dds&app%5Fid=2039dds",
        b"app_id&app_id",
        b"&".join(b"f%d=1" % number for number in range(65)),
        b"a" * 100 + b"&a=1" * 100_000,
    ],
)
def test_a_field_that_comes_twice_is_refused_and_so_are_too_many(sunmi: Rig[Any], body: bytes) -> None:
    push = face_push()
    answer = sunmi.send(type(push)(url=push.url, body=body, headers=push.headers))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert sunmi.is_untouched


@pytest.mark.parametrize(
    "body", [b"{}", b"\xff\xfe", b"app_id=%ff", b"app_id=%ED%A0%80", b"app_id", b"&&&", b"=", b"%", b"\xef\xbb\xbf"]
)
def test_a_body_of_nobody_is_refused(sunmi: Rig[Any], body: bytes) -> None:
    answer = sunmi.send(replace(face_push(), body=body))

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert sunmi.is_untouched


def test_an_empty_body_is_refused(sunmi: Rig[Any]) -> None:
    push = face_push()
    assert sunmi.send(type(push)(url=push.url, body=b"", headers=push.headers)).status in {400, 401}
    assert sunmi.is_untouched


def test_a_body_beyond_the_limit_is_refused(sunmi: Rig[Any]) -> None:
    push = face_push()
    answer = sunmi.send(replace(push, body=push.body + b"&" * BODY_LIMIT))

    assert (answer.status, answer.reason) == (413, "too_large")
    assert sunmi.is_untouched
