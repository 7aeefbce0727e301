"""The listener while its secret is empty, broken, or cannot be read: it waits, logs that, and goes on by itself."""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from functions.senselink import listener as module
from functions.senselink.listener import main
from gatehouse import accounts, aws
from tests.aws import ENVIRONMENT as AWS
from tests.aws import TABLE, Aws, built_aws
from tests.builders import ENVIRONMENT
from tests.output import Output
from tests.template.stack import Stack
from tests.unit.senselink.server import GREETING, Peer, Script, sockets
from tests.vendors.senselink import SENSELINK
from tests.waiting import until

_SOUTH = {**SENSELINK, "server": "south", "tokens": [], "app_key": "south", "app_secret": "MARKER"}


@dataclass
class Task:
    """A task as ECS runs it, in this process; Secrets Manager is moto's."""

    account: Aws
    arn: str
    port: int
    """The port of its health check."""
    thread: threading.Thread
    statuses: list[int] = field(default_factory=list)

    def fill(self, *entries: Mapping[str, Any]) -> None:
        self.put(json.dumps({"accounts": entries}))

    def put(self, document: str) -> None:
        self.account.secretsmanager.put_secret_value(SecretId=self.arn, SecretString=document)

    @property
    def health(self) -> int:
        return urllib3.request("GET", f"http://127.0.0.1:{self.port}/", timeout=5, retries=3).status


def _empty() -> str:
    """The initial content of the secret in the template."""
    (secret,) = (
        properties["SecretString"]
        for name, properties in Stack().of_type("AWS::SecretsManager::Secret").items()
        if name.startswith("Senselink")
    )
    return str(secret)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _account() -> Iterator[Aws]:
    with built_aws() as made:
        made.dynamodb.create_table(
            TableName="watermarks",
            AttributeDefinitions=[{"AttributeName": "server", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "server", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Task]]:
    """Starts a task; at the end of the test, requests its shutdown and asserts its success."""
    monkeypatch.setattr(accounts, "MIN_AGE", 0.05)
    handlers: dict[int, Callable[..., None]] = {}
    # Only the main thread may set signal handlers. This is another thread, so the test calls ours itself.
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    forget: Callable[[], None] = aws.client.cache_clear  # type: ignore[attr-defined]
    started: list[Task] = []

    def start(document: str, servers: str = "north", *, arn: str | None = None) -> Task:
        known = made.secretsmanager.create_secret(Name="senselink", SecretString=document)["ARN"]
        port = _free_port()
        told = {
            **ENVIRONMENT,
            **AWS,
            "EVENTS_TABLE": TABLE,
            "SPILL_QUEUE_URL": made.spill_url,
            "TOPIC_ARNS": ",".join(f"{topic}={topic_arn}" for topic, topic_arn in made.topic_arns.items()),
            "WATERMARKS_TABLE": "watermarks",
            "SECRET_ARN": arn or known,
            "SERVERS": servers,
            "STANDS": "0",
            "REPORT_SECONDS": "1",
            "HEALTH_PORT": str(port),
        }
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(main()), daemon=True)
        started.append(Task(made, known, port, thread, statuses))
        thread.start()
        return started[-1]

    forget()
    with _account() as made:
        yield start
        for one in started:
            until(lambda: signal.SIGTERM in handlers)
            handlers[signal.SIGTERM](signal.SIGTERM, None)
            one.thread.join(30)
            assert one.statuses == [0]
    forget()


def _entry(port: int, of: Mapping[str, Any] = SENSELINK, **more: Any) -> dict[str, Any]:
    return {**of, "url": f"ws://127.0.0.1:{port}", "insecure": True, **more}


def _greets(peer: Peer) -> None:
    peer.say(GREETING)
    peer.until_gone()


def _greets_and_goes(leave: threading.Event) -> Script:
    def script(peer: Peer) -> None:
        peer.say(GREETING)
        leave.wait(30)

    return script


def _deaf(output: Output) -> list[float]:
    return [value for line in output.lines if "DeafServers" in line for value in line["DeafServers"]]


def _waits(output: Output) -> list[tuple[str, str]]:
    """The servers that are waited for, and the reasons."""
    lines = [line for line in output.logged if line["message"] == "waiting for the secret"]
    assert {line["level"] for line in lines} <= {"ERROR"}
    return [(line["server"], line["why"]) for line in lines]


def test_the_secret_as_the_stack_makes_it_is_waited_for_and_used_when_it_is_filled(
    task: Callable[..., Task], output: Output
) -> None:
    with sockets(_greets) as there:
        listening = task(_empty())
        until(lambda: _deaf(output))
        assert listening.thread.is_alive()
        assert listening.health == 200
        assert _deaf(output)[-1] == 1
        assert _waits(output) == [("north", "it is not in the secret")]

        listening.fill(_entry(there.port))
        until(lambda: there.paths and _deaf(output)[-1] == 0)
        assert listening.health == 200
        assert listening.thread.is_alive()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "document: "),
        ("no json", "document: "),
        ("[]", "document: "),
        ('{"accounts": null}', "accounts: "),
        ('{"accounts": [{"server": "north", "app_secret": ""}]}', "accounts.0.app_secret: "),
        ('{"accounts": [{"server": "north", "tokens": ["MARKER"]}]}', "accounts.0.tokens.0: "),
        ('{"accounts": [{"server": "north"}]}', "its entry in the secret has no url, app_key, app_secret"),
        (json.dumps({"accounts": [{**SENSELINK, "app_secret": None}]}), "its entry in the secret has no app_secret"),
        (json.dumps({"accounts": [{**SENSELINK, "ca": "MARKER"}]}), "server north: ca is not a certificate"),
        (json.dumps({"accounts": [{**SENSELINK, "url": "https://192.0.2.20"}]}), "accounts.0.url: "),
    ],
)
def test_whatever_is_in_the_secret_is_no_reason_to_end(
    task: Callable[..., Task], output: Output, document: str, why: str
) -> None:
    if not document:  # Secrets Manager takes no empty text
        document = " "
    with sockets(_greets) as there:
        listening = task(document)
        until(lambda: _waits(output) and _deaf(output))
        ((server, told),) = set(_waits(output))
        assert server == "north"
        assert why in told
        assert _deaf(output)[-1] == 1
        assert listening.health == 200

        listening.fill(_entry(there.port))
        until(lambda: _deaf(output)[-1] == 0)
    assert "MARKER" not in output.read()


