"""The rehearsal of docs/restoring.md: tables as the template makes them, lost, restored beside, and filled again."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from functions.eye4.pending import PendingFiles, Reported
from functions.relay.handler import Relay, handle
from functions.relay.sweep import Sweep
from functions.senselink.progress import WatermarksTable
from functions.sensoro.alarms import AlarmTable
from functions.sensoro.alarms import Row as AlarmRow
from gatehouse.record import Record
from gatehouse.store import EventsTable
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import Arrival, MediaStatus, Topic
from ops import cli, restore
from ops.restore import Into, copy
from tests.aws import ENVIRONMENT, Aws
from tests.builders import some_record
from tests.fakes import FakeSpill
from tests.template import driver
from tests.template.stack import Stack

_LOST: Final = datetime.now(UTC) - timedelta(hours=2)
_TABLES: Final = Stack(driver.parameters()).of_type("AWS::DynamoDB::Table")

type Item = dict[str, Any]


@dataclass
class Rig:
    """A stack whose tables are those of the template, and the command."""

    aws: Aws
    tables: Mapping[str, str]
    run: Callable[..., tuple[int, str, str]]

    def events(self, now: datetime = _LOST) -> EventsTable:
        """The events table, at a moment."""
        return EventsTable(self.aws.dynamodb, self.tables["EventsTable"], 90, lambda: now)

    def items(self, table: str) -> dict[str, Item]:
        """The items of a table, by their key."""
        (key,) = _TABLES[table]["KeySchema"]
        found = self.aws.dynamodb.scan(TableName=self.tables[table])["Items"]
        return {str(item[key["AttributeName"]]["S"]): dict(item) for item in found}

    def backed_up(self, table: str) -> str:
        """A table that was restored to now."""
        name = f"{table}-restored"
        self.aws.dynamodb.restore_table_to_point_in_time(
            SourceTableName=self.tables[table], TargetTableName=name, UseLatestRestorableTime=True
        )
        return name

    def loses(self, table: str, *keys: str) -> None:
        """Somebody deletes items, or all."""
        (key,) = _TABLES[table]["KeySchema"]
        for value in keys or self.items(table):
            self.aws.dynamodb.delete_item(TableName=self.tables[table], Key={key["AttributeName"]: {"S": value}})

    def restored(self, table: str, *more: str) -> str:
        """The output of the command."""
        status, printed, said = self.run("--from-table", f"{table}-restored", "--to", table, *more)
        assert (status, said) == (0, "")
        return printed


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Rig]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gatehouse", "restore", *arguments])
        status = cli.main()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    template = {
        "Resources": {name: {"Type": "AWS::DynamoDB::Table", "Properties": made} for name, made in _TABLES.items()},
        "Outputs": {"EventsTable": {"Value": {"Ref": "EventsTable"}}},
    }
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="gatehouse", TemplateBody=json.dumps(template))
        found = cloudformation.list_stack_resources(StackName="gatehouse")["StackResourceSummaries"]
        tables = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
        aws = Aws()
        for name, made in _TABLES.items():
            if ttl := made.get("TimeToLiveSpecification"):
                # Moto's CloudFormation leaves it out.
                aws.dynamodb.update_time_to_live(TableName=tables[name], TimeToLiveSpecification=ttl)
        yield Rig(aws, tables, run)


def _stream(rig: Rig) -> list[Item]:
    """Records of the events table's stream since the beginning, as the relay gets them."""
    streams = rig.aws.client("dynamodbstreams")
    arn = rig.aws.dynamodb.describe_table(TableName=rig.tables["EventsTable"])["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return [record for record in records if record["eventName"] == "INSERT"]


def _announced(rig: Rig, since: int) -> dict[str, str]:
    """The freshness of each event for a subscriber, when the relay and then the sweep ran after a restore."""
    sqs, sns = rig.aws.sqs, rig.aws.sns
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    topics = dict.fromkeys(Topic, topic)
    now = datetime.now(UTC)
    # A setting by which everything of today is live.
    live = timedelta(days=1)
    relay = Relay(rig.events(now), SnsTopics(sns, topics, live), FakeSpill(), grace=30, sleep=lambda _: None)
    handle({"Records": _stream(rig)[since:]}, relay)
    for _ in range(2):
        Sweep(rig.events(now), SnsTopics(sns, topics, live, always=Arrival.REDRIVEN)).announce()
    return {message["event"]["id"]: message["attributes"]["arrival"] for message in rig.aws.received(url)}


def _filled(rig: Rig, announce: str) -> tuple[list[Record], list[Record]]:
    """Events that were announced, and events that were not, of two hours ago."""
    published = [some_record(f"published {number}") for number in range(7)]
    pending = [some_record(f"pending {number}") for number in range(5)]
    for record in [*published, *pending]:
        rig.events().record(record, announce)
    for record in published:
        rig.events().mark_published(record.id)
    return published, pending


# Receipts of `some_record` are of a day in July: the clock of the table is what a restore goes by.
@pytest.fixture(autouse=True)
def _received_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.builders.NOW", _LOST)


# ─── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("announce", ["inline", "stream"])
def test_what_was_announced_is_not_again_and_what_was_pending_is_as_redriven(rig: Rig, announce: str) -> None:
    published, pending = _filled(rig, announce)
    before = rig.items("EventsTable")
    rig.backed_up("EventsTable")
    rig.loses("EventsTable")
    written = len(_stream(rig))

    assert rig.restored("EventsTable") == "EventsTable: 12 read, 12 copied, 0 were there, 0 expired\n"

    after = rig.items("EventsTable")
    assert after == {key: {**item, "announce": {"S": "restored"}} for key, item in before.items()}
    assert len(_stream(rig)) == written + 12
    assert _announced(rig, written) == {record.id: "redriven" for record in pending}
    assert {item["delivery"]["S"] for item in rig.items("EventsTable").values()} == {"published"}
    assert len(published) == 7


def test_what_came_since_stays_as_it_is(rig: Rig) -> None:
    record = some_record()
    rig.events().record(record, "inline")
    rig.backed_up("EventsTable")
    rig.events().mark_published(record.id)
    before = rig.items("EventsTable")

    assert rig.restored("EventsTable") == "EventsTable: 1 read, 0 copied, 1 were there, 0 expired\n"
    assert rig.items("EventsTable") == before


def test_a_push_that_comes_again_after_a_restore_is_a_duplicate(rig: Rig) -> None:
    record = some_record()
    rig.events().record(record, "inline")
    rig.backed_up("EventsTable")
    rig.loses("EventsTable")
    rig.restored("EventsTable")

    assert rig.events().record(record, "inline") == record.deciding


def test_a_restore_that_was_ended_half_way_goes_on_and_writes_nothing_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "_PAGE", 5)
    _filled(rig, "inline")
    rig.backed_up("EventsTable")
    rig.loses("EventsTable")
    written = len(_stream(rig))
    key = Into(rig.tables["EventsTable"], ("id",), "expires_at", announces=True)

    def die(_seconds: float) -> None:
        if len(rig.items("EventsTable")) >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(rig.aws.dynamodb, "EventsTable-restored", key, monotonic=lambda: 0.0, sleep=die)
    assert len(rig.items("EventsTable")) == 10

    assert rig.restored("EventsTable") == "EventsTable: 12 read, 2 copied, 10 were there, 0 expired\n"
    assert rig.restored("EventsTable") == "EventsTable: 12 read, 0 copied, 12 were there, 0 expired\n"
    assert len(_stream(rig)) == written + 12


