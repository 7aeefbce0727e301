"""Ten thousand requests that nobody should send: each is refused in JSON, and nothing is stored or raised."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatehouse.gate import BODY_LIMIT
from gatehouse.telemetry import flush, log
from ops.simulators import Request
from ops.simulators import eye4 as eye4_simulator
from ops.simulators import sensoro as sensoro_simulator
from ops.simulators import sunmi as sunmi_simulator
from tests.builders import (
    CUSTOMER,
    EYE4,
    FACE,
    NOW,
    SENSELINK,
    SENSORO,
    SENSORO_SAFE,
    SUNMI,
    URL,
    House,
    access_record,
    api_event,
    eye4_house,
    eye4_push,
    ring,
    safe_text,
    sealed_text,
    senselink_house,
    sensor_body,
    sensor_push,
    sensoro_house,
    sunmi_form,
    sunmi_house,
    told,
)
from tests.unit.conftest import Output

type Event = dict[str, Any]

AT = int(NOW.timestamp())
MARKER = "MARKER"
REFUSED = {400, 401, 413}


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(changed)


def _damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a bit flipped, the end cut off, or something put in."""
    return st.one_of(
        st.integers(0, len(content) * 8 - 1).map(lambda bit: _flipped(content, bit)),
        st.integers(0, len(content) - 1).map(lambda length: content[:length]),
        st.tuples(st.integers(0, len(content)), st.binary(min_size=1, max_size=8)).map(
            lambda put: content[: put[0]] + put[1] + content[put[0] :]
        ),
    )


# ─── What comes without a good signature ──────────────────────────────────────────────────────────────────────────────

words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "0", "\ud800", "a\ud800", "\x00", "设备", "\ufffe", "=" * 70, "9" * 30, "9" * 5000, "x" * 9000]
    ),
    st.text(st.characters(codec=None), max_size=8),
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "X-ACCESS-ID", "x-access-nonce", "X-Access-Signature", "guid", "host", "", "设备"])
    | words,
    words | st.sampled_from([SENSORO["app_id"], SENSORO_SAFE["app_id"], str(AT * 1000)]),
    max_size=5,
)
odd_json = st.sampled_from(
    [
        "",
        "{",
        "[" * 3000,
        "[" * 2000 + "]" * 2000,
        '{"a":' * 900 + "0" + "}" * 900,
        "NaN",
        '{"data":-Infinity}',
        "1e999",
        "9" * 5000,
        '{"appId":"123456","msgId":' + "9" * 4300 + "}",
        '"\\ud800"',
        '{"\\udc00":1}',
        '{"appId":"123456","appId":"654321"}',
        "\ufeff{}",
        "null",
        "{}\x00",
    ]
)
texts = odd_json | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
).map(json.dumps)
bodies = st.one_of(
    st.binary(max_size=200),
    texts.map(str.encode),
    st.tuples(texts, st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "utf-7"])).map(
        lambda both: both[0].encode(both[1])
    ),
    st.sampled_from([b"x" * 65_537, b"\xff" * 70_000, b"&" * 65_536, b"a=1&" * 16_000, b"%" * 3000, b"\xed\xa0\x80"]),
)
methods = st.sampled_from(["POST", "PUT", "", "设备"])


def anything(path: str) -> st.SearchStrategy[Event]:
    """Whatever bodies with whatever headers."""
    return st.builds(
        lambda body, more, method: {
            **api_event(Request(URL + path, body, {}, method)),
            "body": base64.b64encode(body).decode(),
            "headers": more,
        },
        bodies,
        headers,
        methods,
    )


def not_base64(path: str) -> st.SearchStrategy[Event]:
    """Bodies that are not what API Gateway says they are, and text that has no bytes."""
    event = api_event(Request(URL + path, b"", {"content-type": "application/json"}))
    return st.builds(
        lambda body, encoded, more: {**event, "headers": more, "body": body, "isBase64Encoded": encoded},
        words | st.text(max_size=50),
        st.booleans(),
        headers,
    )


