"""JSON in the form of JavaScript's `JSON.stringify`: the vendor signs this form, also where it sends another one.

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
"""The greatest array index. An object lists the properties with such names first, in order of size."""
_WHOLE: Final = 21
"""Most digits before the point of a number without exponent."""
_SMALL: Final = -6
"""Most zeros behind the point of a number without exponent, as a negative count."""


def stringify(body: bytes) -> bytes | None:
    """Rewrites the body's JSON as `JSON.stringify` does.

    A byte order mark, zero bytes at the end and raw control characters are dropped or escaped: encoders of other
    languages add them on the way, and the vendor does not sign them. The encoding is UTF-8.

    Returns:
        the JSON; None if the body is not JSON, or holds a value that `JSON.stringify` never writes, such as NaN.
    """
    try:
        text = body.removeprefix(_BOM).rstrip(b"\0 \t\r\n").decode()
        value = json.loads(text, strict=False, parse_constant=_refuse, parse_int=_double, parse_float=_double)
        return _written(value).encode()
    except (ValueError, RecursionError):
        return None


def notation(value: float) -> str:
    """Formats a number as JavaScript does: as a double, so that further digits are lost.

    Raises:
        ValueError: the number is beyond a double.
    """
    double = _double(str(value))
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    digits, point = _shortest(abs(double))
    return sign + _placed(digits, point)


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that give a positive number, and the position of the point in them: 0.05 is ("5", -1)."""
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
    """An object's names in JavaScript's order."""
    numbers = [name for name in value if _INDEX.fullmatch(name) and int(name) <= _LAST_INDEX]
    if not numbers:
        return list(value)
    first = sorted(numbers, key=int)
    return first + [name for name in value if name not in set(first)]


def _quoted(text: str) -> str:
    # JavaScript escapes half a surrogate pair, which UTF-8 cannot carry.
    return _LONE.sub(lambda half: f"\\u{ord(half.group()):04x}", json.dumps(text, ensure_ascii=False))


def _double(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("beyond a double")
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)
