"""One way for every function behind an SQS queue: message by message, and the failed ones named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from gatehouse.telemetry import log


def each_message(event: Mapping[str, Any], handle: Callable[[SQSRecord], None], failed: str) -> dict[str, Any]:
    """Handles the messages of a batch, and names those that the queue has to keep.

    Powertools' batch processor does no more for us, and imports the models of all of Lambda's events where pydantic is
    there, which a cold start would pay for.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

    Args:
        event: as SQS sends it to a Lambda.
        handle: handles one message. Any exception keeps it in the queue, and in the end in its dead-letter queue.
        failed: the log line of a message that failed.

    Returns:
        the partial batch response.
    """
    failures = []
    for record in event["Records"]:
        message = SQSRecord(record)
        try:
            handle(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue keeps the message
            log.error(
                failed,
                message_id=message.message_id,
                sender=message.attributes.get("SenderId"),
                error=type(error).__name__,
            )
            failures.append({"itemIdentifier": message.message_id})
    return {"batchItemFailures": failures}
