"""What an operator sees: a JSON line a happening, a metric a count. Nothing of a push ever goes in here."""

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
    """The metrics, each by `vendor`; some also by what their line says."""

    RECORDED = "Recorded"
    DUPLICATE = "Duplicate"
    CONFLICT = "Conflict"
    """Two events of one identity that are not one happening: both are kept."""
    PUBLISHED = "Published"
    REJECTED = "Rejected"
    """Also by `reason`; and by the vendor alone, since an alarm can add up ten metrics at most."""
    FAILED = "Failed"
    """Answered with 500 or 503, so that the vendor sends it again; to Lambda no error of the function."""
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105 - a metric
    """The secret, or an account in it, could not be read as it should be."""
    UNMAPPED = "Unmapped"
    SPILLED = "Spilled"
    NOT_KEPT = "NotKept"
    LEFT_TO_RELAY = "LeftToRelay"
    REDONE = "Redone"
    """Redone from the spill queue; also by `sender`."""
    SWEPT = "Swept"
    """Announced by the sweep: whoever should have is dead, or off."""
    DECISION = "Decision"
    """At a door; also `by` whom it was decided."""
    DECISION_LATE = "DecisionLate"
    """At a door, and answered when its deadline was over."""


class Span(StrEnum):
    """The measures in milliseconds, each time by itself, by `vendor`: percentiles can be asked for."""

    DECISION = "DecisionTime"
    """From the arrival of a door's question to our answer."""


# Only what is named by hand goes into a line: no event, no exception text of a library.
log = Logger(service="gatehouse")
# Lambda prints whatever libraries warn of. They quote addresses, which are keys: to a recording, to an app's lists.
for _library in ("botocore", "s3transfer", "urllib3", "websocket"):
    logging.getLogger(_library).setLevel(logging.ERROR)

type _Dimensions = tuple[tuple[str, str], ...]
_counts: Counter[tuple[_Dimensions, Count]] = Counter()
_spans: defaultdict[tuple[_Dimensions, Span], list[float]] = defaultdict(list)
_lock = Lock()
_VALUES = 99
"""Values of a metric in a line. CloudWatch takes 100; with the hundredth Powertools writes the line by itself."""


def count(what: Count, vendor: str, **dimensions: str) -> None:
    """Adds one to a metric; `flush` writes it."""
    with _lock:
        _counts[(("vendor", vendor), *dimensions.items()), what] += 1


def measure(what: Span, vendor: str, milliseconds: float) -> None:
    """Notes how long something took; `flush` writes it."""
    with _lock:
        _spans[(("vendor", vendor),), what].append(milliseconds)


class Gauge(NamedTuple):
    """How something stands."""

    unit: Literal["Count", "Seconds"]
    value: float


def gauges(values: Mapping[str, Gauge], **dimensions: str) -> None:
    """Writes how things stand, one line, as `flush` does."""
    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=dimensions)
    for name, gauge in values.items():
        line.add_metric(name=name, unit=gauge.unit, value=gauge.value)
    line.flush_metrics()


def flush() -> None:
    """Writes what was counted and measured, a line for each set of dimensions, in CloudWatch's embedded metric format.

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
