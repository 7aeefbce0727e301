"""Shows how the listener is: a metric a minute for each server, and whether its threads live."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from gatehouse.telemetry import Gauge, flush, gauges

_STUCK: Final = 60.0
"""Seconds without a sign of life after which a thread counts as stuck. One that waits looks up each second."""

_ENDS: Final = 0.05
"""Seconds after which the server looks whether it is to end."""
_FIRST: Final = 10.0
"""Seconds until the first metrics: time to connect, and early enough for an alarm that is made when the task stands."""
_NOT_AS_THEY_ARE: Final = ("MessagesTooLarge", "MessagesGivenUp")
"""Metrics of messages that no event of their own came of; together they are one more, for one alarm."""


class Report:
    """How it is with a server."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.connected = False
        self.reconnects = 0
        self.gap_seconds = 0.0
        self.backfilled = 0
        self.denied = 0
        self.too_large = 0
        self.given_up: Callable[[], int] = lambda: 0
        self.cut_short = 0
        self.begun = 0
        self.age: Callable[[], float] = lambda: 0.0
        self._given_up = 0
        self._heard_at = self._ticked_at = time.monotonic()

    def tick(self) -> None:
        """Its thread lives."""
        self._ticked_at = time.monotonic()

    def heard(self) -> None:
        """A message came."""
        self._heard_at = time.monotonic()

    @property
    def is_stuck(self) -> bool:
        """Whether its thread does nothing any more, not even wait."""
        return time.monotonic() - self._ticked_at > _STUCK

    def told(self) -> dict[str, Gauge]:
        """Its metrics; what is counted begins anew."""
        values = {
            "Connected": Gauge("Count", int(self.connected)),
            "SecondsSinceLastMessage": Gauge("Seconds", time.monotonic() - self._heard_at),
            "Reconnects": Gauge("Count", self.reconnects),
            "GapSeconds": Gauge("Seconds", self.gap_seconds),
            "BackfilledRecords": Gauge("Count", self.backfilled),
            "PermissionDenied": Gauge("Count", self.denied),
            "WatermarkAge": Gauge("Seconds", self.age()),
            "MessagesTooLarge": Gauge("Count", self.too_large),
            "MessagesGivenUp": Gauge("Count", (given_up := self.given_up()) - self._given_up),
            "ListsCutShort": Gauge("Count", self.cut_short),
            "FirstMarks": Gauge("Count", self.begun),
        }
        self._given_up = given_up
        self.reconnects = self.backfilled = self.denied = 0
        self.too_large = self.cut_short = self.begun = 0
        self.gap_seconds = 0.0
        return values


@contextmanager
def serve(port: int, reports: Sequence[Report], seconds: float) -> Iterator[int]:
    """Tells on this host's port whether all threads live, and writes the metrics, while the block runs.

    Args:
        port: of 127.0.0.1; 0 for any.
        reports: of the servers.
        seconds: between two writes; the first one comes earlier.

    Yields:
        the port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if any(report.is_stuck for report in reports) else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: it is asked every few seconds."""

    ended = threading.Event()

    def tell() -> None:
        pause = min(seconds, _FIRST)
        while not ended.wait(pause):
            write(reports)
            pause = seconds

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threads = [threading.Thread(target=server.serve_forever, args=(_ENDS,)), threading.Thread(target=tell)]
    for thread in threads:
        thread.start()
    try:
        yield server.server_port
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


def write(reports: Sequence[Report]) -> None:
    """Writes the metrics: each server's by its name; and for one alarm on all of them, how many are deaf, and how many
    messages were not recorded as what they are.
    """
    lost = 0.0
    for report in reports:
        told = report.told()
        gauges(told, vendor="senselink", server=report.server)
        lost += sum(told[name].value for name in _NOT_AS_THEY_ARE)
    deaf = sum(not report.connected for report in reports)
    gauges({"DeafServers": Gauge("Count", deaf), "MessagesNotRecorded": Gauge("Count", lost)}, vendor="senselink")
    flush()


def tell_of_missed(missed: Mapping[str, int]) -> None:
    """Writes how many records each server's subscription did not bring, and how many all of them."""
    for server, records in missed.items():
        gauges({"MissedBySubscription": Gauge("Count", records)}, vendor="senselink", server=server)
    gauges({"MissedBySubscription": Gauge("Count", sum(missed.values()))}, vendor="senselink")
    flush()
