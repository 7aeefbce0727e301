"""Everything that goes to the operator while a test runs."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gatehouse import telemetry


@dataclass(frozen=True, slots=True)
class Output:
    """Stdout, stderr and the log since the test began, with the metrics."""

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


@contextmanager
def captured(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    """The output from now on."""
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
