"""A simulated vendor's options come from the command line to its own functions, and to those of no other vendor."""

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ops import simulators
from ops.simulators import Simulator


def _vendor(**functions: Any) -> Simulator:
    """A vendor with no more than these functions."""
    module: Any = SimpleNamespace(new_accounts=dict, apps_of=dict, messages=dict, pushes=iter, **functions)
    return Simulator.of(module)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--acme-api-url")
    parser.add_argument("--acme-wait", type=int, default=20)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two vendors, `acme` with options and a service, `plain` without; the list of what the service went through."""
    events: list[Any] = []

    @contextlib.contextmanager
    def services(**options: Any) -> Iterator[Mapping[str, str]]:
        events.append(options)
        yield {"AcmeWait": str(options.get("wait", "by default"))}
        events.append("ended")

    acme = _vendor(add_arguments=_add_arguments, services=services)
    monkeypatch.setattr(simulators, "simulators", lambda: {"acme": acme, "plain": _vendor()})
    return events


def _parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=".local")
    simulators.add_arguments(parser)
    return parser.parse_args(line)


@pytest.mark.usefixtures("ran")
def test_options_are_found_by_their_vendors_name_and_handed_over_without_it() -> None:
    chosen = simulators.chosen(_parsed("--acme-api-url", "http://api.test", "--folder", "elsewhere"))
    assert chosen == {"acme": {"api_url": "http://api.test", "wait": 20}, "plain": {}}


def test_a_service_has_the_options_and_ends_with_the_block(ran: list[Any]) -> None:
    with simulators.services({"acme": {"wait": 5}, "plain": {}}) as parameters:
        assert parameters == {"AcmeWait": "5"}
        assert ran == [{"wait": 5}]
    assert ran == [{"wait": 5}, "ended"]


def test_a_service_needs_no_options(ran: list[Any]) -> None:
    with simulators.services({}) as parameters:
        assert parameters == {"AcmeWait": "by default"}
    assert ran == [{}, "ended"]


def test_a_process_has_the_stack_the_options_and_the_word_whether_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[Any] = []

    @contextlib.contextmanager
    def processes(stack: Any, **options: Any) -> Iterator[list[int]]:
        events.append((stack, options))
        yield [4711]
        events.append("ended")

    monkeypatch.setattr(simulators, "simulators", lambda: {"acme": _vendor(processes=processes), "plain": _vendor()})
    stack: Any = object()
    with simulators.processes(stack, {"acme": {"wait": 5}}, simulate=True) as numbers:
        assert numbers == [4711]
        assert events == [(stack, {"simulate": True, "wait": 5})]
    assert events[1:] == ["ended"]


def test_every_vendors_pushes_take_the_options_that_its_module_adds() -> None:
    parser = argparse.ArgumentParser()
    simulators.add_arguments(parser)
    chosen = simulators.chosen(parser.parse_args([]))
    apps = {
        name: app
        for simulator in simulators.simulators().values()
        for name, app in simulator.new_accounts().apps.items()
    }
    for name, simulator in simulators.simulators().items():
        push = next(simulator.pushes(apps, "http://api.test", **chosen.get(name, {})))
        assert push.url.startswith(f"http://api.test/v1/{name}")
