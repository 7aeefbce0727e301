"""The vendors in the tests: a package here is a vendor, and is found by looking.

`tests/vendors/<vendor>/` has its function on fakes and its builders in `__init__.py`, what the suites of all vendors
need in `suites.py` (`VendorTests`), and the requests that it refuses in `hostile.py` (`Hostile`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

from gatehouse.settings import Announce
from ops.simulators import Credentials, Request
from tests.styles import Write, compact

if TYPE_CHECKING:
    from tests.hostile import Requests
    from tests.rig import Rig

DROP: Final = object()
"""In place of a field's value: the push goes without it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A push, and when it arrives."""

    request: Request
    after: float = 0
    """Seconds after `NOW`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pushes."""

    name: str
    first: Delivery
    second: Delivery
    events: int = 1
    """Of each of them."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened once, and how it was told of."""

    what: str
    requests: Sequence[Request] = field(default_factory=tuple)
    """Pushes, each to be answered 2xx: the first tells it, the others are its repetitions, in whatever form."""
    events: int = 1
    """Events in the table after all of them."""
    unmapped: bool = False
    """It cannot be understood, and its notice says so."""
    within: float | None = None
    """Seconds, counted from the epoch on, in one slot of which all of them have to arrive, where nothing but the time
    tells them from the next happening."""


SUITES: Final[Mapping[str, str]] = {
    "answers": "an accepted push is answered with nothing that it says",
    "pictures": "its pushes bring pictures, which are stored",
}
"""Suites that a vendor may be exempt from, with a reason, and the trait without which they have nothing to check."""


class VendorTests(Protocol):
    """A vendor's `suites.py`."""

    SHAPES: Mapping[str, int]
    """Every message of the vendor's, in its older and newer forms, by a name: how many events it is."""
    INSIDE: str
    """The place in the fields of `push` for a field that a later version adds: `data`."""
    NOT_ON_THE_WIRE: Collection[str]
    """Fields of the vendor's models that are none of the wire."""
    DIFFERENT: Sequence[Pair]
    """Two happenings each, that look alike: of every shape, at least one."""
    SAME: Sequence[Pair]
    """One happening each, told twice: the same bytes, and whatever the vendor's retry or another channel changes."""
    SECRET: Mapping[str, Any]
    """The document of the secret that `push` is authentic by."""
    MARKED_SECRET: Mapping[str, Any]
    """A document with `MARKER` in each of its credentials, for `MARKED`."""
    MARKED: Mapping[str, Request]
    """Pushes with `MARKER` in whatever they say, understood, odd, unreadable and refused, by a name."""
    RETRY_AFTER: float
    """Seconds until the vendor sends a push again that was not acknowledged: one happening, in every shape."""
    ANSWERED_ANYWAY: Collection[str]
    """Shapes that are answered even where nothing is kept, since somebody waits for the answer."""
    EXEMPT: Mapping[str, str]
    """Reasons, by the suites of `SUITES` that the vendor is exempt from."""

    def rig(self, secret: Mapping[str, Any] | None = None, *, announce: Announce = Announce.INLINE) -> Rig[Any]:
        """The vendor's function on fakes; `secret` is the document of its secret, if it is not `SECRET`."""

    def push(
        self,
        shape: str,
        fields: Mapping[str, Any] | None = None,
        write: Write = compact,
        change: Callable[[Any], Any] | None = None,
    ) -> Request:
        """A push of a shape that arrives at `NOW`, authentic as it is written.

        Args:
            shape: one of `SHAPES`.
            fields: those that are to be otherwise, by their path: `data.user.name`. `DROP` leaves one out.
            write: writes the JSON that is in it.
            change: made to the message before it is written.
        """

    def happening(
        self, random: Random, number: int, apps: Mapping[str, Credentials], url: str, at: datetime
    ) -> Happening:
        """Something that happened, told in a mixture of all the forms in which devices and servers tell it.

        Args:
            random: decides.
            number: that tells it from all others.
            apps: whose, as `ops.simulators` makes them.
            url: of the API.
            at: when the pushes arrive, about.
        """


class Hostile(Protocol):
    """A vendor's `hostile.py`."""

    REQUESTS: Requests
    """Requests that are refused; `anything` and `not base64` are among the kinds."""

    def rig(self) -> Rig[Any]:
        """The vendor's function on fakes, none of which such a request may touch."""


def vendor_names() -> list[str]:
    """The vendors."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/suites.py"))


def vendor_tests(vendor: str) -> VendorTests:
    """A vendor's part in the suites of all vendors."""
    found: VendorTests = importlib.import_module(f"{__name__}.{vendor}.suites")
    return found


def hostile(vendor: str) -> Hostile:
    """A vendor's hostile requests."""
    found: Hostile = importlib.import_module(f"{__name__}.{vendor}.hostile")
    return found


def shapes(events: int = 1) -> list[tuple[str, str]]:
    """Every vendor with each of its shapes that is at least so many events."""
    return [
        (vendor, shape)
        for vendor in vendor_names()
        for shape, count in vendor_tests(vendor).SHAPES.items()
        if count >= events
    ]


def with_fields(message: Any, fields: Mapping[str, Any] | None) -> Any:
    """A message with some of its fields otherwise, by their path; what is on the way there is made."""
    changed = _copied(message)
    for path, value in (fields or {}).items():
        *way, last = path.split(".")
        place: Any = changed
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        if isinstance(place, list):
            place[int(last)] = value
        elif value is DROP:
            place.pop(last, None)
        else:
            place[last] = value
    return changed


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value
