"""A burst after an outage, in a process of its own.

`python -m tests.faults.sensepass_burst RECORDS [TERMINALS]` prints a line of JSON.

Twenty terminals upload what they cached, all at once, through SensePass's real function, to AWS as it is on the wire:
botocore's requests are answered by `Cloud` instead of being sent. Meanwhile people stand at the same doors.
"""

import contextlib
import io
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Final, NotRequired, TypedDict

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from gatehouse import aws
from ops.simulators import Request
from ops.simulators.sensepass import Terminal, picture
from tests.builders import URL, api_event
from tests.vendors.sensepass import SENSEPASS_ENVIRONMENT

TERMINALS: Final = 20
PICTURE_BYTES: Final = 200_000
QUESTION_EVERY: Final = 10
"""Uploads of a terminal between two people at its door."""
REPEAT_EVERY: Final = 50
"""Uploads of a terminal of which one is sent twice, since its answer was lost."""
ASKINGS: Final = 10
"""Askings after which a door gives up."""
STUMBLE_EVERY: Final = 200
"""Puts of which DynamoDB answers one with an error after it took the item."""
ENVIRONMENT: Final = {
    **SENSEPASS_ENVIRONMENT,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
_PUBLISHED: Final = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>"
)


class Result(TypedDict):
    """The figures of a burst; times in milliseconds."""

    happenings: int
    """Distinct ones that terminals sent."""
    stored: int
    announced: int
    pictures: int
    damaged: int
    """Pictures in the bucket that are not what their event says."""
    spilled: int
    lost: int
    """Happenings of which the event or the picture is neither where it belongs nor in the queue."""
    answers: dict[str, int]
    """Answers by their `code`."""
    wrong: int
    """Answers that were not as they should be."""
    unanswered: int
    """Questions that a door gave up."""
    decision_p50: float
    decision_p99: float
    answer_p50: float
    answer_p99: float
    upload_p50: float
    upload_p99: float
    seconds: float
    peak_megabytes: NotRequired[float]


class _Raw(io.BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self, **_more: object) -> Iterable[bytes]:
        while chunk := self.read(65_536):
            yield chunk


@dataclass
class Cloud:
    """The five services, as much of them as an upload needs. Keeps hashes of pictures, not pictures."""

    secret: str
    events: dict[str, str] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)
    pictures: dict[str, str] = field(default_factory=dict)
    spilled: set[str] = field(default_factory=set)
    """Ids of events and keys of pictures that went to the queue."""
    _puts: int = 0
    _lock: Lock = field(default_factory=Lock)

    def send(self, request: AWSPreparedRequest, **_more: object) -> AWSResponse:
        """The answer to a request of botocore's."""
        body: Any = request.body or b""
        body = body.read() if hasattr(body, "read") else body
        sent = body.encode() if isinstance(body, str) else bytes(body)
        target = request.headers.get("X-Amz-Target", b"")
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        with self._lock:
            status, answer = self._answer(request, operation, sent)
        return AWSResponse(request.url, status, HTTPHeaders(), _Raw(answer.encode()))

    def _answer(self, request: AWSPreparedRequest, operation: str, sent: bytes) -> tuple[int, str]:
        if operation == "PutItem":
            return self._put(json.loads(sent))
        if operation == "UpdateItem":
            return 200, "{}"
        if operation == "GetSecretValue":
            return 200, json.dumps({"SecretString": self.secret, "VersionId": "v" * 32})
        if operation == "SendMessage":
            message = json.loads(sent)
            key = message["MessageAttributes"].get("key")
            self.spilled.add(key["StringValue"] if key else json.loads(message["MessageBody"])["id"])
            return 200, json.dumps({"MessageId": "m", "MD5OfMessageBody": "x"})
        if request.method == "PUT":
            self.pictures[request.url.partition(".amazonaws.com/")[2]] = sha256(sent).hexdigest()
            return 200, ""
        assert sent.startswith(b"Action=Publish&")
        self.announced.add(sent.partition(b"sensepass-")[2][:32].decode())
        return 200, _PUBLISHED

    def _put(self, put: dict[str, Any]) -> tuple[int, str]:
        assert put["ConditionExpression"] == "attribute_not_exists(id)"
        key = put["Item"]["id"]["S"]
        if key in self.events:
            return 400, json.dumps({"__type": "com.amazonaws#ConditionalCheckFailedException"})
        self.events[key] = put["Item"]["event"]["S"]
        self._puts += 1
        if self._puts % STUMBLE_EVERY == 0:
            return 500, json.dumps({"__type": "com.amazonaws#InternalServerError"})
        return 200, "{}"


