"""Simulated vendors: they sign and encrypt as the vendors do, by code of their own, and are found by looking.

A module here is a vendor. It has

- `new_accounts()`: invented apps, and the document for the vendor's secret;
- `apps_of(secret, older=False)`: the apps in such a document;
- `messages(apps, api_url)`: every message that the vendor sends, by name;
- `pushes(apps, api_url)`: what its devices send, without end.

The functions of a vendor with more:

- `unsigned(push)`: the push without its signature;
- `add_arguments(parser)`: options for `gatehouse up`;
- `services()`: servers of the vendor that run while the stack does;
- `processes(stack)`: processes of ours that run outside of the emulator.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, Self

type Credentials = Mapping[str, str]
"""One app of a vendor, by the names that `.local/stack.json` uses."""

type Options = Mapping[str, Mapping[str, Any]]
"""Options of the command line: by vendor, and by the option's name without the vendor's."""


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


type Messages = Mapping[str, Callable[[], Request]]
"""Messages by name; each call makes one anew."""

_clock: ContextVar[float | None] = ContextVar("clock", default=None)


def now() -> float:
    """Unix seconds by the clocks of the vendors and their devices."""
    moment = _clock.get()
    return time.time() if moment is None else moment


@contextlib.contextmanager
def clock(moment: float) -> Iterator[None]:
    """Has these clocks stand still while the block runs.

    Args:
        moment: Unix seconds.
    """
    token = _clock.set(moment)
    try:
        yield
    finally:
        _clock.reset(token)


class Target(Protocol):
    """The stack that a simulator works on, in the emulator or in AWS."""

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
        """The folder for logs of the vendor's processes."""

    def client(self, service: Any) -> Any:
        """A boto3 client of its account."""

    def variables(self) -> Mapping[str, str]:
        """The environment of a process that works on it: region, credentials, and AWS's address."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A vendor's module; a function that it does not have does nothing."""

    new_accounts: Callable[[], Accounts]
    """Makes apps with fresh credentials."""
    apps_of: Callable[..., Mapping[str, Credentials]]
    """Reads the apps in a secret's document, with the first of each credential; with `older=True` with the last."""
    messages: Callable[[Mapping[str, Credentials], str], Messages]
    """Names every message of some apps; each makes it anew. `unmapped` and `unreadable` are authentic, and no more."""
    pushes: Callable[..., Iterator[Request]]
    """The pushes of the devices of some apps, without end; called as `pushes(apps, api_url, **options)`."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Adds the vendor's options. The name of each begins with the vendor's, and the other functions get it without."""
    unsigned: Callable[[Request], Request] | None
    """Takes the signature from a push, if the vendor signs."""
    services: Callable[..., contextlib.AbstractContextManager[Mapping[str, str]]]
    """Runs the vendor's servers; called as `services(**options)`, yields parameters that the stack needs for them."""
    processes: Callable[..., contextlib.AbstractContextManager[list[int]]]
    """Runs processes of ours; called as `processes(stack, simulate=…, **options)`, yields their numbers.

    They end with the block. With `simulate`, the vendor's server sends something by itself.
    """

    @classmethod
    def of(cls, module: ModuleType) -> Self:
        """The simulator in a module."""
        return cls(
            module.new_accounts,
            module.apps_of,
            module.messages,
            module.pushes,
            getattr(module, "add_arguments", lambda _: None),
            getattr(module, "unsigned", None),
            getattr(module, "services", lambda **_: contextlib.nullcontext({})),
            getattr(module, "processes", lambda _, **__: contextlib.nullcontext([])),
        )


def simulators() -> dict[str, Simulator]:
    """All simulated vendors, by the name of their folder under `functions/`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: Simulator.of(importlib.import_module(f"{__name__}.{name}")) for name in names}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of all vendors that have any."""
    for simulator in simulators().values():
        simulator.add_arguments(parser)


def chosen(arguments: argparse.Namespace) -> Options:
    """The vendors' options among the arguments of a command."""
    return {
        name: {
            option.removeprefix(f"{name}_"): value
            for option, value in vars(arguments).items()
            if option.startswith(f"{name}_")
        }
        for name in simulators()
    }


@contextlib.contextmanager
def services(options: Options) -> Iterator[Mapping[str, str]]:
    """Runs the servers of all vendors; yields the stack's parameters for them.

    Args:
        options: of the vendors that do not run with their defaults.
    """
    with contextlib.ExitStack() as started:
        parameters: dict[str, str] = {}
        for name, simulator in simulators().items():
            parameters |= started.enter_context(simulator.services(**options.get(name, {})))
        yield parameters


@contextlib.contextmanager
def processes(stack: Target, options: Options, *, simulate: bool) -> Iterator[list[int]]:
    """Runs the processes of all vendors; yields their numbers.

    Args:
        stack: the deployed stack.
        options: of the vendors that do not run with their defaults.
        simulate: whether the simulated vendors send.
    """
    with contextlib.ExitStack() as started:
        numbers: list[int] = []
        for name, simulator in simulators().items():
            numbers += started.enter_context(simulator.processes(stack, simulate=simulate, **options.get(name, {})))
        yield numbers
