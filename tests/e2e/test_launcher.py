"""`gatehouse up`: it ends what it started, finds a free port, and starts again after it was killed."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

_PATIENCE = 90  # seconds


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack; what a failed test left running in it is ended."""
    yield tmp_path
    noted = tmp_path / "process.json"
    if noted.exists():
        for pid, _ in chain.from_iterable(json.loads(noted.read_text()).values()):
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(int(pid)).kill()


def test_a_taken_port_is_replaced_and_ctrl_c_ends_everything(folder: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else's is as good
            taken.bind(("127.0.0.1", 4566))
            taken.listen()
        launcher = _start(folder)
        stack = _until_up(launcher, folder)
        family = psutil.Process(launcher.pid).children(recursive=True)
        lines = [process.cmdline() for process in family]

        launcher.send_signal(signal.SIGINT)

        assert launcher.wait(timeout=30) == 0
    assert not stack["aws_endpoint_url"].endswith(":4566")
    assert any("functions.senselink.listener" in line for line in lines)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert not (folder / "stack.json").exists()


def test_it_starts_again_after_it_was_killed_and_ends_what_was_left(folder: Path) -> None:
    killed = _start(folder)
    _until_up(killed, folder)
    left = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()

    launcher = _start(folder)
    stack = _until_up(launcher, folder)

    assert stack["inspection_queues"].keys() == stack["topics"].keys()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(timeout=30) == 0


def _start(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "stack.json").unlink(missing_ok=True)
    return subprocess.Popen([sys.executable, "-m", "ops.cli", "up", "--folder", str(folder)])


def _until_up(launcher: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            stack: dict[str, Any] = json.loads((folder / "stack.json").read_text())
            return stack
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"it ended by itself, with {launcher.wait(timeout=0.2)}")
    raise AssertionError(f"it was not up within {_PATIENCE} s")
