"""SenseLink's listener as it runs, against a server in every kind of trouble: nothing is lost, nothing comes twice.

Real processes, a simulated server, and moto's AWS.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.server import ThreadedMotoServer

from functions.relay.handler import Relay, handle
from gatehouse.gate import Gate
from gatehouse.settings import Announce
from gatehouse.spill import SpillQueue, Step, spilled_event
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import Topic
from ops.simulators.senselink import Fields, Server, record
from tests import aws
from tests.builders import stream_event
from tests.fakes import FakeMedia
from tests.waiting import until

ROOT: Final = Path(__file__).parents[2]
RECORDS: Final = 2_000
ROUNDS: Final = 48
"""Of the storm, each with a fault: three of each."""
SLOW: Final = 20.0
"""Seconds that a terminal's clock is behind."""
SETTLES_EVERY: Final = 3
"""Rounds after which it is waited for what was missed: what is fetched again in each gap is to stay within bounds."""
SEED: Final = int(os.environ.get("SEED", "20261122"))
SILENCE: Final = 2.0
"""Seconds, of the listener's setting."""
WORKERS: Final = 16
APP: Final = {"app_key": "0f3a9c71", "app_secret": "the-secret-of-0f3a9c71"}
_WATERMARKS: Final = "watermarks"


@dataclass
class Rig:
    """Servers, listeners that are told to listen to them, and AWS."""

    account: aws.Aws
    moto: ThreadedMotoServer
    folder: Path
    servers: Mapping[str, Server]
    listeners: list[subprocess.Popen[bytes]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """Of a listener's environment, besides what the template gives it."""
    arn: str = ""

    @property
    def server(self) -> Server:
        """The one, or the first."""
        return next(iter(self.servers.values()))

    def listen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts one more listener; it is not waited for."""
        topics = ",".join(f"{topic}={arn}" for topic, arn in self.account.topic_arns.items())
        with (self.folder / "listener.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "functions.senselink.listener", *arguments],
                cwd=ROOT,
                env={
                    **aws.ENVIRONMENT,
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gatehouse'}",
                    "PYTHONUNBUFFERED": "1",
                    "AWS_ENDPOINT_URL": str(self.account.endpoint),
                    "EVENTS_TABLE": aws.TABLE,
                    "TOPIC_ARNS": topics,
                    "SPILL_QUEUE_URL": self.account.spill_url,
                    "MEDIA_BUCKET": "media",
                    "SECRET_ARN": self.arn,
                    "WATERMARKS_TABLE": _WATERMARKS,
                    "SERVERS": ",".join(self.servers),
                    "SILENCE": str(SILENCE),
                    "OVERLAP": "2",
                    "STANDS": "0.2",
                    "WORKERS": str(WORKERS),
                    "HEALTH_PORT": "0",
                    **self.variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.listeners.append(process)
        return process

    def kill(self, which: int) -> None:
        """SIGKILL for a listener."""
        killed = self.listeners.pop(which)
        killed.kill()
        killed.wait(10)

    def stop(self) -> list[int]:
        """SIGTERM for all listeners; their exit statuses."""
        for listener in self.listeners:
            listener.terminate()
        statuses = [listener.wait(20) for listener in self.listeners]
        self.listeners.clear()
        return statuses

    def until(self, look: Callable[[], object], patience: float = 30) -> float:
        """Waits until a look finds something; seconds that it took."""

        def log() -> str:
            return f"the log ends with\n{(self.folder / 'listener.log').read_text(errors='replace')[-3000:]}"

        started = time.monotonic()
        until(look, patience, meanwhile=lambda: time.sleep(0.05), failing=log)
        return time.monotonic() - started

    def connected(self) -> None:
        """Waits until each listener hears each server."""
        self.until(lambda: all(server.connections == len(self.listeners) for server in self.servers.values()))

    def items(self) -> list[dict[str, Any]]:
        """All of the events table, page by page."""
        pages = self.account.dynamodb.get_paginator("scan").paginate(TableName=aws.TABLE, ConsistentRead=True)
        return [dict(item) for page in pages for item in page["Items"]]

    def late(self) -> float:
        """Delays of the first server's records, as the listeners have written them down."""
        item = self.account.dynamodb.get_item(TableName=_WATERMARKS, Key={"server": {"S": next(iter(self.servers))}})
        return max(json.loads(item["Item"].get("late", {"S": "{}"})["S"]).values(), default=0)

    def resident(self) -> list[float]:
        """Megabytes that each listener had at most."""
        found = []
        for listener in self.listeners:
            status = Path(f"/proc/{listener.pid}/status").read_text()
            found.append(int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024)
        return found

    def count(self) -> int:
        """Number of the events; asked of moto itself, since each scan would copy them all."""
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][aws.REGION].tables[aws.TABLE]
        return len(table.items)

    def recorded(self) -> Counter[int]:
        """Number of events of each record, by the server's id of it."""
        payloads = [json.loads(item["event"]["S"])["data"].get("payload") for item in self.items()]
        # An unreadable message has none.
        return Counter(payload["data"]["id"] for payload in payloads if payload and isinstance(payload["data"], dict))

    def settle(self) -> int:
        """Redrives the spilled and relays the forgotten, when all is well; returns how many were spilled."""
        events_table = EventsTable(self.account.dynamodb, aws.TABLE, 90, lambda: datetime.now(UTC))
        topics = SnsTopics(self.account.sns, self.account.topic_arns)
        spill = SpillQueue(lambda: self.account.sqs, self.account.spill_url)
        spilled = self.account.received(self.account.spill_url)
        gate = Gate(events_table, topics, spill, Announce.INLINE, FakeMedia())
        for message in spilled:
            gate.redo(
                spilled_event(message["body"], message["attributes"]["deciding"]), Step(message["attributes"]["step"])
            )
        pending = [item for item in self.items() if item["delivery"]["S"] == "pending"]
        for start in range(0, len(pending), 100):
            handle(stream_event(*pending[start : start + 100]), Relay(events_table, topics, spill, grace=0))
        return len(spilled)

    def announced(self) -> Counter[str]:
        """Deliveries of each event to a subscriber, by its id."""
        sqs = self.account.sqs
        announced: Counter[str] = Counter()
        for topic in Topic:
            url = self.account.queue_urls[topic]
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
                "Messages"
            ):
                announced.update(json.loads(message["Body"])["id"] for message in messages)
                # Taken out at once: moto looks through all that lies there with each call.
                sqs.delete_message_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                        for number, message in enumerate(messages)
                    ],
                )
        return announced


