"""Eye4's flow: a wait that its message ends, and one that ends by itself."""

import json
from functools import partial
from typing import Any, Final

from gatehouse.events import MediaStatus
from ops.proof.report import NotProvedError, RefutedError, Report, Step
from ops.proof.site import Site
from ops.simulators import eye4

SETTINGS: Final = {
    "Eye4Wait": "15",
    "Eye4AlarmWait": "15",
    "Eye4Patience": "5",
    "Eye4RetrySeconds": "2",
    "Eye4GiveUp": "20",
}
"""Seconds: short ones, so that a flow is over while somebody looks."""
NOBODY: Final = "https://eye4.invalid"
"""An API that never is there, so that no vendor hears of invented accounts: https://www.rfc-editor.org/rfc/rfc2606"""
_OVER: Final = 180
"""Seconds within which a recording's flow has ended."""
_TOKEN: Final = "its token"  # noqa: S105 - words
_BY_ITSELF: Final = "its time-out"


def prove(report: Report, site: Site) -> None:
    """A recording whose message comes, its files, and one whose message never comes."""
    with_message, without = eye4.new_fileid(), eye4.new_fileid()
    app, url = site.vendors["eye4"], site.api_url
    with report.step(
        "recording-with", "an alarm's flow waits, and the second message ends the wait by its token"
    ) as step:
        # The other one waits meanwhile.
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
        lambda: [one for one in site.executions(fileid) if one["status"] != "RUNNING"], "the flow is over", _OVER
    )
    if execution["status"] != "SUCCEEDED":
        raise RefutedError(f"the flow is {execution['status']}")
    step.figures |= {"told": event["data"]["kind"], "because": event["data"].get("reason", "")}
    if (end := _end_of_wait(site, execution["executionArn"])) != by:
        raise RefutedError(f"its wait ended by {end}, and not by {by}")
    return event


def _end_of_wait(site: Site, execution: str) -> str:
    """What ended the first task of an execution, the wait."""
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
    if site.settings.get("Eye4ApiUrl") == NOBODY:
        raise NotProvedError("needs an Eye4 API that answers to accounts of yours, and a doorbell")
    (event,) = _told(site, fileid)
    if event["data"]["kind"] != MediaStatus.AVAILABLE:
        raise RefutedError(f"it is {event['data']['kind']}: {json.dumps(event['data'].get('reason'))}")
    s3 = site.client("s3")
    for file in event["data"]["files"]:
        found = s3.head_object(Bucket=file["copy"]["bucket"], Key=file["copy"]["key"])
        if found["ContentLength"] != file["copy"]["size"]:
            raise RefutedError(f"{file['copy']['key']} has {found['ContentLength']} bytes")
