"""Lenient types for the vendors' wire models: a missing or odd field becomes `None`, never an exception.

A verified push counts even if one of its fields is not what the vendor's page promised. The payload travels with the
event, so nothing is lost by reading a field as absent. A field that decides something must not seem absent: if it is
present and not readable, it becomes `UNREADABLE`.
"""

from enum import Enum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gatehouse.reading import is_no_number, number, whole


class Message(BaseModel):
    """The base of the wire models. It ignores unknown fields, and reads fields by the vendor's spelling."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Unreadable(Enum):
    """The type of `UNREADABLE`, the value of a field that is present and not readable."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE
_TRUE: Final = frozenset({"true", "1", "1.0", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "0.0", "no", "off"})


def text(value: object) -> str | None:
    """Reads a string, without blanks around it; of a number its digits, of 100.0 those of 100.

    None for an empty string, and for anything else.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def truth(value: object) -> bool | None:
    """Reads a truth value, also from 0 and 1 or from words such as `yes` and `off`; None for anything else."""
    if isinstance(value, bool):
        return value
    word = text(value)
    if word is None or word.lower() not in _TRUE | _FALSE:
        return None
    return word.lower() in _TRUE


def _decisive(read: Any, value: object) -> object:
    if value is None or value == "":
        return None
    parsed = read(value)
    return UNREADABLE if parsed is None else parsed


def _measured(value: object) -> object:
    # A sensor writes NaN when it measured nothing.
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
"""`Code` for a field that decides something: `UNREADABLE` if it is present and not a whole number."""

type DecisiveNumber = Annotated[float | int | Unreadable | None, BeforeValidator(_measured)]
"""`Number` for a field that decides something: `UNREADABLE` if it is present and not a number. NaN and infinities count
as absent."""

type DecisiveText = Annotated[str | Unreadable | None, BeforeValidator(_worded)]
"""`Text` for a field that decides something: `UNREADABLE` if it is present and neither text nor a number."""

type DecisiveTruth = Annotated[bool | Unreadable | None, BeforeValidator(lambda value: _decisive(truth, value))]
"""`Truth` for a field that decides something: `UNREADABLE` if it is present and not a truth value."""
