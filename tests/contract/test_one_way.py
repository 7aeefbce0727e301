"""A push goes one way: each step of its vendor is taken once, in one order, and none is gone back to."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from tests import vendor_files
from tests.template.stack import ROOT
from tests.vendors import vendor_tests

_STEPS: Final = ("verify.py:verify", "verify.py:unwrap", "verify.py:identity", "normalise.py:normalise")
_RESPOND: Final = "respond"
_KEEP: Final = "gate.py:keep"

every_valid_sample = pytest.mark.parametrize(
    ("vendor", "sample"),
    [(vendor, sample) for vendor in vendor_files.vendors(ROOT) for sample in vendor_files.valid_samples(ROOT, vendor)],
)


@contextmanager
def _traced(vendor: str) -> Iterator[list[str]]:
    """The calls of a vendor's own steps and of the gate's `keep`, in their order."""
    folder = ROOT / "functions" / vendor
    calls: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        step = f"{path.name}:{name}"
        if (path.parent == folder and (step in _STEPS or name == _RESPOND)) or step == _KEEP:
            calls.append(_RESPOND if name == _RESPOND else step)

    before: Callable[..., Any] | None = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@every_valid_sample
def test_a_push_goes_through_each_step_once_and_in_order(vendor: str, sample: str) -> None:
    rig = vendor_tests(vendor).rig(json.loads((ROOT / "events" / vendor / "secret.json").read_text()))
    with _traced(vendor) as calls:
        assert rig.handle(json.loads(vendor_files.samples(ROOT, vendor)[sample].read_text())).status == 200

    order = ["verify.py:verify", "verify.py:unwrap", "verify.py:identity", _RESPOND, _KEEP, "normalise.py:normalise"]
    places = [order.index(call) for call in calls]
    assert all(before < after for before, after in pairwise(places)), calls
    assert {"verify.py:verify", "verify.py:unwrap", _KEEP, "normalise.py:normalise"} <= set(calls)
