"""Sends what was spilled the same way again: the Lambda behind the spill queue."""

import os
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import Field

from gatehouse import edge
from gatehouse.events import Arrival
from gatehouse.gate import Gate
from gatehouse.settings import PictureSettings
from gatehouse.spill import Step, event, picture
from gatehouse.telemetry import Count, count, log

_OTHER: Final = "other"


class Settings(PictureSettings):
    """What this function is told."""

    redrive_senders: str = Field(default="", pattern=r"^([\w+=.@-]+(,[\w+=.@-]+)*)?$")
    """Ids of roles, or names of functions, joined by commas."""


class NotOurSender(ValueError):
    """The message is from somebody who spills nothing."""


class Senders:
    """Who may spill: everybody whom IAM lets send, unless some are named."""

    def __init__(self, named: str = "") -> None:
        self._named = frozenset(filter(None, named.split(",")))

    def named(self, sender: str | None) -> str:
        """Which of those named a sender is; `other` for everybody else, so that there are as many as are named.

        A message's `SenderId` is `<id of the role>:<name of the session>`; a function's session has its name. Who may
        assume a role chooses the session's name, and nobody chooses a role's id.

        Args:
            sender: the `SenderId` that SQS noted.

        Raises:
            NotOurSender: some are named, and it is none of them.
        """
        role, _, session = (sender or "").partition(":")
        found = next((name for name in (role, session) if name in self._named), None)
        if self._named and found is None:
            raise NotOurSender("RedriveSenders does not name the sender")
        return found or _OTHER


def handle(batch: Mapping[str, Any], gate: Gate, senders: Senders | None = None) -> dict[str, Any]:
    """Redoes a batch; names the messages that the queue has to keep, and in the end its dead-letter queue."""
    senders = senders or Senders()

    # Powertools hands the message over by this very name.
    def redo(record: SQSRecord) -> None:
        sender = record.attributes.get("SenderId")
        try:
            name = senders.named(sender)
            vendor, told = _redo(record, gate)
        except Exception as error:
            log.error(
                "not redone: the queue keeps it",
                message_id=record.message_id,
                sender=sender,
                error=type(error).__name__,
            )
            raise
        count(Count.REDONE, vendor, sender=name)
        log.info("redone", extra={**told, "sender": sender})

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response: Mapping[str, Any] = process_partial_response(event=dict(batch), record_handler=redo, processor=processor)
    return dict(response)


def _redo(message: SQSRecord, gate: Gate) -> tuple[str, dict[str, str]]:
    """Redoes one message; whose it is, and what to say of it."""
    step = Step(_attribute(message, "step"))
    if step is Step.PICTURE:
        upload = picture(message.body, _attribute(message, "key"), _attribute(message, "content_type"))
        gate.redo_picture(upload)
        return upload.key.partition("/")[0], {"key": upload.key, "step": step}
    record = event(message.body, _attribute(message, "deciding"))
    return record.vendor, {"event_id": record.id, "step": step, "admission": gate.redo(record, step)}


def _attribute(message: SQSRecord, name: str) -> str:
    attribute = message.message_attributes[name]
    if attribute is None or not attribute.string_value:
        raise ValueError(f"none of our messages: it has no {name}")
    return attribute.string_value


def _made() -> tuple[Gate, Senders]:
    settings = Settings.read(os.environ)
    return edge.gate(settings, announced_as=Arrival.REDRIVEN), Senders(settings.redrive_senders)


lambda_handler = edge.triggered(_made, lambda event, made: handle(event, *made))
