"""The operator's view: metrics, alarms that are well, one that rings, and the saved queries."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gatehouse.telemetry import NAMESPACE, Count
from ops import simulators
from ops.proof.report import RefutedError, Report
from ops.proof.site import Site
from ops.stack import Resource, of

type Metric = tuple[str, tuple[tuple[str, str], ...]]
"""One of ours: its name and its dimensions, all of them."""

METRICS_PATIENCE: Final = 420
"""Seconds within which a line in a log is a metric."""
_RINGS: Final = 420
"""Seconds within which an alarm on a queue's length rings: SQS tells it each minute."""
_QUERY: Final = "AWS::Logs::QueryDefinition"


def prove(report: Report, site: Site) -> None:
    """The metrics of every vendor, the alarms, the one on dead letters by a dead letter, and the queries."""
    with report.step("metrics", "the log lines of the functions are metrics of CloudWatch, for every vendor") as step:
        site.aws.needs_aws("an emulator makes no metrics of log lines")
        wanted = set(simulators.simulators())
        site.until(lambda: wanted <= recorded(site).keys(), "Recorded is a metric of every vendor", METRICS_PATIENCE)
        step.figures |= recorded(site)
        step.reason = "of all stacks of this account and region: the metrics do not name the stack"
    claim = "every alarm is there, tells the operators, and rings only for what was done here"
    with report.step("alarms", claim) as step:
        alarms_are_well(site, step.figures)
    with report.step("alarm-rings", "a dead letter rings DeadLettersAlarm, and the operators are told") as step:
        site.aws.needs_aws("an emulator counts no queue's length for its alarms")
        sqs, queue = site.client("sqs"), site.physical("SpillDeadLetterQueue")
        sqs.send_message(QueueUrl=queue, MessageBody="a letter of the proof")
        alarm, sent = site.physical("DeadLettersAlarm"), time.monotonic()
        site.until(lambda: _alarms(site, [alarm])[0]["StateValue"] == "ALARM", "the alarm rings", _RINGS)
        site.until(lambda: site.rang(alarm), "the operators' topic tells of it")
        step.figures["after s"] = round(time.monotonic() - sent)
    with report.step("queries", "Logs Insights understands each query that the stack saves") as step:
        site.aws.needs_aws("an emulator keeps no queries, nor reads them")
        step.figures |= _queries(site)


def alarms_are_well(site: Site, figures: dict[str, Any]) -> None:
    """Holds the alarms against what they are to be.

    Raises:
        RefutedError: one is missing, has no receiver, or rings without a cause that was given here.
    """
    names = {one.physical_id: name for name, one in site.resources.items() if _is_alarm(one)}
    found = _alarms(site, list(names))
    figures["alarms"] = len(found)
    if missing := names.keys() - {one["AlarmName"] for one in found}:
        raise RefutedError(f"not there: {', '.join(sorted(missing))}")
    if "OperatorWarning" in site.outputs:
        raise RefutedError("the stack says that nobody hears of its alarms, and somebody should")
    topic = site.outputs["OperatorTopicArn"]
    if dumb := sorted(names[one["AlarmName"]] for one in found if one["AlarmActions"] != [topic]):
        raise RefutedError(f"these do not tell the operators: {', '.join(dumb)}")
    ringing = {names[one["AlarmName"]]: one.get("StateReason", "") for one in found if one["StateValue"] == "ALARM"}
    figures["ringing"] = sorted(ringing)
    if odd := {name: why for name, why in ringing.items() if name not in site.causes}:
        raise RefutedError("; ".join(f"{name} rings: {why}" for name, why in sorted(odd.items())))


def _queries(site: Site) -> dict[str, int]:
    """Runs each saved query on what was logged since the stack is there; returns how many lines it found.

    Raises:
        RefutedError: one is not there, is refused, or does not come to its end.
    """
    logs = site.client("logs")
    definitions = logs.describe_query_definitions(queryDefinitionNamePrefix=site.name)["queryDefinitions"]
    saved = {one["queryDefinitionId"]: one for one in definitions}
    figures = {}
    for name, physical_id in of(site.resources, _QUERY).items():
        if (query := saved.get(physical_id)) is None:
            raise RefutedError(f"{name} is not there")
        try:
            started = logs.start_query(
                queryString=query["queryString"],
                logGroupNames=query["logGroupNames"],
                startTime=int(site.began),
                endTime=int(time.time()),
            )["queryId"]
        except (logs.exceptions.MalformedQueryException, logs.exceptions.InvalidParameterException) as error:
            raise RefutedError(f"{name}: {error}") from error
        answer = site.until(lambda q=started: _answer(site, q), f"{name} has an answer")  # type: ignore[misc]
        if answer["status"] != "Complete":
            raise RefutedError(f"{name} is {answer['status']}")
        figures[name] = len(answer["results"])
    return figures


def _answer(site: Site, query: str) -> dict[str, Any]:
    """The answer to a query; nothing while it runs."""
    answer: dict[str, Any] = site.client("logs").get_query_results(queryId=query)
    return {} if answer["status"] in {"Scheduled", "Running"} else answer


def _is_alarm(resource: Resource) -> bool:
    return resource.kind in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}


def _alarms(site: Site, names: list[str]) -> list[dict[str, Any]]:
    pages = (
        site.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    return [one for page in pages for kind in ("MetricAlarms", "CompositeAlarms") for one in page.get(kind, [])]


def recorded(site: Site) -> dict[str, int]:
    """The number of events of each vendor that were counted since the stack is there."""
    return totals(site, {vendor: (Count.RECORDED, (("vendor", vendor),)) for vendor in simulators.simulators()})


def totals(
    site: Site, metrics: Mapping[str, Metric], *, statistics: Mapping[str, str] | None = None, sums: str = ""
) -> dict[str, int]:
    """The totals of metrics of ours since the stack is there, by the id that is given to each; none where no data is.

    Args:
        site: the stack.
        metrics: what is asked for.
        statistics: others than Sum, by id.
        sums: an expression, which is asked for as `all` besides.
    """
    of = statistics or {}
    queries: list[dict[str, Any]] = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": str(metric),
                    "Dimensions": [{"Name": dimension, "Value": str(value)} for dimension, value in dimensions],
                },
                "Period": 60,
                "Stat": of.get(name, "Sum"),
            },
        }
        for name, (metric, dimensions) in metrics.items()
    ]
    answer = site.client("cloudwatch").get_metric_data(
        StartTime=datetime.fromtimestamp(site.began, UTC) - timedelta(minutes=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        MetricDataQueries=[*queries, *([{"Id": "all", "Expression": sums}] if sums else [])],
    )
    return {one["Id"]: round(sum(one["Values"])) for one in answer["MetricDataResults"] if one["Values"]}
