"""SensePass in the tests: its function on fakes, and a terminal of a site that it knows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from functions.sensepass import handler, wire
from functions.sensepass.door import DecidedBy, Door, InDoubt
from functions.sensepass.rules import Rules
from gatehouse.settings import Announce
from ops.simulators.sensepass import Firmware, Terminal
from tests.builders import AT, ENVIRONMENT, NOW, TOKENS, URL, seconds
from tests.rig import Rig, rig_of

SITE = {"site": "north", "tokens": list(TOKENS)}
SERIAL = "PS71HD01MC22C00014"
SENSEPASS_ENVIRONMENT = {**ENVIRONMENT, "RULES_PARAMETER": "rules"}


def sensepass_rig(
    secret: Mapping[str, Any] | None = None,
    *,
    decision: str = "terminal",
    in_doubt: str = "deny",
    rules: Rules | None = None,
    deadline: float = 10.0,
    now: Callable[[], datetime] = lambda: NOW + seconds(0.02),
    announce: Announce = Announce.INLINE,
) -> Rig[Any]:
    """SensePass's handler, with a long deadline of which 20 ms have passed when a push from `NOW` is looked at."""
    door = Door(
        decided_by=DecidedBy(decision),
        in_doubt=InDoubt(in_doubt),
        deadline=deadline,
        rules=rules,
        now=now,
        monotonic=lambda: 0.0,
    )
    vendor = handler.vendor(handler.SensepassSettings.read(SENSEPASS_ENVIRONMENT))
    accounts = wire.Accounts.model_validate(secret or {"accounts": [SITE]})
    return rig_of(replace(vendor, respond=door.respond), accounts, announce)


def terminal(firmware: Firmware = "1.3", token: str = TOKENS[0], serial: str = SERIAL) -> Terminal:
    """A terminal of the site, whose clock stands still."""
    return Terminal(serial, token, URL, firmware, now=lambda: AT)


def rules_of(document: str) -> Rules:
    """Rules that have read a document, once."""
    rules = Rules(lambda: document, monotonic=lambda: 0.0)
    rules.refresh()
    return rules
