"""Eye4 in the tests: its function on fakes, and messages of two customers that it knows."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_stepfunctions import SFNClient

from functions.eye4 import handler, wire
from functions.eye4.pending import PendingFiles
from gatehouse.settings import Announce
from ops.simulators import Request, eye4
from tests.builders import ENVIRONMENT, NOW, URL
from tests.fakes import FakeStates
from tests.rig import Rig, rig_of

EYE4 = {"guid": "f2b6d81c4e5a4f0c9d37e1a85b60c294"}
CUSTOMER: dict[str, Any] = {
    "account": "workshop",
    "guids": [EYE4["guid"], "0a7c93e51b2d4f86b8e4d7c1a9f35062"],
    "api": {"userid": "4711", "authkey": "the-key-of-4711"},
}
NEIGHBOUR: dict[str, Any] = {"account": "harbour", "guids": ["91d4b7e20c6f4a53a8f1c2e5d7b3960a"]}
FILEID = "f991d9064ac71fad6a9fae22d17a4aab9f5b264d"
FLOW_ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:flow"
EYE4_ENVIRONMENT = {**ENVIRONMENT, "PENDING_FILES_TABLE": "pending-files", "FLOW_ARN": FLOW_ARN}


def eye4_rig(
    secret: Mapping[str, Any] | None = None,
    *,
    files: PendingFiles | None = None,
    states: FakeStates | None = None,
    announce: Announce = Announce.INLINE,
    alarm_wait: timedelta = timedelta(days=1),
) -> Rig[Any]:
    """Eye4's handler, by default with two customers; without `files`, nothing may reach a recording's row."""
    resources = handler.Resources(
        files or PendingFiles(_no_table, "", lambda: NOW),
        handler.Flows(lambda: cast("SFNClient", states or FakeStates()), FLOW_ARN),
        alarm_wait,
    )
    vendor = handler.vendor(handler.Eye4Settings.read(EYE4_ENVIRONMENT), resources)
    accounts = wire.Accounts.model_validate(secret or {"accounts": [CUSTOMER, NEIGHBOUR]})
    return rig_of(vendor, accounts, announce)


def _no_table() -> DynamoDBClient:
    raise AssertionError("a row was touched")


def ring(fileid: str | None = FILEID, guid: str = EYE4["guid"], **more: Any) -> Request:
    """An alarm of Eye4's; with the simulator's words for the rest."""
    return eye4.alarm({"guid": guid}, URL, fileid=fileid, **more)


def uploaded(fileid: str = FILEID, guid: str = EYE4["guid"], **more: Any) -> Request:
    """A resource message of Eye4's; with the simulator's words for the rest."""
    return eye4.resource({"guid": guid}, URL, fileid, **more)


def eye4_push(body: Any, path: str = eye4.ALARMS, guid: str = EYE4["guid"]) -> Request:
    """A push of Eye4's with whatever body; bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(URL + path, content, {"guid": guid, "content-type": "application/json"})
