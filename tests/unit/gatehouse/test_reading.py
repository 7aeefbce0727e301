"""The tolerant readers: the forms of devices, older servers and other languages' encoders are read as meant."""

import base64
import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.reading import (
    TooLarge,
    inflate,
    is_no_number,
    is_nothing,
    number,
    read_base64,
    read_form,
    read_json,
    read_time,
)
from tests import styles

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
EAST = timezone(timedelta(hours=8))

# ─── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
fast = settings(derandomize=True, deadline=None, database=None, max_examples=300)


@fast
@given(json_values, st.sampled_from([*styles.STYLES.values()]))
def test_a_value_is_the_same_in_every_style(value: Any, write: styles.Write) -> None:
    assert read_json(write(value)) == value


@fast
@given(json_values, st.sampled_from([None, 0, 2]))
def test_text_is_read_as_bytes_are(value: Any, indent: int | None) -> None:
    assert read_json(json.dumps(value, indent=indent)) == value
    assert read_json(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a":NaN}', {"a": "NaN"}),
        ("[nan,-nan,inf,-INF,+Infinity,-NaN]", ["nan", "-nan", "inf", "-INF", "+Infinity", "-NaN"]),
        ("[1.#QNAN,-1.#IND,nan(ind),nan(0x7),1.5]", ["1.#QNAN", "-1.#IND", "nan(ind)", "nan(0x7)", 1.5]),
        ('{"nan":"a nan, inf and \\"NaN\\" in it","b":NaN}', {"nan": 'a nan, inf and "NaN" in it', "b": "NaN"}),
        ("nan", "nan"),
        ("[Infinity,-Infinity,1]", ["Infinity", "-Infinity", 1]),
        ("1e999", "1e999"),
        ('{"a":[-1e999,1e400]}', {"a": ["-1e999", "1e400"]}),
        ("9" * 309 + ".0", "9" * 309 + ".0"),
        ('{"a":NaN,"b":1.5,"c":2,"d":9007199254740993}', {"a": "NaN", "b": 1.5, "c": 2, "d": 9007199254740993}),
    ],
)
def test_what_is_no_number_becomes_its_own_word(content: str, value: Any) -> None:
    assert read_json(content) == value
    assert read_json(b"\xef\xbb\xbf" + content.encode() + b"\0") == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('"\\ud842"', "\ufffd"),
        ('"\\udc00\\ud800"', "\ufffd\ufffd"),
        ('{"na\\ud842":"Mira\\ud842"}', {"na\ufffd": "Mira\ufffd"}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\ud842"', "\ufffd"),
        (b'"\xe5\xbc"', "\ufffd"),
        (b'"a\xed\xa0\xbdb"', "a\ufffdb"),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "😀"),
        (b'{"name":"Li \xf0\x9f\x98","zero":0}', {"name": "Li \ufffd", "zero": 0}),
    ],
)
def test_a_character_that_was_cut_is_one_that_nobody_knows(content: bytes | str, value: Any) -> None:
    found = read_json(content)

    assert found == value
    assert json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'"a\nb"', "a\nb"),
        (b'"\t\x01\x1f"', "\t\x01\x1f"),
        (b'{"a":1}\0\0\0', {"a": 1}),
        (b'{"a":1}\r\n\0 \n', {"a": 1}),
        ("\ufeff{}", {}),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", {}),
        (b"\xef\xbb\xbf\r\n{}", {}),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_what_a_strict_parser_throws_away_is_read(content: bytes | str, value: Any) -> None:
    assert read_json(content) == value


