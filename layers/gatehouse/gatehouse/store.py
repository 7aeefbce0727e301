"""The events table, where one conditional put is the whole deduplication."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gatehouse import aws
from gatehouse.errors import TooOld, Unavailable
from gatehouse.events import ID_RULE
from gatehouse.record import Record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Keys = list[dict[str, AttributeValueTypeDef]]

FORGOTTEN = timedelta(minutes=15)
"""Age from which on no invocation works on a record any more: above the sum of the relay's longest window, grace and
patience."""
RESTORED = "restored"
"""The `announce` of a record that was copied in from a backup. The relay ignores it; the sweep announces it as
`redriven` if it was never announced."""
PENDING = "Pending"
"""The index of records that are not announced yet. It is sparse: marking a record as announced removes it."""
SHARDS = "0123456789abcdef"
"""The index's partition keys, the last digit of an id. A single partition would slow down every write of a burst."""
_BATCH = 100  # keys a BatchGetItem takes: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html


class Delivery(StrEnum):
    """State of a record's announcement."""

    PENDING = "pending"
    PUBLISHED = "published"


class EventsTable:
    """The `Store` port on DynamoDB.

    An item holds:
    - `id`, the key;
    - `event`, the JSON that is announced;
    - `delivery`, a `Delivery`;
    - `announce`, the mode in which it was written: a change of the setting in mid-flight loses and doubles nothing;
    - `deciding`, the words that tell it from another happening with the same id;
    - `id_rule`, the version of the rule that made the id;
    - `attempt`, a random id of the call that wrote it;
    - `by_device`, `by_hour` and `occurred_at`, the keys of two indexes;
    - `pending` until it is announced, and `recorded_at`, the keys of the third index;
    - `expires_at` in Unix seconds, for DynamoDB's TTL.
    """

    def __init__(self, client: DynamoDBClient, table: str, retention_days: int, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._retention = retention_days * 86_400
        self._now = now

    def record(self, record: Record, announce: str) -> dict[str, str] | None:
        """Writes an event once.

        Returns:
            None if it was new, else the deciding words of the one that was there.

        Raises:
            Unavailable: DynamoDB did not confirm the write. After a time-out it may have written.
            TooOld: the push arrived longer ago than records are kept.
        """
        now = self._now()
        if (now - record.received_at).total_seconds() > self._retention:
            raise TooOld(f"it arrived more than {self._retention // 86_400} days ago")
        # botocore retries by itself, and a first try that timed out may have written: the item is then our own.
        attempt = os.urandom(8).hex()
        item: dict[str, AttributeValueTypeDef] = {
            "id": {"S": record.id},
            "event": {"S": record.body},
            "delivery": {"S": Delivery.PENDING},
            "pending": {"S": record.id[-1]},
            "announce": {"S": announce},
            "by_hour": {"S": record.by_hour},
            "deciding": {"M": {path: {"S": word} for path, word in record.deciding.items()}},
            "id_rule": {"N": str(ID_RULE)},
            "occurred_at": {"S": record.time},
            "attempt": {"S": attempt},
            "recorded_at": {"S": now.isoformat()},
            "expires_at": {"N": str(int(now.timestamp()) + self._retention)},
        }
        if device := record.by_device:
            item["by_device"] = {"S": device}
        with aws.calling("PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise
                # ALL_OLD costs nothing: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
                there: dict[str, Any] = dict(error.response).get("Item", {})  # type: ignore[assignment]
                if there.get("attempt", {}).get("S") == attempt:
                    return None
                return {path: word["S"] for path, word in there.get("deciding", {}).get("M", {}).items()}
        return None

    def mark_published(self, record_id: str) -> None:
        """Marks a record as announced.

        Raises:
            Unavailable: DynamoDB did not confirm the write; the record is then announced once more.
        """
        with aws.calling("UpdateItem"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": record_id}},
                    UpdateExpression="SET delivery = :published, published_at = :now REMOVE pending",
                    # An item that has expired meanwhile must not be re-created with only these attributes.
                    ConditionExpression="attribute_exists(id)",
                    ExpressionAttributeValues={
                        ":published": {"S": Delivery.PUBLISHED},
                        ":now": {"S": self._now().isoformat()},
                    },
                )
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise

    def pending(self, ids: Iterable[str]) -> set[str]:
        """Returns those of the records that have not been announced.

        Raises:
            Unavailable: DynamoDB did not answer for all of them.
        """
        unique = list(dict.fromkeys(ids))
        pending: set[str] = set()
        for start in range(0, len(unique), _BATCH):
            keys: Keys = [{"id": {"S": record_id}} for record_id in unique[start : start + _BATCH]]
            while keys:
                answer, left = self._look(keys)
                pending |= answer
                if len(left) == len(keys):
                    raise Unavailable("BatchGetItem: no key was processed")
                keys = left
        return pending

    def forgotten(self, before: datetime, first: int = 0) -> Iterator[list[Record]]:
        """Yields the records that were written before a moment and have not been announced, up to 100 at a time.

        The time it takes depends on their number, not on that of all records.

        Args:
            before: the moment.
            first: number of the shard to begin with; a caller varies it, so that no shard always comes last.

        Raises:
            Unavailable: DynamoDB did not answer.
        """
        shards = SHARDS[first % len(SHARDS) :] + SHARDS[: first % len(SHARDS)]
        for shard in shards:
            for ids in self._waiting(shard, before):
                if records := self._unannounced(ids):
                    yield records

    def _waiting(self, shard: str, before: datetime) -> Iterator[list[str]]:
        """Yields the ids in the index. It is a moment behind the table, so the caller has to check them there."""
        start: dict[str, AttributeValueTypeDef] = {}
        while True:
            more: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
            with aws.calling("Query"):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=PENDING,
                    KeyConditionExpression="pending = :shard AND recorded_at < :before",
                    ExpressionAttributeValues={":shard": {"S": shard}, ":before": {"S": before.isoformat()}},
                    Limit=_BATCH,
                    **more,
                )
            if ids := [item["id"]["S"] for item in answer["Items"]]:
                yield ids
            start = answer.get("LastEvaluatedKey", {})
            if not start:
                return

    def _unannounced(self, ids: list[str]) -> list[Record]:
        keys: Keys = [{"id": {"S": record_id}} for record_id in ids]
        records: list[Record] = []
        while keys:
            items, left = self._items(keys, "id, delivery, event, deciding")
            records += [_record(item) for item in items if item["delivery"]["S"] == Delivery.PENDING]
            if len(left) == len(keys):
                raise Unavailable("BatchGetItem: no key was processed")
            keys = left
        return records

    def _look(self, keys: Keys) -> tuple[set[str], Keys]:
        """Returns the pending among some records, and the keys that DynamoDB left out: an answer has 16 MB at most."""
        items, left = self._items(keys, "id, delivery")
        return {item["id"]["S"] for item in items if item["delivery"]["S"] == Delivery.PENDING}, left

    def _items(self, keys: Keys, attributes: str) -> tuple[Keys, Keys]:
        with aws.calling("BatchGetItem"):
            answer = self._client.batch_get_item(
                # Consistent: a record that a stale read does not see yet would never be announced.
                RequestItems={self._table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": attributes}}
            )
        left = answer["UnprocessedKeys"].get(self._table)
        items: Keys = answer["Responses"].get(self._table, [])
        return items, [{"id": key["id"]} for key in left["Keys"]] if left else []


def _record(item: dict[str, Any]) -> Record:
    """The record of an item."""
    deciding = item.get("deciding", {}).get("M", {})
    return Record.parse(item["event"]["S"], {path: word["S"] for path, word in deciding.items()})
