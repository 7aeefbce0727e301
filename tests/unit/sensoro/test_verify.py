"""The authenticity of SENSORO's pushes: the signature, its age, and the decryption of safe mode."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.sensoro import verify, wire
from gatehouse.errors import Reason, Rejected, WrongSetting
from gatehouse.telemetry import Count
from ops.simulators import Request
from ops.simulators import sensoro as simulator
from tests.builders import AT, NOW, URL, api_event, seconds
from tests.output import Output
from tests.rig import Rig
from tests.styles import STYLES, compact
from tests.vendors.sensoro import (
    SENSORO,
    SENSORO_SAFE,
    safe_text,
    sealed_text,
    sensor_body,
    sensor_push,
    sensoro_rig,
    task_body,
)

KEY, APP_ID = SENSORO_SAFE["app_key"], SENSORO_SAFE["app_id"]
CLIMATE = {"temperature": 23.5, "battery": 87}


def _with(push: Request, **headers: str) -> Request:
    """The push with other headers; `x_access_id="…"`."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in push.headers.items() if name.lower() not in changed}
    return Request(url=push.url, body=push.body, headers={**kept, **changed})


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)


def _message(text: bytes) -> bytes:
    return verify.message(sealed_text(text), [KEY], APP_ID)


# ─── The known answers ────────────────────────────────────────────────────────────────────────────────────────────────


