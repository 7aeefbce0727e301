"""Drives Eye4's functions on the template's AWS, and makes alarms that its flow is for and others that it is not."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import pytest

from functions.eye4 import normalise, pending, recording, verify
from gatehouse.errors import GatehouseError
from gatehouse.events import EventBuilder
from gatehouse.reading import read_json
from gatehouse.record import Record
from ops.api_event import api_event
from ops.simulators import Request
from ops.simulators.eye4 import Cloud, File, Recording
from tests.builders import sqs_message
from tests.template import driver
from tests.template.driver import Calls
from tests.template.stack import Document, Function

_ACCOUNT: Final = "workshop"
_GUID: Final = "0f" * 16
_FILEID: Final = "9c" * 20
_RECEIVED_AT: Final = datetime(2026, 11, 3, 9, tzinfo=UTC)
_FILES: Final = (File(size=20), File(size=9 * 1024 * 1024))
"""Those of every recording: the second is more than goes to S3 in one part."""


# ─── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _alarm(payload: Document, received_at: datetime = _RECEIVED_AT) -> Document:
    """The event of an alarm, as its subscribers have it; the payload goes the whole way from the wire."""
    read = read_json(json.dumps(payload))
    verified = verify.Verified(_ACCOUNT, received_at)
    builder = EventBuilder(
        vendor="eye4",
        account=_ACCOUNT,
        identity=verify.identity(read, verified) or (),
        received_at=received_at,
        payload=read,
    )
    (made,) = normalise.normalise(read, builder, verified)
    event: Document = json.loads(Record.of(made).body)
    return event


def _fileid(name: str) -> str:
    """A fileid in the form that the cloud's own have, made of a name."""
    return f"{name.encode().hex():0<40}"


def _with_file(fileid: str, **more: Any) -> Document:
    return {"action": "100", "payload": {"fileid": fileid}, **more}


def wanted() -> Iterator[Document]:
    """Events that the flow is for: all told, as little as possible, every kind of fileid, and a picture alone."""
    yield _alarm(_with_file(_FILEID, did="VSTK000012ABCDE", type="doorbell", cover="https://cdn.eye4.cn/1.jpg?e=1"))
    yield _alarm({"action": "100", "payload": json.dumps({"fileid": _FILEID})})
    yield _alarm({"action": "100", "cover": "https://cdn.eye4.cn/1.jpg?e=1"})
    for fileid in (
        "像" * 40 + "1",
        "a1!?*b2c3",
        "x1" * 5_000,
        "文" * 40_000 + "1",
        "../a1b2c3/..",
        "a1 b2\tc3",
        "\x00\x1fa1b2c3",
        '"\\a1' * 9_000,
    ):
        yield _alarm(_with_file(fileid))


def unwanted() -> Iterator[Document]:
    """Alarms that the flow is not for."""
    yield _alarm({"action": "100", "did": "VSTK000012ABCDE"})
    yield _alarm({"action": "100", "did": "VSTK000012ABCDE", "payload": {"fileid": " "}})
    yield _alarm({"action": "100", "did": "VSTK000012ABCDE", "payload": {"fileid": "(null)"}})
    yield _alarm({"action": "100", "did": "VSTK000012ABCDE", "cover": "https://cdn.example.com/1.jpg?e=1"})
    yield _alarm({**_with_file(_FILEID), "action": "101"})


# ─── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────


def _handle(function: Function, calls: Calls) -> None:
    driver.push(function, calls)
    _put_secret(function)
    table = function.environment["PENDING_FILES_TABLE"]
    with driver.started(function, calls) as handler:

        def resource_message(fileid: str, *failing: str) -> int:
            with _failing(calls, *failing):
                status: int = handler(_request({"Key": fileid}), None)["statusCode"]
            return status

        assert resource_message("that nobody waits for", "StartExecution") == 503
        assert resource_message("that nobody waits for") == 200
        boto3.client("dynamodb").update_item(
            TableName=table,
            Key={"recording": {"S": pending.key(_ACCOUNT, _FILEID)}},
            UpdateExpression="SET task_token = :token",
            ExpressionAttributeValues={":token": {"S": "a token"}},
        )
        assert resource_message(_FILEID, "UpdateItem") == 503
        assert resource_message(_FILEID, "SendTaskSuccess") == 503
        assert resource_message(_FILEID) == 200


