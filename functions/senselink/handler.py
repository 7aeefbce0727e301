"""The Lambda's edge of SenseLink: its event subscription, `POST /v1/senselink/{token}`."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from functions.senselink import normalise, verify, wire
from gatehouse import edge
from gatehouse.deadline import Deadline
from gatehouse.gate import Answer, Gate, Opened, Vendor
from gatehouse.settings import VendorSettings

_ACKNOWLEDGEMENT: Final[JsonValue] = {"code": 200, "message": "success"}
_BODY_LIMIT: Final = 1024 * 1024
"""Bytes. A few refusals end the subscription, so the limit is above any push of a server."""
_ANSWER: Final = 4.0
"""Seconds from the push's arrival to the answer. The server counts 5 as a failure, and stops after a few failures."""
_AT_LEAST: Final = 1.0
"""Seconds that are spent on keeping a push in any case, also on one that came late or is timed by another clock."""
_FOR_THE_SECRET: Final = 1.5
"""Seconds of them that a push waits at most for a secret that is not cached."""


class SenselinkSettings(VendorSettings):
    """Settings of the function: only those that every vendor has."""


def vendor(
    _settings: SenselinkSettings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> Vendor[wire.Accounts, verify.Verified]:
    """Describes SenseLink to the gate.

    Args:
        now: a clock, for the time since a push arrived.
        monotonic: a clock that is never set, for the time that is left.
    """

    def respond(gate: Gate, opened: Opened[verify.Verified]) -> Answer:
        """Keeps the message within the time for which the server waits."""
        passed = (now() - opened.push.received_at).total_seconds()
        gate.within(Deadline(min(_ANSWER, max(_AT_LEAST, _ANSWER - passed)), monotonic)).keep(opened)
        return Answer(200, json.dumps(_ACKNOWLEDGEMENT))

    return Vendor(
        name="senselink",
        accounts=wire.Accounts,
        verify=verify.verify,
        unwrap=verify.unwrap,
        normalise=normalise.normalise,
        deciding=verify.DECIDING,
        respond=respond,
        acknowledgement=_ACKNOWLEDGEMENT,
        body_limit=_BODY_LIMIT,
    )


lambda_handler = edge.http(SenselinkSettings, vendor, patience=lambda _: _FOR_THE_SECRET)
