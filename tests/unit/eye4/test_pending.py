"""The recordings' rows in DynamoDB: order of the messages, waits, and copied files."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from mypy_boto3_dynamodb import DynamoDBClient
from pydantic import JsonValue

from functions.eye4 import pending, wire
from functions.eye4.pending import KEPT, Changed, PendingFiles, Reported, Row
from gatehouse.errors import Unavailable
from gatehouse.events import Picture
from tests.aws import Aws
from tests.builders import NOW
from tests.unit.eye4.cloud import PENDING, pending_files, row, rows
from tests.vendors.eye4 import FILEID

RECORDING = f"workshop/{FILEID}"
RESOURCE: dict[str, JsonValue] = {"Key": FILEID, "region": "设备", "d009_id": None, "zero": 0}

MESSAGES = frozenset({pending.digest(RESOURCE)})


def _copy(name: str) -> Picture:
    return Picture(
        role="video", bucket="media", key=f"eye4/eye4-1/{name}", content_type="video/h264", size=0, sha256="00"
    )


def _waits(account: Aws, token: str) -> None:
    """Writes the flow's update at the beginning of its wait."""
    account.dynamodb.update_item(
        TableName=PENDING,
        Key={"recording": {"S": RECORDING}},
        UpdateExpression="SET task_token = :token, expires_at = :expires_at",
        ConditionExpression="attribute_not_exists(arrived_at)",
        ExpressionAttributeValues={":token": {"S": token}, ":expires_at": {"N": "1"}},
    )


def test_nothing_is_known_of_a_recording_that_nobody_told_of(files: PendingFiles) -> None:
    assert files.read(RECORDING) == Row()


def test_a_resource_message_that_comes_first_is_noted_and_wakes_nobody(files: PendingFiles, account: Aws) -> None:
    assert files.arrived(RECORDING, RESOURCE) == Row()

    assert files.read(RECORDING) == Row(arrived_at=NOW, resource=RESOURCE, messages=MESSAGES)
    with pytest.raises(account.dynamodb.exceptions.ConditionalCheckFailedException):
        _waits(account, "token")


def test_a_resource_message_that_is_waited_for_gives_the_token_of_the_wait(files: PendingFiles, account: Aws) -> None:
    _waits(account, "token-1")

    assert files.arrived(RECORDING, RESOURCE).token == "token-1"
    assert files.read(RECORDING).arrived_at == NOW


def test_a_resource_message_that_comes_again_gives_the_token_again_and_the_first_one_stays(account: Aws) -> None:
    moments = iter([NOW, NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=1)])
    files = _at(account, lambda: next(moments))
    _waits(account, "token-1")
    files.arrived(RECORDING, RESOURCE)

    assert files.arrived(RECORDING, {"Key": "another"}).token == "token-1"
    row = files.read(RECORDING)
    assert (row.arrived_at, row.resource) == (NOW, RESOURCE)
    assert row.messages == MESSAGES | {pending.digest({"Key": "another"})}


def _at(account: Aws, now: Callable[[], datetime]) -> PendingFiles:
    return pending_files(account, now=now)


def test_a_row_outlives_the_files_and_is_then_gone(files: PendingFiles, account: Aws) -> None:
    files.arrived(RECORDING, RESOURCE)

    assert row(account, RECORDING)["expires_at"] == str(int((NOW + KEPT).timestamp()))
    assert timedelta(days=30) < KEPT


@pytest.mark.parametrize("resource", [{}, [], "", None, 0, {"Key": "x" * 60_000}])
def test_any_message_is_read_back_as_it_came(files: PendingFiles, resource: Any) -> None:
    files.arrived(RECORDING, resource)

    assert files.read(RECORDING).resource == resource


def test_copies_are_read_back_by_their_key_and_a_second_one_adds_to_the_first(files: PendingFiles) -> None:
    for name in ("001-image-a.jpg", "002-video-b.h264"):
        files.copied(RECORDING, name, _copy(f"{name}-try"))

    copies = files.read(RECORDING).copies
    assert copies == {name: _copy(f"{name}-try") for name in ("001-image-a.jpg", "002-video-b.h264")}


def test_a_hundred_copies_and_the_largest_message_fit_into_a_row(files: PendingFiles) -> None:
    files.arrived(RECORDING, {"Key": "x" * 65_000})
    for number in range(100):
        name = f"eye4/eye4-{'1' * 32}/{number:03}-video-{'a' * 12}"
        files.copied(RECORDING, f"{name}.h264", _copy(f"{name}-{'b' * 16}.h264"))

    assert len(files.read(RECORDING).copies) == 100


def test_a_copy_that_is_noted_does_not_make_the_resource_message_one_that_came(
    files: PendingFiles, account: Aws
) -> None:
    files.copied(RECORDING, "a", _copy("a"))

    assert files.read(RECORDING).arrived_at is None
    _waits(account, "token-2")
    assert files.arrived(RECORDING, RESOURCE).token == "token-2"
    assert len(files.read(RECORDING).copies) == 1


def test_attempts_are_counted_one_by_one(files: PendingFiles) -> None:
    assert [files.count_attempt(RECORDING) for _ in range(3)] == [1, 2, 3]
    assert files.count_attempt("workshop/another") == 1
    assert files.read(RECORDING) == Row()


def test_what_failed_is_known_to_the_next_attempt(files: PendingFiles) -> None:
    files.count_attempt("a/1", ["x", "y"])
    files.count_attempt("a/1")
    files.count_attempt("a/1", ["z"])

    assert files.read("a/1").failed == {"x", "y", "z"}


