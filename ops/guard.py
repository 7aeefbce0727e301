"""The emulator behind a guard: a caller that can make it create a function runs code as the developer.

Each page in the developer's browser can send requests to this machine, and a name of its own can lead them here. So the
one port is of the loopback, and the emulator sees no request that a page of somebody else has sent, or that came by
another name. A browser marks such requests: https://developer.mozilla.org/en-US/docs/Web/HTTP/Headers/Sec-Fetch-Site

It runs in the emulator's environment, so it imports the standard library and what the emulator brings.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import re
import resource
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]

_OWN_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_OWN_SITES: Final = frozenset({"none", "same-origin"})
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?")
_KEEP_ALIVE: Final = 75  # seconds, as the emulator's own start has it

_log = logging.getLogger("guard")


class Guard:
    """An ASGI application that passes on what a program on this machine asks, and refuses the rest with 403.

    Args:
        app: the application behind it.
        port: where it is served.
        api: the path below which the vendors' API is. By an admitted name nothing else is reached.
        admitted: names that a tunnel in front of it has, as `host_name` reads them.
    """

    def __init__(self, app: App, port: int, api: str, admitted: Iterable[str] = ()) -> None:
        self._app = app
        self._own = frozenset(f"{name}:{port}" for name in _OWN_NAMES)
        self._api = api.rstrip("/") + "/"
        self._admitted = frozenset(admitted)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """A message of ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html"""
        fault = None if scope["type"] == "lifespan" else self.fault(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        _log.warning("refused: %s", fault)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": fault})  # before it is accepted: 403
            return
        body = f"gatehouse: {fault}\n".encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def fault(self, scope: Message) -> str | None:
        """The reason for which a request is refused, if there is one. It repeats nothing of the request."""
        host, *further = _values(scope, b"host") or [""]
        is_own = host in self._own
        is_admitted = host in self._admitted or host.rpartition(":")[0] in self._admitted
        faults = {
            "it does not come from this machine": not _is_loopback(scope.get("client")),
            "its Host is not this emulator's (`gatehouse up --allow-host NAME` admits a tunnel's)": bool(further)
            or not (is_own or is_admitted),
            "it comes from a page of another site, as its Sec-Fetch-Site says": not _OWN_SITES.issuperset(
                _values(scope, b"sec-fetch-site")
            ),
            "it comes from a page of another site, as its Origin says": any(
                origin.partition("://")[2] != host for origin in _values(scope, b"origin")
            ),
            "by this Host there is the vendors' API and nothing else": not is_own and not self._is_for_api(scope),
        }
        return next((fault for fault, found in faults.items() if found), None)

    def _is_for_api(self, scope: Message) -> bool:
        path: str = scope["path"]
        return path.startswith(self._api) and ".." not in path.split("/")


def _values(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key.lower() == name]


def _is_loopback(client: tuple[str, int] | None) -> bool:
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def host_name(text: str) -> str:
    """A name that a Host header may have, as the guard compares it; without a port it is admitted with any.

    Raises:
        ValueError: it is none; an address with its scheme or a pattern is none.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a host: {text}")
    return name


async def _serve(app: App, descriptor: int) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - the launcher, which has no emulator, imports this module too
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = _KEEP_ALIVE
    await serve(app, config, mode="asgi")


def main() -> None:
    """`python guard.py --port 4566 --socket 3 --api /_aws/execute-api/…` serves the emulator on an open socket."""
    from ministack.app import app  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True, help="the descriptor of the socket that listens there")
    parser.add_argument("--api", required=True)
    parser.add_argument("--allow-host", type=host_name, action="append", default=[])
    arguments = parser.parse_args()
    # A burst of pushes is more connections than most systems allow at first.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve(Guard(app, arguments.port, arguments.api, arguments.allow_host), arguments.socket))


if __name__ == "__main__":
    main()
