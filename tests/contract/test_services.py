"""A push goes all the way through the services: for every vendor, with its secret, on moto's AWS."""

import json
from collections.abc import Iterator

import pytest

from gatehouse.accounts import Secret
from gatehouse.gate import Gate
from gatehouse.media import MediaBucket
from gatehouse.settings import Announce
from gatehouse.spill import SpillQueue
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from tests import aws
from tests.builders import NOW, api_event, seconds
from tests.vendors import vendor_names, vendor_tests


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Aws]:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws.built_aws() as built:
        yield built


@pytest.mark.parametrize("vendor", vendor_names())
def test_a_push_goes_all_the_way_through_the_services(account: aws.Aws, vendor: str) -> None:
    own = vendor_tests(vendor)
    rig = own.rig()
    arn = account.secretsmanager.create_secret(Name=vendor, SecretString=json.dumps(own.SECRET))["ARN"]
    secret = Secret(account.secretsmanager, arn, type(rig.accounts.known), vendor=vendor)
    account.client("s3").create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": aws.REGION})
    gate = Gate(
        store=EventsTable(account.dynamodb, aws.TABLE, 90, lambda: NOW),
        topics=SnsTopics(account.sns, account.topic_arns),
        spill=SpillQueue(lambda: account.sqs, account.spill_url),
        announce=Announce.INLINE,
        media=MediaBucket(lambda: account.client("s3"), "media"),
    )
    handler = rig.make(gate, secret)
    # The shape of the most events, so that all of them are seen to go.
    shape, events = max(own.SHAPES.items(), key=lambda known: known[1])

    for late in range(2):
        assert handler(api_event(own.push(shape), NOW + seconds(late)), None)["statusCode"] == 200

    items = account.items()
    arrived = [message for url in account.queue_urls.values() for message in account.received(url)]
    assert len(items) == len(arrived) == events
    assert sorted(item["event"]["S"] for item in items) == sorted(message["body"] for message in arrived)
    assert {item["delivery"]["S"] for item in items} == {"published"}
    assert account.received(account.spill_url) == []
