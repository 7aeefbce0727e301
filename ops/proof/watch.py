"""The first to watch of docs/aws-truth.md, each as a verdict: what no page of AWS says for certain is asked of AWS.

An entry there has an id; here is a function by the same id, or the entry says "by hand". A test holds the two lists
against each other (tests/unit/ops/test_proof.py).
"""

import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from gatehouse import spill
from ops import translate
from ops.proof import deploy
from ops.proof.report import RefutedError, Report, Step
from ops.proof.site import Site

type Look = Callable[[Site, Report, Step], None]
"""Looks; returns if it is as the claim says.

Raises:
    RefutedError: it is not.
    NotProvedError: it cannot be seen here.
"""

_GATEWAY: Final = 9_500_000
"""Bytes of a body that the gateway still takes: its limit is 10 MB."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing to watch."""

    id: str
    claim: str
    look: Look


VERDICTS: Final[dict[str, Verdict]] = {}
"""All, by id."""


def verdict(id: str, claim: str) -> Callable[[Look], Look]:  # noqa: A002 - it is one
    """A function that gives the verdict of an id."""

    def register(look: Look) -> Look:
        if id in VERDICTS:
            raise ValueError(f"there are two verdicts {id}")
        VERDICTS[id] = Verdict(id, claim, look)
        return look

    return register


def prove(report: Report, site: Site) -> None:
    """Gives every verdict."""
    for one in VERDICTS.values():
        with report.step(f"watch-{one.id}", one.claim) as step:
            one.look(site, report, step)


# ─── What AWS makes of the template ───────────────────────────────────────────────────────────────────────────────


