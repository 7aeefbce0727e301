"""SenseLink's listener under five hundred messages a second for a minute: its memory, its lag, its processor time.

`python -m tests.bench.test_listener URL` is the listener, in a process of its own, with AWS stubbed: each call takes
five milliseconds and keeps nothing.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Final, TypedDict

import psutil
import pytest

from functions.senselink.listener import Listener, ListenerSettings
from functions.senselink.progress import Written
from functions.senselink.recorder import Stop
from functions.senselink.wire import Server as Entry
from gatehouse.gate import Gate
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.vocabulary import Topic
from ops.simulators.senselink import Server
from tests.fakes import FakeMedia, FakeSpill
from tests.waiting import until

ROOT: Final = Path(__file__).parents[2]
APP: Final = {"app_key": "0f3a9c71", "app_secret": "the-secret-of-0f3a9c71"}
PER_SECOND: Final = 500
SECONDS: Final = int(os.environ.get("SECONDS_OF_LOAD", "60"))
WARM_UP: Final = 15.0
"""Seconds after which the memory is as large as it gets."""
GROWTH_MEGABYTES: Final = 4.0
LAG_P99: Final = 1.0
"""Seconds."""
_CALL: Final = 0.005
"""Seconds of an AWS call."""
_SENT: Final = re.compile(r'"remark":"(\d+)"')

pytestmark = pytest.mark.bench


class Result(TypedDict):
    """Result of a run."""

    recorded: int
    lag_p50: float
    """Seconds from the moment that stands in a message until it is recorded."""
    lag_p99: float
    lag_max: float
    warm_megabytes: float
    """Resident, after the warm-up."""
    end_megabytes: float
    processor: float
    """Share of one processor."""


class _Aws:
    """Store, topics and watermarks."""

    def __init__(self) -> None:
        self.lags = array("d")

    def record(self, record: Record, _announce: str) -> Mapping[str, str] | None:
        time.sleep(_CALL)
        sent = _SENT.search(record.body)
        assert sent is not None
        self.lags.append(time.time() - int(sent[1]) / 1e9)
        return None

    def mark_published(self, _record_id: str) -> None:
        time.sleep(_CALL)

    def pending(self, _ids: Sequence[str]) -> set[str]:
        return set()

    def publish(self, _record: Record) -> None:
        time.sleep(_CALL)

    def read(self, _server: str) -> Written | None:
        return None

    def begin(self, _server: str, _first: datetime) -> Written | None:
        return None

    def advance(self, _server: str, _mark: datetime) -> None:
        time.sleep(_CALL)

    def owe(self, _server: str, _task: str, _since: datetime | None) -> None:
        time.sleep(_CALL)

    def settle(self, _server: str, _owed: Mapping[str, str]) -> None:
        time.sleep(_CALL)

    def learn(self, _server: str, _late: Mapping[str, float], _lists: Iterable[int]) -> None:
        time.sleep(_CALL)


def _listen(url: str) -> Result:
    """Listens until SIGTERM."""
    settings = ListenerSettings(
        events_table="events",
        topic_arns=dict.fromkeys(Topic, "arn"),
        spill_queue_url="https://sqs.example.com/spill",
        media_bucket="media",
        secret_arn="arn",
        watermarks_table="watermarks",
        servers="north",
    )
    aws, stop, memory = _Aws(), Stop(), psutil.Process()
    signal.signal(signal.SIGTERM, lambda *_: stop.request())
    entry = Entry.model_validate({"server": "north", "url": url, "insecure": True, **APP})
    listener = Listener(entry, Gate(aws, aws, FakeSpill(), Announce.INLINE, FakeMedia()), aws, settings, stop)
    thread = Thread(target=listener.run)
    thread.start()
    while not aws.lags:
        time.sleep(0.05)
    started, spent = time.monotonic(), time.process_time()
    while time.monotonic() - started < WARM_UP:
        time.sleep(0.1)
    warm = memory.memory_info().rss
    while not stop.requested:
        time.sleep(0.1)
    end = memory.memory_info().rss
    processor = (time.process_time() - spent) / (time.monotonic() - started)
    thread.join()
    lags = sorted(aws.lags)
    return Result(
        recorded=len(lags),
        lag_p50=round(lags[len(lags) // 2], 4),
        lag_p99=round(lags[int(len(lags) * 0.99)], 4),
        lag_max=round(lags[-1], 4),
        warm_megabytes=round(warm / 2**20, 1),
        end_megabytes=round(end / 2**20, 1),
        processor=round(processor, 2),
    )


def test_five_hundred_messages_a_second_neither_grow_its_memory_nor_make_it_late(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Server(APP).serving() as server:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.test_listener", server.url],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gatehouse'}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            until(lambda: server.connections == 1)
            due = time.monotonic()
            for _ in range(PER_SECOND * SECONDS):
                server.happen(remark=str(time.time_ns()))
                due += 1 / PER_SECOND
                time.sleep(max(due - time.monotonic(), 0))
            late = time.monotonic() - due
            until(lambda: server.unread == 0)
            time.sleep(2)  # what lies in the machine's buffers is read as well, and nobody can see that from here
        finally:
            child.terminate()
            written, _ = child.communicate(timeout=30)
    result: Result = json.loads(written.splitlines()[-1])

    with capsys.disabled():
        print(f"\n  {PER_SECOND} messages/s for {SECONDS} s, the sender {late:.1f} s late at the end")  # noqa: T201
        for name, value in result.items():
            print(f"  {name}: {value}")  # noqa: T201 - what the bench is for
    assert child.returncode == 0
    assert result["recorded"] == PER_SECOND * SECONDS
    assert result["lag_p99"] < LAG_P99
    assert result["end_megabytes"] - result["warm_megabytes"] < GROWTH_MEGABYTES


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_listen(sys.argv[1])) + "\n")
