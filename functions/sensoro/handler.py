"""The Lambda's edge of SENSORO: `POST /v1/sensoro`."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import Final

from pydantic import Field, JsonValue

from functions.sensoro import normalise, verify, wire
from functions.sensoro.alarms import Alarms, AlarmTable
from gatehouse import aws, edge
from gatehouse.gate import Answer, Keep, Push, Vendor
from gatehouse.settings import VendorSettings

_ACKNOWLEDGEMENT: Final[JsonValue] = {"messages": "success"}


class Settings(VendorSettings):
    """What this function is told besides what every vendor's is."""

    nonce_window: int = Field(default=86_400, ge=1, le=86_400)
    """Seconds that a nonce may lie in the past."""
    nonce_ahead: int = Field(default=300, ge=1, le=86_400)
    """Seconds that a nonce may lie in the future."""
    smoke_threshold: float = Field(default=0, ge=0)
    """What is above is smoke."""
    alarms_table: str = Field(min_length=1)
    """Where is remembered which alarms stand. Without it every upload that tells of leak or smoke is an alarm."""


class Sensors:
    """Takes a push together with what is remembered of its sensor's alarms."""

    def __init__(self, alarms: Alarms, smoke_threshold: float) -> None:
        self._alarms = alarms
        self._smoke_threshold = smoke_threshold

    def respond(self, push: Push, verified: verify.Verified, payload: JsonValue, keep: Keep) -> Answer:
        """Keeps a push and what it changes, and answers as the page has it.

        In safe mode the answer is empty: "some events need to be responded, and this has to be encrypted", says the
        page, not which and with what, and an empty answer says least.
        """
        seen = normalise.sightings(payload, verified, _identity(push, verified, payload), self._smoke_threshold)
        news, untold = self._alarms.changed(seen)
        keep(partial(normalise.normalise, news=news))
        self._alarms.told(untold)
        safe = verified.app.mode == "safe" or verify.is_encrypted(push)
        return Answer(200, "" if safe else json.dumps(_ACKNOWLEDGEMENT))


def _identity(push: Push, verified: verify.Verified, payload: JsonValue) -> str:
    identity = verify.identity(payload, verified)
    return json.dumps(identity or hashlib.sha256(verify.evidence(push, verified)).hexdigest())


def vendor(settings: Settings, alarms: Alarms | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """SENSORO, for the gate.

    Args:
        settings: what the function is told.
        alarms: in place of those on AWS.
    """
    if alarms is None:
        alarms = Alarms(AlarmTable(lambda: aws.client("dynamodb"), settings.alarms_table, lambda: datetime.now(UTC)))
    return Vendor(
        name="sensoro",
        accounts=wire.Accounts,
        verify=partial(verify.verify, past=settings.nonce_window, future=settings.nonce_ahead),
        decrypt=verify.decrypt,
        identity=verify.identity,
        # All that decides is in the identity: there are no `deciding` fields.
        evidence=verify.evidence,
        normalise=normalise.normalise,
        respond=Sensors(alarms, settings.smoke_threshold).respond,
        acknowledgement=_ACKNOWLEDGEMENT,
    )


lambda_handler = edge.http(Settings, vendor)
