"""Stands in for AWS before a deployed function when a test wants something to go wrong."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Self

import psutil
import urllib3
from werkzeug import Request, Response

from ops.stack import Stack
from tests.web import web


class _Proxy:
    """A service before the emulator."""

    def __init__(self, endpoint: str) -> None:
        self.url = ""
        """Its address, while it serves."""
        self._endpoint = endpoint

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serves while the block runs."""
        with web(self._answer, threaded=True) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    def _answer(self, call: Request) -> Response:
        """Hands a call on, with all its headers but the host: the emulator takes its own alone."""
        headers = {name: value for name, value in call.headers.items() if name.lower() != "host"}
        address = self._endpoint + call.environ["RAW_URI"]
        answer = urllib3.request("POST", address, body=call.get_data(), headers=headers)
        return Response(answer.data, answer.status, content_type=answer.headers.get("content-type"))


class Killer(_Proxy):
    """A service that kills the process that calls it first, and hands every later call on to the emulator."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.killed: list[int] = []

    def _answer(self, call: Request) -> Response:
        if self.killed:
            return super()._answer(call)
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


class Refusal(_Proxy):
    """DynamoDB behind a door: a table's puts are refused while it is shut, all else is handed on to the emulator."""

    def __init__(self, endpoint: str, table: str) -> None:
        super().__init__(endpoint)
        self.shut = False
        self.shut_at: float | None = None
        """The moment, by the monotonic clock, of the first refusal."""
        self.put: list[tuple[str, str]] = []
        """The puts, and other tables' updates, that succeeded, in their order: the table, and the call as it was."""
        self._table = table

    def _answer(self, call: Request) -> Response:
        table = call.get_json(force=True).get("TableName")
        operation = call.headers["X-Amz-Target"]
        is_put = operation.endswith(".PutItem")
        if is_put and table == self._table and self.shut:
            self.shut_at = self.shut_at or time.monotonic()
            return Response("{}", 500)
        answer = super()._answer(call)
        is_update = operation.endswith(".UpdateItem") and table != self._table
        if (is_put or is_update) and answer.status_code == 200:
            self.put.append((table, call.get_data(as_text=True)))
        return answer


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
