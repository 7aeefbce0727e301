"""Twenty thousand requests that no device sends: each is refused in JSON, and nothing is stored or raised.

`HOSTILE` says which share of them is sent: 0.1 for a tenth.
"""

import base64
import logging
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatehouse.telemetry import flush, log
from tests.hostile import Event
from tests.output import Output
from tests.rig import Rig
from tests.vendors import hostile, vendor_names

SHARE = float(os.environ.get("HOSTILE", "1"))
MARKER = "MARKER"
REFUSED = {400, 401, 413}
CASES = [(vendor, kind) for vendor in vendor_names() for kind in hostile(vendor).REQUESTS]
every_vendor = pytest.mark.parametrize("vendor", vendor_names())


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without log lines: writing ten thousand of them takes longer than everything else."""
    before = log.log_level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)
    flush()


def _sent(rig: Rig[Any], count: int, requests: st.SearchStrategy[Event]) -> int:
    """Has a rig handle so many requests; how many it was."""
    sent = 0

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def attempt(event: Event) -> None:
        nonlocal sent
        sent += 1
        answer = rig.handle(event)
        assert answer.status in REFUSED
        assert set(answer.body["error"]) == {"reason", "message"}
        assert rig.is_untouched

    attempt()
    return sent


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("vendor", "kind"), CASES)
def test_a_hostile_request_is_refused_and_leaves_nothing_behind(vendor: str, kind: str) -> None:
    count, requests = hostile(vendor).REQUESTS[kind]

    sent = math.ceil(count * SHARE)
    assert _sent(hostile(vendor).rig(), sent, requests) >= sent


@every_vendor
def test_there_are_at_least_three_thousand_of_them(vendor: str) -> None:
    requests = hostile(vendor).REQUESTS

    assert sum(count for count, _ in requests.values()) >= 3_000
    assert {"anything", "not base64"} <= requests.keys()


@every_vendor
def test_nothing_of_a_hostile_request_is_written_down(vendor: str, output: Output) -> None:
    _, anything = hostile(vendor).REQUESTS["anything"]

    _sent(hostile(vendor).rig(), 200, st.builds(_marked, anything, st.integers(0, 50)))

    assert output.logged
    assert MARKER not in output.read()


def _marked(event: Event, where: int) -> Event:
    """The event with a marker in its body and its headers."""
    body = base64.b64decode(event["body"])
    marked = body[:where] + MARKER.encode() + body[where:]
    return {
        **event,
        "body": base64.b64encode(marked).decode(),
        "headers": {**event["headers"], "x-marker": MARKER},
    }
