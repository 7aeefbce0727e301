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
"""Bytes. One refusal too many ends the subscription, so that none of a server's is to be too large."""
_ANSWER: Final = 4.0
"""Seconds from the push's arrival to the answer. The server counts 5 as a failure, and stops after some."""
_AT_LEAST: Final = 1.0
"""Seconds that are taken to keep a push in any case: one that came late, or by another clock, is kept all the same."""
_FOR_THE_SECRET: Final = 1.5
"""Seconds of them that a push waits at most for a secret that is not at hand."""


class SenselinkSettings(VendorSettings):
    """The function's settings: none besides every vendor's."""


def vendor(
    _settings: SenselinkSettings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> Vendor[wire.Accounts, verify.Verified]:
    """SenseLink, for the gate.

    Args:
        now: a clock, by which it is known how long a push has been here.
        monotonic: a clock that is never set, for the time that is left.
    """

    def respond(gate: Gate, opened: Opened[verify.Verified]) -> Answer:
        """Keeps the message within the time that the server waits."""
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
