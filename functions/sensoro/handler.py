"""The Lambda's edge of SENSORO: `POST /v1/sensoro`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from pydantic import Field, JsonValue

from functions.sensoro import normalise, verify, wire
from functions.sensoro.alarms import Alarms, AlarmTable
from gatehouse import aws, edge
from gatehouse.accounts import Window
from gatehouse.gate import Answer, Gate, Opened, Vendor
from gatehouse.settings import VendorSettings

_ACKNOWLEDGEMENT: Final[JsonValue] = {"messages": "success"}


class SensoroSettings(VendorSettings):
    """Settings of this function besides every vendor's."""

    nonce_window: int = Field(default=86_400, ge=1, le=86_400)
    """Seconds that a nonce may lie in the past."""
    nonce_ahead: int = Field(default=300, ge=1, le=86_400)
    """Seconds that a nonce may lie in the future."""
    smoke_threshold: float = Field(default=0, ge=0)
    """Levels above it are smoke."""
    alarms_table: str = Field(min_length=1)
    """The table of the alarms that stand. Without it every upload that tells of leak or smoke is an alarm."""


class Sensors:
    """Memory of the sensors' alarms, asked for each push."""

    def __init__(self, alarms: Alarms, smoke_threshold: float) -> None:
        self._alarms = alarms
        self._smoke_threshold = smoke_threshold

    def respond(self, gate: Gate, opened: Opened[verify.Verified]) -> Answer:
        """Keeps a push and the changes of its alarms, and answers as the page has it.

        In safe mode the answer is empty. The page says that "some events need to be responded, and this has to be
        encrypted", and not which and with what; an empty answer says least.
        """
        verified, identity = opened.verified, json.dumps(list(opened.identity))
        seen = normalise.sightings(opened.payload, verified, identity, self._smoke_threshold)
        news, untold = self._alarms.changed(seen)
        gate.keep(opened.knowing(replace(verified, news=news)))
        self._alarms.told(untold)
        safe = verified.app.mode == "safe" or verify.is_encrypted(opened.push)
        return Answer(200, "" if safe else json.dumps(_ACKNOWLEDGEMENT))


def vendor(settings: SensoroSettings, alarms: Alarms | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """SENSORO, for the gate.

    Args:
        settings: of the function.
        alarms: in place of those on AWS.
    """
    if alarms is None:
        alarms = Alarms(AlarmTable(lambda: aws.client("dynamodb"), settings.alarms_table, lambda: datetime.now(UTC)))
    return Vendor(
        name="sensoro",
        accounts=wire.Accounts,
        verify=partial(
            verify.verify,
            window=Window(settings.nonce_window, settings.nonce_ahead, "SensoroNonceWindow", "SensoroNonceAhead"),
        ),
        unwrap=verify.unwrap,
        # All that decides is in the identity: there are no `deciding` fields.
        evidence=verify.evidence,
        normalise=normalise.normalise,
        respond=Sensors(alarms, settings.smoke_threshold).respond,
        acknowledgement=_ACKNOWLEDGEMENT,
    )


lambda_handler = edge.http(SensoroSettings, vendor)
