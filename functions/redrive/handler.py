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

    # Powertools hands the message over by this very name.
    def redo(record: SQSRecord) -> None:
        try:
            attribute = record.message_attributes["step"]
            step = Step((attribute and attribute.string_value) or "")
            spilled = Record(record.body)
            admission = gate.redo(spilled, step)
        except Exception as error:
            log.error("not redone: the queue keeps it", message_id=record.message_id, error=type(error).__name__)
            raise
        log.info("redone", event_id=spilled.id, step=step, admission=admission)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(event), record_handler=redo, processor=processor)
    return dict(response)


lambda_handler = edge.triggered(lambda: edge.gate(GateSettings.read(os.environ)), handle)
