"""Runs the functions' real handlers on a moto AWS with the template's own environment, and notes every AWS call."""

import base64
import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from gatehouse import aws
from gatehouse.edge import LambdaHandler
from gatehouse.errors import Unavailable
from gatehouse.events import Alarm, EventBuilder, Measurement, Media, Notice, Person, Recognition
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.store import EventsTable
from gatehouse.vocabulary import AlarmKind, MediaStatus, NoticeKind, PersonKind, Severity, Topic
from tests.builders import sqs_message
from tests.template.iam import ROW, Call
from tests.template.stack import HERE, ROOT, Document, Function, Place, Stack, Task, sam

type Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A call as our code made it."""

    service: str
    """Its name in botocore."""
    operation: str
    parameters: Payload


# The operations whose permission has another name than they have themselves:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
ACTION: Final = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "dynamodb:TransactGetItems": "dynamodb:GetItem",
    "lambda:Invoke": "lambda:InvokeFunction",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
}

_TAKEN: Final = frozenset(range(200, 300))
_NO_PUSH: Final = frozenset({"answers", "exempt", "secret"})


class Calls:
    """The AWS calls of a function: each is noted before it goes out, and fails if it is to."""

    def __init__(self, stack: Stack) -> None:
        self.made: set[Call] = set()
        self.sent: dict[Call, Sent] = {}
        """The first of each."""
        self.published: list[tuple[str, Document]] = []
        """The ARN of a topic, and an event that was published there."""
        self.failing: set[str] = set()
        """Names of operations."""
        self._stack = stack

    def note(self, **call: Any) -> None:
        """A botocore handler of `before-parameter-build`."""
        params, model = call["params"], call["model"]
        operation = f"{model.service_model.signing_name}:{model.name}"
        for resource in self._resources(operation, params):
            made = Call(ACTION.get(operation, operation), resource)
            self.made.add(made)
            self.sent.setdefault(made, Sent(model.service_model.service_name, model.name, params))
        if model.name in {"Publish", "PublishBatch"}:
            messages = params.get("PublishBatchRequestEntries", [params])
            self.published += [(params["TopicArn"], json.loads(message["Message"])) for message in messages]
        if model.name in self.failing:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "as told"}}, model.name)

    def _resources(self, operation: str, params: Payload) -> list[str]:
        """ARNs of what a call works on."""
        match operation.split(":"):
            case ["dynamodb", _]:
                names = [params["TableName"]] if "TableName" in params else list(params["RequestItems"])
                # Of the table of records each role may have rows of its own.
                index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
                found = [f"{self._arn(name)}{index}{_row(params)}" for name in names]
            case ["s3", _]:
                found = [f"{self._arn(params['Bucket'])}/{params['Key']}"]
            case ["secretsmanager", _]:
                found = [params["SecretId"]]
            case ["sns", _]:
                found = [params["TopicArn"]]
            case ["sqs", _]:
                found = [self._arn(params["QueueUrl"])]
            case ["ssm", _]:
                # The parameter is made by a command, and no resource of the stack.
                found = [self._stack.place.arn("ssm", f"parameter{params['Name']}")]
            case ["states", "StartExecution"]:
                found = [params["stateMachineArn"]]
            case ["states", "SendTaskSuccess"]:
                # The token says which it is. AWS's pages name no resource for this action; that a state machine's
                # ARN is one was tried: https://github.com/aws/aws-cdk/pull/8486
                found = [self._stack.physical(flow.name).ref for flow in self._stack.flows()]
            case _:
                raise NotImplementedError(f"{operation}: say in driver.py which resource it works on")
        return found

    def _arn(self, ref: str) -> str:
        return self._stack.physical(self._stack.logical_id(ref)).attributes["Arn"]


def _row(params: Payload) -> str:
    """The row that a call of DynamoDB writes, if its table's key is an id."""
    written: Payload = params.get("Item") or params.get("Key") or {}
    key = written.get("id")
    return f"{ROW}{key['S']}" if key else ""


type Driver = Callable[[Function, Calls], None]


