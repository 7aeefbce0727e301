"""A function as Lambda runs it, in a process of its own: it answers a line with a line, and may be frozen in between.

Run as a program it is that process; imported, it is what starts it.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).parents[2]
_END: Final = "end"


@dataclass
class Sandbox:
    """The process."""

    process: subprocess.Popen[str]
    answers: IO[str]
    log: Path

    def call(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Calls the function; when this returns, its answer is given."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.answers.readline())
        return answer

    def freeze(self) -> None:
        """Stops it where it is; when this returns, none of its threads runs."""
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> None:
        """Has it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> list[dict[str, Any]]:
        """Waits for whatever it has under way, ends it, and returns what it wrote."""
        assert self.process.stdin is not None
        self.process.stdin.write(_END + "\n")
        self.process.stdin.flush()
        assert self.process.wait(60) == 0, self.log.read_text()
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def sandbox(
    module: str, environment: Mapping[str, str], folder: Path, constants: Mapping[str, float] | None = None
) -> Iterator[Sandbox]:
    """A function's process.

    Args:
        module: where its `lambda_handler` is.
        environment: what it is told.
        folder: for its log.
        constants: other values for numbers of ours, as `gatehouse.accounts:MAX_AGE`; nobody waits for five minutes.
    """
    reading, writing = os.pipe()
    log = folder / "sandbox.log"
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/gatehouse'}",
        "PYTHONUNBUFFERED": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        **environment,
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.sandbox", module, str(writing), json.dumps(dict(constants or {}))],
            cwd=ROOT,
            env=told,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[writing],
        )
    os.close(writing)
    with os.fdopen(reading) as answers:
        try:
            yield Sandbox(process, answers, log)
        finally:
            process.kill()
            process.communicate()


def _run(module: str, answers: int, constants: Mapping[str, float]) -> None:
    for name, value in constants.items():
        where, _, what = name.partition(":")
        setattr(importlib.import_module(where), what, value)
    handler = importlib.import_module(module).lambda_handler
    with os.fdopen(answers, "w") as out:
        for line in sys.stdin:
            if line.strip() == _END:
                break
            out.write(json.dumps(handler(json.loads(line), None)) + "\n")
            out.flush()
    for thread in threading.enumerate():
        if thread.name in {"secret", "rules"}:
            thread.join()
    # Whatever else there is under way, the pool of the deadlines waits for.
    sys.exit(0)


if __name__ == "__main__":
    _run(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
