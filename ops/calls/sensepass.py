"""Tells a SensePass terminal where to push and whom to ask, and fetches the records of a gap from it."""

import argparse
import contextlib
import getpass
import json
import os
from datetime import datetime
from typing import Any, Final

import urllib3

from functions.sensepass.client import PAGE, PORT, AskRemotely, Client, NotThere
from functions.sensepass.verify import FETCHED
from functions.sensepass.wire import Accounts
from gatehouse.vocabulary import Arrival
from ops import secret
from ops.shown import masked

PASSWORD: Final = "GATEHOUSE_TERMINAL_PASSWORD"  # noqa: S105 - the name of an environment variable
_PATH: Final = "/v1/sensepass"
_ASK: Final = {ask.name.lower(): ask for ask in AskRemotely}
_AGAIN: Final = urllib3.Retry(
    total=4, status_forcelist=(429, 502, 503, 504), allowed_methods=None, backoff_factor=0.5, raise_on_status=False
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse sensepass`."""
    parser.add_argument("action", choices=("subscribe", "show", "backfill"))
    parser.add_argument("--host", required=True, help="the terminal's name or address")
    parser.add_argument("--port", type=int, default=PORT, help="of its HTTPS API (%(default)s)")
    parser.add_argument("--fingerprint", help="SHA-256 of the terminal's own certificate, in hex")
    parser.add_argument("--ca-file", help="PEM file of the authority that signed the terminal's certificate")
    parser.add_argument("--user", default="admin", help="(%(default)s); the password comes from " + PASSWORD)
    parser.add_argument("--secret", help="ARN of the vendor's secret: the stack's output SensepassSecretArn")
    parser.add_argument("--site", help="which of the secret's sites; its first token is used")
    parser.add_argument("--api-url", help="where we are, for the terminal: the stack's output ApiUrl, or your domain")
    parser.add_argument("--ask", choices=_ASK, default="known", help="subscribe: whom it asks us about (%(default)s)")
    parser.add_argument("--from", dest="begin", type=_moment, help="backfill: as 2026-11-20T08:00:00+01:00")
    parser.add_argument("--to", dest="end", type=_moment, help="backfill: the same")
    parser.add_argument("--page", type=int, default=20, help=f"backfill: records at once, at most {PAGE} (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Subscribes to a terminal, shows what it is subscribed to, or fetches its records.

    Raises:
        RuntimeError: an argument is missing, the secret has no such site, or not every record was taken.
        CallFailed: the terminal refused.
    """
    ours = "" if arguments.action == "show" else _address(arguments)
    if arguments.action == "backfill" and not (arguments.begin and arguments.end):
        raise RuntimeError("backfill needs --from and --to")
    with Client(
        arguments.host, arguments.port, fingerprint=arguments.fingerprint, ca_file=arguments.ca_file
    ) as terminal:
        # A day is what a terminal holds a login for at most; what it cached may take hours to fetch.
        minutes = 1440 if arguments.action == "backfill" else 5
        terminal.log_in(arguments.user, os.environ.get(PASSWORD) or getpass.getpass("Password: "), minutes)
        if arguments.action == "subscribe":
            _subscribe(terminal, ours, _ASK[arguments.ask])
        elif arguments.action == "backfill":
            _backfill(terminal, ours, arguments)
        _show(terminal)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("without a time zone")
    return moment


def _address(arguments: argparse.Namespace) -> str:
    """Our address with the site's token."""
    missing = [f"--{name}" for name in ("secret", "site", "api-url") if not getattr(arguments, name.replace("-", "_"))]
    if missing:
        raise RuntimeError(f"{arguments.action} needs {' and '.join(missing)}")
    sites = {account.site: account for account in secret.accounts(arguments.secret, Accounts).accounts}
    if arguments.site not in sites:
        raise RuntimeError(f"the secret has no site {arguments.site}")
    token = sites[arguments.site].tokens[0].get_secret_value()
    return f"{arguments.api_url.rstrip('/')}{_PATH}/{token}"


def _subscribe(terminal: Client, address: str, ask: AskRemotely) -> None:
    terminal.set_event_destination(address)
    # Firmware without this setting asks with its records, about every person.
    with contextlib.suppress(NotThere):
        if ask is not AskRemotely.NOBODY or terminal.remote_authentication_address():
            terminal.set_remote_authentication(f"{address}/authorize", ask)


def _show(terminal: Client) -> None:
    print(f"pushes to   {_masked(terminal.event_destination()) or 'nowhere'}")
    try:
        asks = _masked(terminal.remote_authentication_address()) or "nobody"
    except NotThere:
        asks = "with its records (older than V1.1)"
    print(f"asks        {asks}")


def _masked(address: str) -> str:
    """An address without the token, which is all that authenticates a terminal, or whatever another's address has."""
    return masked(address, *_PATH.split("/"), "authorize")


def _backfill(terminal: Client, address: str, arguments: argparse.Namespace) -> None:
    """Sends the records of a time range to ourselves, as the terminal uploads them: what we have is not doubled."""
    http = urllib3.PoolManager(retries=_AGAIN, timeout=30)
    begin, end = int(arguments.begin.timestamp()), int(arguments.end.timestamp())
    taken = refused = 0
    for page in terminal.records(begin, end, arguments.page):
        for record in page:
            if _is_taken(http, address, record):
                taken += 1
            else:
                refused += 1
        print(f"{taken} records taken, {refused} not", flush=True)
    if refused:
        raise RuntimeError(f"{refused} records were not taken; the same call again doubles nothing")


def _is_taken(http: urllib3.PoolManager, address: str, record: dict[str, Any]) -> bool:
    upload = json.dumps({"type": 0, "data": record}).encode()
    try:
        headers = {"content-type": "application/json", FETCHED: Arrival.BACKFILL}
        answer = http.request("POST", address, body=upload, headers=headers)
        return answer.status == 200 and bool(answer.json()["code"] == 200)
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return False
