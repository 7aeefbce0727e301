"""The cost: the document is today's, and its formulas are AWS's, by examples that were computed by hand."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cost
from ops.cost import document, senselink, units
from ops.cost.count import Run
from ops.cost.document import Facts
from ops.cost.prices import Price, Prices, Usage, assumed
from ops.cost.template import Deployed

_ROOT = Path(__file__).parents[3]
_DOCUMENT = _ROOT / "docs/cost.md"
_PENDING = units.Index(("pending", "recorded_at", "id"))
_HOUR = units.Index(("by_hour", "occurred_at", "id"))


@pytest.fixture(scope="module")
def facts() -> Facts:
    return document.gathered(Prices.read(), assumed())


def _item(size: int, **more: str) -> dict[str, Any]:
    """An item of so many bytes: `id` is 2 and its value one, `event` is 5, the rest is of its text."""
    return {"id": {"S": "1"}, "event": {"S": "x" * (size - 8)}, **{name: {"S": text} for name, text in more.items()}}


def test_the_document_is_what_todays_code_makes_of_it(facts: Facts) -> None:
    assert _DOCUMENT.read_text() == document.rendered(facts), "run `make cost`"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "abc"}, 3),
        ({"S": "设"}, 3),
        ({"N": "17"}, 2),
        ({"N": "1793692860"}, 6),
        ({"N": "-1"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": [{"S": "ab"}]}, 3 + 1 + 2),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 1 + 2),
    ],
)
def test_a_value_has_the_size_that_dynamodb_bills(value: dict[str, Any], size: int) -> None:
    assert units.value_size(value) == size


def test_an_item_is_its_names_and_its_values() -> None:
    assert units.item_size({"id": {"S": "abcd"}, "n": {"N": "17"}}) == 2 + 4 + 1 + 2


@pytest.mark.parametrize(("size", "written"), [(8, 1), (1_024, 1), (1_025, 2), (4_096, 4)])
def test_a_write_is_billed_by_each_kib_begun(size: int, written: int) -> None:
    assert units.write_units(None, _item(size)) == written


def test_a_write_is_billed_by_the_larger_of_what_was_there_and_what_is() -> None:
    assert units.write_units(_item(3_000), _item(1_000)) == 3


def test_a_new_item_is_written_into_each_index_that_it_is_in() -> None:
    item = _item(1_500, pending="1", recorded_at="now", by_hour="9", occurred_at="then")
    assert units.write_units(None, item, [_PENDING, _HOUR]) == 2 + 1 + 1


def test_an_item_without_an_indexs_key_costs_nothing_there() -> None:
    assert units.write_units(None, _item(1_000), [_PENDING, _HOUR]) == 1


def test_the_mark_takes_an_item_out_of_one_index_and_leaves_the_other() -> None:
    there = _item(1_500, pending="1", recorded_at="now", by_hour="9", occurred_at="then")
    marked = {name: value for name, value in there.items() if name != "pending"}
    assert units.write_units(there, marked, [_PENDING, _HOUR]) == 2 + 1


def test_another_key_in_an_index_is_a_deletion_and_an_entry() -> None:
    there = _item(500, by_hour="9", occurred_at="then")
    assert units.write_units(there, {**there, "by_hour": {"S": "10"}}, [_HOUR]) == 1 + 2


@pytest.mark.parametrize(
    ("size", "consistent", "read"), [(0, True, 1), (4_096, True, 1), (4_097, True, 2), (4_096, False, 0.5)]
)
def test_a_read_is_billed_by_each_four_kib_begun(size: int, read: float, *, consistent: bool) -> None:
    assert units.read_units(size, consistent=consistent) == read


@pytest.mark.parametrize(("size", "requests"), [(0, 1), (65_536, 1), (65_537, 2)])
def test_a_message_is_a_request_for_each_64_kib_begun(size: int, requests: int) -> None:
    assert units.chunks(size) == requests


def test_a_push_costs_what_its_calls_cost(facts: Facts) -> None:
    push = next(
        push for push in facts.pushes if (push.vendor, push.mode, push.name) == ("sunmi", "inline", "1010-motion")
    )
    # An item of two KiB: 2 and three indexes, then its mark: 2 and one index.
    assert (
        push.own.calls["dynamodb:PutItem"]
        == push.own.calls["dynamodb:UpdateItem"]
        == push.own.calls["sns:Publish"]
        == 1
    )
    assert 1_024 < units.item_size(push.own.records[0]) < 2_048
    assert push.usage["write_unit"] == 2 + 3 + 2 + 1
    # The sample's own day, whatever day it is: what is counted hangs on no clock.
    assert push.own.records[0]["recorded_at"]["S"].startswith("2026-11-01T09:00:00")
    # The relay looks at it once, and a tenth of an invocation is this push's.
    assert push.relay.usage["read_unit"] == 1
    assert push.relay.usage["lambda_request"] == pytest.approx(0.1)
    assert push.usage["publish"] == 1


def test_a_push_in_mode_stream_is_published_by_the_relay_alone(facts: Facts) -> None:
    push = next(push for push in facts.pushes if (push.vendor, push.mode) == ("eye4", "stream"))
    assert "sns:Publish" not in push.own.calls
    assert push.relay.calls["sns:PublishBatch"] == 1
    assert push.usage["publish"] == pytest.approx(1 / assumed()["relay_stream_batch"].value)


def test_a_strangers_push_calls_nothing_and_is_logged(facts: Facts) -> None:
    for counted in facts.rejected.values():
        assert not counted.calls
        assert counted.usage["write_unit"] == 0
        assert counted.usage["log_gb"] > 0
        assert {name for name, _ in counted.metrics} == {"Rejected"}


def test_every_vendor_is_counted_in_both_modes(facts: Facts) -> None:
    behind_the_api = {vendor for _, vendor in Deployed().vendors()}
    assert {(push.vendor, push.mode) for push in facts.pushes} == {
        (vendor, mode) for vendor in behind_the_api for mode in ("inline", "stream")
    }


def test_an_alarm_is_billed_for_each_metric_in_it() -> None:
    metric: dict[str, Any] = {"MetricStat": {"Metric": {}}}
    assert document.alarm_metrics({"MetricName": "Errors"}) == 1
    assert document.alarm_metrics({"Metrics": [{"Expression": "SUM(METRICS())"}, metric, metric]}) == 2


def test_the_listeners_task_is_billed_by_the_hour(facts: Facts) -> None:
    task = senselink.listener(facts)["with a public address"][0]
    assert task.usd == pytest.approx(730 * (0.25 * 0.03238 + 0.5 * 0.00356))


def test_a_floods_requests_are_cheaper_above_300_million(facts: Facts) -> None:
    found = document.flood(facts, 730 * 3_600, "small")
    requests = found.rate * 730 * 3_600
    assert requests > 300e6
    assert found.lines[0].usd == pytest.approx(300 * 1.00 + (requests / 1e6 - 300) * 0.90)


def test_a_flood_is_as_much_as_all_routes_take(facts: Facts) -> None:
    limits = document.limits(facts.deployed)
    assert set(limits) == set(document.routes(facts.deployed))
    assert document.flood(facts, 1, facts.deployed.parameter("Traffic")).rate == sum(limits.values())


def test_a_recording_costs_what_its_flow_is_said_to(facts: Facts) -> None:
    steps = facts.besides["eye4"]
    assert steps["the flow"].usage["transition"] == 3
    assert steps["resolving"].usage["put"] == 2
    assert steps["the start of its flow"].usage["queue_request"] == 3


_ANOTHER = """
from ops.cost import Part
from ops.cost.count import Counted, Run
from ops.cost.document import Facts


