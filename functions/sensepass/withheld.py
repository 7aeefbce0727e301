"""What of a body no event keeps, wherever it stands: what opens doors is dropped, pictures go to the bucket."""

import itertools
import json
import re
from collections import deque
from functools import lru_cache
from typing import Any, Final

from pydantic import JsonValue

from functions.sensepass import wire
from gatehouse.errors import NotReadable
from gatehouse.media import Image, decode
from gatehouse.reading import read_json

_MOST_PICTURES: Final = 8
_PICTURES: Final = {"rgbimage": "rgb_image", "alarmphoto": "alarm_photo"}
"""The documented ones by their name without its spelling, and their roles."""
_OPENS_DOORS: Final = re.compile(
    r"pins?(code|number|no|value|hash)?\d*$|passw(or)?d|passcode|passphrase|pwd|^qr$|qr(code|content|data|text|value)"
)
"""Names, without their spelling, of what somebody could enter with: `pin`, `qrcode_content`, and their like."""
_HEAD_OF_A_PICTURE: Final = re.compile(r"data:image/|[/_]9j[/_]|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/_-]{40}")
"""How a picture begins in base64: JPEG, PNG, GIF, WebP, BMP."""
_TOO_LONG_FOR_WORDS: Final = 64
_SHORTEST: Final = len('{"pin":1}')
"""Characters of a text that may be a picture, or JSON with something in it."""
_QUOTED_NAME: Final = re.compile(r"""\\*["']([\w-]+)\\*["']\s*:""")


def withhold(body: dict[str, Any]) -> dict[str, Image | None]:
    """Takes out of a body, in place, what must not be kept; the pictures by their role, None for an undecodable one.

    Raises:
        NotReadable: what must not be kept cannot be told from the rest.
    """
    images: dict[str, Image | None] = {}
    # The documented place is looked at first, and so has the plain roles.
    places: deque[Any] = deque([wire.fields(body), body])
    while places:
        place = places.popleft()
        named = isinstance(place, dict)
        # Whatever is neither named nor long enough to be anything is passed over: a body may have a million of them.
        for key, value in list(place.items()) if named else enumerate(place):
            if named or isinstance(value, dict | list) or (isinstance(value, str) and len(value) >= _SHORTEST):
                _look(place, key, value, _bare(key) if named else "", images, places)
        if len(images) > _MOST_PICTURES:
            raise NotReadable("more pictures than a terminal sends")
    return images


def _look(place: Any, key: Any, value: Any, name: str, images: dict[str, Image | None], places: deque[Any]) -> None:
    """Looks at one value of an object or a list."""
    if name and _OPENS_DOORS.search(name):
        del place[key]
    elif name in _PICTURES:
        del place[key]
        text = value.strip() if isinstance(value, str) else value
        if text:  # a blank stands for none
            images[_role(_PICTURES[name], images)] = decode(text) if isinstance(text, str) else None
    elif isinstance(value, dict | list):
        places.append(value)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        _look_at_text(place, key, value.strip(), images)


def _look_at_text(place: Any, key: Any, text: str, images: dict[str, Image | None]) -> None:
    """A text under a name that says nothing: it may be a picture, or JSON that was encoded twice."""
    if _HEAD_OF_A_PICTURE.match(text):
        image = decode(text)
        if _is_picture(image) if image else len(text) > _TOO_LONG_FOR_WORDS:
            place[key] = None
            images[_role("picture", images)] = image
    elif text[:1] in {"{", "["}:
        place[key] = _without(place[key], images)


def _is_picture(image: Image) -> bool:
    """Whether the bytes are a picture's, and not by chance begin as one's."""
    if image.suffix == "bmp":
        return int.from_bytes(image.data[2:6], "little") == len(image.data)
    return image.content_type.startswith("image/")


def _without(text: str, images: dict[str, Image | None]) -> str:
    """JSON in a text, as it was where there is nothing in it to be withheld."""
    try:
        inner: JsonValue = read_json(text)
    except ValueError:
        names = [_bare(name) for name in _QUOTED_NAME.findall(text)]
        if any(name in _PICTURES or _OPENS_DOORS.search(name) for name in names):
            raise NotReadable("a text in the body is no JSON, and names what must not be kept") from None
        return text
    before = json.dumps(inner)
    for role, image in withhold({"data": [inner]}).items():
        images[_role(role, images)] = image
    return text if json.dumps(inner) == before else json.dumps(inner, ensure_ascii=False)


def _role(role: str, images: dict[str, Image | None]) -> str:
    """The role, numbered where it is taken."""
    numbers = itertools.count(2)
    numbered = role
    while numbered in images:
        numbered = f"{role}-{next(numbers)}"
    return numbered


@lru_cache(maxsize=512)
def _bare(name: str) -> str:
    """A name without its spelling: `qrcode_content`, `qrCodeContent` and `QR-Code-Content` are one."""
    return re.sub(r"[\W_]", "", name).lower()
