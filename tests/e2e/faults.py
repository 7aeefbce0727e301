"""What stands in AWS's place for a deployed function when a test wants something to go wrong."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import psutil
import urllib3

from ops.local import Stack


class Killer:
    """A service that kills whoever calls it first, and hands every later call on to the emulator."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.killed: list[int] = []
        killer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not killer.killed:
                    killer.kill(self.client_address[1])
                    return
                answer = urllib3.request("POST", killer.address(self.path), body=body, headers=_handed_on(self))
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.data)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def address(self, path: str) -> str:
        """Where a call is handed on to."""
        return self._endpoint + path

    def kill(self, port: int) -> None:
        """SIGKILL for the process that holds this end of the connection."""
        caller = next(
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == port and connection.pid not in {None, os.getpid()}
        )
        assert caller is not None
        self.killed.append(caller)
        os.kill(caller, signal.SIGKILL)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Serves while the block runs."""
        with _serving(self._server):
            yield


class Refusal:
    """DynamoDB behind a door: a table's puts are refused while it is shut, all else is handed on to the emulator."""

    def __init__(self, endpoint: str, table: str) -> None:
        self.shut_at: float | None = None
        """Since when it is shut, by the monotonic clock, once it refused something."""
        self.shut = False
        self.put: list[tuple[str, str]] = []
        """The puts, and other tables' updates, that succeeded, in their order: the table, and the call as it was."""
        refusal = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                table_of = json.loads(body).get("TableName")
                is_put = self.headers["X-Amz-Target"].endswith(".PutItem")
                if is_put and table_of == table and refusal.shut:
                    refusal.shut_at = refusal.shut_at or time.monotonic()
                    self._reply(500, b"{}")
                    return
                answer = urllib3.request("POST", endpoint + self.path, body=body, headers=_handed_on(self))
                is_update = self.headers["X-Amz-Target"].endswith(".UpdateItem") and table_of != table
                if (is_put or is_update) and answer.status == 200:
                    refusal.put.append((table_of, body.decode()))
                self._reply(answer.status, answer.data)

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Self]:
        """Serves while the block runs."""
        with _serving(self._server):
            yield self


def _handed_on(call: BaseHTTPRequestHandler) -> dict[str, str]:
    """A call's headers, but for the host: the emulator takes its own alone."""
    return {name: value for name, value in call.headers.items() if name.lower() != "host"}


@contextlib.contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
