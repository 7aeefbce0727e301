"""What an operator would see: metrics, and an alarm that rings."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops import simulators
from ops.proof.report import RefutedError, Report
from ops.proof.site import Site

_METRICS: Final = 420
"""Seconds within which a line in a log is a metric."""
_RINGS: Final = 420
"""Seconds within which an alarm on a queue's length rings: SQS tells it each minute."""


def prove(report: Report, site: Site, began: float) -> None:
    """The metrics of every vendor, the alarms, and the one on dead letters by a dead letter."""
    with report.step("metrics", "the log lines of the functions are metrics of CloudWatch, for every vendor") as step:
        site.aws.needs_aws("an emulator makes no metrics of log lines")
        wanted = set(simulators.simulators())
        site.until(lambda: wanted <= recorded(site, began).keys(), "Recorded is a metric of every vendor", _METRICS)
        step.figures |= recorded(site, began)
        step.reason = "of all stacks of this account and region: the metrics do not name the stack"
    with report.step("alarms", "every alarm of the stack is there; which of them ring is told") as step:
        names = [one["PhysicalResourceId"] for one in site.resources.values() if _is_alarm(one)]
        found = _alarms(site, names)
        step.figures["alarms"] = len(found)
        if missing := set(names) - {one["AlarmName"] for one in found}:
            raise RefutedError(f"not there: {', '.join(sorted(missing))}")
        # A new stack has no data yet, which some take for the worst, and what was pushed before is odd on purpose.
        step.figures["ringing"] = sorted(one["AlarmName"] for one in found if one["StateValue"] == "ALARM")
    with report.step("alarm-rings", "a dead letter rings DeadLettersAlarm, and the operators are told") as step:
        site.aws.needs_aws("an emulator counts no queue's length for its alarms")
        sqs, queue = site.client("sqs"), site.physical("SpillDeadLetterQueue")
        sqs.send_message(QueueUrl=queue, MessageBody="a letter of the proof")
        alarm, sent = site.physical("DeadLettersAlarm"), time.monotonic()
        site.until(lambda: _alarms(site, [alarm])[0]["StateValue"] == "ALARM", "the alarm rings", _RINGS)
        site.until(lambda: site.rang(alarm), "the operators' topic tells of it")
        step.figures["after s"] = round(time.monotonic() - sent)


def _is_alarm(resource: Any) -> bool:
    return bool(resource["ResourceType"] in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})


def _alarms(site: Site, names: list[str]) -> list[dict[str, Any]]:
    pages = (
        site.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    return [one for page in pages for kind in ("MetricAlarms", "CompositeAlarms") for one in page.get(kind, [])]


def recorded(site: Site, since: float) -> dict[str, int]:
    """How many events of each vendor were counted since a moment."""
    answer = site.client("cloudwatch").get_metric_data(
        StartTime=datetime.fromtimestamp(since, UTC) - timedelta(minutes=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        MetricDataQueries=[
            {
                "Id": vendor,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "Gatehouse",
                        "MetricName": "Recorded",
                        "Dimensions": [{"Name": "vendor", "Value": vendor}],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
            for vendor in simulators.simulators()
        ],
    )
    return {one["Id"]: round(sum(one["Values"])) for one in answer["MetricDataResults"] if one["Values"]}
