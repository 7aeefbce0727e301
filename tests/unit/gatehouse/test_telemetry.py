"""Logs and metrics: lines of JSON, and the embedded metric format, each metric with its own dimensions."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gatehouse.telemetry import Count, Gauge, Span, count, flush, gauges, log, measure
from tests.output import Output


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


def test_what_is_turned_away_is_counted_by_its_reason_and_by_the_vendor_alone(output: Output) -> None:
    """An alarm takes ten metrics at most, and there are more reasons than that."""
    count(Count.REJECTED, "acme", reason="stale")
    count(Count.DECISION, "acme", by="doubt")

    sets = [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for line in output.lines]
    assert sets == [[["vendor", "reason"], ["vendor"]], [["vendor", "by"]]]


def test_how_long_something_took_is_told_each_time_by_itself_beside_what_was_counted(output: Output) -> None:
    measure(Span.DECISION, "acme", 12)
    count(Count.RECORDED, "acme")
    measure(Span.DECISION, "acme", 340.5)

    (line,) = output.lines
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["vendor"]]
    assert {"Name": "DecisionTime", "Unit": "Milliseconds"} in directive["Metrics"]
    assert _metrics(output) == [{"vendor": "acme", "Recorded": [1.0], "DecisionTime": [12.0, 340.5]}]


@pytest.mark.parametrize(("measured", "lines"), [(99, 1), (100, 2), (250, 3)])
def test_a_line_has_no_more_values_of_a_metric_than_cloudwatch_takes(measured: int, lines: int, output: Output) -> None:
    for value in range(measured):
        measure(Span.DECISION, "acme", value)

    written = _metrics(output)
    assert [line["vendor"] for line in written] == ["acme"] * lines
    assert [value for line in written for value in line["DecisionTime"]] == list(range(measured))
    assert max(len(line["DecisionTime"]) for line in written) <= 100


def test_what_was_written_is_not_written_again(output: Output) -> None:
    count(Count.RECORDED, "acme")
    measure(Span.DECISION, "acme", 1)
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
    # S9: Lambda's handler on the root logger prints the warnings of all libraries.
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(name).warning("Failed to parse headers (url=http://files.example.com/?token=KEY)")

    assert caplog.text == ""
