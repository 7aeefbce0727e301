"""The line that the operator reads of an event."""

from typing import Any

import pytest

from ops.cli import received, what


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "leak", "severity": "high", "links": [], "state": "raised"}, "leak high raised"),
        ({"kind": "unmapped", "result": "unknown", "reason": "the body is not JSON"}, "unmapped: the body is not JSON"),
        ({"kind": "staff", "outcome": "granted", "arrival": "cached"}, "staff granted (cached)"),
        ({"kind": "staff", "outcome": "granted"}, "staff granted"),
        ({"kind": "climate", "readings": {"temperature": {"value": 0}, "leak": {"value": False}}},
         "temperature 0, leak False"),
        ({"kind": "available", "files": [{}, {}, {}]}, "available, 3 files"),
        ({"kind": "partial", "files": [{}]}, "partial, 1 file"),
        ({"kind": "missing", "files": []}, "missing, 0 files"),
    ],
)  # fmt: skip
def test_an_event_in_a_few_words(data: dict[str, Any], words: str) -> None:
    assert what(data) == words


def test_what_a_device_calls_itself_and_its_readings_does_not_reach_the_terminal_as_an_order() -> None:
    # S18: a title, a cleared screen, whatever a device's name or a reading's name says.
    event = {
        "id": "sensoro-1",
        "type": "gatehouse.measurement.v1",
        "data": {
            "vendor": "sensoro",
            "device": "\x1b]0;owned\x07",
            "readings": {"\x1b[2J": {"value": "\r\n\x9b"}},
        },
    }

    line = received(event)

    assert line.isprintable()
    assert "]0;owned" in line
    assert "[2J" in line
