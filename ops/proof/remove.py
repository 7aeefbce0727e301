"""Everything away again: the stack, what the stack retains, what the prover made beside it, what SAM uploaded."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from gatehouse.vocabulary import Topic
from ops.proof.report import RefutedError, Report
from ops.proof.site import OPERATORS, Aws
from ops.stack import Resource, outputs, resources, status

_SAM_STACK: Final = "aws-sam-cli-managed-default"
_PATIENCE: Final = 1800
"""Seconds for which a stack is waited for: a listener that is stopped, a creation that rolls back."""
_GONE: Final = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchKey",
        "ParameterNotFound",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
    }
)
"""AWS's error codes for what is not there."""


class Removal:
    """The removal of everything that a proof made.

    Args:
        aws: whose account.
        name: of the stack.
    """

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name
        self._sam_was_there = self._status(_SAM_STACK) is not None

    def run(self, report: Report, *, keep: bool) -> None:
        """Deletes it, or says what stays; Ctrl-C does not interrupt this."""
        with _undisturbed(), report.step("removed", "everything that this run made is deleted again") as step:
            if keep:
                step.reason = f"kept, as asked: the stack {self._name}; delete it by hand, and what it retains"
                return
            left = list(self._remove())
            if left:
                raise RefutedError(f"these are still there, delete them by hand: {'; '.join(left)}")

    def _remove(self) -> Iterator[str]:
        """Deletes one after the other; yields what could not be deleted, and why."""
        made = self._resources()
        yield from self._try("the subscriber's queues", self._remove_queues)
        yield from self._try(f"the stack {self._name}", self._remove_stack)
        for logical_id, (kind, physical_id, _) in made.items():
            if kind in _REMOVERS:
                yield from self._try(f"{logical_id} ({physical_id})", partial(_REMOVERS[kind], self._aws, physical_id))
        yield from self._try("the doors' rules", self._remove_rules)
        yield from self._try("what SAM uploaded", self._remove_uploads)

    def _try(self, what: str, remove: Callable[[], None]) -> Iterator[str]:
        try:
            remove()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                yield f"{what}: {error}"
        except (WaiterError, RefutedError) as error:
            yield f"{what}: {error}"

    def _resources(self) -> dict[str, Resource]:
        """The stack's resources, while it is there to say."""
        try:
            return resources(self._aws.client("cloudformation"), self._name)
        except ClientError:
            return {}  # it was never made

    def _status(self, stack: str) -> str | None:
        return status(self._aws.client("cloudformation"), stack)

    def _remove_queues(self) -> None:
        # A subscription to a topic of the stack goes with the topic.
        sqs = self._aws.client("sqs")
        for name in (*Topic, OPERATORS):
            with suppress(sqs.exceptions.QueueDoesNotExist):
                sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{self._name}-{name}")["QueueUrl"])

    def _remove_stack(self, stack: str | None = None) -> None:
        stack = stack or self._name
        cloudformation = self._aws.client("cloudformation")
        deadline = time.monotonic() + _PATIENCE
        asked = False
        while status := self._status(stack):
            if status == "DELETE_COMPLETE":
                return
            if time.monotonic() > deadline or (asked and status == "DELETE_FAILED"):
                raise RefutedError(f"it is {status}")
            # One that is on its way to somewhere else is let arrive there.
            if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
                cloudformation.delete_stack(StackName=stack)
                asked = True
            time.sleep(1 if self._aws.endpoint else 5)

    def _remove_rules(self) -> None:
        self._aws.client("ssm").delete_parameter(Name=f"/{self._name}/door-rules")

    def _remove_uploads(self) -> None:
        """Removes SAM's uploads for this stack, and its bucket if it was made for them and holds nothing else."""
        if self._status(_SAM_STACK) is None:
            return
        bucket = outputs(self._aws.client("cloudformation"), _SAM_STACK)["SourceBucket"]
        _empty(self._aws, bucket, f"{self._name}/")
        if self._sam_was_there:
            return
        rest = self._aws.client("s3").list_object_versions(Bucket=bucket, MaxKeys=1)
        if not rest.get("Versions") and not rest.get("DeleteMarkers"):
            self._remove_stack(_SAM_STACK)


def _empty(aws: Aws, bucket: str, prefix: str = "") -> None:
    """Deletes all versions of a bucket's objects below a prefix."""
    s3 = aws.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            names = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})


def _remove_bucket(aws: Aws, bucket: str) -> None:
    _empty(aws, bucket)
    aws.client("s3").delete_bucket(Bucket=bucket)


def _remove_table(aws: Aws, table: str) -> None:
    dynamodb = aws.client("dynamodb")
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def _remove_secret(aws: Aws, arn: str) -> None:
    # The secret is not wanted back, and its name is free at once.
    aws.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


_REMOVERS: Final[Mapping[str, Callable[[Aws, str], Any]]] = {
    "AWS::DynamoDB::Table": _remove_table,
    "AWS::S3::Bucket": _remove_bucket,
    "AWS::SecretsManager::Secret": _remove_secret,
    "AWS::SQS::Queue": lambda aws, url: aws.client("sqs").delete_queue(QueueUrl=url),
    "AWS::SNS::Topic": lambda aws, arn: aws.client("sns").delete_topic(TopicArn=arn),
    "AWS::Logs::LogGroup": lambda aws, name: aws.client("logs").delete_log_group(logGroupName=name),
    "AWS::SSM::Parameter": lambda aws, name: aws.client("ssm").delete_parameter(Name=name),
}
"""Functions that delete what a stack may retain. A key is never retained: it is of the topics alone."""

RETAINABLE: Final = frozenset(_REMOVERS)
"""The types of resources that a removal knows how to delete."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A block that Ctrl-C does not end: half a removal is worse than none."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
