"""Announces what is stored and was never announced: for what the relay gave up on, once the cause is mended."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from gatehouse.events import Record
from gatehouse.spill import SpillQueue, Step
from gatehouse.store import Delivery

_YOUNG = timedelta(minutes=10)  # older than any window and grace of the relay: nobody else is at it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse announce-pending`."""
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Puts every forgotten event of a stack into its spill queue; redrive announces it.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
        gatehouse.errors.NotKept: the queue did not take an event; those before it are on their way.
    """
    found = boto3.client("cloudformation").describe_stacks(StackName=arguments.stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    sqs = boto3.client("sqs")
    print(f"{announce(boto3.client('dynamodb'), sqs, outputs['EventsTable'], outputs['SpillQueueUrl'])} events sent")


def announce(dynamodb: Any, sqs: Any, table: str, queue_url: str) -> int:
    """Sends the forgotten events of a table to a spill queue; returns how many."""
    spill = SpillQueue(lambda: sqs, queue_url)
    count = 0
    for record in _forgotten(dynamodb, table):
        spill.send(record, Step.PUBLISH)
        count += 1
    return count


def _forgotten(dynamodb: Any, table: str) -> Iterator[Record]:
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="delivery = :pending AND recorded_at < :before",
        ExpressionAttributeValues={
            ":pending": {"S": Delivery.PENDING},
            ":before": {"S": (datetime.now(UTC) - _YOUNG).isoformat()},
        },
    )
    for page in pages:
        for item in page["Items"]:
            yield Record(item["event"]["S"])
