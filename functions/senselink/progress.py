"""Up to when everything that a server sent is recorded, and where that is written down."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from gatehouse import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_DAYS: Final = 7
"""For which the lateness of records is remembered."""
_LATEST: Final = timedelta(days=1)
"""The lateness that is reckoned with at most."""
_OWED: Final = "owed_"
"""How the attributes begin that say what a task has in hand; its own name follows."""
_ISO: Final = len("2026-07-01T12:00:00.000000+00:00")


@dataclass(frozen=True, slots=True)
class Written:
    """What is written down of a server."""

    mark: datetime
    """Up to when everything is recorded; it never goes back."""
    begun: datetime
    """The first mark: nothing from before it is ours."""
    owed: Mapping[str, str] = field(default_factory=dict)
    """What was in hand from before the mark, by task: a time, and a word that no other has."""
    late: Mapping[str, float] = field(default_factory=dict)
    """See `Lateness`."""
    lists: frozenset[int] = frozenset()
    """The kinds of record of which the server was seen to have a list."""

    @property
    def since(self) -> datetime:
        """From when on something may be missing."""
        return min([self.mark, *(datetime.fromisoformat(text[:_ISO]) for text in self.owed.values())])


class Watermarks(Protocol):
    """Where the watermarks are kept. Each call may raise `Unavailable`."""

    def read(self, server: str) -> Written | None:
        """What is written of a server; None if nobody has listened yet."""

    def begin(self, server: str, first: datetime) -> Written | None:
        """Writes the first mark; returns what is there if another task was first."""

    def advance(self, server: str, mark: datetime) -> None:
        """Moves a watermark on, never back."""

    def owe(self, server: str, task: str, since: datetime | None) -> None:
        """Says from when on a task has something in hand that is older than the mark; None if it has nothing more."""

    def settle(self, server: str, owed: Mapping[str, str]) -> None:
        """Takes away what tasks had in hand, unless they have said something else since."""

    def learn(self, server: str, late: Mapping[str, float], lists: Iterable[int]) -> None:
        """Writes how late records come, and which lists there are."""


class WatermarksTable:
    """The watermarks in DynamoDB, an item for each `server` (the key).

    Times are ISO 8601 in UTC with microseconds: of one length, so that text compares as time does.
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str) -> None:
        self._client = client
        self._table = table

    def read(self, server: str) -> Written | None:
        """See `Watermarks`."""
        with aws.calling("GetItem"):
            answer = self._client().get_item(TableName=self._table, Key={"server": {"S": server}}, ConsistentRead=True)
        item = answer.get("Item")
        if not item:
            return None
        return Written(
            mark=datetime.fromisoformat(item["mark"]["S"]),
            begun=datetime.fromisoformat(item["begun"]["S"]),
            owed={name: value["S"] for name, value in item.items() if name.startswith(_OWED)},
            late=json.loads(item["late"]["S"]) if "late" in item else {},
            lists=frozenset(int(kind) for kind in item["seen_lists"]["NS"]) if "seen_lists" in item else frozenset(),
        )

    def begin(self, server: str, first: datetime) -> Written | None:
        """See `Watermarks`."""
        written = self._update(
            server,
            UpdateExpression="SET mark = :first, begun = :first",
            ConditionExpression="attribute_not_exists(mark)",
            ExpressionAttributeValues={":first": {"S": _text(first)}},
        )
        return None if written else self.read(server)

    def advance(self, server: str, mark: datetime) -> None:
        """See `Watermarks`; of two tasks, the one that knows more says it."""
        self._update(
            server,
            UpdateExpression="SET mark = :mark, begun = if_not_exists(begun, :mark)",
            ConditionExpression="attribute_not_exists(mark) OR mark < :mark",
            ExpressionAttributeValues={":mark": {"S": _text(mark)}},
        )

    def owe(self, server: str, task: str, since: datetime | None) -> None:
        """See `Watermarks`."""
        name = {"#owed": f"{_OWED}{task}"}
        if since is None:
            self._update(server, UpdateExpression="REMOVE #owed", ExpressionAttributeNames=name)
            return
        said = {":since": {"S": f"{_text(since)} {uuid.uuid4().hex[:8]}"}}
        self._update(
            server,
            UpdateExpression="SET #owed = :since",
            ExpressionAttributeNames=name,
            ExpressionAttributeValues=said,
        )

    def settle(self, server: str, owed: Mapping[str, str]) -> None:
        """See `Watermarks`."""
        for name, text in owed.items():
            self._update(
                server,
                UpdateExpression="REMOVE #owed",
                ConditionExpression="#owed = :seen",
                ExpressionAttributeNames={"#owed": name},
                ExpressionAttributeValues={":seen": {"S": text}},
            )

    def learn(self, server: str, late: Mapping[str, float], lists: Iterable[int]) -> None:
        """See `Watermarks`."""
        told: dict[str, Any] = {":late": {"S": json.dumps(dict(late))}}
        expression = "SET late = :late"
        if kinds := [str(int(kind)) for kind in lists]:
            told[":lists"] = {"NS": kinds}
            expression += " ADD seen_lists :lists"
        self._update(server, UpdateExpression=expression, ExpressionAttributeValues=told)

    def _update(self, server: str, **how: Any) -> bool:
        """Changes an item; False if its condition does not hold."""
        with aws.calling("UpdateItem"):
            try:
                self._client().update_item(TableName=self._table, Key={"server": {"S": server}}, **how)
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise
                return False
        return True


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Lateness:
    """The lateness of a server's records: how far behind the newest one they come, at most, day by day for a week.

    A terminal whose clock is slow is late by as much with each record, and one that was cut off with some. What is
    fetched begins earlier by it.
    """

    def __init__(self, known: Mapping[str, float]) -> None:
        self._lock = threading.Lock()
        self._days = dict(known)

    def seen(self, late: timedelta, now: datetime) -> None:
        """A record came, so far behind the newest one."""
        seconds = round(min(late, _LATEST).total_seconds(), 3)
        day = f"{now:%Y-%m-%d}"
        with self._lock:
            # A tenth more is news: so the clock that drifts does not have it written with each record.
            if seconds > 0 and seconds > self._days.get(day, 0) * 1.1:
                self._days = {day: seconds, **{known: most for known, most in self._kept(now).items() if known != day}}

    def most(self, now: datetime) -> timedelta:
        """The largest of the week, and a tenth."""
        with self._lock:
            return min(timedelta(seconds=max(self._kept(now).values(), default=0) * 1.1), _LATEST)

    @property
    def days(self) -> dict[str, float]:
        """The same by day, as it is written down."""
        with self._lock:
            return dict(self._days)

    def _kept(self, now: datetime) -> dict[str, float]:
        oldest = f"{now - timedelta(days=_DAYS):%Y-%m-%d}"
        return {day: most for day, most in self._days.items() if day >= oldest}


