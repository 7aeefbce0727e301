"""The process dies between two steps: what was stored is announced all the same."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
import werkzeug
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer

from functions.relay.handler import Relay, handle
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import SpillQueue
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from ops.simulators import Request
from tests import aws
from tests.builders import NOW, api_event, item, seconds, stream_event
from tests.fakes import FakeSpill, FakeStore, Killed
from tests.rig import Rig
from tests.template.stack import Stack
from tests.vendors import shapes, vendor_names, vendor_tests

ROOT = Path(__file__).parents[2]
GRACE = 30.0
FUNCTIONS = {function.module: function for function in Stack().functions()}
VENDOR = min(vendor_names(), key=lambda vendor: len(FUNCTIONS[f"functions.{vendor}.handler"].environment))
"""The vendor whose function is told the least, for the process that is killed: the steps are the gate's."""

each_push = pytest.mark.parametrize(("vendor", "shape"), shapes())
each_mode = pytest.mark.parametrize("announce", Announce)


class DyingStore(FakeStore):
    """An events table after whose n-th record the process dies."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after
        self._lock = Lock()

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        with self._lock:
            new = super().record(record, announce)
            self._left -= 1
            if self._left == 0:
                raise Killed
            return new


def _of(vendor: str, shape: str, announce: Announce = Announce.INLINE) -> tuple[Rig[Any], Request, int]:
    """A vendor's function, a push, and how many events it is."""
    own = vendor_tests(vendor)
    return own.rig(announce=announce), own.push(shape), own.SHAPES[shape]


def _relay(rig: Rig[Any]) -> dict[str, Any]:
    """The relay with all that is in the events table, as the stream brings it an hour later."""
    items = [
        item(record, announce=rig.store.announce[record.id], recorded_at=NOW) for record in rig.store.records.values()
    ]
    relay = Relay(
        rig.store, rig.topics, FakeSpill(), GRACE, now=lambda: NOW + seconds(3600), sleep=lambda _duration: None
    )
    return handle(stream_event(*items), relay)


def _all_marked(rig: Rig[Any]) -> bool:
    return rig.store.published == set(rig.store.records)


@each_mode
@each_push
def test_killed_between_record_and_publish_it_is_announced_exactly_once(
    vendor: str, shape: str, announce: Announce
) -> None:
    rig, push, events = _of(vendor, shape, announce)
    rig.store = DyingStore(after=events)
    with pytest.raises(Killed):
        rig.send(push)
    assert len(rig.stored) == events

    assert _relay(rig) == {"batchItemFailures": []}

    published = [event["id"] for event in rig.published]
    assert sorted(published) == sorted(rig.store.records)
    assert _all_marked(rig)


@each_mode
@each_push
def test_killed_between_record_and_publish_and_sent_again_by_the_vendor_it_is_announced_exactly_once(
    vendor: str, shape: str, announce: Announce
) -> None:
    rig, push, events = _of(vendor, shape, announce)
    rig.store = DyingStore(after=1)
    with pytest.raises(Killed):
        rig.send(push)

    assert rig.send(push, at=NOW + seconds(vendor_tests(vendor).RETRY_AFTER)).status == 200
    _relay(rig)

    assert len(rig.stored) == events
    assert sorted(event["id"] for event in rig.published) == sorted(rig.store.records)
    assert _all_marked(rig)


@each_push
def test_killed_in_the_publish_it_is_announced_exactly_once(vendor: str, shape: str) -> None:
    rig, push, events = _of(vendor, shape)
    rig.topics.die = True
    with pytest.raises(Killed):
        rig.send(push)
    assert 1 <= len(rig.stored) <= events  # the events of a push go side by side

    rig.topics.die = False
    assert rig.send(push, at=NOW + seconds(vendor_tests(vendor).RETRY_AFTER)).status == 200
    _relay(rig)

    assert len(rig.published) == events
    assert sorted(event["id"] for event in rig.published) == sorted(rig.store.records)


@each_push
def test_killed_between_publish_and_mark_it_is_announced_at_least_once(vendor: str, shape: str) -> None:
    rig, push, events = _of(vendor, shape)
    rig.store.die_on_mark = True
    with pytest.raises(Killed):
        rig.send(push)
    before = len(rig.published)
    assert 1 <= before <= events  # the events of a push go side by side

    rig.store.die_on_mark = False
    assert rig.send(push, at=NOW + seconds(vendor_tests(vendor).RETRY_AFTER)).status == 200
    _relay(rig)

    assert len(rig.stored) == events
    published = [event["id"] for event in rig.published]
    assert set(published) == set(rig.store.records)
    assert len(published) == events + before
    assert _all_marked(rig)


@each_push
def test_the_relay_killed_between_publish_and_mark_announces_at_least_once(vendor: str, shape: str) -> None:
    rig, push, events = _of(vendor, shape, Announce.STREAM)
    rig.send(push)
    rig.store.die_on_mark = True
    with pytest.raises(Killed):
        _relay(rig)

    rig.store.die_on_mark = False
    _relay(rig)

    assert {event["id"] for event in rig.published} == set(rig.store.records)
    assert len(rig.published) == 2 * events
    assert _all_marked(rig)


