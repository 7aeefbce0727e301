"""The listener's health: its metrics, and the check of its threads."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from functions.senselink import alive, health
from functions.senselink.health import Report, serve, write
from tests.output import Output
from tests.waiting import until


@dataclass
class Clock:
    """A clock that tests set."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def _status(port: int) -> int:
    return urllib3.request("GET", f"http://127.0.0.1:{port}/", timeout=5, retries=False).status


def _written(output: Output) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "_aws"} for line in output.lines if "_aws" in line]


# ─── Whether it lives ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_well_while_every_thread_looks_up(clock: Clock) -> None:
    north, south = Report("north"), Report("south")
    with serve(0, [north, south], 3600) as port:
        assert _status(port) == 200
        clock.now += 61
        north.tick()
        assert _status(port) == 503
        south.tick()
        assert _status(port) == 200


def test_a_server_that_is_silent_or_away_is_not_our_illness(clock: Clock) -> None:
    report = Report("north")
    with serve(0, [report], 3600) as port:
        clock.now += 10_000
        report.tick()
        assert not report.connected
        assert _status(port) == 200


def test_hearing_is_not_living(clock: Clock) -> None:
    report = Report("north")
    clock.now += 61
    report.heard()

    assert report.is_stuck


def test_it_answers_this_host_alone() -> None:
    with serve(0, [], 3600) as port, pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", f"http://127.0.0.2:{port}/", timeout=1, retries=False)


@pytest.mark.parametrize(("stuck", "status"), [(False, 0), (True, 1)])
def test_the_containers_check_asks_the_running_listener(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, stuck: bool, status: int
) -> None:
    with serve(0, [Report("north")], 3600) as port:
        clock.now += 61 if stuck else 0
        monkeypatch.setenv("HEALTH_PORT", str(port))
        assert alive.main() == status


def test_the_containers_check_fails_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(0, [], 3600) as port:
        monkeypatch.setenv("HEALTH_PORT", str(port))
    assert alive.main() == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [(b"HTTP/1.0 200 OK\r\n\r\n", 0), (b"HTTP/1.1 503 x\r\n\r\n", 1), (b"HTTP/1.0 2", 1), (b"", 1), (b"\x00" * 500, 1)],
)
def test_the_containers_check_reads_the_status_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, said: bytes, status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HEALTH_PORT", str(server.getsockname()[1]))

        def answer() -> None:
            peer, _ = server.accept()
            with peer, suppress(ConnectionError):  # which has heard enough
                peer.recv(1000)
                for place in range(0, len(said), 3):  # in pieces
                    peer.sendall(said[place : place + 3])

        thread = threading.Thread(target=answer)
        thread.start()
        assert alive.main() == status
        thread.join()


# ─── What is counted ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_server_has_its_own_metrics_and_the_deaf_are_counted_together(clock: Clock, output: Output) -> None:
    north, south = Report("north"), Report("south")
    north.connected = True
    north.reconnects, north.backfilled, north.gap_seconds = 2, 7, 31.5
    north.too_large = north.cut_short = north.begun = 1
    north.age, north.given_up = lambda: 40.0, lambda: 2
    south.denied = 1
    clock.now += 12
    north.heard()
    clock.now += 3

    write([north, south])

    assert _written(output) == [
        {
            "vendor": "senselink",
            "server": "north",
            "Connected": [1.0],
            "SecondsSinceLastMessage": [3.0],
            "Reconnects": [2.0],
            "GapSeconds": [31.5],
            "BackfilledRecords": [7.0],
            "PermissionDenied": [0.0],
            "WatermarkAge": [40.0],
            "MessagesTooLarge": [1.0],
            "MessagesGivenUp": [2.0],
            "ListsCutShort": [1.0],
            "FirstMarks": [1.0],
        },
        {
            "vendor": "senselink",
            "server": "south",
            "Connected": [0.0],
            "SecondsSinceLastMessage": [15.0],
            "Reconnects": [0.0],
            "GapSeconds": [0.0],
            "BackfilledRecords": [0.0],
            "PermissionDenied": [1.0],
            "WatermarkAge": [0.0],
            "MessagesTooLarge": [0.0],
            "MessagesGivenUp": [0.0],
            "ListsCutShort": [0.0],
            "FirstMarks": [0.0],
        },
        {"vendor": "senselink", "DeafServers": [1.0], "MessagesNotRecorded": [3.0]},
    ]


def test_what_is_counted_begins_anew_and_what_stands_stays(clock: Clock, output: Output) -> None:
    report = Report("north")
    report.connected = True
    report.reconnects, report.backfilled, report.denied, report.gap_seconds = 1, 1, 1, 1.0

    write([report])
    clock.now += 60
    write([report])

    again = _written(output)[2]
    counted = ("Reconnects", "BackfilledRecords", "PermissionDenied", "GapSeconds")
    assert [again[name] for name in counted] == [[0.0]] * 4
    assert (again["Connected"], again["SecondsSinceLastMessage"]) == ([1.0], [60.0])


def test_with_every_server_connected_nobody_is_deaf(output: Output) -> None:
    reports = [Report("north"), Report("south")]
    for report in reports:
        report.connected = True

    write(reports)

    assert _written(output)[-1] == {"vendor": "senselink", "DeafServers": [0.0], "MessagesNotRecorded": [0.0]}


def test_the_first_metrics_are_written_before_an_alarm_could_miss_them(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm is created once the task runs. It counts a missing metric as deaf, and would page for a first
    deployment.
    """
    assert health._FIRST < 30, "a task stands once it was asked for its health, every 30 s"  # noqa: SLF001
    monkeypatch.setattr(health, "_FIRST", 0.02)
    with serve(0, [Report("north")], 3600):
        until(lambda: len(_written(output)) == 2)


def test_the_metrics_are_written_again_and_again(output: Output) -> None:
    with serve(0, [Report("north")], 0.02):
        until(lambda: output.counted.get("DeafServers", 0) >= 3)