def test_what_has_expired_stays_gone(rig: Rig) -> None:
    # Recorded when it was kept for 90 days, 91 days ago; DynamoDB takes its time, and a backup has no TTL at all.
    rig.events(_LOST - timedelta(days=91)).record(some_record(), "inline")
    rig.events().record(some_record("2"), "inline")
    rig.backed_up("EventsTable")
    rig.loses("EventsTable")

    assert rig.restored("EventsTable") == "EventsTable: 2 read, 1 copied, 0 were there, 1 expired\n"


def test_a_dry_run_counts_the_same_and_writes_nothing(rig: Rig) -> None:
    published, _ = _filled(rig, "inline")
    rig.backed_up("EventsTable")
    rig.loses("EventsTable", *(record.id for record in published))

    said = rig.restored("EventsTable", "--dry-run")

    assert said == "EventsTable: 12 read, 7 would be copied, 5 were there, 0 expired\n"
    assert len(rig.items("EventsTable")) == 5


def test_it_is_no_faster_than_it_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_PAGE", 5)
    _filled(rig, "inline")
    rig.backed_up("EventsTable")
    waited: list[float] = []

    into = Into(rig.tables["EventsTable"], ("id",))
    copy(rig.aws.dynamodb, "EventsTable-restored", into, rate=2, monotonic=lambda: 0.0, sleep=waited.append)

    assert sum(waited) == 12 / 2


def test_what_aws_does_not_take_ends_it_and_is_said(rig: Rig) -> None:
    rig.events().record(some_record(), "inline")
    rig.backed_up("EventsTable")

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        copy(rig.aws.dynamodb, "EventsTable-restored", Into("gone", ("id",)))


