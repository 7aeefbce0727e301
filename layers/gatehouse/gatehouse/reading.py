"""The one tolerant reader for what comes from outside: JSON, forms, base64, content encodings, times.

A push that is authentic counts even where it is not written as its standard says: devices, older servers and other
languages' encoders write what is here read. What decides authenticity is never read here, but over raw bytes.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import math
import re
import zlib
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import pydantic_core
from pydantic import JsonValue

PARTS: Final = 50_000
"""Values of a document; a list of a thousand records has half as many, a push some fifty."""
_DEPTH: Final = 200
"""Levels of nesting; a document of a device has five."""
# Strings first, so that nothing inside of one is taken for a word; then what C, Python and JavaScript write for it.
_NO_NUMBER: Final = re.compile(
    r'"(?:[^"\\]++|\\.)*+"|([+-]?(?:nan(?:\(\w{0,20}\))?|inf(?:inity)?|1\.#\w{1,9}))(?![\w.])',
    re.IGNORECASE | re.DOTALL,
)
_LONE: Final = re.compile(r"[\ud800-\udfff]")
_BOM: Final = b"\xef\xbb\xbf"

# ─── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_json(content: bytes | str, parts: int = PARTS) -> JsonValue:
    """JSON as devices write it.

    Taken besides what RFC 8259 allows: a byte order mark before it and zeros behind it (C's strings end in one), raw
    control characters in strings, half a surrogate pair and half a UTF-8 sequence at the end of a string (a name that
    was cut), which become U+FFFD, and NaN, infinities (as C, Python or JavaScript write them) and numbers beyond a
    double. These become their own words, as text: no number, but not nothing either.

    Args:
        content: the text.
        parts: that it may have, by its commas and brackets: what somebody looks at value by value costs as many steps.

    Raises:
        ValueError: it is not JSON, or not in UTF-8, or has more parts than anything that means something, or is nested
            deeper.
    """
    body = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(body) > parts and sum(map(body.count, (b",", b"[", b"{"))) > parts:
        raise ValueError("more parts than anything that means something")
    try:
        value: JsonValue = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        pass
    else:
        if _is_finite(value):
            return value
    if body.count(b'"') - body.count(b'\\"') > 4 * parts + 4:
        raise ValueError("more texts than parts")  # each part has a name and a value at most
    while body.startswith(_BOM):
        body = body[len(_BOM) :]
    text = _NO_NUMBER.sub(_quoted, body.rstrip(b"\0 \t\r\n").decode("utf-8", _CUT))
    try:
        found = json.loads(text, strict=False, parse_float=_finite)
        return _scrubbed(found, 0)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _is_finite(value: JsonValue) -> bool:
    """Tells whether each number is a double: what is beyond was read as infinite, which is not what was sent."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += part.values()
        elif isinstance(part, list):
            left += part
        elif isinstance(part, float) and not math.isfinite(part):
            return False
    return True


def _quoted(token: re.Match[str]) -> str:
    return token[0] if token[1] is None else f'"{token[1]}"'


def _finite(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


def _scrubbed(value: Any, depth: int) -> JsonValue:
    """The same without lone surrogates, which no UTF-8 carries."""
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_LONE.sub("\ufffd", name): _scrubbed(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_scrubbed(inner, depth + 1) for inner in value]
    scalar: JsonValue = value
    return scalar


_CUT: Final = "gatehouse.cut"


_SURROGATES: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")


def _cut(error: UnicodeError) -> tuple[str, int]:
    """Takes the beginning of a character that a string's end cuts off, and UTF-16 that was written as if it were
    UTF-8, as Java does; what else is no UTF-8 is not taken.
    """
    if isinstance(error, UnicodeDecodeError):
        if error.object[error.end : error.end + 1] == b'"':
            return "\ufffd", error.end
        if units := _SURROGATES.match(error.object, error.start):
            utf16 = units[0].decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
            return utf16.decode("utf-16-le", "replace"), units.end()
    raise error


codecs.register_error(_CUT, _cut)

# ─── Forms, base64, content encodings ─────────────────────────────────────────────────────────────────────────────────


def read_form(content: bytes, most: int, errors: str = "strict") -> list[tuple[str, str]]:
    """The fields of a form in their order, as browsers read it.

    Empty pieces are nothing, a name without `=` has an empty value, a percent sign that quotes nothing is one.
    https://url.spec.whatwg.org/#urlencoded-parsing

    Args:
        content: the body.
        most: fields that are read.
        errors: as for `bytes.decode`; `surrogateescape` where a signature is over the very bytes.

    Raises:
        ValueError: it is not in UTF-8, or has more fields.
    """
    pieces = [piece for piece in content.removeprefix(_BOM).rstrip(b"\0\r\n").split(b"&") if piece]
    if len(pieces) > most:
        raise ValueError("too many fields")
    pairs = (piece.partition(b"=") for piece in pieces)
    return [(_unquoted(name, errors), _unquoted(value, errors)) for name, _, value in pairs]


def _unquoted(text: bytes, errors: str) -> str:
    told = text.replace(b"+", b" ")
    # Sign by sign, as urllib's, a megabyte of Chinese takes a fifth of a second; run by run, what has short runs does.
    runs = told.count(b"%") * 10 > len(told) * 3
    return (_QUOTED.sub(_bytes, told) if runs else unquote_to_bytes(told)).decode(errors=errors)


_QUOTED: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")


def _bytes(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode())


_BROKEN: Final = re.compile(r"[\r\n\t]")
_STANDARD: Final = str.maketrans("-_", "+/")


def read_base64(text: str) -> bytes | None:
    """What base64 stands for: with or without padding and line breaks, of either alphabet; None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    text = text.lstrip("\ufeff").rstrip("\0")
    # A form may have made blanks of its plus signs; it is then as long as before.
    plus = text.replace(" ", "+")
    blanks = plus if len(plus) % 4 == 0 and not _BROKEN.search(text) else text
    bare = "".join(blanks.split()).rstrip("=").translate(_STANDARD)
    if not bare.isascii():
        return None
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


class TooLarge(ValueError):
    """What was compressed is larger than the limit."""


def inflate(content: bytes, encoding: str, limit: int) -> bytes:
    """A body without its content encodings (RFC 9110 §8.4); as it is, where it is not encoded as it says.

    Args:
        content: the body as it was sent.
        encoding: of the header `content-encoding`: gzip and deflate, several joined by commas.
        limit: bytes that it may have then.

    Raises:
        TooLarge: it has more.
    """
    for coding in reversed([part.strip().lower() for part in encoding.split(",")][:3]):
        if coding in {"gzip", "x-gzip"}:
            content = _inflated(content, limit, zlib.MAX_WBITS | 16)
        elif coding == "deflate":
            # With zlib's header as the standard has it, or without, as some send it.
            found = _inflated(content, limit, zlib.MAX_WBITS)
            content = found if found is not content else _inflated(content, limit, -zlib.MAX_WBITS)
    return content


def _inflated(content: bytes, limit: int, bits: int) -> bytes:
    found, rest = b"", content
    while rest:
        # A file of gzip may have several members, one behind the other (RFC 1952 §2.2).
        engine = zlib.decompressobj(bits)
        try:
            found += engine.decompress(rest, limit + 1 - len(found))
        except zlib.error:
            # Zeros behind it are padding; anything else says that it is not what it is said to be.
            return found if found and not rest.strip(b"\0") else content
        if len(found) > limit:
            raise TooLarge
        if not engine.eof:
            return content
        rest = engine.unused_data
    return found


# ─── Numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def whole(value: object) -> int | None:
    """A whole number, also when it comes as text or as 3.0; None for anything else."""
    found = number(value)
    if isinstance(found, float):
        return int(found) if found.is_integer() else None
    return found


def number(value: object) -> float | int | None:
    """A number that a double holds, also when it comes as text, or None. Zero is a number; a truth value is not."""
    if isinstance(value, str):
        return _number_in(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def _number_in(text: str) -> float | int | None:
    if not text or len(text) > 40 or "_" in text:  # longer than any number of a device
        return None
    try:
        return number(int(text))
    except ValueError:
        pass
    try:
        return number(float(text))
    except ValueError:
        return None


# ─── Times ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_PER_SECOND: Final = (1, 1_000, 1_000_000, 1_000_000_000)
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})[T ]?(\d{2})(\d{2})(\d{2})[.,]?(\d{0,9})(\D.*)?", re.DOTALL)
_ODD: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,](\d{1,9}))?"
    r"\s*(Z|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?|UTC|GMT)?",
    re.IGNORECASE,
)


def read_time(value: object, zone: tzinfo | None = None) -> datetime | None:
    """A time as an aware UTC datetime, however a vendor writes it; None for what no device of today can mean.

    Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by the year that it makes; text as
    ISO 8601 has it, or nearly; a compact date, 20260701200000.

    Args:
        value: the time.
        zone: of text without one; with None, such text tells no time.
    """
    count = number(value)
    if count is not None:
        for per_second in _PER_SECOND:
            if _EARLIEST.timestamp() <= count / per_second < _LATEST.timestamp():
                return _since_epoch(count, per_second)
        digits = str(whole(count))
        return _dated(_COMPACT.fullmatch(digits), zone) if len(digits) in {14, 17} else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    return _dated(_ODD.fullmatch(text), zone) or _dated(_COMPACT.fullmatch(text), zone) or _iso(text, zone)


def _since_epoch(count: float, per_second: int) -> datetime:
    micros = int(count) * 1_000_000 // per_second if isinstance(count, int) else round(count / per_second * 1_000_000)
    return datetime.fromtimestamp(micros // 1_000_000, tz=UTC).replace(microsecond=micros % 1_000_000)


def _dated(match: re.Match[str] | None, zone: tzinfo | None) -> datetime | None:
    if match is None:
        return None
    year, month, day, hour, minute, second, *rest = (part or "" for part in match.groups())
    fraction, offset = rest if len(rest) == 2 else ("", rest[0])
    # A leap second, and what some clocks say for midnight.
    leap = second == "60"
    text = f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{'59' if leap else second or '00'}"
    if fraction:
        text += f".{fraction[:6]:0<6}"
    return _iso(text + _offset(offset.strip().upper()), zone)


def _offset(text: str) -> str:
    """`GMT+9` as ISO 8601 has it."""
    text = text.removeprefix("UTC").removeprefix("GMT") or ("Z" if text else "")
    if text[:1] not in {"+", "-"} or len(text) > 3:
        return text
    return f"{text[0]}{text[1:]:0>2}:00"


def _iso(text: str, zone: tzinfo | None) -> datetime | None:
    moment: datetime | None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _mailed(text)
    if moment is None:
        return None
    if moment.tzinfo is None:
        if zone is None:
            return None
        moment = moment.replace(tzinfo=zone)
    try:
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def _mailed(text: str) -> datetime | None:
    """As mail and HTTP write it, `Wed, 01 Jul 2026 12:00:00 GMT`, or Java: `Jul 1, 2026 8:59:58 PM`."""
    if len(text) > 40 or "," not in text:
        return None
    if text[-2:].upper() in {"AM", "PM"}:
        # Its own blank before them is a narrow one that does not break.
        plain = " ".join(text.replace("\u202f", " ").split())
        for form in ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%d %b %Y, %I:%M:%S %p"):
            try:
                return datetime.strptime(plain, form)  # noqa: DTZ007 - the zone comes after
            except ValueError:
                continue
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - hardly anybody writes it so

    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def is_no_number(value: object) -> bool:
    """Whether it is the word for what is no number, as `read_json` leaves NaN and infinities."""
    found = _NO_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return found is not None and found[1] is not None


_NOTHING: Final = frozenset(
    [
        "",
        "empty",
        "false",
        "n",
        "na",
        "nan",
        "nil",
        "no",
        "noid",
        "none",
        "notavailable",
        "notset",
        "null",
        "nullptr",
        "objectobject",
        "optionalnil",
        "true",
        "undefined",
        "unknown",
        "void",
    ]
)
_LETTERS: Final = re.compile(r"[^0-9a-z]+")


def is_nothing(value: object) -> bool:
    """Whether it is what some language writes for nothing, where an id should be: it tells no two things apart.

    None, empty, zeros (a nil UUID), a negative number, `(null)`, `<nil>`, `N/A`, `undefined` and the like.
    """
    if value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        return True
    if (count := number(value)) is not None:
        return count <= 0
    text = str(value).strip()
    word = _LETTERS.sub("", text.lower())
    if not text.isascii():  # letters of another alphabet
        return False
    half = word[: len(word) // 2]
    return word in _NOTHING or (half * 2 == word and half in _NOTHING) or set(word) == {"0"}
