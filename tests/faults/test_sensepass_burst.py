"""A burst after an outage, a small one; `tests/bench/test_burst.py` has the one of 5,000 records."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ops.simulators import Request
from ops.simulators.sensepass import Terminal
from tests.builders import URL
from tests.faults.sensepass_burst import ASKINGS, Door, Result

ROOT = Path(__file__).parents[2]
MEMORY_MEGABYTES = 256


def run(records: int) -> Result:
    """A burst, in a process whose memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.sensepass_burst", str(records)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gatehouse'}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert done.stderr == ""
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def check(result: Result, records: int) -> None:
    """Sees that no record is lost or doubled, and that there is memory to spare."""
    assert result["happenings"] > records
    assert result["lost"] == 0, result
    assert result["stored"] <= result["happenings"], result
    assert result["pictures"] <= result["happenings"], result
    # 503 where a question was not kept in time, in a process with twenty doors: it was sent again.
    assert (result["damaged"], result["wrong"], set(result["answers"]) - {"503"}) == (0, 0, {"200"}), result
    assert result["unanswered"] == 0, result
    assert result["peak_megabytes"] < MEMORY_MEGABYTES, result


def test_five_hundred_cached_records_at_once_are_neither_lost_nor_doubled() -> None:
    check(run(500), 500)


def test_a_door_that_is_never_answered_gives_up() -> None:
    """It asked for ever, so that a put without its condition made this file hang instead of fail."""

    class Deaf(Door):
        def _send(self, push: Request) -> float:
            del push
            self.told = 500
            self.codes[self.told] += 1
            return 0.0

    door = Deaf(Terminal("PS71HD01MC22C00001", "north-one", URL, "1.3"), seed=1)
    door.run(11)

    assert door.unanswered == 2
    assert door.codes == {500: 11 + 1 + 2 * (1 + ASKINGS)}
