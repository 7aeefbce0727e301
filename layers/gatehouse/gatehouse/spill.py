"""The spill queue: it keeps events and pictures that AWS does not take at once, until the redrive tries again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from gatehouse import aws
from gatehouse.errors import NotKept
from gatehouse.media import CONTENT_TYPES, Upload
from gatehouse.record import Record

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


_ID = re.compile(r"[a-z0-9]+-[0-9a-f]{32}")
_KEY = re.compile(r"(?P<vendor>[a-z0-9]+)/(?P=vendor)-[0-9a-f]{32}/[a-z0-9_-]+-(?P<digest>[0-9a-f]{64})\.[a-z0-9]{1,4}")
MESSAGE_LIMIT = 1_048_576
"""Bytes of a message that the queue takes, attributes included; the template sets the same limit."""
_MAX_BYTES = MESSAGE_LIMIT - 4_096


class Step(StrEnum):
    """The step at which a spilled event has to continue."""

    RECORD = "record"
    PUBLISH = "publish"
    PICTURE = "picture"


class SpillQueue:
    """The `Spill` port on SQS. A message's body is the event; its attribute `step` is the step to continue at."""

    def __init__(self, client: Callable[[], SQSClient], url: str) -> None:
        # A factory, since hardly any invocation needs this client, and making one is a tenth of a cold start.
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
            NotKept: the picture may not wait in a queue, or SQS did not take it; SQS takes 1 MiB
                (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html).
        """
        if not upload.may_spill:
            raise NotKept("a body that could not be read waits in no queue")
        body = base64.b64encode(upload.data).decode()
        if len(body) > _MAX_BYTES:
            raise NotKept(f"SendMessage: a picture of {len(upload.data)} bytes")
        self._send(body, step=Step.PICTURE, key=upload.key, content_type=upload.content_type)

    def _send(self, body: str, **attributes: str) -> None:
        with aws.calling("SendMessage", NotKept):
            self._client().send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )


def spilled_event(body: str, deciding: str) -> Record:
    """Reads the event from a message of `send`. A sender with write access to the queue can store nothing else by it.

    Args:
        body: the message's body.
        deciding: the message's attribute `deciding`, a JSON object.

    Raises:
        ValueError: it is not an event of ours: the id is not its vendor's, or the gate does not write this form.
    """
    words = json.loads(deciding)
    if not isinstance(words, dict):
        raise ValueError("none of our messages: deciding is no object")  # noqa: TRY004 - one kind of error
    record = Record.parse(body, {str(path): str(word) for path, word in words.items()})
    if not _ID.fullmatch(record.id) or record.id.rpartition("-")[0] != record.vendor:
        raise ValueError("none of our events: the id is not its vendor's")
    return record


def spilled_picture(body: str, key: str, content_type: str) -> Upload:
    """Reads the picture from a message of `send_picture`.

    Args:
        body: the message's body, base64.
        key: the message's attribute `key`.
        content_type: the message's attribute `content_type`.

    Raises:
        ValueError: it is not a picture of ours. The key has to be an event's id and the picture's own digest, so that
            no other object can be overwritten; the type has to be one of `CONTENT_TYPES`.
    """
    data = base64.b64decode(body, validate=True)
    digest = hashlib.sha256(data)
    match = _KEY.fullmatch(key)
    if match is None or match["digest"] != digest.hexdigest() or content_type not in CONTENT_TYPES:
        raise ValueError("none of our pictures: its key or its type is not one that the gate makes")
    return Upload(key, data, digest.digest(), content_type)
