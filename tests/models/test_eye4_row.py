"""Eye4's row under every schedule: an alarm and a message in any order, twice, or never; and whoever dies between.

The handler, the start of the flow, the resolver and the rows are the real ones; the table, Step Functions and Eye4 are
the smallest that behave as they do. The flow acts out `functions/eye4/flow.asl.yaml`, whose first state is also tried
in the middle of whatever the handler does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws
from pydantic import JsonValue

from functions.eye4 import start
from functions.eye4.client import Storage
from functions.eye4.download import Downloads
from functions.eye4.handler import Flows, Resources
from functions.eye4.pending import PendingFiles, Row
from functions.eye4.recording import Wanted
from functions.eye4.resolve import MoreToCopy, NotThereYet, Patience, Resolver
from functions.eye4.verify import Verified
from functions.eye4.wire import Listed
from gatehouse.errors import Unavailable
from gatehouse.events import Picture
from gatehouse.gate import Gate, Opened, Push, Unwrapped
from gatehouse.settings import Announce
from tests import aws
from tests.builders import NOW
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.models.explore import Died, Outcome, Schedule, explore, sized
from tests.models.eye4_table import Table, failure
from tests.template.stack import ROOT
from tests.unit.eye4.cloud import PENDING, pending_files
from tests.vendors.eye4 import FILEID

_AWAIT: Final = yaml.safe_load((ROOT / "functions" / "eye4" / "flow.asl.yaml").read_text())["States"]["AwaitUpload"]
_TRIES: Final = 4
"""Of the flow's first state: one, and its three retries."""
_KEY: Final = f"workshop/{FILEID}"
_CONTENT: Final = b"a film"
_DAY: Final = timedelta(days=1)


@dataclass
class Execution:
    """A flow."""

    wanted: Wanted
    began: bool = False
    token: str | None = None
    """Of the wait, as long as it goes on."""
    waited_out: bool = False
    ended: bool = False


class _Film:
    """The film as it comes in."""

    size = len(_CONTENT)
    sha256 = "5" * 64


class _Downloads(Downloads):
    def __init__(self) -> None:
        super().__init__(["files"], cast("Any", None))

    @contextmanager
    def open(self, url: str) -> Iterator[Any]:
        assert url
        yield _Film()


@dataclass
class _Bucket:
    name: str = "media"
    keys: list[str] = field(default_factory=list)

    def keep(self, key: str, body: object, content_type: str) -> None:
        assert body
        assert content_type
        self.keys.append(key)


@dataclass
class World:
    """The state of AWS and Eye4, and the calls to them."""

    schedule: Schedule
    at: int | None = None
    """Before which of the calls the flow's first state is tried, if not at once."""
    has_condition: bool = True
    table: Table = field(default_factory=lambda: Table("recording"))
    flows: dict[str, Execution] = field(default_factory=dict)
    store: FakeStore = field(default_factory=FakeStore)
    topics: FakeTopics = field(default_factory=FakeTopics)
    bucket: _Bucket = field(default_factory=_Bucket)
    now: datetime = NOW
    is_uploaded: bool = False
    tokens: int = 0
    meanwhile: tuple[int, Callable[[], None]] | None = None
    """Events by the number of the call that they come before."""

    def _through[T](self, call: str, act: Callable[[], T]) -> T:
        if self.at is not None and len(self.schedule.calls) >= self.at:
            self.at = None
            self.begin_waits()
        if self.meanwhile and len(self.schedule.calls) >= self.meanwhile[0]:
            (_, happen), self.meanwhile = self.meanwhile, None
            happen()
        return self.schedule.through(call, act, lambda: failure("InternalServerError", call))

    # DynamoDB, as our code sees it.

    def update_item(self, **call: Any) -> dict[str, Any]:
        return self._through("update", lambda: self.table.update_item(**call))

    def get_item(self, **call: Any) -> dict[str, Any]:
        return self._through("read", lambda: self.table.get_item(**call))

    # Step Functions, as our code sees it.

    def start_execution(self, *, name: str, **call: Any) -> None:
        def act() -> None:
            if name in self.flows:
                raise failure("ExecutionAlreadyExists", "StartExecution")
            self.flows[name] = Execution(Wanted.model_validate_json(call["input"]))

        self._through("start", act)
        if self.at is None:
            self.begin_waits()

    def send_task_success(self, **call: Any) -> None:
        def act() -> None:
            for flow in self.flows.values():
                if flow.token == call["taskToken"]:
                    flow.token = None
                    return
            raise failure("TaskTimedOut", "SendTaskSuccess")

        self._through("wake", act)

    # The flow's first state.

    def begin_waits(self) -> None:
        for flow in list(self.flows.values()):
            if not flow.began:
                flow.began = True
                self._await(flow)

    def _await(self, flow: Execution) -> None:
        """AwaitUpload, by its own expressions. A try whose answer is lost is tried again, with another token."""
        told = _AWAIT["Parameters"]
        for _ in range(_TRIES):
            self.tokens += 1
            token = f"token-{self.tokens}"
            call: dict[str, Any] = {
                "Key": {"recording": {"S": flow.wanted.recording}},
                "UpdateExpression": told["UpdateExpression"],
                "ExpressionAttributeValues": {":token": {"S": token}, ":expires_at": {"N": flow.wanted.expires_at}},
            }
            if self.has_condition:
                call["ConditionExpression"] = told["ConditionExpression"]
            outcome = self.schedule.outcome("await")
            try:
                if outcome not in {Outcome.REFUSED, Outcome.DIES_BEFORE}:
                    self.table.update_item(**call)
            except ClientError:
                return  # the message was first
            if outcome is Outcome.DONE:
                flow.token = token
                return


