"""The operator's command line: the local stack, and the calls to vendors."""

import argparse
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from gatehouse.errors import GatehouseError
from gatehouse.settings import Announce
from ops import (
    calls,
    deadletters,
    doors,
    guard,
    local,
    pending,
    preflight,
    recordings,
    restore,
    simulators,
    tools,
)
from ops.shown import printable
from ops.simulators import Options, Request
from ops.stack import Stack, WrongUse

_PACE = 0.7  # seconds between two pushes of the simulated vendors
_SEEN = 5  # events of each vendor after which the demo has shown what it is to show


def main() -> int:
    """The program `gatehouse`."""
    parser = argparse.ArgumentParser(prog="gatehouse", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="build and deploy the template into an emulator here; Ctrl-C ends it")
    up.add_argument("--announce", type=Announce, choices=list(Announce), default=Announce.INLINE)
    up.add_argument("--simulate", action=argparse.BooleanOptionalAction, default=False, help="simulated vendors push")
    up.add_argument("--watch", action="store_true", help="print what a subscriber receives")
    up.add_argument("--until-seen", action="store_true", help="with --watch: end when each vendor's events were seen")
    up.add_argument(
        "--folder", type=Path, default=local.FOLDER, help="where it keeps logs and stack.json (%(default)s)"
    )
    up.add_argument(
        "--allow-host",
        type=guard.host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a tunnel's name, by which vendors reach the API and nothing else; without it there is this machine only",
    )
    simulators.add_arguments(up)
    pending.add_arguments(
        commands.add_parser("announce-pending", help="announce what is stored in AWS and was never announced")
    )
    preflight.add_arguments(
        commands.add_parser("preflight", help="ask the account what can be asked before a deployment")
    )
    recordings.add_arguments(
        commands.add_parser("restart-recordings", help="start flows again that failed, by the definition of today")
    )
    deadletters.add_arguments(
        commands.add_parser("redrive", help="take what is in the dead-letter queues back to where it belongs")
    )
    restore.add_arguments(
        commands.add_parser("restore", help="copy what a table of the stack lacks from one that was restored, or kept")
    )
    doors.add_arguments(commands.add_parser("rules", help="set, clear or show the rules by which doors open"))
    for name, vendor in calls.vendors().items():
        vendor.add_arguments(commands.add_parser(name, help=(vendor.__doc__ or "").splitlines()[0]))
    arguments = parser.parse_args()
    os.environ.update(tools.region(os.environ))
    try:
        if arguments.command == "up":
            with local.until_interrupted():
                _up(arguments)
        elif arguments.command == "announce-pending":
            pending.run(arguments)
        elif arguments.command == "preflight":
            return preflight.run(arguments)
        elif arguments.command == "restart-recordings":
            recordings.run(arguments)
        elif arguments.command == "redrive":
            deadletters.run(arguments)
        elif arguments.command == "restore":
            restore.run(arguments)
        elif arguments.command == "rules":
            doors.run(arguments)
        else:
            calls.vendors()[arguments.command].run(arguments)
    except WrongUse as error:
        print(f"gatehouse: {printable(error)}", file=sys.stderr)
        return 2
    except (RuntimeError, FileNotFoundError, GatehouseError, BotoCoreError, ClientError) as error:
        for line in _described(error).splitlines() or [type(error).__name__]:
            print(f"gatehouse: {printable(line)}", file=sys.stderr)
        return 1
    return 0


def _described(error: Exception) -> str:
    """The fault in words, with the remedy where a library does not name one."""
    if isinstance(error, NoRegionError):
        return "no region is named: set AWS_REGION, or name one in your profile"
    return str(error)


def _up(arguments: argparse.Namespace) -> None:
    print("Building and deploying template.yaml into an emulator on this machine …", flush=True)
    options = simulators.chosen(arguments)
    admitted = arguments.allow_host
    with local.running(
        arguments.announce, arguments.folder, options, simulate=arguments.simulate, admitted=admitted
    ) as stack:
        print(f"API            {stack.api_url}")
        for name in admitted:
            print(f"  by a tunnel  {name}{urllib3.util.parse_url(stack.api_url).path}")
        print(f"AWS endpoint   {stack.aws_endpoint_url}")
        print(f"Everything     {arguments.folder / 'stack.json'}")
        print("Ctrl-C ends it.\n", flush=True)
        ended = threading.Event()
        if arguments.simulate:
            threading.Thread(target=_simulate, args=(stack, options, ended), daemon=True).start()
        try:
            if arguments.watch:
                _watch(stack, until_seen=arguments.until_seen)
            else:
                ended.wait()
        finally:
            ended.set()


def _simulate(stack: Stack, options: Options, ended: threading.Event) -> None:
    streams = [
        simulator.pushes(stack.vendors, stack.api_url, **options.get(name, {}))
        for name, simulator in simulators.simulators().items()
    ]
    http = urllib3.PoolManager(retries=False, timeout=30)
    while True:
        for pushes in streams:
            _send(http, next(pushes), ended)
            if ended.wait(_PACE):
                return


def _send(http: urllib3.PoolManager, push: Request, ended: threading.Event) -> None:
    try:
        answer = http.request(push.method, push.url, body=push.body, headers=dict(push.headers))
    except urllib3.exceptions.HTTPError as error:
        if not ended.is_set():
            print(f"a simulated push failed: {type(error).__name__}", file=sys.stderr)
        return
    if answer.status != 200:
        reason = printable(answer.data.decode(errors="replace"))
        print(f"a simulated push was answered {answer.status}: {reason}", file=sys.stderr)


def _watch(stack: Stack, *, until_seen: bool) -> None:
    wanted = set(simulators.simulators())
    seen: Counter[str] = Counter()
    print(f"{'RECEIVED':<14}{'VENDOR':<10}{'DEVICE':<18}{'WHAT':<40}ID", flush=True)
    for event in _received(stack):
        print(received(event), flush=True)
        seen[event["data"]["vendor"]] += 1
        if until_seen and all(seen[vendor] >= _SEEN for vendor in wanted):
            print(f"\n{seen.total()} events of {len(seen)} vendors received, each verified, stored once and announced.")
            return


def received(event: Mapping[str, Any]) -> str:
    """An event in a line."""
    data = event["data"]
    topic = event["type"].split(".")[1]
    device = data.get("device", "")
    return printable(f"{topic:<14}{data['vendor']:<10}{device[:17]:<18}{what(data)[:38]:<40}{event['id']}")


def what(data: Mapping[str, Any]) -> str:
    """An event's data in a few words."""
    if "readings" in data:
        return ", ".join(f"{name} {reading['value']}" for name, reading in data["readings"].items())
    values = (data.get(name) for name in ("kind", "severity", "state", "result", "outcome"))
    words = " ".join(str(word) for word in values if word and word != "unknown")
    if data.get("reason"):
        words += f": {data['reason']}"
    if data.get("arrival", "live") != "live":
        words += f" ({data['arrival']})"
    if "files" in data:
        count = len(data["files"])
        return f"{words}, {count} {'file' if count == 1 else 'files'}"
    return words


def _received(stack: Stack) -> Iterator[dict[str, Any]]:
    queue = local.subscribed_queue(stack, "watch", list(stack.topics.values()))
    sqs = stack.client("sqs")
    while True:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
        for message in messages:
            yield json.loads(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    sys.exit(main())
