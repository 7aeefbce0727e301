"""The task of a flow: a recording that an alarm announced, the cover of an alarm without a recording, or a recording
whose alarm never came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict

from functions.eye4 import normalise, pending, wire
from gatehouse import aws

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class Wanted(BaseModel):
    """The task of a flow, which is its input."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recording: str
    """The key of the recording's row."""
    account: str
    fileid: str | None = None
    """The alarm's fileid, unchanged; None for a cover."""
    cover: str | None = None
    """The address of the picture of an alarm without a recording."""
    type: str | None = None
    """The vendor's type of device."""
    device: str | None = None
    alarm_id: str | None = None
    """The `id` of the alarm's event; None for a resource message without an alarm."""
    candidates: tuple[str, ...] = ()
    """The keys of all rows that a resource message without an alarm may mean."""
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    """The arrival of the alarm, or of the resource message without one."""
    resolve_from: AwareDatetime
    """The end of a resource message's wait for its alarm; a time in the past if the alarm is there."""
    expires_at: str
    """The row's expiry in Unix seconds; a string, the form in which DynamoDB takes numbers."""

    @property
    def text(self) -> str:
        """The JSON that the flow gets."""
        return self.model_dump_json(exclude_none=True, exclude_defaults=True)


def of(event: Mapping[str, Any]) -> Wanted:
    """The task for an alarm's event: its recording, or its cover if it has no recording.

    Raises:
        KeyError: the event has neither.
    """
    data = event["data"]
    account, fileid = data["account"], data.get("recording_id")
    cover = None
    if fileid is None:
        cover = {link["role"]: link["url"] for link in data.get("links", ())}[normalise.COVER]
    received_at = datetime.fromisoformat(data["received_at"])
    return Wanted(
        recording=pending.key(account, wire.recording_id(fileid)) if fileid else pending.cover_key(event["id"]),
        account=account,
        fileid=fileid,
        cover=cover,
        type=wire.AlarmMessage.read(data.get("payload") or {}).type,
        device=data.get("device"),
        alarm_id=event["id"],
        occurred_at=data["occurred_at"],
        received_at=received_at,
        resolve_from=_whole(received_at),
        expires_at=_expiry(received_at),
    )


def orphan(account: str, recordings: Sequence[str], arrived_at: datetime, alarm_wait: timedelta) -> Wanted:
    """The task for a resource message whose alarm has not come.

    Args:
        account: of the customer.
        recordings: the ids that the message may mean, at least one.
        arrived_at: its arrival.
        alarm_wait: the length of its wait for the alarm.
    """
    fileid = wire.likeliest(recordings)
    return Wanted(
        recording=pending.key(account, fileid),
        account=account,
        fileid=fileid,
        candidates=tuple(pending.key(account, recording) for recording in recordings),
        occurred_at=arrived_at,
        received_at=arrived_at,
        resolve_from=_whole(arrived_at + alarm_wait),
        expires_at=_expiry(arrived_at),
    )


def _expiry(moment: datetime) -> str:
    return str(int((moment + pending.KEPT).timestamp()))


def _whole(moment: datetime) -> datetime:
    """Cuts a time to the second, as in all of AWS's examples of a wait:
    https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html.
    """
    return moment.replace(microsecond=0)


def name(recording: str, *also: str) -> str:
    """The name of a recording's execution, the same each time, so that several alarms start one flow.

    At most 80 alphanumeric characters and a dash; it begins with the fileid, so that people recognise it
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).

    Args:
        recording: the key of its row.
        also: words that tell a further flow of the same recording from its alarm's.
    """
    legible = re.sub(r"[^0-9A-Za-z]", "", recording.partition("/")[2])[:40]
    unique = "\n".join((recording, *also))
    return f"{legible}-{hashlib.sha256(unique.encode()).hexdigest()[:32]}"


def begin(states: SFNClient, flow_arn: str, execution: str, wanted: str) -> None:
    """Starts a flow, unless it was started before.

    Raises:
        Unavailable: Step Functions did not accept the call, or did not answer.
    """
    with aws.calling("StartExecution"):
        try:
            states.start_execution(stateMachineArn=flow_arn, name=execution, input=wanted)
        except ClientError as error:
            if aws.fault(error) != "ExecutionAlreadyExists":
                raise
