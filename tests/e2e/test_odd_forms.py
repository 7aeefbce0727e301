"""Pushes of all vendors in mixed odd forms, through the deployed template: none refused, lost or doubled.

The thousands of `tests/contract/test_mixed.py` go through the handlers alone; these go through the gateway's own idea
of a body, the functions as they are built, the table and the topics.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from ops.simulators import Request
from tests.e2e.conftest import Rig
from tests.vendors import vendor_names, vendor_tests

_HAPPENINGS = 20
"""Of each vendor in each announce mode: 200 together."""


@pytest.mark.parametrize("vendor", vendor_names())
def test_no_push_in_an_odd_form_is_refused_lost_or_doubled(rig: Rig, vendor: str, seed: int) -> None:
    random = Random(f"{seed}/{rig.announce}/{vendor}")
    rig.read_dry()
    before = set(rig.received)
    expected = unmapped = 0
    for number in range(1, _HAPPENINGS + 1):  # a vendor numbers from 1 on; 0 is no id
        happening = vendor_tests(vendor).happening(
            random, number, rig.stack.vendors, rig.stack.api_url, datetime.now(UTC)
        )
        _await_slot(happening.within)
        for request in happening.requests:
            answer = rig.send(_as_bytes(request))
            assert answer.status in range(200, 300), (happening.what, answer.data)
        expected += happening.events
        unmapped += happening.events if happening.unmapped else 0

    def new() -> list[dict[str, Any]]:
        return rig.events(lambda event: event["id"] not in before and _is_a_push(event, vendor))

    rig.until(lambda: len(new()) >= expected)
    rig.read_dry()
    found = new()
    assert len(found) == expected
    assert sum(event["data"].get("kind") == "unmapped" for event in found) == unmapped
    for event in found:
        attributes = rig.received[event["id"]][0]["attributes"]
        assert len(attributes) <= 9
        assert attributes["arrival"] in {"live", "late", "cached"}


def _await_slot(seconds: float | None) -> None:
    """Waits for the beginning of a slot, where this one is nearly over."""
    if seconds is not None and (passed := time.time() % seconds) > seconds / 3:
        time.sleep(seconds - passed)


def _as_bytes(request: Request) -> Request:
    """The push with a content type that the emulator's gateway hands over byte by byte.

    Under `application/json` it writes U+FFFD for whatever is no UTF-8, as a compressed body is none. No page of AWS's
    says what a gateway does with it.
    """
    try:
        request.body.decode()
    except UnicodeDecodeError:
        return replace(request, headers={**request.headers, "content-type": "application/octet-stream"})
    return request


def _is_a_push(event: dict[str, Any], vendor: str) -> bool:
    """Tells whether an event is of a push: neither made by a flow later, nor a notice of a clock."""
    flows = event["type"] == "gatehouse.media.v1" or event["data"].get("kind") == "clock"
    return event["data"]["vendor"] == vendor and not flows
