"""Takes what is in a stack's dead-letter queues back to where it belongs.

By hand, and not by StartMessageMoveTask: that one sends a message to the queue that it came from, and what SNS could
not deliver came from none.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops import pending
from ops.stack import Deployed, WrongUse, deployed

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

_QUEUE: Final = "AWS::SQS::Queue"
_BATCH: Final = 10  # the most that a ReceiveMessage brings
_HELD: Final = 300
"""Seconds for which a message in hand is hidden from other consumers."""
_EMPTY: Final = 3
"""Answers without a message that it takes to believe that there is none left."""
_IN_A_ROW: Final = 10
"""Messages after which it is not the message's fault that none of them is taken."""
_REASONS: Final = frozenset({"RequestID", "ErrorCode", "ErrorMessage"})
"""Attributes that SNS and Lambda add to a dead letter.

SQS takes ten attributes of a message, so with these none of ours may fit.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
https://github.com/localstack/localstack/issues/6639 has what AWS's SNS did."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A queue of dead letters."""

    name: str
    """In the template."""
    url: str
    count: int
    home: str = ""
    """The home of its messages, in the template; empty for the relay's, whose events are in the table."""
    home_url: str = ""


@dataclass
class Moved:
    """The fate of a queue's messages."""

    taken: int = 0
    left: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `gatehouse redrive`."""
    parser.add_argument(
        "queue", nargs="*", metavar="QUEUE", help="as it is named in the template; all, if none is named"
    )
    parser.add_argument("--from-queue", metavar="URL", help="one that was kept of a stack before, in place of these")
    parser.add_argument("--to", metavar="QUEUE", help="where to take what is in that one, as named in the template")
    parser.add_argument("--stack", default="gatehouse", help="name of the deployed stack (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="say what is there, and take nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> None:
    """Shows what is in the dead-letter queues, asks, and takes it back.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
        gatehouse.errors.NotKept: the spill queue did not take an event that the relay gave up on.
        RuntimeError: some messages could not be taken back, and stay where they are.
        WrongUse: there is no such queue, or no terminal to ask at.
    """
    stack = deployed(boto3.client("cloudformation"), arguments.stack)
    sqs = boto3.client("sqs")
    if arguments.from_queue or arguments.to:
        found = [kept(sqs, stack, arguments.from_queue, arguments.to, arguments.queue)]
    else:
        found = chosen(dead(sqs, stack), arguments.queue)
    queues = [queue for queue in found if _shown(sqs, queue)]
    if arguments.dry_run or not queues:
        return
    if any(queue.home_url in {"", stack.outputs["SpillQueueUrl"]} for queue in queues):
        _is_let_in(stack)
    if not arguments.yes and not _agreed():
        return
    left = 0
    for queue in queues:
        if queue.home:
            moved = worked_off(sqs, queue, lambda message, to=queue.home_url: _sent(sqs, to, message))  # type: ignore[misc]
            print(f"{queue.name}: {moved.taken} sent to {queue.home}")
        else:
            table, spill = stack.outputs["EventsTable"], stack.outputs["SpillQueueUrl"]
            count = pending.announce(boto3.client("dynamodb"), sqs, table, spill)
            # After that: a record only points at what is pending in the table, and is no loss once that is sent.
            moved = worked_off(sqs, queue, _is_of_a_stream)
            print(f"{queue.name}: {count} events sent, {moved.taken} records taken out")
        left += moved.left
    if left:
        raise RuntimeError(f"{left} messages could not be taken back, and stay where they are")


def dead(sqs: SQSClient, stack: Deployed) -> list[Dead]:
    """The queues of dead letters in a stack, and where their messages belong, by the queues' own word for it."""
    urls = stack.of(_QUEUE)
    values = {
        name: sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn", "RedrivePolicy", "ApproximateNumberOfMessages"]
        )["Attributes"]
        for name, url in urls.items()
    }
    homes = {json.loads(values[name]["RedrivePolicy"])["deadLetterTargetArn"]: name
             for name in urls if "RedrivePolicy" in values[name]}  # fmt: skip
    found = []
    for name, url in urls.items():
        home = homes.get(values[name]["QueueArn"], "")
        if home or url == stack.outputs.get("RelayFailureQueueUrl"):
            count = int(values[name]["ApproximateNumberOfMessages"])
            found.append(Dead(name, url, count, home, urls.get(home, "")))
    return found


def chosen(queues: Sequence[Dead], names: Sequence[str]) -> list[Dead]:
    """Those of the queues that are named, or all.

    Raises:
        WrongUse: one that is named is none of them.
    """
    by_word = {word: queue for queue in queues for word in (queue.name, queue.url, queue.url.rpartition("/")[2])}
    for name in names:
        if name not in by_word:
            words = ", ".join(sorted(queue.name for queue in queues))
            raise WrongUse(f"{name} is none of the stack's queues of dead letters: {words}")
    return [queue for queue in queues if not names or queue in map(by_word.get, names)]


