"""Tells SUNMI which events of a shop to push, and where to."""

import argparse

from functions.sunmi.client import BASE_URL, Client
from functions.sunmi.wire import Accounts
from ops import secret

_EVENTS = (1010, 1100, 2001)  # 4100 is "currently unavailable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse sunmi`."""
    parser.add_argument("action", choices=("add", "delete"))
    parser.add_argument("--secret", required=True, help="ARN of the vendor's secret: the stack's output SunmiSecretArn")
    parser.add_argument("--app-id", required=True, help="which of the secret's apps")
    parser.add_argument("--shop-id", required=True)
    parser.add_argument("--callback", help="where to push; the stack's output ApiUrl and /v1/sunmi")
    parser.add_argument("--events", type=int, nargs="+", default=list(_EVENTS), metavar="EVENT")
    parser.add_argument("--base-url", default=BASE_URL, help="SUNMI's API (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Adds or deletes a shop's hook, with the newest key in the secret.

    Raises:
        RuntimeError: the secret has no such app, or the call lacks an address.
        CallFailed: SUNMI refused.
    """
    if arguments.action == "add" and not arguments.callback:
        raise RuntimeError("add needs --callback")
    apps = {app.app_id: app for app in secret.accounts(arguments.secret, Accounts).accounts}
    if arguments.app_id not in apps:
        raise RuntimeError(f"the secret has no app {arguments.app_id}")
    client = Client(arguments.app_id, apps[arguments.app_id].app_keys[0].get_secret_value(), arguments.base_url)
    if arguments.action == "add":
        client.add_hook(arguments.shop_id, arguments.callback, arguments.events)
    else:
        client.delete_hook(arguments.shop_id, arguments.events)
    print(f"{arguments.action}: shop {arguments.shop_id}, events {' '.join(map(str, arguments.events))}")
