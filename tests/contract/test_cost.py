"""No accepted push costs more than a few times what it takes to read it: for every vendor, at its limit.

The table of the worst is in docs/reliability.md; `pytest tests/contract/test_cost.py -s` prints it anew.
"""

import importlib
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, Final

import pytest

from gatehouse.gate import Vendor
from ops.simulators import Request
from tests.contract.test_behaviour import _FUNCTIONS
from tests.rig import Rig
from tests.settings import settings_of
from tests.styles import compact
from tests.vendors import vendor_names, vendor_tests

_TIMES: Final = 8
"""Times that json.loads takes for the same body; meant is 0.5 s on one idle core."""
_LEAST: Final = 0.05
"""Seconds of a processor that no ratio is taken of: there the fixed costs are most of it."""
_MEMORY: Final = 250_000_000


def _nested(size: int) -> Any:
    levels: Any = 0
    for _ in range(90):
        levels = [levels]
    return [levels] * (size // 190)


_WORST: Final[dict[str, Callable[[int], Any]]] = {
    "nested": _nested,
    "as many parts as are read": lambda _size: [[[0]] * 3] * 5_000,
    "as many objects": lambda _size: [{"a": {}}] * 12_000,
    "empty objects": lambda size: [{"": 0}] * (size // 8),
    "empty lists": lambda size: [[]] * (size // 4),
    "names": lambda size: {f"n{number:07}": 0 for number in range(size // 14)},
    "numbers": lambda size: [1.5] * (size // 5),
    "long numbers": lambda size: [int("1" * 299)] * (size // 300),
    "long numbers, each a digit more than a double": lambda size: [int("1" * 309)] * (size // 310),
    "numbers of four thousand digits": lambda size: [int("7" * 4_299)] * (size // 4_300),
    "long numbers in texts": lambda size: ["1" * 299] * (size // 302),
    "text": lambda size: "x" * size,
    "text to escape": lambda size: "\x01" * (size // 8),
    "Chinese text": lambda size: "设" * (size // 8),
    "JSON in a text": lambda size: json.dumps([{"a": 1}] * (size // 16)),
    "numbers in a text": lambda size: json.dumps([1.5] * (size // 6)),
    "lists in a text": lambda size: json.dumps([[]] * (size // 5)),
    "short texts": lambda size: ["xy"] * min(size // 8, 24_000),
    "JSON in short texts": lambda size: ["[1]"] * min(size // 10, 24_000),
    "quotes": lambda size: '"' * (size // 2),
    "base64": lambda size: "/9j/" * (size // 5),
}


def _limit(vendor: str) -> int:
    """Bytes of a body that the vendor's function takes."""
    module = importlib.import_module(f"functions.{vendor}.handler")
    supplied: Vendor[Any, Any] = module.vendor(
        settings_of(module).read(_FUNCTIONS[f"{module.__name__}.lambda_handler"].environment)
    )
    return supplied.body_limit


def _spent(act: Callable[[], object]) -> float:
    """Seconds of a processor: the least of three, since somebody else is on this machine too."""
    found = []
    for _ in range(3):
        start = time.process_time()
        act()
        found.append(time.process_time() - start)
    return min(found)


def _fitting(vendor: str, shape: str, make: Callable[[int], Any], limit: int) -> Request:
    """The largest such push that the vendor's function takes."""
    own = vendor_tests(vendor)
    path = f"{own.INSIDE}.notDocumented" if own.INSIDE else "notDocumented"
    size = limit
    while True:
        request = own.push(shape, {path: make(size)}, compact)
        if len(request.body) <= limit:
            return request
        size = int(size * min(0.95, limit / len(request.body)))


@pytest.mark.parametrize("vendor", vendor_names())
@pytest.mark.parametrize("worst", _WORST)
def test_the_worst_push_costs_a_few_times_its_reading(vendor: str, worst: str) -> None:
    shape = next(iter(vendor_tests(vendor).SHAPES))
    request = _fitting(vendor, shape, _WORST[worst], _limit(vendor))
    text = json.dumps(_WORST[worst](len(request.body)))
    rigs: list[Rig[Any]] = []

    def send() -> None:
        rigs.append(vendor_tests(vendor).rig())
        assert rigs[-1].send(request).status == 200

    reading, answering = _spent(lambda: json.loads(text)), _spent(send)
    tracemalloc.start()
    send()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    print(  # noqa: T201 - the table
        f"{vendor} | {worst} | {len(request.body)} | {answering:.3f} | {answering / reading:.1f} | {peak / 1e6:.0f}"
    )
    assert len(rigs[-1].stored) >= 1
    assert answering <= max(_TIMES * reading, _LEAST * 4)
    assert peak <= _MEMORY
