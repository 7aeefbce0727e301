"""Claims that only AWS can confirm (docs/aws-truth.md): each row as a verdict, in its own words, or left to hands.

A vendor's rows are given in the module of its name. A test holds them all against the document
(tests/unit/ops/test_proof.py). An emulator decides nothing of this: there a look is rehearsed, so that it works when it
is needed, and its verdict is "not proved".
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gatehouse import spill
from gatehouse.telemetry import Count
from ops import simulators, translate
from ops.proof import deploy, vendors
from ops.proof.report import NotProvedError, RefutedError, Report, Step
from ops.proof.site import Site
from ops.proof.telemetry import totals
from ops.stack import of

type Look = Callable[[Site, Report, Step], None]
"""Looks; returns if it is as the claim says.

Raises:
    RefutedError: it is not.
    NotProvedError: it cannot be seen here.
"""

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


_VERDICTS: Final[dict[str, Verdict]] = {}
_BY_HAND: Final[dict[str, tuple[str, str]]] = {}


def verdict(id: str, claim: str) -> Callable[[Look], Look]:  # noqa: A002 - it is one
    """A function that gives the verdict of a row."""
    _is_new(id)

    def register(look: Look) -> Look:
        _VERDICTS[id] = Verdict(id, claim, look)
        return look

    return register


def by_hand(id: str, claim: str, why: str) -> None:  # noqa: A002 - it is one
    """A row of which no verdict is given here: what it says, and why."""
    _is_new(id)
    _BY_HAND[id] = claim, why


def _is_new(id: str) -> None:  # noqa: A002 - it is one
    if id in _VERDICTS or id in _BY_HAND:
        raise ValueError(f"there are two verdicts {id}")


def verdicts() -> dict[str, Verdict]:
    """All that are given, by id and in the document's order."""
    vendors()  # whose modules give theirs
    return dict(sorted(_VERDICTS.items(), key=_number))


def left_to_hands() -> dict[str, tuple[str, str]]:
    """The claims of the other rows and why nothing is said of them, by id and in the document's order."""
    vendors()
    return dict(sorted(_BY_HAND.items(), key=_number))


def _number(row: tuple[str, object]) -> int:
    return int(row[0].removeprefix("W"))


def prove(report: Report, site: Site) -> None:
    """Gives every verdict."""
    for one in verdicts().values():
        with report.step(one.id, one.claim) as step:
            one.look(site, report, step)
            if site.aws.endpoint:
                raise NotProvedError("it is so in the emulator, which decides nothing of AWS")
    for number, (claim, why) in left_to_hands().items():
        with report.step(number, claim):
            raise NotProvedError(f"by hand, as docs/aws-truth.md says: {why}")


by_hand("W15", "another account subscribes and reads a picture", "needs a second account")
by_hand(
    "W24",
    "an account that is taken out is refused after five minutes and one more push",
    "takes ten minutes, and an account that is taken out meanwhile",
)
by_hand("W28", "a vendor sends again after 429 and 503", "only the vendors' devices can show it")
by_hand(
    "W33",
    "a secret that its stack has left behind stands in nobody's way",
    "the secrets of this stack are deleted with it",
)
by_hand(
    "W36",
    "a version that fails is taken back where `Deployment` shifts gradually",
    "takes two deployments of ten minutes, one of them of a function that fails",
)
by_hand("W39", "an alarm rings for a single failure, whose metric comes late", "needs a secret that cannot be read")
by_hand("W37", "the budget is made, in the partitions that have one", "it is the account's, and no part of the stack")

# ─── The stack is made ────────────────────────────────────────────────────────────────────────────────────────────


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
        reasons = (f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}" for one in failed)
        raise RefutedError("; ".join(reasons))


# ─── Each may do its work ─────────────────────────────────────────────────────────────────────────────────────────


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
    nothing_in(site, "PutItem: AccessDenied")


@verdict("W13", "a role publishes on a topic with a key of ours")
def _publishes(site: Site, report: Report, _: Step) -> None:
    for name in _vendors(site):
        report.figures(f"pushes-{name}")
    nothing_in(site, "Publish: KMS")


@verdict("W17", "nothing else is refused")
def _access_denied(site: Site, _: Report, step: Step) -> None:
    step.figures["logs"] = nothing_in(site, "AccessDenied")


# ─── The stack does its work ──────────────────────────────────────────────────────────────────────────────────────