class Progress:
    """What of a server's messages is in hand, and so up to when all of them are recorded.

    Times are the server's own, since its record list is asked by them: that of the newest record, but none later than
    when it came, for the sake of clocks that are ahead.
    """

    def __init__(self, mark: datetime, *, anew: bool = False, floor: Callable[[], datetime] | None = None) -> None:
        """Begins where somebody left off, with a gap; or anew, without one.

        Args:
            mark: since when something may be missing.
            anew: whether nothing is.
            floor: from when on what is fetched is ours. A record from before it moves nothing and holds nothing: so a
                clock that stands at zero does not have an archive fetched.
        """
        self._lock = threading.Lock()
        self._floor = floor
        self._newest = mark
        self._heard = mark
        self._in_hand: dict[object, datetime] = {}
        self._gaps = {} if anew else {0: mark}
        self._losses = 0

    @property
    def mark(self) -> datetime:
        """Up to when everything is recorded. It goes back when something comes that is older."""
        with self._lock:
            return min([self._newest, *self._in_hand.values(), *self._gaps.values()])

    @property
    def gap(self) -> tuple[int, datetime] | None:
        """What is to be filled: the number of the last gap, and since when messages may be missing in any."""
        with self._lock:
            if not self._gaps:
                return None
            number, since = max(self._gaps), min(self._gaps.values())
        return number, since if self._floor is None else max(since, self._floor())

    def disconnected(self) -> None:
        """From now on messages are missed: the mark stays where it is until they were fetched."""
        with self._lock:
            self._losses += 1
            self._gaps[self._losses] = min([self._newest, *self._in_hand.values()])

    def filled(self, gap: int, upto: datetime) -> None:
        """What was missed in a gap, and in those before it, is recorded; one that opened meanwhile stays open.

        Args:
            gap: its number.
            upto: the time of the newest that was fetched; where nothing could be fetched, up to when the book says so.
        """
        with self._lock:
            self._gaps = {number: since for number, since in self._gaps.items() if number > gap}
            self._newest = max(upto, self._newest)

    def ours(self, at: datetime | None) -> datetime | None:
        """A record's time; None if it is from before all that is ours, as that of a clock at zero."""
        return None if at is None or (self._floor is not None and at < self._floor()) else at

    def begin(self, at: datetime | None) -> object:
        """A message is in hand; returns what `end` is to be told when it is recorded.

        Args:
            at: its time by the server's clock; a message that does not tell moves nothing.
        """
        ticket = object()
        at = self.ours(at)
        with self._lock:
            self._in_hand[ticket] = at or self._newest
            self._heard = max(self._heard, at or self._heard)
        return ticket

    def behind(self, at: datetime) -> timedelta:
        """How far a message's time is behind the newest that was heard, or fetched."""
        with self._lock:
            return max(self._newest, self._heard) - at

    def end(self, ticket: object) -> None:
        """A message is recorded. What is no ticket, as that of a record that was fetched, changes nothing."""
        with self._lock:
            at = self._in_hand.pop(ticket, None)
            if at is not None:
                self._newest = max(at, self._newest)
