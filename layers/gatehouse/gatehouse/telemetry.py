"""What an operator sees: one JSON line a happening, one metric a count. Nothing of a push ever goes in here."""

from enum import StrEnum

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = "Gatehouse"


class Count(StrEnum):
    """The metrics, each by `vendor`; `Rejected` also by `reason`."""

    RECORDED = "Recorded"
    DUPLICATE = "Duplicate"
    PUBLISHED = "Published"
    REJECTED = "Rejected"
    UNMAPPED = "Unmapped"
    SPILLED = "Spilled"
    NOT_KEPT = "NotKept"
    LEFT_TO_RELAY = "LeftToRelay"


# Only what is counted here or named by hand goes into a line: no event, no exception text of a library.
log = Logger(service="gatehouse", log_uncaught_exceptions=False)


def count(what: Count, vendor: str, value: int = 1, **dimensions: str) -> None:
    """Adds to a metric, as a line in CloudWatch's embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    with single_metric(
        name=what,
        unit=MetricUnit.Count,
        value=value,
        namespace=NAMESPACE,
        default_dimensions={"vendor": vendor},
    ) as metric:
        for name, word in dimensions.items():
            metric.add_dimension(name, word)