def kept(sqs: SQSClient, stack: Deployed, url: str | None, home: str | None, others: Sequence[str]) -> Dead:
    """A queue that is none of the stack's, and where its messages are to go.

    Raises:
        WrongUse: it is one of the stack's, or that is none of its queues.
    """
    urls = stack.of(_QUEUE)
    if not url or not home or others:
        raise WrongUse("--from-queue and --to go together, and without the names of other queues")
    if home not in urls:
        raise WrongUse(f"{home} is none of the stack's queues: {', '.join(sorted(urls))}")
    if url in urls.values():
        raise WrongUse(f"{url} is one of the stack's own")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return Dead(url.rpartition("/")[2], url, int(attributes["ApproximateNumberOfMessages"]), home, urls[home])


def worked_off(sqs: SQSClient, queue: Dead, take: Callable[[MessageTypeDef], None]) -> Moved:
    """Takes as many messages as there were in a queue, and deletes each that was taken; the others stay.

    Args:
        sqs: a client.
        queue: the queue, with how many there were.
        take: does with a message what is to be done; raises where it cannot.
    """
    moved = Moved()
    kept: list[str] = []
    empty = in_a_row = 0
    # Not until the queue is empty: what comes back while this runs would go round for ever.
    while moved.taken + moved.left < queue.count and empty < _EMPTY and in_a_row < _IN_A_ROW:
        messages = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=min(_BATCH, queue.count - moved.taken - moved.left),
            MessageAttributeNames=["All"],
            VisibilityTimeout=_HELD,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        empty = 0 if messages else empty + 1
        for message in messages:
            try:
                take(message)
                # A failure here leaves a message that was taken: it comes twice, and is one event all the same.
                sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            except (ClientError, BotoCoreError, ValueError) as error:
                print(f"{queue.name}: message {message['MessageId']} stays: {_named(error)}")
                kept.append(message["ReceiptHandle"])
                moved.left += 1
                in_a_row += 1
            else:
                moved.taken += 1
                in_a_row = 0
    for handle in kept:
        # So that the queue's alarm, which counts what is not in hand, goes on.
        with suppress(ClientError, BotoCoreError):
            sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=handle, VisibilityTimeout=0)
    return moved


def _shown(sqs: SQSClient, queue: Dead) -> bool:
    """Prints what is in a queue; whether anything is."""
    home = f"to {queue.home}" if queue.home else "what the relay gave up on, is in the table: announce-pending"
    oldest = ""
    if queue.count:
        # A look, which takes nothing out of anybody's sight.
        looked = sqs.receive_message(
            QueueUrl=queue.url,
            MaxNumberOfMessages=_BATCH,
            MessageSystemAttributeNames=["SentTimestamp"],
            VisibilityTimeout=0,
        ).get("Messages", [])
        sent = [int(message["Attributes"]["SentTimestamp"]) for message in looked]
        if sent:
            first = datetime.fromtimestamp(min(sent) / 1000, UTC)
            oldest = f", the oldest of {len(sent)} looked at from {first:%Y-%m-%d %H:%M} UTC"
    print(f"{queue.name}: about {queue.count} messages{oldest}; {home}")
    return queue.count > 0


def _agreed() -> bool:
    try:
        return input("Take them back? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        raise WrongUse("nobody is there to be asked: --yes answers") from None


def _is_let_in(stack: Deployed) -> None:
    """Looks whether redrive will take what we send into the spill queue.

    Raises:
        RuntimeError: it will not, since RedriveSenders names others: all of it would be dead letters again.
    """
    named = set(filter(None, stack.settings.get("RedriveSenders", "").split(",")))
    if not named:
        return
    role, _, session = str(cast("Any", boto3).client("sts").get_caller_identity()["UserId"]).partition(":")
    if named.isdisjoint({role, session}):
        raise RuntimeError(
            f"RedriveSenders names others than you: redrive would refuse it all; name {role} there first"
        )


def _sent(sqs: SQSClient, url: str, message: MessageTypeDef) -> None:
    """Sends a message as it was."""
    sqs.send_message(
        QueueUrl=url, MessageBody=message["Body"], MessageAttributes=_attributes(message.get("MessageAttributes", {}))
    )


def _attributes(received: Mapping[str, Any]) -> dict[str, MessageAttributeValueTypeDef]:
    kept = ("DataType", "StringValue", "BinaryValue")
    return {
        name: cast(
            "MessageAttributeValueTypeDef", {part: value[part] for part in kept if value.get(part) not in {None, b""}}
        )
        for name, value in received.items()
        if name not in _REASONS
    }


def _is_of_a_stream(message: MessageTypeDef) -> None:
    """Looks whether a message is Lambda's record of what it gave up on: a pointer into the stream, without the events.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html

    Raises:
        ValueError: it is something else, of which there is no other copy.
    """
    body = json.loads(message["Body"])
    if not isinstance(body, dict) or "DDBStreamBatchInfo" not in body:
        raise ValueError("no record of a stream")


def _named(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
