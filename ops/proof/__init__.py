"""`make prove-aws`: deploys a throwaway stack, proves on it what can be known only there, and deletes everything again.

One module is a part of the proof; `report` has the outcomes of a step, `site` is the stack as the prover sees it.
A module with a vendor's name is the vendor's part beside its pushes, and is found by looking: it has
`prove(report, site, arguments)`; where it has options, `add_arguments(parser)` as well; where the stack needs
parameters for it, `services(aws)`. Its rows of docs/aws-truth.md register themselves, as those of `watch` do.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Self

from ops import simulators

if TYPE_CHECKING:
    from ops.proof.report import Report
    from ops.proof.site import Aws, Site


@dataclass(frozen=True, slots=True)
class Proof:
    """A vendor's module; a function that it does not have does nothing."""

    prove: Callable[[Report, Site, argparse.Namespace], None]
    """Goes through the vendor's steps."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds the vendor's options; the name of each begins with the vendor's."""
    services: Callable[[Aws], contextlib.AbstractContextManager[Mapping[str, str]]]
    """Runs the vendor's simulated servers while the stack is there; yields the stack's parameters for them."""

    @classmethod
    def of(cls, module: ModuleType) -> Self:
        """The proof in a module."""
        return cls(
            module.prove,
            getattr(module, "add_arguments", lambda _: None),
            getattr(module, "services", lambda _: contextlib.nullcontext({})),
        )


def vendors() -> dict[str, Proof]:
    """The vendors that have more to prove than their pushes, by the name of their folder under `functions/`."""
    here = {module.name for module in pkgutil.iter_modules(__path__)}
    names = sorted(here & simulators.simulators().keys())
    return {name: Proof.of(importlib.import_module(f"{__name__}.{name}")) for name in names}