def test_our_signature_is_the_one_of_each_known_push(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert vectors["sensoro_signature"]
    for vector in vectors["sensoro_signature"]:
        made = verify.signature(
            vector["app_secret"], vector["nonce"], vector["method"], vector["url"], vector["body"].encode()
        )
        assert made == vector["signature"], vector["name"]


def test_the_simulators_signature_is_the_one_of_each_known_push(vectors: dict[str, list[dict[str, Any]]]) -> None:
    for vector in vectors["sensoro_signature"]:
        made = simulator.sign(
            vector["app_secret"], vector["nonce"], vector["method"], vector["url"], vector["body"].encode()
        )
        assert made == vector["signature"], vector["name"]


def test_the_known_push_is_taken(sensoro: Rig[Any], vectors: dict[str, list[dict[str, Any]]]) -> None:
    (vector,) = vectors["sensoro_signature"]
    headers = {
        "content-type": "application/json",
        "X-ACCESS-ID": "123456",
        "X-ACCESS-NONCE": vector["nonce"],
        "X-ACCESS-SIGNATURE": vector["signature"],
    }
    push = Request(url=vector["url"], body=vector["body"].encode(), headers=headers)

    answer = sensoro.send(push, at=NOW.fromtimestamp(int(vector["nonce"]) / 1000, tz=NOW.tzinfo))

    assert (answer.status, answer.body) == (200, {"messages": "success"})
    assert sensoro.event["data"]["readings"]["temperature"] == {"value": 23.5, "unit": "Cel"}


def test_each_known_cipher_text_decrypts(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert vectors["sensoro_safe_mode"]
    for vector in vectors["sensoro_safe_mode"]:
        clear = verify.message(vector["encryptData"], [vector["app_key"]], vector["app_id"])
        assert clear.decode() == vector["message"], vector["name"]


def test_what_the_simulator_seals_decrypts(vectors: dict[str, list[dict[str, Any]]]) -> None:
    for vector in vectors["sensoro_safe_mode"]:
        sealed = simulator.seal(vector["message"].encode(), vector["app_key"], vector["app_id"])
        assert verify.message(sealed, [vector["app_key"]], vector["app_id"]).decode() == vector["message"]


def test_the_known_cipher_text_arrives_as_a_reading(vectors: dict[str, list[dict[str, Any]]]) -> None:
    vector = next(vector for vector in vectors["sensoro_safe_mode"] if vector["name"] == "sensor reading")
    app = {**SENSORO_SAFE, "app_id": vector["app_id"]}
    rig = sensoro_rig(
        {
            "accounts": [
                {
                    "app_id": vector["app_id"],
                    "app_secrets": [app["app_secret"]],
                    "app_keys": [vector["app_key"]],
                    "mode": "safe",
                }
            ]
        }
    )
    body = {"appId": vector["app_id"], "type": "text", "sn": "S1", "msgId": 1, "encryptData": vector["encryptData"]}

    assert rig.send(simulator.request(app, URL, body, at=NOW.timestamp())).status == 200
    assert rig.event["data"]["battery"] == 87


# ─── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_body_that_was_changed_is_refused(sensoro: Rig[Any]) -> None:
    push = sensor_push(sensor_body(CLIMATE))
    forged = Request(url=push.url, body=push.body.replace(b"23.5", b"23.6"), headers=push.headers)

    answer = sensoro.send(forged)

    assert (answer.status, answer.reason) == (401, "wrong_signature")
    assert sensoro.is_untouched


def test_a_push_for_another_address_is_refused(sensoro: Rig[Any], output: Output) -> None:
    push = sensor_push(sensor_body(CLIMATE))

    answer = sensoro.send(Request(url=push.url + "?a=1", body=push.body, headers=push.headers))

    assert answer.reason == "wrong_signature"
    assert "PublicBaseUrl" in output.logged[0]["detail"]


def test_another_method_is_refused(sensoro: Rig[Any]) -> None:
    push = sensor_push(sensor_body(CLIMATE))

    assert sensoro.send(Request(url=push.url, body=push.body, headers=push.headers, method="PUT")).status == 401


def test_a_query_string_is_signed_with_the_address(sensoro: Rig[Any]) -> None:
    url, body = f"{URL}/v1/sensoro?site=%E4%B8%AD&x=1", json.dumps(sensor_body(CLIMATE)).encode()
    nonce = str(int(NOW.timestamp() * 1000))
    headers = {
        "content-type": "application/json",
        "x-access-id": SENSORO["app_id"],
        "x-access-nonce": nonce,
        "x-access-signature": simulator.sign(SENSORO["app_secret"], nonce, "POST", url, body),
    }

    assert sensoro.send(Request(url=url, body=body, headers=headers)).status == 200


@pytest.mark.parametrize("name", ["x_access_id", "x_access_nonce", "x_access_signature"])
def test_a_push_that_lacks_a_header_is_refused(sensoro: Rig[Any], name: str) -> None:
    answer = sensoro.send(_with(sensor_push(sensor_body(CLIMATE)), **{name: ""}))

    assert (answer.status, answer.reason) == (401, "missing_signature")


@pytest.mark.parametrize("signature", ["0", "设备", "\ud800", "=" * 10_000, base64.b64encode(bytes(32)).decode()])
def test_what_is_no_signature_is_refused(sensoro: Rig[Any], signature: str) -> None:
    answer = sensoro.send(_with(sensor_push(sensor_body(CLIMATE)), x_access_signature=signature))

    assert (answer.status, answer.reason) == (401, "wrong_signature")
    assert sensoro.is_untouched


@pytest.mark.parametrize("nonce", ["0", "٣", "\udfff", "9" * 10_000, "1782907200000.0", " 1782907200000"])
def test_a_nonce_that_was_changed_is_refused(sensoro: Rig[Any], nonce: str) -> None:
    answer = sensoro.send(_with(sensor_push(sensor_body(CLIMATE)), x_access_nonce=nonce))

    assert (answer.status, answer.reason) == (401, "wrong_signature")


@pytest.mark.parametrize("nonce", ["now", "1e12", "-", "9" * 19, "9" * 5000])
def test_a_signed_push_whose_nonce_is_no_time_is_refused(sensoro: Rig[Any], nonce: str) -> None:
    push = sensor_push(sensor_body(CLIMATE))
    signature = simulator.sign(SENSORO["app_secret"], nonce, "POST", push.url, push.body)

    answer = sensoro.send(_with(push, x_access_nonce=nonce, x_access_signature=signature))

    assert (answer.status, answer.reason) == (400, "malformed")
    assert sensoro.is_untouched


@pytest.mark.parametrize("app_id", ["0", "设备", "\ud800", "1" * 10_000])
def test_a_push_of_an_unknown_app_is_refused(sensoro: Rig[Any], app_id: str) -> None:
    assert sensoro.send(_with(sensor_push(sensor_body(CLIMATE)), x_access_id=app_id)).reason == "unknown_account"


def test_the_secret_of_one_app_does_not_sign_for_another(sensoro: Rig[Any]) -> None:
    push = sensor_push(sensor_body(CLIMATE))

    assert sensoro.send(_with(push, x_access_id=SENSORO_SAFE["app_id"])).reason == "wrong_signature"


@pytest.mark.parametrize("app_id", ["654321", True, 654321, 123456.5, [], {"a": 1}, "123456 "])
def test_an_app_id_in_the_body_that_is_not_the_one_that_signed_is_refused(sensoro: Rig[Any], app_id: object) -> None:
    answer = sensoro.send(sensor_push({**sensor_body(CLIMATE), "appId": app_id}))

    assert (answer.status, answer.reason) == (401, "unknown_account")
    assert sensoro.is_untouched


@pytest.mark.parametrize("app_id", ["", " ", None])
def test_an_app_id_of_nothing_is_none(sensoro: Rig[Any], app_id: object) -> None:
    """The header names an app, and that app's secret signed the push."""
    assert sensoro.send(sensor_push({**sensor_body(CLIMATE), "appId": app_id})).status == 200
    assert sensoro.event["data"]["account"] == "123456"


def test_an_app_id_that_comes_as_a_number_agrees(sensoro: Rig[Any]) -> None:
    assert sensoro.send(sensor_push({**sensor_body(CLIMATE), "appId": 123456})).status == 200


@pytest.mark.parametrize("secret", ["old", "new"])
def test_each_live_secret_and_key_is_accepted(secret: str) -> None:
    keys = [SENSORO["app_key"], KEY]
    account = {"app_id": APP_ID, "app_secrets": ["old", "new"], "app_keys": keys, "mode": "safe"}
    for number, key in enumerate(keys):
        rig = sensoro_rig({"accounts": [account]})
        app = {"app_id": APP_ID, "app_secret": secret, "app_key": key}
        body = simulator.sensor_data(app, CLIMATE, safe=True, msgId=number)
        assert rig.send(simulator.request(app, URL, body, at=NOW.timestamp())).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"app_keys": ["short"]},
        {"app_keys": ["!" * 43]},
        {"app_keys": ["-" * 43]},
        {"app_keys": []},
        {"app_secrets": []},
        {"app_secrets": ["s", ""]},
        {"app_secrets": [" "]},
        {"app_keys": [""]},
        {"app_keys": [" " * 43]},
        {"app_id": ""},
        {"mode": "sage"},
        {"app_key": KEY},
    ],
)
def test_a_secret_that_could_not_work_is_told_when_it_is_read(change: dict[str, Any]) -> None:
    account = {"app_id": "1", "app_secrets": ["s"], "app_keys": [KEY], "mode": "safe", **change}

    with pytest.raises(ValidationError) as caught:
        wire.Accounts.model_validate({"accounts": [account]})

    assert KEY not in str(caught.value)


