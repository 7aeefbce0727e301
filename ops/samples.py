"""Makes a signed sample event of a vendor, as API Gateway hands it to Lambda, and prints it.

The kinds are the messages that the vendor's simulator knows, and what can be wrong with one. The secret is that of the
vendor's samples, so that what is made can stay there:

    uv run python -m ops.samples VENDOR KIND > events/VENDOR/valid-KIND.json

With --stack it is signed for the local stack, and --curl prints a command that sends it there:

    uv run python -m ops.samples VENDOR KIND --stack --curl | sh
"""

import argparse
import base64
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ops import simulators, translate
from ops.api_event import api_event, request_of, route_of, written
from ops.simulators import Credentials, Request, Simulator
from ops.stack import WrongUse

URL: Final = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
"""The API of the samples."""
_ROOT: Final = Path(__file__).parents[1]
_STACK: Final = Path(".local/stack.json")
_ON_THE_WAY: Final = timedelta(milliseconds=400)
_OUT_OF_TIME: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Making:
    """Everything that a sample is made from."""

    vendor: str
    simulator: Simulator
    secret: Mapping[str, Any] | None
    """The document of the vendor's secret; none for the local stack."""
    apps: Mapping[str, Credentials]
    url: str
    at: datetime
    """The time at which the push is sent."""

    def push(self, kind: str | None = None) -> Request:
        """A message of the vendor's, by default its first."""
        messages = self.simulator.messages(self.apps, self.url)
        with simulators.clock(self.at.timestamp()):
            return messages[kind or next(iter(messages))]()

    def event(self, push: Request, after: timedelta = _ON_THE_WAY) -> dict[str, Any]:
        """The event of a push that is some time on its way."""
        headers = {
            **push.headers,
            "content-length": str(len(push.body)),
            "host": urlsplit(push.url).netloc,
            "x-forwarded-for": "203.0.113.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
        route = route_of(push, _routes())
        return api_event(replace(push, headers=headers), self.at + after, route)


def tampered(making: Making) -> dict[str, Any]:
    """A push whose body was changed after it was signed."""
    push = making.push()
    place = len(push.body) // 2
    place += next(place for place, letter in enumerate(push.body[place:]) if chr(letter).isalnum())
    letter = b"1" if push.body[place : place + 1] != b"1" else b"2"
    return making.event(replace(push, body=push.body[:place] + letter + push.body[place + 1 :]))


def missing_signature(making: Making) -> dict[str, Any]:
    """A push without its signature."""
    if making.simulator.unsigned is None:
        raise WrongUse(f"a push of {making.vendor} has no signature that could be missing")
    return making.event(making.simulator.unsigned(making.push()))


def stale(making: Making) -> dict[str, Any]:
    """A push that arrives two days after it was signed."""
    return making.event(replace(making, at=making.at - _OUT_OF_TIME).push())


def future(making: Making) -> dict[str, Any]:
    """A push that arrives two days before it was signed."""
    return making.event(replace(making, at=making.at + _OUT_OF_TIME).push())


def unknown_account(making: Making) -> dict[str, Any]:
    """A push of somebody who is not in the secret."""
    return making.event(replace(making, apps=making.simulator.new_accounts().apps).push())


def rotated(making: Making) -> dict[str, Any]:
    """A push that is signed with the older of two credentials."""
    if making.secret is None:
        raise WrongUse("a stack has one credential of each account: rotated needs a secret with two")
    older = making.simulator.apps_of(making.secret, older=True)
    if older == making.apps:
        raise WrongUse("no account of the secret has two credentials")
    return making.event(replace(making, apps=older).push())


def duplicate(making: Making) -> dict[str, Any]:
    """The first valid sample that there is, delivered again a second later; it is made if there is none."""
    there = sorted((_ROOT / "events" / making.vendor).glob("valid-*.json"))
    if making.secret is None or not there:
        return making.event(making.push(), timedelta(seconds=1))
    first = json.loads(there[0].read_text())
    at = datetime.fromtimestamp(first["requestContext"]["timeEpoch"] / 1000 + 1, UTC)
    return api_event(request_of(first), at, first["routeKey"].split(" ", 1)[1])


DEFECTS: Final[Mapping[str, Callable[[Making], dict[str, Any]]]] = {
    make.__name__.replace("_", "-"): make
    for make in (tampered, missing_signature, stale, future, unknown_account, rotated, duplicate)
}
"""Kinds that are made from any message, by the name of the sample."""


def make(making: Making, kind: str | None) -> dict[str, Any]:
    """A sample of a kind.

    Raises:
        WrongUse: there is no such kind.
    """
    if kind is not None and kind in DEFECTS:
        if reason := _exemptions(making.vendor).get(kind):
            raise WrongUse(f"{making.vendor} has no {kind}: {reason}")
        return DEFECTS[kind](making)
    if kind is None or kind not in making.simulator.messages(making.apps, making.url):
        raise WrongUse(f"the kinds of {making.vendor} are {', '.join(kinds(making))}")
    return making.event(making.push(kind))


def kinds(making: Making) -> list[str]:
    """The kinds of samples that a vendor has."""
    defects = [kind for kind in DEFECTS if kind not in _exemptions(making.vendor)]
    return [*making.simulator.messages(making.apps, making.url), *defects]


def prepared(
    vendor: str | None, *, secret: Path | None = None, stack: Path | None = None, url: str | None = None, at: datetime
) -> Making:
    """Reads what the samples of a vendor are made from.

    Args:
        vendor: the vendor's name.
        secret: the file of its secret's document; the one of its samples by default.
        stack: the file that describes a local stack, whose accounts and address are used in place of a secret.
        url: the address of the API.
        at: the time at which the push is sent.

    Raises:
        WrongUse: there is no such vendor or file, or no account in it.
    """
    found = simulators.simulators()
    if vendor not in found:
        raise WrongUse(f"the vendors are {', '.join(found)}")
    simulator = found[vendor]
    file = stack or secret or _ROOT / "events" / vendor / "secret.json"
    try:
        document = json.loads(file.read_text())
        if stack:
            making = Making(vendor, simulator, None, document["vendors"], url or document["api_url"], at)
        else:
            making = Making(vendor, simulator, document, simulator.apps_of(document), url or URL, at)
        simulator.messages(making.apps, making.url)
    except FileNotFoundError:
        raise WrongUse(f"there is no {file}{': is the local stack up?' if stack else ''}") from None
    except (ValueError, LookupError, TypeError) as error:
        raise WrongUse(f"{file} has no account of {vendor}: {type(error).__name__}") from None
    return making


def curl(event: dict[str, Any], url: str) -> str:
    """A shell command that sends the push of an event to an API."""
    push = request_of(event)
    left_out = {"content-length", "host"}  # curl's own
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in push.headers.items() if name not in left_out]
    # Without it curl would name a type, which some devices do not.
    headers += [] if "content-type" in push.headers else ["-H 'content-type:'"]
    address = shlex.quote(url + event["requestContext"]["http"]["path"].removeprefix(urlsplit(url).path))
    body = base64.b64encode(push.body).decode()
    words = ["curl -sS", f"-X {push.method}", *headers, "--data-binary @-", address]
    return f"printf %s {shlex.quote(body)} | base64 -d | {' '.join(words)}"