@pytest.fixture
def build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Rig]]:
    """Makes a rig with servers of these names; ends everything in the end."""
    caplog.set_level("WARNING", "werkzeug")  # or each call is a line
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with closing(HTTPConnection(host, port)) as connection:
        connection.request("POST", "/moto-api/reset")  # moto's accounts are the process's, not the server's
        assert connection.getresponse().status == 200
    account = aws.Aws(endpoint=f"http://{host}:{port}").built()
    account.dynamodb.create_table(
        TableName=_WATERMARKS,
        AttributeDefinitions=[{"AttributeName": "server", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "server", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    account.client("s3", account.endpoint).create_bucket(
        Bucket="media", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    rigs: list[Rig] = []
    with ExitStack() as serving:

        def make(*names: str, **variables: str) -> Rig:
            servers = {
                name: serving.enter_context(Server(APP, heartbeat=0.5, seed=SEED + place).serving())
                for place, name in enumerate(names or ("north",))
            }
            rig = Rig(account, moto, tmp_path, servers, variables=variables)
            accounts = [
                {"server": name, "url": server.url, "api_url": server.api_url, "insecure": True, **APP}
                for name, server in servers.items()
            ]
            rig.arn = account.secretsmanager.create_secret(
                Name="senselink", SecretString=json.dumps({"accounts": accounts})
            )["ARN"]
            rigs.append(rig)
            return rig

        yield make
        for rig in rigs:
            for listener in rig.listeners:
                listener.kill()
                listener.wait()
            rig.moto.stop()


def _of(happened: Iterable[Fields]) -> dict[int, int]:
    return {one["id"]: 1 for one in happened}


# ─── The storm ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Storm:
    """A server to which everything happens, and what its terminals saw meanwhile."""

    rig: Rig
    chance: random.Random
    happened: list[Fields] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    kills: int = 0
    calm: list[Fields] = field(default_factory=list)
    """Records that came meanwhile at a server of the same tasks that has no trouble."""

    def happen(self, count: int) -> None:
        """So many pass."""
        self.happened += self.rig.server.flood(count)

    def strike(self, fault: str) -> None:
        """A fault, with records before, during and after it."""
        self.struck[fault] += 1
        self.happen(self.chance.randrange(15, 35))
        self.calm += self.rig.servers["south"].flood(1)
        getattr(self, f"_{fault}")()
        self.happen(self.chance.randrange(1, 5))
        started = time.monotonic()
        while self.rig.server.connections < len(self.rig.listeners):
            assert time.monotonic() - started < 60, f"deaf after {fault}"
            self.happen(1)
            time.sleep(0.1)

    def settle(self) -> None:
        """Waits until all is recorded."""
        self.rig.until(lambda: self.rig.count() >= len(self.happened) + len(self.calm) + self.broken, 120)

    def _drop(self) -> None:
        assert self.rig.server.drop() == len(self.rig.listeners)

    def _half_open(self) -> None:
        self.rig.server.half_open()

    def _silence(self) -> None:
        self.rig.server.silence()

    def _broken(self) -> None:
        self.rig.server.babble()
        self._unread()

    def _poison(self) -> None:
        self.rig.server.poison()
        self._unread()

    def _unread(self) -> None:
        self.broken += 1
        # It is in no list: only what is in the events table is safe from the next fault.
        queue = self.rig.account.queue_urls[Topic.NOTICE]
        self.rig.until(lambda: self._waiting(queue) >= self.broken, 60)

    def _waiting(self, queue: str) -> int:
        answer = self.rig.account.sqs.get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _zero(self) -> None:
        """A terminal's clock stands at zero: no list finds such a record, so it has to be in the events table first."""
        for clock in (0, -62_135_596_800, 946_684_800):
            self.settle()
            self.happened.append(self.rig.server.happen(signTime=clock))
        self.settle()
        self._drop()

    def _late(self) -> None:
        """A terminal's clock is slow: it is heard, and then it is in a gap."""
        for _ in range(2):
            self.happened.append(self.rig.server.happen(at=time.time() - SLOW))
            self.settle()
            self.rig.until(lambda: self.rig.late() >= SLOW - 1)
            self._drop()
            self.happened.append(self.rig.server.happen(at=time.time() - SLOW))

    def _no_list(self) -> None:
        server = self.rig.server
        server.has_list = False
        self._drop()
        self._meanwhile(2.0)
        server.has_list = True

    def _hostile(self) -> None:
        server = self.rig.server
        server.is_hostile = True
        self._drop()
        self._meanwhile(2.0)
        server.is_hostile = False

    def _purge(self) -> None:
        """The server deletes what it has told of a page, while the next one is asked for."""
        server = self.rig.server
        self.settle()
        server.purges = 5
        with server.refusing():
            self.happen(120)
        self.rig.connected()
        self.settle()
        server.purges = 0

    def _huge(self) -> None:
        self.rig.server.shout()
        self.happen(3)

    def _refuse(self) -> None:
        server = self.rig.server
        with server.refusing():
            self._meanwhile(0.8)

    def _restart(self) -> None:
        with self.rig.server.restarting():
            self._meanwhile(1.0)

    def _meanwhile(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.happen(1)
            time.sleep(0.05)

    def _slow(self) -> None:
        server = self.rig.server
        server.pause, server.in_pieces = 0.03, True
        self.happen(10)
        self.rig.until(lambda: server.unread == 0)
        server.drop()
        self.rig.connected()
        server.pause, server.in_pieces = 0.0, False

    def _flood(self) -> None:
        self.happen(100)

    def _kill(self) -> None:
        self.kills += 1
        self.rig.kill(self.chance.randrange(len(self.rig.listeners)))
        self.rig.until(lambda: self.rig.server.connections == len(self.rig.listeners))
        self.happen(self.chance.randrange(5, 15))
        self.rig.listen()


FAULTS: Final = (
    *("drop", "half_open", "silence", "broken", "refuse", "restart", "slow", "flood", "kill"),
    *("zero", "late", "no_list", "hostile", "purge", "huge", "poison"),
)


def _rounds(chance: random.Random) -> list[str]:
    rounds = [FAULTS[number % len(FAULTS)] for number in range(ROUNDS)]
    chance.shuffle(rounds)
    return rounds


@pytest.mark.storm
def test_two_thousand_records_through_every_fault_are_two_thousand_events(
    build: Callable[..., Rig], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = build("north", "south")
    chance = random.Random(SEED)
    storm = Storm(rig, chance)
    # Records from before the first listener are not expected, however far back a clock is.
    rig.server.records += [record(number, at=time.time() - 86_400 - number) for number in range(1, 300)]
    rig.server.shape = "data.record_list"
    rig.listen()
    rig.connected()
    started = time.monotonic()
    rounds = _rounds(chance)

    for number, fault in enumerate(rounds):
        if number == ROUNDS // 2:
            rig.listen()  # from here on there are two of them
            rig.connected()
        storm.strike(fault)
        if number % SETTLES_EVERY == SETTLES_EVERY - 1:
            storm.settle()
    storm.happen(max(RECORDS - len(storm.happened), 0))

    storm.settle()
    took = time.monotonic() - started
    largest = max(rig.resident())
    assert rig.stop() == [0, 0]
    assert rig.recorded() == _of([*storm.happened, *storm.calm])
    items = rig.items()
    assert len(items) == len(storm.happened) + len(storm.calm) + storm.broken
    # The trouble of another server cost this one no connection.
    assert rig.servers["south"].asked["websocket"] == 2 + storm.kills
    pending = sum(item["delivery"]["S"] == "pending" for item in items)
    spilled = rig.settle()
    announced = rig.announced()
    assert announced.keys() == {item["id"]["S"] for item in items}
    # A second time only for what a killed listener had published and not marked yet, which is what its workers had in
    # hand; and for what was published in a call that timed out.
    doubled = sum(announced.values()) - len(announced)
    with capsys.disabled():
        print(  # noqa: T201 - what the storm was
            f"\n  seed {SEED}: {len(storm.happened)} records, {dict(storm.struck)} in {took:.0f} s;"
            f" pending at the end {pending}, spilled {spilled}, announced twice {doubled}; {largest:.0f} MB at most"
        )
    assert largest < 300
    assert doubled <= storm.kills * WORKERS
    assert all(item["delivery"]["S"] == "published" for item in rig.items())


# ─── One thing at a time ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", [Server.half_open, Server.silence])
def test_a_connection_that_says_nothing_any_more_is_given_up_in_time(
    build: Callable[..., Rig], fault: Callable[[Server], None]
) -> None:
    rig = build()
    rig.listen()
    rig.connected()
    heard = rig.server.happen()
    rig.until(lambda: rig.count() == 1)

    fault(rig.server)
    missed = rig.server.flood(3)

    assert SILENCE - 1 < rig.until(lambda: rig.server.connections == 1) < SILENCE + 5
    rig.until(lambda: rig.count() == 4)
    assert rig.recorded() == _of([heard, *missed])


@contextmanager
def _load(server: Server, per_second: float, happened: list[Fields]) -> Iterator[None]:
    """So many records a second, while the block runs."""
    ended = Event()

    def go_on() -> None:
        due = time.monotonic()
        while not ended.is_set():
            happened.append(server.happen())
            due += 1 / per_second
            time.sleep(max(due - time.monotonic(), 0))

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("successors", ["after", "before"])
def test_sigterm_under_load_loses_nothing(build: Callable[..., Rig], successors: str) -> None:
    rig = build(ANNOUNCE_MODE="stream")
    first = rig.listen()
    rig.connected()
    happened: list[Fields] = []

    with _load(rig.server, 200, happened):
        rig.until(lambda: len(happened) > 200)
        if successors == "before":  # as a service does it: the next one listens before the last one stops
            rig.listen()
            rig.connected()
        rig.listeners.remove(first)
        first.terminate()
        status = first.wait(20)
        if successors == "after":
            rig.listen()
        rig.connected()
        so_far = len(happened)
        rig.until(lambda: len(happened) > so_far + 50)

    assert status == 0
    rig.until(lambda: rig.count() >= len(happened), 60)
    assert rig.recorded() == _of(happened)


def test_a_server_that_refuses_does_not_disturb_another_of_the_same_task(build: Callable[..., Rig]) -> None:
    rig = build("north", "south")
    north, south = rig.servers.values()
    with south.refusing():
        rig.listen()
        rig.until(lambda: north.connections == 1)
        happened = north.flood(50)
        rig.until(lambda: rig.count() == 50)
        missed = south.happen()

    rig.until(lambda: south.connections == 1, 90)
    happened.append(south.happen())

    rig.until(lambda: rig.count() == 51)
    # The other one had no listener before: its earlier records are not expected.
    assert rig.recorded() == _of(happened)
    assert missed["id"] not in rig.recorded()


def test_while_aws_is_away_nothing_is_read_beyond_the_buffer_and_nothing_is_lost(build: Callable[..., Rig]) -> None:
    rig = build(BUFFER="20", ANNOUNCE_MODE="stream")
    rig.listen()
    rig.connected()
    heard = rig.server.happen()
    rig.until(lambda: rig.count() == 1)
    host, port = rig.moto.get_host_and_port()
    rig.moto.stop()
    try:
        # Of a size that fills the machine's buffers soon.
        missed = [rig.server.happen(remark="m" * 20_000) for _ in range(400)]
        rig.until(lambda: "not recorded yet" in (rig.folder / "listener.log").read_text())
        unread = _stable(lambda: rig.server.unread)
    finally:
        # Its accounts are the process's: they are all still there.
        rig.moto = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
        rig.moto.start()

    assert unread > 300
    rig.until(lambda: rig.count() == 401, 60)
    assert rig.recorded() == _of([heard, *missed])
    assert rig.server.asked["websocket"] == 1  # the same connection all the time: not reading is not being deaf


def _stable(look: Callable[[], int]) -> int:
    """A number, once it has not changed for two seconds."""
    seen, since = look(), time.monotonic()
    while time.monotonic() - since < 2:
        if (now := look()) != seen and now < seen:
            seen, since = now, time.monotonic()
        time.sleep(0.05)
    return seen


def test_who_is_denied_does_not_hammer(build: Callable[..., Rig]) -> None:
    rig = build(DENIED_PAUSE="2")
    rig.server.app = {**APP, "app_secret": "rotated"}
    rig.listen()
    rig.until(lambda: "permission denied" in (rig.folder / "listener.log").read_text())
    denied_at = time.monotonic()
    rig.until(lambda: rig.server.asked["websocket"] == 2)
    assert time.monotonic() - denied_at > 1.5

    rig.server.app = APP
    rig.connected()
    happened = rig.server.happen()

    rig.until(lambda: rig.count() == 1)
    assert rig.recorded() == _of([happened])


def test_what_a_subscription_did_not_bring_is_fetched_and_told_and_the_next_time_there_is_nothing_to_fetch(
    build: Callable[..., Rig],
) -> None:
    rig = build(SERVERS="", GRACE="0")

    def once() -> str:
        log = rig.folder / "listener.log"
        before = len(log.read_text()) if log.exists() else 0
        assert rig.listen("--once").wait(30) == 0
        rig.listeners.clear()
        return log.read_text()[before:]

    assert "silent" not in once()
    passed, raised = rig.server.flood(120), rig.server.alarm(7, at=time.time())

    said = once()

    assert rig.recorded() == _of([*passed, raised])
    assert "the subscription is silent" in said
    assert '"MissedBySubscription":[120' in said
    arrivals = {json.loads(item["event"]["S"])["data"]["arrival"] for item in rig.items()}
    assert arrivals == {"backfill"}
    assert rig.server.asked["websocket"] == 0
    assert "silent" not in once()
    assert rig.count() == 121


def test_a_run_against_a_server_that_is_away_fails(build: Callable[..., Rig]) -> None:
    rig = build(SERVERS="")
    with rig.server.restarting():
        assert rig.listen("--once").wait(30) == 1
    rig.listeners.clear()


def test_an_alarm_in_a_gap_is_fetched(build: Callable[..., Rig]) -> None:
    """protocol.md A13: nothing was left of it."""
    rig = build()
    rig.listen()
    rig.connected()
    heard = rig.server.happen()
    rig.until(lambda: rig.count() == 1)

    with rig.server.restarting():
        raised = rig.server.alarm(code=20003)

    rig.until(lambda: rig.count() == 2)
    assert rig.recorded() == _of([heard, raised])