@contextmanager
def deployed(stack: Stack) -> Iterator[None]:
    """The parts of the stack that functions call, in moto."""
    with pytest.MonkeyPatch.context() as patch:
        # botocore ≥ 1.44 else puts the account into DynamoDB's host name, which moto does not know.
        patch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
        patch.setenv("AWS_DEFAULT_REGION", stack.place.region)
        with mock_aws():
            # A client costs more than all that is asked of it here.
            dynamodb, sns, sqs = boto3.client("dynamodb"), boto3.client("sns"), boto3.client("sqs")
            s3, secretsmanager = boto3.client("s3"), boto3.client("secretsmanager")
            stepfunctions = boto3.client("stepfunctions")
            for name, properties in stack.of_type("AWS::DynamoDB::Table").items():
                taken = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
                chosen = {key: properties[key] for key in taken if key in properties}
                dynamodb.create_table(TableName=stack.physical(name).ref, **chosen)
            for name in stack.of_type("AWS::SNS::Topic"):
                sns.create_topic(Name=f"gatehouse-{name}")
            for name in stack.of_type("AWS::SQS::Queue"):
                sqs.create_queue(QueueName=f"gatehouse-{name}")
            for name in stack.of_type("AWS::S3::Bucket"):
                where: Any = {"LocationConstraint": stack.place.region}
                s3.create_bucket(Bucket=stack.physical(name).ref, CreateBucketConfiguration=where)
            for name, properties in stack.of_type("AWS::SecretsManager::Secret").items():
                # moto finds a secret by the last part of an ARN, if that is its name.
                secretsmanager.create_secret(
                    Name=stack.physical(name).ref.rsplit(":", 1)[1], SecretString=properties["SecretString"]
                )
            for flow in stack.flows():
                stepfunctions.create_state_machine(
                    name=stack.physical(flow.name).attributes["Name"],
                    definition=json.dumps(flow.definition),
                    roleArn=stack.physical(flow.role).attributes["Arn"],
                )
            yield


@contextmanager
def noted(calls: Calls, environment: Mapping[str, str]) -> Iterator[pytest.MonkeyPatch]:
    """An environment in which every call of our code to AWS is noted; what is patched ends with it."""
    session = botocore.session.get_session()
    session.register("before-parameter-build.*.*", calls.note)
    clients: list[Any] = [aws.client]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        # The samples are of a day that goes by; in some months they would be too old to be recorded.
        patch.setenv("RETENTION_DAYS", str(sam()["Parameters"]["RetentionDays"]["MaxValue"]))
        patch.setattr("gatehouse.aws.session", lambda: session)
        for made in clients:
            made.cache_clear()
        try:
            yield patch
        finally:
            for made in clients:
                made.cache_clear()