@dataclass
class Door:
    """A terminal, and what it was told."""

    terminal: Terminal
    seed: int
    happenings: int = 0
    wrong: int = 0
    unanswered: int = 0
    """Questions that it gave up."""
    told: int = 0
    """The code of the last answer."""
    codes: Counter[int] = field(default_factory=Counter)
    uploads: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    def run(self, records: int) -> None:
        """Uploads so many records, and asks now and then."""
        chance = random.Random(self.seed)
        passes: dict[str, Any] = {"pass": True}
        for position in range(records):
            image = picture(PICTURE_BYTES, seed=chance.getrandbits(64))
            # A minute apart, as they happened: all an hour late to the second would be a clock that is wrong.
            at = time.time() - 3600 + 60 * position
            upload = self.terminal.upload(image=image, uuid=f"{self.seed}-{position}", at=at)
            self.happenings += 1
            self.uploads.append(self._send(upload))
            if position % REPEAT_EVERY == 0:
                self.uploads.append(self._send(upload))
            if position % QUESTION_EVERY == 0:
                self.happenings += 1
                question = self.terminal.question(image=image, at=time.time() + position, **passes)
                self.answers.append(self._send(question))
                for _ in range(ASKINGS):
                    if self.told == 200:
                        break
                    self._send(question)  # "not kept: please send it again"
                else:
                    self.unanswered += 1

    def _send(self, push: Request) -> float:
        """Milliseconds to the answer."""
        from functions.sensepass.handler import lambda_handler

        event = api_event(push, datetime.now(UTC))
        started = time.perf_counter()
        response = lambda_handler(event, None)
        took = (time.perf_counter() - started) * 1000
        body = json.loads(response["body"])
        self.told = body.get("code", response["statusCode"])
        self.codes[self.told] += 1
        self.wrong += body.get("data", {}).get("pass") is not True
        return took


def burst(records: int, terminals: int = TERMINALS) -> Result:
    """Has so many terminals upload so many records all together."""
    secret = {"accounts": [{"site": "north", "tokens": ["north-one-0123456789abcdef"]}]}
    cloud = Cloud(json.dumps(secret))
    doors = [
        Door(Terminal(f"PS71HD01MC22C{number:05}", "north-one-0123456789abcdef", URL, "1.3"), seed=number)
        for number in range(terminals)
    ]
    client: Any = aws.client
    for service in ("dynamodb", "sns", "sqs", "s3", "secretsmanager"):
        client(service).meta.events.register("before-send", cloud.send)
    doors[0]._send(doors[0].terminal.heartbeat())  # noqa: SLF001 - the function starts
    doors[0].codes.clear()
    doors[0].wrong = 0
    started = time.perf_counter()
    with ThreadPoolExecutor(terminals) as threads:
        for done in [threads.submit(door.run, records // terminals) for door in doors]:
            done.result()
    took = time.perf_counter() - started
    data = [json.loads(event)["data"] for event in cloud.events.values()]
    references = [reference for one in data for reference in one["pictures"]]
    decisions = [float(one["decision"]["milliseconds"]) for one in data if "decision" in one]
    answers = [each for door in doors for each in door.answers]
    uploads = [each for door in doors for each in door.uploads]
    codes = sum((door.codes for door in doors), Counter[int]())
    happenings = sum(door.happenings for door in doors)
    return Result(
        happenings=happenings,
        stored=len(cloud.events),
        announced=len(cloud.announced),
        pictures=len(cloud.pictures),
        damaged=sum(
            cloud.pictures.get(reference["key"], reference["sha256"]) != reference["sha256"] for reference in references
        ),
        spilled=len(cloud.spilled),
        lost=2 * happenings - len({*cloud.events, *cloud.pictures, *cloud.spilled}),
        answers={str(code): times for code, times in codes.items()},
        wrong=sum(door.wrong for door in doors),
        unanswered=sum(door.unanswered for door in doors),
        decision_p50=_quantile(decisions, 0.5),
        decision_p99=_quantile(decisions, 0.99),
        answer_p50=_quantile(answers, 0.5),
        answer_p99=_quantile(answers, 0.99),
        upload_p50=_quantile(uploads, 0.5),
        upload_p99=_quantile(uploads, 0.99),
        seconds=took,
    )


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 1)


def _peak_megabytes() -> float:
    """The most memory that this process had; `ru_maxrss` would count that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)
    with contextlib.redirect_stdout(io.StringIO()):  # metrics
        result = burst(*map(int, sys.argv[1:]))
    sys.stdout.write(json.dumps({**result, "peak_megabytes": round(_peak_megabytes(), 1)}) + "\n")