@pytest.mark.parametrize("field", ["app_secrets", "app_keys"])
@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_secret_or_key_is_told_by_its_field(field: str, empty: str) -> None:
    """HMAC takes an empty key, and then anyone can sign."""
    account = {"app_id": "1", "app_secrets": ["s"], "app_keys": [KEY], field: [empty]}

    with pytest.raises(ValidationError) as caught:
        wire.Accounts.model_validate({"accounts": [account]})

    assert field in str(caught.value)


# ─── JSON.stringify ───────────────────────────────────────────────────────────────────────────────────────────────────


def _signed_over(wire_body: bytes, signed_body: bytes, *, safe: bool = False) -> Request:
    push = sensor_push(signed_body, safe=safe)
    return Request(url=push.url, body=wire_body, headers=push.headers)


STRINGIFIED = (
    '{"appId":"123456","type":"text","sn":"设备","msgId":5,"data":{"temperature":23,"a":-0.5,"b":[0,{}]}}'.encode()
)
WIRE = [
    '{"appId": "123456", "type":"text", "sn": "设备", "msgId":5, "data": {"temperature": 23, "a": -0.5, "b": [0, {}]}}',
    '{"appId":"123456","type":"text","sn":"设备","msgId":5.0,"data":{"temperature":23.0,"a":-0.50,"b":[-0.0,{}]}}',
    '{"appId":"123456","type":"text","sn":"\\u8bbe\\u5907","msgId":5,"data":{"temperature":2.3e1,"a":-5e-1,"b":[0,{}]}}',
    '\n{"appId":"123456","type":"text","sn":"设备","msgId":5,\t"data":{"temperature":23,"a":-0.5,"b":[0,{}]}}\r\n',
]


@pytest.mark.parametrize("body", WIRE)
def test_a_signature_over_the_stringified_body_is_accepted(sensoro: Rig[Any], body: str) -> None:
    """Reports 10: Python writes 1e-05 where JavaScript writes 0.00001."""
    assert sensoro.send(_signed_over(body.encode(), STRINGIFIED)).status == 200
    assert sensoro.event["data"]["device"] == "设备"


