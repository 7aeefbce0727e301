"""Eye4's flow: a wait that its message ends, and one that ends by itself; and the rows of Eye4's to watch."""

import argparse
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from gatehouse.vocabulary import MediaStatus
from ops.proof import deploy
from ops.proof.report import NotProvedError, RefutedError, Report, Step
from ops.proof.site import Aws, Site
from ops.proof.watch import by_hand, verdict, waiting
from ops.simulators import eye4

_SETTINGS: Final = {
    "Eye4Wait": "15",
    "Eye4AlarmWait": "15",
    "Eye4Patience": "5",
    "Eye4RetrySeconds": "2",
    "Eye4GiveUp": "20",
}
"""Seconds: short ones, so that a flow is over while somebody looks."""
_NOBODY: Final = "https://eye4.invalid"
"""An API that never is there, so that no vendor hears of invented accounts: https://www.rfc-editor.org/rfc/rfc2606"""
_OVER: Final = 180
"""Seconds within which a recording's flow has ended."""
_PROPAGATED: Final = 60
"""Seconds after which a queue's attributes are what they were set to."""
_TOKEN: Final = "its token"  # noqa: S105 - words
_BY_ITSELF: Final = "its time-out"


@contextlib.contextmanager
def services(aws: Aws) -> Iterator[Mapping[str, str]]:
    """An Eye4 that has recordings, where the stack reaches one that is here."""
    if aws.endpoint is None:
        yield {**_SETTINGS, "Eye4ApiUrl": _NOBODY}
        return
    with eye4.Cloud().serving() as cloud:
        yield {**_SETTINGS, "Eye4ApiUrl": cloud.url}


def prove(report: Report, site: Site, _: argparse.Namespace) -> None:
    """A recording whose message comes, its files, and one whose message never comes."""
    with_message, without = eye4.new_fileid(), eye4.new_fileid()
    app, url = site.vendors["eye4"], site.api_url
    with report.step(
        "recording-with", "an alarm's flow waits, and the second message ends the wait by its token"
    ) as step:
        # The other one waits in the same time.
        for fileid in (without, with_message):
            site.taken(eye4.alarm(app, url, fileid=fileid))
        site.until(partial(_waits, site, with_message), "the flow has left its token in the recording's row")
        site.taken(eye4.resource(app, url, with_message))
        event = _ended(site, step, with_message, _TOKEN)
        if not event["data"]["payload"]["resource"]:
            raise RefutedError("the media event does not know of the second message")
    with report.step("recording-copied", "the recording's files are copied into the media bucket"):
        report.figures("recording-with")
        _copied(site, with_message)
    with report.step("recording-without", "an alarm whose second message never comes goes on after Eye4Wait") as step:
        event = _ended(site, step, without, _BY_ITSELF)
        if event["data"]["payload"]["resource"]:
            raise RefutedError("the media event knows of a second message that was never sent")


def _waits(site: Site, fileid: str) -> bool:
    pages = site.client("dynamodb").get_paginator("scan").paginate(TableName=site.outputs["PendingFilesTable"])
    return any(
        item["recording"]["S"].endswith(f"/{fileid}") and "task_token" in item
        for page in pages
        for item in page["Items"]
    )


def _ended(site: Site, step: Step, fileid: str, by: str) -> dict[str, Any]:
    """The media event of a recording, whose flow ended, and its wait in one way."""
    (event, *more) = site.until(partial(_told, site, fileid), "the recording is told in a media event", _OVER)
    if more:
        raise RefutedError(f"the recording is told {1 + len(more)} times")
    (execution,) = site.until(
        lambda: [one for one in _executions(site, fileid) if one["status"] != "RUNNING"], "the flow is over", _OVER
    )
    if execution["status"] != "SUCCEEDED":
        raise RefutedError(f"the flow is {execution['status']}")
    step.figures |= {"told": event["data"]["kind"], "because": event["data"].get("reason", "")}
    if (end := _end_of_wait(site, execution["executionArn"])) != by:
        raise RefutedError(f"its wait ended by {end}, and not by {by}")
    return event


def _executions(site: Site, fileid: str) -> list[dict[str, Any]]:
    """The executions of a recording's flow."""
    pages = site.client("stepfunctions").get_paginator("list_executions")
    return [
        one
        for page in pages.paginate(stateMachineArn=site.outputs["Eye4FlowArn"])
        for one in page["executions"]
        if one["name"].startswith(fileid[:40])
    ]


def _end_of_wait(site: Site, execution: str) -> str:
    """The event that ended the first task of an execution, the wait."""
    pages = site.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    for one in (one for page in pages for one in page["events"]):
        if one["type"] == "TaskSucceeded":
            return _TOKEN
        # AWS tells of a time-out by an event of its own, an emulator by a failure of this name.
        if one["type"] == "TaskTimedOut" or one.get("taskFailedEventDetails", {}).get("error") == "States.Timeout":
            return _BY_ITSELF
        if one["type"] == "TaskFailed":
            return f"a failure: {one['taskFailedEventDetails'].get('error')}"
    return "nothing"


