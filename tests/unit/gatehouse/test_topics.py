"""The announcement on SNS: the right topic, the attributes, and batches that SNS takes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from gatehouse.errors import Unavailable
from gatehouse.events import Alarm, EventBuilder, Measurement
from gatehouse.record import MAX_EVENT_BYTES, Record
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import AlarmKind, Arrival, Severity, Topic
from tests.aws import Aws, calls
from tests.builders import NOW, some_record


def _topics(account: Aws) -> SnsTopics:
    return SnsTopics(account.sns, account.topic_arns, now=lambda: NOW)


def _alarm(name: str, *, device: str = "D1") -> Record:
    builder = EventBuilder(vendor="acme", account="A1", identity=[name], received_at=NOW, payload=None)
    common = builder.common(device=device, occurred_at=None)
    return Record.of(builder.event(Alarm(**common, kind=AlarmKind.LEAK, severity=Severity.HIGH)))


def test_a_record_arrives_on_the_topic_of_its_type_with_its_attributes(account: Aws) -> None:
    record = _alarm("1")
    _topics(account).publish(record)

    (message,) = account.received(account.queue_urls[Topic.ALARM])
    assert message["body"] == record.body
    assert message["attributes"] == {
        "vendor": "acme",
        "type": "gatehouse.alarm.v1",
        "account": "A1",
        "device": "D1",
        "severity": "high",
        "kind": "leak",
        "state": "raised",
        "arrival": "live",
    }
    assert not account.received(account.queue_urls[Topic.NOTICE])


def test_many_records_arrive_each_on_the_topic_of_its_type(account: Aws) -> None:
    alarms = [_alarm(str(number)) for number in range(12)]
    notices = [some_record(str(number)) for number in range(3)]

    taken = _topics(account).publish_all([*notices, *alarms])

    assert taken == {record.id for record in (*alarms, *notices)}
    for topic, records in ((Topic.ALARM, alarms), (Topic.NOTICE, notices)):
        arrived = account.received(account.queue_urls[topic])
        assert sorted(message["body"] for message in arrived) == sorted(record.body for record in records)
        assert all(message["attributes"]["vendor"] == "acme" for message in arrived)


def test_nothing_is_announced_in_no_call(account: Aws) -> None:
    with Stubber(account.sns):
        assert _topics(account).publish_all([]) == set()


def _batches(account: Aws, records: list[Record]) -> list[list[dict[str, Any]]]:
    seen = calls(account.sns, "sns.PublishBatch")
    assert _topics(account).publish_all(records) == {record.id for record in records}
    return [call["PublishBatchRequestEntries"] for call in seen]


def _bytes(entry: dict[str, Any]) -> int:
    attributes = entry["MessageAttributes"].items()
    return len(entry["Message"].encode()) + sum(
        len((name + value["DataType"] + value["StringValue"]).encode()) for name, value in attributes
    )


def test_a_batch_has_at_most_ten_messages(account: Aws) -> None:
    batches = _batches(account, [some_record(str(number)) for number in range(25)])

    assert [len(batch) for batch in batches] == [10, 10, 5]


@pytest.mark.parametrize("size", [10, 25_000, 26_000, 100_000, 131_000, 246_000])
@pytest.mark.parametrize("device", ["D1", "👩" * 300])
def test_a_batch_has_at_most_as_many_bytes_as_sns_takes(account: Aws, size: int, device: str) -> None:
    records = [some_record(str(number), payload="x" * size, device=device) for number in range(12)]
    assert all(record.size <= MAX_EVENT_BYTES for record in records)

    batches = _batches(account, records)

    assert sum(map(len, batches)) == 12
    assert all(len(batch) <= 10 for batch in batches)
    assert max(sum(map(_bytes, batch)) for batch in batches) <= 262_144


def test_attributes_of_four_bytes_a_character_count_as_such(account: Aws) -> None:
    def measurement(name: str, filling: int) -> Record:
        builder = EventBuilder(vendor="acme", account="A1", identity=[name], received_at=NOW, payload="x" * filling)
        common = builder.common(device="👩" * 256, occurred_at=None)
        return Record.of(builder.event(Measurement(**common, kind="👩" * 256, readings={})))

    # Two of them fit into a batch with up to 2,000 bytes of attributes each; these have more.
    filling = 262_144 // 2 - 2_000 - measurement("1", 0).size
    records = [measurement(str(number), filling) for number in range(4)]

    batches = _batches(account, records)

    assert max(sum(map(_bytes, batch)) for batch in batches) <= 262_144


def test_the_largest_event_fits_with_the_longest_attributes(account: Aws) -> None:
    empty = some_record(payload="", device="👩" * 256).size
    record = some_record(payload="x" * (MAX_EVENT_BYTES - empty), device="👩" * 256)
    assert record.size == MAX_EVENT_BYTES

    _topics(account).publish(record)
    assert len(account.received(account.queue_urls[Topic.NOTICE])) == 1


def test_what_sns_refuses_is_unavailable(account: Aws) -> None:
    with Stubber(account.sns) as stub:
        stub.add_client_error("publish", service_error_code="Throttled", service_message="secret")
        with pytest.raises(Unavailable) as caught:
            _topics(account).publish(some_record())
    assert str(caught.value) == "Publish: Throttled"


def test_a_topic_that_cannot_be_reached_is_unavailable(account: Aws) -> None:
    topics = SnsTopics(account.client("sns", "http://127.0.0.1:1"), account.topic_arns)

    with pytest.raises(Unavailable, match="Publish: EndpointConnectionError"):
        topics.publish(some_record())
    assert topics.publish_all([some_record()]) == set()


def test_of_a_batch_those_are_taken_that_sns_names(account: Aws) -> None:
    records = [some_record(str(number)) for number in range(3)]
    with Stubber(account.sns) as stub:
        stub.add_response(
            "publish_batch",
            {
                "Successful": [{"Id": "2", "MessageId": "m"}],
                "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}],
            },
        )
        assert _topics(account).publish_all(records) == {records[2].id}


def test_a_batch_that_is_refused_does_not_keep_the_next_one_back(account: Aws) -> None:
    records = [some_record(str(number)) for number in range(11)]
    with Stubber(account.sns) as stub:
        stub.add_client_error("publish_batch", service_error_code="Throttled")
        stub.add_response("publish_batch", {"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": []})
        assert _topics(account).publish_all(records) == {records[10].id}


def test_the_body_is_json_that_is_not_escaped(account: Aws) -> None:
    record = some_record(payload="设备 ☂")
    _topics(account).publish(record)

    (message,) = account.received(account.queue_urls[Topic.NOTICE])
    assert "设备 ☂" in message["body"]
    assert json.loads(message["body"])["data"]["payload"] == "设备 ☂"


# ─── Freshness ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _arrivals(account: Aws, topics: SnsTopics) -> list[str]:
    records = [some_record("1"), some_record("2")]
    topics.publish(records[0])
    topics.publish_all(records[1:])
    return [message["attributes"]["arrival"] for message in account.received(account.queue_urls[Topic.NOTICE])]


@pytest.mark.parametrize(("hours", "arrival"), [(0, "live"), (1, "late")])
def test_a_message_says_how_fresh_it_is_at_this_moment(account: Aws, hours: int, arrival: str) -> None:
    topics = SnsTopics(account.sns, account.topic_arns, now=lambda: NOW + timedelta(hours=hours))

    assert _arrivals(account, topics) == [arrival, arrival]


def test_the_age_up_to_which_it_is_live_is_a_setting(account: Aws) -> None:
    topics = SnsTopics(account.sns, account.topic_arns, timedelta(hours=2), now=lambda: NOW + timedelta(hours=1))

    assert _arrivals(account, topics) == ["live", "live"]


@pytest.mark.parametrize("always", [Arrival.REDRIVEN, Arrival.REPLAYED])
def test_what_waited_is_never_live(account: Aws, always: Arrival) -> None:
    topics = SnsTopics(account.sns, account.topic_arns, always=always, now=lambda: NOW)

    assert _arrivals(account, topics) == [always, always]