@verdict("routes", "API Gateway made every route of the template, paths with a token among them")
def _routes(site: Site, _: Report, step: Step) -> None:
    wanted = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for resource in _sam()["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    pages = site.client("apigatewayv2").get_paginator("get_routes").paginate(ApiId=site.physical("Api"))
    found = {route["RouteKey"] for page in pages for route in page["Items"]}
    step.figures["routes"] = len(found)
    if found != wanted:
        raise RefutedError(f"missing {sorted(wanted - found)}, and besides {sorted(found - wanted)}")


@verdict("flow-definition", "the flow's definition has numbers where it needs them, and no other partition's names")
def _definition(site: Site, _: Report, __: Step) -> None:
    machine = site.client("stepfunctions").describe_state_machine(stateMachineArn=site.outputs["Eye4FlowArn"])
    text: str = machine["definition"]
    if left := re.findall(r"\$\{\w+\}", text):
        raise RefutedError(f"not substituted: {left}")
    wait = json.loads(text)["States"]["AwaitUpload"]["TimeoutSeconds"] if text.lstrip().startswith("{") else None
    if wait is not None and not isinstance(wait, int):
        raise RefutedError(f"TimeoutSeconds is {wait!r}")
    own = site.outputs["Eye4FlowArn"].split(":")[1]
    if others := set(re.findall(r"arn:([\w-]+):", text)) - {own}:
        raise RefutedError(f"of the partitions {others}, and this is {own}")


@verdict("rules", "a listener without an image is refused before anything is changed, with the template's own words")
def _rules(site: Site, _: Report, __: Step) -> None:
    site.aws.needs_aws("an emulator reads no Rules")
    cloudformation = site.client("cloudformation")
    known = [{"ParameterKey": name, "UsePreviousValue": True} for name in site.settings if name != "SenselinkServers"]
    wanted = {"ParameterKey": "SenselinkServers", "ParameterValue": "workshop"}
    try:
        made = cloudformation.create_change_set(
            StackName=site.name,
            ChangeSetName="rules",
            UsePreviousTemplate=True,
            Parameters=[*known, wanted],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        if "need SenselinkImage" not in str(error):
            raise
        return
    found = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    cloudformation.delete_change_set(ChangeSetName=made["Id"])
    if "need SenselinkImage" not in found.get("StatusReason", ""):
        raise RefutedError(f"the change set is {found['Status']}: {found.get('StatusReason', '')}")


@verdict("changed-setting", "a changed setting reaches what is live: a new version, and the alias on it")
def _changed_setting(site: Site, report: Report, step: Step) -> None:
    name = site.functions["sunmi"]
    awslambda = site.client("lambda")
    before = awslambda.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    deploy.run_deploy(report, site.name, {"LiveSeconds": "61"})
    after = awslambda.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    told = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")["Environment"]["Variables"]
    step.figures |= {"before": before, "after": after}
    if after == before or told["LIVE_SECONDS"] != "61":
        raise RefutedError(f"version {before} became {after}, which has LIVE_SECONDS {told['LIVE_SECONDS']}")
    kept = deploy.describe(site.aws, site.name, {}, site.folder).settings
    if changed := {key for key, value in site.settings.items() if key != "LiveSeconds" and kept.get(key) != value}:
        raise RefutedError(f"settings that were not named have changed: {sorted(changed)}")


@verdict("spill-size", "the spill queue takes messages as large as the spill writes")
def _spill_size(site: Site, _: Report, step: Step) -> None:
    found = site.client("sqs").get_queue_attributes(
        QueueUrl=site.outputs["SpillQueueUrl"], AttributeNames=["MaximumMessageSize"]
    )["Attributes"]
    step.figures["bytes"] = found["MaximumMessageSize"]
    if int(found["MaximumMessageSize"]) < spill.MESSAGE_LIMIT:
        raise RefutedError(f"it takes {found['MaximumMessageSize']} bytes, and {spill.MESSAGE_LIMIT} are sent")


# ─── Who may what ─────────────────────────────────────────────────────────────────────────────────────────────────


@verdict("send-task-success", "IAM lets the handler end a wait with a permission on the state machine alone")
def _send_task_success(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator asks no IAM")
    report.figures("recording-with")


@verdict("relay-stream", "the relay reads the table's stream with a permission on the stream alone")
def _relay_stream(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("an emulator asks no IAM")
    found = site.client("lambda").list_event_source_mappings(FunctionName=f"{site.functions['relay']}:live")
    (mapping,) = found["EventSourceMappings"]
    step.figures |= {"state": mapping["State"], "last": mapping.get("LastProcessingResult", "")}
    if mapping["State"] != "Enabled" or mapping.get("LastProcessingResult") not in {"OK", "No records processed"}:
        raise RefutedError(f"it is {mapping['State']}: {mapping.get('LastProcessingResult')}")


@verdict("concurrency", "the account lets as many functions run at once as a deployment for doors wants")
def _concurrency(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("an emulator has no quota")
    limits = site.client("lambda").get_account_settings()["AccountLimit"]
    step.figures["concurrency"] = limits["ConcurrentExecutions"]
    if limits["ConcurrentExecutions"] < _ENOUGH:
        raise RefutedError(
            f"{limits['ConcurrentExecutions']}: raise the quota L-B99A9384 before a vendor is pointed at it"
        )


_ENOUGH: Final = 100
"""Functions at once: two batches each of redrive and start, the stream, and the rest for pushes of a second each."""


# ─── What devices meet ────────────────────────────────────────────────────────────────────────────────────────────


@verdict("cold-door", "a door that finds nobody warm is answered before DecisionDeadline")
def _cold_door(site: Site, report: Report, step: Step) -> None:
    site.aws.needs_aws("a start in an emulator is another one")
    figures = report.figures("door-cold")
    step.figures |= figures["decided at an age of ms"]
    if figures["late"]:
        raise RefutedError(f"{figures['late']} of the cold ones were late: see DoorProvisionedConcurrency")


@verdict("access-log", "API Gateway writes its log into the group that was made for it")
def _access_log(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator writes no access log")
    report.figures("door-gateway")


@verdict("metrics", "log lines without a header are metrics: embedded metric format, by the function's own log group")
def _metrics(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator makes no metrics of log lines")
    report.figures("metrics")


@verdict("too-large", "a picture that is too large is answered 413, and not with a fault of the gateway")
def _too_large(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("the limit is Lambda's: 6 MB of an event, a body without a content type being base64 in it")
    statuses = {}
    for size in (4_600_000, _GATEWAY):
        statuses[size] = _post(f"{site.api_url}/v1/sensepass/nobody-0123456789abcdef", b"{" + b" " * size + b"}")
    step.figures["answers"] = statuses
    if strange := {size: status for size, status in statuses.items() if status not in {401, 413}}:
        raise RefutedError(f"by bytes: {strange}")


@verdict("tls", "devices need TLS 1.2: by plain http there is nothing, and by TLS 1.1 there is no connection")
def _tls(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("an emulator has no TLS")
    host = urlsplit(site.api_url).netloc
    step.figures["accepted"] = _handshake(host, ssl.TLSVersion.TLSv1_2)
    try:
        older = _handshake(host, ssl.TLSVersion.TLSv1_1)
    except (OSError, ValueError):  # ssl's own errors are OSErrors
        older = ""
    if older:
        raise RefutedError(f"it took {older}")
    try:
        with socket.create_connection((host, 80), timeout=5):
            raise RefutedError("something answers on port 80")
    except OSError:
        return


def _handshake(host: str, version: ssl.TLSVersion) -> str:
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((host, 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        return tls.version() or ""


def _post(url: str, body: bytes) -> int:
    """The status of the answer to a body without a content type, as a terminal of V1.0 sends it."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.netloc, timeout=60)
    try:
        connection.request("POST", parts.path, body=body)
        return connection.getresponse().status
    finally:
        connection.close()


def _sam() -> translate.Template:
    return translate.read(deploy.TEMPLATE)
