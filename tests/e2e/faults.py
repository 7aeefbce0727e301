"""Stands in for AWS before a deployed function when a test wants something to go wrong."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import psutil
import urllib3
from werkzeug import Request, Response

from ops.local import Stack
from tests.web import web


@dataclass
class Killer:
    """A service that kills the process that calls it first, and hands every later call on to the emulator."""

    endpoint: str
    url: str = ""
    """Its address, while it serves."""
    killed: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serves while the block runs."""
        with web(self._answer, threaded=True) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    def _answer(self, call: Request) -> Response:
        if self.killed:
            return _handed_on(call, self.endpoint)
        self._kill(int(call.environ["REMOTE_PORT"]))
        return Response()

    def _kill(self, port: int) -> None:
        """SIGKILL for the process that holds this end of the connection."""
        caller = next(
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == port and connection.pid not in {None, os.getpid()}
        )
        assert caller is not None
        self.killed.append(caller)
        os.kill(caller, signal.SIGKILL)


@dataclass
class Refusal:
    """DynamoDB behind a door: a table's puts are refused while it is shut, all else is handed on to the emulator."""

    endpoint: str
    table: str
    url: str = ""
    """Its address, while it serves."""
    shut: bool = False
    shut_at: float | None = None
    """The moment, by the monotonic clock, of the first refusal."""
    put: list[tuple[str, str]] = field(default_factory=list)
    """The puts, and other tables' updates, that succeeded, in their order: the table, and the call as it was."""

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serves while the block runs."""
        with web(self._answer, threaded=True) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    def _answer(self, call: Request) -> Response:
        table = call.get_json(force=True).get("TableName")
        operation = call.headers["X-Amz-Target"]
        is_put = operation.endswith(".PutItem")
        if is_put and table == self.table and self.shut:
            self.shut_at = self.shut_at or time.monotonic()
            return Response("{}", 500)
        answer = _handed_on(call, self.endpoint)
        is_update = operation.endswith(".UpdateItem") and table != self.table
        if (is_put or is_update) and answer.status_code == 200:
            self.put.append((table, call.get_data(as_text=True)))
        return answer


def _handed_on(call: Request, endpoint: str) -> Response:
    """The emulator's answer to a call, which gets all its headers but the host: the emulator takes its own alone."""
    headers = {name: value for name, value in call.headers.items() if name.lower() != "host"}
    answer = urllib3.request("POST", endpoint + call.environ["RAW_URI"], body=call.get_data(), headers=headers)
    return Response(answer.data, answer.status, content_type=answer.headers.get("content-type"))


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """The address of a service that takes every connection and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)  # the kernel accepts; nobody reads
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def told(stack: Stack, function: str, **variables: str) -> Iterator[None]:
    """A function with further environment variables, as long as the block runs."""
    name = stack.functions[function]
    awslambda = stack.client("lambda")
    before = awslambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def publish(environment: dict[str, str]) -> None:
        awslambda.update_function_configuration(FunctionName=name, Environment={"Variables": environment})
        version = awslambda.publish_version(FunctionName=name)["Version"]
        awslambda.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    publish({**before, **variables})
    try:
        yield
    finally:
        publish(before)
