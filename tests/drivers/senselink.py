"""Drives SenseLink's listener on the template's AWS, with a server of its own at the far end."""

import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from unittest.mock import patch

import boto3

from functions.senselink import alive, health, listener, once, recorder, wire
from gatehouse import aws
from gatehouse.accounts import Secret
from ops.simulators.senselink import Server
from tests.template import driver
from tests.template.driver import Calls
from tests.template.stack import Document, Task
from tests.waiting import until

SWITCH: Final = "SenselinkServers"
"""The parameter that turns the listener on."""
NEEDED: Final = {
    "SenselinkImage": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse:1",
    "SenselinkSubnets": "subnet-0a1b2c3d,subnet-1a2b3c4d",
    "SenselinkSecurityGroups": "sg-0a1b2c3d",
}
"""The further parameters that are needed then."""
SCHEDULE: Final = "SenselinkCatchUp"
"""The parameter that starts it now and again, with `ONCE`."""
ONCE: Final = ["--once"]
PARAMETERS: Final = {SWITCH: "front,back", SCHEDULE: "rate(15 minutes)", **NEEDED}
ENDS: Final = {"MissedBySubscription", "MessagesNotRecorded"}
"""Metrics that may be missing: of a task that ends by itself, or beside one whose absence is an alarm already."""
ENDS_WITHIN: Final = 20.0
"""Seconds from SIGTERM to the end: for what is in hand (`recorder._DRAIN`), and for the last calls."""
assert ENDS_WITHIN > recorder._DRAIN  # noqa: SLF001

_APPS: Final[Mapping[str, Mapping[str, str]]] = {
    name: {"app_key": name, "app_secret": "s"} for name in ("front", "back")
}


def _document(front: str, api: str, back: str) -> str:
    """A secret with two servers: `front` can do everything, and `back` only speaks."""
    whole = {"server": "front", "url": front, "api_url": api, "pictures": True, "insecure": True, **_APPS["front"]}
    return json.dumps({"accounts": [whole, {"server": "back", "url": back, "insecure": True, **_APPS["back"]}]})


UNREACHABLE: Final = _document("ws://127.0.0.1:9", "http://127.0.0.1:9", "ws://127.0.0.1:9")
"""A secret with servers that do not answer: 9 is discarded by all."""


@dataclass(frozen=True)
class FarEnd:
    """The vendor's two servers."""

    front: Server
    back: Server

    @property
    def secret(self) -> str:
        """The document for the secret."""
        return _document(self.front.url, self.front.api_url, self.back.url)

    def passes(self) -> None:
        """Has somebody come to a door, with a picture, once both servers are listened to."""
        until(lambda: self.front.connections == self.back.connections == 1)
        self.front.happen(avatar="", signBgAvatar="")


@contextmanager
def far_end() -> Iterator[FarEnd]:
    """Two servers that run while the block does."""
    with Server(_APPS["front"]).serving() as front, Server(_APPS["back"]).serving() as back:
        yield FarEnd(front, back)


def reported() -> list[Document]:
    """The lines with which a listener tells how it is."""
    with redirect_stdout(io.StringIO()) as written:
        health.write([health.Report("front"), health.Report("back")])
        once.run([], recorder.Stop(), 1)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def asked_at() -> str:
    """The address that the health check asks, if nothing is set."""
    with patch("socket.create_connection") as connect, patch.dict("os.environ", clear=True):
        asked = connect.return_value.__enter__.return_value
        asked.makefile.return_value.readline.return_value = b"HTTP/1.0 200 OK\r\n"
        assert alive.main() == 0
    ((host, port),) = connect.call_args.args
    (sent,) = asked.sendall.call_args.args
    return f"http://{host}:{port}{sent.decode().split()[1]}"


def _listen(task: Task, calls: Calls) -> None:
    table, spilled = task.environment["EVENTS_TABLE"], task.environment["SPILL_QUEUE_URL"]
    watermarks, bucket = task.environment["WATERMARKS_TABLE"], task.environment["MEDIA_BUCKET"]
    dynamodb, s3, sqs = boto3.client("dynamodb"), boto3.client("s3"), boto3.client("sqs")
    before = datetime.now(UTC) - timedelta(hours=1)
    for server in ("front", "back"):  # so that there is a gap: one can be filled, the other one only told
        mark = {"S": before.isoformat(timespec="microseconds")}
        dynamodb.put_item(TableName=watermarks, Item={"server": {"S": server}, "mark": mark, "begun": mark})

    def recorded() -> int:
        return dynamodb.scan(TableName=table, Select="COUNT")["Count"]

    def pictures() -> int:
        return s3.list_objects_v2(Bucket=bucket)["KeyCount"]

    def spills() -> int:
        answer = sqs.get_queue_attributes(QueueUrl=spilled, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def marks() -> list[str]:
        return [item["mark"]["S"] for item in dynamodb.scan(TableName=watermarks)["Items"]]

    # A gap that cannot be filled is told when a connection has stood for a moment.
    with far_end() as far, driver.noted(calls, task.environment), patch.object(listener, "_AT_ONCE", 0.1):
        boto3.client("secretsmanager").put_secret_value(
            SecretId=task.environment["SECRET_ARN"], SecretString=far.secret
        )
        far.front.happen(avatar="", signBgAvatar="")
        with _listening() as threads:
            until(lambda: (recorded(), pictures()) == (2, 1))  # what the list has, and that there was a gap
            far.passes()
            until(lambda: (recorded(), pictures()) == (3, 2))
            far.front.babble()
            until(lambda: (recorded(), pictures()) == (4, 3))
            calls.failing = {"PutItem", "PutObject"}
            far.passes()
            until(lambda: spills() == 2)
            calls.failing = {"Publish"}
            far.passes()
            until(lambda: recorded() == 5)
            calls.failing = {"UpdateItem"}
            far.passes()
            until(lambda: recorded() == 6)
            calls.failing = set()
            far.front.alarm()
            until(lambda: recorded() == 7)
        assert not any(thread.is_alive() for thread in threads)
        assert max(marks()) > before.isoformat(timespec="microseconds")


@contextmanager
def _listening() -> Iterator[list[threading.Thread]]:
    """The task's listeners, each in its thread, as `listener.main` starts them; at the end they have ended."""
    settings = listener.ListenerSettings.read(os.environ)
    secret = Secret(aws.client("secretsmanager"), settings.secret_arn, wire.Accounts, vendor="senselink")
    stop = recorder.Stop()
    threads = [
        threading.Thread(target=one.run, daemon=True)
        for one in listener.listeners(settings, secret.accounts().accounts, stop)
    ]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.request()
        for thread in threads:
            thread.join(ENDS_WITHIN)


TASKS: Final[Mapping[str, Callable[[Task, Calls], None]]] = {"listener": _listen}
"""By the name of the module that the image starts."""
