"""JSON as JavaScript's `JSON.stringify` writes it: the vendor signs that, whatever goes over the wire.

https://tc39.es/ecma262/#sec-json.stringify and https://tc39.es/ecma262/#sec-numeric-types-number-tostring
"""

import json
import math
import re
from typing import Final, NoReturn

from pydantic import JsonValue

_BOM: Final = b"\xef\xbb\xbf"
_LONE: Final = re.compile(r"[\ud800-\udfff]")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_LAST_INDEX: Final = 2**32 - 2
"""The greatest name of a property that an object lists as a number: before the others, in order of size."""
_WHOLE: Final = 21
"""Digits before the point up to which a number is written out."""
_SMALL: Final = -6
"""Zeros behind the point up to which a number is written out."""


def stringify(body: bytes) -> bytes | None:
    """The body's JSON in the one form that `JSON.stringify` has for it; None for what it never writes.

    A byte order mark, zeros at the end and raw control characters are nothing that it says: other languages' encoders
    put them in between, and they are not signed. UTF-8 is the only encoding.
    """
    try:
        text = body.removeprefix(_BOM).rstrip(b"\0 \t\r\n").decode()
        value = json.loads(text, strict=False, parse_constant=_refuse, parse_int=_double, parse_float=_double)
        return _written(value).encode()
    except (ValueError, RecursionError):
        return None


def notation(value: float) -> str:
    """A number as JavaScript writes it: a double, so that digits beyond it are lost.

    Raises:
        ValueError: no double holds it.
    """
    double = _double(str(value))
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    digits, point = _shortest(abs(double))
    return sign + _placed(digits, point)


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that mean a positive number, and where the point is among them: 0.05 is ("5", -1)."""
    mantissa, _, exponent = repr(value).partition("e")
    before, _, behind = mantissa.partition(".")
    digits = before + behind
    bare = digits.lstrip("0")
    return bare.rstrip("0"), len(before) - (len(digits) - len(bare)) + int(exponent or 0)


def _placed(digits: str, point: int) -> str:
    if len(digits) <= point <= _WHOLE:
        return digits.ljust(point, "0")
    if 0 < point <= _WHOLE:
        return f"{digits[:point]}.{digits[point:]}"
    if _SMALL < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _written(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"{{{','.join(f'{_quoted(name)}:{_written(value[name])}' for name in _names(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return notation(value)


def _names(value: dict[str, JsonValue]) -> list[str]:
    """An object's names as JavaScript lists them."""
    numbers = [name for name in value if _INDEX.fullmatch(name) and int(name) <= _LAST_INDEX]
    if not numbers:
        return list(value)
    first = sorted(numbers, key=int)
    return first + [name for name in value if name not in set(first)]


def _quoted(text: str) -> str:
    # Half a surrogate pair is no UTF-8, and JavaScript escapes it.
    return _LONE.sub(lambda half: f"\\u{ord(half.group()):04x}", json.dumps(text, ensure_ascii=False))


def _double(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("beyond a double")
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)
