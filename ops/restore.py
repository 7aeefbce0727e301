"""Copies into a table of the stack what it lacks: from one that was restored to a point in time, or was kept.

docs/restoring.md is the way through it; docs/decisions/0017-restore-by-copying.md says why it is copied.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from gatehouse.store import RESTORED
from ops.stack import Deployed, WrongUse, deployed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = Mapping[str, Any]

_TABLE: Final = "AWS::DynamoDB::Table"
_PAGE: Final = 100  # items: as many as a BatchGetItem looks for
_RATE: Final = 200
_MOST: Final = 600
"""Items a second: a new table on demand takes 4,000 write units a second, and an event is six with its indexes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""
_TELL: Final = 10_000
"""Items after which it says how far it is."""
_OF_AN_EXECUTION: Final = "task_token"
"""The token of a wait of Step Functions: a row with one says that somebody waits, and no backup knows if that is so."""


@dataclass
class Counted:
    """The fate of the items that were read."""

    read: int = 0
    copied: int = 0
    there: int = 0
    """The table has one with this key, which is newer."""
    expired: int = 0
    """Its time was up."""


@dataclass(frozen=True, slots=True)
class Into:
    """The table that is copied into."""

    table: str
    key: tuple[str, ...]
    ttl: str = ""
    """The attribute that says when an item expires, if any does."""
    announces: bool = False
    """True if items that are written into it are announced."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse restore`."""
    parser.add_argument("--from-table", required=True, metavar="NAME", help="the table that was restored, or kept")
    parser.add_argument("--to", required=True, metavar="TABLE", help="the stack's, as it is named in the template")
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="count, and copy nothing")
    parser.add_argument(
        "--rate", type=_rate, default=_RATE, metavar="N", help=f"items a second, {_MOST} at most (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Copies what a table lacks.

    Raises:
        botocore.exceptions.ClientError: there is no such stack or table, or AWS did not take an item. What was copied
            is there, and another run goes on.
        WrongUse: the tables are not of one kind, or the target is none of the stack's.
    """
    stack = deployed(boto3.client("cloudformation"), arguments.stack)
    dynamodb = boto3.client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
    name, table = chosen(stack, arguments.to)
    into = target(dynamodb, arguments.from_table, table, announces=table == stack.outputs.get("EventsTable"))
    counted = copy(dynamodb, arguments.from_table, into, rate=arguments.rate, dry_run=arguments.dry_run)
    copied = "would be copied" if arguments.dry_run else "copied"
    print(
        f"{name}: {counted.read} read, {counted.copied} {copied}, {counted.there} were there, {counted.expired} expired"
    )


def chosen(stack: Deployed, named: str) -> tuple[str, str]:
    """A table of the stack: its name in the template, and its own.

    Raises:
        WrongUse: it has none of this name.
    """
    tables = stack.of(_TABLE)
    for logical, physical in tables.items():
        if named in {logical, physical}:
            return logical, physical
    raise WrongUse(f"{named} is none of the stack's tables: {', '.join(sorted(tables))}")


def target(dynamodb: DynamoDBClient, source: str, table: str, *, announces: bool) -> Into:
    """The facts about the table that is copied into.

    Raises:
        WrongUse: the other one is the same table, or of another kind.
    """
    if source.rpartition("/")[2] == table:
        raise WrongUse(f"{table} is the table itself")
    key, other = (_key(dynamodb, found) for found in (table, source))
    if key != other:
        raise WrongUse(f"{source} has the key {_said(other)}, and {table} the key {_said(key)}")
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    enabled = ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return Into(table, tuple(key), ttl.get("AttributeName", "") if enabled else "", announces)


def copy(
    dynamodb: DynamoDBClient,
    source: str,
    into: Into,
    *,
    rate: float = _RATE,
    dry_run: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Counted:
    """Copies each item whose key the table does not have: what is there is newer, and stays as it is.

    However often it is begun, and wherever it was ended, an item is written once.

    Args:
        dynamodb: a client.
        source: the table that is read.
        into: the one that is written.
        rate: items a second, at most.
        dry_run: whether nothing is written.
        now: a clock.
        monotonic: a clock for spans.
        sleep: waits, in seconds.
    """
    counted = Counted()
    for page in _pages(dynamodb, source):
        began = monotonic()
        alive = [item for item in page if not _is_expired(item, into, now())]
        counted.read += len(page)
        counted.expired += len(page) - len(alive)
        missing = _missing(dynamodb, into, alive) if dry_run else sum(_put(dynamodb, into, item) for item in alive)
        counted.copied += missing
        counted.there += len(alive) - missing
        if counted.read // _TELL > (counted.read - len(page)) // _TELL:
            print(f"… {counted.read} read", flush=True)
        if (ahead := len(page) / rate - (monotonic() - began)) > 0:
            sleep(ahead)
    return counted


def copied(item: Item, *, announces: bool) -> dict[str, Any]:
    """An item as it is copied.

    An event says of itself that it was restored, so that the relay, which sees it come in, leaves it alone: what was
    announced is not announced again, and what was not, the sweep announces as redriven. A token of a wait is left out:
    a flow that does wait goes on when its time is up, and without one no flow is taken for waiting.
    """
    found = {name: value for name, value in item.items() if name != _OF_AN_EXECUTION}
    if announces:
        found["announce"] = {"S": RESTORED}
    return found


def _put(dynamodb: DynamoDBClient, into: Into, item: Item) -> bool:
    """Writes an item; False where there is one."""
    try:
        dynamodb.put_item(
            TableName=into.table,
            Item=copied(item, announces=into.announces),
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": into.key[0]},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _missing(dynamodb: DynamoDBClient, into: Into, items: Sequence[Item]) -> int:
    """The number of some items that a table does not have, a hundred at most."""
    names = {f"#{number}": name for number, name in enumerate(into.key)}
    keys: list[Any] = [{name: item[name] for name in into.key} for item in items]
    there = 0
    while keys:
        answer = dynamodb.batch_get_item(
            RequestItems={
                into.table: {
                    "Keys": keys,
                    "ConsistentRead": True,
                    "ProjectionExpression": ", ".join(names),
                    "ExpressionAttributeNames": names,
                }
            }
        )
        there += len(answer["Responses"].get(into.table, []))
        left = answer["UnprocessedKeys"].get(into.table)
        keys = list(left["Keys"]) if left else []
    return len(items) - there


def _pages(dynamodb: DynamoDBClient, table: str) -> Iterator[list[dict[str, Any]]]:
    # Consistent: a table that was kept may be written to until a moment ago.
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, ConsistentRead=True, PaginationConfig={"PageSize": _PAGE}
    )
    for page in pages:
        yield list(page["Items"])


def _is_expired(item: Item, into: Into, now: datetime) -> bool:
    """Tells if DynamoDB would delete it sooner or later, and no reader counts on it."""
    expiry = item.get(into.ttl, {}).get("N")
    return expiry is not None and float(expiry) <= now.timestamp()


def _key(dynamodb: DynamoDBClient, table: str) -> dict[str, str]:
    """The attributes of a table's key, and their types."""
    found = dynamodb.describe_table(TableName=table)["Table"]
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in found["AttributeDefinitions"]}
    return {part["AttributeName"]: types[part["AttributeName"]] for part in found["KeySchema"]}


def _said(key: Mapping[str, str]) -> str:
    return " and ".join(f"{name} ({kind})" for name, kind in key.items())


def _rate(text: str) -> int:
    rate = int(text)
    if not 1 <= rate <= _MOST:
        raise argparse.ArgumentTypeError(f"{rate} is not between 1 and {_MOST}")
    return rate
