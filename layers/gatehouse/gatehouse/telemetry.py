"""Logs and metrics for the operator: JSON lines, and metrics as JSON lines. Nothing of a push goes into either."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from enum import StrEnum
from threading import Lock
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "Gatehouse"


class Count(StrEnum):
    """The metrics that count, each by `vendor`; some have further dimensions."""

    RECORDED = "Recorded"
    DUPLICATE = "Duplicate"
    CONFLICT = "Conflict"
    """Two happenings with the same identity: both are kept."""
    PUBLISHED = "Published"
    REJECTED = "Rejected"
    """Also by `reason`, besides by the vendor alone: an alarm can add up ten metrics at most."""
    FAILED = "Failed"
    """Answered with 500 or 503, so that the vendor sends it again. Lambda does not count it as an error."""
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105 - a metric
    """The secret, or an account in it, could not be read or used."""
    UNMAPPED = "Unmapped"
    SPILLED = "Spilled"
    NOT_KEPT = "NotKept"
    LEFT_TO_RELAY = "LeftToRelay"
    REDONE = "Redone"
    """Redone from the spill queue; also by `sender`."""
    SWEPT = "Swept"
    """Announced by the sweep, after the gate or the relay did not."""
    DECISION = "Decision"
    """A decision at a door; also `by` the decider."""
    DECISION_LATE = "DecisionLate"
    """A decision at a door that was answered after its deadline."""


class Span(StrEnum):
    """The metrics that measure, in milliseconds, by `vendor`. Each value is written, so that percentiles can be had."""

    DECISION = "DecisionTime"
    """From the arrival of a door's question to our answer."""


# Values go into a line by name only: no event, and no exception text of a library.
log = Logger(service="gatehouse")
# Lambda prints the warnings of libraries. They quote addresses that hold keys, to a recording or to an app's lists.
for _library in ("botocore", "s3transfer", "urllib3", "websocket"):
    logging.getLogger(_library).setLevel(logging.ERROR)

type _Dimensions = tuple[tuple[str, str], ...]
_counts: Counter[tuple[_Dimensions, Count]] = Counter()
_spans: defaultdict[tuple[_Dimensions, Span], list[float]] = defaultdict(list)
_lock = Lock()
_VALUES = 99
"""Most values of a metric in a line. CloudWatch takes 100; at the hundredth Powertools writes the line by itself."""


def count(what: Count, vendor: str, **dimensions: str) -> None:
    """Adds one to a metric. `flush` writes it."""
    with _lock:
        _counts[(("vendor", vendor), *dimensions.items()), what] += 1


def measure(what: Span, vendor: str, milliseconds: float) -> None:
    """Adds a duration to a metric. `flush` writes it."""
    with _lock:
        _spans[(("vendor", vendor),), what].append(milliseconds)


class Gauge(NamedTuple):
    """A value at this moment, for a metric that does not count."""

    unit: Literal["Count", "Seconds"]
    value: float


def gauges(values: Mapping[str, Gauge], **dimensions: str) -> None:
    """Writes gauges at once, in one line of the format of `flush`."""
    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=dimensions)
    for name, gauge in values.items():
        line.add_metric(name=name, unit=gauge.unit, value=gauge.value)
    line.flush_metrics()


def flush() -> None:
    """Writes the counts and durations since the last flush, a line for each set of dimensions.

    The lines are in CloudWatch's embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    with _lock:
        counted, measured = list(_counts.items()), list(_spans.items())
        _counts.clear()
        _spans.clear()
    for dimensions in dict.fromkeys(dimensions for (dimensions, _), _ in (*counted, *measured)):
        line = _line(dimensions)
        for (of, what), times in counted:
            if of == dimensions:
                line.add_metric(name=what, unit=MetricUnit.Count, value=times)
                if what is Count.REJECTED:
                    line.dimension_sets.append(dict(dimensions[:1]))
        for (of, span), values in measured:
            for number, value in enumerate(values if of == dimensions else ()):
                if number and number % _VALUES == 0:
                    line.flush_metrics()
                    line = _line(dimensions)
                line.add_metric(name=span, unit=MetricUnit.Milliseconds, value=value)
        line.flush_metrics()


def _line(dimensions: _Dimensions) -> AmazonCloudWatchEMFProvider:
    return AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=dict(dimensions))
