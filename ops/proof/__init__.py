"""`make prove-aws`: deploys a throwaway stack, proves on it what can be known only there, and deletes everything again.

One module is a part of the proof; `report` says what a step can end as, `site` is the stack as the prover sees it.
A module with a vendor's name is what that vendor has beside its pushes, and is found by looking: it has
`prove(report, site, arguments)`; where it has options, `add_arguments(parser)` as well; where the stack needs
parameters for it, `running(aws)`. Its rows of docs/aws-truth.md register themselves, as those of `watch` do.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ops import simulators

if TYPE_CHECKING:
    from ops.proof.report import Report
    from ops.proof.site import Aws, Site


class Proof(Protocol):
    """What a vendor's module offers."""

    def prove(self, report: Report, site: Site, arguments: argparse.Namespace) -> None:
        """Goes through its steps."""


@runtime_checkable
class Configurable(Protocol):
    """What the module of a vendor with options offers besides."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Its options; the name of each begins with the vendor's."""


@runtime_checkable
class Running(Protocol):
    """What the module of a vendor offers besides, for whom the stack has to be deployed in a certain way."""

    def running(self, aws: Aws) -> contextlib.AbstractContextManager[Mapping[str, str]]:
        """Runs what is simulated of it while the stack is there; yields the stack's parameters for it."""


def vendors() -> dict[str, Proof]:
    """The vendors that have more to prove than their pushes, by the name of their folder under `functions/`."""
    here = {module.name for module in pkgutil.iter_modules(__path__)}
    names = sorted(here & simulators.simulators().keys())
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}
