"""What each vendor offers the suites that hold for all of them. A module here is a vendor, and is found by looking."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from ops.simulators import Credentials, Request
from tests.builders import NOW, House
from tests.styles import Write, compact

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
    """Each of which is to be answered 2xx: the first tells it, the others are its repetitions, in whatever form."""
    events: int = 1
    """That are to be in the table after all of them."""
    unmapped: bool = False
    """Whether nobody can understand it, and its notice says so."""
    within: float | None = None
    """Seconds, counted from the epoch on, in one slot of which all of them have to arrive, where nothing but the time
    tells them from the next happening."""


class Rig(Protocol):
    """What a module here offers."""

    SHAPES: Mapping[str, int]
    """Every message of the vendor's, in its older and newer forms, by a name: how many events it is."""
    INSIDE: str
    """Where in the fields of `push` a field would be that a later version adds: `data`."""
    DIFFERENT: Sequence[Pair]
    """Two happenings each, that look alike: of every shape, at least one."""
    SAME: Sequence[Pair]
    """One happening each, told twice: the same bytes, and whatever the vendor's retry or another channel changes."""

    def house(self, secret: Mapping[str, Any] | None = None) -> House[Any]:
        """The vendor's handler on fakes; `secret` is the document of its secret, if it is not the one of `push`."""

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


def names() -> list[str]:
    """The vendors."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def rig(vendor: str) -> Rig:
    """What a vendor offers."""
    found: Rig = importlib.import_module(f"{__name__}.{vendor}")
    return found


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


__all__ = ["DROP", "NOW", "Delivery", "Happening", "Pair", "Rig", "names", "rig", "with_fields"]
