"""The authenticity of SensePass's pushes: token and serial number; and the parts of a push that are withheld."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from functions.sensepass.wire import Accounts
from functions.sensepass.withheld import withhold
from gatehouse.telemetry import Count
from ops.simulators import Request
from ops.simulators.sensepass import STAFF, STRANGER, picture
from tests.builders import AT, NEARLY_TOKENS, NOW, URL, seconds
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sensepass import SERIAL, SITE, sensepass_rig, terminal

SNAPSHOT = picture(3_000, seed=1)


def _body(push: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(push.body)
    return body


def _ids(rig: Rig[Any], *pushes: Request) -> list[str]:
    """The ids of the events of these pushes, in the order of the pushes."""
    for push in pushes:
        assert rig.send(push).status == 200
    return list(rig.store.records)


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_no_site_has_is_refused(sensepass: Rig[Any], output: Output) -> None:
    answer = sensepass.send(terminal(token="another").upload())

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert sensepass.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize("token", NEARLY_TOKENS)
def test_what_is_nearly_a_token_is_refused(sensepass: Rig[Any], token: str) -> None:
    assert sensepass.send(terminal(token=token).upload()).status == 401
    assert sensepass.is_untouched


def test_a_push_without_a_token_is_refused(sensepass: Rig[Any]) -> None:
    push = terminal().upload()

    assert sensepass.send(Request(URL + "/v1/sensepass", push.body, push.headers)).status == 401


def test_a_question_and_a_heartbeat_with_an_unknown_token_are_refused(sensepass: Rig[Any]) -> None:
    stranger = terminal(token="another")

    assert sensepass.send(stranger.question()).status == 401
    assert sensepass.send(stranger.heartbeat()).status == 401


@pytest.mark.parametrize("token", SITE["tokens"])
def test_each_live_token_of_a_site_is_accepted(sensepass: Rig[Any], token: str) -> None:
    assert sensepass.send(terminal(token=token).upload()).status == 200
    assert sensepass.event["data"]["account"] == "north"


def test_the_token_says_which_site_it_is() -> None:
    rig = sensepass_rig({"accounts": [SITE, {"site": "south", "tokens": ["south-one-0123456789abcdef"]}]})

    rig.send(terminal(token="south-one-0123456789abcdef").upload())

    assert (rig.event["data"]["account"], rig.event["data"]["site"]) == ("south", "south")


def test_a_token_that_was_made_a_moment_ago_is_accepted(sensepass: Rig[Any]) -> None:
    sensepass.accounts.rotated = Accounts.model_validate(
        {"accounts": [{"site": "north", "tokens": ["newer-one-0123456789abcdef"]}]}
    )

    assert sensepass.send(terminal(token="newer-one-0123456789abcdef").upload()).status == 200


def test_the_token_is_in_no_event(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().upload())

    assert "north-one-0123456789abcdef" not in json.dumps(sensepass.event)


def test_a_token_may_speak_for_the_serial_numbers_it_is_for_and_no_other() -> None:
    rig = sensepass_rig({"accounts": [{**SITE, "serials": [SERIAL]}]})

    answer = rig.send(terminal(serial="PS71HD01MC22C99999").upload())
    assert (answer.status, answer.reason) == (401, "unknown_device")
    assert rig.is_untouched

    assert rig.send(terminal().upload()).status == 200


def test_without_a_list_a_token_may_speak_for_any_serial_number(sensepass: Rig[Any]) -> None:
    assert sensepass.send(terminal(serial="PS71HD01MC22C99999").upload()).status == 200


def test_an_alarm_has_its_serial_number_in_the_headers() -> None:
    rig = sensepass_rig({"accounts": [{**SITE, "serials": [SERIAL]}]})
    assert "deviceSN" not in _body(terminal().alarm())["data"]

    assert rig.send(terminal(serial="PS71HD01MC22C99999").alarm()).reason == "unknown_device"
    assert rig.send(terminal().alarm()).status == 200
    assert rig.event["data"]["device"] == SERIAL


@pytest.mark.parametrize("serial", [None, 7, [], {}, ""])
def test_a_record_without_a_serial_number_is_refused_where_a_list_is_set(serial: object) -> None:
    rig = sensepass_rig({"accounts": [{**SITE, "serials": [SERIAL]}]})

    assert rig.send(terminal("1.0").upload(deviceSN=serial)).reason == "unknown_device"
    assert rig.is_untouched


# ─── What never gets any further ──────────────────────────────────────────────────────────────────────────────────────


def test_the_pin_of_a_user_is_dropped(sensepass: Rig[Any]) -> None:
    push = terminal().upload()
    assert _body(push)["data"]["user"]["pin"] == "4711"

    sensepass.send(push)

    assert "pin" not in sensepass.event["data"]["payload"]["data"]["user"]
    assert "4711" not in json.dumps(sensepass.event)


def test_a_picture_is_in_the_bucket_and_not_in_the_event(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().upload(image=SNAPSHOT))

    event = sensepass.event
    digest = hashlib.sha256(SNAPSHOT).hexdigest()
    key = f"sensepass/{event['id']}/rgb_image-{digest}.jpg"
    assert event["data"]["pictures"] == [
        {
            "role": "rgb_image",
            "bucket": "media",
            "key": key,
            "content_type": "image/jpeg",
            "size": len(SNAPSHOT),
            "sha256": digest,
        }
    ]
    assert "rgb_image" not in event["data"]["payload"]["data"]
    assert base64.b64encode(SNAPSHOT).decode()[:60] not in json.dumps(event)
    assert list(sensepass.media.pictures) == [key]
    stored = sensepass.media.pictures[key]
    assert (stored.data, stored.digest.hex(), stored.content_type) == (SNAPSHOT, digest, "image/jpeg")


def test_the_photo_of_an_alarm_is_in_the_bucket(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().alarm(image=SNAPSHOT))

    (reference,) = sensepass.event["data"]["pictures"]
    assert reference["role"] == "alarm_photo"
    assert sensepass.media.pictures[reference["key"]].data == SNAPSHOT


@pytest.mark.parametrize("blank", ["", " ", "\n", None])
def test_a_blank_is_no_picture(sensepass: Rig[Any], blank: object) -> None:
    sensepass.send(terminal().upload(rgb_image=blank))

    assert sensepass.event["data"]["pictures"] == []
    assert "rgb_image" not in sensepass.event["data"]["payload"]["data"]
    assert not sensepass.media.pictures


@pytest.mark.parametrize("odd", ["MARKER!", "MARKE", "data:image/jpeg;base64,", 7, ["MARKER"], {"MARKER": 1}])
def test_a_picture_that_does_not_decode_is_recorded_as_such(sensepass: Rig[Any], odd: object) -> None:
    sensepass.send(terminal().upload(rgb_image=odd))

    assert sensepass.event["data"]["pictures"] == [{"role": "rgb_image", "error": "undecodable"}]
    assert sensepass.event["type"] == "gatehouse.recognition.v1"
    assert "MARKE" not in json.dumps(sensepass.event)
    assert not sensepass.media.pictures


_HIDDEN = {
    "pin": "MARKER",
    "PIN": 4711,
    "Pin": ["MARKER"],
    "userPin": "MARKER",
    "user_pin": "MARKER",
    "pin_code": "MARKER",
    "pinCode": {"is": "MARKER"},
    "password": "MARKER",
    "doorPassword": "MARKER",
    "passwd": "MARKER",
    "qrcode_content": "MARKER",
    "qrcodeContent": "MARKER",
    "QRCodeContent": "MARKER",
    "QRCODE_CONTENT": "MARKER",
    "qr_code": "MARKER",
}
_PLACES: dict[str, Callable[[Any], Any]] = {
    "in a record": lambda found: {"type": 0, "data": {"recognizeStatus": 2, "deviceSN": SERIAL, **found}},
    "in the user": lambda found: {"type": 0, "data": {"recognizeStatus": 2, "user": found}},
    "in a question": lambda found: {"recognizeStatus": 2, **found},
    "beside the record": lambda found: {"type": 0, "data": {"recognizeStatus": 2}, **found},
    "in an alarm": lambda found: {"type": 1, "data": {"trace_id": "T1", **found}},
    "in a list": lambda found: {"type": 0, "data": {"recognizeStatus": 2, "users": [[{"user": found}]]}},
    "in an envelope of no known type": lambda found: {"type": 7, "data": {"a": {"b": found}}},
    "in an envelope without a type": lambda found: {"data": found},
    "in an envelope of a list": lambda found: {"type": 0, "data": [found]},
    "in a text": lambda found: {"type": 0, "data": json.dumps({"user": found})},
    "in a text in a text": lambda found: {"type": 0, "data": json.dumps({"user": json.dumps([found])})},
    "in half a text": lambda found: {"type": 0, "data": json.dumps({"user": found})[:-1]},
    "in a list of all": lambda found: [found],
    "in half a body": lambda found: json.dumps({"type": 0, "data": found})[:-1].encode(),
}


def _anywhere(rig: Rig[Any]) -> str:
    """All data that a subscriber can read."""
    return json.dumps([rig.stored, rig.published]) + "".join(record.body for record in rig.store.records.values())


@pytest.mark.parametrize("place", _PLACES.values(), ids=_PLACES)
@pytest.mark.parametrize("name", _HIDDEN)
def test_what_opens_doors_is_kept_in_no_form(sensepass: Rig[Any], name: str, place: Callable[[Any], Any]) -> None:
    """Reports 2: also in a body that the vendor does not document."""
    body = place({name: _HIDDEN[name], "name": "Mira Holt"})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    for url in (terminal().event_dest, terminal().remote_authentication_address):
        assert sensepass.send(Request(url, content)).status == 200

    assert "MARKER" not in _anywhere(sensepass)
    assert "4711" not in _anywhere(sensepass)
    assert all(key.startswith("unreadable/sensepass/") for key in sensepass.media.pictures)


_NAMES = ["pin_info", "pinInfo", "pin_md5", "pin_list", "userPinStr", "userpinstr", "PIN码", "pincode2", "qrString",
          "QrString", "qr_info", "qrcodeText", "密码", "door_code", "passwort", "secret", "barcode"]  # fmt: skip


@pytest.mark.parametrize("value", ["MARKER", ["MARKER"], {"v": "MARKER"}], ids=str)
@pytest.mark.parametrize("name", _NAMES)
def test_a_name_that_has_the_word_in_it_is_dropped_with_what_it_holds(
    sensepass: Rig[Any], name: str, value: object
) -> None:
    """Review 16."""
    named: dict[str, Any] = {name: value}
    sensepass.send(terminal().upload(**named, user={"name": "Mira Holt", **named}))

    assert "MARKER" not in _anywhere(sensepass)
    assert sensepass.event["type"] == "gatehouse.recognition.v1"


def _twice(value: object) -> str:
    return json.dumps(json.dumps(value))


_HELD: dict[str, Any] = {
    "JSON written twice": _twice({"pin": "MARKER"}),
    "JSON written three times": json.dumps(_twice({"pin": "MARKER"})),
    "a text in a list in a text": json.dumps([_twice([{"userPin": "MARKER"}])]),
    "percent-encoded": quote(json.dumps({"pin": "MARKER"})),
    "percent-encoded twice": quote(quote(json.dumps({"pin": "MARKER"}))),
    "base64": base64.b64encode(b'{"pin":"MARKER"}').decode(),
    "base64, URL-safe, without padding": base64.urlsafe_b64encode(b'[{"pin":"MARKER"}] ').decode().rstrip("="),
    "a pair of name and value": [{"name": "pin", "value": "MARKER"}],
    "a pair of key and val": {"key": "user.pin", "val": ["MARKER"]},
    "a list of two": ["pin", "MARKER"],
    "a list of lists": [["qr_code", "MARKER"], ["PIN", {"is": "MARKER"}]],
    "a key": {'{"pin":"MARKER"}': 1},
    "a key with the name and the value": {"pin_MARKER": 1},
}
_NAMING = {
    "without quotes": "{pin:493817}",
    "in single quotes": "{user:{pin:'493817'}}",
    "behind a word": 'user={"pin":"493817"}',
    "behind words": 'msg: {"qrcode_content":"493817"}',
    "before words": '{"pin":"493817"} END',
    "a form": "pin=493817&x=1",
    "a form, percent-encoded": "pin%3D493817",
    "a short one": "pin=49",
    "an address": "http://t/x?user_pin=493817",
    "an element": "<pin>493817</pin>",
    "with a colon": "pin: 493817",
    "with a blank": "PIN 493817",
    "in camel case": "{userPin:493817}",
    "in base64": base64.b64encode(b"pin=493817").decode(),
    "in Chinese": "密码:493817",
}


@pytest.mark.parametrize("held", _HELD.values(), ids=_HELD)
def test_what_opens_doors_is_taken_out_of_whatever_it_is_wrapped_in(sensepass: Rig[Any], held: Any) -> None:
    """Review 16."""
    sensepass.send(terminal().upload(user={"name": "Mira Holt", "remark": held}))

    seen = _anywhere(sensepass)
    assert "MARKER" not in seen
    assert not any(base64.b64encode(b'{"pin":"MARKER"}'[part:]).decode()[4:12] in seen for part in range(3))
    assert sensepass.event["data"]["person"]["name"] == "Mira Holt"


@pytest.mark.parametrize("place", ["remark", "data", "key"])
@pytest.mark.parametrize("text", _NAMING.values(), ids=_NAMING)
def test_a_text_that_is_no_json_and_names_what_opens_doors_goes_where_no_subscriber_looks(
    sensepass: Rig[Any], text: str, place: str
) -> None:
    """Review 16: the value cannot be told from the rest."""
    bodies = {
        "remark": {"type": 0, "data": {"recognizeStatus": 2, "user": {"remark": text}}},
        "data": {"type": 0, "data": text},
        "key": {"type": 0, "data": {"recognizeStatus": 2, f" {text}": 1}},
    }
    sensepass.send(Request(terminal().event_dest, json.dumps(bodies[place]).encode()))

    seen = _anywhere(sensepass)
    assert "493817" not in seen
    assert text not in seen


@pytest.mark.parametrize("token_in", [lambda told: told, lambda told: json.dumps({"to": told}), lambda told: [told]])
def test_a_token_that_the_terminal_repeats_is_in_no_event(sensepass: Rig[Any], token_in: Callable[[str], Any]) -> None:
    """Review 18."""
    address = terminal().event_dest
    token = address.rpartition("/")[2]

    named: dict[str, Any] = {token: token}
    sensepass.send(terminal().upload(event_dest=token_in(address), **named))

    assert token not in _anywhere(sensepass)
    assert "/v1/sensepass/…" in json.dumps(sensepass.event, ensure_ascii=False)


@pytest.mark.parametrize(
    "write",
    [
        "data:;base64,{}",
        "data:application/octet-stream;base64,{}",
        "data:image/heic;base64,{}",
        '"{}"',
        "'{}'",
        "img: {}",
        "photo={}&x=1",
        "{{rgb_image:'{}'}}",
    ],
)
@pytest.mark.parametrize("place", ["value", "key", "percent-encoded"])
def test_a_picture_is_in_no_event_whatever_stands_before_it(sensepass: Rig[Any], write: str, place: str) -> None:
    """Review 16."""
    text = write.format(base64.b64encode(SNAPSHOT).decode())
    told: dict[str, dict[str, Any]] = {
        "value": {"x": text},
        "key": {text: 1},
        "percent-encoded": {"x": quote(text, safe="")},
    }

    sensepass.send(terminal().upload(rgb_image=" ", **told[place]))

    seen = _anywhere(sensepass)
    assert base64.b64encode(SNAPSHOT).decode()[20:80] not in seen
    assert quote(base64.b64encode(SNAPSHOT).decode(), safe="")[20:80] not in seen
    assert [upload.data for upload in sensepass.media.pictures.values()] == [SNAPSHOT]


@pytest.mark.parametrize(
    "text",
    [
        "%25" * 60_000,
        "pin" * 100_000,
        ["{oddly"] * 3_000,
        ["%41bcd"] * 3_000,
        json.dumps([_twice(_twice(_twice(_twice("x"))))]),
    ],
)
def test_what_would_cost_too_much_to_look_through_goes_where_no_subscriber_looks(
    sensepass: Rig[Any], text: str | list[str]
) -> None:
    sensepass.send(terminal().upload(rgb_image=" ", remark=text))

    assert [key.split("/")[0] for key in sensepass.media.pictures] == ["unreadable"]


@pytest.mark.parametrize(
    "text",
    ["Pinneberg, 2nd floor", "spinning: 4", "the desk has the password", "mapping=3", "100 % of 20%", "U1VOTUktMTI=",
     "Mira%20Holt", "550e8400-e29b-41d4-a716-446655440000", '"quoted"', "password error"],
)  # fmt: skip
def test_an_ordinary_text_stays(sensepass: Rig[Any], text: str) -> None:
    sensepass.send(terminal().upload(user={"remark": text, "name": "Pin", "type": 5}))

    user = sensepass.event["data"]["payload"]["data"]["user"]
    assert user == {"remark": text, "name": "Pin", "type": 5}


def test_words_that_only_look_like_it_stay(sensepass: Rig[Any]) -> None:
    remark = "{PIN: see desk} [passwords]"

    sensepass.send(terminal().upload(user={"name": "Crispin", "remark": remark, "mapping": 1, "passage": 2}))

    user = sensepass.event["data"]["payload"]["data"]["user"]
    assert user == {"name": "Crispin", "remark": remark, "mapping": 1, "passage": 2}


def test_json_in_a_text_stays_as_it_was_where_there_is_nothing_to_hide(sensepass: Rig[Any]) -> None:
    remark = '{ "since" : 2019 }'

    sensepass.send(terminal().upload(user={"remark": remark}))

    assert sensepass.event["data"]["payload"]["data"]["user"]["remark"] == remark


@pytest.mark.parametrize(
    "content",
    [SNAPSHOT, b"\x89PNG\r\n\x1a\n" + bytes(90), b"GIF89a" + bytes(90), b"RIFF\0\0\0\0WEBP" + bytes(90),
     b"BM" + (100).to_bytes(4, "little") + bytes(94)],
    ids=["jpeg", "png", "gif", "webp", "bmp"],
)  # fmt: skip
@pytest.mark.parametrize("place", [name for name in _PLACES if "half" not in name and "of all" not in name])
@pytest.mark.parametrize("write", [base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode])
def test_a_picture_is_in_the_bucket_wherever_it_stands(
    sensepass: Rig[Any], content: bytes, place: str, write: Callable[[bytes], bytes]
) -> None:
    text = write(content).decode()

    for name in ("rgbImage", "faceOfTheDay"):
        body = json.dumps(_PLACES[place]({name: text, "of": name})).encode()
        assert sensepass.send(Request(terminal().event_dest, body)).status == 200

    assert text[:60] not in _anywhere(sensepass)
    assert [upload.data for upload in sensepass.media.pictures.values()] == [content, content]


def test_base64_that_is_no_picture_stays(sensepass: Rig[Any]) -> None:
    number = base64.b64encode(b"BM" + bytes(60)).decode()

    sensepass.send(terminal().upload(rgb_image=" ", user={"id_number": number}))

    assert sensepass.event["data"]["payload"]["data"]["user"]["id_number"] == number
    assert not sensepass.media.pictures


def test_more_pictures_than_a_terminal_sends_go_where_no_subscriber_looks(sensepass: Rig[Any]) -> None:
    photos = [base64.b64encode(picture(100, seed=number)).decode() for number in range(9)]

    sensepass.send(terminal().upload(photos=photos))

    assert photos[0] not in _anywhere(sensepass)
    assert [key.split("/")[0] for key in sensepass.media.pictures] == ["unreadable"]


@pytest.mark.parametrize(
    "write",
    [
        base64.encodebytes,
        base64.urlsafe_b64encode,
        lambda data: base64.b64encode(data).rstrip(b"="),
        lambda data: b"data:image/jpeg;base64," + base64.b64encode(data),
        lambda data: base64.encodebytes(data).replace(b"\n", b"\r\n"),
    ],
)
def test_base64_of_any_kind_is_a_picture(sensepass: Rig[Any], write: Callable[[bytes], bytes]) -> None:
    """Reports 9."""
    sensepass.send(terminal().upload(rgb_image=write(SNAPSHOT).decode()))

    (stored,) = sensepass.media.pictures.values()
    assert stored.data == SNAPSHOT


@pytest.mark.parametrize("body", [b"MARKER", b'{"type":0,"data":{"user":{"pin":"MARKER', b"[1]", b'"a"', b"7", b"null"])
def test_a_body_that_is_no_object_lies_where_no_subscriber_looks(sensepass: Rig[Any], body: bytes) -> None:
    """Reports 1 and 2."""
    for content in (body, body + b" "):
        assert sensepass.send(Request(terminal().event_dest, content)).status == 200

    assert len(sensepass.stored) == 2
    for event in sensepass.stored:
        assert "payload" not in event["data"]
        assert event["data"]["body"]["key"].startswith(f"unreadable/sensepass/{event['id']}/")
    assert "MARKER" not in _anywhere(sensepass)


# ─── In which spelling ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sent", [SERIAL.lower(), f" {SERIAL}\t", "ps71 hd01 mc22 c00014"])
@pytest.mark.parametrize("listed", [SERIAL, SERIAL.lower(), f" {SERIAL} "])
def test_a_serial_number_in_another_spelling_is_the_same(sent: str, listed: str) -> None:
    """Reports, "decide": serials in another case or with a blank."""
    rig = sensepass_rig({"accounts": [{**SITE, "serials": [listed]}]})

    for push in (terminal("1.0").upload(deviceSN=sent), terminal(serial=sent).alarm()):
        assert rig.send(push).status == 200

    assert {event["data"]["device"] for event in rig.stored} == {SERIAL}


def test_a_blank_serial_number_is_none_and_the_headers_tell(sensepass: Rig[Any]) -> None:
    sensepass.send(terminal().upload(deviceSN=" "))

    assert sensepass.event["data"]["device"] == SERIAL


@pytest.mark.parametrize("body", [b"[1]", b"half", b""])
def test_a_body_that_cannot_be_read_is_refused_where_its_headers_name_another_terminal(body: bytes) -> None:
    """Security S17."""
    rig = sensepass_rig({"accounts": [{**SITE, "serials": [SERIAL]}]})
    url = terminal().event_dest

    assert rig.send(Request(url, body, {"sn": "PS71HD01MC22C99999"})).reason == "unknown_device"
    assert rig.send(Request(url, body, {"sn": SERIAL.lower()})).status == 200
    assert rig.send(Request(url, body)).status == 200


# ─── Which happening ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_known_by_its_uuid(sensepass: Rig[Any]) -> None:
    ids = _ids(
        sensepass,
        terminal().upload(uuid="U1", image=SNAPSHOT, at=AT - 5),
        terminal().upload(uuid="U1", image=picture(3_000, seed=2), at=AT - 5),
        terminal().upload(uuid="U2", image=SNAPSHOT, at=AT - 5),
    )

    assert len(ids) == 2


_NO_IDS: list[Any] = [
    "N/A",
    "n/a",
    "<nil>",
    "(nil)",
    "<null>",
    "(null)",
    "nan",
    "NaN",
    "undefined",
    "unknown",
    -1,
    "-1",
    0,
    "0",
    False,
    "",
    "-",
    " ",
    None,
    {},
    [],
    "{00000000-0000-0000-0000-000000000000}",
]


@pytest.mark.parametrize("nothing", _NO_IDS, ids=repr)
def test_two_records_whose_uuid_says_nothing_are_two(sensepass: Rig[Any], nothing: Any) -> None:
    """Review 6b."""
    fields: dict[str, Any] = {"uuid": nothing, "user": None}
    for second in range(2):
        sensepass.send(terminal().upload(at=AT - second, rgb_image=" ", **fields))

    assert len({event["id"] for event in sensepass.stored}) == 2
    assert not any("conflicts_with" in event["data"] for event in sensepass.stored)


@pytest.mark.parametrize("nothing", _NO_IDS, ids=repr)
def test_two_alarms_whose_trace_says_nothing_are_two(sensepass: Rig[Any], nothing: Any) -> None:
    """Review 6b: of the same second and kind, they differ in their other fields."""
    for person in ("7", "8"):
        sensepass.send(terminal().alarm(trace_id=nothing, user_id=person))

    assert len({event["id"] for event in sensepass.stored}) == 2
    assert not any("conflicts_with" in event["data"] for event in sensepass.stored)


@pytest.mark.parametrize(
    "other", [{"timestamp": int(AT) - 9}, {"user": {"user_id": "18"}}, {"deviceSN": "PS71HD01MC22C99999"}]
)
def test_a_uuid_of_two_happenings_is_two_events_and_the_second_names_the_first(
    sensepass: Rig[Any], other: dict[str, Any], output: Output
) -> None:
    """Security S8: a holder of a token could take ids in advance."""
    first, second = (terminal().upload(uuid="U1", at=AT - 5, **more) for more in ({}, other))

    first_id, *_ = _ids(sensepass, first)
    _ids(sensepass, second, second, first)

    events = {event["id"]: event["data"] for event in sensepass.stored}
    (conflict,) = [data["conflicts_with"] for data in events.values() if "conflicts_with" in data]
    assert (len(events), conflict) == (2, first_id)
    assert output.counted[Count.CONFLICT] == 1


@pytest.mark.parametrize("firmware", ["1.0", "1.1"])
def test_a_record_without_uuid_is_known_by_what_it_holds(sensepass: Rig[Any], firmware: Any) -> None:
    door = terminal(firmware)

    def record(**more: Any) -> Request:
        return door.upload(**{"image": SNAPSHOT, **more})

    another = terminal(firmware, serial="PS71HD01MC22C99999")
    different = [
        record(),
        record(at=AT + 1),
        record(mode=4),
        record(image=picture(3_000, seed=2)),
        record(rgb_image=" "),
        record(person=STRANGER),
        record(user={"user_id": 99}),
        another.upload(image=SNAPSHOT),
    ]
    assert len(set(_ids(sensepass, *different))) == len(different)

    assert len(_ids(sensepass, *different)) == len(different)


def test_a_record_that_is_sent_again_the_next_day_is_the_same_with_the_same_picture(sensepass: Rig[Any]) -> None:
    push = terminal().upload(image=SNAPSHOT)

    sensepass.send(push)
    sensepass.send(push, at=NOW + seconds(86_400))

    (reference,) = sensepass.event["data"]["pictures"]
    assert list(sensepass.media.pictures) == [reference["key"]]


def test_a_question_and_the_record_of_the_passage_are_two_events(sensepass: Rig[Any]) -> None:
    _ids(sensepass, terminal().question(uuid="U1"), terminal().upload(uuid="U1"))

    assert sorted(event["data"]["stage"] for event in sensepass.stored) == ["asked", "recorded"]


def test_each_state_and_time_of_an_alarm_is_news(sensepass: Rig[Any]) -> None:
    def alarm(trace: str = "T1", status: int = 1, at: float = AT) -> Request:
        return terminal().alarm(trace_id=trace, status=status, at=at)

    different = [alarm(), alarm(status=2), alarm(status=3), alarm(status=2, at=AT + 60), alarm("T2")]

    assert len(set(_ids(sensepass, *different, *different))) == len(different)


def test_an_alarm_without_trace_id_is_known_by_what_it_holds(sensepass: Rig[Any]) -> None:
    def alarm(code: int) -> Request:
        return terminal().pushed(1, {"code": code, "status": 1, "event_time": int(AT * 1000)})

    assert len(_ids(sensepass, alarm(10001), alarm(10002), alarm(10001))) == 2


def test_a_record_with_a_numeric_user_id_is_not_one_with_another(sensepass: Rig[Any]) -> None:
    door = terminal("1.0")

    assert len(_ids(sensepass, door.upload(STAFF, user={"user_id": 1}, rgb_image=" "))) == 1
    assert len(_ids(sensepass, door.upload(STAFF, user={"user_id": 11}, rgb_image=" "))) == 2


def test_a_vector_in_base64_that_says_pin_by_chance_is_no_pin() -> None:
    """A face's features have the three letters once in every few bodies."""
    vector = base64.b64encode(bytes(range(256)) * 900).decode() + "pin+qr/pwd"
    body: dict[str, Any] = {"type": 0, "data": {"feature": vector}}

    assert withhold(body) == {}
    assert body["data"]["feature"] == vector