@each_mode
@each_push
def test_a_change_of_the_mode_in_mid_flight_loses_and_doubles_nothing(
    vendor: str, shape: str, announce: Announce
) -> None:
    rig, push, events = _of(vendor, shape, announce)
    rig.send(push)
    rig.announce = Announce.STREAM if announce is Announce.INLINE else Announce.INLINE
    rig.send(push, at=NOW + seconds(1))

    _relay(rig)

    assert len(rig.published) == len(rig.stored) == events
    assert _all_marked(rig)


# ─── A real process, and a real SIGKILL ───────────────────────────────────────────────────────────────────────────────

_CHILD = """
import importlib, json, sys
handler = importlib.import_module(sys.argv[1]).lambda_handler
print(json.dumps(handler(json.load(sys.stdin), None)), flush=True)
"""


@dataclass
class Killer:
    """Stands where SNS should: the first request kills the process that made it, before it gets an answer."""

    url: str
    victim: subprocess.Popen[str] | None = None
    started: Event = field(default_factory=Event)
    requests: list[bytes] = field(default_factory=list)

    def kill(self, request: werkzeug.Request) -> werkzeug.Response:
        self.requests.append(request.data)
        assert self.started.wait(10)
        assert self.victim is not None
        os.kill(self.victim.pid, signal.SIGKILL)
        self.victim.wait(10)
        return werkzeug.Response()  # which nobody gets


@pytest.fixture
def killer(httpserver_ipv4: HTTPServer) -> Iterator[Killer]:
    made = Killer(f"http://127.0.0.1:{httpserver_ipv4.port}")
    httpserver_ipv4.expect_request(re.compile(".*")).respond_with_handler(made.kill)
    yield made
    httpserver_ipv4.check()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Aws]:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with closing(HTTPConnection(host, port)) as connection:
        connection.request("POST", "/moto-api/reset")  # moto's accounts are the process's, not the server's
        assert connection.getresponse().status == 200
    yield aws.Aws(endpoint=f"http://{host}:{port}").built()
    server.stop()


@contextmanager
def _lambda(account: aws.Aws, event: dict[str, Any], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A vendor's function in a process of its own, with the environment that the template gives it."""
    module = f"functions.{VENDOR}.handler"
    function = FUNCTIONS[module]
    secret = json.dumps(vendor_tests(VENDOR).MARKED_SECRET)
    arn = account.secretsmanager.create_secret(Name=VENDOR, SecretString=secret)["ARN"]
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, module],
        cwd=ROOT,
        env={
            **function.environment,
            **aws.ENVIRONMENT,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gatehouse'}",
            "AWS_ENDPOINT_URL": str(account.endpoint),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "EVENTS_TABLE": aws.TABLE,
            "TOPIC_ARNS": ",".join(f"{topic}={arn}" for topic, arn in account.topic_arns.items()),
            "SPILL_QUEUE_URL": account.spill_url,
            "SECRET_ARN": arn,
            "MEDIA_BUCKET": "media",
            "RETENTION_DAYS": "3650",  # the push is of a day that goes by
            **environment,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(json.dumps(event))
        process.stdin.close()
        process.stdin = None
        yield process


def _run_relay(account: aws.Aws) -> dict[str, Any]:
    relay = Relay(
        EventsTable(account.dynamodb, aws.TABLE, 90, lambda: datetime.now(UTC)),
        SnsTopics(account.sns, account.topic_arns),
        SpillQueue(lambda: account.sqs, account.spill_url),
        grace=0,
    )
    return handle(stream_event(*account.items()), relay)


def _arrived(account: aws.Aws) -> list[dict[str, Any]]:
    """Messages that came to a subscriber, of whichever topic."""
    return [message for url in account.queue_urls.values() for message in account.received(url)]


def _push() -> dict[str, Any]:
    return api_event(next(iter(vendor_tests(VENDOR).MARKED.values())), NOW)


def test_a_function_that_is_left_alone_records_publishes_and_marks(account: aws.Aws) -> None:
    with _lambda(account, _push()) as process:
        written, errors = process.communicate(timeout=60)

    *metrics, answer = written.splitlines()
    assert (process.returncode, errors) == (0, "")
    assert json.loads(answer)["statusCode"] == 200
    assert "MARKER" not in written
    assert [json.loads(line)["Recorded"] for line in metrics] == [[1.0]]
    (record,) = account.items()
    assert record["delivery"] == {"S": "published"}
    (message,) = _arrived(account)
    assert message["body"] == record["event"]["S"]


def test_a_function_that_is_killed_between_record_and_publish_has_its_event_announced_by_the_relay(
    account: aws.Aws, killer: Killer
) -> None:
    with _lambda(account, _push(), AWS_ENDPOINT_URL_SNS=killer.url) as process:
        killer.victim = process
        killer.started.set()
        answer, _errors = process.communicate(timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert answer == ""
    assert len(killer.requests) == 1
    (record,) = account.items()
    assert (record["delivery"], record["announce"]) == ({"S": "pending"}, {"S": "inline"})
    assert not _arrived(account)

    assert _run_relay(account) == {"batchItemFailures": []}

    (message,) = _arrived(account)
    assert message["body"] == record["event"]["S"]
    assert "MARKER" in message["body"]
    assert message["attributes"]["vendor"] == VENDOR
    assert account.item(record["id"]["S"])["delivery"] == {"S": "published"}

    assert _run_relay(account) == {"batchItemFailures": []}
    assert not _arrived(account)
