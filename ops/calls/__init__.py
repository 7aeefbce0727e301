"""Calls that an operator makes to a vendor, one module a vendor, found by looking.

A module here is a vendor. It has `add_arguments(parser)` and `run(arguments)`; its docstring's first line is its help.
"""

import argparse
import importlib
import pkgutil
from typing import Protocol


class Calls(Protocol):
    """A vendor's module."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The arguments of `gatehouse <vendor>`."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Makes the call. Raises `RuntimeError` or `GatehouseError` with a message for the operator."""


def vendors() -> dict[str, Calls]:
    """All vendors that can be called, by the name of their folder under `functions/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}
