"""Drives SenseLink's listener on the template's AWS, with a server of its own at the far end."""

import base64
import hashlib
import io
import json
import os
import queue
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from unittest.mock import patch

import boto3

from functions.senselink import alive, health, listener, once, recorder, wire
from gatehouse import aws
from gatehouse.accounts import Secret
from tests.template import driver
from tests.template.driver import Calls
from tests.template.stack import Document, Task

SWITCH: Final = "SenselinkServers"
"""The parameter that turns the listener on."""
NEEDED: Final = {
    "SenselinkImage": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse:1",
    "SenselinkSubnets": "subnet-0a1b2c3d,subnet-1a2b3c4d",
    "SenselinkSecurityGroups": "sg-0a1b2c3d",
}
"""What it needs then."""
SCHEDULE: Final = "SenselinkCatchUp"
"""The parameter that starts it now and again, with `ONCE`."""
ONCE: Final = ["--once"]
PARAMETERS: Final = {SWITCH: "front,back", SCHEDULE: "rate(15 minutes)", **NEEDED}
ENDS: Final = {"MissedBySubscription", "MessagesNotRecorded"}
"""Metrics that may be missing: of a task that ends by itself, or beside one whose absence is an alarm already."""
ENDS_WITHIN: Final = 20.0
"""Seconds from SIGTERM to the end: for what is in hand (`recorder._DRAIN`), and for the last calls."""
assert ENDS_WITHIN > recorder._DRAIN  # noqa: SLF001

_PICTURE: Final = b"\xff\xd8\xff a face"
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def _document(url: str, api_url: str) -> str:
    """A secret with two servers: `front` can do everything, and `back` only speaks."""
    app = {"url": url, "app_secret": "s", "insecure": True}
    front = {"server": "front", "app_key": "front", "api_url": api_url, "pictures": True}
    return json.dumps({"accounts": [{**app, **front}, {**app, "server": "back", "app_key": "back"}]})


UNREACHABLE: Final = _document("ws://127.0.0.1:9", "http://127.0.0.1:9")
"""A secret with servers that do not answer: 9 is discarded by all."""


class FarEnd:
    """A server of the vendor: what it says by WebSocket, its record list, and a picture for every reference."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._said: defaultdict[str, queue.Queue[bytes]] = defaultdict(queue.Queue)

    @property
    def secret(self) -> str:
        """What the secret has to hold."""
        address = f"127.0.0.1:{self._port}"
        return _document(f"ws://{address}", f"http://{address}")

    def say(self, app: str, code: int, **record: Any) -> None:
        """Sends a message as soon as somebody listens."""
        self._said[app].put(json.dumps({"code": code, "msg": "", "data": record or None}).encode())

    def babble(self) -> None:
        """Says what is no JSON, as the document's own examples are none."""
        self._said["front"].put(b'{"code": 30000, "message""push record"}')

    def greet(self) -> None:
        """Lets both connections in."""
        for app in ("front", "back"):
            self.say(app, wire.Kind.CONNECTED)

    def tell_of(self, number: int) -> None:
        """Says that somebody came to a door."""
        self.say("front", wire.Kind.RECORD, **_record(number))

    def warn(self, number: int) -> None:
        """Says that something is wrong."""
        self.say("front", wire.Kind.ALARM, id=number, status=1, traceId=f"T{number}")

    def hear(self, app: str) -> bytes:
        """What is to be said next."""
        return self._said[app].get()


def _record(number: int) -> Document:
    return {"id": number, "sn": "SPS-1", "signTime": int(time.time()), "signAvatar": f"picture-{number}", "type": 1}


