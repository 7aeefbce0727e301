"""Has redrive announce stored events that were never announced: the sweep's work, at once and by hand."""

import argparse
from datetime import UTC, datetime
from typing import Any

import boto3

from gatehouse.spill import SpillQueue, Step
from gatehouse.store import FORGOTTEN, EventsTable
from ops.stack import outputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse announce-pending`."""
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Puts every forgotten event of a stack into its spill queue; redrive announces it.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
        gatehouse.errors.NotKept: the queue did not take an event; those before it are on their way.
    """
    named = outputs(boto3.client("cloudformation"), arguments.stack)
    dynamodb, sqs = boto3.client("dynamodb"), boto3.client("sqs")
    print(f"{announce(dynamodb, sqs, named['EventsTable'], named['SpillQueueUrl'])} events sent")


def announce(dynamodb: Any, sqs: Any, table: str, queue_url: str) -> int:
    """Sends the forgotten events of a table to a spill queue; returns how many."""
    spill = SpillQueue(lambda: sqs, queue_url)
    # The retention of 0 days does not matter: no record is written here.
    table_of_events = EventsTable(dynamodb, table, 0, lambda: datetime.now(UTC))
    count = 0
    for records in table_of_events.forgotten(datetime.now(UTC) - FORGOTTEN):
        for record in records:
            spill.send(record, Step.PUBLISH)
            count += 1
    return count
