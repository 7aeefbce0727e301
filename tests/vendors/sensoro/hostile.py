"""Requests that SENSORO's function refuses."""

import base64
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from gatehouse.reading import read_json
from ops.simulators import Request
from ops.simulators import sensoro as simulator
from tests.builders import api_event
from tests.hostile import Event, Requests, anything, bodies, damaged, far_times, flipped, no_times, not_base64, words
from tests.vendors.sensoro import SENSORO, SENSORO_SAFE, safe_text, sealed_text, sensor_body, sensor_push
from tests.vendors.sensoro import sensoro_rig as rig

__all__ = ["REQUESTS", "rig"]

NAMES = ("X-ACCESS-ID", "x-access-nonce", "X-Access-Signature")
VALUES = (SENSORO["app_id"], SENSORO_SAFE["app_id"])
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


def _is_the_message_that_was_signed(body: bytes) -> bool:
    """True if only blanks, zeros or a byte order mark were put in, or a number is spelled otherwise.

    The signature is over the message as `JSON.stringify` writes it.
    """
    try:
        return bool(read_json(body) == read_json(PLAIN_PUSH.body))
    except ValueError:
        return False


def _with_header(change: tuple[str, str]) -> Event:
    name, value = change
    event = api_event(PLAIN_PUSH)
    return {**event, "headers": {**event["headers"], name: value}}


def _with_old_signature(cipher: bytes) -> Event:
    body = SAFE_PUSH.body.replace(_base64(SEALED).encode(), _base64(cipher).encode())
    return api_event(replace(SAFE_PUSH, body=body))


def _at(nonce: str) -> Event:
    signature = simulator.sign(SENSORO["app_secret"], nonce, "POST", PLAIN_PUSH.url, PLAIN_PUSH.body)
    more = {"X-ACCESS-NONCE": nonce, "X-ACCESS-SIGNATURE": signature}
    return api_event(replace(PLAIN_PUSH, headers={**PLAIN_PUSH.headers, **more}))


# The last two blocks hold the end of the message, the AppID and the padding; a flip in the one before them flips
# the same bit there. What a flip does to the message alone, only the signature can tell (vendors.md, chapter 4).
tail_flips = st.integers((BLOCKS - 2) * 128, BLOCKS * 128 - 1).map(lambda bit: flipped(SEALED, bit))
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


REQUESTS: Requests = {
    "anything": (1000, anything(simulator.PATH, NAMES, VALUES)),
    "not base64": (500, not_base64(simulator.PATH, NAMES, VALUES)),
    "damaged with the old signature": (
        1000,
        damaged(PLAIN_PUSH.body)
        .filter(lambda body: not _is_the_message_that_was_signed(body))
        .map(lambda body: api_event(replace(PLAIN_PUSH, body=body))),
    ),
    "odd bodies with a signature of another": (400, bodies.map(lambda body: api_event(replace(PLAIN_PUSH, body=body)))),
    "odd headers": (
        700,
        st.tuples(st.sampled_from(["x-access-id", "x-access-nonce", "x-access-signature"]), words).map(_with_header),
    ),
    "ciphers damaged with the old signature": (500, damaged(SEALED).map(_with_old_signature)),
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
