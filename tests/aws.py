"""moto's AWS: clients, the events table, a topic for each type with a queue behind it, and the spill queue."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Self, cast

import botocore.session
from botocore.config import Config
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_secretsmanager import SecretsManagerClient
from mypy_boto3_sns import SNSClient
from mypy_boto3_sqs import SQSClient

from gatehouse.vocabulary import Topic

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    # botocore would put the account's number into the host name, where moto does not look for it.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    "AWS_EC2_METADATA_DISABLED": "true",
}
TABLE = "events"


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@dataclass
class Aws:
    """An AWS account that has what the template makes."""

    endpoint: str | None = None
    topic_arns: dict[Topic, str] = field(default_factory=dict)
    queue_urls: dict[Topic, str] = field(default_factory=dict)
    spill_url: str = ""

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """A client of its own."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    @cached_property
    def sns(self) -> SNSClient:
        """A client of its own."""
        return cast("SNSClient", self.client("sns"))

    @cached_property
    def sqs(self) -> SQSClient:
        """A client of its own."""
        return cast("SQSClient", self.client("sqs"))

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """A client of its own."""
        return cast("SecretsManagerClient", self.client("secretsmanager"))

    def client(self, service: str, endpoint: str | None = None) -> Any:
        """A client that gives up at once."""
        return _session().create_client(
            service,
            region_name=REGION,
            endpoint_url=endpoint or self.endpoint,
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
        )

    def built(self) -> Self:
        """With the table, the topics and the queues."""
        self.dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"}
                for name in ("id", "by_device", "by_hour", "occurred_at", "pending", "recorded_at")
            ],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": name,
                    "KeySchema": [
                        {"AttributeName": key, "KeyType": "HASH"},
                        {"AttributeName": order, "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
                for name, key, order in (
                    ("ByDevice", "by_device", "occurred_at"),
                    ("ByHour", "by_hour", "occurred_at"),
                    ("Pending", "pending", "recorded_at"),
                )
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for topic in Topic:
            arn = self.sns.create_topic(Name=topic)["TopicArn"]
            url = self.sqs.create_queue(QueueName=topic)["QueueUrl"]
            queue_arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]
            self.sns.subscribe(
                TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
            )
            self.topic_arns[topic] = arn
            self.queue_urls[topic] = url
        self.spill_url = self.sqs.create_queue(QueueName="spill")["QueueUrl"]
        return self

    def item(self, record_id: str) -> dict[str, Any]:
        """An item of the events table."""
        answer = self.dynamodb.get_item(TableName=TABLE, Key={"id": {"S": record_id}}, ConsistentRead=True)
        return dict(answer["Item"])

    def items(self) -> list[dict[str, Any]]:
        """All items of the events table."""
        return [dict(item) for item in self.dynamodb.scan(TableName=TABLE)["Items"]]

    def received(self, queue_url: str) -> list[dict[str, Any]]:
        """Messages that wait in a queue: bodies, and attributes as plain words."""
        messages: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages"):
            messages += [
                {
                    "body": message["Body"],
                    "event": json.loads(message["Body"]),
                    "attributes": {
                        name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()
                    },
                }
                for message in found
            ]
        return messages


def calls(client: Any, operation: str) -> list[dict[str, Any]]:
    """A list that grows with the parameters of each call of an operation: `sns.PublishBatch`."""
    seen: list[dict[str, Any]] = []

    def see(params: dict[str, Any], **_more: object) -> None:
        seen.append(params)

    client.meta.events.register(f"provide-client-params.{operation}", see)
    return seen


@contextmanager
def built_aws() -> Iterator[Aws]:
    """AWS by moto, inside this process. The environment has to hold `ENVIRONMENT`."""
    with mock_aws():
        yield Aws().built()
