"""Batches of SQS messages, for every function behind a queue: each message by itself, the failed ones named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gatehouse.telemetry import log


def each_message(event: Mapping[str, Any], handle: Callable[[SQSRecord], None], failed: str) -> dict[str, Any]:
    """Handles the messages of a batch one by one, and names those that the queue has to keep.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

    Args:
        event: as SQS sends it to a Lambda.
        handle: handles one message. Any exception keeps it in the queue, and in the end in its dead-letter queue.
        failed: the log line for a message that failed.

    Returns:
        the partial batch response: `{"batchItemFailures": [{"itemIdentifier": "<message id>"}]}`.
    """

    # Powertools passes the message by keyword, under this name.
    def one(record: SQSRecord) -> None:
        try:
            handle(record)
        except Exception as error:
            log.error(
                failed,
                message_id=record.message_id,
                sender=record.attributes.get("SenderId"),
                error=type(error).__name__,
            )
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(event), record_handler=one, processor=processor)
    return dict(response)