def _start(function: Function, calls: Calls) -> None:
    with driver.started(function, calls) as handler:

        def deliver(received_at: datetime, *failing: str) -> int:
            body = json.dumps(_alarm(_with_file(_FILEID), received_at))
            with _failing(calls, *failing):
                return len(
                    handler({"Records": [sqs_message(body, name=name) for name in "12"]}, None)["batchItemFailures"]
                )

        cover = json.dumps(_alarm({"action": "100", "cover": "https://cdn.eye4.cn/1.jpg"}))
        with _failing(calls, "UpdateItem"):
            assert len(handler({"Records": [sqs_message(cover)]}, None)["batchItemFailures"]) == 1
        assert handler({"Records": [sqs_message(cover)]}, None)["batchItemFailures"] == []
        assert deliver(_RECEIVED_AT, "StartExecution") == 2
        assert deliver(_RECEIVED_AT) == 0
        # Another input under the same name: ExecutionAlreadyExists.
        assert deliver(_RECEIVED_AT + timedelta(minutes=1)) == 0


class _Cloud(Cloud):
    """A cloud that has the same files for every recording."""

    def recording(self, fileid: str) -> Recording:
        return replace(super().recording(fileid), files=_FILES)


def _resolve(function: Function, calls: Calls) -> None:
    _put_secret(function)
    with (
        _Cloud().serving() as cloud,
        driver.started(function, calls, API_URL=cloud.url) as handler,
    ):

        def resolve(name: str, *failing: str) -> str:
            wanted = recording.of(_alarm(_with_file(_fileid(name)))).model_dump(mode="json", exclude_none=True)
            with _failing(calls, *failing):
                status: str = handler({"alarm": wanted, "since": _RECEIVED_AT.isoformat()}, None)["status"]
            return status

        for operation in ("PutObject", "UploadPart", "UpdateItem"):
            with pytest.raises(GatehouseError):
                resolve(operation, operation)
        orphan = {"alarm": json.loads(recording.orphan(_ACCOUNT, [_fileid("alone")], _RECEIVED_AT, timedelta()).text)}
        orphan["since"] = _RECEIVED_AT.isoformat()
        with _failing(calls, "GetItem"), pytest.raises(GatehouseError):
            handler(orphan, None)
        assert handler(orphan, None)["status"] == "available"
        with pytest.raises(GatehouseError):
            resolve("nowhere", "PutItem", "SendMessage")
        assert resolve("spilled", "PutItem") == "available"
        assert resolve("announced later", "Publish") == "available"
        assert resolve("twice") == "available"
        assert resolve("twice") == "available"


DRIVERS: Final[Mapping[str, Callable[[Function, Calls], None]]] = {
    "handler": _handle,
    "resolve": _resolve,
    "start": _start,
}
"""By the name of the function's module."""


@contextmanager
def _failing(calls: Calls, *operations: str) -> Iterator[None]:
    calls.failing = set(operations)
    try:
        yield
    finally:
        calls.failing = set()


def _put_secret(function: Function) -> None:
    customer = {"account": _ACCOUNT, "guids": [_GUID], "api": {"userid": "1", "authkey": "2"}}
    boto3.client("secretsmanager").put_secret_value(
        SecretId=function.environment["SECRET_ARN"], SecretString=json.dumps({"accounts": [customer]})
    )


def _request(payload: Document) -> Document:
    headers = {"content-type": "application/json", "guid": _GUID}
    push = Request("https://localhost/v1/eye4/resources", json.dumps(payload).encode(), headers)
    return api_event(push, _RECEIVED_AT)
