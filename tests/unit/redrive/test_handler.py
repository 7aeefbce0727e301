"""The redrive: spilled events and pictures go the same way again; those that are not taken stay in the queue."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from functions.redrive.handler import Senders, handle
from gatehouse.gate import Gate
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from tests.builders import some_record, spilled, sqs_message
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output


def _message(record: Record | str, step: str | None) -> dict[str, Any]:
    body, name = (record, "odd") if isinstance(record, str) else (record.body, record.id)
    return sqs_message(body, {"deciding": "{}", **({} if step is None else {"step": step})}, name)


def _gate(store: FakeStore, topics: FakeTopics, announce: Announce = Announce.INLINE) -> Gate:
    return Gate(store, topics, FakeSpill(), announce, FakeMedia())


def test_a_spilled_event_is_recorded_published_and_gone_from_the_queue() -> None:
    store, topics, record = FakeStore(), FakeTopics(), some_record()

    answer = handle({"Records": [_message(record, "record")]}, _gate(store, topics))

    assert answer == {"batchItemFailures": []}
    assert list(store.records) == [record.id]
    assert [message.body for message in topics.messages] == [record.body]
    assert store.published == {record.id}


def test_an_event_that_was_stored_and_not_published_is_published() -> None:
    store, topics, record = FakeStore(), FakeTopics(), some_record()
    store.record(record, "inline")

    assert handle({"Records": [_message(record, "publish")]}, _gate(store, topics)) == {"batchItemFailures": []}
    assert len(topics.messages) == 1
    assert store.published == {record.id}


def test_an_event_that_was_announced_meanwhile_is_not_announced_again() -> None:
    """The sweep announced it, or this very message did: it comes again if its mark or its deletion was lost."""
    store, topics, record = FakeStore(), FakeTopics(), some_record()
    store.record(record, "inline")

    handle({"Records": [_message(record, "publish")] * 2}, _gate(store, topics))

    assert len(topics.messages) == 1


def test_an_event_that_nobody_stored_is_not_announced() -> None:
    """A sender with write access to the queue cannot announce an event that is not in the events table."""
    topics = FakeTopics()

    assert handle({"Records": [_message(some_record(), "publish")]}, _gate(FakeStore(), topics)) == {
        "batchItemFailures": []
    }
    assert not topics.messages


def test_an_event_is_announced_also_while_the_table_does_not_say_whether_it_was() -> None:
    topics = FakeTopics()

    handle({"Records": [_message(some_record(), "publish")]}, _gate(FakeStore(down=True), topics))

    assert len(topics.messages) == 1


def test_an_event_that_is_redone_twice_is_one_record_and_one_message() -> None:
    store, topics, record = FakeStore(), FakeTopics(), some_record()

    answer = handle({"Records": [_message(record, "record")] * 2}, _gate(store, topics))

    assert answer == {"batchItemFailures": []}
    assert len(store.records) == len(topics.messages) == 1


def test_in_announce_mode_stream_it_is_recorded_and_left_to_the_relay() -> None:
    store, topics, record = FakeStore(), FakeTopics(), some_record()

    handle({"Records": [_message(record, "record")]}, _gate(store, topics, Announce.STREAM))

    assert store.announce == {record.id: "stream"}
    assert not topics.messages


@pytest.mark.parametrize(
    ("step", "store", "topics"),
    [(Step.RECORD, FakeStore(down=True), FakeTopics()), (Step.PUBLISH, FakeStore(), FakeTopics(down=True))],
)
def test_what_is_still_not_taken_stays_in_the_queue(step: Step, store: FakeStore, topics: FakeTopics) -> None:
    records = [some_record("1"), some_record("2")]
    store.records.update((record.id, record) for record in records)

    answer = handle({"Records": [_message(record, step) for record in records]}, _gate(store, topics))

    assert answer == {"batchItemFailures": [{"itemIdentifier": f"m-{record.id}"} for record in records]}


@pytest.mark.parametrize(
    ("body", "step"),
    [
        ("MARKER", "record"),
        ("{}", "record"),
        ("[]", "publish"),
        ('{"id":"MARKER","type":"a","data":{}}', "record"),
        (some_record("3").body, "MARKER"),
        (some_record("3").body.replace('"vendor":"acme"', '"vendor":"other"'), "publish"),
        (some_record("3").body.replace('"id":"acme-', '"id":"MARKER-'), "record"),
        (some_record("3").body, None),
    ],
)
def test_a_message_that_is_none_of_ours_stays_in_the_queue_and_keeps_no_other_back(
    body: str, step: str | None, output: Output
) -> None:
    store, topics, good = FakeStore(), FakeTopics(), some_record("1", payload="MARKER")
    bad = _message(body, step)

    answer = handle({"Records": [bad, _message(good, "record")]}, _gate(store, topics))

    assert answer == {"batchItemFailures": [{"itemIdentifier": bad["messageId"]}]}
    assert [message.id for message in topics.messages] == [good.id]
    assert "MARKER" not in output.read()


def test_what_was_redone_is_told_without_what_it_holds(output: Output) -> None:
    record = some_record(payload="MARKER", device="MARKER")
    handle({"Records": [_message(record, "record")]}, _gate(FakeStore(), FakeTopics()))

    (line,) = output.logged
    assert (line["message"], line["event_id"], line["admission"]) == ("redone", record.id, "announced")
    assert "MARKER" not in output.read()


# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_DATA = b"\xff\xd8\xffMARKER"
_ID = f"acme-{'0123456789abcdef' * 2}"
_KEY = f"acme/{_ID}/face-{hashlib.sha256(_DATA).hexdigest()}.jpg"
UPLOAD = Upload(_KEY, _DATA, hashlib.sha256(_DATA).digest(), "image/jpeg")


def _redo(event: dict[str, Any], media: FakeMedia) -> dict[str, Any]:
    return handle(event, Gate(FakeStore(), FakeTopics(), FakeSpill(), Announce.INLINE, media))


def test_a_spilled_picture_is_stored_as_it_was(output: Output) -> None:
    media = FakeMedia()

    assert _redo(spilled(FakeSpill(pictures=[UPLOAD])), media) == {"batchItemFailures": []}
    assert media.pictures == {UPLOAD.key: UPLOAD}
    (line,) = output.logged
    assert (line["message"], line["key"], line["step"]) == ("redone", UPLOAD.key, "picture")
    assert "MARKER" not in output.read()


def test_a_picture_that_is_still_not_taken_stays_in_the_queue_and_keeps_no_event_back() -> None:
    spill = FakeSpill(messages=[(some_record(), Step.RECORD)], pictures=[UPLOAD])

    assert _redo(spilled(spill), FakeMedia(down=True)) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


@pytest.mark.parametrize(("field", "value"), [("body", "MARKER!"), ("key", None), ("content_type", None)])
def test_a_picture_that_is_none_stays_in_the_queue(field: str, value: str | None, output: Output) -> None:
    event = spilled(FakeSpill(pictures=[UPLOAD]))
    (message,) = event["Records"]
    if field == "body":
        message["body"] = value
    else:
        del message["messageAttributes"][field]
    media = FakeMedia()

    assert _redo(event, media) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    assert not media.pictures
    assert "MARKER" not in output.read()


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        (_KEY, "image/svg+xml"),
        (_KEY, "text/html"),
        ("index.html", "image/jpeg"),
        (f"unreadable/{_KEY}", "image/jpeg"),
        (_KEY.replace("acme/", "other/"), "image/jpeg"),
        (f"../{_KEY}", "image/jpeg"),
        (_KEY.replace("/face-", "/../face-"), "image/jpeg"),
        (f"{_KEY}\n", "image/jpeg"),
        (f"acme/{_ID}/face-{'0' * 64}.jpg", "image/jpeg"),
        (f"acme/{_ID}/face.jpg", "image/jpeg"),
    ],
)
def test_whoever_writes_into_the_queue_puts_nothing_else_into_the_bucket(key: str, content_type: str) -> None:
    """It overwrites no other object, whose name has another digest, and is of no type that a browser executes."""
    media = FakeMedia()
    forged = spilled(FakeSpill(pictures=[replace(UPLOAD, key=key, content_type=content_type)]))

    assert _redo(forged, media) == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    assert not media.pictures


# ─── Who may spill ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_anybody_whom_iam_lets_send_may_spill_unless_some_are_named(output: Output) -> None:
    """S5: enforced by a setting, off."""
    store, topics, record = FakeStore(), FakeTopics(), some_record()

    handle({"Records": [_message(record, "record")]}, _gate(store, topics))

    assert len(topics.messages) == 1
    (line,) = [line for line in output.lines if "Redone" in line]
    assert (line["vendor"], line["sender"]) == ("acme", "other")


@pytest.mark.parametrize("named", ["AROAEXAMPLE", "gatehouse-AcmeFunction", "AROAANOTHER,AROAEXAMPLE"])
def test_who_is_named_by_role_or_function_may_spill_and_is_counted_by_that_name(named: str, output: Output) -> None:
    topics = FakeTopics()

    batch = {"Records": [_message(some_record(), "record")]}
    assert handle(batch, _gate(FakeStore(), topics), Senders(named)) == {"batchItemFailures": []}

    assert len(topics.messages) == 1
    (line,) = [line for line in output.lines if "Redone" in line]
    assert line["sender"] in named.split(",")


@pytest.mark.parametrize("sender", ["AROAANOTHER:gatehouse-OtherFunction", "AIDAEXAMPLE", "", None])
@pytest.mark.parametrize("step", ["record", "publish"])
def test_what_somebody_else_spilled_stays_in_the_queue_where_some_are_named(
    sender: str | None, step: str, output: Output
) -> None:
    store, topics = FakeStore(), FakeTopics()
    message = _message(some_record(), step)
    message["attributes"] = {} if sender is None else {"SenderId": sender}

    answer = handle({"Records": [message]}, _gate(store, topics), Senders("AROAEXAMPLE"))

    assert answer == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    assert not store.records
    assert not topics.messages
    (line,) = output.logged
    assert (line["error"], line.get("sender")) == ("NotOurSender", sender)
