"""What only AWS can tell (docs/aws-truth.md), each row as a verdict, in its own words, or said to be looked at by hand.

A test holds the two against each other (tests/unit/ops/test_proof.py). An emulator decides nothing of this: there a
look is rehearsed, so that it works when it is needed, and its verdict is "not proved".
"""

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gatehouse import spill
from ops import translate
from ops.proof import deploy
from ops.proof.report import NotProvedError, RefutedError, Report, Step
from ops.proof.site import Site

type Look = Callable[[Site, Report, Step], None]
"""Looks; returns if it is as the claim says.

Raises:
    RefutedError: it is not.
    NotProvedError: it cannot be seen here.
"""

BY_HAND: Final = {
    "W15": ("another account subscribes and reads a picture", "needs a second account"),
    "W16": ("the scheduler starts the task and hands on two roles", "needs SenselinkCatchUp, an image and a server"),
    "W19": (
        "a resolver that is bounded is called again",
        "needs Eye4ResolverConcurrency=1 and recordings that take long",
    ),
    "W24": (
        "a secret that changes is read within five minutes",
        "takes ten minutes, and an account that is taken out meanwhile",
    ),
    "W28": ("a vendor sends again after 429 and 503", "only the vendors' devices can show it"),
    "W33": (
        "a secret that its stack has left behind stands in nobody's way",
        "the secrets of this stack are deleted with it",
    ),
}
"""Rows of which no verdict is given here: what they say, and why."""
_ENOUGH: Final = 100
"""Functions at once: the two queues' and the stream's batches, and the rest for pushes of a second each."""
_TOO_MUCH: Final = 3_700_000
"""Bytes of a body without a content type: in base64 it is beside the 6 MB that Lambda takes."""
_CHANGED: Final = "61"
"""Another value of LiveSeconds than the default."""
_PATIENCE: Final = 60
_UNABLE: Final = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"})
_LOGS: Final = "AWS::Logs::LogGroup"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row."""

    id: str
    claim: str
    look: Look


VERDICTS: Final[dict[str, Verdict]] = {}
"""All that are given here, by id."""


def verdict(id: str, claim: str) -> Callable[[Look], Look]:  # noqa: A002 - it is one
    """A function that gives the verdict of a row."""

    def register(look: Look) -> Look:
        if id in VERDICTS or id in BY_HAND:
            raise ValueError(f"there are two verdicts {id}")
        VERDICTS[id] = Verdict(id, claim, look)
        return look

    return register


def prove(report: Report, site: Site) -> None:
    """Gives every verdict."""
    for one in VERDICTS.values():
        with report.step(one.id, one.claim) as step:
            one.look(site, report, step)
            if site.aws.endpoint:
                raise NotProvedError("it is so in the emulator, which decides nothing of AWS")
    for number, (claim, why) in BY_HAND.items():
        with report.step(number, claim):
            raise NotProvedError(f"by hand, as docs/aws-truth.md says: {why}")


# ─── Whether it is made at all ────────────────────────────────────────────────────────────────────────────────────


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


@verdict("W2", "rules with a list among their parameters refuse")
def _rules(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator reads no Rules")
    if deploy.describe(site.aws, site.name, {}, site.folder).settings["SenselinkImage"]:
        raise NotProvedError("the listener on Fargate has an image by now")
    try:
        deploy.run_deploy(report, site.name, {"SenselinkServers": "front"}, "--no-execute-changeset")
    except RefutedError as error:
        if "SenselinkImage" not in str(error):
            raise
        return
    raise RefutedError("it was not refused")


@verdict("W3", "API Gateway takes SAM's OpenAPI with `{token}` in three paths")
def _routes(site: Site, _: Report, step: Step) -> None:
    wanted = _keys()
    pages = site.client("apigatewayv2").get_paginator("get_routes").paginate(ApiId=site.physical("Api"))
    found = {route["RouteKey"] for page in pages for route in page["Items"]}
    step.figures["routes"] = len(found)
    if found != wanted:
        raise RefutedError(f"missing {sorted(wanted - found)}, and besides {sorted(found - wanted)}")


@verdict("W4", "each route has the limits that it names, as numbers, and inherits nothing")
def _limits(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("the emulator's routes are written out for it, without their limits")
    (stage,) = site.client("apigatewayv2").get_stages(ApiId=site.physical("Api"))["Items"]
    settings = stage["RouteSettings"]
    without = {key for key in _keys() if not settings.get(key, {}).get("ThrottlingRateLimit")}
    step.figures["rates"] = sorted({found.get("ThrottlingRateLimit", 0) for found in settings.values()})
    if without:
        raise RefutedError(f"no rate of their own: {sorted(without)}")


@verdict("W5", "the access log is written without a place in the account's policy for logs")
def _access_log(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator writes no access log")
    report.figures("door-gateway")


@verdict("W6", "services are called `….amazonaws.com` as principals in China and GovCloud too")
def _principals(site: Site, report: Report, step: Step) -> None:
    report.figures("recording-with")  # a role of states.amazonaws.com was assumed
    step.figures["partition"] = site.outputs["Eye4FlowArn"].split(":")[1]


@verdict("W7", "the first ECS cluster of an account")
def _ecs(site: Site, _: Report, __: Step) -> None:
    iam = site.client("iam")
    try:
        iam.get_role(RoleName="AWSServiceRoleForECS")
    except iam.exceptions.NoSuchEntityException:
        raise NotProvedError(
            "it is not there, nor needed yet: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
        ) from None


@verdict("W8", "the account has the concurrency that is set")
def _concurrency(site: Site, _: Report, step: Step) -> None:
    limit = site.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    step.figures["at once"] = limit
    if limit < _ENOUGH:
        raise RefutedError(f"{limit} at once: have the quota L-B99A9384 raised before vendors are pointed at it")


@verdict("W9", "ten functions with versions and aliases are made at once")
def _made(site: Site, _: Report, step: Step) -> None:
    pages = site.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=site.name)
    events = [event for page in pages for event in page["StackEvents"]]
    step.figures["events"] = len(events)
    if failed := [event for event in events if event["ResourceStatus"].endswith("_FAILED")]:
        told = (f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}" for one in failed)
        raise RefutedError("; ".join(told))


# ─── Whether each may do what it has to ───────────────────────────────────────────────────────────────────────────


@verdict("W10", "`states:SendTaskSuccess` is granted on the state machine")
def _send_task_success(_: Site, report: Report, __: Step) -> None:
    report.figures("recording-with")


@verdict("W11", "`dynamodb:ListStreams` is granted on the table's streams")
def _relay(site: Site, _: Report, step: Step) -> None:
    alias = f"{site.functions['relay']}:live"
    mappings = site.client("lambda").list_event_source_mappings(FunctionName=alias)["EventSourceMappings"]
    found = [(one["State"], one.get("LastProcessingResult", "")) for one in mappings]
    step.figures["mappings"] = found
    if len(found) != 1 or found[0][0] != "Enabled" or "PROBLEM" in found[0][1]:
        raise RefutedError(f"it has {found}")


@verdict("W12", "`dynamodb:LeadingKeys` is set for PutItem and UpdateItem, with the table's key")
def _leading_keys(site: Site, report: Report, _: Step) -> None:
    for name in _vendors(site):
        report.figures(f"once-{name}")  # it was in the table before the answer
    _nothing_in(site, "PutItem: AccessDenied")


@verdict("W13", "a role publishes on a topic with a key of ours")
def _publishes(site: Site, report: Report, _: Step) -> None:
    for name in _vendors(site):
        report.figures(f"pushes-{name}")
    _nothing_in(site, "Publish: KMS")


@verdict("W14", "an alarm with a recording goes from the topic into its queue")
def _filter(_: Site, report: Report, __: Step) -> None:
    report.figures("recording-with")  # nothing else starts a flow


@verdict("W17", "nothing else is refused")
def _access_denied(site: Site, _: Report, step: Step) -> None:
    step.figures["logs"] = _nothing_in(site, "AccessDenied")


# ─── Whether it does what it should ───────────────────────────────────────────────────────────────────────────────


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


@verdict("W20", "metrics are read from the log lines of functions and of the listener")
def _metrics(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator makes no metrics of log lines")
    report.figures("metrics")


@verdict("W21", "a changed setting reaches the functions that are called")
def _changed_setting(site: Site, report: Report, step: Step) -> None:
    before = _version(site)
    known = deploy.describe(site.aws, site.name, {}, site.folder).settings
    deploy.run_deploy(report, site.name, {"LiveSeconds": _CHANGED})
    step.figures |= {"version before": before, "version after": _version(site)}
    if (told := _live_seconds(site)) != _CHANGED:
        raise RefutedError(f"LIVE_SECONDS is {told}")
    kept = deploy.describe(site.aws, site.name, {}, site.folder).settings
    if changed := [key for key, value in known.items() if key != "LiveSeconds" and kept.get(key) != value]:
        raise RefutedError(f"settings that were not named have changed: {changed}")


@verdict("W22", "a setting changed in the console with *use existing template* changes nothing")
def _console(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("the emulator stores a template whose parameters are not resolved")
    cloudformation = site.client("cloudformation")
    known = [{"ParameterKey": name, "UsePreviousValue": True} for name in site.settings if name != "LiveSeconds"]
    before = _live_seconds(site)
    try:
        cloudformation.update_stack(
            StackName=site.name,
            UsePreviousTemplate=True,
            Parameters=[*known, {"ParameterKey": "LiveSeconds", "ParameterValue": "62"}],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("stack_update_complete").wait(StackName=site.name)
        step.figures["said"] = "success"
    except cloudformation.exceptions.ClientError as error:
        if "No updates" not in str(error):
            raise
        step.figures["said"] = "no updates"
    if (after := _live_seconds(site)) != before:
        raise RefutedError(f"LIVE_SECONDS became {after}: README and 0006 say that it would not")


@verdict("W23", "a cold start is over before `DecisionDeadline`")
def _cold_door(_: Site, report: Report, step: Step) -> None:
    figures = report.figures("door-cold")
    step.figures |= figures["decided at an age of ms"]
    if figures["late"]:
        raise RefutedError(f"{figures['late']} of the cold ones were late: see DoorProvisionedConcurrency")


@verdict("W25", "every device and server of the vendors speaks TLS 1.2")
def _tls(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("an emulator has no TLS")
    host = urlsplit(site.api_url).netloc
    step.figures["accepted"] = _handshake(host, ssl.TLSVersion.TLSv1_2)
    try:
        older = _handshake(host, ssl.TLSVersion.TLSv1_1)
    except OSError as error:  # ssl's own errors among them
        if getattr(error, "reason", "") in _UNABLE:
            raise NotProvedError("this Python speaks no TLS 1.1 itself") from None
        older = ""
    if older:
        raise RefutedError(f"it took {older}")
    try:
        socket.create_connection((host, 80), timeout=5).close()
    except OSError:
        return
    raise RefutedError("something answers on port 80")


@verdict("W26", "a push of 3.5 to 3.7 MB is taken, or answered with 413")
def _too_large(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("the limit is that of Lambda's events")
    step.figures["answers"] = found = {
        size: _post(f"{site.api_url}/v1/sunmi", bytes(size)) for size in (_TOO_MUCH, 4_600_000, 9_500_000)
    }
    if any(not 400 <= status < 500 for status in found.values()):
        raise RefutedError(f"by bytes: {found}")


@verdict("W27", "a picture of up to 768 KiB waits in the spill queue")
def _spill_size(site: Site, _: Report, step: Step) -> None:
    found = site.client("sqs").get_queue_attributes(
        QueueUrl=site.outputs["SpillQueueUrl"], AttributeNames=["MaximumMessageSize"]
    )["Attributes"]
    step.figures["bytes"] = found["MaximumMessageSize"]
    if int(found["MaximumMessageSize"]) < spill.MESSAGE_LIMIT:
        raise RefutedError(f"it takes {found['MaximumMessageSize']} bytes, and {spill.MESSAGE_LIMIT} are sent")


@verdict("W29", "dead letters that SNS put there go back")
def _dead_letters(site: Site, _: Report, __: Step) -> None:
    site.aws.needs_aws("the emulator moves no messages")
    alarms = site.events(lambda event: event["type"] == "gatehouse.alarm.v1" and event["data"]["vendor"] == "eye4")
    if not alarms:
        raise NotProvedError("no alarm of Eye4 was received")
    sqs, dead = site.client("sqs"), site.physical("Eye4AlarmDeadLetterQueue")
    # Its flow was started long ago, so that nothing comes of it.
    sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(alarms[0]))
    source, destination = (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for url in (dead, site.physical("Eye4AlarmQueue"))
    )
    sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
    site.until(lambda: _waiting(site, dead) == 0, "the dead-letter queue is empty", _PATIENCE)


@verdict("W30", "an alarm arrives")
def _operators(site: Site, _: Report, __: Step) -> None:
    site.client("cloudwatch").set_alarm_state(
        AlarmName=site.physical("NotKeptAlarm"), StateValue="ALARM", StateReason="a proof"
    )
    site.until(lambda: site.rang(site.physical("NotKeptAlarm")), "the operators' topic tells of the alarm", _PATIENCE)


@verdict("W31", "no line of the listener is lost")
def _log_mode(site: Site, report: Report, step: Step) -> None:
    report.figures("listener-fargate")
    task = deploy.resources(site.aws, site.name)["SenselinkTaskDefinition"]["PhysicalResourceId"]
    described = site.client("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
    options = described["containerDefinitions"][0]["logConfiguration"].get("options", {})
    step.figures["mode"] = options.get("mode", "")
    if not options.get("mode"):
        raise RefutedError(f"it says {sorted(options)}")


@verdict("W32", "the listener's health check has the time it needs beside a backfill")
def _health(site: Site, report: Report, _: Step) -> None:
    report.figures("listener-fargate")
    found = deploy.resources(site.aws, site.name)
    cluster, service = (found[name]["PhysicalResourceId"] for name in ("SenselinkCluster", "SenselinkService"))
    (described,) = site.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    if ill := [event["message"] for event in described["events"] if "unhealthy" in event["message"]]:
        raise RefutedError(ill[0])


# ─── How it is looked at ──────────────────────────────────────────────────────────────────────────────────────────


def _keys() -> set[str]:
    """The template's routes."""
    return {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for resource in translate.read(deploy.TEMPLATE)["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def _definition(site: Site) -> str:
    machine = site.client("stepfunctions").describe_state_machine(stateMachineArn=site.outputs["Eye4FlowArn"])
    return str(machine["definition"])


def _vendors(site: Site) -> Iterator[str]:
    return iter(site.secrets)


def _version(site: Site) -> str:
    alias = site.client("lambda").get_alias(FunctionName=site.functions["sunmi"], Name="live")
    return str(alias["FunctionVersion"])


def _live_seconds(site: Site) -> str:
    found = site.client("lambda").get_function_configuration(FunctionName=site.functions["sunmi"], Qualifier="live")
    return str(found["Environment"]["Variables"]["LIVE_SECONDS"])


def _waiting(site: Site, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = site.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    time.sleep(1)
    return sum(int(found[name]) for name in names)


def _nothing_in(site: Site, words: str) -> int:
    """Looks for words in all logs of the stack; returns how many these are.

    Raises:
        RefutedError: there they are.
    """
    logs = site.client("logs")
    groups = [one["PhysicalResourceId"] for one in site.resources.values() if one["ResourceType"] == _LOGS]
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=f'"{words}"')
        if found := next((event["message"] for page in pages for event in page["events"]), None):
            raise RefutedError(f"{group}: {found[:300]}")
    return len(groups)


def _handshake(host: str, version: ssl.TLSVersion) -> str:
    context = ssl.create_default_context()
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else it is OpenSSL here that does not want it
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((host, 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        return tls.version() or ""


def _post(url: str, body: bytes) -> int:
    """The status of the answer to a body without a content type, as some devices send it."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.netloc, timeout=60)
    try:
        connection.request("POST", parts.path, body=body)
        return connection.getresponse().status
    finally:
        connection.close()
