"""The events table on DynamoDB: one conditional put, the mark, and the pending records."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from gatehouse.errors import TooOld, Unavailable
from gatehouse.record import Record
from gatehouse.store import EventsTable
from tests.aws import TABLE, Aws, calls
from tests.builders import NOW, some_record

RECORD = some_record("1", payload={"name": "设备", "zero": 0})


def _table(account: Aws, now: Callable[[], datetime] = lambda: NOW) -> EventsTable:
    return EventsTable(account.dynamodb, TABLE, 90, now)


def test_a_record_is_written_whole(account: Aws) -> None:
    assert _table(account).record(RECORD, "inline") is None

    item = account.item(RECORD.id)
    assert len(item.pop("attempt")["S"]) == 16
    assert item == {
        "id": {"S": RECORD.id},
        "event": {"S": RECORD.body},
        "delivery": {"S": "pending"},
        "pending": {"S": RECORD.id[-1]},
        "announce": {"S": "inline"},
        "by_device": {"S": "acme#D1"},
        "by_hour": {"S": RECORD.by_hour},
        "deciding": {"M": {}},
        "id_rule": {"N": "1"},
        "occurred_at": {"S": "2026-07-01T12:00:00.000000Z"},
        "recorded_at": {"S": "2026-07-01T12:00:00+00:00"},
        "expires_at": {"N": str(int((NOW + timedelta(days=90)).timestamp()))},
    }
    assert json.loads(item["event"]["S"])["data"]["payload"] == {"name": "设备", "zero": 0}


def test_a_record_without_a_device_is_in_no_index_by_device(account: Aws) -> None:
    record = some_record(device=None)
    assert _table(account).record(record, "inline") is None

    assert "by_device" not in account.item(record.id)


def test_a_record_that_is_there_is_not_written_again(account: Aws) -> None:
    table = _table(account)
    assert table.record(RECORD, "inline") is None
    table.mark_published(RECORD.id)
    before = account.item(RECORD.id)

    assert _table(account, lambda: NOW + timedelta(hours=1)).record(RECORD, "stream") == {}
    assert account.item(RECORD.id) == before


def test_what_decides_about_a_record_that_is_there_is_told_in_the_same_call(account: Aws) -> None:
    record = Record.parse(RECORD.body, {"person.id": "7", "occurred_at": "2026-07-01T11:59:58"})
    seen = calls(account.dynamodb, "dynamodb")
    _table(account).record(record, "inline")

    assert _table(account).record(Record.parse(RECORD.body, {"person.id": "8"}), "inline") == record.deciding
    assert len(seen) == 2


def test_a_put_whose_first_try_had_its_effect_is_known_to_be_ours(account: Aws) -> None:
    """Botocore retries by itself: the item that it finds is the one that it wrote."""
    client = account.client("dynamodb")
    tries: list[str] = []

    def lost(response: tuple[Any, dict[str, Any]] | None, **_more: object) -> int | None:
        tries.append("try")
        return 0 if len(tries) == 1 and response is not None else None

    client.meta.events.register_first("needs-retry.dynamodb.PutItem", lost)
    table = EventsTable(client, TABLE, 90, lambda: NOW)

    assert table.record(RECORD, "inline") is None
    assert len(tries) == 2
    assert table.record(RECORD, "inline") == {}


@pytest.mark.parametrize(("days", "is_taken"), [(89, True), (91, False)])
def test_what_waited_for_longer_than_records_are_kept_is_not_written(account: Aws, days: int, is_taken: bool) -> None:
    """The record may have existed and expired: the event may be a repetition."""
    table = _table(account, lambda: NOW + timedelta(days=days))

    if is_taken:
        assert table.record(RECORD, "inline") is None
        return
    with pytest.raises(TooOld, match="90 days"):
        table.record(RECORD, "inline")
    assert account.items() == []


def test_a_mark_says_when_by_the_clock_it_is_given(account: Aws) -> None:
    table = _table(account)
    table.record(RECORD, "inline")
    table.mark_published(RECORD.id)

    item = account.item(RECORD.id)
    assert item["delivery"] == {"S": "published"}
    assert item["published_at"] == {"S": "2026-07-01T12:00:00+00:00"}
    assert "pending" not in item


def test_a_record_that_has_expired_does_not_come_back_by_its_mark(account: Aws) -> None:
    _table(account).mark_published(RECORD.id)

    assert account.items() == []


def test_pending_is_what_is_in_the_book_and_not_marked(account: Aws) -> None:
    table = _table(account)
    records = [some_record(str(number)) for number in range(3)]
    for record in records[:2]:
        table.record(record, "inline")
    table.mark_published(records[0].id)

    assert table.pending(record.id for record in records) == {records[1].id}
    assert table.pending([]) == set()


def test_what_is_pending_is_read_consistently(account: Aws) -> None:
    """A record that a stale read does not see would never be announced. moto would not notice."""
    table = _table(account)
    table.record(RECORD, "inline")
    asked = calls(account.dynamodb, "dynamodb.BatchGetItem")

    table.pending([RECORD.id])
    list(table.forgotten(NOW + timedelta(hours=1)))

    assert [call["RequestItems"][TABLE]["ConsistentRead"] for call in asked] == [True, True]


# ─── What is forgotten ────────────────────────────────────────────────────────────────────────────────────────────────


def _forgotten(account: Aws, before: datetime, first: int = 0) -> list[str]:
    return [record.id for batch in _table(account).forgotten(before, first) for record in batch]


def test_what_is_forgotten_is_old_and_pending_and_has_what_decides(account: Aws) -> None:
    old = Record.parse(some_record("old").body, {"person.id": "7"})
    _table(account).record(old, "inline")
    _table(account).record(some_record("published"), "stream")
    _table(account).mark_published(some_record("published").id)
    _table(account, lambda: NOW + timedelta(minutes=1)).record(some_record("young"), "inline")

    ((found,),) = _table(account).forgotten(NOW + timedelta(minutes=1))
    assert (found.id, found.body, found.deciding) == (old.id, old.body, old.deciding)


def test_what_is_forgotten_is_found_without_looking_at_anything_else(account: Aws) -> None:
    """G5, G8: the sweep once scanned the whole table."""
    for number in range(120):
        _table(account).record(some_record(str(number)), "inline")
        if number % 40:
            _table(account).mark_published(some_record(str(number)).id)
    seen = calls(account.dynamodb, "dynamodb")

    assert len(_forgotten(account, NOW + timedelta(days=1))) == 3
    assert {call.get("IndexName", "") for call in seen} == {"Pending", ""}
    assert sum(len(call["RequestItems"][TABLE]["Keys"]) for call in seen if "RequestItems" in call) == 3
    assert sum("IndexName" in call for call in seen) == 16


def test_of_many_that_are_forgotten_each_is_found_once_wherever_it_begins(account: Aws) -> None:
    ids = set()
    for number in range(450):
        record = some_record(str(number))
        ids.add(record.id)
        _table(account).record(record, "stream")

    for first in (0, 5, 15, 16):
        found = _forgotten(account, NOW + timedelta(days=1), first)
        assert len(found) == len(ids)
        assert set(found) == ids
        assert found[0][-1] == "0123456789abcdef"[first % 16]


def test_more_than_a_page_of_one_shard_is_found(account: Aws) -> None:
    ids = [record.id for number in range(3_000) if (record := some_record(str(number))).id[-1] == "7"][:130]
    for number in range(3_000):
        if (record := some_record(str(number))).id in ids:
            _table(account).record(record, "stream")

    assert sorted(_forgotten(account, NOW + timedelta(days=1))) == sorted(ids)


def test_an_index_that_is_behind_the_table_brings_nothing_that_was_announced(account: Aws) -> None:
    """The index's entry goes a moment after the mark: the item counts."""
    table = _table(account)
    table.record(RECORD, "inline")
    account.dynamodb.update_item(
        TableName=TABLE,
        Key={"id": {"S": RECORD.id}},
        UpdateExpression="SET delivery = :published",
        ExpressionAttributeValues={":published": {"S": "published"}},
    )

    assert list(table.forgotten(NOW + timedelta(days=1))) == []


