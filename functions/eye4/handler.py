"""The Lambda's edge of Eye4: `POST /v1/eye4/alarms` and `POST /v1/eye4/resources`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, JsonValue

from functions.eye4 import normalise, pending, verify, wire
from gatehouse import aws, edge
from gatehouse.errors import Unavailable
from gatehouse.gate import Answer, Keep, Push, Vendor
from gatehouse.settings import VendorSettings
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_ACKNOWLEDGEMENT: Final[JsonValue] = {}
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
_NOBODY_WAITS: Final = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}


class Settings(VendorSettings):
    """What this function is told besides what every vendor's is."""

    pending_files_table: str = Field(min_length=1)


class Resources:
    """Takes the second of the two messages to whoever waits for it."""

    def __init__(self, files: pending.PendingFiles, states: Callable[[], SFNClient]) -> None:
        self._files = files
        # A factory: alarms come as often as resource messages and need no client of Step Functions.
        self._states = states

    def respond(self, _push: Push, verified: verify.Verified, payload: JsonValue, keep: Keep) -> Answer:
        """Keeps an alarm; notes a resource message in the rows it may be about and ends the wait.

        Raises:
            Unavailable: AWS did not take it. The flow goes on without it when its wait is over, but later.
        """
        recordings = [] if wire.is_alarm(payload) else pending.keys(verified.account, payload)
        if not recordings:
            keep()
        tokens = [self._files.arrived(recording, payload) for recording in recordings]
        for token in filter(None, tokens):
            self._wake(token)
        return Answer(200, json.dumps(_ACKNOWLEDGEMENT))

    def _wake(self, token: str) -> None:
        try:
            self._states().send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _NOBODY_WAITS:
                raise Unavailable(f"SendTaskSuccess: {code}") from error
            log.info("a resource message that nobody waits for any more", code=code)
        except BotoCoreError as error:
            raise Unavailable(f"SendTaskSuccess: {type(error).__name__}") from error


def vendor(settings: Settings, resources: Resources | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """Eye4, for the gate.

    Args:
        settings: what the function is told.
        resources: in place of those on AWS.
    """
    if resources is None:
        files = pending.PendingFiles(
            lambda: aws.client("dynamodb"), settings.pending_files_table, lambda: datetime.now(UTC)
        )
        resources = Resources(files, lambda: aws.client("stepfunctions"))
    return Vendor(
        name="eye4",
        accounts=wire.Accounts,
        verify=verify.verify,
        decrypt=verify.decrypt,
        identity=verify.identity,
        normalise=normalise.normalise,
        respond=resources.respond,
        acknowledgement=_ACKNOWLEDGEMENT,
    )


lambda_handler = edge.http(Settings, vendor)