@pytest.mark.parametrize(
    "content",
    [
        "",
        b"\0",
        b"\xef\xbb\xbf",
        "[" * 500 + "]" * 500,
        "[NaN," * 250 + "0" + "]" * 250,
        "[" * 100_000,
        "[" + "0," * 50_000 + "0]",
        "[" + ",".join(["{}"] * 30_000) + "]",
        "9" * 5000,
        "{}{}",
        "{a:1}",
        "[1,]",
        '{"a":',
        "nano",
        "infinite",
        b'"\xff"x"',
        '{"name":"张三"}'.encode("gb18030"),
        b'\0{"a":1}',
    ],
    ids=repr,
)
def test_what_is_no_json_is_an_error(content: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(content)


@fast
@given(st.binary(max_size=60))
def test_no_bytes_are_another_error(content: bytes) -> None:
    try:
        found = read_json(content)
    except ValueError:
        return
    assert json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


# ─── Forms, base64, content encodings ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&&b=2&", [("a", "1"), ("b", "2")]),
        (b"&a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"=1", [("", "1")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=1+2%2B3", [("a", "1 2+3")]),
        (b"shop=M%26S-12", [("shop", "M&S-12")]),
        (b"a=100%&b=%zz", [("a", "100%"), ("b", "%zz")]),
        (b"a=%E8%AE%BE", [("a", "设")]),
        ("a=设".encode(), [("a", "设")]),
        (b"\xef\xbb\xbfa=1\r\n", [("a", "1")]),
        (b"a=1\0", [("a", "1")]),
        (b"", []),
    ],
)
def test_a_form_is_read_as_browsers_read_it(content: bytes, fields: list[tuple[str, str]]) -> None:
    assert read_form(content, 5) == fields


@pytest.mark.parametrize("content", [b"a=\xff", b"a=%ff", b"&".join([b"a=1"] * 6)])
def test_what_is_no_form_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_form(content, 5)


@fast
@given(st.binary(max_size=200), st.integers(1, 80))
def test_base64_is_read_however_it_is_written(data: bytes, width: int) -> None:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]

    for written in (
        text,
        text.rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        "\r\n".join(lines),
        "\n".join(lines) + "\n",
        f" {text} ",
        f"\ufeff{text}\0",
        text.replace("+", " ") if " " not in text.replace("+", " ").strip("= ") or "+" in text.strip("+") else text,
    ):
        assert read_base64(written) == data


@pytest.mark.parametrize("text", ["A", "AAA*", "图片", "A===A", "=A=", "\ud800"])
def test_what_is_no_base64_is_none(text: str) -> None:
    assert read_base64(text) is None


def _bare(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(b"body", mtime=0)),
        ("x-gzip", gzip.compress(b"body", mtime=0)),
        (" GZip ", gzip.compress(b"body", mtime=0)),
        ("deflate", zlib.compress(b"body")),
        ("deflate", _bare(b"body")),
        ("deflate, gzip", gzip.compress(zlib.compress(b"body"), mtime=0)),
        ("identity", b"body"),
        ("", b"body"),
        ("gzip", b"body"),
        ("deflate", b"body"),
        ("br", b"body"),
    ],
)
def test_a_body_is_read_in_its_encoding_or_as_it_is(encoding: str, content: bytes) -> None:
    assert inflate(content, encoding, 100) == b"body"


def test_a_file_of_several_members_is_read_whole() -> None:
    """RFC 1952 §2.2: members stand one behind the other, and may have zeros behind them."""
    members = gzip.compress(b"bo") + gzip.compress(b"") + gzip.compress(b"dy")

    assert inflate(members, "gzip", 100) == b"body"
    assert inflate(members + b"\0" * 8, "gzip", 100) == b"body"
    with pytest.raises(TooLarge):
        inflate(gzip.compress(b"0" * 60) * 2, "gzip", 100)


def test_a_body_that_breaks_off_is_left_as_it_is() -> None:
    half = gzip.compress(b"body" * 50)[:-4]
    assert inflate(half, "gzip", 1000) == half


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_what_is_larger_than_the_limit_is_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 50_000_000)) if "," in encoding else gzip.compress(b"0" * 50_000_000)

    with pytest.raises(TooLarge):
        inflate(bomb, encoding, 100_000)


