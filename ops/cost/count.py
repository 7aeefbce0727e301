"""The counting run: the real handlers take the samples of `events/` on moto, and every call to AWS is measured."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, cast
from unittest import mock

import boto3
import botocore.session
from moto import mock_aws

from gatehouse import aws, edge, telemetry
from gatehouse.accounts import Secret
from gatehouse.deadline import Deadline
from gatehouse.edge import LambdaHandler
from gatehouse.telemetry import NAMESPACE
from ops.cost import units
from ops.cost.prices import Assumption, Usage
from ops.cost.template import ACCOUNT, REGION, ROOT, Deployed, Document

type Metric = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name, and its dimensions: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html"""

_NO_HURRY: Final = 60.0
"""Seconds that every deadline leaves."""
GB: Final = 1e9
"""Bytes: a thousandth more or less is not what decides here."""
_GATEHOUSE: Final = re.compile(r"(functions|gatehouse)\.|counted\.")
# The values of $context in an access log's format, by name; all others are as long as "GATEWAY_ERROR".
_CONTEXT: Final = {
    "requestId": "NtDlhZzg/7qugYc=",
    "requestTime": "01/Nov/2026:09:21:00 +0000",
    "status": "200",
    "responseLatency": "61",
    "responseLength": "142",
    "integration.integrationStatus": "200",
    "error.responseType": "-",
}


@dataclass
class Counted:
    """The work of some of our code."""

    usage: Usage = field(default_factory=Usage)
    calls: Counter[str] = field(default_factory=Counter)
    metrics: set[Metric] = field(default_factory=set)
    published: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of publisher and topic: each has KMS make a key of its own every five minutes."""
    records: list[units.Item] = field(default_factory=list)
    """The items that were put into the events table."""

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.usage + other.usage,
            self.calls + other.calls,
            self.metrics | other.metrics,
            self.published | other.published,
            self.records + other.records,
        )


@dataclass(frozen=True)
class Push:
    """A sample, and what it took from the vendor's request to the announced event."""

    vendor: str
    name: str
    mode: str
    own: Counted
    """The vendor's function and what is before it."""
    relay: Counted
    """The relay's share."""

    @property
    def usage(self) -> Usage:
        """Both together."""
        return self.own.usage + self.relay.usage


