"""The tolerant readers for data from outside: JSON, forms, base64, content encodings, numbers, times.

An authentic push counts even if it deviates from the standard of its format. Devices, older servers and encoders of
other languages write the forms that are read here. Signatures are checked over the raw bytes, not over these readings.
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
"""Most values of a document. A list of a thousand records has half as many, a push some fifty."""
_DEPTH: Final = 200
"""Most levels of nesting. A document of a device has five."""
# Strings come first, so that no part of one is taken for a word; then the words of C, Python and JavaScript for NaN and
# the infinities.
_NO_NUMBER: Final = re.compile(
    r'"(?:[^"\\]++|\\.)*+"|([+-]?(?:nan(?:\(\w{0,20}\))?|inf(?:inity)?|1\.#\w{1,9}))(?![\w.])',
    re.IGNORECASE | re.DOTALL,
)
_LONE: Final = re.compile(r"[\ud800-\udfff]")
_BOM: Final = b"\xef\xbb\xbf"

# ─── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_json(content: bytes | str, parts: int = PARTS) -> JsonValue:
    """Reads JSON as devices write it.

    Beyond RFC 8259 it takes:
    - a byte order mark before the document, and zero bytes behind it (C's strings end in one);
    - raw control characters in strings;
    - half a surrogate pair, and half a UTF-8 sequence at the end of a string (a name that was cut): as U+FFFD;
    - NaN and infinities as C, Python or JavaScript write them, and numbers beyond a double: as text of the same words.

    Args:
        content: the text, in UTF-8 if it is bytes.
        parts: most values that it may have, counted by commas and brackets. They bound the work of all later steps.

    Raises:
        ValueError: it is not JSON, not UTF-8, has more parts, or is nested deeper than 200 levels.
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
        return _scrubbed(json.loads(text, strict=False, parse_float=_finite), 0)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _is_finite(value: JsonValue) -> bool:
    """Tells whether each number is a double. A number beyond was read as infinite, which is not what was sent."""
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
    """Replaces lone surrogates, which UTF-8 cannot carry, by U+FFFD."""
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
    """Error handler of the decoder. It takes the beginning of a character that the end of a string cuts off, and
    surrogates that were encoded one by one, as Java does. Any other fault of the UTF-8 is an error.
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
    """Reads the fields of a form in their order, as browsers do.

    Empty pieces are skipped. A name without `=` has an empty value. A percent sign without two hex digits stands for
    itself. https://url.spec.whatwg.org/#urlencoded-parsing

    Args:
        content: the body.
        most: number of fields that it may have.
        errors: as for `bytes.decode`; `surrogateescape` where a signature is over the exact bytes.

    Raises:
        ValueError: it is not UTF-8, or has more fields.
    """
    pieces = [piece for piece in content.removeprefix(_BOM).rstrip(b"\0\r\n").split(b"&") if piece]
    if len(pieces) > most:
        raise ValueError("too many fields")
    pairs = (piece.partition(b"=") for piece in pieces)
    return [(_unquoted(name, errors), _unquoted(value, errors)) for name, _, value in pairs]


def _unquoted(text: bytes, errors: str) -> str:
    spaced = text.replace(b"+", b" ")
    # Sign by sign, as urllib decodes, a megabyte of Chinese takes a fifth of a second. Run by run, a text with short
    # runs takes as long.
    runs = spaced.count(b"%") * 10 > len(spaced) * 3
    return (_QUOTED.sub(_bytes, spaced) if runs else unquote_to_bytes(spaced)).decode(errors=errors)


_QUOTED: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")


def _bytes(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode())


_BROKEN: Final = re.compile(r"[\r\n\t]")
_STANDARD: Final = str.maketrans("-_", "+/")


def read_base64(text: str) -> bytes | None:
    """Decodes base64 of either alphabet, with or without padding and line breaks. None if the text is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    text = text.lstrip("\ufeff").rstrip("\0")
    # A form may have turned plus signs into blanks; the length is then still a multiple of four.
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
    """The decompressed content is larger than the limit."""


def inflate(content: bytes, encoding: str, limit: int) -> bytes:
    """Removes the content encodings of a body (RFC 9110 §8.4). A body that is not encoded so is returned as it is.

    Args:
        content: the body as it was sent.
        encoding: value of the header `content-encoding`: gzip and deflate, several joined by commas.
        limit: bytes that the decompressed body may have.

    Raises:
        TooLarge: it has more.
    """
    for coding in reversed([part.strip().lower() for part in encoding.split(",")][:3]):
        if coding in {"gzip", "x-gzip"}:
            content = _inflated(content, limit, zlib.MAX_WBITS | 16)
        elif coding == "deflate":
            # With zlib's header as the standard demands, or without, as some send it.
            inflated = _inflated(content, limit, zlib.MAX_WBITS)
            content = inflated if inflated is not content else _inflated(content, limit, -zlib.MAX_WBITS)
    return content


def _inflated(content: bytes, limit: int, bits: int) -> bytes:
    inflated, rest = b"", content
    while rest:
        # A gzip file may have several members, one behind the other (RFC 1952 §2.2).
        engine = zlib.decompressobj(bits)
        try:
            inflated += engine.decompress(rest, limit + 1 - len(inflated))
        except zlib.error:
            # Zeros at the end are padding. Anything else shows that the content is not encoded so.
            return inflated if inflated and not rest.strip(b"\0") else content
        if len(inflated) > limit:
            raise TooLarge
        if not engine.eof:
            return content
        rest = engine.unused_data
    return inflated


# ─── Numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def whole(value: object) -> int | None:
    """Reads a whole number, also from text or 3.0; None for anything else."""
    count = number(value)
    if isinstance(count, float):
        return int(count) if count.is_integer() else None
    return count


def number(value: object) -> float | int | None:
    """Reads a number that a double holds, also from text; None for anything else. A truth value is no number."""
    if isinstance(value, str):
        return _number_in(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def _number_in(text: str) -> float | int | None:
    if not text or len(text) > 40 or "_" in text:  # no number of a device is longer
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
    """Reads a time in any of the forms that vendors write.

    - Unix time in seconds, milliseconds, microseconds or nanoseconds: the unit that gives a year from 2000 to 2099;
    - text in ISO 8601, or nearly; in the forms of mail, HTTP and Java;
    - a compact date: 20260701200000.

    Args:
        value: the time.
        zone: zone of a text without one. With None, such a text is no time.

    Returns:
        the time, aware and in UTC; None if it cannot be read, or lies outside of the years 2000 to 2099.
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
    # Second 60 is a leap second, or the midnight of some clocks.
    leap = second == "60"
    text = f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{'59' if leap else second or '00'}"
    if fraction:
        text += f".{fraction[:6]:0<6}"
    return _iso(text + _offset(offset.strip().upper()), zone)


def _offset(text: str) -> str:
    """Rewrites an offset as ISO 8601 has it: `GMT+9` as `+09:00`."""
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
    """Reads the form of mail and HTTP, `Wed, 01 Jul 2026 12:00:00 GMT`, or of Java: `Jul 1, 2026 8:59:58 PM`."""
    if len(text) > 40 or "," not in text:
        return None
    if text[-2:].upper() in {"AM", "PM"}:
        # Java puts a narrow no-break space before AM and PM.
        plain = " ".join(text.replace("\u202f", " ").split())
        for form in ("%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%d %b %Y, %I:%M:%S %p"):
            try:
                return datetime.strptime(plain, form)  # noqa: DTZ007 - the zone comes after
            except ValueError:
                continue
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - a rare form

    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def is_no_number(value: object) -> bool:
    """Tells whether a value is a word for NaN or an infinity, as `read_json` leaves them."""
    match = _NO_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return match is not None and match[1] is not None


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
    """Tells whether a value in the place of an id is a placeholder, which tells no two things apart.

    Placeholders are None, the empty text, zeros (a nil UUID), a negative number, and words of programming languages
    such as `(null)`, `<nil>`, `N/A`, `undefined`.
    """
    if value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        return True
    if (count := number(value)) is not None:
        return count <= 0
    text = str(value).strip()
    word = _LETTERS.sub("", text.lower())
    if not text.isascii():  # a name in another alphabet
        return False
    half = word[: len(word) // 2]
    return word in _NOTHING or (half * 2 == word and half in _NOTHING) or set(word) == {"0"}
