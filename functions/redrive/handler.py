"""The redrive: the Lambda behind the spill queue sends spilled events and pictures the same way again."""

import os
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import Field

from gatehouse import batch, edge
from gatehouse.gate import Gate
from gatehouse.settings import GateSettings
from gatehouse.spill import Step, spilled_event, spilled_picture
from gatehouse.telemetry import Count, count, log
from gatehouse.vocabulary import Arrival

_OTHER: Final = "other"


class RedriveSettings(GateSettings):
    """Settings of the redrive."""

    redrive_senders: str = Field(default="", pattern=r"^([\w+=.@-]+(,[\w+=.@-]+)*)?$")
    """Ids of roles, or names of functions, joined by commas; empty to trust every sender that IAM permits."""


class NotOurSender(ValueError):
    """The message is from a sender that is not named."""


class Senders:
    """Senders that may spill: all that IAM permits, unless some are named."""

    def __init__(self, named: str = "") -> None:
        self._named = frozenset(filter(None, named.split(",")))

    def named(self, sender: str | None) -> str:
        """Returns the name of a sender for the metric, `other` if it has none, so that the metric has few values.

        A message's `SenderId` is `<id of the role>:<name of the session>`; a function's session has the function's
        name. A holder of a role can choose the session's name, but not the role's id.

        Args:
            sender: the `SenderId` that SQS noted.

        Raises:
            NotOurSender: some are named, and the sender is none of them.
        """
        role, _, session = (sender or "").partition(":")
        known = next((name for name in (role, session) if name in self._named), None)
        if self._named and known is None:
            raise NotOurSender("RedriveSenders does not name the sender")
        return known or _OTHER


def handle(event: Mapping[str, Any], gate: Gate, senders: Senders | None = None) -> dict[str, Any]:
    """Redoes the messages of a batch, and names those that the queue has to keep, and in the end its dead-letter queue.

    Returns:
        the partial batch response.
    """
    senders = senders or Senders()

    def redo(message: SQSRecord) -> None:
        sender = message.attributes.get("SenderId")
        name = senders.named(sender)
        vendor, facts = _redo(message, gate)
        count(Count.REDONE, vendor, sender=name)
        log.info("redone", extra={**facts, "sender": sender})

    return batch.each_message(event, redo, "not redone: the queue keeps it")


def _redo(message: SQSRecord, gate: Gate) -> tuple[str, dict[str, str]]:
    """Redoes one message. Returns the vendor, and facts for the log.

    Raises:
        Unavailable: AWS still does not take it.
        ValueError: the message is none of ours.
    """
    step = Step(_attribute(message, "step"))
    if step is Step.PICTURE:
        upload = spilled_picture(message.body, _attribute(message, "key"), _attribute(message, "content_type"))
        gate.redo_picture(upload)
        return upload.key.partition("/")[0], {"key": upload.key, "step": step}
    record = spilled_event(message.body, _attribute(message, "deciding"))
    return record.vendor, {"event_id": record.id, "step": step, "admission": gate.redo(record, step)}


def _attribute(message: SQSRecord, name: str) -> str:
    attribute = message.message_attributes[name]
    if attribute is None or not attribute.string_value:
        raise ValueError(f"none of our messages: it has no {name}")
    return attribute.string_value


def _made() -> tuple[Gate, Senders]:
    settings = RedriveSettings.read(os.environ)
    return edge.gate(settings, announced_as=Arrival.REDRIVEN), Senders(settings.redrive_senders)


lambda_handler = edge.triggered(_made, lambda event, made: handle(event, *made))