def main(words: list[str] | None = None) -> int:
    """The program."""
    arguments = _parser().parse_args(words)
    try:
        making = prepared(
            arguments.vendor,
            secret=arguments.secret,
            stack=arguments.stack,
            url=arguments.url,
            at=arguments.at or datetime.now(UTC),
        )
        event = make(making, arguments.kind)
    except WrongUse as error:
        print(f"ops.samples: {error}", file=sys.stderr)
        return 2
    print(curl(event, making.url) if arguments.curl else written(event))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.samples", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vendor", nargs="?", help="without one, the vendors are listed")
    parser.add_argument("kind", nargs="?", help="without one, the vendor's kinds are listed")
    parser.add_argument(
        "--secret", type=Path, metavar="FILE", help="the document of the secret (events/VENDOR/secret.json)"
    )
    parser.add_argument(
        "--stack",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=_STACK,
        help=f"take accounts and address from the local stack's description ({_STACK})",
    )
    parser.add_argument("--at", type=_time, metavar="TIME", help="when it is sent: 2026-11-02T09:00:00Z (now)")
    parser.add_argument("--url", help="the address of the API, without the path")
    parser.add_argument("--curl", action="store_true", help="print a command that sends the push, not the event")
    return parser


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def _routes() -> set[str]:
    return translate.routes(translate.read(_ROOT / "template.yaml"))


def _exemptions(vendor: str) -> Mapping[str, str]:
    file = _ROOT / "events" / vendor / "exempt.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
