"""The watermark of each server: the time up to which all its messages are recorded, and the table that keeps it."""

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
"""Days for which the lateness of records is remembered."""
_LATEST: Final = timedelta(days=1)
"""The largest lateness that is taken into account."""
_OWED: Final = "owed_"
"""Prefix of the attributes with the messages that a task has in hand; the task's own name follows."""
_ISO: Final = len("2026-07-01T12:00:00.000000+00:00")


@dataclass(frozen=True, slots=True)
class Written:
    """The row of a server."""

    mark: datetime
    """The time up to which everything is recorded; it never goes back."""
    begun: datetime
    """The first mark. Records from before it are not fetched."""
    owed: Mapping[str, str] = field(default_factory=dict)
    """Messages in hand from before the mark, by task: the oldest time, and a random token that is never reused."""
    late: Mapping[str, float] = field(default_factory=dict)
    """See `Lateness`."""
    lists: frozenset[int] = frozenset()
    """The kinds of message of which the server was seen to have a list."""

    @property
    def since(self) -> datetime:
        """The time from which messages may be missing."""
        return min([self.mark, *(datetime.fromisoformat(text[:_ISO]) for text in self.owed.values())])


class Watermarks(Protocol):
    """The store of the watermarks. Each call may raise `Unavailable`."""

    def read(self, server: str) -> Written | None:
        """The row of a server; None before the first connection."""

    def begin(self, server: str, first: datetime) -> Written | None:
        """Writes the first mark; returns the present row if another task was first."""

    def advance(self, server: str, mark: datetime) -> None:
        """Moves a watermark on, never back."""

    def owe(self, server: str, task: str, since: datetime | None) -> None:
        """Writes the time of the oldest message that a task has in hand from before the mark; None removes it."""

    def settle(self, server: str, owed: Mapping[str, str]) -> None:
        """Removes these entries of tasks, except those that were written anew since."""

    def learn(self, server: str, late: Mapping[str, float], lists: Iterable[int]) -> None:
        """Writes the lateness of records, and the kinds of list that were seen."""


class WatermarksTable:
    """The watermarks in DynamoDB, an item for each `server` (the key).

    Times are ISO 8601 in UTC with microseconds. All have the same length, so they compare as text.
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
        """See `Watermarks`; of two tasks, the later mark wins."""
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
        values = {":since": {"S": f"{_text(since)} {uuid.uuid4().hex[:8]}"}}
        self._update(
            server,
            UpdateExpression="SET #owed = :since",
            ExpressionAttributeNames=name,
            ExpressionAttributeValues=values,
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
        values: dict[str, Any] = {":late": {"S": json.dumps(dict(late))}}
        expression = "SET late = :late"
        if kinds := [str(int(kind)) for kind in lists]:
            values[":lists"] = {"NS": kinds}
            expression += " ADD seen_lists :lists"
        self._update(server, UpdateExpression=expression, ExpressionAttributeValues=values)

    def _update(self, server: str, **update: Any) -> bool:
        """Changes an item; False if its condition does not hold."""
        with aws.calling("UpdateItem"):
            try:
                self._client().update_item(TableName=self._table, Key={"server": {"S": server}}, **update)
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise
                return False
        return True


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Lateness:
    """The lateness of a server's records: their largest distance behind the newest one, for each day of a week.

    A terminal with a slow clock is late with each record; one that was offline is late with some. Fetching begins
    earlier by this lateness.
    """

    def __init__(self, days: Mapping[str, float]) -> None:
        self._lock = threading.Lock()
        self._days = dict(days)

    def seen(self, late: timedelta, now: datetime) -> None:
        """Notes a record that came so far behind the newest one."""
        seconds = round(min(late, _LATEST).total_seconds(), 3)
        day = f"{now:%Y-%m-%d}"
        with self._lock:
            # Only an increase by a tenth counts, so that a drifting clock does not cause a write with each record.
            if seconds > 0 and seconds > self._days.get(day, 0) * 1.1:
                self._days = {day: seconds, **{other: most for other, most in self._kept(now).items() if other != day}}

    def most(self, now: datetime) -> timedelta:
        """The largest lateness of the week, plus a tenth."""
        with self._lock:
            return min(timedelta(seconds=max(self._kept(now).values(), default=0) * 1.1), _LATEST)

    @property
    def days(self) -> dict[str, float]:
        """The lateness by day, for writing down."""
        with self._lock:
            return dict(self._days)

    def _kept(self, now: datetime) -> dict[str, float]:
        oldest = f"{now - timedelta(days=_DAYS):%Y-%m-%d}"
        return {day: most for day, most in self._days.items() if day >= oldest}


class Progress:
    """The messages of a server that are in hand, and thereby the time up to which all are recorded.

    Times are the server's own, since its record list is queried by them. A record's time counts as no later than its
    arrival, because some clocks are ahead.
    """

    def __init__(self, mark: datetime, *, anew: bool = False, floor: Callable[[], datetime] | None = None) -> None:
        """Continues after an earlier task, with a gap; or begins anew, without one.

        Args:
            mark: the time from which messages may be missing.
            anew: begins without a gap.
            floor: returns the time before which no record is fetched. An older record does not change the mark, so
                that a device whose clock stands at zero does not cause a whole archive to be fetched.
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
        """The time up to which everything is recorded. It goes back when an older message comes."""
        with self._lock:
            return min([self._newest, *self._in_hand.values(), *self._gaps.values()])

    @property
    def gap(self) -> tuple[int, datetime] | None:
        """The gaps that are open: the number of the last one, and the beginning of the first one; None without any."""
        with self._lock:
            if not self._gaps:
                return None
            number, since = max(self._gaps), min(self._gaps.values())
        return number, since if self._floor is None else max(since, self._floor())

    def disconnected(self) -> None:
        """Opens a gap: from now on messages are missed, and the mark stays until they are fetched."""
        with self._lock:
            self._losses += 1
            self._gaps[self._losses] = min([self._newest, *self._in_hand.values()])

    def filled(self, gap: int, upto: datetime) -> None:
        """Closes a gap, and those before it; one that opened meanwhile stays open.

        Args:
            gap: its number.
            upto: the time of the newest record that was fetched; if nothing could be fetched, the end time given in
                the gap notice.
        """
        with self._lock:
            self._gaps = {number: since for number, since in self._gaps.items() if number > gap}
            self._newest = max(upto, self._newest)

    def ours(self, at: datetime | None) -> datetime | None:
        """A record's time; None if it is before the floor, such as the time of a clock at zero."""
        return None if at is None or (self._floor is not None and at < self._floor()) else at

    def begin(self, at: datetime | None) -> object:
        """Notes that a message is in hand; returns its ticket for `end`.

        Args:
            at: its time by the server's clock; a message without one does not move the mark.
        """
        ticket = object()
        at = self.ours(at)
        with self._lock:
            self._in_hand[ticket] = at or self._newest
            self._heard = max(self._heard, at or self._heard)
        return ticket

    def behind(self, at: datetime) -> timedelta:
        """The distance of a message's time behind the newest message that was heard or fetched."""
        with self._lock:
            return max(self._newest, self._heard) - at

    def end(self, ticket: object) -> None:
        """Notes that a message is recorded. Unknown tickets are ignored."""
        with self._lock:
            at = self._in_hand.pop(ticket, None)
            if at is not None:
                self._newest = max(at, self._newest)
