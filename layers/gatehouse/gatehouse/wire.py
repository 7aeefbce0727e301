"""Lenient types for the vendors' wire models: what is missing or odd becomes `None`, never an exception.

A push that was verified counts even when one of its fields is not what the vendor's page promised; the
payload travels along with the event, so nothing is lost by reading a field as absent. A field that decides
something is another matter: what is there and cannot be read is `UNREADABLE`, and not absent.
"""

from enum import Enum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gatehouse.reading import is_no_number, number, whole


class Message(BaseModel):
    """The base of the wire models: takes any further field, reads by the vendor's spelling."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Unreadable(Enum):
    """What stands for a field that is there and that nobody can read."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE
_TRUE: Final = frozenset({"true", "1", "1.0", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "0.0", "no", "off"})


def text(value: object) -> str | None:
    """A string; of a number its digits, of 100.0 those of 100; None for what is empty or anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def truth(value: object) -> bool | None:
    """A truth value, also when it comes as 0 and 1 or in words; None for anything else."""
    if isinstance(value, bool):
        return value
    word = text(value)
    if word is None or word.lower() not in _TRUE | _FALSE:
        return None
    return word.lower() in _TRUE


def _decisive(read: Any, value: object) -> object:
    if value is None or value == "":
        return None
    found = read(value)
    return UNREADABLE if found is None else found


def _measured(value: object) -> object:
    # Not a number is what a sensor writes that measured nothing.
    return None if is_no_number(value) else _decisive(number, value)


def _worded(value: object) -> object:
    return text(value) if isinstance(value, str) else _decisive(text, value)


def _mapping(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


type Text = Annotated[str | None, BeforeValidator(text)]
"""A string; numbers are taken as their digits, an empty string is absent."""

type Code = Annotated[int | None, BeforeValidator(whole)]
"""A small whole number of the vendor's tables, also when it comes as a string."""

type Number = Annotated[float | int | None, BeforeValidator(number)]
"""A finite number, also when it comes as a string."""

type Truth = Annotated[bool | None, BeforeValidator(truth)]
"""A truth value, also when it comes as 0 or 1 or in words."""

type Mapping = Annotated[dict[str, Any] | None, BeforeValidator(_mapping)]
"""A JSON object, kept as it is."""

type DecisiveCode = Annotated[int | Unreadable | None, BeforeValidator(lambda value: _decisive(whole, value))]
"""As `Code`, for a field that decides something: `UNREADABLE` where it is there and is no whole number."""

type DecisiveNumber = Annotated[float | int | Unreadable | None, BeforeValidator(_measured)]
"""As `Number`, for a field that decides something; NaN and infinities are absent."""

type DecisiveText = Annotated[str | Unreadable | None, BeforeValidator(_worded)]
"""As `Text`, for a field that decides something: `UNREADABLE` where it is there and is neither text nor a number."""

type DecisiveTruth = Annotated[bool | Unreadable | None, BeforeValidator(lambda value: _decisive(truth, value))]
"""As `Truth`, for a field that decides something: `UNREADABLE` where it is there and is no truth value."""
