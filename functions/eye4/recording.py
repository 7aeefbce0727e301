"""A recording that an alarm announced, as the flow hands it on."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from functions.eye4 import pending, wire


class Wanted(BaseModel):
    """A recording that is to be resolved: the input of the flow."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recording: str
    """The key of its row."""
    account: str
    fileid: str
    """As the alarm has it."""
    type: str | None = None
    """The vendor's type of device."""
    device: str | None = None
    alarm_id: str
    """The `id` of the alarm's event."""
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    """When the alarm arrived."""
    expires_at: str
    """Unix seconds until which the row is kept; a string, as DynamoDB takes numbers."""


def of(event: Mapping[str, Any]) -> Wanted:
    """The recording of an alarm's event.

    Raises:
        KeyError: it is no alarm with a recording.
    """
    data = event["data"]
    received_at = datetime.fromisoformat(data["received_at"])
    return Wanted(
        recording=pending.key(data["account"], wire.recording_id(data["recording_id"])),
        account=data["account"],
        fileid=data["recording_id"],
        type=wire.Alarm.model_validate(data["payload"]).type,
        device=data.get("device"),
        alarm_id=event["id"],
        occurred_at=data["occurred_at"],
        received_at=received_at,
        expires_at=str(int((received_at + pending.KEPT).timestamp())),
    )


def name(recording: str) -> str:
    """The name of a recording's execution, the same each time: two alarms, or one that comes twice, are one flow.

    At most 80 characters of a plain kind, of which the first are the fileid's, for people
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
    """
    legible = re.sub(r"[^0-9A-Za-z]", "", recording.partition("/")[2])[:40]
    return f"{legible}-{hashlib.sha256(recording.encode()).hexdigest()[:32]}"
