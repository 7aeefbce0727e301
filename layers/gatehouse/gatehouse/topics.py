"""The announcement: one SNS topic a type of event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gatehouse.errors import Unavailable
from gatehouse.events import Record, Topic

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html: ten messages, 262,144 bytes all together.
_BATCH = 10
_BATCH_BYTES = 262_144


class SnsTopics:
    """The `Topics` port on SNS."""

    def __init__(self, client: SNSClient, arns: Mapping[Topic, str]) -> None:
        self._client = client
        self._arns = arns

    def publish(self, record: Record) -> None:
        """Announces a record on the topic of its type.

        Raises:
            Unavailable: SNS did not take it. It may have: a time-out does not tell.
        """
        try:
            self._client.publish(
                TopicArn=self._arns[record.topic], Message=record.body, MessageAttributes=_attributes(record)
            )
        except ClientError as error:
            raise Unavailable(f"Publish: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise Unavailable(f"Publish: {type(error).__name__}") from error

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        """Announces many records in as few calls as SNS allows.

        Returns:
            the ids of those that SNS took.
        """
        taken: set[str] = set()
        for topic in Topic:
            for batch in _batches([record for record in records if record.topic is topic]):
                try:
                    answer = self._client.publish_batch(
                        TopicArn=self._arns[topic],
                        PublishBatchRequestEntries=[
                            {
                                "Id": str(position),
                                "Message": record.body,
                                "MessageAttributes": _attributes(record),
                            }
                            for position, record in enumerate(batch)
                        ],
                    )
                except (ClientError, BotoCoreError):
                    continue
                taken.update(batch[int(entry["Id"])].id for entry in answer.get("Successful", []))
        return taken


def _attributes(record: Record) -> dict[str, MessageAttributeValueTypeDef]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in record.attributes.items()}


def _attribute_bytes(record: Record) -> int:
    """Names, types and values count (https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html)."""
    return sum(len(name) + len("String") + len(value.encode()) for name, value in record.attributes.items())


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        own = record.size + _attribute_bytes(record)
        if batch and (len(batch) == _BATCH or size + own > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += own
    if batch:
        yield batch
