"""Up to when everything that a server sent is recorded, and where that is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from gatehouse.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Watermarks(Protocol):
    """Where the watermarks are kept."""

    def read(self, server: str) -> datetime | None:
        """Up to when everything is recorded; None if nobody has listened yet. Raises `Unavailable`."""

    def advance(self, server: str, mark: datetime) -> None:
        """Moves a watermark on, never back. Raises `Unavailable`."""


class WatermarksTable:
    """The watermarks in DynamoDB: an item has `server` (the key) and `mark`, ISO 8601 in UTC with microseconds."""

    def __init__(self, client: Callable[[], DynamoDBClient], table: str) -> None:
        self._client = client
        self._table = table

    def read(self, server: str) -> datetime | None:
        """See `Watermarks`."""
        try:
            answer = self._client().get_item(TableName=self._table, Key={"server": {"S": server}}, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"GetItem: {type(error).__name__}") from error
        item = answer.get("Item")
        return datetime.fromisoformat(item["mark"]["S"]) if item else None

    def advance(self, server: str, mark: datetime) -> None:
        """See `Watermarks`; of two tasks, the one that knows more says it."""
        text = mark.isoformat(timespec="microseconds")  # of one length, so that text compares as time does
        try:
            self._client().put_item(
                TableName=self._table,
                Item={"server": {"S": server}, "mark": {"S": text}},
                ConditionExpression="attribute_not_exists(mark) OR mark < :mark",
                ExpressionAttributeValues={":mark": {"S": text}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise Unavailable(f"PutItem: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise Unavailable(f"PutItem: {type(error).__name__}") from error


class Progress:
    """What of a server's messages is in hand, and so up to when all of them are recorded.

    Times are the server's own, since its record list is asked by them: that of the newest record, but none later than
    when it came, for the sake of clocks that are ahead.
    """

    def __init__(self, mark: datetime | None = None) -> None:
        """Begins where somebody left off, with a gap; with None, where nobody has listened before."""
        self._lock = threading.Lock()
        self._newest = mark
        self._in_hand: dict[object, datetime] = {}
        self._gaps = {} if mark is None else {0: mark}
        self._losses = 0

    @property
    def mark(self) -> datetime | None:
        """Up to when everything is recorded; None before the first connection."""
        with self._lock:
            return None if self._newest is None else min([self._newest, *self._in_hand.values(), *self._gaps.values()])

    @property
    def gap(self) -> tuple[int, datetime] | None:
        """What is to be filled: the number of the last gap, and since when messages may be missing in any."""
        with self._lock:
            return (max(self._gaps), min(self._gaps.values())) if self._gaps else None

    def connected(self, now: datetime) -> None:
        """There is a connection. If nobody has listened before, what was before now is nobody's."""
        with self._lock:
            self._newest = self._newest or now

    def disconnected(self) -> None:
        """From now on messages are missed: the mark stays where it is until they were fetched."""
        with self._lock:
            self._losses += 1
            if self._newest is not None:
                self._gaps[self._losses] = min([self._newest, *self._in_hand.values()])

    def filled(self, gap: int, upto: datetime) -> None:
        """What was missed in a gap, and in those before it, is recorded; one that opened meanwhile stays open.

        Args:
            gap: its number.
            upto: the time of the newest that was fetched; where nothing could be fetched, up to when the book says so.
        """
        with self._lock:
            self._gaps = {number: since for number, since in self._gaps.items() if number > gap}
            self._newest = upto if self._newest is None else max(upto, self._newest)

    def begin(self, at: datetime | None) -> object:
        """A message is in hand; returns what `end` is to be told when it is recorded.

        Args:
            at: its time by the server's clock; a message that does not tell moves nothing.
        """
        ticket = object()
        with self._lock:
            known = at or self._newest
            if known is not None:
                self._in_hand[ticket] = known
        return ticket

    def end(self, ticket: object) -> None:
        """A message is recorded. What is no ticket, as that of a record that was fetched, changes nothing."""
        with self._lock:
            at = self._in_hand.pop(ticket, None)
            if at is not None:
                self._newest = at if self._newest is None else max(at, self._newest)