# ─── The other tables ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_newer_watermark_is_not_moved_back_and_a_lost_one_is_there_again(rig: Rig) -> None:
    marks = WatermarksTable(lambda: rig.aws.dynamodb, rig.tables["WatermarksTable"])
    for server in ("lost", "newer"):
        marks.begin(server, _LOST)
        marks.owe(server, "task", _LOST - timedelta(minutes=5))
        marks.learn(server, {"2026-11-25": 4.5}, [1, 2])
    lost = marks.read("lost")
    rig.backed_up("WatermarksTable")
    rig.loses("WatermarksTable", "lost")
    marks.advance("newer", _LOST + timedelta(hours=1))
    newer = marks.read("newer")

    assert rig.restored("WatermarksTable") == "WatermarksTable: 2 read, 1 copied, 1 were there, 0 expired\n"

    assert marks.read("lost") == lost
    assert marks.read("newer") == newer


def test_a_recording_that_is_restored_knows_what_was_told_and_of_nobody_who_waits(rig: Rig) -> None:
    table = rig.tables["PendingFilesTable"]
    files = PendingFiles(lambda: rig.aws.dynamodb, table, lambda: datetime.now(UTC))
    reported = Reported(event="eye4-1", kind=MediaStatus.AVAILABLE, wanted="{}")
    row = files.taken("rig/told", "alarm")
    files.note_reported("rig/told", reported, row)
    for recording in ("rig/told", "rig/waiting"):
        # The form in which the flow writes it, functions/eye4/flow.asl.yaml.
        rig.aws.dynamodb.update_item(
            TableName=table,
            Key={"recording": {"S": recording}},
            UpdateExpression="SET task_token = :token, expires_at = :expires_at",
            ExpressionAttributeValues={
                ":token": {"S": "stale"},
                ":expires_at": {"N": str(int((_LOST + timedelta(days=35)).timestamp()))},
            },
        )
    rig.backed_up("PendingFilesTable")
    rig.loses("PendingFilesTable")

    assert rig.restored("PendingFilesTable") == "PendingFilesTable: 2 read, 2 copied, 0 were there, 0 expired\n"

    assert (files.read("rig/told").reported, files.read("rig/told").token) == (reported, None)
    # So a message starts a flow of its own, and is not left to an execution that may be gone.
    assert not files.arrived("rig/waiting", {"key": "1"}).is_known


def test_an_alarm_that_changed_since_stays_as_it_is_and_one_that_was_lost_is_known_again(rig: Rig) -> None:
    rows = AlarmTable(lambda: rig.aws.dynamodb, rig.tables["SensoroAlarmsTable"], lambda: datetime.now(UTC))
    raised = AlarmRow(on=True, seen_at=_LOST, episode="e", raised_at=_LOST)
    for sensor in ("lost", "newer"):
        rows.write(sensor, raised, None)
    rig.backed_up("SensoroAlarmsTable")
    rig.loses("SensoroAlarmsTable", "lost")
    released = AlarmRow(on=False, seen_at=datetime.now(UTC), episode="e", raised_at=_LOST, revision=2)
    rows.write("newer", released, raised)

    assert rig.restored("SensoroAlarmsTable") == "SensoroAlarmsTable: 2 read, 1 copied, 1 were there, 0 expired\n"
    assert (rows.read("lost"), rows.read("newer")) == (raised, released)


# ─── Wrong use ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_may_be_named_by_its_own_name(rig: Rig) -> None:
    rig.backed_up("EventsTable")

    assert rig.run("--from-table", "EventsTable-restored", "--to", rig.tables["EventsTable"])[0] == 0


@pytest.mark.parametrize(
    ("source", "to", "said"),
    [
        ("EventsTable-restored", "Nothing", "Nothing is none of the stack's tables: EventsTable, "),
        ("EventsTable-restored", "EventsTable-restored", "is none of the stack's tables"),
        ("EventsTable-restored", "WatermarksTable", "has the key id (S), and"),
        ("EventsTable", "EventsTable", "is the table itself"),
    ],
)
def test_tables_that_do_not_fit_are_refused_before_anything_is_written(
    rig: Rig, source: str, to: str, said: str
) -> None:
    rig.events().record(some_record(), "inline")
    rig.backed_up("EventsTable")
    written = rig.items("WatermarksTable")

    status, printed, error = rig.run("--from-table", rig.tables.get(source, source), "--to", to)

    assert (status, printed) == (2, "")
    assert said in error
    assert rig.items("WatermarksTable") == written


def test_a_table_that_is_not_there_is_said(rig: Rig) -> None:
    status, _, error = rig.run("--from-table", "nothing", "--to", "EventsTable")

    assert status == 1
    assert "ResourceNotFoundException" in error


@pytest.mark.parametrize("rate", ["0", "601", "-1", "x", "1.5"])
def test_a_rate_that_a_table_does_not_take_is_wrong_use(rig: Rig, rate: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        rig.run("--from-table", "a", "--to", "EventsTable", "--rate", rate)
