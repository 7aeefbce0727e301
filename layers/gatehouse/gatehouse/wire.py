"""Lenient types for the vendors' wire models: what is missing or odd becomes `None`, never an exception.

A push that was verified counts even when one of its fields is not what the vendor's page promised; the
payload travels along with the event, so nothing is lost by reading a field as absent.
"""

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Message(BaseModel):
    """The base of the wire models: takes any further field, reads by the vendor's spelling."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def whole(value: object) -> int | None:
    """A whole number, also when it comes as a string or as 3.0; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 20:  # longer than any code; int() is quadratic in digits
        try:
            return int(value)
        except ValueError:
            return None
    return None


def number(value: object) -> float | int | None:
    """A number that a double holds, or None. Zero is a number; a truth value is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def unix_time(value: object, per_second: int = 1) -> datetime | None:
    """A Unix time as an aware UTC datetime; None for anything that no calendar holds.

    Args:
        value: the time, as a number or as digits in a string.
        per_second: 1 where the vendor counts seconds, 1000 where it counts milliseconds.
    """
    count = whole(value)
    if count is None:
        return None
    try:
        moment = datetime.fromtimestamp(count // per_second, tz=UTC)
        return moment.replace(microsecond=count % per_second * (1_000_000 // per_second))
    except (ValueError, OverflowError, OSError):
        return None


def either_unix_time(value: object) -> datetime | None:
    """A Unix time in seconds or in milliseconds, where a vendor does not say which: told apart by its size."""
    count = whole(value)
    return None if count is None else unix_time(count, per_second=1000 if abs(count) >= _MILLISECONDS else 1)


_MILLISECONDS = 100_000_000_000  # as seconds, this is the year 5138


def _mapping(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


type Text = Annotated[str | None, BeforeValidator(_text)]
"""A string; numbers are taken as their digits, an empty string is absent."""

type Code = Annotated[int | None, BeforeValidator(whole)]
"""A small whole number of the vendor's tables, also when it comes as a string."""

type Number = Annotated[float | int | None, BeforeValidator(number)]
"""A finite number."""

type Mapping = Annotated[dict[str, Any] | None, BeforeValidator(_mapping)]
"""A JSON object, kept as it is."""
