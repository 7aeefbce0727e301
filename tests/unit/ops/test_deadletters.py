"""Dead letters go back to where they belong: as they were, as many as there were, and none is lost on the way."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from gatehouse.store import EventsTable
from ops import cli
from ops.deadletters import dead, worked_off
from ops.stack import Deployed, deployed
from tests.aws import ENVIRONMENT, TABLE, Aws, built_aws
from tests.builders import some_record

_RECORD = {"requestContext": {"functionArn": "…"}, "DDBStreamBatchInfo": {"shardId": "s", "batchSize": 3}}


def _queue(dead_letters: str = "") -> dict[str, Any]:
    policy = {"deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]}, "maxReceiveCount": 100}
    return {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": policy} if dead_letters else {}}


# Like ours, with names of its own: where a queue's dead letters belong is asked of the queue.
_TEMPLATE = {
    "Parameters": {"RedriveSenders": {"Type": "String", "Default": ""}},
    "Resources": {
        "Dead": _queue(),
        "Work": _queue("Dead"),
        "SpillDead": _queue(),
        "Spill": _queue("SpillDead"),
        "GivenUp": _queue(),
        "Apart": _queue(),
    },
    "Outputs": {
        "SpillQueueUrl": {"Value": {"Ref": "Spill"}},
        "RelayFailureQueueUrl": {"Value": {"Ref": "GivenUp"}},
        "EventsTable": {"Value": TABLE},
    },
}


@dataclass
class Rig:
    """A stack in an account, and the command."""

    aws: Aws
    run: Callable[..., tuple[int, str, str]]
    stack: Deployed

    def url(self, name: str) -> str:
        """Of a queue."""
        return self.stack.of("AWS::SQS::Queue")[name]

    def put(self, name: str, body: str, **attributes: str) -> None:
        """A message into a queue."""
        self.aws.sqs.send_message(
            QueueUrl=self.url(name),
            MessageBody=body,
            MessageAttributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
        )

    def waiting(self, name: str) -> int:
        """The number of messages in a queue that no consumer holds."""
        told = self.aws.sqs.get_queue_attributes(
            QueueUrl=self.url(name), AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(told["Attributes"]["ApproximateNumberOfMessages"])


def _rig(aws: Aws, run: Callable[..., tuple[int, str, str]], senders: str = "") -> Rig:
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="gatehouse",
        TemplateBody=json.dumps(_TEMPLATE),
        Parameters=[{"ParameterKey": "RedriveSenders", "ParameterValue": senders}],
    )
    return Rig(aws, run, deployed(cloudformation, "gatehouse"))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`gatehouse redrive …`; returns its status and what it printed."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, answer: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gatehouse", "redrive", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        status = cli.main()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def rig(command: Callable[..., tuple[int, str, str]]) -> Iterator[Rig]:
    with built_aws() as aws:
        yield _rig(aws, command)


def test_each_queue_of_dead_letters_goes_to_the_queue_that_names_it(rig: Rig) -> None:
    rig.put("Dead", '{"n": 1}', arrival="live", device="D1")
    rig.put("SpillDead", '{"n": 2}', step="record", deciding="{}")
    rig.put("Apart", '{"n": 3}')

    status, printed, _ = rig.run("--yes")

    assert status == 0
    assert "Dead: 1 sent to Work" in printed
    (work,) = rig.aws.received(rig.url("Work"))
    (spilled,) = rig.aws.received(rig.url("Spill"))
    assert (work["body"], work["attributes"]) == ('{"n": 1}', {"arrival": "live", "device": "D1"})
    assert (spilled["body"], spilled["attributes"]) == ('{"n": 2}', {"step": "record", "deciding": "{}"})
    assert (rig.waiting("Dead"), rig.waiting("SpillDead"), rig.waiting("Apart")) == (0, 0, 1)


def test_an_attribute_of_bytes_goes_back_as_it_was(rig: Rig) -> None:
    told: dict[str, Any] = {"proof": {"DataType": "Binary.x", "BinaryValue": b"\x00\xff"}}
    rig.aws.sqs.send_message(QueueUrl=rig.url("Dead"), MessageBody="{}", MessageAttributes=told)

    assert rig.run("--yes")[0] == 0

    (message,) = rig.aws.sqs.receive_message(QueueUrl=rig.url("Work"), MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == told


def test_only_the_queues_that_are_named_are_worked_off(rig: Rig) -> None:
    rig.put("Dead", "1")
    rig.put("SpillDead", "2")

    rig.run("Dead", "--yes")

    assert (rig.waiting("Dead"), rig.waiting("Work"), rig.waiting("SpillDead")) == (0, 1, 1)


def test_a_queue_may_be_named_by_its_own_name_or_address_and_is_worked_off_once(rig: Rig) -> None:
    rig.put("Dead", "1")
    rig.put("SpillDead", "2")

    assert rig.run(rig.url("Dead").rpartition("/")[2], rig.url("Dead"), "--yes")[0] == 0
    assert (rig.waiting("Dead"), rig.waiting("Work"), rig.waiting("SpillDead")) == (0, 1, 1)


@pytest.mark.parametrize("name", ["Work", "Apart", "nothing", ""])
def test_a_queue_without_dead_letters_is_wrong_use(rig: Rig, name: str) -> None:
    rig.put("Dead", "1")

    status, _, said = rig.run("Dead", name, "--yes")

    assert status == 2
    assert "Dead, GivenUp, SpillDead" in said
    assert rig.waiting("Dead") == 1


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 0, 1), ("\n", 0, 1), ("", 2, 1)])
def test_nothing_is_taken_before_somebody_agreed(rig: Rig, answer: str, status: int, left: int) -> None:
    rig.put("Dead", "1")

    ended, printed, _ = rig.run(answer=answer)

    assert (ended, rig.waiting("Dead")) == (status, left)
    assert "Dead: about 1 messages, the oldest of 1 looked at from 20" in printed


def test_a_dry_run_says_what_is_there_and_leaves_it(rig: Rig) -> None:
    rig.put("Dead", "1")

    status, printed, _ = rig.run("--dry-run")

    assert status == 0
    assert "Dead: about 1 messages" in printed
    assert "to Work" in printed
    assert (rig.waiting("Dead"), rig.waiting("Work")) == (1, 0)


def test_where_there_is_nothing_nobody_is_asked(rig: Rig) -> None:
    assert rig.run()[0] == 0


def test_the_reasons_that_sns_added_do_not_take_the_place_of_ours(rig: Rig) -> None:
    """SQS takes ten attributes of a message; ours are nine."""
    ours = {f"a{number}": "x" for number in range(7)}
    rig.put("Dead", "{}", **ours, RequestID="1", ErrorCode="403", ErrorMessage="AccessDenied")

    rig.run("--yes")

    (message,) = rig.aws.received(rig.url("Work"))
    assert message["attributes"] == ours


def test_a_message_that_is_not_taken_stays_and_is_seen_and_holds_up_no_other(rig: Rig) -> None:
    # The queue it goes to takes less than the other one did.
    rig.aws.sqs.set_queue_attributes(QueueUrl=rig.url("Work"), Attributes={"MaximumMessageSize": "1024"})
    rig.put("Dead", "x" * 2_000)
    rig.put("Dead", "{}")

    status, printed, said = rig.run("--yes")

    assert status == 1
    assert "stays: InvalidParameterValue" in printed
    assert "1 messages could not be taken back" in said
    assert (rig.waiting("Dead"), rig.waiting("Work")) == (1, 1)


def test_where_none_is_taken_it_gives_up_and_all_are_there(rig: Rig) -> None:
    for _ in range(25):
        rig.put("Dead", "x")
    (queue,) = [queue for queue in dead(rig.aws.sqs, rig.stack) if queue.name == "Dead"]

    def refuse(_message: object) -> None:
        raise ValueError

    assert worked_off(rig.aws.sqs, queue, refuse).left == 10
    assert rig.waiting("Dead") == 25


def test_what_comes_back_while_it_runs_does_not_go_round_for_ever(rig: Rig) -> None:
    for _ in range(12):
        rig.put("Dead", "x")
    (queue,) = [queue for queue in dead(rig.aws.sqs, rig.stack) if queue.name == "Dead"]

    moved = worked_off(rig.aws.sqs, queue, lambda message: rig.put("Dead", message["Body"]))

    assert moved.taken == 12
    assert rig.waiting("Dead") == 12


def test_what_the_relay_gave_up_on_is_announced_from_the_table_and_its_records_are_taken_out(rig: Rig) -> None:
    record = some_record("old")
    EventsTable(rig.aws.dynamodb, TABLE, 3650, lambda: datetime.now(UTC) - timedelta(hours=1)).record(record, "inline")
    rig.put("GivenUp", json.dumps(_RECORD))

    status, printed, _ = rig.run("GivenUp", "--yes")

    assert (status, rig.waiting("GivenUp")) == (0, 0)
    assert "GivenUp: 1 events sent, 1 records taken out" in printed
    (message,) = rig.aws.received(rig.url("Spill"))
    assert (message["event"]["id"], message["attributes"]["step"]) == (record.id, "publish")


def test_records_stay_where_the_events_could_not_be_sent(rig: Rig) -> None:
    rig.put("GivenUp", json.dumps(_RECORD))
    rig.aws.dynamodb.delete_table(TableName=TABLE)

    assert rig.run("GivenUp", "--yes")[0] == 1
    assert rig.waiting("GivenUp") == 1


@pytest.mark.parametrize("body", ["{}", "[]", "no JSON", '"DDBStreamBatchInfo"'])
def test_what_is_no_record_of_a_stream_is_not_thrown_away(rig: Rig, body: str) -> None:
    rig.put("GivenUp", body)

    assert rig.run("GivenUp", "--yes")[0] == 1
    assert rig.waiting("GivenUp") == 1


@pytest.mark.parametrize("queue", ["SpillDead", "GivenUp"])
def test_what_redrive_would_refuse_is_not_sent(command: Callable[..., tuple[int, str, str]], queue: str) -> None:
    with built_aws() as aws:
        rig = _rig(aws, command, senders="AROAEXAMPLE")
        rig.put(queue, json.dumps(_RECORD))

        status, _, said = rig.run(queue, "--yes")

        assert status == 1
        assert "RedriveSenders" in said
        assert rig.waiting(queue) == 1


def test_a_queue_that_redrive_does_not_stand_behind_asks_for_no_sender(
    command: Callable[..., tuple[int, str, str]],
) -> None:
    with built_aws() as aws:
        rig = _rig(aws, command, senders="AROAEXAMPLE")
        rig.put("Dead", "{}")

        assert rig.run("Dead", "--yes")[0] == 0
        assert rig.waiting("Work") == 1


def test_whoever_is_named_sends(command: Callable[..., tuple[int, str, str]]) -> None:
    with built_aws() as aws:
        me = str(aws.client("sts").get_caller_identity()["UserId"]).partition(":")[0]
        rig = _rig(aws, command, senders=f"AROAEXAMPLE,{me}")
        rig.put("SpillDead", "{}")

        assert rig.run("--yes")[0] == 0
        assert rig.waiting("Spill") == 1


# ─── A queue that was kept from a stack before ────────────────────────────────────────────────────────────────────────


def test_what_is_in_a_queue_that_was_kept_goes_where_it_is_told_to(rig: Rig) -> None:
    old = rig.aws.sqs.create_queue(QueueName="old-spill")["QueueUrl"]
    rig.aws.sqs.send_message(
        QueueUrl=old,
        MessageBody="{}",
        MessageAttributes={"step": {"DataType": "String", "StringValue": "record"}},
    )

    status, printed, _ = rig.run("--from-queue", old, "--to", "Spill", "--yes")

    assert status == 0
    assert "old-spill: 1 sent to Spill" in printed
    (message,) = rig.aws.received(rig.url("Spill"))
    assert (message["body"], message["attributes"]) == ("{}", {"step": "record"})


@pytest.mark.parametrize(
    ("kept", "to", "others"),
    [("old", None, []), (None, "Spill", []), ("old", "Nothing", []), ("own", "Spill", []), ("old", "Spill", ["Dead"])],
)
def test_a_queue_that_is_no_other_stacks_or_goes_nowhere_is_wrong_use(
    rig: Rig, kept: str | None, to: str | None, others: list[str]
) -> None:
    old = rig.aws.sqs.create_queue(QueueName="old-spill")["QueueUrl"]
    rig.aws.sqs.send_message(QueueUrl=old, MessageBody="{}")
    urls = {"old": old, "own": rig.url("Work")}
    more = [*(["--from-queue", urls[kept]] if kept else []), *(["--to", to] if to else [])]

    assert rig.run(*others, *more, "--yes")[0] == 2
    assert rig.waiting("Spill") == 0
