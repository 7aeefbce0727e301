"""Where an event goes that the table or a topic does not take: a queue, from which it is sent the same way again."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gatehouse.errors import NotKept
from gatehouse.events import Record

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Step(StrEnum):
    """From which step on a spilled event has to go the way again."""

    RECORD = "record"
    PUBLISH = "publish"


class SpillQueue:
    """The `Spill` port on SQS. A message's body is the event; its attribute `step` says where to go on."""

    def __init__(self, client: Callable[[], SQSClient], url: str) -> None:
        # A factory: hardly any invocation needs this client, and making one is a tenth of a cold start.
        self._client = client
        self._url = url

    def send(self, record: Record, step: Step) -> None:
        """Keeps an event for later.

        Raises:
            NotKept: SQS did not take it.
        """
        try:
            self._client().send_message(
                QueueUrl=self._url,
                MessageBody=record.body,
                MessageAttributes={"step": {"DataType": "String", "StringValue": step}},
            )
        except (ClientError, BotoCoreError) as error:
            raise NotKept(f"SendMessage: {type(error).__name__}") from error
