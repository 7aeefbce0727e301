"""The Lambda's edge of SensePass: `/v1/sensepass/{token}`, and `/v1/sensepass/{token}/authorize`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pydantic import Field

from functions.sensepass import normalise, verify, wire
from functions.sensepass.door import DecidedBy, Door, InDoubt
from gatehouse import aws, edge
from gatehouse.gate import Vendor
from gatehouse.settings import VendorSettings

if TYPE_CHECKING:
    from functions.sensepass.rules import Rules

_BODY_LIMIT = 5 * 1024 * 1024
"""Bytes of a body. Lambda takes an event of 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html),
in which the body is JSON in a string; the gateway would take 10 MB."""


class SensepassSettings(VendorSettings):
    """Settings of SensePass's function."""

    rules_parameter: str = Field(min_length=1)
    """Name of the SSM parameter with the rules."""
    door_decision: DecidedBy = DecidedBy.TERMINAL
    """The decider."""
    when_in_doubt: InDoubt = InDoubt.DENY
    """The answer if there is no decision."""
    decision_deadline: float = Field(default=3.0, ge=0.3, le=10)
    """Seconds from the arrival at the gateway to the answer, cold start included."""


def vendor(settings: SensepassSettings, rules: Rules | None = None) -> Vendor[wire.Accounts, verify.Verified]:
    """SensePass, for the gate.

    Args:
        settings: of the function.
        rules: the rules; None for those in the parameter, if rules decide.
    """
    if rules is None and settings.door_decision is DecidedBy.RULES:
        rules = _rules(settings)
        rules.refresh_in_background()
    door = Door(
        decided_by=settings.door_decision,
        in_doubt=settings.when_in_doubt,
        deadline=settings.decision_deadline,
        rules=rules,
        monotonic=time.monotonic,
    )
    return Vendor(
        name="sensepass",
        accounts=wire.Accounts,
        verify=verify.verify,
        unwrap=verify.unwrap,
        normalise=normalise.normalise,
        known=verify.known,
        respond=door.respond,
        deciding=("occurred_at", "device", "kind", "person.id", "recognition_score", "code", "decision.allowed"),
        acknowledgement=None,
        body_limit=_BODY_LIMIT,
    )


def _rules(settings: SensepassSettings) -> Rules:
    # Powertools' flags import boto3: a tenth of a second of a cold start, not needed if the terminal decides.
    from functions.sensepass.rules import Rules, from_parameter  # noqa: PLC0415 - see above

    fetch = from_parameter(lambda: aws.client("ssm"), settings.rules_parameter)
    return Rules(fetch, patience=settings.decision_deadline / 2)


lambda_handler = edge.http(
    SensepassSettings, vendor, patience=lambda settings: settings.decision_deadline / 2, heartbeat="GET"
)
