"""The lenient types: what is odd is absent, and never an exception."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.wire import Code, Mapping, Message, Number, Text, number, unix_time, whole


class Lenient(Message):
    """A message with a field of each type."""

    text: Text = None
    code: Code = None
    number: Number = None
    mapping: Mapping = None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4299), 1e308])
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(derandomize=True, deadline=None, database=None, max_examples=500)
@given(anything)
def test_no_value_is_an_error(value: Any) -> None:
    message = Lenient(text=value, code=value, number=value, mapping=value)

    assert message.number is None or math.isfinite(message.number)
    assert message.text is None or message.text == message.text.strip() != ""
    assert unix_time(value) is None or whole(value) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (" 设备 ", "设备"),
        ("", None),
        (" ", None),
        (0, "0"),
        (1.5, "1.5"),
        (True, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_text(value: Any, expected: str | None) -> None:
    assert Lenient(text=value).text == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (-1, -1),
        (3.0, 3),
        (3.5, None),
        ("0", 0),
        ("007", 7),
        ("-5", -5),
        ("", None),
        ("3.0", None),
        ("9" * 21, None),
        (True, None),
        (None, None),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_whole(value: Any, expected: int | None) -> None:
    assert whole(value) == expected
    assert Lenient(code=value).code == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (0.0, 0.0),
        (-1.5, -1.5),
        (10**300, 10**300),
        (10**400, None),
        (-(10**400), None),
        (math.inf, None),
        (math.nan, None),
        (False, None),
        ("1", None),
        (None, None),
    ],
)
def test_number(value: Any, expected: float | None) -> None:
    assert (number(value), type(number(value))) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "per_second", "expected"),
    [
        (0, 1, datetime(1970, 1, 1, tzinfo=UTC)),
        ("1604567375", 1, datetime(2020, 11, 5, 9, 9, 35, tzinfo=UTC)),
        (1467018792599, 1000, datetime(2016, 6, 27, 9, 13, 12, 599_000, tzinfo=UTC)),
        (-1, 1000, datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (10**400, 1, None),
        (-(10**400), 1000, None),
        (10**12, 1, None),
        ("soon", 1, None),
        (None, 1, None),
    ],
)
def test_unix_time(value: Any, per_second: int, expected: datetime | None) -> None:
    assert unix_time(value, per_second) == expected


def test_a_message_takes_fields_that_it_does_not_know() -> None:
    assert Lenient.model_validate({"text": "a", "new": 1}).text == "a"
