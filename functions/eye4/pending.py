"""The rows of the recordings, one each: written by the handler of the two messages, and by the flow that resolves them.

A row exists for a recording that a flow waits for, and for one whose resource message came before its alarm.
"""

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
"""The life of a row: longer than Eye4 keeps the files, and longer than our own queues can delay an alarm."""
_COPY: Final = "copy "
_EXPIRES: Final = "expires_at = if_not_exists(expires_at, :expires_at)"


class Changed(GatehouseError):
    """The row has changed since it was read: another process wrote a field that matters."""


class Reported(BaseModel):
    """The content of a recording's last `media` event, so that a later one is published only if it adds something."""

    model_config = ConfigDict(frozen=True)

    event: str
    """The event's id."""
    kind: MediaStatus
    copies: tuple[str, ...] = ()
    """The files that were copied: the beginnings of their SHA-256, sorted."""
    alarm_id: str | None = None
    messages: tuple[str, ...] = ()
    """The resource messages that had come by then: their digests, sorted."""
    wanted: str
    """The input of the flow, for a later flow of the same recording."""


@dataclass(frozen=True, slots=True)
class Row:
    """The row of a recording."""

    arrived_at: datetime | None = None
    """The arrival of the resource message."""
    resource: JsonValue = None
    """The first resource message."""
    copies: dict[str, Picture] = field(default_factory=dict)
    """The copies in the media bucket, by the file's name. The key of a copy belongs to the try that made it."""
    failed: frozenset[str] = frozenset()
    """The names of files that an attempt could not copy."""
    token: str | None = None
    """The task token of the wait for the resource message, if one began."""
    alarm_id: str | None = None
    """The alarm whose flow resolves the recording, or has resolved it."""
    messages: frozenset[str] = frozenset()
    """The digests of the resource messages that came."""
    reported: Reported | None = None
    """The last `media` event of the recording."""

    @property
    def is_known(self) -> bool:
        """Tells whether an alarm's flow waits, is running, or has ended."""
        return bool(self.token or self.alarm_id or self.reported)


class PendingFiles:
    """The table of the rows.

    A row holds `recording` (the key), `task_token` (of the wait, written by the flow), `arrived_at` and `resource` (the
    first resource message), the digests of all `messages`, the `alarm_id` whose flow resolves it, `copy <name>` for
    each file copied, the number of incomplete `attempts`, the names of files that `failed`, the event that was
    `reported` last, and `expires_at` for DynamoDB's TTL.
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._now = now

    def arrived(self, recording: str, resource: JsonValue) -> Row:
        """Notes the arrival of a resource message of a recording; the row keeps the first one.

        Returns:
            the row before the update.

        Raises:
            Unavailable: DynamoDB did not accept it.
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
            Unavailable: DynamoDB did not accept it.
        """
        self._update(
            recording,
            f"SET arrived_at = if_not_exists(arrived_at, :since), {_EXPIRES}",
            {},
            {":since": {"S": since.isoformat()}, ":expires_at": self._expiry()},
        )

    def taken(self, recording: str, alarm_id: str) -> Row:
        """Notes the alarm whose flow resolves the recording; the row keeps the first one.

        Returns:
            the row after the update.

        Raises:
            Unavailable: DynamoDB did not accept it.
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

    def note_reported(self, recording: str, reported: Reported, row: Row) -> None:
        """Notes the event that is published next, unless a message or an alarm came since the row was read.

        Raises:
            Changed: one came, or another event was noted.
            Unavailable: DynamoDB did not accept it.
        """
        values = {":reported": _text(reported), ":expires_at": self._expiry()}
        conditions = ["attribute_not_exists(messages)", "attribute_not_exists(reported)"]
        if row.messages:
            conditions[0] = "size(messages) = :messages"
            values[":messages"] = {"N": str(len(row.messages))}
        if row.reported is not None:
            conditions[1] = "reported = :before"
            values[":before"] = _text(row.reported)
        if row.alarm_id is None:
            conditions.append("attribute_not_exists(alarm_id)")
        self._update(recording, f"SET reported = :reported, {_EXPIRES}", {}, values, condition=" AND ".join(conditions))

    def copied(self, recording: str, name: str, copy: Picture) -> None:
        """Notes a copy in the bucket, so that later attempts do not fetch the file again.

        Args:
            recording: the row's key.
            name: of the file, the same for each attempt.
            copy: its place in the bucket.

        Raises:
            Unavailable: DynamoDB did not accept it.
        """
        self._update(
            recording,
            f"SET #copy = :copy, {_EXPIRES}",
            {"#copy": f"{_COPY}{name}"},
            {":copy": {"S": copy.model_dump_json(exclude_none=True)}, ":expires_at": self._expiry()},
        )

    def count_attempt(self, recording: str, failed: Collection[str] = ()) -> int:
        """Counts an attempt that was incomplete; returns their number so far.

        Args:
            recording: the row's key.
            failed: the names of the files that it could not copy.

        Raises:
            Unavailable: DynamoDB did not accept it.
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
        """The row of a recording; an empty one if there is none.

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
        """Updates a row; returns its attributes from before, or from after with `ALL_NEW`.

        Raises:
            Changed: the condition is not met.
            Unavailable: DynamoDB did not accept it.
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
    """The row of a DynamoDB item; an empty one for an empty item."""
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
        reported=Reported.model_validate_json(item["reported"]["S"]) if "reported" in item else None,
    )


def _text(reported: Reported) -> dict[str, str]:
    return {"S": reported.model_dump_json(exclude_none=True)}


def digest(resource: JsonValue) -> str:
    """The digest that tells two resource messages of a recording apart."""
    return sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()[:16]


def key(account: str, recording_id: str) -> str:
    """The key of a recording's row. It has the account, so that one customer's message cannot reach another's row."""
    return f"{quote(account, safe='')}/{recording_id}"


def cover_key(alarm_id: str) -> str:
    """The key of the row of an alarm's cover. In other keys blanks are quoted, so no recording has this one."""
    return f"cover of/{alarm_id}"
