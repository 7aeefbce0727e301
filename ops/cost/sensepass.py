"""The cost of SensePass beside its pushes: its terminals' heartbeats, and sandboxes kept warm for its doors."""

from __future__ import annotations

import json
from typing import Final

from ops.cost import Part
from ops.cost.count import Counted, Run, put_secret
from ops.cost.document import HOUR, Facts
from ops.cost.template import ROOT

_FUNCTION: Final = "SensepassFunction"
_EVENTS: Final = ROOT / "events/sensepass"
_HEARTBEAT: Final = 30
"""Seconds between two heartbeats of a terminal."""


def measured(run: Run) -> dict[str, Counted]:
    """A terminal that asks whether anybody is there."""
    with run.account():
        put_secret(run.deployed.environment(_FUNCTION), (_EVENTS / "secret.json").read_text())
        handler = run.started(_FUNCTION)
        event = json.loads((_EVENTS / "valid-v1-3-authorize.json").read_text())
        event["requestContext"]["http"]["method"] = "GET"
        del event["body"]
        return {"a heartbeat": run.push(_FUNCTION, handler, event, "rejected_seconds")}


def part(facts: Facts) -> Part:
    """Its heartbeats, and what a warm sandbox is."""
    beats = facts.usd(facts.besides["sensepass"]["a heartbeat"].usage) * facts.hours * HOUR / _HEARTBEAT
    memory = facts.deployed.of("AWS::Lambda::Function")[_FUNCTION]["MemorySize"]
    warm = facts.prices.of("provisioned_gb_second", memory / 1024 * facts.hours * HOUR)
    return Part(
        summary=[(f"a SensePass terminal's heartbeat, every {_HEARTBEAT} s, a month", beats)],
        switches=[("`DoorProvisionedConcurrency`", f"each sandbox of {memory} MB that is kept warm", warm)],
    )
