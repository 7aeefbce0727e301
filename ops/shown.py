"""Words of others, as an operator's terminal may show them."""

from typing import Final
from urllib.parse import urlsplit

_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
_HIDDEN: Final = "…"
_LONG: Final = 20
"""Characters of a token of ours; of one as long, the first four tell which it is, and not what it is."""


def printable(text: object) -> str:
    """A text in one line, without what a terminal obeys: a device's name may be an order to clear the screen.

    Args:
        text: whatever a vendor, a device or a library said.
    """
    return "".join(character if character.isprintable() else _UNPRINTABLE for character in str(text))


def masked(address: str, *names: str) -> str:
    """An address without what may be a credential in it, whosever it is and wherever that stands.

    Args:
        address: as somebody else tells it.
        names: segments of a path that are names of ours, and never a credential.
    """
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return _HIDDEN
    user = f"{_HIDDEN}@" if "@" in parts.netloc else ""
    path = "/".join(part if part in names else _segment(part) for part in parts.path.split("/"))
    scheme = f"{parts.scheme}://" if parts.netloc else ""
    rest = f"?{_HIDDEN}" if parts.query or parts.fragment else ""
    return printable(f"{scheme}{user}{host}{path}{rest}")


def _segment(segment: str) -> str:
    if len(segment) >= _LONG:
        return f"{segment[:4]}{_HIDDEN}"
    return segment and _HIDDEN
