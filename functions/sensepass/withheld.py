"""The parts of a body that no event keeps, at any place in it: secrets that open doors, and pictures.

Secrets (PIN, QR code, password and their like) are dropped; pictures go to the media bucket.
"""

import itertools
import json
import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from pydantic import JsonValue

from functions.sensepass import wire
from gatehouse.errors import NotReadable
from gatehouse.media import Image, decode
from gatehouse.reading import PARTS, read_base64, read_json

_MOST_PICTURES: Final = 8
_PICTURES: Final = {"rgbimage": "rgb_image", "alarmphoto": "alarm_photo"}
"""Roles of the documented pictures, by their bare name."""
_HINT: Final = re.compile(r"pin|qr|pass|pwd|code|secret|credential|密|口令|维码|維碼")
"""Parts of names of secrets, in small letters. Every name of a secret has one; other texts need no closer look."""
_NOT_PLAIN: Final = re.compile(rf'{_HINT.pattern}|[{{\["%\ufeff]')
"""Parts of a short text that needs a closer look."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS: Final = frozenset({"pin", "pins", "qr", "pwd", "secret", "secrets", "credential", "credentials"})
"""Words in the name of a secret: `pin_md5`, `userPinStr`, `qrString`."""
_OPENS_DOORS: Final = re.compile(
    r"pins?(code|number|no|value|hash|info|list|str|string|md5|data|text)?\d*$|passw(or)?[dt]|passcode|passphrase|pwd"
    r"|^qr|qrcode|barcode|(door|unlock|access|open|entry)codes?$|密码|密碼|口令|二维码|二維碼"
)
"""Bare names of secrets that open doors: `pin`, `qrcode_content`, and their like."""
_VALUES: Final = frozenset(
    {"value", "values", "val", "v", "data", "content", "text", "str", "string", "raw", "payload"}
)
"""Bare names of a field with the value for a name: `{"name": "pin", "value": …}`."""
_NAMED_IN_TEXT: Final = re.compile(
    r"""
    (?: (?<![A-Za-z])(?i:pin) | (?<=[a-z])P(?:in|IN) | (?:user|door|card)pin | (?<![A-Za-z])(?i:qr) | (?<=[a-z])Q[Rr]
      | (?i:passw(?:or)?[dt]|passcode|passphrase|pwd) | 密码 | 密碼 | 口令 | 二维码 | 二維碼 )
    (?i:s?(?:code|number|no|value|hash|info|list|string|str|md5|data|text|content)?) (?:[A-Z_\d.-][\w.-]{0,24})?
    (?: \\{0,16}["'] \s{0,4} [:=,]
      | \s{0,4} = \s{0,4} [^\s&]
      | \s{0,4} : (?: \S | \s{1,4} (?: ["'\\\[{] | \d{3} ) )
      | > \s{0,4} [^<\s]
      | \s{1,4} \d{4} )
    """,
    re.VERBOSE,
)
"""The name of a secret and a value, in a text that is not JSON. `PIN: see desk` has no value."""
_IN_BASE64: Final = r"[0-9A-Za-z+/_-]"
_HEAD_OF_A_PICTURE: Final = re.compile(
    rf"/9j[/_](?<!{_IN_BASE64}.{{4}})|_9j[/_](?<!{_IN_BASE64}.{{4}})|iVBORw0KGgo(?<!{_IN_BASE64}.{{11}})"
    rf"|R0lGOD(?<!{_IN_BASE64}.{{6}})|UklGR(?<!{_IN_BASE64}.{{5}})|Qk(?<!{_IN_BASE64}.{{2}}){_IN_BASE64}{{40}}",
    re.DOTALL,
)
"""The beginning of a picture in base64, not in the middle of other base64: JPEG, PNG, GIF, WebP, BMP."""
_RUN_OF_BASE64: Final = re.compile(r"[0-9A-Za-z+/_\s-]*=*")
_BASE64_OF_TEXT: Final = re.compile(r"[I-Za-f7][0-9A-Za-z+/_\r\n-]*=*")
"""Base64 of a text: its first byte is printable, or a byte order mark's."""
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PRINTABLE: Final = re.compile(rb"[\t\r\n -~]*|\xef\xbb\xbf.*|.*[\xc0-\xf4].*", re.DOTALL)
_TOO_LONG_FOR_WORDS: Final = 64
_SHORTEST: Final = len("pin=1")
"""Fewest characters of a text that may hold a secret."""
_SHORTEST_BASE64: Final = 8
_LONGEST_NAME: Final = 48
_SHORTEST_TOKEN: Final = 6
_WRAPPINGS: Final = 6
"""Most levels of texts in texts that are searched; each level reads the text once more."""
_LONGEST_NAMED_BARE: Final = 1_000
"""Most characters of a text of letters only that may have a name and a value. A longer one is base64."""
_RUN_OF_LETTERS: Final = re.compile(r"[0-9A-Za-z+/_\r\n-]*=*")
_MOST_ODD: Final = 2_000
"""Most texts that are wrapped in others, or begin as JSON and are not."""
_MOST_SEARCHED: Final = 200_000
"""Most characters of texts that are not JSON and may name a secret; a terminal sends none."""


def withhold(body: dict[str, Any], tokens: Iterable[str] = ()) -> dict[str, Image | None]:
    """Takes out of a body, in place, the parts that must not be kept.

    Args:
        body: the body.
        tokens: the site's tokens, which the body may repeat.

    Returns:
        the pictures by their role; None for one that cannot be decoded.

    Raises:
        NotReadable: the parts that must not be kept cannot be told from the rest.
    """
    sieve = _Sieve([token for token in tokens if len(token) >= _SHORTEST_TOKEN])
    # The documented place comes first, so that its pictures get the roles without a number.
    sieve.take_out([wire.fields(body), body], 0)
    return sieve.images


class _Sieve:
    """The pictures of one body, and the cost of the search so far."""

    def __init__(self, tokens: list[str]) -> None:
        self.images: dict[str, Image | None] = {}
        self._tokens = tokens
        self._taken = 0
        self._percents = 0
        self._odd = 0
        self._searched = 0

    def take_out(self, values: list[Any], depth: int) -> None:
        """Takes out of objects and lists, in place, the parts that must not be kept.

        Args:
            values: the objects and lists.
            depth: level of texts in texts.
        """
        places: deque[Any] = deque(values)
        while places:
            place = places.popleft()
            if isinstance(place, dict):
                self._of_object(place, places, depth)
            else:
                self._of_list(place, places, depth)
            if len(self.images) > _MOST_PICTURES:
                raise NotReadable("more pictures than a terminal sends")

    def _of_object(self, place: dict[str, Any], places: deque[Any], depth: int) -> None:
        names_a_secret = False
        values = []
        for key, value in list(place.items()):
            name = _bare(key)
            if _opens_doors(key) or (len(key) >= _SHORTEST and self._text(key, depth) is not key):
                self._drop(place, key)
                continue
            if name in _PICTURES:
                self._drop(place, key)
                self._documented(_PICTURES[name], value)
                continue
            if name in _VALUES:
                values.append(key)
            names_a_secret = names_a_secret or (isinstance(value, str) and _opens_doors(value))
            self._value(place, key, value, places, depth)
        if names_a_secret:
            for key in values:
                if not (isinstance(place[key], str) and _opens_doors(place[key])):
                    self._drop(place, key)

    def _of_list(self, place: list[Any], places: deque[Any], depth: int) -> None:
        named = False
        for index, value in enumerate(place):
            if named:
                place[index] = None
                self._taken += 1
                named = False
            else:
                named = isinstance(value, str) and _opens_doors(value)
                self._value(place, index, value, places, depth)

    def _value(self, place: Any, key: Any, value: Any, places: deque[Any], depth: int) -> None:
        if isinstance(value, dict | list):
            places.append(value)
        elif isinstance(value, str) and len(value) >= _SHORTEST:
            place[key] = self._text(value, depth)

    def _drop(self, place: dict[str, Any], key: str) -> None:
        del place[key]
        self._taken += 1

    def _documented(self, role: str, value: Any) -> None:
        text = value.strip() if isinstance(value, str) else value
        if text:  # a blank stands for none
            self._picture(role, decode(text) if isinstance(text, str) else None)

    def _picture(self, role: str, image: Image | None) -> None:
        """Keeps a picture by its role, with a number if the role is taken."""
        numbers = itertools.count(2)
        numbered = role
        while numbered in self.images:
            numbered = f"{role}-{next(numbers)}"
        self.images[numbered] = image
        self._taken += 1

    def _text(self, text: str, depth: int) -> str | None:
        """A text under a harmless name, without the parts that must not be kept.

        The very same object if there are none; None if the whole text is a picture.
        """
        for token in self._tokens:
            if token in text:
                text = text.replace(token, "…")
        bare = text.strip()
        low = bare.lower()
        if len(bare) <= _TOO_LONG_FOR_WORDS and not _NOT_PLAIN.search(low) and not _may_be_base64(bare):
            return text
        for look in (self._json, self._pictured, self._percent_encoded, self._base64):
            applies, cleared = look(bare, depth)
            if applies:
                return text if cleared is bare else cleared
        if _HINT.search(low) and not (len(bare) > _LONGEST_NAMED_BARE and _RUN_OF_LETTERS.fullmatch(bare)):
            self._searched += len(bare)
            if self._searched > _MOST_SEARCHED or _NAMED_IN_TEXT.search(bare):
                raise NotReadable("a text in the body is no JSON, and names what must not be kept")
        return text

    def _inner(self, text: str, depth: int) -> str | None:
        """Does the same as `_text`, for a text that was wrapped in another one."""
        self._count_odd()
        if depth >= _WRAPPINGS:
            raise NotReadable("texts in texts, more levels than any terminal writes")
        return self._text(text, depth + 1)

    def _count_odd(self) -> None:
        """Counts a text that is expensive to search."""
        self._odd += 1
        if self._odd > _MOST_ODD:
            raise NotReadable("more odd texts than a terminal sends")

    def _json(self, text: str, depth: int) -> tuple[bool, str | None]:
        """Clears JSON that was encoded twice. It is returned unchanged if there is nothing to withhold in it."""
        if text[:1] not in {"{", "[", '"', "\ufeff"}:
            return False, text
        try:
            inner: JsonValue = read_json(text)
        except ValueError:
            self._count_odd()
            return False, text
        if isinstance(inner, str):
            cleared = self._inner(inner, depth)
            return True, text if cleared is inner else json.dumps(cleared, ensure_ascii=False)
        if depth >= _WRAPPINGS:
            raise NotReadable("texts in texts, more levels than any terminal writes")
        before = self._taken, json.dumps(inner)
        self.take_out([[inner]], depth + 1)
        return True, text if before == (self._taken, json.dumps(inner)) else json.dumps(inner, ensure_ascii=False)

    def _pictured(self, text: str, _: int) -> tuple[bool, str | None]:
        """Takes a picture, alone or behind another text such as `data:…;base64,`."""
        if text.startswith("data:image/"):
            self._picture("picture", decode(text))
            return True, None
        head = _HEAD_OF_A_PICTURE.search(text)
        run = _RUN_OF_BASE64.match(text, head.start()) if head else None
        if run is None:
            return False, text
        image = decode(run[0])
        if not (_is_picture(image) if image else len(run[0]) > _TOO_LONG_FOR_WORDS):
            return False, text
        self._picture("picture", image)
        return True, None

    def _percent_encoded(self, text: str, depth: int) -> tuple[bool, str | None]:
        if not _PERCENT.search(text):
            return False, text
        self._percents += text.count("%")
        if self._percents > PARTS:
            raise NotReadable("more quoted characters than any terminal sends")
        inner = unquote(text)
        cleared = self._inner(inner, depth)
        return True, text if cleared is inner else cleared

    def _base64(self, text: str, depth: int) -> tuple[bool, str | None]:
        """Clears base64 of a text. A text that does not begin as such is not decoded."""
        begun = read_base64(text[:16]) if _may_be_base64(text) else None
        if not begun or not _PRINTABLE.fullmatch(begun) or not _BASE64_OF_TEXT.fullmatch(text):
            return False, text
        try:
            inner = (read_base64(text) or b"").decode()
        except UnicodeDecodeError:
            return False, text
        if len(inner) < _SHORTEST:
            return False, text
        cleared = self._inner(inner, depth)
        return (False, text) if cleared is inner else (True, cleared)


def _may_be_base64(text: str) -> bool:
    """Tells whether a text begins as base64 of a text does."""
    return len(text) >= _SHORTEST_BASE64 and _BASE64_OF_TEXT.fullmatch(text, 0, 16) is not None


def _is_picture(image: Image) -> bool:
    """Tells whether the bytes are a picture's, and do not begin as one's by chance."""
    if image.suffix == "bmp":
        return int.from_bytes(image.data[2:6], "little") == len(image.data)
    return image.content_type.startswith("image/")


def _opens_doors(name: str) -> bool:
    """Tells whether a text is the name of a secret that opens doors, in any spelling."""
    if len(name) > _LONGEST_NAME:
        return False
    return _HINT.search(name.lower()) is not None and _is_named_so(name)


@lru_cache(maxsize=512)
def _is_named_so(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return not words.isdisjoint(_WORDS) or _OPENS_DOORS.search(_bare(name)) is not None


@lru_cache(maxsize=512)
def _bare(name: str) -> str:
    """The bare name, in small letters without marks: `qrcode_content`, `qrCodeContent`, `QR-Code-Content` have one."""
    return re.sub(r"[\W_]", "", name).lower()
