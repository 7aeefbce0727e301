"""The simulated cloud: it signs as the vendor does, and all pushes of its day are understood, odd forms included."""

import itertools
import json
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from functions.sensoro import javascript
from ops.simulators import sensoro as simulator
from tests.builders import URL
from tests.rig import Rig
from tests.unit.sensoro.test_javascript import NUMBERS
from tests.vendors.sensoro import sensoro_rig

_ROUND = 18
"""Number of pushes after which the day begins again."""


def _day(pushes: int) -> Rig[Any]:
    accounts = simulator.new_accounts()
    rig = sensoro_rig(accounts.secret)
    for push in itertools.islice(simulator.pushes(accounts.apps, URL), pushes):
        nonce = int(push.headers["X-ACCESS-NONCE"]) / 1000
        assert rig.send(push, datetime.fromtimestamp(nonce, tz=UTC)).status == 200
    return rig


def test_what_it_signs_is_compact_json_as_javascript_writes_it() -> None:
    """The vendor's own receiver takes no other form."""
    for number, expected in NUMBERS:
        if number not in {"9007199254740993", "12345678901234567890", "1234567890123456789012"}:
            assert simulator.compact({"a": [float(number)]}) == f'{{"a":[{expected}]}}'.encode()
    assert (
        simulator.compact({"a": [21.0, math.nan, None, True, "库\n"]}) == '{"a":[21,null,null,true,"库\\n"]}'.encode()
    )


def test_but_for_what_is_meant_to_be_odd_a_push_is_what_javascript_would_write() -> None:
    accounts = simulator.new_accounts()
    pushes = list(itertools.islice(simulator.pushes(accounts.apps, URL), _ROUND))

    odd = [push for push in pushes if javascript.stringify(push.body) != push.body]
    # Re-spaced, with a byte order mark, and with a bare NaN.
    assert len(odd) == 3


def test_nothing_of_a_day_is_unmapped() -> None:
    rig = _day(2 * _ROUND)

    kinds = Counter(event["data"]["kind"] for event in rig.stored)
    assert "unmapped" not in kinds
    assert kinds["task_finished"] == 6
    assert len(rig.stored) == 2 * (_ROUND + 4)  # each push an event, and two alarms with both their ends


def test_a_leak_and_smoke_are_raised_measured_and_released() -> None:
    events = [event["data"] for event in _day(_ROUND).stored]

    for kind in ("leak", "smoke"):
        alarms = [data for data in events if "severity" in data and data["kind"] == kind]
        assert Counter(data["state"] for data in alarms) == {"raised": 1, "released": 1}
        (device,) = {data["device"] for data in alarms}
        measured = [data for data in events if data.get("device") == device and "readings" in data]
        assert len(measured) == 3
        assert json.dumps(measured).count(f'"{kind}"') >= 3
