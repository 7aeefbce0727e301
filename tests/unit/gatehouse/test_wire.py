"""The lenient types: an odd value is absent, and never an exception."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.reading import number, whole
from gatehouse.wire import UNREADABLE, Code, DecisiveCode, DecisiveTruth, Mapping, Message, Number, Text, truth


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
    assert whole(value) is None or number(value) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (" 设备 ", "设备"),
        ("", None),
        (" ", None),
        (0, "0"),
        (1.5, "1.5"),
        (100.0, "100"),
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
        ("3.0", 3),
        ("3.5", None),
        ("1_000", None),
        ("NaN", None),
        ("9" * 41, None),
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
        ("1", 1),
        (" 23.5 ", 23.5),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("NaN", None),
        ("Infinity", None),
        ("1e999", None),
        ("", None),
        ("1_0", None),
        ("12 V", None),
        (None, None),
    ],
)
def test_number(value: Any, expected: float | None) -> None:
    assert (number(value), type(number(value))) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        (1.0, True),
        ("true", True),
        (" FALSE ", False),
        ("0", False),
        ("on", True),
        ("2", None),
        ("granted", None),
        (2, None),
        (None, None),
        ([True], None),
        ({}, None),
    ],
)
def test_truth(value: Any, expected: bool | None) -> None:
    assert truth(value) is expected


class Deciding(Message):
    """A message whose fields decide something."""

    code: DecisiveCode = None
    truth: DecisiveTruth = None


@pytest.mark.parametrize("value", [None, ""])
def test_a_deciding_field_that_is_empty_is_absent(value: Any) -> None:
    assert Deciding(code=value, truth=value) == Deciding()


@pytest.mark.parametrize("value", ["NaN", "yes!", [], {}, [1], 1.5, "Infinity", "\ufffd"])
def test_a_deciding_field_that_cannot_be_read_is_not_absent(value: Any) -> None:
    found = Deciding(code=value, truth=value)

    assert found.code is UNREADABLE
    assert found.truth is UNREADABLE


@pytest.mark.parametrize("value", [1, "1", 1.0, "1.0", " 1 "])
def test_a_deciding_field_is_read_however_its_type_is_written(value: Any) -> None:
    assert Deciding(code=value, truth=value) == Deciding(code=1, truth=True)


def test_a_message_takes_fields_that_it_does_not_know() -> None:
    assert Lenient.model_validate({"text": "a", "new": 1}).text == "a"