@pytest.mark.parametrize("msg_id", [b'"msgId":5,', b"", b'"msgId":"",'])
def test_bodies_that_stringify_alike_are_one_push(sensoro: Rig[Any], msg_id: bytes) -> None:
    """One signature covers all the forms, so anyone who has seen the push could send each of them."""
    signed = STRINGIFIED.replace(b'"msgId":5,', msg_id)
    bodies = [
        signed,
        signed.replace(b":", b": "),
        signed.replace(b'"temperature":23,', b'"temperature":23.0,'),
        signed.replace(b'"msgId":5,', b'"msgId":5.0,'),
        signed.replace(b'"sn":', b'"sn":"replaced by the next","sn":'),
    ]
    for body in bodies:
        assert sensoro.send(_signed_over(body, signed)).status == 200

    assert len(sensoro.stored) == len(sensoro.published) == 1


def test_however_a_signed_push_is_cut_into_address_and_body_it_is_one_event_and_one_notice(
    sensoro: Rig[Any], output: Output
) -> None:
    """Security S16: the signature is over both, joined. At most one `unmapped` notice may come of it."""
    push = sensor_push(STRINGIFIED)
    nonce, joined = str(int(AT * 1000)), b"to=a&b=" + STRINGIFIED
    signed = simulator.sign(SENSORO["app_secret"], nonce, "POST", f"{push.url}?", joined)
    for cut in range(len(joined)):
        try:
            url = f"{push.url}?{joined[:cut].decode()}"
        except UnicodeDecodeError:
            continue
        sensoro.send(_with(Request(url=url, body=joined[cut:], headers=push.headers), x_access_signature=signed))

    kinds = [event["data"].get("kind") for event in sensoro.stored]
    assert kinds.count("unmapped") == 1
    assert len(kinds) == 2
    assert output.counted[Count.DUPLICATE] > 50


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_signed_push_in_another_encoding_is_refused(sensoro: Rig[Any], encoding: str) -> None:
    answer = sensoro.send(_signed_over(STRINGIFIED.decode().encode(encoding), STRINGIFIED))

    assert (answer.status, answer.reason) == (401, "wrong_signature")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b"[" * 5000, b"9" * 5000, b'{"a":1e999}', b'"\\ud800"', b"\xff", b"\xed\xa0\x80"]
)
def test_what_does_not_stringify_is_refused_unless_it_is_signed_as_it_is(sensoro: Rig[Any], body: bytes) -> None:
    assert sensoro.send(_signed_over(body, STRINGIFIED)).reason == "wrong_signature"
    assert sensoro.is_untouched


# ─── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [-300, -299, 0, 300, 301, 82_800, 86_400])
def test_a_nonce_up_to_the_limit_on_either_side_is_accepted(sensoro: Rig[Any], late: float) -> None:
    assert sensoro.send(sensor_push(sensor_body(CLIMATE)), at=NOW + seconds(late)).status == 200


@pytest.mark.parametrize(
    ("late", "reason", "setting"),
    [
        (86_401, "stale", "SensoroNonceWindow"),
        (3 * 86_400, "stale", "SensoroNonceWindow"),
        (-301, "future", "SensoroNonceAhead"),
        (-86_400, "future", "SensoroNonceAhead"),
    ],
)
def test_a_nonce_past_the_limit_is_refused(sensoro: Rig[Any], late: float, reason: str, setting: str) -> None:
    answer = sensoro.send(sensor_push(sensor_body(CLIMATE)), at=NOW + seconds(late))

    assert (answer.status, answer.reason) == (401, reason)
    assert f"{abs(late)} s" in answer.body["error"]["message"]
    assert setting in answer.body["error"]["message"]
    assert sensoro.is_untouched


@pytest.mark.parametrize(("late", "status"), [(60, 200), (61, 401), (-10, 200), (-11, 401)])
def test_the_limits_are_settings(late: float, status: int) -> None:
    rig = sensoro_rig(settings={"NONCE_WINDOW": "60", "NONCE_AHEAD": "10"})

    assert rig.send(sensor_push(sensor_body(CLIMATE)), at=NOW + seconds(late)).status == status


@pytest.mark.parametrize("setting", [{"NONCE_WINDOW": "86401"}, {"NONCE_WINDOW": "0"}, {"NONCE_AHEAD": "0"}])
def test_a_limit_that_would_outlive_what_is_remembered_is_told_at_start(setting: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match=next(iter(setting))):
        sensoro_rig(settings=setting)


@pytest.mark.parametrize("nonce", ["{seconds}", "{seconds}.5", "{seconds}000", "{seconds}000000"])
def test_a_nonce_may_be_in_seconds(sensoro: Rig[Any], nonce: str) -> None:
    push = sensor_push(sensor_body(CLIMATE))
    sent = nonce.format(seconds=int(NOW.timestamp()))
    signature = simulator.sign(SENSORO["app_secret"], sent, "POST", push.url, push.body)

    assert sensoro.send(_with(push, x_access_nonce=sent, x_access_signature=signature)).status == 200


