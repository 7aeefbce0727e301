"""What every unit test may ask for: the gates on fakes, and whatever goes to the operator."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatehouse import telemetry
from tests.builders import House, sensepass_house, sensoro_house, sunmi_house


@dataclass(frozen=True, slots=True)
class Output:
    """What went to stdout, stderr and the log since the test began; metrics among it."""

    read: Callable[[], str]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line of it: each is JSON."""
        return [json.loads(line) for line in self.read().splitlines()]

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The log lines."""
        return [line for line in self.lines if "level" in line]

    @property
    def counted(self) -> dict[str, float]:
        """The metrics, summed over their dimensions."""
        sums: dict[str, float] = {}
        for line in self.lines:
            for metric in _metrics(line):
                sums[metric] = sums.get(metric, 0) + sum(line[metric])
        return sums


def _metrics(line: dict[str, Any]) -> list[str]:
    directives = line.get("_aws", {}).get("CloudWatchMetrics", [])
    return [metric["Name"] for directive in directives for metric in directive["Metrics"]]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    telemetry.flush()
    capsys.readouterr()
    handler = telemetry.log.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    before = handler.setStream(stream)
    seen: list[str] = []

    def read() -> str:
        telemetry.flush()
        caught = capsys.readouterr()
        seen.append(caught.out + caught.err)
        return stream.getvalue() + "".join(seen)

    yield Output(read)
    handler.setStream(before)


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[dict[str, Any]]]:
    text = Path(__file__).with_name("vectors.json").read_text(encoding="utf-8")
    known: dict[str, list[dict[str, Any]]] = json.loads(text)
    return known


@pytest.fixture
def sunmi() -> House[Any]:
    return sunmi_house()


@pytest.fixture
def sensoro() -> House[Any]:
    return sensoro_house()


@pytest.fixture
def sensepass() -> House[Any]:
    return sensepass_house()
