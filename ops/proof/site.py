"""The deployed stack as the prover sees it: its outputs, its API, and a subscriber of its own on each topic."""

import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import urllib3

from gatehouse.vocabulary import Topic
from ops.proof.report import NotProvedError, RefutedError
from ops.simulators import Credentials, Request
from ops.stack import Resource, by_name

PATIENCE: Final = 90
"""Seconds for which is waited for what takes a few."""
OPERATORS: Final = "operators"
"""The end of the name of the prover's queue on the topic of alarms."""
_POLL: Final = 2
"""Seconds for which a queue is asked at once."""


class Aws:
    """The account: AWS itself, or the emulator that AWS_ENDPOINT_URL names in its place."""

    def __init__(self) -> None:
        self.endpoint = os.environ.get("AWS_ENDPOINT_URL")
        self.session = boto3.Session()
        if self.session.region_name is None:
            raise RuntimeError("no region: set AWS_REGION, or name one in your profile")
        self.region: str = self.session.region_name

    def client(self, service: Any) -> Any:
        """A boto3 client of it."""
        return self.session.client(service)

    @cached_property
    def account(self) -> str:
        """The number of the account."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def unseen(self, what: str) -> Exception:
        """The error for what did not show: a fault in AWS, and not known in an emulator."""
        return NotProvedError(f"{what}; the emulator has none") if self.endpoint else RefutedError(what)

    def needs_aws(self, what: str) -> None:
        """Leaves a step that an emulator would pass, or fail, whatever the template says.

        Raises:
            NotProvedError: it is one.
        """
        if self.endpoint:
            raise NotProvedError(f"needs AWS itself: {what}")

    def variables(self) -> dict[str, str]:
        """The environment of a process that is to work in this account with the prover's credentials."""
        found = self.session.get_credentials()
        if found is None:
            raise RuntimeError("no credentials")
        credentials = found.get_frozen_credentials()
        given = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.token,
        }
        return {name: value for name, value in given.items() if value}


