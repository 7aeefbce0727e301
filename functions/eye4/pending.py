"""The recordings that somebody waits for or that came before their alarm: one row each, which both sides write."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from gatehouse import aws
from gatehouse.errors import GatehouseError
from gatehouse.events import Picture
from gatehouse.vocabulary import MediaStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from pydantic import JsonValue

KEPT: Final = timedelta(days=35)
"""A row's life: longer than Eye4 keeps the files, and than an alarm can be late from our own queues."""
_COPY: Final = "copy "
_EXPIRES: Final = "expires_at = if_not_exists(expires_at, :expires_at)"


class Changed(GatehouseError):
    """The row is not as it was read: somebody else wrote what decides."""


class Told(BaseModel):
    """What a `media` event said of a recording, so that what comes later is told only where it is more."""

    model_config = ConfigDict(frozen=True)

    event: str
    """Its id."""
    kind: MediaStatus
    copies: tuple[str, ...] = ()
    """What was copied, by the beginnings of the files' SHA-256, sorted."""
    alarm_id: str | None = None
    messages: tuple[str, ...] = ()
    """The resource messages that had come by then, by their digests, sorted."""
    wanted: str
    """The input of the flow, for the one that looks again."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a recording so far."""

    arrived_at: datetime | None = None
    """When the resource message came."""
    resource: JsonValue = None
    """The message."""
    copies: dict[str, Picture] = field(default_factory=dict)
    """What is in the media bucket already, by the file's name; its key there is that of the try that brought it."""
    failed: frozenset[str] = frozenset()
    """The names of files that an attempt could not copy."""
    token: str | None = None
    """Of the wait for the resource message, if one began."""
    alarm_id: str | None = None
    """The alarm whose flow is at it, or was."""
    messages: frozenset[str] = frozenset()
    """The resource messages that came, by their digests."""
    told: Told | None = None
    """What was said of it last."""

    @property
    def is_known(self) -> bool:
        """Whether an alarm's flow waits, is at it, or was."""
        return bool(self.token or self.alarm_id or self.told)