@dataclass(frozen=True)
class Program:
    """Alarms and messages come in an order, and whoever fails is called again as AWS and the vendor do it."""

    order: tuple[str, ...]
    """`alarm` or `again`, another alarm of the recording; `message` or `more`, another message."""
    at: int | None = None
    late: int | None = None
    """Before which of the calls after the waits a further message comes, if one does."""
    rows: type[PendingFiles] = PendingFiles
    flows: type[Flows] = Flows
    has_condition: bool = True

    def __str__(self) -> str:
        at = "" if self.at is None else f", the wait begins at call {self.at}"
        late = "" if self.late is None else f", a message at call {self.late} of the resolving"
        return f"Eye4's row: {' '.join(self.order)}{at}{late}"

    def __call__(self, schedule: Schedule) -> None:
        world = World(schedule, self.at, self.has_condition)
        answered: set[str] = set()
        for step in self.order:
            if step in {"alarm", "again"}:
                self._alarm(world, step)
            else:
                world.is_uploaded = True
                if self._message(world, step):
                    answered.add(step)
        before = {name for name, flow in world.flows.items() if flow.token}
        world.at = None
        world.begin_waits()
        if answered:
            assert not {name for name in before if world.flows[name].token}, "answered 200, and the wait goes on"
        if self.late is not None:

            def more() -> None:
                world.is_uploaded = True
                if self._message(world, "late"):
                    answered.add("late")

            world.meanwhile = (len(schedule.calls) + self.late, more)
        self._settle(world)
        self._check(world, answered)

    def _files(self, world: World) -> PendingFiles:
        return self.rows(lambda: cast("Any", world), PENDING, lambda: world.now)

    def _alarm(self, world: World, step: str) -> None:
        event = {
            "id": f"eye4-{step}",
            "data": {
                "account": "workshop",
                "recording_id": FILEID,
                "device": "VSTC1",
                "occurred_at": NOW.isoformat(),
                "received_at": NOW.isoformat(),
            },
        }
        for _ in range(9):  # the queue keeps it
            with suppress(Died, Unavailable, ClientError):
                start.start(event, "flow", cast("Any", world), self._files(world))
                return
        raise AssertionError("no flow was started")

    def _message(self, world: World, step: str) -> bool:
        """True if it was answered 200; the vendor sends it once more if not."""
        resources = Resources(self._files(world), self.flows(lambda: cast("Any", world), "flow"), _DAY)
        push = Push(method="POST", urls=(), headers={}, body=b"", received_at=world.now)
        for _ in range(2):
            with suppress(Died, Unavailable):
                payload: JsonValue = {"Key": FILEID, "region": step}
                opened = Opened(push, cast("Any", None), Verified("workshop", world.now), Unwrapped(payload))
                resources.respond(cast("Any", None), opened)
                return True
        return False

    def _settle(self, world: World) -> None:
        """The waits are over, and every flow goes on until it ends; it may start others."""
        while left := [flow for flow in world.flows.values() if not flow.ended]:
            for flow in left:
                flow.waited_out, flow.token = bool(flow.token), None
                world.now = max(world.now, flow.wanted.resolve_from)
                for _ in range(20):
                    try:
                        self._resolver(world).resolve(flow.wanted, world.now)
                    except (NotThereYet, MoreToCopy, Unavailable, Died):
                        continue
                    else:
                        flow.ended = True
                        break
                assert flow.ended, "the flow does not end"

    def _resolver(self, world: World) -> Resolver:
        class Api:
            def files(self, fileid: str, storage: Storage) -> list[Listed]:
                assert fileid
                assert storage
                return [Listed(url="http://files/1.h264", type="video")] if world.is_uploaded else []

        nothing = timedelta()
        return Resolver(
            api=lambda _: Api(),
            downloads=_Downloads(),
            pending=self._files(world),
            bucket=cast("Any", world.bucket),
            recorder=Gate(world.store, world.topics, FakeSpill(), Announce.INLINE, FakeMedia()),
            patience=Patience(before_missing=nothing, before_unreachable=nothing, retention=timedelta(days=30)),
            now=lambda: world.now,
            monotonic=lambda: 0.0,
            sleep=lambda _: None,
        )

    def _check(self, world: World, answered: set[str]) -> None:
        events = [record.body for record in world.store.records.values()]
        assert {record.body for record in world.topics.messages} == set(events)
        is_known = bool(answered) or any(step in {"alarm", "again"} for step in self.order)
        firsts = [body for body in events if '"corrects"' not in body]
        assert len(firsts) <= 1, "a recording ends in one event, and in corrections of it"
        assert bool(firsts) >= is_known, "an alarm or an answered message, and no event"
        reported = self._files(World(Schedule({}), table=world.table)).read(_KEY).reported
        if answered:
            assert reported is not None
            assert reported.kind == "available", "answered 200, and the film is not told of"
        if "alarm" in self.order:
            assert reported is not None
            assert reported.alarm_id is not None, "told of without its alarm"


