"""Sends what was spilled the same way again: the Lambda behind the spill queue."""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gatehouse import edge
from gatehouse.events import Arrival
from gatehouse.gate import Gate
from gatehouse.settings import PictureSettings
from gatehouse.spill import Step, event, picture
from gatehouse.telemetry import log


def handle(batch: Mapping[str, Any], gate: Gate) -> dict[str, Any]:
    """Redoes a batch; names the messages that the queue has to keep, and in the end its dead-letter queue."""

    # Powertools hands the message over by this very name.
    def redo(record: SQSRecord) -> None:
        try:
            told = _redo(record, gate)
        except Exception as error:
            log.error(
                "not redone: the queue keeps it",
                message_id=record.message_id,
                sender=record.attributes.get("SenderId"),
                error=type(error).__name__,
            )
            raise
        log.info("redone", extra={**told, "sender": record.attributes.get("SenderId")})

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(batch), record_handler=redo, processor=processor)
    return dict(response)


def _redo(message: SQSRecord, gate: Gate) -> dict[str, str]:
    """Redoes one message; what to say of it."""
    step = Step(_attribute(message, "step"))
    if step is Step.PICTURE:
        upload = picture(message.body, _attribute(message, "key"), _attribute(message, "content_type"))
        gate.redo_picture(upload)
        return {"key": upload.key, "step": step}
    record = event(message.body, _attribute(message, "deciding"))
    return {"event_id": record.id, "step": step, "admission": gate.redo(record, step)}


def _attribute(message: SQSRecord, name: str) -> str:
    attribute = message.message_attributes[name]
    if attribute is None or not attribute.string_value:
        raise ValueError(f"none of our messages: it has no {name}")
    return attribute.string_value


lambda_handler = edge.triggered(
    lambda: edge.gate(PictureSettings.read(os.environ), announced_as=Arrival.REDRIVEN), handle
)