@pytest.mark.parametrize("hours", [1, 23])
@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("more", [{}, {"createdTime": "", "msgId": ""}, {"msgId": 0}])
def test_a_replay_makes_no_second_event(sensoro: Rig[Any], more: dict[str, Any], hours: float, *, safe: bool) -> None:
    """The headers that are not signed do not count either."""
    push = sensor_push(sensor_body({"leak": True}, safe=safe, **more), safe=safe)
    sensoro.send(push)
    known = sensoro.stored
    for again in (push, _with(push, user_agent="another/2", x_request_id="2", content_type="text/plain")):
        assert sensoro.send(again, NOW + seconds(hours * 3600)).status == 200

    assert sensoro.stored == known
    assert len(known) == 2


def test_a_push_that_is_sent_again_with_a_new_nonce_and_new_random_bytes_is_one_event(
    sensoro: Rig[Any], output: Output
) -> None:
    for late in (0, 5, 30, 60):
        push = sensor_push(sensor_body(CLIMATE, safe=True), safe=True, at=NOW.timestamp() + late)
        assert sensoro.send(push, at=NOW + seconds(late)).status == 200

    assert sensoro.event["data"]["received_at"] == "2026-07-01T12:00:00.000000Z"
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1, Count.DUPLICATE: 3}


def test_a_retry_that_comes_late_after_our_outage_is_kept_and_called_late(sensoro: Rig[Any]) -> None:
    """Protocol B3: a retry may have its first nonce."""
    assert sensoro.send(sensor_push(sensor_body(CLIMATE)), NOW + seconds(6 * 3600)).status == 200

    assert (sensoro.event["data"]["arrival"], sensoro.event["data"]["lag_ms"]) == ("late", 6 * 3_600_000)


# ─── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [{"temperature": 1}, {"leak": True}])
def test_in_plain_mode_the_answer_is_the_pages(sensoro: Rig[Any], body: dict[str, Any]) -> None:
    assert sensoro.send(sensor_push(sensor_body(body))).body == {"messages": "success"}


def test_in_safe_mode_the_answer_is_empty(sensoro: Rig[Any]) -> None:
    for body in (sensor_body({"leak": True}, safe=True), task_body(safe=True)):
        answer = sensoro.send(sensor_push(body, safe=True))
        assert (answer.status, answer.body) == (200, None)


def test_a_push_in_safe_mode_of_an_app_in_plain_mode_is_answered_empty(sensoro: Rig[Any]) -> None:
    body = simulator.sensor_data(SENSORO, CLIMATE, safe=True, msgId=1)

    assert sensoro.send(sensor_push(body)).body is None


# ─── Safe mode ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("padding", range(1, 33))
def test_each_padding_from_1_to_32_decrypts(padding: int) -> None:
    message = b"m" * (32 + 32 - 16 - 4 - len(APP_ID) - padding)
    text = safe_text(message)
    assert text[-1] == padding

    assert _message(text) == message
    assert verify.message(simulator.seal(message, KEY, APP_ID), [KEY], APP_ID) == message


@pytest.mark.parametrize("length", range(70))
def test_messages_of_every_length_decrypt(length: int) -> None:
    assert _message(safe_text(b"x" * length)) == b"x" * length


