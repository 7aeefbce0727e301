"""`gatehouse up`: it ends what it started, finds a free port, starts again after it was killed, and is no open door."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from tests.waiting import until

_PATIENCE = 90  # seconds
_MARK = "of-the-developer"
_TUNNEL = "door.example"


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

        assert launcher.wait(timeout=120) == 0
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
    assert launcher.wait(timeout=120) == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A stack that a developer with an account in AWS started, and to which he lets a tunnel lead."""
    folder = tmp_path_factory.mktemp("guarded")
    account = {"AWS_SECRET_ACCESS_KEY": _MARK, "AWS_SESSION_TOKEN": _MARK, "AWS_CONTAINER_CREDENTIALS_FULL_URI": _MARK}
    launcher = _start(folder, "--allow-host", _TUNNEL, **account)
    try:
        yield _until_up(launcher, folder)
    finally:
        launcher.send_signal(signal.SIGTERM)
        launcher.wait(timeout=120)


_PATHS = ("/", "/2015-03-31/functions", "/_aws/execute-api/9a7e4005/v1/senselink/none")


def _status(stack: dict[str, Any], path: str, method: str = "POST", **headers: str) -> int:
    """Answer to an unsigned request as a page can send it without a preflight."""
    sent = {"Content-Type": "text/plain", **{name.replace("_", "-"): value for name, value in headers.items()}}
    url = f"{stack['aws_endpoint_url']}{path}"
    return urllib3.request(method, url, body=b"{}", headers=sent, retries=False, timeout=30).status


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:4566"},
    ],
    ids=str,
)
def test_a_page_in_the_developers_browser_reaches_nothing(
    guarded: dict[str, Any], path: str, headers: dict[str, str]
) -> None:
    statuses = {method: _status(guarded, path, method, **headers) for method in ("GET", "POST", "PUT", "OPTIONS")}
    assert set(statuses.values()) == {403}, statuses


def test_a_program_reaches_it(guarded: dict[str, Any]) -> None:
    assert guarded["api_url"].endswith("/_aws/execute-api/9a7e4005")
    assert _status(guarded, "/2015-03-31/functions", "GET") == 200
    assert _status(guarded, _PATHS[2]) == 401


def test_by_a_tunnel_vendors_reach_the_api_and_nothing_else(guarded: dict[str, Any]) -> None:
    assert _status(guarded, _PATHS[2], Host=_TUNNEL) == 401
    assert {_status(guarded, path, Host=_TUNNEL) for path in ("/", "/2015-03-31/functions")} == {403}
    assert _status(guarded, _PATHS[2], Host=_TUNNEL, Origin="http://evil.example") == 403


def test_nothing_of_it_listens_to_the_network(guarded: dict[str, Any]) -> None:
    assert _status(guarded, "/2015-03-31/functions", "GET") == 200
    listening = [
        connection.laddr.ip
        for process in _family(guarded)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_the_developers_account_does_not_reach_the_emulator_and_its_functions(guarded: dict[str, Any]) -> None:
    _status(guarded, _PATHS[2])  # a function runs, at least from here on
    emulator, *functions = (process.environ() for process in _family(guarded))
    assert functions
    assert all(_MARK not in environment.values() for environment in [emulator, *functions])
    assert {name for name in emulator if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
    }


def _family(stack: dict[str, Any]) -> list[psutil.Process]:
    """The emulator, and what it started."""
    noted = json.loads(Path(stack["logs"]).with_name("process.json").read_text())
    emulator = psutil.Process(noted["emulator"][0][0])
    return [emulator, *emulator.children(recursive=True)]


def _start(folder: Path, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    (folder / "stack.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "ops.cli", "up", "--folder", str(folder), *options]
    return subprocess.Popen(command, env={**os.environ, **environment})


def _until_up(launcher: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    written = folder / "stack.json"

    def ends_or_is_up() -> bool:
        assert launcher.poll() is None, "it ended by itself"
        return written.exists()

    until(ends_or_is_up, _PATIENCE)
    stack: dict[str, Any] = json.loads(written.read_text())
    return stack