class Run:
    """Runs our functions on moto, and measures their calls."""

    def __init__(self, deployed: Deployed, assumed: Mapping[str, Assumption]) -> None:
        self.deployed = deployed
        self.assumed = assumed
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        """The clock of our functions: the time of the last push."""
        self._counted = Counted()
        self._running = ""
        self._indexes = _indexes(deployed)
        self._filtered = _filtered(deployed)
        hours = assumed["keeper_hours"].value
        self._kept_months = float(deployed.parameter("RetentionDays")) * 24 / hours
        self._log_months = float(deployed.parameter("LogRetentionDays")) * 24 / hours * assumed["log_compression"].value
        self._output = io.StringIO()
        self._dynamodb: Any = None
        """Of the account that is there now."""

    # ─── The run ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def account(self) -> Iterator[None]:
        """An account with what the functions call."""
        environment = {
            "AWS_ACCESS_KEY_ID": "counted",
            "AWS_SECRET_ACCESS_KEY": "counted",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # botocore would put the account's number into the host name, where moto does not look for it.
            "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
        }
        session = botocore.session.get_session()
        session.register("before-parameter-build.*.*", self._before)
        session.register("after-call.*.*", self._after)
        clients: list[Any] = [aws.client]
        with contextlib.ExitStack() as ends:
            ends.enter_context(mock.patch.dict(os.environ, environment))
            ends.callback(_forget)
            ends.enter_context(mock_aws())
            ends.enter_context(mock.patch.object(aws, "session", return_value=session))
            ends.enter_context(self._captured())
            # No answer is late on a busy machine: an event that was not kept in time would be spilled, and a secret
            # that was not read in time would be counted. Both cost more.
            ends.enter_context(mock.patch.object(edge, "Secret", _unhurried))
            for left in ("left", "left_before_spilling"):
                ends.enter_context(mock.patch.object(Deadline, left, return_value=_NO_HURRY))
            for made in clients:
                made.cache_clear()
                ends.callback(made.cache_clear)
            self._dynamodb = None
            _make(self.deployed)
            # Counts of this process from before are no part of a push.
            telemetry.flush()
            self._output.seek(0)
            self._output.truncate()
            yield

    @contextlib.contextmanager
    def _captured(self) -> Iterator[None]:
        """All that is logged goes into a buffer of ours."""
        handlers = [
            handler for handler in logging.getLogger("gatehouse").handlers if isinstance(handler, logging.StreamHandler)
        ]
        before = [handler.setStream(self._output) for handler in handlers]
        try:
            with contextlib.redirect_stdout(self._output):
                yield
        finally:
            for handler, stream in zip(handlers, before, strict=True):
                if stream is not None:
                    handler.setStream(stream)

    def started(self, function: str, **settings: str) -> LambdaHandler:
        """A function's handler, imported as Lambda imports it."""
        properties = self.deployed.of("AWS::Lambda::Function")[function]
        environment = {
            **self.deployed.environment(function),
            **settings,
            "AWS_LAMBDA_FUNCTION_NAME": self.deployed.name(function),
        }
        module_name = properties["Handler"].rpartition(".")[0]
        spec = importlib.util.spec_from_file_location(
            f"counted.{function}", ROOT.joinpath(*module_name.split(".")).with_suffix(".py")
        )
        if spec is None or spec.loader is None:
            raise ImportError(module_name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        with mock.patch.dict(os.environ, environment):
            spec.loader.exec_module(module)
        memory = properties["MemorySize"] / 1024

        def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
            self._running = function
            with _stopped(self.now):
                answer: dict[str, Any] = module.lambda_handler(event, context)
            self._counted.usage["lambda_request"] += 1
            self._counted.usage["lambda_gb_second"] += (
                memory * self.assumed["cold_share"].value * self.assumed["cold_seconds"].value
            )
            self._logged()
            return answer

        return cast("LambdaHandler", handler)

    def taken(self) -> Counted:
        """The counts since the last time."""
        counted, self._counted = self._counted, Counted()
        return counted

    def uses(self, name: str, number: float) -> None:
        """Counts what no call shows, by its price's name."""
        self._counted.usage[name] += number

    def runs(self, function: str, seconds: str) -> None:
        """Counts how long a function runs, by the name of what is assumed."""
        memory = self.deployed.of("AWS::Lambda::Function")[function]["MemorySize"] / 1024
        self.uses("lambda_gb_second", memory * self.assumed[seconds].value)

    # ─── Pushes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def pushes(self, mode: str) -> list[Push]:
        """Every sample that is stored, one after the other, and the relay after each."""
        found = []
        for function, vendor in self.deployed.vendors():
            with self.account():
                put_secret(self.deployed.environment(function), _accounts(vendor))
                handler = self.started(function, ANNOUNCE_MODE=mode)
                relay = self.started("RelayFunction", ANNOUNCE_MODE=mode)
                for sample in sorted((ROOT / "events" / vendor).glob("valid-*.json")):
                    seconds = "push_seconds" if mode == "inline" else "stream_seconds"
                    own = self.push(function, handler, json.loads(sample.read_text()), seconds)
                    shared = self.relayed(relay, own.records, mode)
                    found.append(Push(vendor, sample.stem.removeprefix("valid-"), mode, own, shared))
        return found

    def rejected(self) -> dict[str, Counted]:
        """The work of each vendor's function on a push of a stranger."""
        found = {}
        for function, vendor in self.deployed.vendors():
            with self.account():
                put_secret(self.deployed.environment(function), _accounts(vendor))
                handler = self.started(function)
                # The secret is read with the first one, and then for ten seconds not again.
                event = json.loads((ROOT / "events" / vendor / "unknown-account.json").read_text())
                for _ in range(2):
                    found[vendor] = self.push(function, handler, event, "rejected_seconds")
        return found

    def push(self, function: str, handler: LambdaHandler, event: Document, seconds: str) -> Counted:
        """A request to a function behind the API, at the time that the gateway says."""
        self.now = datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, tz=UTC)
        self.taken()
        answer = handler(event, None)
        usage = self._counted.usage
        usage["api_request"] += units.chunks(len(event.get("body") or ""), units.PAYLOAD)
        usage["transfer_out_gb"] += (len(answer["body"]) + self.assumed["header_bytes"].value) / GB
        self._log(len(access_line(self.deployed, event["routeKey"])), 1)
        self.runs(function, seconds)
        return self.taken()

    def relayed(self, relay: LambdaHandler, records: list[units.Item], mode: str) -> Counted:
        """The relay's share of some records: what is done once for a batch is divided by its size."""
        if not records:
            return Counted()
        images = [
            {"eventName": "INSERT", "dynamodb": {"SequenceNumber": str(number), "NewImage": record}}
            for number, record in enumerate(records)
        ]
        relay({"Records": images}, None)
        self.runs("RelayFunction", "relay_seconds")
        counted = self.taken()
        own = counted.usage.only({"write_unit", "read_unit", "filtered_gb"})
        shared = Usage({name: number for name, number in counted.usage.items() if name not in own})
        counted.usage = own + shared.times(len(records) / self.assumed[f"relay_{mode}_batch"].value)
        return counted

    # ─── Runs by itself ───────────────────────────────────────────────────────────────────────────────────────────

    def sweep(self) -> Counted:
        """A sweep that finds nothing."""
        with self.account():
            self.started("SweepFunction")({}, None)
            self.runs("SweepFunction", "sweep_seconds")
            return self.taken()

    # ─── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────

    def _before(self, **call: Any) -> None:
        """A botocore handler: what there was before a write."""
        params, model, context = call["params"], call["model"], call["context"]
        if "mark" not in context:
            context["mark"] = params
            if model.name in {"PutItem", "UpdateItem"}:
                context["there"] = self._there(params)

    def _there(self, params: Document) -> units.Item | None:
        table = params["TableName"]
        keys = self._indexes[table][0]
        key = {name: (params.get("Item") or params["Key"])[name] for name in keys}
        if self._dynamodb is None:  # a client costs far more than what it is asked
            self._dynamodb = boto3.client("dynamodb")
        found = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)
        return cast("units.Item | None", found.get("Item"))

    def _after(self, **call: Any) -> None:
        """A botocore handler: what a call was."""
        parsed, model, context = call["parsed"], call["model"], call["context"]
        params: Document = context["mark"]
        operation = f"{model.service_model.signing_name}:{model.name}"
        self._counted.calls[operation] += 1
        usage = self._counted.usage
        match operation.split(":"):
            case ["dynamodb", "PutItem" | "UpdateItem"]:
                self._written(params, context["there"], params.get("Item") if model.name == "PutItem" else None)
            case ["dynamodb", "GetItem"]:
                size = units.item_size(parsed.get("Item", {}))
                usage["read_unit"] += units.read_units(size, consistent=params.get("ConsistentRead", False))
            case ["dynamodb", "BatchGetItem"]:
                for table, asked in params["RequestItems"].items():
                    for key in asked["Keys"]:
                        # A projection spares bytes on the way and no units.
                        size = units.item_size(self._there({"TableName": table, "Key": key}) or {})
                        usage["read_unit"] += units.read_units(size, consistent=asked.get("ConsistentRead", False))
            case ["dynamodb", "Query"]:
                usage["read_unit"] += units.read_units(
                    sum(map(units.item_size, parsed["Items"])), consistent=params.get("ConsistentRead", False)
                )
            case ["sns", "Publish"]:
                self._published(params["TopicArn"], [params["Message"]])
            case ["sns", "PublishBatch"]:
                entries = params["PublishBatchRequestEntries"]
                self._published(params["TopicArn"], [entry["Message"] for entry in entries])
            case ["s3", "PutObject" | "UploadPart" | "CreateMultipartUpload" | "CompleteMultipartUpload"]:
                usage["put"] += 1
                usage["bucket_gb_month"] += _length(params.get("Body", b"")) / GB * self._kept_months
            case ["states", _] | ["secretsmanager", "GetSecretValue"]:
                # Of Step Functions transitions are paid, and calls are not. The secret is among what runs by itself.
                pass
            case _:
                raise NotImplementedError(f"{operation}: say in ops/cost/count.py what it takes")

    def _written(self, params: Document, before: units.Item | None, put: units.Item | None) -> None:
        table = params["TableName"]
        after = self._there(params)
        _, indexes = self._indexes[table]
        self._counted.usage["write_unit"] += units.write_units(before, after, indexes)
        if put is not None and before is None and table == self.deployed.name("EventsTable"):
            self._counted.records.append(put)
            # Announced, it is no more in the index of what is pending, and its mark is a little longer.
            announced = {name: value for name, value in put.items() if name != "pending"}
            kept = units.kept_size(announced, indexes) / GB * self._kept_months
            self._counted.usage["table_gb_month"] += kept
            self._counted.usage["recovery_gb_month"] += (
                (units.item_size(announced) + units.KEPT) / GB * self._kept_months
            )

    def _published(self, topic: str, messages: list[str]) -> None:
        size = sum(len(message.encode()) for message in messages)
        self._counted.usage["publish"] += units.chunks(size)
        self._counted.usage["filtered_gb"] += size * self._filtered[topic] / GB
        self._counted.published.add((self._running, topic))

    def _logged(self) -> None:
        """Counts what was logged since the last time, and the metrics in it."""
        lines = self._output.getvalue().splitlines()
        self._output.seek(0)
        self._output.truncate()
        for line in lines:
            emf = json.loads(line) if line.startswith("{") else {}
            for directive in emf.get("_aws", {}).get("CloudWatchMetrics", ()):
                if directive["Namespace"] == NAMESPACE:
                    self._counted.metrics |= _metrics(directive, emf)
        platform = self.assumed["platform_log_bytes"].value
        platform_lines = int(self.assumed["platform_log_lines"].value)
        self._log(sum(len(line.encode()) for line in lines) + platform, len(lines) + platform_lines)

    def _log(self, size: float, lines: int) -> None:
        taken = (size + lines * self.assumed["line_bytes"].value) / GB
        self._counted.usage["log_gb"] += taken
        self._counted.usage["log_gb_month"] += taken * self._log_months