def _undecryptable(text: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        _message(text)
    assert caught.value.reason is Reason.UNDECRYPTABLE


@pytest.mark.parametrize("padding", [0, 33, 34, 48, 255])
def test_a_padding_that_is_none_is_refused(padding: int) -> None:
    own = 16 + 4 + len(APP_ID)
    message = b"m" * (-(own + (padding or 1)) % 32)
    text = safe_text(message, padding=bytes([padding]) * (padding or 1))
    assert len(text) % 16 == 0

    _undecryptable(text)


@pytest.mark.parametrize("padding", [2, 7, 16, 17, 31, 32])
def test_each_wrong_padding_byte_is_refused(padding: int) -> None:
    text = safe_text(b"m" * (64 - 16 - 4 - len(APP_ID) - padding))
    assert text.endswith(bytes([padding]) * padding)
    for position in range(1, padding + 1):
        wrong = bytearray(text)
        wrong[-position] ^= 0x40
        _undecryptable(bytes(wrong))


@pytest.mark.parametrize("app_id", ["654322", "123456", "", "65432", "6543210", "654321\0"])
def test_another_trailing_app_id_is_refused(app_id: str) -> None:
    _undecryptable(safe_text(b'{"a":1}', app_id=app_id))


@pytest.mark.parametrize("length", [0, 1, 6, 8, 13, 14, 100, 2**31, 2**32 - 1])
def test_a_wrong_length_is_refused(length: int) -> None:
    _undecryptable(safe_text(b'{"a":1}', length=length))


@pytest.mark.parametrize("size", [16, 32, 48])
def test_a_text_that_is_all_padding_is_refused(size: int) -> None:
    _undecryptable(bytes([16]) * size)
    _undecryptable(bytes([32]) * size)


def test_each_truncated_cipher_text_is_refused() -> None:
    sealed = base64.b64decode(sealed_text(safe_text(json.dumps(CLIMATE).encode())))
    for length in range(len(sealed)):
        with pytest.raises(Rejected) as caught:
            verify.message(base64.b64encode(sealed[:length]).decode(), [KEY], APP_ID)
        assert caught.value.reason is Reason.UNDECRYPTABLE


def test_each_flipped_bit_that_reaches_the_app_id_the_padding_or_the_length_is_refused() -> None:
    """A flip garbles its own block and flips the same bit of the next. A change of the message alone is only found by
    the signature.
    """
    text = safe_text(b"m" * 20)  # 64 bytes: random · length and 12 of 20 · 8 of 20, AppID, 2 of 18 · the rest
    sealed = base64.b64decode(sealed_text(text))
    assert len(sealed) == 64
    for position in (*range(4), *range(16 + 8, 64)):
        for bit in range(8):
            wrong = bytearray(sealed)
            wrong[position] ^= 1 << bit
            with pytest.raises(Rejected) as caught:
                verify.message(base64.b64encode(wrong).decode(), [KEY], APP_ID)
            assert caught.value.reason is Reason.UNDECRYPTABLE


@pytest.mark.parametrize(
    "cipher", ["", "=", "AAAA", "设备", "\ud800", "A" * 43, "not base64!", " " * 64, "A" * 63 + "="]
)
def test_what_is_no_cipher_text_is_refused(cipher: str) -> None:
    with pytest.raises(Rejected) as caught:
        verify.message(cipher, [KEY], APP_ID)
    assert caught.value.reason is Reason.UNDECRYPTABLE


def test_the_key_of_another_app_does_not_decrypt() -> None:
    sealed = simulator.seal(b"{}", SENSORO["app_key"], APP_ID)
    with pytest.raises(Rejected):
        verify.message(sealed, [KEY], APP_ID)


def test_a_cipher_text_that_does_not_decrypt_is_refused_though_its_signature_is_right(sensoro: Rig[Any]) -> None:
    body = sensor_body(CLIMATE, safe=True, encryptData=simulator.seal(b"{}", KEY, "somebody"))

    answer = sensoro.send(sensor_push(body, safe=True))

    assert (answer.status, answer.reason) == (400, "undecryptable")
    assert sensoro.is_untouched


@pytest.mark.parametrize("cipher", [1, True, ["AAAA"], {"a": "AAAA"}, 1.5])
def test_a_cipher_text_that_is_no_string_is_refused(sensoro: Rig[Any], cipher: object) -> None:
    answer = sensoro.send(sensor_push(sensor_body(CLIMATE, safe=True, encryptData=cipher), safe=True))

    assert (answer.status, answer.reason) == (400, "undecryptable")


@pytest.mark.parametrize(
    "body",
    [
        {"appId": APP_ID, "type": "text", "sn": "S1", "data": CLIMATE},
        {"appId": APP_ID, "type": "text", "sn": "S1", "data": CLIMATE, "encryptData": ""},
        {"appId": APP_ID, "type": "text", "sn": "S1", "data": CLIMATE, "encryptData": None},
        {"appId": APP_ID, "type": "event", "resultCode": 0},
        b"[]",
        b"no json",
        b"",
    ],
)
def test_a_plain_push_for_an_app_in_safe_mode_is_refused(sensoro: Rig[Any], body: dict[str, Any] | bytes) -> None:
    answer = sensoro.send(sensor_push(body, safe=True))

    assert (answer.status, answer.reason) == (401, "plain_refused")
    assert sensoro.is_untouched


def test_an_app_in_plain_mode_may_send_in_safe_mode(sensoro: Rig[Any]) -> None:
    body = simulator.sensor_data(SENSORO, CLIMATE, safe=True, msgId=1)

    assert sensoro.send(sensor_push(body)).status == 200
    assert sensoro.event["data"]["battery"] == 87


def test_an_encrypted_push_for_an_app_whose_key_is_not_known_is_kept_as_unmapped() -> None:
    rig = sensoro_rig({"accounts": [{"app_id": SENSORO["app_id"], "app_secrets": [SENSORO["app_secret"]]}]})
    body = simulator.sensor_data(SENSORO, CLIMATE, safe=True, msgId=1)

    assert rig.send(sensor_push(body)).status == 200
    assert rig.event["data"]["kind"] == "unmapped"
    assert rig.event["data"]["payload"] == body


def test_what_was_encrypted_stands_where_it_stands_in_plain_mode(sensoro: Rig[Any]) -> None:
    sensoro.send(sensor_push(sensor_body(CLIMATE, safe=True), safe=True))

    payload = sensoro.event["data"]["payload"]
    assert payload["data"] == CLIMATE
    assert "encryptData" not in payload


def _unreadable(rig: Rig[Any]) -> bytes:
    """The content that the notice refers to; the notice itself holds nothing of it."""
    data = rig.event["data"]
    assert (data["kind"], data.get("payload")) == ("unmapped", None)
    assert data["body"]["key"].startswith("unreadable/sensoro/")
    return rig.media.pictures[data["body"]["key"]].data


@pytest.mark.parametrize("message", [b"\xff\xfe", b"no json", b"", b'{"a":'])
def test_a_message_that_decrypts_and_is_damaged_is_kept_where_no_subscriber_looks(
    sensoro: Rig[Any], message: bytes
) -> None:
    body = sensor_body(CLIMATE, safe=True, encryptData=simulator.seal(message, KEY, APP_ID))

    assert sensoro.send(sensor_push(body, safe=True)).status == 200
    assert _unreadable(sensoro) == message


@pytest.mark.parametrize(
    "message",
    [
        b'\xef\xbb\xbf{"temperature":0}',
        b'{"temperature":0}\0\0',
        b'{"temperature":0,"ch4":1e999}',
        b'{"temperature":0,"a":NaN}',
        b'{"temperature":0,"note":"\\ud842"}',
        b'{"temperature":0,"note":"a\nb"}',
        b' \r\n{"temperature":"0"}\n',
    ],
)
def test_a_message_that_decrypts_and_is_odd_is_read(sensoro: Rig[Any], message: bytes) -> None:
    body = sensor_body(CLIMATE, safe=True, encryptData=simulator.seal(message, KEY, APP_ID))

    assert sensoro.send(sensor_push(body, safe=True)).status == 200
    assert sensoro.event["data"]["readings"]["temperature"] == {"value": 0, "unit": "Cel"}


def _lines(cipher: str, width: int, end: str) -> str:
    return end.join(cipher[start : start + width] for start in range(0, len(cipher), width))


@pytest.mark.parametrize("length", [3, 20, 37, 59])
@pytest.mark.parametrize(
    "write",
    [
        lambda cipher: _lines(cipher, 76, "\n"),
        lambda cipher: _lines(cipher, 64, "\r\n") + "\r\n",
        lambda cipher: _lines(cipher, 60, "\n") + "\n",
        lambda cipher: cipher + "\n",
        lambda cipher: f" {cipher} ",
        lambda cipher: cipher.rstrip("="),
        lambda cipher: cipher.translate(str.maketrans("+/", "-_")),
        lambda cipher: cipher.translate(str.maketrans("+/", "-_")).rstrip("="),
    ],
)
def test_each_kind_of_base64_is_read(sensoro: Rig[Any], write: Callable[[str], str], length: int) -> None:
    """Reports 8: in lines, without padding, in the alphabet for URLs."""
    cipher = simulator.seal(compact({"customer": "x" * length}), KEY, APP_ID)
    body = sensor_body({}, safe=True, encryptData=write(cipher))

    assert sensoro.send(sensor_push(body, safe=True)).status == 200
    assert sensoro.event["data"]["readings"]["customer"]["value"] == "x" * length


def test_the_result_of_a_task_decrypts(sensoro: Rig[Any]) -> None:
    assert sensoro.send(sensor_push(task_body(safe=True), safe=True)).status == 200

    assert sensoro.event["data"]["payload"]["resultData"] == {"interval": 600}


def test_the_result_code_of_a_task_may_be_in_what_is_encrypted(sensoro: Rig[Any]) -> None:
    sealed = simulator.seal(b'{"resultCode":1,"resultData":{"interval":60},"appId":"another"}', KEY, APP_ID)
    body = {name: value for name, value in task_body(safe=True).items() if name != "resultCode"}

    assert sensoro.send(sensor_push({**body, "encryptData": sealed}, safe=True)).status == 200
    data = sensoro.event["data"]
    assert (data["result"], data["payload"]["appId"]) == ("failure", APP_ID)


# ─── Signed, and odd ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [b"", b"no json", b"[1,2]", b"null", '"设备"'.encode(), b"NaN", b"{}{}", b'{"a":1'])
def test_a_signed_push_that_is_no_json_object_is_kept_where_no_subscriber_looks(sensoro: Rig[Any], body: bytes) -> None:
    assert sensoro.send(sensor_push(body)).status == 200

    assert _unreadable(sensoro) == body


@pytest.mark.parametrize("body", [b"\xff\x00", b"a\x00b", b"\xed\xa0\x80", "设备".encode("gbk")])
def test_a_signed_push_that_is_no_text_is_kept_where_no_subscriber_looks(sensoro: Rig[Any], body: bytes) -> None:
    push = _with(sensor_push(body), content_type="application/octet-stream")
    assert api_event(push)["isBase64Encoded"]

    assert sensoro.send(push).status == 200
    assert _unreadable(sensoro) == body


def test_two_unreadable_pushes_are_two_and_each_is_its_own_retry(sensoro: Rig[Any]) -> None:
    for push in (sensor_push(b"no json"), sensor_push(b"no jason"), sensor_push(b"no json", at=NOW.timestamp() + 1)):
        for _ in range(2):
            assert sensoro.send(push, NOW + seconds(1)).status == 200

    assert len(sensoro.stored) == 3


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("safe", [False, True])
def test_a_push_signed_as_it_was_written_is_read(sensoro: Rig[Any], style: str, *, safe: bool) -> None:
    """Reports 4 and 5: with a byte order mark, or a closing NUL."""
    body = sensor_body({"leak": True}, safe=safe)

    assert sensoro.send(sensor_push(STYLES[style](body), safe=safe)).status == 200
    assert {event["data"]["kind"] for event in sensoro.stored} == {"node", "leak"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("safe", [False, True])
def test_a_push_signed_as_javascript_writes_it_is_read_however_it_comes(
    sensoro: Rig[Any], style: str, *, safe: bool
) -> None:
    """Reports 10: JavaScript has its own notation of numbers."""
    body = sensor_body({"leak": True}, safe=safe)

    assert sensoro.send(_signed_over(STYLES[style](body), simulator.compact(body), safe=safe)).status == 200
    assert {event["data"]["kind"] for event in sensoro.stored} == {"node", "leak"}


@pytest.mark.parametrize("safe", [False, True])
def test_an_alarm_beside_a_nan_is_told(sensoro: Rig[Any], *, safe: bool) -> None:
    """Reports 3: a NaN does not hide the other values. The bare word is signed: JSON.stringify never writes it."""
    data = {"leak": True, "temperature": float("nan")}
    body = sensor_body({}, safe=safe)
    clear = compact(data)
    if safe:
        body["encryptData"] = simulator.seal(clear, KEY, APP_ID)
    else:
        body["data"] = data

    assert sensoro.send(sensor_push(compact(body), safe=safe)).status == 200
    assert {event["data"]["kind"] for event in sensoro.stored} == {"node", "leak"}


def test_each_of_two_addresses_is_tried(sensoro: Rig[Any]) -> None:
    """A custom domain with an API mapping: its key is in the path that the vendor was given, or it is not."""
    for path in ("/gate/v1/sensoro", "/v1/sensoro"):
        signed = sensor_push(sensor_body(CLIMATE, sn=path))
        nonce = signed.headers["X-ACCESS-NONCE"]
        signature = simulator.sign(SENSORO["app_secret"], nonce, "POST", URL + path, signed.body)
        event = api_event(_with(signed, x_access_signature=signature))
        event["rawPath"] = "/gate/v1/sensoro"
        event["requestContext"]["http"]["path"] = "/v1/sensoro"
        assert sensoro.handle(event).status == 200

    assert len(sensoro.stored) == 2


@pytest.mark.parametrize("app_id", [123456, 123456.0, "123456"])
def test_an_app_id_is_the_same_in_each_type(sensoro: Rig[Any], app_id: object) -> None:
    assert sensoro.send(sensor_push(compact({**sensor_body(CLIMATE), "appId": app_id}))).status == 200


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), _nested, max_leaves=20)
)
def test_nothing_signed_is_an_error_of_ours(value: Any) -> None:
    rig = sensoro_rig()
    for body in (
        value,
        {"type": "text", "data": value},
        {"type": "text", "sn": value, "msgId": value, "data": {"leak": value, "smoke": value}},
    ):
        answer = rig.send(sensor_push(json.dumps(body).encode()))
        assert answer.status == 200
    assert rig.topics.messages