# ─── Times ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        1782907200,
        "1782907200",
        1782907200.0,
        1782907200000,
        "1782907200000",
        1782907200000000,
        1782907200000000000,
        "2026-07-01T12:00:00Z",
        "2026-07-01T12:00:00+00:00",
        "2026-07-01T20:00:00+08:00",
        "2026-07-01T20:00:00+0800",
        "2026-07-01T20:00:00 +08:00",
        "2026-07-01 12:00:00 UTC",
        "2026-07-01T12:00:00,000Z",
        "2026-07-01T12:00:00.000000000Z",
        "20260701T120000Z",
        "Wed, 01 Jul 2026 12:00:00 GMT",
        " 2026-07-01T12:00Z ",
        "2026-07-01 21:00:00 GMT+9",
        "2026-07-01 20:00:00 UTC+08:00",
        "20260701120000000Z",
    ],
)
def test_a_time_is_read_however_it_is_written(value: Any) -> None:
    assert read_time(value) == NOON


@pytest.mark.parametrize(
    "value",
    [
        20260701200000,
        "20260701200000",
        "2026-07-01 20:00:00",
        "2026/07/01 20:00:00",
        "2026-7-1 20:00",
        "2026.07.01 20:00:00.000",
        "20260701 200000",
        "2026年07月01日 20:00:00",
        "Jul 1, 2026 8:00:00 PM",
        "Jul 1, 2026, 8:00:00\u202fPM",
        "20260701200000000",
        20260701200000000,
    ],
)
def test_a_time_without_a_zone_is_of_the_zone_that_is_known(value: Any) -> None:
    assert read_time(value, EAST) == NOON
    assert read_time(value) is None


def test_fractions_are_kept_to_the_microsecond() -> None:
    assert read_time(1467018792599) == datetime(2016, 6, 27, 9, 13, 12, 599_000, tzinfo=UTC)
    assert read_time(1467018792.25) == datetime(2016, 6, 27, 9, 13, 12, 250_000, tzinfo=UTC)
    assert read_time("2026-07-01 12:00:00.123456789Z") == NOON.replace(microsecond=123_456)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        1,
        -62135596800,
        253402300800,
        10**400,
        -(10**400),
        "9" * 30,
        "soon",
        "",
        None,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-13-01 00:00:00Z",
        "20261301000000",
        "99999999999999",
        "1970-01-01 00:00:00Z",
        "a, b",
        "Jul 1, 2026 13:00:00 PM",
        "Foo 1, 2026 8:00:00 PM",
    ],
    ids=repr,
)
def test_what_no_device_of_today_can_mean_is_no_time(value: Any) -> None:
    assert read_time(value, UTC) is None


@fast
@given(st.text() | st.integers() | st.floats() | st.binary(), st.sampled_from([None, UTC, EAST]))
def test_no_value_is_an_error(value: Any, zone: tzinfo | None) -> None:
    found = read_time(value, zone)

    assert found is None or found.utcoffset() == timedelta()
    assert number(value) is None or not is_no_number(value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", "-", "--", 0, "0", 0.0, -1, "-1", "00000000-0000-0000-0000-000000000000", "{}", "[]"),
        *(
            "null",
            "(null)",
            "<null>",
            "NULL",
            "(null)(null)",
            "nil",
            "<nil>",
            "(nil)",
            "None",
            "n/a",
            "N/A",
            "undefined",
        ),
        *(
            "NaN",
            "nullptr",
            "Optional(nil)",
            "[object Object]",
            "unknown",
            "no",
            "\\N",
            True,
            False,
            [],
            {},
            float("nan"),
        ),
    ],
    ids=repr,
)
def test_what_some_language_writes_for_nothing_is_nothing(value: Any) -> None:
    assert is_nothing(value)


@pytest.mark.parametrize(
    "value", [1, "1", "A1", "f991d9064ac71fad6a9fae22d17a4aab9f5b264d", "nilson", "设备", "0a", "none1"]
)
def test_an_id_is_not_nothing(value: Any) -> None:
    assert not is_nothing(value)


@pytest.mark.parametrize("encoded", ["E123", "e+99", "abcd"])
def test_a_picture_costs_no_more_memory_than_a_few_times_its_text(encoded: str) -> None:
    """Base64 may contain the letters of a number beyond a double, and a body with NaN is searched a second time."""
    for number_or_nan in ("1", "NaN"):
        body = f'{{"score":{number_or_nan},"image":"{encoded * 250_000}"}}'.encode()
        tracemalloc.start()
        read_json(body)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * len(body)