class PendingFiles:
    """The table. A row holds `recording` (the key), `task_token` (the wait's, written by the flow), `arrived_at` and
    `resource` (the first resource message), the digests of all `messages`, the `alarm_id` whose flow resolves it,
    `copy <name>` for each file copied, `attempts` that brought less than everything, the names of files that `failed`,
    what was `told`, and `expires_at` for DynamoDB's TTL.
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def arrived(self, recording: str, resource: JsonValue) -> Row:
        """Notes that a resource message of a recording came; once noted, the first one stays.

        Returns:
            the row as it was before.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        return _row(
            self._update(
                recording,
                "SET arrived_at = if_not_exists(arrived_at, :now), #resource = if_not_exists(#resource, :resource), "
                "expires_at = :expires_at ADD messages :message",
                {"#resource": "resource"},  # a reserved word of DynamoDB's
                {
                    ":now": {"S": self._now().isoformat()},
                    ":resource": {"S": json.dumps(resource)},
                    ":message": {"SS": [digest(resource)]},
                    ":expires_at": self._expiry(),
                },
            )
        )

    def awaits_nothing(self, recording: str, since: datetime) -> None:
        """Notes that no resource message will come, so that no wait for it begins.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        self._update(
            recording,
            f"SET arrived_at = if_not_exists(arrived_at, :since), {_EXPIRES}",
            {},
            {":since": {"S": since.isoformat()}, ":expires_at": self._expiry()},
        )

    def taken(self, recording: str, alarm_id: str) -> Row:
        """Notes that an alarm's flow is at it; of several alarms the first one stays.

        Returns:
            the row as it is then.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        return _row(
            self._update(
                recording,
                f"SET alarm_id = if_not_exists(alarm_id, :alarm_id), {_EXPIRES}",
                {},
                {":alarm_id": {"S": alarm_id}, ":expires_at": self._expiry()},
                returned="ALL_NEW",
            )
        )

    def tell(self, recording: str, told: Told, row: Row) -> None:
        """Notes what is said of a recording, unless a message or an alarm came since the row was read.

        Raises:
            Changed: one did, or something else was told.
            Unavailable: DynamoDB did not take it.
        """
        names, values = {"#told": "told"}, {":told": _text(told), ":expires_at": self._expiry()}
        conditions = ["attribute_not_exists(messages)", "attribute_not_exists(#told)"]
        if row.messages:
            conditions[0] = "size(messages) = :messages"
            values[":messages"] = {"N": str(len(row.messages))}
        if row.told is not None:
            conditions[1] = "#told = :before"
            values[":before"] = _text(row.told)
        if row.alarm_id is None:
            conditions.append("attribute_not_exists(alarm_id)")
        self._update(recording, f"SET #told = :told, {_EXPIRES}", names, values, condition=" AND ".join(conditions))

    def copied(self, recording: str, name: str, copy: Picture) -> None:
        """Notes that a copy is in the bucket, so that whoever goes on does not fetch it again.

        Args:
            recording: the row.
            name: of the file, the same for each attempt.
            copy: where it is.

        Raises:
            Unavailable: DynamoDB did not take it.
        """
        self._update(
            recording,
            f"SET #copy = :copy, {_EXPIRES}",
            {"#copy": f"{_COPY}{name}"},
            {":copy": {"S": copy.model_dump_json(exclude_none=True)}, ":expires_at": self._expiry()},
        )

    def count_attempt(self, recording: str, failed: Collection[str] = ()) -> int:
        """Notes that an attempt brought less than everything; returns how many have by now.

        Args:
            recording: the row.
            failed: the names of the files that it could not copy.

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
        with aws.calling("GetItem"):
            answer = self._client().get_item(
                TableName=self._table, Key={"recording": {"S": recording}}, ConsistentRead=True
            )
        return _row(answer.get("Item", {}))

    def _expiry(self) -> dict[str, str]:
        return {"N": str(int((self._now() + KEPT).timestamp()))}

    def _update(
        self,
        recording: str,
        expression: str,
        names: dict[str, str],
        values: dict[str, Any],
        *,
        returned: Literal["ALL_OLD", "ALL_NEW"] = "ALL_OLD",
        condition: str | None = None,
    ) -> dict[str, Any]:
        """Updates a row; returns what it was, or what it is.

        Raises:
            Changed: the condition is not met.
            Unavailable: DynamoDB did not take it.
        """
        more: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        if condition is not None:
            more["ConditionExpression"] = condition
        with aws.calling("UpdateItem"):
            try:
                answer = self._client().update_item(
                    TableName=self._table,
                    Key={"recording": {"S": recording}},
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues=returned,
                    **more,
                )
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise
                raise Changed("another wrote the row meanwhile") from None
        return dict(answer.get("Attributes", {}))


def _row(item: Mapping[str, Any]) -> Row:
    """A row from what DynamoDB has of it; nothing is known where there is none."""
    return Row(
        arrived_at=datetime.fromisoformat(item["arrived_at"]["S"]) if "arrived_at" in item else None,
        resource=json.loads(item["resource"]["S"]) if "resource" in item else None,
        copies={
            name.removeprefix(_COPY): Picture.model_validate_json(value["S"])
            for name, value in item.items()
            if name.startswith(_COPY)
        },
        failed=frozenset(item["failed"]["SS"]) if "failed" in item else frozenset(),
        token=item.get("task_token", {}).get("S"),
        alarm_id=item.get("alarm_id", {}).get("S"),
        messages=frozenset(item["messages"]["SS"]) if "messages" in item else frozenset(),
        told=Told.model_validate_json(item["told"]["S"]) if "told" in item else None,
    )


def _text(told: Told) -> dict[str, str]:
    return {"S": told.model_dump_json(exclude_none=True)}


def digest(resource: JsonValue) -> str:
    """By what two resource messages of a recording are told apart."""
    return sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()[:16]


def key(account: str, recording_id: str) -> str:
    """The key of a recording's row: no customer's message reaches another's recording."""
    return f"{quote(account, safe='')}/{recording_id}"


def cover_key(alarm_id: str) -> str:
    """The key of the row of an alarm's cover. No customer's name has a blank in a key, so no recording has this one."""
    return f"cover of/{alarm_id}"
