"""Starts a flow for each alarm with a recording or a picture to copy: the Lambda of a queue on the alarms' topic."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import Field

from functions.eye4 import recording
from functions.eye4.pending import PendingFiles
from gatehouse import aws, batch, edge
from gatehouse.settings import Settings
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StartSettings(Settings):
    """Settings of this function."""

    flow_arn: str = Field(min_length=1)
    pending_files_table: str = Field(min_length=1)


def start(event: Mapping[str, Any], flow_arn: str, states: SFNClient, files: PendingFiles) -> str:
    """Starts the flow of an alarm's recording or picture, unless it was started before.

    Returns:
        the name of the execution.

    Raises:
        Unavailable: Step Functions or DynamoDB did not accept the call.
    """
    wanted = recording.of(event)
    execution = recording.name(wanted.recording)
    if wanted.cover:
        # No resource message comes for an alarm without a recording. This row lets the flow skip its wait for one.
        files.awaits_nothing(wanted.recording, wanted.received_at)
    recording.begin(states, flow_arn, execution, wanted.text)
    return execution


def alarm(body: str) -> Any:
    """The alarm's event in a message, in SNS's envelope or without it.

    The subscription delivers without the envelope. A message that SNS could not deliver is put into the dead-letter
    queue by SNS itself (https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html), with the envelope, and
    is redriven from there unchanged.

    Raises:
        ValueError: it is no JSON.
    """
    message = json.loads(body)
    # https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    if isinstance(message, dict) and message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        return json.loads(message["Message"])
    return message


def handle(event: Mapping[str, Any], settings: StartSettings) -> dict[str, Any]:
    """Starts the flows of a batch; returns the messages that the queue has to keep."""
    files = PendingFiles(lambda: aws.client("dynamodb"), settings.pending_files_table, lambda: datetime.now(UTC))

    def begin(message: SQSRecord) -> None:
        execution = start(alarm(message.body), settings.flow_arn, aws.client("stepfunctions"), files)
        log.info("flow started", execution=execution)

    return batch.each_message(event, begin, "no flow started: the queue keeps it")


lambda_handler = edge.triggered(lambda: StartSettings.read(os.environ), handle)