_ORDERS: Final = (
    ("alarm", "message"),
    ("message", "alarm"),
    ("alarm",),
    ("message",),
    ("alarm", "message", "message"),
    ("message", "message", "alarm"),
    ("alarm", "again", "message"),
    ("alarm", "message", "again"),
    ("alarm", "message", "more"),
    ("message", "alarm", "more"),
)


@pytest.mark.parametrize("order", _ORDERS, ids=" ".join)
def test_each_recording_ends_in_one_event_whatever_comes_in_which_order_and_whoever_dies(
    order: tuple[str, ...],
) -> None:
    program = Program(order)
    assert sized(str(program), explore(program, 2)) > 200


@pytest.mark.parametrize("order", _ORDERS, ids=" ".join)
@pytest.mark.parametrize("at", range(6))
def test_the_wait_may_begin_in_the_middle_of_a_message(order: tuple[str, ...], at: int) -> None:
    program = Program(order, at)
    assert sized(str(program), explore(program, 1)) > 10


@pytest.mark.parametrize("order", [("alarm",), ("message",), ("alarm", "message")], ids=" ".join)
@pytest.mark.parametrize("late", range(10))
def test_a_message_may_come_in_the_middle_of_the_resolving(order: tuple[str, ...], late: int) -> None:
    program = Program(order, late=late)
    assert sized(str(program), explore(program, 1)) > 10


# ─── Sabotage ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class LooksFirst(PendingFiles):
    """Reads the row, and then writes it: between the two the wait may begin."""

    def arrived(self, recording: str, resource: Any) -> Row:
        row = self.read(recording)
        super().arrived(recording, resource)
        return row


class ForgetsMessages(PendingFiles):
    """Does not note that a message came."""

    def arrived(self, recording: str, resource: Any) -> Row:
        del resource
        return self.read(recording)


class TellsAnyhow(PendingFiles):
    """Notes what was told, whoever came meanwhile."""

    def _update(self, recording: str, *told: Any, **more: Any) -> dict[str, Any]:
        return super()._update(recording, *told, **{**more, "condition": None})


class WakesNobody(Flows):
    """Leaves the wait to its time."""

    def wake(self, token: str) -> None:
        assert token


@pytest.mark.parametrize(
    "program",
    [
        Program(("alarm", "message"), has_condition=False),
        Program(("alarm", "message"), rows=LooksFirst),
        Program(("message",), rows=ForgetsMessages),
        Program(("alarm", "message"), flows=WakesNobody),
        Program(("alarm",), rows=TellsAnyhow),
    ],
    ids=lambda program: f"{program.rows.__name__} {program.flows.__name__} {program.has_condition}",
)
def test_a_sabotage_is_found(program: Program) -> None:
    def explored() -> None:
        for place in (None, *range(10)):
            explore(replace(program, at=place), 1)
            explore(replace(program, late=place), 1)

    with pytest.raises(AssertionError, match="schedule"):
        explored()


# ─── Of the table itself: it does what DynamoDB does ──────────────────────────────────────────────────────────────────


def _written(files: PendingFiles) -> list[object]:
    copy = Picture(role="image", key="k")
    row = files.read(_KEY)
    steps: list[Callable[[], object]] = [
        lambda: files.arrived(_KEY, {"Key": "1"}),
        lambda: files.arrived(_KEY, {"Key": "2"}),
        lambda: files.taken(_KEY, "eye4-1"),
        lambda: files.taken(_KEY, "eye4-2"),
        lambda: files.count_attempt(_KEY, ["a"]),
        lambda: files.count_attempt(_KEY, ["b", "c"]),
        lambda: files.copied(_KEY, "n", copy),
        lambda: files.awaits_nothing("x/1", NOW),
        lambda: files.read(_KEY),
        lambda: files.read("x/1"),
    ]
    return [row, *(step() for step in steps)]


def test_the_table_is_as_motos(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        motos = _written(pending_files(aws.Aws(), lambda: NOW))
    table = Table("recording")
    assert _written(PendingFiles(lambda: cast("Any", table), PENDING, lambda: NOW)) == motos