# ─── SUNMI ────────────────────────────────────────────────────────────────────────────────────────────────────────────

FORM = {
    "app_id": SUNMI["app_id"],
    "random": "N1",
    "timestamp": str(AT),
    "shop_id": "10096",
    "event": "2001",
    "payload": json.dumps(FACE),
}
FIELDS = {**FORM, "sign": sunmi_simulator.sign(FORM, SUNMI["app_key"])}
FACE_PUSH = sunmi_form(FORM, FIELDS["sign"])


def _form(pairs: list[tuple[str, str]]) -> Event:
    body = "&".join(
        f"{quote_plus(name, errors='replace')}={quote_plus(value, errors='replace')}" for name, value in pairs
    )
    return api_event(Request(URL + sunmi_simulator.PATH, body.encode()))


def _is_the_form_that_was_signed(event: Event) -> bool:
    """A flipped bit may only spell the same otherwise: `%7b` for `%7B`, or the signature in lower case."""
    body = base64.b64decode(event["body"]).removeprefix(b"\xef\xbb\xbf").rstrip(b"\0\r\n")
    fields = parse_qsl(body.decode(errors="surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    signed = {name: value for name, value in fields if value}
    return {**signed, "sign": signed.get("sign", "").upper()} == FIELDS


def _resigned(change: dict[str, str]) -> Request:
    fields = {**FORM, **change}
    return sunmi_form(fields, sunmi_simulator.sign(fields, SUNMI["app_key"]))


def _in_another_encoding(put: tuple[str, str, str]) -> Event:
    """Bytes that are no UTF-8 at the beginning of a field; the signature is right if they are taken for nothing."""
    name, escape, word = put
    push = _resigned({name: word + FORM[name]}) if name != "app_id" else FACE_PUSH
    return api_event(replace(push, body=push.body.replace(f"{name}=".encode(), f"{name}={escape}".encode())))


far_times = st.one_of(
    st.integers(max_value=AT - 86_401),
    st.integers(min_value=AT + 601),
    st.sampled_from([10**19, -(10**18), 10**30, 10**5000]),
).map(lambda moment: str(moment) if abs(moment) < 10**4000 else "9" * 5000)
no_times = st.text(max_size=20).filter(lambda text: not any(character.isnumeric() for character in text))

SUNMI_REQUESTS: dict[str, tuple[int, st.SearchStrategy[Event]]] = {
    "anything": (1000, anything(sunmi_simulator.PATH)),
    "not base64": (500, not_base64(sunmi_simulator.PATH)),
    "forms that nobody signed": (
        1000,
        st.lists(
            st.tuples(
                st.sampled_from([*FORM, "sign", ""]) | st.text(max_size=5),
                st.sampled_from([*FIELDS.values(), ""]) | st.text(max_size=10),
            ),
            max_size=8,
        )
        .filter(lambda pairs: ("sign", FIELDS["sign"]) not in pairs)
        .map(_form),
    ),
    "damaged with the old signature": (
        1200,
        _damaged(FACE_PUSH.body)
        .map(lambda body: api_event(Request(URL + sunmi_simulator.PATH, body)))
        .filter(lambda event: not _is_the_form_that_was_signed(event)),
    ),
    "from another time, signed": (
        500,
        (far_times | no_times).map(lambda moment: api_event(_resigned({"timestamp": moment}))),
    ),
    "with a field that comes twice, signed": (
        500,
        st.tuples(st.sampled_from([*FIELDS]), st.text(max_size=5), st.booleans()).map(
            lambda twice: _form([*FIELDS.items(), twice[:2]] if twice[2] else [twice[:2], *FIELDS.items()])
        ),
    ),
    "in another encoding, signed": (
        300,
        st.tuples(
            st.sampled_from(sorted(FORM)),
            st.sampled_from(["%ff", "%C0%AF", "%ED%A0%80", "%E8%AE"]),
            st.text("abc", max_size=5),
        ).map(_in_another_encoding),
    ),
}

# ─── SENSORO ──────────────────────────────────────────────────────────────────────────────────────────────────────────

KEY, APP_ID = SENSORO_SAFE["app_key"], SENSORO_SAFE["app_id"]
CLEAR = safe_text(b'{"temperature":23.5,"humidity":48,"battery":87}')
SEALED = base64.b64decode(sealed_text(CLEAR))
BLOCKS = len(SEALED) // 16


def _safe(cipher: object, **more: Any) -> dict[str, Any]:
    return {"appId": APP_ID, "sn": "S1", "type": "text", "msgId": 1, "encryptData": cipher, **more}


def _safe_push(cipher: object, **more: Any) -> Request:
    return sensor_push(_safe(cipher, **more), safe=True)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


PLAIN_PUSH = sensor_push(sensor_body({"temperature": 23.5}, deviceType="设备"))
SAFE_PUSH = _safe_push(_base64(SEALED))


def _with_header(change: tuple[str, str]) -> Event:
    name, value = change
    event = api_event(PLAIN_PUSH)
    return {**event, "headers": {**event["headers"], name: value}}


def _with_old_signature(cipher: bytes) -> Event:
    body = SAFE_PUSH.body.replace(_base64(SEALED).encode(), _base64(cipher).encode())
    return api_event(replace(SAFE_PUSH, body=body))


def _at(nonce: str) -> Event:
    signature = sensoro_simulator.sign(SENSORO["app_secret"], nonce, "POST", PLAIN_PUSH.url, PLAIN_PUSH.body)
    more = {"X-ACCESS-NONCE": nonce, "X-ACCESS-SIGNATURE": signature}
    return api_event(replace(PLAIN_PUSH, headers={**PLAIN_PUSH.headers, **more}))


# The last two blocks hold the end of the message, the AppID and the padding; a flip in the one before them flips
# the same bit there. What a flip does to the message alone, only the signature can tell (vendors.md, chapter 4).
tail_flips = st.integers((BLOCKS - 2) * 128, BLOCKS * 128 - 1).map(lambda bit: _flipped(SEALED, bit))
truncations = st.integers(0, len(SEALED) - 1).map(lambda length: SEALED[:length])
random_blocks = st.integers(0, 12).flatmap(lambda blocks: st.binary(min_size=16 * blocks, max_size=16 * blocks))
other_paddings = st.builds(
    lambda message, padding: sealed_text(_padded(message, padding)),
    st.binary(max_size=80),
    st.sampled_from([0, 33, 34, 48, 64, 128, 255]),
)
uneven_paddings = st.builds(
    lambda message, position, change: sealed_text(_uneven(safe_text(message), position, change)),
    st.binary(max_size=80),
    st.integers(1, 32),
    st.integers(1, 255),
)
wrong_lengths = st.builds(
    lambda message, length: sealed_text(safe_text(message, length=length)),
    st.binary(max_size=80),
    st.integers(81, 2**32 - 1),
)
wrong_app_ids = st.builds(
    lambda message, app_id: sealed_text(safe_text(message, app_id=app_id)),
    st.binary(max_size=80),
    st.text(max_size=20).filter(lambda app_id: app_id != APP_ID),
)
no_ciphers = st.one_of(
    st.text(max_size=80),
    st.none(),
    st.booleans(),
    st.integers(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _padded(message: bytes, padding: int) -> bytes:
    """With padding bytes that say so many, as many as fill the block."""
    text = safe_text(message, padding=b"")
    return text + bytes([padding]) * (32 - len(text) % 32)


def _uneven(text: bytes, position: int, change: int) -> bytes:
    """With one byte of the padding changed."""
    wrong = bytearray(text)
    wrong[-1 - (position - 1) % text[-1]] ^= change
    return bytes(wrong)


def _signed_cipher(cipher: object) -> Event:
    return api_event(_safe_push(cipher))


SENSORO_REQUESTS: dict[str, tuple[int, st.SearchStrategy[Event]]] = {
    "anything": (1000, anything(sensoro_simulator.PATH)),
    "not base64": (500, not_base64(sensoro_simulator.PATH)),
    "damaged with the old signature": (
        1000,
        _damaged(PLAIN_PUSH.body)
        .filter(lambda body: body != PLAIN_PUSH.body)
        .map(lambda body: api_event(replace(PLAIN_PUSH, body=body))),
    ),
    "odd bodies with a signature of another": (400, bodies.map(lambda body: api_event(replace(PLAIN_PUSH, body=body)))),
    "odd headers": (
        700,
        st.tuples(st.sampled_from(["x-access-id", "x-access-nonce", "x-access-signature"]), words).map(_with_header),
    ),
    "ciphers damaged with the old signature": (500, _damaged(SEALED).map(_with_old_signature)),
    "ciphers flipped, signed": (256, tail_flips.map(_base64).map(_signed_cipher)),
    "ciphers truncated, signed": (96, truncations.map(_base64).map(_signed_cipher)),
    "random ciphers, signed": (400, random_blocks.map(_base64).map(_signed_cipher)),
    "paddings of 0 and of 33 and more, signed": (400, other_paddings.map(_signed_cipher)),
    "uneven paddings, signed": (400, uneven_paddings.map(_signed_cipher)),
    "wrong lengths, signed": (300, wrong_lengths.map(_signed_cipher)),
    "wrong AppIDs, signed": (300, wrong_app_ids.map(_signed_cipher)),
    "no ciphers, signed": (500, no_ciphers.map(_signed_cipher)),
    "plain for an app in safe mode, signed": (200, bodies.map(lambda body: api_event(sensor_push(body, safe=True)))),
    "of another app, signed": (
        200,
        (st.text(max_size=10) | st.integers())
        .filter(lambda app: str(app).strip() not in {"", SENSORO["app_id"]})  # a blank one says nothing
        .map(lambda app: api_event(sensor_push({**sensor_body({"temperature": 1}), "appId": app}))),
    ),
    "from another time, signed": (
        300,
        (far_times.map(lambda moment: moment + "000") | no_times.map(lambda text: f"x{text}")).map(_at),
    ),
}

# ─── Eye4 ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

GUID = EYE4["guid"]
RING = ring()
EYE4_PATHS = st.sampled_from([eye4_simulator.ALARMS, eye4_simulator.RESOURCES])
EYE4_BODIES = bodies | st.sampled_from([RING.body, b'{"Key": "f991d9064ac71fad6a9fae22d17a4aab9f5b264d"}'])


def _with_guid(guid: str, body: bytes = RING.body, path: str = eye4_simulator.ALARMS) -> Event:
    return api_event(eye4_push(body, path, guid))


near_guids = st.one_of(
    _damaged(GUID.encode()).map(lambda damaged: damaged.decode("latin-1")),
    st.sampled_from([GUID.upper(), GUID * 2, "".join(CUSTOMER["guids"]), ";".join(CUSTOMER["guids"]), GUID[::-1], "*"]),
    words,
).filter(lambda guid: not {part.strip() for part in guid.split(",")} & set(CUSTOMER["guids"]))

EYE4_REQUESTS: dict[str, tuple[int, st.SearchStrategy[Event]]] = {
    "anything": (1000, EYE4_PATHS.flatmap(anything)),
    "not base64": (500, EYE4_PATHS.flatmap(not_base64)),
    "guids that are nearly ours": (1000, near_guids.map(_with_guid)),
    "odd bodies with guids that are nearly ours": (500, st.builds(_with_guid, near_guids, EYE4_BODIES, EYE4_PATHS)),
    "larger than is read, with a guid of ours": (
        50,
        st.builds(
            _with_guid,
            st.just(GUID),
            st.integers(BODY_LIMIT + 1, BODY_LIMIT + 200_000).map(lambda size: b"{" * size),
            EYE4_PATHS,
        ),
    ),
}

# ─── SenseLink ────────────────────────────────────────────────────────────────────────────────────────────────────────

SENSELINK_PATH = "/v1/senselink"
TOKENS: list[str] = SENSELINK["tokens"]
RECORD = told(access_record())


def _with_token(token: str, body: bytes = RECORD.body) -> Event:
    """The token as API Gateway hands it over, whatever is in it."""
    return {**api_event(replace(RECORD, body=body)), "pathParameters": {"token": token}}


near_tokens = st.one_of(
    _damaged(TOKENS[0].encode()).map(lambda damaged: damaged.decode("latin-1")),
    st.sampled_from([TOKENS[0].upper(), TOKENS[0] * 2, ",".join(TOKENS), TOKENS[0][::-1], f"{TOKENS[0]} ", "*", "%"]),
    words,
).filter(lambda token: token not in TOKENS)

SENSELINK_REQUESTS: dict[str, tuple[int, st.SearchStrategy[Event]]] = {
    "anything": (1000, st.sampled_from([SENSELINK_PATH, f"{SENSELINK_PATH}/another"]).flatmap(anything)),
    "not base64": (500, not_base64(f"{SENSELINK_PATH}/another")),
    "tokens that are nearly ours": (1000, near_tokens.map(_with_token)),
    "odd bodies with tokens that are nearly ours": (500, st.builds(_with_token, near_tokens, bodies)),
    "larger than is read, with a token of ours": (
        50,
        st.builds(_with_token, st.sampled_from(TOKENS), st.integers(1, 9_999).map(lambda more: b"{" * (2**20 + more))),
    ),
}


# ─── All of them ──────────────────────────────────────────────────────────────────────────────────────────────────────

MAKE: dict[str, Callable[[], House[Any]]] = {
    "sunmi": sunmi_house,
    "sensoro": sensoro_house,
    "eye4": eye4_house,
    "senselink": senselink_house,
}
REQUESTS = {
    "sunmi": SUNMI_REQUESTS,
    "sensoro": SENSORO_REQUESTS,
    "eye4": EYE4_REQUESTS,
    "senselink": SENSELINK_REQUESTS,
}
PATHS = {
    "sunmi": sunmi_simulator.PATH,
    "sensoro": sensoro_simulator.PATH,
    "eye4": eye4_simulator.ALARMS,
    "senselink": f"{SENSELINK_PATH}/another",
}
CASES = [(vendor, kind) for vendor, requests in REQUESTS.items() for kind in requests]


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without log lines: writing ten thousand of them takes longer than everything else."""
    before = log.log_level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)
    flush()


def _sent(house: House[Any], count: int, requests: st.SearchStrategy[Event]) -> int:
    """Has a house handle so many requests; how many it was."""
    sent = 0

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def attempt(event: Event) -> None:
        nonlocal sent
        sent += 1
        answer = house.handle(event)
        assert answer.status in REFUSED
        assert set(answer.body["error"]) == {"reason", "message"}
        assert house.is_untouched

    attempt()
    return sent


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("vendor", "kind"), CASES)
def test_a_hostile_request_is_refused_and_leaves_nothing_behind(vendor: str, kind: str) -> None:
    count, requests = REQUESTS[vendor][kind]

    assert _sent(MAKE[vendor](), count, requests) >= count


def test_there_are_at_least_ten_thousand_of_them() -> None:
    assert sum(count for requests in REQUESTS.values() for count, _ in requests.values()) >= 10_000


@pytest.mark.parametrize("vendor", REQUESTS)
def test_nothing_of_a_hostile_request_is_written_down(vendor: str, output: Output) -> None:
    marked = st.builds(
        lambda event, where: {
            **event,
            "body": _base64(
                base64.b64decode(event["body"])[:where] + MARKER.encode() + base64.b64decode(event["body"])[where:]
            ),
            "headers": {**event["headers"], "x-marker": MARKER},
        },
        anything(PATHS[vendor]),
        st.integers(0, 50),
    )

    _sent(MAKE[vendor](), 200, marked)

    assert output.logged
    assert MARKER not in output.read()
