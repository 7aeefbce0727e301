"""Sends what was spilled the same way again: the Lambda behind the spill queue."""

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gatehouse import edge
from gatehouse.events import Record
from gatehouse.gate import Gate
from gatehouse.settings import GateSettings
from gatehouse.spill import Step
from gatehouse.telemetry import log


def handle(event: Mapping[str, Any], gate: Gate) -> dict[str, Any]:
    """Redoes a batch; names the messages that the queue has to keep, and in the end its dead-letter queue."""

    def redo(message: SQSRecord) -> None:
        attribute = message.message_attributes["step"]
        step = Step((attribute and attribute.string_value) or "")
        record = Record(message.body)
        log.info("redone", event_id=record.id, step=step, admission=gate.redo(record, step))

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(event), record_handler=redo, processor=processor)
    return dict(response)


lambda_handler = edge.triggered(lambda: edge.gate(GateSettings.read(os.environ)), handle)