def test_a_secret_that_may_not_be_read_yet_is_waited_for(
    task: Callable[..., Task], output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role's permissions take effect a moment after the role exists.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    refused = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "MARKER"}}, "GetSecretValue")
    client = aws.client("secretsmanager")
    may = threading.Event()
    whole = client.get_secret_value

    def read(**asked: Any) -> Any:
        if not may.is_set():
            raise refused
        return whole(**asked)

    monkeypatch.setattr(client, "get_secret_value", read)
    with sockets(_greets) as there:
        listening = task(json.dumps({"accounts": [_entry(there.port)]}))
        until(lambda: _deaf(output))
        assert _deaf(output)[-1] == 1
        assert _waits(output) == [("north", "GetSecretValue: AccessDeniedException")]
        assert listening.health == 200

        may.set()
        until(lambda: _deaf(output)[-1] == 0)
    assert "MARKER" not in output.read()


def test_a_server_that_is_missing_holds_up_no_other(task: Callable[..., Task], output: Output) -> None:
    with sockets(_greets, _greets) as there:
        listening = task(json.dumps({"accounts": [_entry(there.port)]}), "south,north")
        until(lambda: there.paths and _deaf(output) and _deaf(output)[-1] == 1)
        assert _waits(output) == [("south", "it is not in the secret")]

        listening.fill(_entry(there.port), _entry(there.port, _SOUTH))
        until(lambda: _deaf(output)[-1] == 0)
        assert {path.split("/")[3] for path in there.paths} == {SENSELINK["app_key"], "south"}


def test_an_entry_that_is_taken_out_is_not_connected_by_again_and_is_waited_for(
    task: Callable[..., Task], output: Output
) -> None:
    leave = threading.Event()
    with sockets(_greets_and_goes(leave), _greets) as there:
        listening = task(json.dumps({"accounts": [_entry(there.port)]}))
        until(lambda: _deaf(output) and _deaf(output)[-1] == 0)
        listening.fill()
        leave.set()
        until(lambda: _deaf(output)[-1] == 1)
        until(lambda: _waits(output))
        assert _waits(output) == [("north", "it is not in the secret")]
        assert len(there.paths) == 1
        assert listening.health == 200

        listening.fill(_entry(there.port))
        until(lambda: _deaf(output)[-1] == 0)
        assert len(there.paths) == 2


def test_a_secret_that_is_broken_meanwhile_is_connected_by_as_it_was_read_last(
    task: Callable[..., Task], output: Output
) -> None:
    leave = threading.Event()
    with sockets(_greets_and_goes(leave), _greets) as there:
        listening = task(json.dumps({"accounts": [_entry(there.port)]}))
        until(lambda: _deaf(output) and _deaf(output)[-1] == 0)
        listening.put("{")
        leave.set()
        until(lambda: len(there.paths) == 2 and _deaf(output)[-1] == 0)
        assert _waits(output) == []
        assert "the secret is not usable" in [line["message"] for line in output.logged]
        assert listening.thread.is_alive()


def test_what_is_waited_for_is_said_once_a_minute(
    task: Callable[..., Task], output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._LOG_INTERVAL == 60  # noqa: SLF001
    monkeypatch.setattr(module, "_LOG_INTERVAL", 0.5)
    task("no json")
    until(lambda: len(_waits(output)) == 3)
    # The secret's own log line comes once, although it was read many times.
    assert len([line for line in output.logged if line["message"] == "the secret is not usable"]) == 1


# ─── What fetches once ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("document", ["no json", '{"accounts": []}', json.dumps({"accounts": [SENSELINK]})])
def test_once_says_what_it_lacks_and_leaves_it_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch, output: Output, document: str
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    forget: Callable[[], None] = aws.client.cache_clear  # type: ignore[attr-defined]
    forget()
    with _account() as made:
        arn = made.secretsmanager.create_secret(Name="senselink", SecretString=document)["ARN"]
        told = {**ENVIRONMENT, "WATERMARKS_TABLE": "watermarks", "SECRET_ARN": arn, "SERVERS": ""}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        assert main(["--once"]) == 1
    forget()
    assert "waiting for the secret" in [line["message"] for line in output.logged]
    assert "MissedBySubscription" not in output.counted


def test_once_fetches_from_one_server_though_another_is_incomplete(
    monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    forget: Callable[[], None] = aws.client.cache_clear  # type: ignore[attr-defined]
    forget()
    away = {**SENSELINK, "api_url": "http://127.0.0.1:1", "insecure": True}
    document = json.dumps({"accounts": [away, {**away, "server": "west", "tokens": [], "app_key": None}]})
    with _account() as made:
        arn = made.secretsmanager.create_secret(Name="senselink", SecretString=document)["ARN"]
        told = {**ENVIRONMENT, "WATERMARKS_TABLE": "watermarks", "SECRET_ARN": arn, "SERVERS": ""}
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        run = partial(main, ["--once"])
        assert run() == 1
    forget()
    by_server = {line["server"]: line["message"] for line in output.logged if "server" in line}
    assert by_server == {"north": "cannot be fetched", "west": "waiting for the secret"}
