"""The fakes of the ports, and of what stands around the gate: in memory, and failing when told to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Barrier, Lock

from botocore.exceptions import ClientError, ReadTimeoutError

from gatehouse.errors import NotKept, Unavailable
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.spill import Step


class Killed(BaseException):
    """The process dies here: nothing of ours may catch it."""


@dataclass
class FakeStore:
    """The events table in memory."""

    records: dict[str, Record] = field(default_factory=dict)
    announce: dict[str, str] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    down: bool = False
    die_on_mark: bool = False

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        if self.down:
            raise Unavailable("fake")
        if record.id in self.records:
            return self.records[record.id].deciding
        self.records[record.id] = record
        self.announce[record.id] = announce
        return None

    def mark_published(self, record_id: str) -> None:
        if self.die_on_mark:
            raise Killed
        if self.down:
            raise Unavailable("fake")
        self.published.add(record_id)

    def pending(self, ids: Sequence[str]) -> set[str]:
        if self.down:
            raise Unavailable("fake")
        return {record_id for record_id in ids if record_id in self.records} - self.published

    def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
        """All that is pending: this table knows no ages."""
        del before, first
        if self.down:
            raise Unavailable("fake")
        left = [record for record_id, record in self.records.items() if record_id not in self.published]
        yield from (left[start : start + 100] for start in range(0, len(left), 100))


@dataclass
class FakeTopics:
    """The subscribers in memory."""

    messages: list[Record] = field(default_factory=list)
    down: bool = False
    die: bool = False

    def publish(self, record: Record) -> None:
        if self.die:
            raise Killed
        if self.down:
            raise Unavailable("fake")
        self.messages.append(record)

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        if self.down:
            return set()
        self.messages.extend(records)
        return {record.id for record in records}


@dataclass
class FakeSpill:
    """The spill queue in memory."""

    messages: list[tuple[Record, Step]] = field(default_factory=list)
    pictures: list[Upload] = field(default_factory=list)
    down: bool = False

    def send(self, record: Record, step: Step) -> None:
        if self.down:
            raise NotKept("fake")
        self.messages.append((record, step))

    def send_picture(self, upload: Upload) -> None:
        if self.down or not upload.may_spill:
            raise NotKept("fake")
        self.pictures.append(upload)


@dataclass
class FakeMedia:
    """The media bucket in memory."""

    bucket: str = "media"
    pictures: dict[str, Upload] = field(default_factory=dict)
    down: bool = False

    def put(self, upload: Upload) -> None:
        if self.down:
            raise Unavailable("fake")
        self.pictures[upload.key] = upload


@dataclass
class FakeAccounts[A]:
    """A vendor's secret in memory; `rotated` is what a fresh read would find."""

    known: A
    rotated: A | None = None

    def accounts(self) -> A:
        return self.known

    def newer(self) -> A | None:
        if self.rotated is not None:
            self.known, self.rotated = self.rotated, None
            return self.known
        return None


@dataclass
class FakeStates:
    """Step Functions in memory: which waits were ended, and which executions were started with what."""

    ended: list[str] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    """The code of the error that every call ends with; `hangs` for an answer that does not come."""

    def send_task_success(self, *, taskToken: str, output: str) -> dict[str, str]:  # noqa: N803 - botocore's names
        assert output
        self._fail("SendTaskSuccess")
        self.ended.append(taskToken)
        return {}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: A002, N803
        self._fail("StartExecution")
        if name in self.started:
            raise _error("ExecutionAlreadyExists", "StartExecution")
        self.started[name] = input
        return {"executionArn": f"{stateMachineArn}:{name}"}

    def _fail(self, operation: str) -> None:
        if self.error == "hangs":
            raise ReadTimeoutError(endpoint_url="https://states.example.com")
        if self.error:
            raise _error(self.error, operation)


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as told"}}, operation)


@dataclass
class SharedStore(FakeStore):
    """An events table that waits for all its callers, and then takes one of them at a time, as DynamoDB does."""

    barrier: Barrier = field(kw_only=True)
    lock: Lock = field(default_factory=Lock)

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self.barrier.wait()
        with self.lock:
            return super().record(record, announce)


@dataclass
class UnmarkableStore(FakeStore):
    """An events table that takes records and no marks."""

    def mark_published(self, record_id: str) -> None:
        raise Unavailable(record_id)


@dataclass
class FakeRows[R]:
    """Rows in memory, which are written only in place of what was read."""

    rows: dict[str, R] = field(default_factory=dict)
    down: bool = False
    sealed: bool = False
    """True where rows can be read and not written."""
    lock: Lock = field(default_factory=Lock)

    def read(self, key: str) -> R | None:
        if self.down:
            raise Unavailable("fake")
        return self.rows.get(key)

    def write(self, key: str, row: R, was: R | None) -> bool:
        if self.down or self.sealed:
            raise Unavailable("fake")
        with self.lock:
            if self.rows.get(key) != was:
                return False
            self.rows[key] = row
        return True