def _told(site: Site, fileid: str) -> list[dict[str, Any]]:
    return site.events(
        lambda event: event["type"] == "gatehouse.media.v1" and event["data"].get("recording_id") == fileid
    )


def _copied(site: Site, fileid: str) -> None:
    if site.settings.get("Eye4ApiUrl") == _NOBODY:
        raise NotProvedError("needs an Eye4 API that answers to accounts of yours, and a doorbell")
    (event,) = _told(site, fileid)
    if event["data"]["kind"] != MediaStatus.AVAILABLE:
        raise RefutedError(f"it is {event['data']['kind']}: {json.dumps(event['data'].get('reason'))}")
    s3 = site.client("s3")
    for file in event["data"]["files"]:
        found = s3.head_object(Bucket=file["copy"]["bucket"], Key=file["copy"]["key"])
        if found["ContentLength"] != file["copy"]["size"]:
            raise RefutedError(f"{file['copy']['key']} has {found['ContentLength']} bytes")


# ─── Claims to watch ─────────────────────────────────────────────────────────────────────────────────────────────────

by_hand(
    "W19",
    "a resolver that is bounded is called again",
    "needs Eye4ResolverConcurrency=1 and recordings that take long",
)


@verdict(
    "W1", "an alias named by `!Ref Eye4ResolveFunction.Alias` is known where two transforms work one after the other"
)
def _alias(site: Site, _: Report, step: Step) -> None:
    text = _definition(site)
    step.figures["names"] = called = re.findall(r'arn:[^"\s]+:function:[^"\s]+', text)
    if not called or any(not name.endswith(":live") for name in called):
        raise RefutedError(f"it calls {called}")
    if left := re.findall(r"\$\{\w+\}", text):
        raise RefutedError(f"not substituted: {left}")


@verdict("W6", "services are called `….amazonaws.com` as principals in China and GovCloud too")
def _principals(site: Site, report: Report, step: Step) -> None:
    report.figures("recording-with")  # a role of states.amazonaws.com was assumed
    step.figures["partition"] = site.partition


@verdict("W10", "`states:SendTaskSuccess` is granted on the state machine")
def _send_task_success(_: Site, report: Report, __: Step) -> None:
    report.figures("recording-with")


@verdict("W14", "an alarm with a recording goes from the topic into its queue")
def _filter(_: Site, report: Report, __: Step) -> None:
    report.figures("recording-with")  # nothing else starts a flow


@verdict(
    "W18",
    "DynamoDB is called by the flow with `.waitForTaskToken`, "
    "and a condition that fails has the name that the flow expects",
)
def _condition(site: Site, _: Report, step: Step) -> None:
    states = site.client("stepfunctions")
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=site.outputs["Eye4FlowArn"])
    names = {
        details["error"]
        for page in pages
        for one in page["executions"]
        for event in states.get_execution_history(executionArn=one["executionArn"])["events"]
        if "error" in (details := event.get("taskFailedEventDetails", {}))
    }
    step.figures["failures"] = sorted(names)
    conditions = {name for name in names if "Conditional" in name}
    if conditions != {"DynamoDb.ConditionalCheckFailedException"}:
        raise RefutedError(f"of a recording whose message came first: {sorted(names)}")


@verdict("W29", "what SNS itself put into a dead-letter queue goes back, and is understood")
def _dead_letters(site: Site, report: Report, _: Step) -> None:
    sqs, fileid = site.client("sqs"), eye4.new_fileid()
    queue, dead = site.physical("Eye4AlarmQueue"), site.physical("Eye4AlarmDeadLetterQueue")
    alarm = eye4.alarm(site.vendors["eye4"], site.api_url, fileid=fileid)
    if site.aws.endpoint:  # whose SNS asks no queue's policy
        site.taken(alarm)
        (event, *_more) = site.until(partial(_alarms, site, fileid), "the alarm is received")
        sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(event))
    else:
        with _without_policy(sqs, queue):
            site.taken(alarm)
            site.until(lambda: waiting(site, dead), "SNS has put the alarm into the dead-letter queue", _OVER)
    command = ["-m", "ops.cli", "redrive", "Eye4AlarmDeadLetterQueue", "--stack", site.name, "--yes"]
    deploy.run(report, [sys.executable, *command], "redrive.log")
    site.until(lambda: waiting(site, dead) == 0, "the dead-letter queue is empty", _OVER)
    site.until(lambda: _executions(site, fileid), "the alarm's flow is started", _OVER)


def _alarms(site: Site, fileid: str) -> list[dict[str, Any]]:
    return site.events(lambda event: event["type"] == "gatehouse.alarm.v1" and fileid in json.dumps(event))


@contextlib.contextmanager
def _without_policy(sqs: Any, queue: str) -> Iterator[None]:
    """A queue that lets in, while the block runs, only those that may by IAM."""
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    try:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
        time.sleep(_PROPAGATED)
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


def _definition(site: Site) -> str:
    machine = site.client("stepfunctions").describe_state_machine(stateMachineArn=site.outputs["Eye4FlowArn"])
    return str(machine["definition"])
