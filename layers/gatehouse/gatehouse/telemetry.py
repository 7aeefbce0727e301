"""What an operator sees: a JSON line a happening, a metric a count. Nothing of a push ever goes in here."""

import logging
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from threading import Lock
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "Gatehouse"


class Count(StrEnum):
    """The metrics, each by `vendor`; `Rejected` also by `reason`."""

    RECORDED = "Recorded"
    DUPLICATE = "Duplicate"
    CONFLICT = "Conflict"
    """Two events of one identity that are not one happening: both are kept."""
    PUBLISHED = "Published"
    REJECTED = "Rejected"
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105 - a metric
    """The secret, or an account in it, could not be read as it should be."""
    UNMAPPED = "Unmapped"
    SPILLED = "Spilled"
    NOT_KEPT = "NotKept"
    LEFT_TO_RELAY = "LeftToRelay"


# Only what is named by hand goes into a line: no event, no exception text of a library.
log = Logger(service="gatehouse")
# Lambda prints whatever libraries warn of. They quote addresses, which are keys: to a recording, to an app's lists.
for _library in ("botocore", "s3transfer", "urllib3", "websocket"):
    logging.getLogger(_library).setLevel(logging.ERROR)

type _Dimensions = tuple[tuple[str, str], ...]
_counts: Counter[tuple[_Dimensions, Count]] = Counter()
_lock = Lock()


def count(what: Count, vendor: str, **dimensions: str) -> None:
    """Adds one to a metric; `flush` writes it."""
    with _lock:
        _counts[(("vendor", vendor), *dimensions.items()), what] += 1


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
    """Writes what was counted, one line for each set of dimensions, in CloudWatch's embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    with _lock:
        counted = list(_counts.items())
        _counts.clear()
    for dimensions in dict.fromkeys(dimensions for (dimensions, _), _ in counted):
        line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=dict(dimensions))
        for (of, what), times in counted:
            if of == dimensions:
                line.add_metric(name=what, unit=MetricUnit.Count, value=times)
        line.flush_metrics()