def test_more_records_than_one_call_takes_are_asked_for_once_each(account: Aws) -> None:
    table = _table(account)
    records = [some_record(str(number)) for number in range(205)]
    for record in records:
        table.record(record, "inline")
    asked = calls(account.dynamodb, "dynamodb.BatchGetItem")

    ids = [record.id for record in records]
    assert table.pending([*ids, *ids]) == set(ids)
    assert [len(call["RequestItems"][TABLE]["Keys"]) for call in asked] == [100, 100, 5]


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError", "AccessDenied"])
def test_what_dynamodb_refuses_is_unavailable_and_says_why(account: Aws, code: str) -> None:
    table = _table(account)
    attempts: dict[str, Callable[[], object]] = {
        "put_item": lambda: table.record(RECORD, "inline"),
        "update_item": lambda: table.mark_published(RECORD.id),
        "batch_get_item": lambda: table.pending([RECORD.id]),
        "query": lambda: list(table.forgotten(NOW)),
    }
    for method, call in attempts.items():
        with Stubber(account.dynamodb) as stub:
            stub.add_client_error(method, service_error_code=code, service_message="设备-secret")
            with pytest.raises(Unavailable) as caught:
                call()
        assert "设备-secret" not in str(caught.value)


def test_a_table_that_cannot_be_reached_is_unavailable(account: Aws) -> None:
    table = EventsTable(account.client("dynamodb", "http://127.0.0.1:1"), TABLE, 90, lambda: NOW)

    with pytest.raises(Unavailable, match="PutItem"):
        table.record(RECORD, "inline")
    with pytest.raises(Unavailable, match="UpdateItem"):
        table.mark_published(RECORD.id)
    with pytest.raises(Unavailable, match="BatchGetItem"):
        table.pending([RECORD.id])
    with pytest.raises(Unavailable, match="Query"):
        list(table.forgotten(NOW))


def _answer(pending: Sequence[str], left: Sequence[str]) -> dict[str, Any]:
    items = [{"id": {"S": record_id}, "delivery": {"S": "pending"}} for record_id in pending]
    keys = {TABLE: {"Keys": [{"id": {"S": record_id}} for record_id in left]}} if left else {}
    return {"Responses": {TABLE: items}, "UnprocessedKeys": keys}


def test_keys_that_dynamodb_leaves_out_are_asked_for_again(account: Aws) -> None:
    with Stubber(account.dynamodb) as stub:
        stub.add_response("batch_get_item", _answer(["a"], left=["b", "c"]))
        stub.add_response("batch_get_item", _answer(["b"], left=["c"]))
        stub.add_response("batch_get_item", _answer(["c"], left=[]))
        assert _table(account).pending(["a", "b", "c"]) == {"a", "b", "c"}
        stub.assert_no_pending_responses()


def test_keys_that_dynamodb_never_answers_for_are_not_taken_for_published(account: Aws) -> None:
    with Stubber(account.dynamodb) as stub:
        stub.add_response("batch_get_item", _answer(["a"], left=["b"]))
        stub.add_response("batch_get_item", _answer([], left=["b"]))
        with pytest.raises(Unavailable, match="no key was processed"):
            _table(account).pending(["a", "b"])
