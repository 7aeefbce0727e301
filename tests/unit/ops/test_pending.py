"""Events that were stored and forgotten are sent to the spill queue, and no others."""

from datetime import UTC, datetime, timedelta

import pytest

from gatehouse.store import EventsTable
from ops.pending import announce
from tests.aws import ENVIRONMENT, TABLE, Aws, built_aws
from tests.builders import some_record


def _events_table(aws: Aws, age: timedelta) -> EventsTable:
    """An events table whose clock is behind by an age."""
    return EventsTable(aws.dynamodb, TABLE, 3650, lambda: datetime.now(UTC) - age)


def test_only_what_is_old_and_pending_is_sent_in_the_form_that_redrive_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    old, young, published = (some_record(name) for name in ("old", "young", "published"))
    with built_aws() as aws:
        an_hour_ago = _events_table(aws, timedelta(hours=1))
        an_hour_ago.record(old, "inline")
        an_hour_ago.record(published, "inline")
        an_hour_ago.mark_published(published.id)
        _events_table(aws, timedelta(minutes=1)).record(young, "inline")

        assert announce(aws.dynamodb, aws.sqs, TABLE, aws.spill_url) == 1

        (message,) = aws.received(aws.spill_url)
    assert message["event"]["id"] == old.id
    assert message["attributes"] == {"step": "publish", "deciding": "{}"}
