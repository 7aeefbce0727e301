"""The announcement: one SNS topic a type of event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gatehouse import aws
from gatehouse.errors import Unavailable
from gatehouse.record import Record
from gatehouse.vocabulary import LIVE, Arrival, Topic

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html: ten messages, 262,144 bytes all together.
_BATCH = 10
_BATCH_BYTES = 262_144
_ARRIVAL = "arrival"
_LONGEST = max(Arrival, key=len)


class SnsTopics:
    """The `Topics` port on SNS."""

    def __init__(
        self,
        client: SNSClient,
        arns: Mapping[Topic, str],
        live: timedelta = LIVE,
        *,
        always: Arrival | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """The topics.

        Args:
            client: of SNS.
            arns: of the topics.
            live: age up to which an event counts as `live`.
            always: freshness of every message whatever its age, for a function that announces events which have waited.
            now: a clock.
        """
        self._client = client
        self._arns = arns
        self._live = live
        self._always = always
        self._now = now

    def publish(self, record: Record) -> None:
        """Announces a record on the topic of its type.

        Raises:
            Unavailable: SNS did not confirm the message. After a time-out it may have sent it.
        """
        with aws.calling("Publish"):
            self._client.publish(
                TopicArn=self._arns[record.topic], Message=record.body, MessageAttributes=self._attributes(record)
            )

    def publish_all(self, records: Sequence[Record]) -> set[str]:
        """Announces many records in as few calls as SNS allows.

        Returns:
            the ids of those that SNS took.
        """
        taken: set[str] = set()
        for topic in Topic:
            # The freshness is determined for each call: the one before may have taken its time.
            for batch in _batches([record for record in records if record.topic is topic]):
                with suppress(Unavailable), aws.calling("PublishBatch"):
                    answer = self._client.publish_batch(
                        TopicArn=self._arns[topic],
                        PublishBatchRequestEntries=[
                            {
                                "Id": str(position),
                                "Message": record.body,
                                "MessageAttributes": self._attributes(record),
                            }
                            for position, record in enumerate(batch)
                        ],
                    )
                    taken.update(batch[int(entry["Id"])].id for entry in answer.get("Successful", []))
        return taken

    def _attributes(self, record: Record) -> dict[str, MessageAttributeValueTypeDef]:
        arrival = self._always or record.arrival_at(self._now(), self._live)
        words = {**record.attributes, _ARRIVAL: arrival.value}
        return {name: {"DataType": "String", "StringValue": word} for name, word in words.items()}


def _attribute_bytes(record: Record) -> int:
    """Bytes of the attributes: names, types and values (https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html)."""
    words = {**record.attributes, _ARRIVAL: _LONGEST}
    return sum(len(name) + len("String") + len(word.encode()) for name, word in words.items())


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
