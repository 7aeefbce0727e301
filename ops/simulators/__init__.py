"""Simulated vendors: they sign and encrypt as the vendors do, by code of their own, and are found by looking.

A module here is a vendor. It has `new_accounts()` and `day(accounts, url)`; where the vendor has options for
`gatehouse up`, `add_arguments(parser)` as well; where something has to run beside its pushes, `running()`; where
something of ours has to run that is not in the emulator, `beside(stack)`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ops.local import Stack

type Credentials = Mapping[str, str]
"""One app of a vendor, by the names that `.local/stack.json` uses."""

type Options = Mapping[str, Mapping[str, Any]]
"""What was chosen on the command line: by vendor, and by the option's name without the vendor's."""


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


class Deployed(Protocol):
    """A stack, wherever it is: in the emulator or in AWS."""

    @property
    def vendors(self) -> Mapping[str, Credentials]:
        """The invented apps in its secrets."""

    @property
    def functions(self) -> Mapping[str, str]:
        """The functions' names, by their logical ids in lower case and without `Function`."""

    @property
    def tables(self) -> Mapping[str, str]:
        """The tables' names, by their logical ids in lower case and without `Table`."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets' ARNs, by vendor."""

    @property
    def media_bucket(self) -> str:
        """The bucket of pictures and recordings."""

    @property
    def logs(self) -> str:
        """The folder for logs of what runs beside it."""

    def client(self, service: Any) -> Any:
        """A boto3 client of its account."""

    def variables(self) -> Mapping[str, str]:
        """The environment of a process that is to work on it: region, credentials, and where AWS is."""


class Simulator(Protocol):
    """What a vendor's module offers."""

    def new_accounts(self) -> Accounts:
        """Apps with fresh credentials."""

    def day(self, apps: Mapping[str, Credentials], api_url: str, /, **options: Any) -> Iterator[Request]:
        """What the devices of these apps send, push by push, without end.

        A vendor without `add_arguments` is given no options, and need not take any.
        """


@runtime_checkable
class Configurable(Protocol):
    """What the module of a vendor with options offers besides."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Its options; the name of each begins with the vendor's, and `day` and `running` get it without."""


@runtime_checkable
class Running(Protocol):
    """What the module of a vendor offers besides, who has more than devices that push."""

    def running(self, **options: Any) -> contextlib.AbstractContextManager[Mapping[str, str]]:
        """Runs it; yields parameters that the stack needs for it, by name."""


@runtime_checkable
class Beside(Protocol):
    """What the module of a vendor offers besides, for whom something of ours runs outside of the emulator."""

    def beside(self, stack: Stack, *, simulate: bool, **options: Any) -> contextlib.AbstractContextManager[list[int]]:
        """Runs it on a deployed stack; yields its processes, which end with the block.

        Args:
            stack: the stack.
            simulate: whether what is simulated beside it is to send something by itself.
            options: those of `add_arguments`.
        """


def simulators() -> dict[str, Simulator]:
    """All simulated vendors, by the name of their folder under `functions/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of all vendors that have any."""
    for simulator in simulators().values():
        if isinstance(simulator, Configurable):
            simulator.add_arguments(parser)


def chosen(arguments: argparse.Namespace) -> Options:
    """The options among the arguments of a command."""
    return {
        name: {
            option.removeprefix(f"{name}_"): value
            for option, value in vars(arguments).items()
            if option.startswith(f"{name}_")
        }
        for name, simulator in simulators().items()
        if isinstance(simulator, Configurable)
    }


@contextlib.contextmanager
def running(options: Options) -> Iterator[Mapping[str, str]]:
    """Runs what the vendors have beside their pushes; yields the stack's parameters for it.

    Args:
        options: of those vendors that are not to run with their defaults.
    """
    with contextlib.ExitStack() as started:
        parameters: dict[str, str] = {}
        for name, simulator in simulators().items():
            if isinstance(simulator, Running):
                parameters |= started.enter_context(simulator.running(**options.get(name, {})))
        yield parameters


@contextlib.contextmanager
def beside(stack: Stack, options: Options, *, simulate: bool) -> Iterator[list[int]]:
    """Runs what the vendors have beside the emulator; yields its processes.

    Args:
        stack: the deployed stack.
        options: of those vendors that are not to run with their defaults.
        simulate: whether the simulated vendors send.
    """
    with contextlib.ExitStack() as started:
        processes: list[int] = []
        for name, simulator in simulators().items():
            if isinstance(simulator, Beside):
                more = simulator.beside(stack, simulate=simulate, **options.get(name, {}))
                processes += started.enter_context(more)
        yield processes