def measured(run: Run) -> dict[str, Counted]:
    return {"a step": Counted()}


def part(facts: Facts) -> Part:
    return Part([("its row", 7)], ["## Its section", ""], [("`ItsSwitch`", "its price", 8)])
"""


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A vendor that cost nothing beside its pushes until its module was put beside the others."""
    name = next(vendor for _, vendor in Deployed().vendors() if vendor not in cost.vendors())
    (tmp_path / f"{name}.py").write_text(_ANOTHER)
    monkeypatch.setattr(cost, "__path__", [*cost.__path__, str(tmp_path)])
    yield name
    if sys.modules.pop(f"{cost.__name__}.{name}", None) is not None:
        delattr(cost, name)


def test_what_a_vendor_costs_beside_its_pushes_is_found_by_looking(facts: Facts, another: str) -> None:
    assert isinstance(cost.vendors()[another], cost.Measured)
    lines = document.rendered(facts).splitlines()
    assert {"| its row | 7.00 |", "## Its section", "| `ItsSwitch` | its price | 8.00 |"} <= set(lines)


def test_only_what_is_a_vendors_is_taken_for_one() -> None:
    behind_the_api = {vendor for _, vendor in Deployed().vendors()}
    assert set() < set(cost.vendors()) <= behind_the_api


def test_the_same_run_counts_the_same_twice() -> None:
    first, second = (Run(Deployed(), assumed()).rejected() for _ in range(2))
    assert {name: counted.usage for name, counted in first.items()} == {
        name: counted.usage for name, counted in second.items()
    }


def test_a_price_is_of_so_many() -> None:
    prices = Prices("us-east-1", "2026-11-25", {"publish": Price("a publish", 0.50, 1_000_000, "https://example.com")})
    assert prices.of("publish", 3_000_000) == pytest.approx(1.50)


def test_every_price_names_its_page() -> None:
    for name, price in Prices.read().table.items():
        assert price.page.startswith("https://"), name
        assert price.usd > 0, name


def test_everything_that_was_counted_has_a_price(facts: Facts) -> None:
    used = sum((push.usage for push in facts.pushes), Usage())
    assert set(used) <= set(facts.prices.table)
