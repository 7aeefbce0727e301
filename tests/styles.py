"""The ways in which devices, older servers and other languages' encoders write the same message."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

from ops.simulators import Request

type Write = Callable[[Any], bytes]
"""Writes a value as JSON."""


def compact(value: Any) -> bytes:
    """JSON as JavaScript's JSON.stringify and most servers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


STYLES: Final[Mapping[str, Write]] = {
    "compact": compact,
    "with blanks": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "escaped": lambda value: json.dumps(value).encode(),
    "indented, with carriage returns": lambda value: (
        json.dumps(value, ensure_ascii=False, indent="\t").replace("\n", "\r\n").encode()
    ),
    "with a byte order mark": lambda value: b"\xef\xbb\xbf" + compact(value),
    "with C's closing zero": lambda value: compact(value) + b"\0",
    "with a newline and zeros": lambda value: compact(value) + b"\n\0\0",
    "with blanks around": lambda value: b"\r\n  " + compact(value) + b"\n",
    "with slashes escaped": lambda value: compact(value).replace(b"/", rb"\/"),
}
"""Styles that mean the same value, to the letter."""


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _each(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_each(inner, change) for inner in value]
    return change(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RETYPED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "numbers as text": lambda message: _each(message, lambda value: str(value) if _is_number(value) else value),
    "whole numbers with a fraction": lambda message: _each(
        message, lambda value: float(value) if _is_number(value) else value
    ),
}
"""The same message in other types of JSON: what it says is the same, its payload is not."""

ODD: Final[Mapping[str, str]] = {
    "a huge whole number": "9" * 4300,
    "a whole number that is too long": "9" * 4301,
    "a number beyond a double": "1e999",
    "a number beyond a double, negative": "-1e999",
    "a lone surrogate": '"\\ud800"',
    "a lone low surrogate": '"\\udfff\\ud800"',
    "a character that is none": '"\\ufffe\\uffff"',
    "a null character": '"\\u0000"',
    "nesting at the limit of the parser": "[" * 195 + "]" * 195,
    "nesting past it": "[" * 210 + "]" * 210,
    "deep nesting": "[" * 3000 + "]" * 3000,
    "deep nesting of objects": '{"a":' * 1100 + "0" + "}" * 1100,
    "NaN": "NaN",
    "half of it": '{"a":',
}
"""JSON of which parsers do not agree what it is, or whether it is any."""


def _bare_deflate(body: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(body) + engine.flush()


ENCODINGS: Final[Mapping[str, tuple[str, Callable[[bytes], bytes]]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its head": ("deflate", _bare_deflate),
    "both": ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body))),
    "said and not done": ("gzip", lambda body: body),
    "identity": ("identity", lambda body: body),
}
"""Content encodings of a whole body."""


def encoded(request: Request, name: str) -> Request:
    """A push in a content encoding."""
    word, encode = ENCODINGS[name]
    return replace(request, body=encode(request.body), headers={**request.headers, "content-encoding": word})


def any_style(random: Random) -> Write:
    """One of the styles."""
    return random.choice(list(STYLES.values()))


def any_encoding(random: Random, request: Request) -> Request:
    """The push, now and then in one of the encodings."""
    return encoded(request, random.choice(list(ENCODINGS))) if random.random() < 0.2 else request
