"""A door's first question after a deployment: from the start of a process to the answer, as `sam build` makes it.

What Lambda adds is not here: making the sandbox, reading the layer from afar, and TLS. The layer is this machine's, the
processor too, and the files are warm.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from functions.sensepass.door import DecidedBy
from ops import tools
from ops.serving import Handler, Port
from tests.template.stack import ROOT, Stack, translated

STARTS: Final = 10
DEADLINE: Final = float(translated()["Parameters"]["DecisionDeadline"]["Default"])
"""Seconds: the default."""
SHARE: Final = 0.5
"""Part of it that a start here may take at most. It takes a tenth; the rest is for what Lambda adds."""
TIMES: Final = 3.0
"""Starts of a bare Python with boto3 and one call that fit into it at most; it is less than two."""
_FUNCTION: Final = "SensepassFunction"
_SAMPLE: Final = ROOT / "events/sensepass/valid-v1-3-authorize.json"
_SECRET: Final = ROOT / "events/sensepass/secret.json"
_RULES: Final = ROOT / "ops/rules.local.json"

# The work of Lambda's bootstrap, with nothing imported that is not Python's own.
_COLD: Final = """
import importlib, json, sys, time
path, started = sys.argv[1], float(sys.argv[2])
with open(path) as file:
    event = json.load(file)
event["requestContext"]["timeEpoch"] = int(started * 1000)
handler = importlib.import_module("functions.sensepass.handler").lambda_handler
imported = time.time()
answer = handler(event, None)
print(json.dumps({"imported": imported - started, "answered": time.time() - started, "body": answer["body"]}))
"""
_BARE: Final = """
import json, sys, time
import boto3
boto3.client("secretsmanager", region_name="eu-central-1").get_secret_value(SecretId="a")
print(json.dumps({"answered": time.time() - float(sys.argv[2])}))
"""

pytestmark = pytest.mark.bench


@dataclass
class Aws:
    """AWS on loopback: answers at once, and keeps the events."""

    url: str = ""
    stored: list[dict[str, Any]] = field(default_factory=list)
    """The items that were put."""
    asked: list[str] = field(default_factory=list)
    """Operations, in the order in which they came."""

    def answer(self, operation: str, body: bytes) -> bytes:
        """The answer to a call."""
        self.asked.append(operation)
        match operation:
            case "GetSecretValue":
                return json.dumps({"SecretString": _SECRET.read_text()}).encode()
            case "GetParameter":
                return json.dumps({"Parameter": {"Value": _RULES.read_text()}}).encode()
            case "PutItem":
                self.stored.append(json.loads(body)["Item"])
                return b"{}"
            case "Publish":
                return b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
            case "UpdateItem" | "PutObject":
                return b"{}" if operation == "UpdateItem" else b""
        raise NotImplementedError(operation)


@pytest.fixture
def aws() -> Iterator[Aws]:
    with _served() as served:
        yield served


@contextmanager
def _served() -> Iterator[Aws]:
    served = Aws()

    class Answering(Handler):
        def respond(self) -> None:
            # By length or in chunks: the last piece of a signed stream is empty either way.
            body = self._chunks() if self.headers.get("transfer-encoding") == "chunked" else self.body()
            target = self.headers.get("x-amz-target", "")
            operation = "PutObject" if self.command == "PUT" else target.rpartition(".")[2] or "Publish"
            self.answer(200, served.answer(operation, body))

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return found

    with Port(Answering) as port:
        served.url = f"http://{port.address}"
        yield served


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function and its layer, as `sam build` makes them, for this machine's processor."""
    folder = tmp_path_factory.mktemp("build")
    programs = tools.installed(tools.SAM)
    command = [str(programs / "sam"), "build", _FUNCTION, "--build-dir", str(folder)]
    ended = subprocess.run(
        command,
        env=tools.environment(programs, PLATFORM=_here()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


def _here() -> str:
    """The machine here, in the words of `uv pip --python-platform`."""
    processor = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    return processor + ("-apple-darwin" if platform.system() == "Darwin" else "-manylinux2014")


def _started(script: str, environment: Mapping[str, str], *options: str) -> dict[str, Any]:
    """Figures that a new Python prints at its end."""
    command = [sys.executable, *options, "-c", script, str(_SAMPLE), repr(time.time())]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


def _environment(aws: Aws, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": aws.url,
        **more,
    }


@pytest.mark.parametrize("decided_by", list(DecidedBy))
def test_a_cold_door_answers_well_within_the_default_deadline(
    built: Path, aws: Aws, decided_by: DecidedBy, capsys: pytest.CaptureFixture[str]
) -> None:
    (function,) = [found for found in Stack().functions() if found.name == _FUNCTION]
    cold = _environment(
        aws,
        **function.environment,
        AWS_LAMBDA_FUNCTION_NAME=_FUNCTION,
        PYTHONPATH=os.pathsep.join((str(built / _FUNCTION), str(built / "GatehouseLayer" / "python"))),
    ) | {"DOOR_DECISION": decided_by}
    assert float(cold["DECISION_DEADLINE"]) == DEADLINE
    _started(_COLD, cold, "-S", "-s")  # the files are warm from here on
    _started(_BARE, _environment(aws))
    aws.stored.clear()

    # By turns, so that whatever else runs here strikes both.
    turns = [(_started(_COLD, cold, "-S", "-s"), _started(_BARE, _environment(aws))) for _ in range(STARTS)]

    assert [json.loads(start["body"])["data"]["pass"] for start, _ in turns] == [True] * STARTS
    decisions = [json.loads(item["event"]["S"])["data"]["decision"] for item in aws.stored]
    assert [decision["by"] for decision in decisions] == [decided_by] * STARTS
    imported, answered, bare = (
        statistics.median(times)
        for times in zip(
            *((start["imported"], start["answered"], other["answered"]) for start, other in turns), strict=True
        )
    )
    with capsys.disabled():
        print(  # noqa: T201 - what the bench is for
            f"\n  {decided_by}: imported after {imported:.2f} s, answered after {answered:.2f} s, "
            f"{answered / bare:.2f} times a bare Python with boto3 and one call ({bare:.2f} s)"
        )
    assert answered <= SHARE * DEADLINE
    assert answered <= TIMES * bare
