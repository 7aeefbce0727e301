"""Starts a flow for each alarm that has a recording: the Lambda behind a queue on the alarms' topic."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError
from pydantic import Field

from functions.eye4 import recording
from gatehouse import aws, edge
from gatehouse.settings import Settings as FunctionSettings
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class Settings(FunctionSettings):
    """What this function is told."""

    flow_arn: str = Field(min_length=1)


def start(event: Mapping[str, Any], flow_arn: str, states: SFNClient) -> str:
    """Starts the flow of an alarm's recording, unless it was started before.

    Returns:
        the name of the execution.

    Raises:
        ClientError: Step Functions did not take it.
    """
    wanted = recording.of(event)
    execution = recording.name(wanted.recording)
    try:
        states.start_execution(
            stateMachineArn=flow_arn, name=execution, input=wanted.model_dump_json(exclude_none=True)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
    return execution


def handle(event: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Starts the flows of a batch; names the messages that the queue has to keep."""

    # Powertools hands the message over by this very name.
    def begin(record: SQSRecord) -> None:
        try:
            execution = start(json.loads(record.body), settings.flow_arn, aws.client("stepfunctions"))
        except Exception as error:
            log.error("no flow started: the queue keeps it", message_id=record.message_id, error=type(error).__name__)
            raise
        log.info("flow started", execution=execution)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(event), record_handler=begin, processor=processor)
    return dict(response)


lambda_handler = edge.triggered(lambda: Settings.read(os.environ), handle)