@dataclass
class Site:
    """A throwaway stack that was deployed."""

    aws: Aws
    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, Resource]
    """By logical id."""
    settings: Mapping[str, str]
    """The template's parameters as it was deployed with them."""
    folder: Path
    vendors: dict[str, Credentials] = field(default_factory=dict)
    queues: dict[Topic, str] = field(default_factory=dict)
    """The URL of the prover's queue on each topic."""
    _alarms: str = ""
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Messages by the event's id, each with `event`, `attributes` and `topic`."""
    causes: dict[str, str] = field(default_factory=dict)
    """Alarms for which a step has given cause, by logical id, and what it was: these may ring."""
    began: float = field(default_factory=time.time)
    """The time since which it is there."""

    def client(self, service: Any) -> Any:
        """A boto3 client of the account."""
        return self.aws.client(service)

    def variables(self) -> dict[str, str]:
        """The environment of a process that is to work on it."""
        return self.aws.variables()

    @property
    def api_url(self) -> str:
        """The address that vendors push to."""
        address = self.outputs["ApiUrl"]
        if self.aws.endpoint is None:
            return address
        return f"{self.aws.endpoint}/_aws/execute-api/{urlsplit(address).netloc.partition('.')[0]}"

    @property
    def logs(self) -> str:
        """The folder for logs of processes of this machine."""
        return str(self.folder)

    @property
    def media_bucket(self) -> str:
        """The bucket of pictures and recordings."""
        return self.outputs["MediaBucket"]

    @property
    def partition(self) -> str:
        """The region's partition: `aws`, `aws-cn`, `aws-us-gov`."""
        return self.aws.session.get_partition_for_region(self.aws.region)

    @property
    def functions(self) -> Mapping[str, str]:
        """The functions' names, by their logical ids in lower case and without `Function`."""
        return by_name(self.resources, "AWS::Lambda::Function", "Function")

    @property
    def tables(self) -> Mapping[str, str]:
        """The tables' names, by their logical ids in lower case and without `Table`."""
        return by_name(self.resources, "AWS::DynamoDB::Table", "Table")

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secrets' ARNs, by vendor."""
        return by_name(self.resources, "AWS::SecretsManager::Secret", "Secret")

    def physical(self, logical_id: str) -> str:
        """The physical id of a resource."""
        return self.resources[logical_id].physical_id

    @cached_property
    def _http(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(retries=False, timeout=60, maxsize=10)

    def send(self, push: Request) -> urllib3.BaseHTTPResponse:
        """Sends a push as a vendor does."""
        return self._http.request(push.method, push.url, body=push.body, headers=dict(push.headers))

    def taken(self, push: Request) -> None:
        """Sends a push that is to be taken.

        Raises:
            RefutedError: it was not.
        """
        answer = self.send(push)
        if answer.status != 200:
            raise RefutedError(f"a push was answered {answer.status}: {answer.data[:200].decode(errors='replace')}")

    def until[T](self, look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """Looks until something is found, and returns it; between two looks the queues are read.

        Raises:
            RefutedError: it found nothing in time.
        """
        deadline = time.monotonic() + patience
        while True:
            if found := look():
                return found
            if time.monotonic() > deadline:
                raise RefutedError(f"not within {patience:.0f} s: {what}")
            self.read()

    def read(self) -> int:
        """Reads the queues once; returns how many messages there were."""
        with ThreadPoolExecutor(len(self.queues)) as pool:
            found = [message for batch in pool.map(self._read, self.queues) for message in batch]
        for message in found:
            messages = self.received.setdefault(message["event"]["id"], [])
            # SQS may deliver one message twice, which says nothing about us.
            if message["number"] not in {one["number"] for one in messages}:
                messages.append(message)
        return len(found)

    def _read(self, topic: Topic) -> list[dict[str, Any]]:
        sqs, queue = self._sqs, self.queues[topic]
        answer = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=_POLL
        )
        found = []
        for message in answer.get("Messages", []):
            attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
            found.append(
                {
                    "number": message["MessageId"],
                    "event": json.loads(message["Body"]),
                    "attributes": attributes,
                    "topic": topic,
                }
            )
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    @cached_property
    def _sqs(self) -> Any:
        return self.client("sqs")

    def events(self, matches: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The events received so far that match."""
        return [messages[0]["event"] for messages in self.received.values() if matches(messages[0]["event"])]

    def record(self, event_id: str) -> dict[str, str]:
        """The item in the table, its values as text; empty if there is none."""
        found = self.client("dynamodb").get_item(
            TableName=self.outputs["EventsTable"], Key={"id": {"S": event_id}}, ConsistentRead=True
        )
        return {name: next(iter(value.values())) for name, value in found.get("Item", {}).items()}

    def stored(self, vendor: str) -> set[str]:
        """The ids of a vendor's events in the table, but for recordings: a flow may end at any time."""
        pages = self.client("dynamodb").get_paginator("scan")
        found = set()
        for page in pages.paginate(TableName=self.outputs["EventsTable"], ConsistentRead=True):
            for item in page["Items"]:
                event = json.loads(item["event"]["S"])
                if event["data"]["vendor"] == vendor and event["type"] != f"gatehouse.{Topic.MEDIA}.v1":
                    found.add(item["id"]["S"])
        return found

    def subscribe(self) -> None:
        """Makes a queue on each topic, as a subscriber of this account would, and one on that of the alarms."""
        self.queues = {topic: self._subscribed(topic, self.outputs[f"{topic.capitalize()}TopicArn"]) for topic in Topic}
        self._alarms = self._subscribed(OPERATORS, self.outputs["OperatorTopicArn"])

    def _subscribed(self, name: str, topic: str) -> str:
        url: str = self._sqs.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        # Without it SNS is not let in: https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                }
            ],
        }
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return url

    def rang(self, alarm: str) -> bool:
        """Reads the operators' queue; tells if an alarm rings by what is in it."""
        answer = self._sqs.receive_message(QueueUrl=self._alarms, MaxNumberOfMessages=10, WaitTimeSeconds=_POLL)
        notices = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return any(one.get("AlarmName") == alarm and one.get("NewStateValue") == "ALARM" for one in notices)

    def until_stored(self, event_id: str) -> None:
        """Waits until the table says that an event was announced."""
        self.until(partial(self._is_announced, event_id), f"the event {event_id} is stored and marked as announced")

    def _is_announced(self, event_id: str) -> bool:
        return self.record(event_id).get("delivery") == "published"
