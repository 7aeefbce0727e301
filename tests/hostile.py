"""Requests that no device sends: what the hostile requests of all vendors are made of."""

import base64
import json
from collections.abc import Collection, Mapping
from typing import Any

from hypothesis import strategies as st

from ops.simulators import Request
from tests.builders import AT, URL, api_event

type Event = dict[str, Any]
"""An event of API Gateway."""
type Requests = Mapping[str, tuple[int, st.SearchStrategy[Event]]]
"""Hostile requests by their kind: how many are sent, and how they are made."""

_NOW = int(AT)


def flipped(content: bytes, bit: int) -> bytes:
    """The content with one bit the other way round."""
    changed = bytearray(content)
    changed[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(changed)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a bit flipped, its end cut off, or something put in."""
    return st.one_of(
        st.integers(0, len(content) * 8 - 1).map(lambda bit: flipped(content, bit)),
        st.integers(0, len(content) - 1).map(lambda length: content[:length]),
        st.tuples(st.integers(0, len(content)), st.binary(min_size=1, max_size=8)).map(
            lambda put: content[: put[0]] + put[1] + content[put[0] :]
        ),
    )


# ─── Pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────

words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "0", "\ud800", "a\ud800", "\x00", "设备", "\ufffe", "=" * 70, "9" * 30, "9" * 5000, "x" * 9000]
    ),
    st.text(st.characters(codec=None), max_size=8),
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
far_times = st.one_of(
    st.integers(max_value=_NOW - 86_401),
    st.integers(min_value=_NOW + 601),
    st.sampled_from([10**19, -(10**18), 10**30, 10**5000]),
).map(lambda moment: str(moment) if abs(moment) < 10**4000 else "9" * 5000)
no_times = st.text(max_size=20).filter(lambda text: not any(character.isnumeric() for character in text))


def headers(names: Collection[str] = (), values: Collection[str] = ()) -> st.SearchStrategy[dict[str, str]]:
    """Whatever headers, now and then those that the vendor reads, with values that it knows."""
    return st.dictionaries(
        st.sampled_from(["content-type", "host", "", "设备", *names]) | words,
        words | st.sampled_from([str(_NOW * 1000), *values]),
        max_size=5,
    )


# ─── Requests without a credential ────────────────────────────────────────────────────────────────────────────────────


def anything(path: str, names: Collection[str] = (), values: Collection[str] = ()) -> st.SearchStrategy[Event]:
    """Whatever bodies with whatever headers.

    Args:
        path: the path of the request.
        names: of the headers that the vendor reads.
        values: that it knows.
    """
    return st.builds(
        lambda body, more, method: {
            **api_event(Request(URL + path, body, {}, method)),
            "body": base64.b64encode(body).decode(),
            "headers": more,
        },
        bodies,
        headers(names, values),
        methods,
    )


def not_base64(path: str, names: Collection[str] = (), values: Collection[str] = ()) -> st.SearchStrategy[Event]:
    """Bodies that are not what API Gateway says they are, and text that has no bytes."""
    event = api_event(Request(URL + path, b"", {"content-type": "application/json"}))
    return st.builds(
        lambda body, encoded, more: {**event, "headers": more, "body": body, "isBase64Encoded": encoded},
        words | st.text(max_size=50),
        st.booleans(),
        headers(names, values),
    )
