"""A simulated vendor's options come from the command line to its `day` and `running`, and only its own do."""

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ops import simulators


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--acme-api-url")
    parser.add_argument("--acme-wait", type=int, default=20)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two vendors, `acme` with options and something to run, `plain` without; what became of that."""
    events: list[Any] = []

    @contextlib.contextmanager
    def running(**options: Any) -> Iterator[Mapping[str, str]]:
        events.append(options)
        yield {"AcmeWait": str(options.get("wait", "by default"))}
        events.append("ended")

    acme = SimpleNamespace(add_arguments=_add_arguments, running=running)
    monkeypatch.setattr(simulators, "simulators", lambda: {"acme": acme, "plain": SimpleNamespace()})
    return events


def _parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=".local")
    simulators.add_arguments(parser)
    return parser.parse_args(line)


@pytest.mark.usefixtures("ran")
def test_options_are_found_by_their_vendors_name_and_handed_over_without_it() -> None:
    chosen = simulators.chosen(_parsed("--acme-api-url", "http://api.test", "--folder", "elsewhere"))
    assert chosen == {"acme": {"api_url": "http://api.test", "wait": 20}}


def test_what_runs_beside_the_pushes_has_the_options_and_ends_with_the_block(ran: list[Any]) -> None:
    with simulators.running({"acme": {"wait": 5}, "plain": {}}) as parameters:
        assert parameters == {"AcmeWait": "5"}
        assert ran == [{"wait": 5}]
    assert ran == [{"wait": 5}, "ended"]


def test_what_runs_beside_the_pushes_needs_no_options(ran: list[Any]) -> None:
    with simulators.running({}) as parameters:
        assert parameters == {"AcmeWait": "by default"}
    assert ran == [{}, "ended"]


def test_what_runs_beside_the_emulator_has_the_stack_the_options_and_the_word_whether_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[Any] = []

    @contextlib.contextmanager
    def beside(stack: Any, **options: Any) -> Iterator[list[int]]:
        events.append((stack, options))
        yield [4711]
        events.append("ended")

    monkeypatch.setattr(
        simulators, "simulators", lambda: {"acme": SimpleNamespace(beside=beside), "plain": SimpleNamespace()}
    )
    stack: Any = object()
    with simulators.beside(stack, {"acme": {"wait": 5}}, simulate=True) as processes:
        assert processes == [4711]
        assert events == [(stack, {"simulate": True, "wait": 5})]
    assert events[1:] == ["ended"]


def test_every_vendors_day_takes_the_options_that_its_module_adds() -> None:
    parser = argparse.ArgumentParser()
    simulators.add_arguments(parser)
    chosen = simulators.chosen(parser.parse_args([]))
    apps = {
        name: app
        for simulator in simulators.simulators().values()
        for name, app in simulator.new_accounts().apps.items()
    }
    for name, simulator in simulators.simulators().items():
        push = next(simulator.day(apps, "http://api.test", **chosen.get(name, {})))
        assert push.url.startswith(f"http://api.test/v1/{name}")
