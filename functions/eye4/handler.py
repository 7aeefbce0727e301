"""The Lambda's edge of Eye4: `POST /v1/eye4/alarms` and `POST /v1/eye4/resources`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from pydantic import Field, JsonValue

from functions.eye4 import normalise, pending, recording, verify, wire
from functions.eye4.hosts import DEFAULT, Hosts
from gatehouse import aws, edge
from gatehouse.gate import Answer, Gate, Opened, Vendor
from gatehouse.settings import VendorSettings
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_ACKNOWLEDGEMENT: Final[JsonValue] = {}
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
_WAIT_IS_OVER: Final = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
_ALONE: Final = "alone"


class Eye4Settings(VendorSettings):
    """Settings of this function in addition to those of every vendor."""

    pending_files_table: str = Field(min_length=1)
    flow_arn: str = Field(min_length=1)
    api_url: str = Field(default="", pattern=r"^(https?://[^/?#@]+(/[^?#]*)?)?$")
    """The operator's own API, which may also hold files."""
    download_hosts: str = Field(default=DEFAULT, min_length=1)
    """Hosts from which the picture of an alarm without a recording is copied: names, or `*.` and a name, joined by
    commas."""
    alarm_wait: float = Field(default=86_400, ge=1, le=604_800)
    """Seconds for which a resource message waits for its alarm."""


class Flows:
    """The flow of the recordings, for the handler."""

    def __init__(self, states: Callable[[], SFNClient], arn: str) -> None:
        # A factory: half of the pushes are alarms, which need no client of Step Functions.
        self._states = states
        self._arn = arn

    def wake(self, token: str) -> None:
        """Ends the wait of a flow, unless it has ended already.

        Raises:
            Unavailable: Step Functions did not accept the call.
        """
        with aws.calling("SendTaskSuccess"):
            try:
                self._states().send_task_success(taskToken=token, output="{}")
            except ClientError as error:
                if (code := aws.fault(error)) not in _WAIT_IS_OVER:
                    raise
                log.info("a resource message that no flow waits for any more", code=code)

    def begin(self, execution: str, wanted: str) -> None:
        """Starts a flow, unless it was started before.

        Raises:
            Unavailable: Step Functions did not accept the call.
        """
        with aws.calling("StartExecution"):
            recording.begin(self._states(), self._arn, execution, wanted)


class Resources:
    """Passes the second of the two messages to the flow that waits for it."""

    def __init__(self, files: pending.PendingFiles, flows: Flows, alarm_wait: timedelta) -> None:
        self._files = files
        self._flows = flows
        self._alarm_wait = alarm_wait

    def respond(self, gate: Gate, opened: Opened[verify.Verified]) -> Answer:
        """Keeps an alarm; notes a resource message in the rows of the recordings that it may mean.

        Raises:
            Unavailable: AWS did not accept it. The flow then goes on without it, when its wait times out.
        """
        payload = opened.payload
        recordings = [] if wire.is_alarm(payload) else wire.recording_ids(payload)
        if recordings:
            self._arrived(opened.verified, recordings, payload)
        else:
            gate.keep(opened)
        return Answer(200, json.dumps(_ACKNOWLEDGEMENT))

    def _arrived(self, verified: verify.Verified, recordings: list[str], resource: JsonValue) -> None:
        # Row by row: if a later row fails, the wait for an earlier one has ended all the same.
        keys = [pending.key(verified.account, candidate) for candidate in recordings]
        have_alarm = [self._note(key, resource) for key in keys]
        if not any(have_alarm):
            # The alarm may still come, so this flow begins with a wait for it.
            orphan = recording.orphan(verified.account, recordings, verified.received_at, self._alarm_wait)
            self._flows.begin(recording.name(orphan.recording, _ALONE), orphan.text)

    def _note(self, key: str, resource: JsonValue) -> bool:
        """Notes a message in a row, and wakes the row's flow; False if no alarm has a flow for it."""
        row = self._files.arrived(key, resource)
        if row.token:
            self._flows.wake(row.token)
        message = pending.digest(resource)
        if row.reported and message not in row.reported.messages:
            # There may be more to report by now: one flow for each message, even if the message is repeated.
            self._flows.begin(recording.name(key, message), row.reported.wanted)
        return row.is_known


def vendor(settings: Eye4Settings, resources: Resources | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """Describes Eye4 to the gate.

    Args:
        settings: of the function.
        resources: in place of those on AWS.
    """
    if resources is None:
        files = pending.PendingFiles(
            lambda: aws.client("dynamodb"), settings.pending_files_table, lambda: datetime.now(UTC)
        )
        flows = Flows(lambda: aws.client("stepfunctions"), settings.flow_arn)
        resources = Resources(files, flows, timedelta(seconds=settings.alarm_wait))
    hosts = Hosts(settings.download_hosts.split(","), settings.api_url)
    return Vendor(
        name="eye4",
        accounts=wire.Accounts,
        verify=verify.verify,
        unwrap=verify.unwrap,
        normalise=partial(normalise.normalise, hosts=hosts),
        respond=resources.respond,
        acknowledgement=_ACKNOWLEDGEMENT,
        deciding=normalise.DECIDING,
    )


lambda_handler = edge.http(Eye4Settings, vendor)
