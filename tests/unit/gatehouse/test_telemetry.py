"""What an operator sees: log lines as JSON, metrics in the embedded metric format, each with its own dimensions."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gatehouse.telemetry import Count, Gauge, count, flush, gauges, log
from tests.unit.conftest import Output


def _metrics(output: Output) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "_aws"} for line in output.lines if "_aws" in line]


def test_a_metric_is_a_line_in_the_embedded_metric_format(output: Output) -> None:
    count(Count.RECORDED, "acme")

    (line,) = output.lines
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Gatehouse"
    assert directive["Dimensions"] == [["vendor"]]
    assert [(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]] == [("Recorded", "Count")]
    assert (line["vendor"], line["Recorded"]) == ("acme", [1.0])


def test_what_is_counted_often_is_written_once(output: Output) -> None:
    for _ in range(1000):
        count(Count.PUBLISHED, "acme")

    assert _metrics(output) == [{"vendor": "acme", "Published": [1000.0]}]


def test_a_dimension_of_one_metric_is_not_one_of_the_next(output: Output) -> None:
    count(Count.REJECTED, "acme", reason="stale")
    count(Count.REJECTED, "acme", reason="future")
    count(Count.RECORDED, "acme")
    count(Count.PUBLISHED, "acme")
    count(Count.RECORDED, "other")

    assert _metrics(output) == [
        {"vendor": "acme", "reason": "stale", "Rejected": [1.0]},
        {"vendor": "acme", "reason": "future", "Rejected": [1.0]},
        {"vendor": "acme", "Recorded": [1.0], "Published": [1.0]},
        {"vendor": "other", "Recorded": [1.0]},
    ]


def test_what_was_written_is_not_written_again(output: Output) -> None:
    count(Count.RECORDED, "acme")
    flush()
    flush()

    assert len(output.lines) == 1


def test_nothing_counted_writes_nothing(output: Output) -> None:
    flush()

    assert output.read() == ""


def test_counting_in_many_threads_loses_nothing(output: Output) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: count(Count.RECORDED, "acme"), range(4000)))

    assert output.counted == {Count.RECORDED: 4000}


def test_how_things_stand_is_one_line_with_its_units(output: Output) -> None:
    gauges({"Connected": Gauge("Count", 1), "Age": Gauge("Seconds", 0.25)}, vendor="acme", place="north")

    (line,) = output.lines
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Gatehouse"
    assert [sorted(dimensions) for dimensions in directive["Dimensions"]] == [["place", "vendor"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "Connected": "Count",
        "Age": "Seconds",
    }
    assert _metrics(output) == [{"vendor": "acme", "place": "north", "Connected": [1.0], "Age": [0.25]}]


def test_a_zero_is_told_and_the_next_line_knows_nothing_of_the_last(output: Output) -> None:
    gauges({"Deaf": Gauge("Count", 0)}, vendor="acme")
    gauges({"Deaf": Gauge("Count", 2)}, vendor="acme", place="north")
    count(Count.RECORDED, "acme")

    assert _metrics(output) == [
        {"vendor": "acme", "Deaf": [0.0]},
        {"vendor": "acme", "place": "north", "Deaf": [2.0]},
        {"vendor": "acme", "Recorded": [1.0]},
    ]


def test_a_log_line_is_json_with_what_is_named_by_hand(output: Output) -> None:
    log.warning("rejected", vendor="acme", reason="stale")

    (line,) = output.logged
    assert (line["level"], line["message"], line["vendor"], line["reason"], line["service"]) == (
        "WARNING",
        "rejected",
        "acme",
        "stale",
        "gatehouse",
    )


@pytest.mark.parametrize(
    "name", ["urllib3.connectionpool", "urllib3.util.retry", "botocore.endpoint", "s3transfer.tasks", "websocket"]
)
def test_a_library_warns_nobody_since_it_would_quote_an_address(name: str, caplog: pytest.LogCaptureFixture) -> None:
    # S9: Lambda's handler on the root prints what anybody warns of.
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(name).warning("Failed to parse headers (url=http://files.example.com/?token=KEY)")

    assert caplog.text == ""
