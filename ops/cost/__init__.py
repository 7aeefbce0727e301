"""The cost of Gatehouse on AWS: counted by running the real handlers, priced by a dated table, told in docs/cost.md.

A module here that has the name of a vendor's folder under `functions/` is found by looking. It says what that vendor
costs beside its pushes: it has `part(facts)`; where that takes a run of its functions, `measured(run)` as well.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ops.cost.count import Counted, Run
    from ops.cost.document import Facts

_FUNCTIONS: Final = Path(__file__).parents[2] / "functions"


@dataclass(frozen=True, slots=True)
class Part:
    """A vendor's part of docs/cost.md, beside its pushes."""

    summary: Sequence[tuple[str, float]]
    """Rows of the first table: what it is, and US$."""
    section: Sequence[str] = ()
    """Lines of a section of its own."""
    switches: Sequence[tuple[str, str, float]] = ()
    """Options that cost: the setting, what it pays for, and US$ a month."""


class Vendor(Protocol):
    """A vendor's module."""

    def part(self, facts: Facts) -> Part:
        """The vendor's cost beside its pushes."""


@runtime_checkable
class Measured(Protocol):
    """The module of a vendor whose functions do more than take pushes."""

    def measured(self, run: Run) -> Mapping[str, Counted]:
        """Their work, step by step."""


def vendors() -> dict[str, Vendor]:
    """All vendors that cost something beside their pushes, by the name of their folder under `functions/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if (_FUNCTIONS / module.name).is_dir())
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}
