"""The local stack for the whole session, one for each announce mode, and a subscriber that looks into its queues."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from xdist.scheduler import LoadScopeScheduling

from gatehouse.settings import Announce
from ops import local
from ops.simulators import Options, Request
from ops.simulators.eye4 import Cloud
from ops.simulators.senselink import Server
from ops.stack import Stack
from tests.waiting import until

_PATIENCE = 60  # seconds
_FIRST_HALF = {"test_deaths", "test_senselink_listener", "test_odd_forms"}
"""Modules on the first of two stacks of a mode, so that the two waits for the relay's grace are side by side."""
_LONGEST = ("test_eye4_recordings_storm", "test_proof", "inline-first", "inline-second", "interrupted", "test_readme")
"""Groups that begin first, in this order; the others follow as they are found."""
WAIT = 6
"""Seconds that a flow waits for Eye4's second message."""
ALARM_WAIT = 15
"""Seconds that a second message waits for its alarm."""


@dataclass
class Rig:
    """A running stack, and what its subscribers have received so far."""

    stack: Stack
    announce: Announce
    queue: str
    """The URL of a queue on all topics."""
    cloud: Cloud
    """Eye4's API and files."""
    senselink: Server = field(default_factory=Server)
    """Server that a listener connects to, once a test runs one."""
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Messages by the event's id, each with `event` and `attributes`."""

    def send(self, push: Request) -> urllib3.BaseHTTPResponse:
        """Sends a push as a vendor does."""
        return urllib3.request(
            push.method, push.url, body=push.body, headers=dict(push.headers), retries=False, timeout=60
        )

    def until[T](self, look: Callable[[], T], patience: float = _PATIENCE) -> T:
        """Returns the result of a look, as soon as there is one. Between two looks the queue is read."""
        return until(look, patience, meanwhile=self._take, failing=lambda: f"received: {sorted(self.received)}")

    def read_dry(self) -> None:
        """Reads the queue until nothing has come for a while."""
        for _ in iter(lambda: self._take() or self._take() or self._take(), 0):
            pass

    def _take(self) -> int:
        found = self.messages(self.queue)
        for message in found:
            self.received.setdefault(message["event"]["id"], []).append(message)
        return len(found)

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Takes the messages out of a queue that lie in it, or come within a second."""
        sqs = self.stack.client("sqs")
        answer = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
        )
        found = []
        for message in answer.get("Messages", []):
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            found.append({"event": json.loads(message["Body"]), "attributes": attributes})
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def events(self, matches: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The events received so far that match."""
        return [messages[0]["event"] for messages in self.received.values() if matches(messages[0]["event"])]

    def until_published(self, event_id: str) -> None:
        """Waits until the events table says that an event was announced."""
        self.until(lambda: self.record(event_id)["delivery"] == "published")

    def record(self, event_id: str) -> dict[str, str]:
        """The item in the events table, its values as text; empty if there is none."""
        found = self.stack.client("dynamodb").get_item(
            TableName=self.stack.events_table, Key={"id": {"S": event_id}}, ConsistentRead=True
        )
        return {name: next(iter(value.values())) for name, value in found.get("Item", {}).items()}

    def flows(self, **which: str) -> int:
        """Number of recordings that have a flow, of a status if one is given."""
        pages = self.stack.client("stepfunctions").get_paginator("list_executions")
        machine = self.stack.flows["eye4"]
        return sum(len(page["executions"]) for page in pages.paginate(stateMachineArn=machine, **which))

    def running_flows(self) -> int:
        """Number of messages on their way."""
        return self.flows(statusFilter="RUNNING")

    def count_records(self, vendor: str = "") -> int:
        """Counts the events in the table: of a vendor, if one is given, since a flow of Eye4's may end at any time."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.stack.events_table, ProjectionExpression="id")
        )
        return sum(item["id"]["S"].startswith(vendor) for page in pages for item in page["Items"])


class InGroups(LoadScopeScheduling):  # type: ignore[misc]
    """Side by side there are no tests that share a stack, and all others."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    """Name of what runs in one process: a module, half a mode, or the proofs that are interrupted."""
    module = Path(nodeid.partition("::")[0]).stem
    if mode := re.search(rf"\[({'|'.join(Announce)})\b", nodeid):
        return f"{mode[1]}-{'first' if module in _FIRST_HALF else 'second'}"
    return "interrupted" if "interrupted" in nodeid else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InGroups:
    """Schedules `make e2e`. xdist's own marks of groups do nothing: it writes them where pytest 9 no longer reads.

    https://github.com/pytest-dev/pytest-xdist/blob/master/docs/how-to.rst
    """
    return InGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest, where processes are side by side; a single one keeps the usual order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        found = {item: _group(item.nodeid) for item in items}
        items.sort(key=lambda item: _LONGEST.index(found[item]) if found[item] in _LONGEST else len(_LONGEST))


@pytest.fixture(scope="session", params=list(Announce))
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The stack in each announce mode, one after the other."""
    folder = tmp_path_factory.mktemp(f"stack-{request.param}")
    with Cloud().serving() as cloud, Server().serving() as server:
        options = {
            "eye4": {"api_url": cloud.url, "wait": WAIT, "alarm_wait": ALARM_WAIT},
            "senselink": {"url": server.url, "api_url": server.api_url, "listen": False},
        }
        yield from _rig(request.param, folder, options, cloud, server)


def _rig(announce: Announce, folder: Path, options: Options, cloud: Cloud, server: Server) -> Iterator[Rig]:
    with local.running(announce, folder, options) as stack:
        server.app = stack.vendors["senselink"]
        queue = local.subscribed_queue(stack, "e2e", list(stack.topics.values()))
        here = Rig(stack, announce, queue, cloud, server)
        yield here
        here.until(lambda: here.running_flows() == 0, _PATIENCE + ALARM_WAIT)
        # Whatever a test looked at: nothing came twice in the end, and what is in the events table was announced.
        here.read_dry()
        assert {event_id: len(messages) for event_id, messages in here.received.items() if len(messages) > 1} == {}
        assert here.count_records() == len(here.received)