def test_a_row_that_began_with_an_attempt_or_a_copy_goes_as_well(files: PendingFiles, account: Aws) -> None:
    files.count_attempt("a/1")
    files.copied("a/2", "k", Picture(role="image", key="k"))

    ends = {row(account, name)["expires_at"] for name in rows(account)}
    assert ends == {str(int((NOW + KEPT).timestamp()))}


def test_two_customers_have_two_rows_for_one_fileid(files: PendingFiles, account: Aws) -> None:
    for customer in ("workshop", "harbour"):
        files.arrived(pending.key(customer, FILEID), RESOURCE)

    assert rows(account) == [f"harbour/{FILEID}", f"workshop/{FILEID}"]


def test_no_name_of_a_customer_makes_one_customers_row_anothers() -> None:
    assert pending.key("a/b", "c") != pending.key("a", "b/c")


def test_a_message_has_a_row_for_each_recording_that_it_may_be_about() -> None:
    recordings = wire.recording_ids({"Key": f"a_{FILEID}.h264", "d009_id": "film-20261125-7"})

    assert [pending.key("workshop", recording) for recording in recordings] == [
        f"workshop/a_{FILEID}.h264",
        RECORDING,
        "workshop/film-20261125-7",
    ]


# ─── What is said of a recording ──────────────────────────────────────────────────────────────────────────────────────


def _reported(event: str, *messages: str, **more: Any) -> Reported:
    return Reported.model_validate({"event": event, "kind": "missing", "messages": messages, "wanted": "{}", **more})


def test_what_is_told_is_read_back(files: PendingFiles) -> None:
    reported = _reported("eye4-1", "m1", copies=("00", "ff"), alarm_id="eye4-alarm")
    files.note_reported(RECORDING, reported, Row())

    assert files.read(RECORDING).reported == reported
    assert files.arrived(RECORDING, RESOURCE).reported == reported


def test_nothing_is_told_where_a_message_came_since_the_row_was_read(files: PendingFiles) -> None:
    row = files.taken(RECORDING, "eye4-alarm")
    files.arrived(RECORDING, RESOURCE)
    with pytest.raises(Changed):
        files.note_reported(RECORDING, _reported("eye4-1"), row)

    row = files.read(RECORDING)
    files.arrived(RECORDING, {"Key": "another"})
    with pytest.raises(Changed):
        files.note_reported(RECORDING, _reported("eye4-1"), row)

    files.note_reported(RECORDING, _reported("eye4-1"), files.read(RECORDING))


def test_a_message_that_came_before_and_comes_again_holds_up_nothing(files: PendingFiles) -> None:
    files.arrived(RECORDING, RESOURCE)
    row = files.taken(RECORDING, "eye4-alarm")
    files.arrived(RECORDING, dict(reversed(RESOURCE.items())))

    files.note_reported(RECORDING, _reported("eye4-1"), row)


def test_of_two_that_tell_at_once_one_does(files: PendingFiles) -> None:
    row = files.taken(RECORDING, "eye4-alarm")
    files.note_reported(RECORDING, _reported("eye4-1"), row)
    with pytest.raises(Changed):
        files.note_reported(RECORDING, _reported("eye4-2"), row)

    files.note_reported(RECORDING, _reported("eye4-2"), files.read(RECORDING))
    with pytest.raises(Changed):
        files.note_reported(RECORDING, _reported("eye4-3"), Row(reported=_reported("eye4-1")))


def test_nothing_is_told_without_an_alarm_where_one_came(files: PendingFiles) -> None:
    row = files.read(RECORDING)
    files.taken(RECORDING, "eye4-alarm")
    with pytest.raises(Changed):
        files.note_reported(RECORDING, _reported("eye4-1"), row)


def test_the_first_of_two_alarms_stays(files: PendingFiles) -> None:
    assert files.taken(RECORDING, "eye4-first").alarm_id == "eye4-first"
    assert files.taken(RECORDING, "eye4-second").alarm_id == "eye4-first"


def test_a_row_for_which_no_message_will_come_lets_no_wait_begin(files: PendingFiles, account: Aws) -> None:
    files.awaits_nothing(RECORDING, NOW - timedelta(minutes=1))
    files.awaits_nothing(RECORDING, NOW)

    assert files.read(RECORDING).arrived_at == NOW - timedelta(minutes=1)
    with pytest.raises(account.dynamodb.exceptions.ConditionalCheckFailedException):
        _waits(account, "token")


@pytest.mark.parametrize("operation", ["update_item", "get_item"])
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError"])
def test_dynamodb_not_taking_a_call_is_said_to_be_so(account: Aws, operation: str, code: str) -> None:
    client: DynamoDBClient = account.client("dynamodb")
    files = PendingFiles(lambda: client, PENDING, lambda: NOW)
    calls: list[Callable[[], object]] = [lambda: files.read(RECORDING)]
    if operation == "update_item":
        calls = [lambda: files.arrived(RECORDING, RESOURCE), lambda: files.copied(RECORDING, "a", _copy("a"))]
    for call in calls:
        with Stubber(client) as stub:
            stub.add_client_error(operation, code)
            with pytest.raises(Unavailable, match=code):
                call()


def test_dynamodb_not_being_there_is_said_to_be_so(account: Aws) -> None:
    client: DynamoDBClient = account.client("dynamodb", endpoint="http://127.0.0.1:9")
    files = PendingFiles(lambda: client, PENDING, lambda: NOW)

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        files.read(RECORDING)
