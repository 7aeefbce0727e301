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
    """Settings of SENSORO's function."""

    nonce_window: int = Field(default=86_400, ge=1, le=86_400)
    """Seconds that a nonce may lie in the past."""
    nonce_ahead: int = Field(default=300, ge=1, le=86_400)
    """Seconds that a nonce may lie in the future."""
    smoke_threshold: float = Field(default=0, ge=0)
    """Levels above it are smoke; in the vendor's unit, which its page does not give."""
    alarms_table: str = Field(min_length=1)
    """The table of the sensors' alarms. While it is away every upload with leak or smoke is an alarm."""


class Sensors:
    """The response to a push, with the memory of the sensors' alarms."""

    def __init__(self, alarms: Alarms, smoke_threshold: float) -> None:
        self._alarms = alarms
        self._smoke_threshold = smoke_threshold

    def respond(self, gate: Gate, opened: Opened[verify.Verified]) -> Answer:
        """Keeps a push and the changes of its alarms, and answers as the vendor's page demands.

        In safe mode the answer is empty. The page says that "some events need to be responded, and this has to be
        encrypted", but neither which nor how; an empty answer is the safest.
        """
        verified, identity = opened.verified, json.dumps(list(opened.identity))
        sightings = normalise.sightings(opened.payload, verified, identity, self._smoke_threshold)
        changes, pending = self._alarms.update(sightings)
        gate.keep(opened.knowing(replace(verified, changes=changes)))
        self._alarms.mark_kept(pending)
        safe = verified.app.mode == "safe" or verify.is_encrypted(opened.push)
        return Answer(200, "" if safe else json.dumps(_ACKNOWLEDGEMENT))


def vendor(settings: SensoroSettings, alarms: Alarms | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """SENSORO, for the gate.

    Args:
        settings: of the function.
        alarms: the sensors' alarms; None for those in the table on AWS.
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
        # No `deciding` fields: everything that decides is in the identity.
        evidence=verify.evidence,
        normalise=normalise.normalise,
        respond=Sensors(alarms, settings.smoke_threshold).respond,
        acknowledgement=_ACKNOWLEDGEMENT,
    )


lambda_handler = edge.http(SensoroSettings, vendor)
