"""Where an event goes that the table or a topic does not take: a queue, from which it is sent the same way again."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gatehouse.errors import NotKept
from gatehouse.events import Record
from gatehouse.media import Upload

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


_MAX_BYTES = 1_048_576 - 4_096  # what SQS takes, less the attributes


class Step(StrEnum):
    """From which step on a spilled event has to go the way again."""

    RECORD = "record"
    PUBLISH = "publish"
    PICTURE = "picture"


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
        self._send(record.body, step=step, deciding=json.dumps(record.deciding))

    def send_picture(self, upload: Upload) -> None:
        """Keeps a picture for later, as base64.

        Raises:
            NotKept: it may not wait there, or SQS did not take it; it takes 1 MiB
                (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
        """
        if not upload.may_spill:
            raise NotKept("what could not be read waits in no queue")
        body = base64.b64encode(upload.data).decode()
        if len(body) > _MAX_BYTES:
            raise NotKept(f"SendMessage: a picture of {len(upload.data)} bytes")
        self._send(body, step=Step.PICTURE, key=upload.key, content_type=upload.content_type)

    def _send(self, body: str, **attributes: str) -> None:
        try:
            self._client().send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise NotKept(f"SendMessage: {type(error).__name__}") from error


def event(body: str, deciding: str) -> Record:
    """The event in a message of `send`.

    Raises:
        ValueError: it is not one.
    """
    words = json.loads(deciding)
    if not isinstance(words, dict):
        raise ValueError("none of our messages: deciding is no object")  # noqa: TRY004 - one kind of error
    return Record(body, {str(path): str(word) for path, word in words.items()})


def picture(body: str, key: str, content_type: str) -> Upload:
    """The picture in a message of `send_picture`.

    Raises:
        ValueError: it is not one.
    """
    data = base64.b64decode(body, validate=True)
    return Upload(key, data, hashlib.sha256(data).digest(), content_type)