@contextmanager
def far_end() -> Iterator[FarEnd]:
    """A server that runs while the block does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/websocket/"):
                self._speak(self.path.split("/")[3])
            elif self.path.startswith("/api/"):
                listed = [_record(1)] if "/record/" in self.path and "page=1&" in self.path else None
                self._answer(json.dumps({"code": 200, "data": {"list": listed}}).encode())
            else:
                self._answer(_PICTURE)

        def _speak(self, app: str) -> None:
            key = self.headers["Sec-WebSocket-Key"].encode()
            accepted = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()).decode()
            self.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + f"Sec-WebSocket-Accept: {accepted}\r\n\r\n".encode()
            )
            while True:
                text = far.hear(app)
                # A text frame, whole and without a mask; 126 says that two bytes of length follow.
                self.wfile.write(struct.pack(">BBH", 0x81, 126, len(text)) + text)

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        far = FarEnd(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield far
        finally:
            server.shutdown()


def reported() -> list[Document]:
    """The lines with which a listener tells how it is."""
    with redirect_stdout(io.StringIO()) as written:
        health.write([health.Report("front"), health.Report("back")])
        once.run([], recorder.Stop(), 1)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def asked_at() -> str:
    """Where the health check asks, if nothing is set."""
    with patch("socket.create_connection") as connect, patch.dict("os.environ", clear=True):
        asked = connect.return_value.__enter__.return_value
        asked.makefile.return_value.readline.return_value = b"HTTP/1.0 200 OK\r\n"
        assert alive.main() == 0
    ((host, port),) = connect.call_args.args
    (sent,) = asked.sendall.call_args.args
    return f"http://{host}:{port}{sent.decode().split()[1]}"


def _listen(task: Task, calls: Calls) -> None:
    book, spilled = task.environment["EVENTS_TABLE"], task.environment["SPILL_QUEUE_URL"]
    watermarks, bucket = task.environment["WATERMARKS_TABLE"], task.environment["MEDIA_BUCKET"]
    dynamodb, s3, sqs = boto3.client("dynamodb"), boto3.client("s3"), boto3.client("sqs")
    before = datetime.now(UTC) - timedelta(hours=1)
    for server in ("front", "back"):  # so that there is a gap: one can be filled, the other one only told
        mark = {"S": before.isoformat(timespec="microseconds")}
        dynamodb.put_item(TableName=watermarks, Item={"server": {"S": server}, "mark": mark, "begun": mark})

    def recorded() -> int:
        return dynamodb.scan(TableName=book, Select="COUNT")["Count"]

    def pictures() -> int:
        return s3.list_objects_v2(Bucket=bucket)["KeyCount"]

    def spills() -> int:
        answer = sqs.get_queue_attributes(QueueUrl=spilled, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def marks() -> list[str]:
        return [item["mark"]["S"] for item in dynamodb.scan(TableName=watermarks)["Items"]]

    # What nobody can fetch is told when a connection has stood for a moment.
    with far_end() as far, driver.noted(calls, task.environment), patch.object(listener, "_AT_ONCE", 0.1):
        boto3.client("secretsmanager").put_secret_value(
            SecretId=task.environment["SECRET_ARN"], SecretString=far.secret
        )
        with _listening() as threads:
            far.greet()
            _until(lambda: (recorded(), pictures()) == (2, 1))  # what the list has, and that there was a gap
            far.tell_of(2)
            _until(lambda: (recorded(), pictures()) == (3, 2))
            far.babble()
            _until(lambda: (recorded(), pictures()) == (4, 3))
            calls.failing = {"PutItem", "PutObject"}
            far.tell_of(3)
            _until(lambda: spills() == 2)
            calls.failing = {"Publish"}
            far.tell_of(4)
            _until(lambda: recorded() == 5)
            calls.failing = {"UpdateItem"}
            far.tell_of(5)
            _until(lambda: recorded() == 6)
            calls.failing = set()
            far.warn(6)
            _until(lambda: recorded() == 7)
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


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    ends_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_at, "it did not come about"
        time.sleep(0.05)


TASKS: Final[Mapping[str, Callable[[Task, Calls], None]]] = {"listener": _listen}
"""By the name of the module that the image starts."""
