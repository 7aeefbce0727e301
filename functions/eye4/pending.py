"""The recordings that somebody waits for or that came before their alarm: one row each, which both sides write."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from functions.eye4 import wire
from gatehouse.errors import Unavailable
from gatehouse.events import Picture

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from pydantic import JsonValue

KEPT: Final = timedelta(days=35)
"""A row's life: longer than Eye4 keeps the files, and than an alarm can be late from our own queues."""
_COPY: Final = "copy "
_EXPIRES: Final = "expires_at = if_not_exists(expires_at, :expires_at)"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a recording so far."""

    arrived_at: datetime | None = None
    """When the resource message came."""
    resource: JsonValue = None
    """The message."""
    copies: dict[str, Picture] = field(default_factory=dict)
    """What is in the media bucket already, by its key there."""
    failed: frozenset[str] = frozenset()
    """The keys of files that an attempt could not copy."""


class PendingFiles:
    """The table. A row holds `recording` (the key), `task_token` (the wait's, written by the flow), `arrived_at` and
    `resource` (the resource message), `copy <key>` for each file copied, `attempts` that brought less than everything,
    the keys of files that `failed`, and `expires_at` for DynamoDB's TTL.
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def arrived(self, recording: str, resource: JsonValue) -> str | None:
        """Notes that the resource message of a recording came; once noted, the first one stays.

        Returns:
            the token of the wait for it, if one began.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        before = self._update(
            recording,
            "SET arrived_at = if_not_exists(arrived_at, :now), #resource = if_not_exists(#resource, :resource), "
            "expires_at = :expires_at",
            {"#resource": "resource"},  # a reserved word of DynamoDB's
            {
                ":now": {"S": self._now().isoformat()},
                ":resource": {"S": json.dumps(resource)},
                ":expires_at": self._expiry(),
            },
        )
        token: str | None = before.get("task_token", {}).get("S")
        return token

    def copied(self, recording: str, copy: Picture) -> None:
        """Notes that a copy is in the bucket, so that whoever goes on does not fetch it again.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        self._update(
            recording,
            f"SET #copy = :copy, {_EXPIRES}",
            {"#copy": f"{_COPY}{copy.key}"},
            {":copy": {"S": copy.model_dump_json(exclude_none=True)}, ":expires_at": self._expiry()},
        )

    def tried(self, recording: str, failed: Collection[str] = ()) -> int:
        """Notes that an attempt brought less than everything; returns how many have by now.

        Args:
            recording: the row.
            failed: the keys of the files that it could not copy.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        names = {"#attempts": "attempts"}
        values: dict[str, Any] = {":one": {"N": "1"}, ":expires_at": self._expiry()}
        expression = f"SET {_EXPIRES} ADD #attempts :one"
        if failed:
            expression += ", #failed :failed"
            names["#failed"] = "failed"
            values[":failed"] = {"SS": sorted(failed)}
        before = self._update(recording, expression, names, values)
        return int(before.get("attempts", {}).get("N", 0)) + 1

    def read(self, recording: str) -> Row:
        """What is known of a recording.

        Raises:
            Unavailable: DynamoDB did not answer.
        """
        try:
            answer = self._client().get_item(
                TableName=self._table, Key={"recording": {"S": recording}}, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"GetItem: {_named(error)}") from error
        item = answer.get("Item", {})
        return Row(
            arrived_at=datetime.fromisoformat(item["arrived_at"]["S"]) if "arrived_at" in item else None,
            resource=json.loads(item["resource"]["S"]) if "resource" in item else None,
            copies={
                name.removeprefix(_COPY): Picture.model_validate_json(value["S"])
                for name, value in item.items()
                if name.startswith(_COPY)
            },
            failed=frozenset(item["failed"]["SS"]) if "failed" in item else frozenset(),
        )

    def _expiry(self) -> dict[str, str]:
        return {"N": str(int((self._now() + KEPT).timestamp()))}

    def _update(self, recording: str, expression: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
        """Updates a row; returns what it was."""
        try:
            answer = self._client().update_item(
                TableName=self._table,
                Key={"recording": {"S": recording}},
                UpdateExpression=expression,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_OLD",
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"UpdateItem: {_named(error)}") from error
        return dict(answer.get("Attributes", {}))


def key(account: str, recording_id: str) -> str:
    """The key of a recording's row: no customer's message reaches another's recording."""
    return f"{quote(account, safe='')}/{recording_id}"


def keys(account: str, resource: JsonValue) -> list[str]:
    """The keys of the rows that a resource message may be about."""
    return [key(account, found) for found in wire.recording_ids(resource)]


def _named(error: ClientError | BotoCoreError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
