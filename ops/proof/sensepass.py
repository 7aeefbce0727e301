"""The wait of SensePass's doors: cold, warm, by whom it was decided; as the terminal and as AWS see it."""

import argparse
import hashlib
import json
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from gatehouse.telemetry import Count, Span
from gatehouse.vocabulary import Decider
from ops.proof.report import RefutedError, Report, Step
from ops.proof.site import Site
from ops.proof.telemetry import METRICS_PATIENCE, totals
from ops.proof.watch import verdict
from ops.simulators import Request, sensepass
from ops.simulators.sensepass import STAFF, Terminal

COLD: Final = 3
WARM: Final = 20
_ROUTE: Final = "POST /v1/sensepass/{token}/authorize"
_DIMENSIONS: Final = (("vendor", "sensepass"),)
_LOG_PATIENCE: Final = 180
"""Seconds after which an access log has its lines."""


def prove(report: Report, site: Site, _: argparse.Namespace) -> None:
    """Questions to a function that was never asked before, and to one that was."""
    app = site.vendors["sensepass"]
    terminal = Terminal(app["serial"], app["token"], site.api_url)
    began = time.time()
    with report.step(
        "door-cold", "the first question after a deployment, and after each changed setting, is answered"
    ) as step:
        asked = []
        for number in range(COLD):
            if number:
                renew(site)
            asked.append(_asked(site, terminal))
        _judge(site, step, asked)
        if late := step.figures["late"]:
            site.causes["DoorAlarm"] = f"{late} cold questions were answered late"
    with report.step("door-warm", f"{WARM} questions to a warm function are answered in time") as step:
        _judge(site, step, [_asked(site, terminal) for _ in range(WARM)])
        if late := step.figures["late"]:
            raise RefutedError(f"{late} of them came after DecisionDeadline")
    with report.step("door-gateway", "the gateway's log has these questions, and how long each took") as step:
        site.aws.needs_aws("an emulator writes no access log")
        took = site.until(lambda: logged(site, began, COLD + WARM), "lines in the access log", _LOG_PATIENCE)
        step.figures |= _spread(took)
    claim = "these questions are in the metrics: by whom they were decided, and how fast"
    with report.step("door-metrics", claim) as step:
        site.aws.needs_aws("an emulator makes no metrics of log lines")
        counted = site.until(lambda: _counted(site, COLD + WARM), "the metric Decision has them", METRICS_PATIENCE)
        step.figures |= counted
        seen = sum(report.figures(id)["late"] for id in ("door-cold", "door-warm"))  # noqa: A001 - a step's
        if counted["late"] < seen:  # other stacks of the account count too
            raise RefutedError(f"DecisionLate counts {counted['late']} late ones, and the events {seen}")


def renew(site: Site) -> None:
    """Makes a new version of the door's function live by a changed setting, so that no sandbox is warm."""
    awslambda, name = site.client("lambda"), site.functions["sensepass"]
    variables = awslambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    awslambda.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "PROOF": secrets.token_hex(4)}}
    )
    awslambda.get_waiter("function_updated_v2").wait(FunctionName=name)
    version = awslambda.publish_version(FunctionName=name)["Version"]
    awslambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version)
    awslambda.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


def _asked(site: Site, terminal: Terminal) -> tuple[float, Request, bytes]:
    """Asks whether a known person may in: the milliseconds until the answer, and the picture that was shown."""
    image = sensepass.picture()
    question = terminal.question(STAFF, image=image)
    # The connection is opened before, by a path that no function has: it is not what is measured.
    site.send(Request(url=site.api_url + "/v1/none", body=b"", method="GET"))
    began = time.monotonic()
    answer = site.send(question)
    took = (time.monotonic() - began) * 1000
    if answer.status != 200 or not json.loads(answer.data)["data"]["pass"]:
        raise RefutedError(f"a known person was answered {answer.status}: {answer.data[:200].decode(errors='replace')}")
    return took, question, image


def _judge(site: Site, step: Step, asked: Sequence[tuple[float, Request, bytes]]) -> None:
    """The deciders of these questions, and the questions' ages then; by the events, which have to come."""
    decisions = []
    for _, _, image in asked:
        digest = hashlib.sha256(image).hexdigest()
        (event, *_) = site.until(lambda d=digest: _shown(site, d), "the question is received as an event")  # type: ignore[misc]
        decisions.append(event["data"]["decision"])
    deadline = float(site.settings["DecisionDeadline"]) * 1000
    by = Counter(decision["by"] for decision in decisions)
    ages = [decision["milliseconds"] for decision in decisions]
    step.figures |= {
        "answered within ms": _spread([took for took, _, _ in asked]),
        "decided at an age of ms": _spread(ages),
        "by": dict(by),
        "late": sum(age >= deadline for age in ages),
    }
    if set(by) != {site.settings["DoorDecision"]}:
        raise RefutedError(f"decided by {dict(by)}, and not by the {site.settings['DoorDecision']} alone")


def _shown(site: Site, digest: str) -> list[dict[str, Any]]:
    return site.events(lambda event: any(one.get("sha256") == digest for one in event["data"].get("pictures", [])))


def _spread(milliseconds: Sequence[float]) -> dict[str, int]:
    """p50, p99 and the longest."""
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    return {
        "p50": round(statistics.median(ordered)),
        "p99": round(ordered[min(last, round(0.99 * last))]),
        "max": round(ordered[last]),
    }


def logged(site: Site, since: float, wanted: int) -> list[float]:
    """The milliseconds of the gateway's own log, once it has all questions."""
    pages = site.client("logs").get_paginator("filter_log_events")
    lines = [
        json.loads(event["message"])
        for page in pages.paginate(logGroupName=site.physical("ApiLogs"), startTime=int(since * 1000))
        for event in page["events"]
    ]
    took = [float(line["latency_ms"]) for line in lines if line["route"] == _ROUTE]
    return took if len(took) >= wanted else []


def _counted(site: Site, wanted: int) -> dict[str, int]:
    """The figures of the metrics, once they have all questions and the time of each."""
    by = {decider: (("vendor", "sensepass"), ("by", decider)) for decider in Decider}
    decisions = totals(site, {decider: (Count.DECISION, dimensions) for decider, dimensions in by.items()})
    others = {"late": (Count.DECISION_LATE, _DIMENSIONS), "timed": (Span.DECISION, _DIMENSIONS)}
    rest = totals(site, others, statistics={"timed": "SampleCount"})
    if sum(decisions.values()) < wanted or rest.get("timed", 0) < wanted:
        return {}
    return {**decisions, "late": rest.get("late", 0), "timed": rest["timed"]}


# ─── Claims to watch ─────────────────────────────────────────────────────────────────────────────────────────────────


@verdict("W23", "a cold start is over before `DecisionDeadline`")
def _cold_door(site: Site, report: Report, step: Step) -> None:
    figures = report.figures("door-cold")
    step.figures |= figures["decided at an age of ms"]
    if figures["late"]:
        site.aws.needs_aws("how long a start takes on this machine says nothing of Lambda")
        raise RefutedError(f"{figures['late']} of the cold ones were late: see DoorProvisionedConcurrency")