def _metrics(directive: Document, emf: Document) -> set[Metric]:
    return {
        (metric["Name"], tuple(sorted((name, str(emf[name])) for name in names)))
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def _length(body: Any) -> int:
    if hasattr(body, "__len__"):
        return len(body)
    position = body.tell()
    body.seek(0, io.SEEK_END)
    size: int = body.tell()
    body.seek(position)
    return size


def _indexes(deployed: Deployed) -> dict[str, tuple[tuple[str, ...], list[units.Index]]]:
    """The key of each table, and its indexes."""
    found = {}
    for name, table in deployed.of("AWS::DynamoDB::Table").items():
        keys = tuple(part["AttributeName"] for part in table["KeySchema"])
        indexes = []
        for index in table.get("GlobalSecondaryIndexes", ()):
            if index["Projection"] != {"ProjectionType": "KEYS_ONLY"}:
                raise NotImplementedError(f"{index['IndexName']}: say in ops/cost/units.py what it projects")
            indexes.append(units.Index((*(part["AttributeName"] for part in index["KeySchema"]), *keys)))
        found[deployed.name(name)] = (keys, indexes)
    return found


def _filtered(deployed: Deployed) -> Counter[str]:
    """The number of a topic's subscriptions that look into the body of each message."""
    return Counter(
        subscription["TopicArn"]
        for subscription in deployed.of("AWS::SNS::Subscription").values()
        if subscription.get("FilterPolicyScope") == "MessageBody"
    )


def access_line(deployed: Deployed, route: str) -> str:
    """The access log's line of a request."""
    (stage,) = deployed.of("AWS::ApiGatewayV2::Stage").values()
    values = {**_CONTEXT, "routeKey": route}
    return re.sub(
        r"\$context\.([A-Za-z.]*[A-Za-z])",
        lambda match: values.get(match[1], "GATEWAY_ERROR"),
        stage["AccessLogSettings"]["Format"],
    )


def _accounts(vendor: str) -> str:
    """The secret of a vendor's samples."""
    return (ROOT / "events" / vendor / "secret.json").read_text()


def _unhurried(*given: Any, patience: float | None = None, **named: Any) -> Secret[Any]:
    """A secret for which a push waits as long as it takes, where it waits at all."""
    return Secret(*given, patience=None if patience is None else _NO_HURRY, **named)


def put_secret(environment: Mapping[str, str], document: str) -> None:
    """Puts a vendor's accounts where its function reads them."""
    boto3.client("secretsmanager").put_secret_value(SecretId=environment["SECRET_ARN"], SecretString=document)


def _make(deployed: Deployed) -> None:
    """The AWS that the functions call, in moto."""
    dynamodb, sns, sqs = boto3.client("dynamodb"), boto3.client("sns"), boto3.client("sqs")
    s3, secretsmanager = boto3.client("s3"), boto3.client("secretsmanager")
    stepfunctions = boto3.client("stepfunctions")
    for name, table in deployed.of("AWS::DynamoDB::Table").items():
        taken = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
        dynamodb.create_table(TableName=deployed.name(name), **{key: table[key] for key in taken if key in table})
    for name in deployed.of("AWS::SNS::Topic"):
        sns.create_topic(Name=deployed.name(name))
    for name in deployed.of("AWS::SQS::Queue"):
        sqs.create_queue(QueueName=deployed.name(name))
    for name in deployed.of("AWS::S3::Bucket"):
        s3.create_bucket(Bucket=deployed.name(name))
    for name, secret in deployed.of("AWS::SecretsManager::Secret").items():
        # moto finds a secret by the last part of an ARN, if that is its name.
        called = deployed.physical(name).ref.rpartition(":")[2]
        secretsmanager.create_secret(Name=called, SecretString=secret["SecretString"])
    for name in deployed.of("AWS::StepFunctions::StateMachine"):
        stepfunctions.create_state_machine(
            name=deployed.name(name),
            # It is not run: what its states do is counted one by one.
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/flow",
        )


def _forget() -> None:
    """The handlers' modules, each of them made for one run."""
    for name in [name for name in sys.modules if name.startswith("counted.")]:
        del sys.modules[name]


@contextlib.contextmanager
def _stopped(moment: datetime) -> Iterator[None]:
    """Our code's clock stands at a moment: what a run counts hangs on no day."""

    class _Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class _Stopped(datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    with contextlib.ExitStack() as ends:
        for name, module in list(sys.modules.items()):
            if _GATEHOUSE.match(name) and getattr(module, "datetime", None) is datetime:
                ends.enter_context(mock.patch.object(module, "datetime", _Stopped))
        yield