@contextmanager
def started(function: Function, calls: Calls, **settings: str) -> Iterator[LambdaHandler]:
    """The handler of a function, imported as Lambda imports it: with its environment, and for the first time.

    Args:
        function: the function.
        calls: notes what it calls.
        settings: in place of those in its environment.
    """
    with noted(calls, {**function.environment, **settings}) as patch:
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", function.name)
        # The secret is read anew with every push that is turned away.
        patch.setattr("gatehouse.accounts.MIN_AGE", 0.0)
        path = ROOT.joinpath(*function.module.split(".")).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(f"started.{function.module}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module.lambda_handler


def run(stack: Stack, function: Function) -> Calls:
    """Sends a function everything that it is there for, AWS working and AWS failing; returns the calls it makes."""
    calls = Calls(stack)
    with deployed(stack):
        for drive in _drivers(function):
            drive(function, calls)
    return calls


def run_task(stack: Stack, task: Task) -> Calls:
    """Has a task do everything that it is there for, AWS working and AWS failing; returns the calls it makes."""
    vendors = own(task.folder)
    assert vendors, f"{task.name}: say in tests/drivers/{task.folder}.py how it is driven"
    calls = Calls(stack)
    with deployed(stack):
        vendors.TASKS[task.module.rpartition(".")[2]](task, calls)
    return calls


def parameters() -> dict[str, str]:
    """Settings with which everything is there that the template makes only where it is asked for."""
    named = sorted(path.stem for path in (ROOT / "tests" / "drivers").glob("*.py"))
    found: dict[str, str] = {}
    for name in named:
        found |= getattr(own(name), "PARAMETERS", {})
    return found


def _drivers(function: Function) -> list[Driver]:
    """The drivers of a function: its vendor's own for this function, if there is one, or those of its events."""
    vendors = own(function.folder)
    if drive := getattr(vendors, "DRIVERS", {}).get(function.module.rpartition(".")[2]):
        return [drive]
    kinds = sorted({event["Type"] for event in function.events.values()})
    assert kinds, f"{function.name}: say in tests/drivers/{function.folder}.py how it is driven"
    return [_DRIVERS[kind] for kind in kinds]


def own(folder: str) -> ModuleType | None:
    """`tests/drivers/<folder>.py`, if there is one: what no other vendor's functions do."""
    if not (ROOT / "tests" / "drivers" / f"{folder}.py").exists():
        return None
    return importlib.import_module(f"tests.drivers.{folder}")


def variants(function: Function, place: Place = HERE) -> list[Stack]:
    """The stack with each value of the settings that are this function's own and say what it does."""
    own = sam()["Resources"][function.name]["Properties"].get("Environment", {}).get("Variables", {})
    settings = {value["Ref"] for value in own.values() if isinstance(value, dict) and "Ref" in value}
    return [
        Stack({name: value}, place)
        for name, parameter in sam()["Parameters"].items()
        if name in settings
        for value in parameter.get("AllowedValues", [])
    ] or [Stack(place=place)]


def implied(stack: Stack, function: Function, made: set[Call]) -> set[Call]:
    """Calls that AWS makes by the role besides: for logs, for encrypted topics, for event sources."""
    group = function.properties["LoggingConfig"]["LogGroup"]
    found = written(stack, group) | encrypted(stack, made)
    for source in function.events_of("DynamoDB"):
        # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
        for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"):
            found.add(Call(f"dynamodb:{action}", source["Stream"]))
    for source in function.events_of("SQS"):
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            found.add(Call(f"sqs:{action}", source["Queue"]))
    for event in function.events.values():
        destination = event["Properties"].get("DestinationConfig", {}).get("OnFailure")
        if destination:
            found.add(Call(f"{destination['Type'].lower()}:SendMessage", destination["Destination"]))
    return found


def written(stack: Stack, group: str) -> set[Call]:
    """Calls that write into a log group."""
    log = f"{stack.physical(stack.logical_id(group)).attributes['Arn'].removesuffix('*')}log-stream:2026/01/01/[1]a"
    return {Call("logs:CreateLogStream", log), Call("logs:PutLogEvents", log)}


def encrypted(stack: Stack, made: set[Call]) -> set[Call]:
    """Calls that publishing on encrypted topics needs besides.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    topics = stack.of_type("AWS::SNS::Topic")
    keys = {
        key
        for call in made
        if call.action == "sns:Publish" and (key := topics[stack.logical_id(call.resource)].get("KmsMasterKeyId"))
    }
    return {Call(action, key) for key in keys for action in ("kms:GenerateDataKey", "kms:Decrypt")}


def _put_accounts(function: Function) -> None:
    """Puts the accounts of a vendor's samples into its secret."""
    samples = ROOT / "events" / function.folder / "secret.json"
    if samples.exists():
        boto3.client("secretsmanager").put_secret_value(
            SecretId=function.environment["SECRET_ARN"], SecretString=samples.read_text()
        )


def push(function: Function, calls: Calls) -> None:
    """Drives a function behind the API with its vendor's samples."""
    _put_accounts(function)
    with started(function, calls) as handler:
        _push(function, handler, calls)


def _push(function: Function, handler: LambdaHandler, calls: Calls) -> None:
    folder = ROOT / "events" / function.folder
    valid = sorted(folder.glob("valid-*.json"))
    assert valid, f"{function.name} takes pushes, and there are no samples of them in events/{function.folder}"

    def send(samples: list[Path], *failing: str) -> set[int]:
        calls.failing = set(failing)
        answers = [handler(json.loads(sample.read_text()), None) for sample in samples]
        calls.failing = set()
        return {_status(answer) for answer in answers}

    assert send(valid, "PutItem", "PutObject") <= _TAKEN
    # But for a door, whose answer is no receipt.
    assert 503 in send(valid, "PutItem", "PutObject", "SendMessage")
    assert send(valid[:1], "Publish") <= _TAKEN
    assert send(valid[1:2], "UpdateItem") <= _TAKEN
    assert send(valid) <= _TAKEN
    assert send(valid) <= _TAKEN
    assert send([folder / "unreadable.json"]) <= _TAKEN
    send([sample for sample in sorted(folder.glob("*.json")) if sample.stem not in _NO_PUSH])


def _status(answer: Payload) -> int:
    """The status of an answer, also of one that a vendor reads in its body, since it wants 200 in any case."""
    body = json.loads(answer["body"] or "{}")
    code: int = body.get("code") or answer["statusCode"]
    return code if answer["statusCode"] == 200 else answer["statusCode"]


def _stream(function: Function, calls: Calls) -> None:
    with started(function, calls) as handler:
        _send_images(function, handler, calls)


def _send_images(function: Function, handler: LambdaHandler, calls: Calls) -> None:
    def send(*failing: str) -> int:
        calls.failing = set(failing)
        answer = handler({"Records": images}, None)
        calls.failing = set()
        return len(answer["batchItemFailures"])

    (source,) = function.events_of("DynamoDB")
    table = source["Stream"].split("/")[1]
    for mode in Announce:
        images = _written(table, mode)
        assert send("PublishBatch") == 0
        assert send("PublishBatch", "SendMessage") == len(images)
        assert send("UpdateItem") == 0
        assert send() == 0


def _queue(function: Function, calls: Calls) -> None:
    with started(function, calls) as handler:
        _send_spilled(function, handler, calls)


def _send_spilled(function: Function, handler: LambdaHandler, calls: Calls) -> None:
    messages = one_of_each_type()

    def send_picture(*failing: str) -> int:
        calls.failing = set(failing)
        answer = handler({"Records": [_picture_message()]}, None)
        calls.failing = set()
        return len(answer["batchItemFailures"])

    assert send_picture("PutObject") == 1
    assert send_picture() == 0

    def send(step: Step, *failing: str) -> int:
        calls.failing = set(failing)
        answer = handler({"Records": [_message(record, step) for record in messages]}, None)
        calls.failing = set()
        return len(answer["batchItemFailures"])

    assert send(Step.RECORD, "PutItem") == len(messages)
    assert send(Step.RECORD) == 0
    assert send(Step.RECORD) == 0
    # The records are pending again, as the relay leaves what it spills.
    _written(function.environment["EVENTS_TABLE"], Announce.INLINE, messages)
    assert send(Step.PUBLISH, "Publish") == len(messages)
    assert send(Step.PUBLISH, "UpdateItem") == 0
    assert send(Step.PUBLISH) == 0


def _schedule(function: Function, calls: Calls) -> None:
    table = function.environment["EVENTS_TABLE"]
    with started(function, calls) as handler:
        _written(table, Announce.STREAM)
        for failing in ("PublishBatch", "Query"):
            calls.failing = {failing}
            with pytest.raises(Unavailable):
                handler({}, None)
        calls.failing = {"UpdateItem"}
        assert handler({}, None) == {"announced": len(Topic)}
        calls.failing = set()
        assert handler({}, None) == {"announced": len(Topic)}
        assert handler({}, None) == {"announced": 0}


_DRIVERS: Final[Mapping[str, Driver]] = {"HttpApi": push, "DynamoDB": _stream, "SQS": _queue, "Schedule": _schedule}


def one_of_each_type() -> list[Record]:
    """An event for each topic."""
    moment = datetime.now(UTC)  # what waited for longer than records are kept is not redone
    builder = EventBuilder(vendor="somebody", account="1", identity=["1"], received_at=moment, payload=None)
    common = builder.common(device="1", occurred_at=moment)
    events: list[Recognition | Alarm | Measurement | Media | Notice] = [
        Recognition(**common, kind=PersonKind.UNKNOWN, person=Person()),
        Alarm(**common, kind=AlarmKind.UNKNOWN, severity=Severity.UNKNOWN),
        Measurement(**common, readings={}),
        Media(**common, kind=MediaStatus.MISSING),
        Notice(**common, kind=NoticeKind.UNMAPPED),
    ]
    records = [Record.of(builder.event(event)) for event in events]
    assert {record.topic for record in records} == set(Topic)
    return records


def _written(table: str, mode: Announce, records: Sequence[Record] = ()) -> list[Document]:
    """Records as the stream shows them, written so long ago that the gate will not announce them any more."""
    client = boto3.client("dynamodb")
    for item in client.scan(TableName=table)["Items"]:
        client.delete_item(TableName=table, Key={"id": item["id"]})
    events_table = EventsTable(client, table, 3650, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for record in records or one_of_each_type():
        events_table.record(record, mode)
    return [
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": str(number), "NewImage": item}}
        for number, item in enumerate(client.scan(TableName=table)["Items"])
    ]


def _message(record: Record, step: Step) -> Document:
    return sqs_message(record.body, {"step": step, "deciding": "{}"}, record.id)


def _picture_message() -> Document:
    key = f"somebody/somebody-{'0' * 32}/face-{hashlib.sha256(b'a picture').hexdigest()}.jpg"
    attributes = {"step": Step.PICTURE, "key": key, "content_type": "image/jpeg"}
    return sqs_message(base64.b64encode(b"a picture").decode(), attributes)