@verdict("W20", "metrics are read from the log lines of functions and of the listener")
def _metrics(site: Site, report: Report, _: Step) -> None:
    site.aws.needs_aws("an emulator makes no metrics of log lines")
    report.figures("metrics")


@verdict("W21", "a changed setting reaches the functions that are called")
def _changed_setting(site: Site, report: Report, step: Step) -> None:
    before = _version(site)
    settings_before = deploy.describe(site.aws, site.name, {}, site.folder).settings
    deploy.run_deploy(report, site.name, {"LiveSeconds": _CHANGED})
    step.figures |= {"version before": before, "version after": _version(site)}
    if (told := _live_seconds(site)) != _CHANGED:
        raise RefutedError(f"LIVE_SECONDS is {told}")
    kept = deploy.describe(site.aws, site.name, {}, site.folder).settings
    if changed := [key for key, value in settings_before.items() if key != "LiveSeconds" and kept.get(key) != value]:
        raise RefutedError(f"settings that were not named have changed: {changed}")


@verdict("W22", "a setting changed in the console with *use existing template* changes nothing")
def _console(site: Site, _: Report, step: Step) -> None:
    site.aws.needs_aws("the emulator stores a template whose parameters are not resolved")
    cloudformation = site.client("cloudformation")
    others = [{"ParameterKey": name, "UsePreviousValue": True} for name in site.settings if name != "LiveSeconds"]
    before = _live_seconds(site)
    try:
        cloudformation.update_stack(
            StackName=site.name,
            UsePreviousTemplate=True,
            Parameters=[*others, {"ParameterKey": "LiveSeconds", "ParameterValue": "62"}],
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
    path = next(path for method, path in map(str.split, sorted(_keys())) if method == "POST" and "{" not in path)
    step.figures["answers"] = found = {
        size: _post(f"{site.api_url}{path}", bytes(size)) for size in (_TOO_MUCH, 4_600_000, 9_500_000)
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


@verdict("W30", "an alarm arrives")
def _operators(site: Site, _: Report, __: Step) -> None:
    alarm = site.physical("SpillAgeAlarm")  # of one metric: those of several are not in the emulator
    site.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a proof")
    site.until(lambda: site.rang(alarm), "the operators' topic tells of the alarm")


@verdict("W34", "the API answers requests from the internet, in China too")
def _answers(site: Site, report: Report, step: Step) -> None:
    step.figures["partition"] = site.partition
    for name in _vendors(site):
        report.figures(f"pushes-{name}")


@verdict("W35", "a metric that never had data counts as nothing in a sum of several")
def _sum_of_nothing(site: Site, report: Report, step: Step) -> None:
    site.aws.needs_aws("an emulator makes no metrics of log lines")
    (vendor, recorded), *_ = report.figures("metrics").items()
    metrics = {"known": (Count.RECORDED, (("vendor", vendor),)), "never": ("NeverSent", (("vendor", vendor),))}
    # The form that the alarms have: tests/template/test_alarms.py holds each to this form.
    step.figures |= (found := totals(site, metrics, sums="SUM(FILL(METRICS(), 0))"))
    if "never" in found or found.get("all", 0) < recorded or found["all"] != found["known"]:
        raise RefutedError(f"of {recorded} and nothing it makes {found.get('all', 'nothing')}")


# ─── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _keys() -> set[str]:
    """The template's routes."""
    return translate.routes(translate.read(deploy.TEMPLATE))


def _vendors(site: Site) -> Iterator[str]:
    return iter(site.secrets)


def _function(site: Site) -> str:
    """The function of some vendor: all of them have the settings that are not a vendor's own."""
    return next(site.functions[name] for name in simulators.simulators())


def _version(site: Site) -> str:
    alias = site.client("lambda").get_alias(FunctionName=_function(site), Name="live")
    return str(alias["FunctionVersion"])


def _live_seconds(site: Site) -> str:
    found = site.client("lambda").get_function_configuration(FunctionName=_function(site), Qualifier="live")
    return str(found["Environment"]["Variables"]["LIVE_SECONDS"])


def waiting(site: Site, queue: str) -> int:
    """The number of messages in a queue."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = site.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    time.sleep(1)
    return sum(int(found[name]) for name in names)


def nothing_in(site: Site, words: str) -> int:
    """Looks for words in all logs of the stack; returns how many these are.

    Raises:
        RefutedError: there they are.
    """
    logs = site.client("logs")
    groups = of(site.resources, _LOGS).values()
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
