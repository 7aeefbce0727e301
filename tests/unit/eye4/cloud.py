"""The ground of the tests of Eye4's recordings: the rows and the bucket in moto, and web servers that misbehave.

The answers of those servers are bytes written by hand, since most of them are none that a library would send: cut
short, with another length than they have, endless.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from functions.eye4 import pending
from functions.eye4.client import Client
from functions.eye4.download import Downloads, Limits
from functions.eye4.pending import PendingFiles
from functions.eye4.recording import Wanted
from functions.eye4.resolve import Api, Bucket, MediaFiles, Patience, Resolver
from functions.eye4.wire import BodyLogin
from gatehouse.gate import Gate
from gatehouse.settings import Announce
from ops.serving import Handler, Port
from ops.simulators.eye4 import Cloud
from tests.aws import REGION, Aws
from tests.builders import NOW
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.vendors.eye4 import CUSTOMER, FILEID
from tests.web import Certificate, tls

BUCKET: Final = "media"
PENDING: Final = "pending-files"

type Answer = bytes | Iterable[bytes] | Callable[["Seen"], bytes | Iterable[bytes]]


def pending_files(account: Aws, now: Callable[[], datetime], kind: type[PendingFiles] = PendingFiles) -> PendingFiles:
    """The recordings' rows, in a table that is made now."""
    account.dynamodb.create_table(
        TableName=PENDING,
        AttributeDefinitions=[{"AttributeName": "recording", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "recording", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return kind(lambda: account.dynamodb, PENDING, now)


def row(account: Aws, recording: str) -> dict[str, Any]:
    """A recording's row as it is in the table, without the types; nothing if there is none."""
    answer = account.dynamodb.get_item(TableName=PENDING, Key={"recording": {"S": recording}}, ConsistentRead=True)
    return {name: next(iter(value.values())) for name, value in answer.get("Item", {}).items()}


def rows(account: Aws) -> list[str]:
    """The keys of all rows."""
    return sorted(str(item["recording"]["S"]) for item in account.dynamodb.scan(TableName=PENDING)["Items"])


# ─── The resolver, on moto's AWS and a simulated cloud ────────────────────────────────────────────────────────────────


def waits(account: Aws, token: str = "token", recording: str = f"workshop/{FILEID}") -> None:
    """Writes what the flow does when it begins to wait."""
    account.dynamodb.update_item(
        TableName=PENDING,
        Key={"recording": {"S": recording}},
        UpdateExpression="SET task_token = :token",
        ConditionExpression="attribute_not_exists(arrived_at)",
        ExpressionAttributeValues={":token": {"S": token}},
    )


def wanted(fileid: str = FILEID, **more: Any) -> Wanted:
    """A recording whose alarm came now."""
    told = {
        "recording": pending.key("workshop", fileid),
        "account": "workshop",
        "fileid": fileid,
        "type": "doorbell",
        "device": "VSTC1",
        "alarm_id": "eye4-alarm",
        "occurred_at": NOW,
        "received_at": NOW,
        "resolve_from": NOW,
        "expires_at": "1",
    }
    return Wanted.model_validate({**told, **more})


@dataclass
class ResolverRig:
    """All that the resolver works with, and its two clocks, which stand still."""

    account: Aws
    cloud: Cloud
    files: PendingFiles
    store: FakeStore = field(default_factory=FakeStore)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    announce: Announce = Announce.INLINE
    api: Api | None = None
    bucket: Bucket | None = None
    limits: Limits = field(default_factory=lambda: Limits(size=50_000_000, seconds=30))
    patience: Patience = field(
        default_factory=lambda: Patience(
            before_missing=timedelta(minutes=10), before_unreachable=timedelta(hours=24), retention=timedelta(days=30)
        )
    )
    now: datetime = NOW
    monotonic: Callable[[], float] = lambda: 0.0
    slept: list[float] = field(default_factory=list)
    """The waits, in seconds; none of them passes."""
    sleep: Callable[[float], None] = lambda _: None
    """Runs while one of them would pass."""
    customers: dict[str, Callable[["ResolverRig"], Api | None]] = field(default_factory=dict)
    """Those in the secret."""
    own: str = ""
    """The address where files may lie, in place of the simulated cloud's."""

    def __post_init__(self) -> None:
        self.api = self.api or Client(BodyLogin.model_validate(CUSTOMER["api"]), self.cloud.url)
        self.bucket = self.bucket or self.media
        self.customers = self.customers or {
            "workshop": lambda own: own.api,
            "harbour": lambda _: None,
        }

    @property
    def media(self) -> MediaFiles:
        """The media bucket."""
        return MediaFiles(self.account.client("s3"), BUCKET)

    def resolver(self) -> Resolver:
        """A new process' resolver."""
        assert self.bucket
        return Resolver(
            api=lambda account: self.customers[account](self),
            downloads=Downloads(["*.eye4.cn"], self.limits, own=self.own or self.cloud.url),
            pending=self.files,
            bucket=self.bucket,
            recorder=Gate(self.store, self.topics, self.spill, self.announce, FakeMedia()),
            patience=self.patience,
            now=lambda: self.now,
            monotonic=self.monotonic,
            sleep=self._asleep,
        )

    def _asleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.sleep(seconds)

    def resolve(self, recording: Wanted | None = None, *, waited: float = 0, tried: int = 9) -> str:
        """One attempt, so many seconds after the flow's wait ended, and after so many that brought too little."""
        recording = recording or wanted()
        self.note_attempts(recording.recording, tried)
        return self.resolver().resolve(recording, self.now - timedelta(seconds=waited)) or "taken"

    def note_attempts(self, recording: str, tried: int = 9) -> None:
        """Has the row say that there were so many attempts before."""
        self.account.dynamodb.update_item(
            TableName=PENDING,
            Key={"recording": {"S": recording}},
            UpdateExpression="SET attempts = :tried",
            ExpressionAttributeValues={":tried": {"N": str(tried)}},
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """The media events, in the order in which they were recorded; each was announced."""
        assert [record.body for record in self.topics.messages] == [r.body for r in self.store.records.values()]
        return [json.loads(record.body) for record in self.store.records.values()]

    @property
    def event(self) -> dict[str, Any]:
        """The one media event, which is in the events table and was announced as it is there."""
        (event,) = self.events
        return event

    @property
    def stored(self) -> dict[str, bytes]:
        """The objects in the media bucket, by key; and no upload is left half done."""
        client = self.account.client("s3")
        assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
        keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


@contextmanager
def resolver_rig(account: Aws, kind: type[PendingFiles] = PendingFiles, **more: Any) -> Iterator[ResolverRig]:
    """A rig with a cloud that serves; the bucket and the table are made now."""
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    with Cloud(now=NOW.timestamp).serving() as cloud:
        yield ResolverRig(account, cloud, pending_files(account, lambda: NOW, kind), **more)


# ─── A web server that says what it is told, to the byte ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Web:
    """A web server: its answers by path, and the requests that came."""

    url: str = ""
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    otherwise: Answer = b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    seen: list[Seen] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies and heads that the kernel took."""
    over: threading.Event = field(default_factory=threading.Event)

    def respond(self, connection: socket.socket, request: Seen) -> None:
        """Writes the answer to a request."""
        self.seen.append(request)
        answer = self.answers.get(request.target.partition("?")[0], self.otherwise)
        if callable(answer):
            answer = answer(request)
        for piece in (answer,) if isinstance(answer, bytes) else answer:
            connection.sendall(piece)
            self.sent += len(piece)


def said(
    body: bytes = b"", *, status: int = 200, length: int | str | None = -1, connection: str = "close", **headers: str
) -> bytes:
    """An answer; `length` is announced in place of the true one, None for nothing."""
    told = len(body) if length == -1 else length
    lines = [f"HTTP/1.1 {status} x", f"connection: {connection}"]
    lines += [] if told is None else [f"content-length: {told}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def web(certificate: Certificate | None = None) -> Iterator[Web]:
    """A web server on a free port of 127.0.0.1; by TLS where it has a certificate."""
    there = Web()

    class Answering(Handler):
        def respond(self) -> None:
            self.close_connection = True
            headers = {name.lower(): value for name, value in self.headers.items()}
            there.respond(self.connection, Seen(self.command, self.target, headers, self.body()))

    with Port(Answering, context=None if certificate is None else tls(certificate)) as port:
        there.port = port.number
        there.url = f"http{'s' if certificate else ''}://{port.address}"
        try:
            yield there
        finally:
            there.over.set()
