"""Simulated vendors: they sign and encrypt as the vendors do, by code of their own, and are found by looking.

A module here is a vendor. It has `new_accounts()` and `day(accounts, url)`.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

type Credentials = Mapping[str, str]
"""One app of a vendor, by the names that `.local/stack.json` uses."""


@dataclass(frozen=True, slots=True)
class Request:
    """A push as the vendor sends it."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Invented apps of a vendor."""

    secret: Mapping[str, Any]
    """The document for the vendor's secret."""
    apps: Mapping[str, Credentials]
    """The apps by their key under `vendors` in `.local/stack.json`."""


class Simulator(Protocol):
    """What a vendor's module offers."""

    def new_accounts(self) -> Accounts:
        """Apps with fresh credentials."""

    def day(self, apps: Mapping[str, Credentials], api_url: str) -> Iterator[Request]:
        """What the devices of these apps send, push by push, without end."""


def simulators() -> dict[str, Simulator]:
    """All simulated vendors, by the name of their folder under `functions/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}
