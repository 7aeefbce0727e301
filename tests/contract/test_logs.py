"""The operator's lines hold nothing of a push or a secret, whatever fails: for every vendor, as it marks them."""

import base64
import json
from typing import Any

import pytest

from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics, UnmarkableStore
from tests.output import Output
from tests.rig import Rig
from tests.vendors import vendor_names, vendor_tests

MARKER = "MARKER"
every_mark = pytest.mark.parametrize(
    ("vendor", "push"), [(vendor, push) for vendor in vendor_names() for push in vendor_tests(vendor).MARKED]
)


def _rig(vendor: str, trouble: str = "none") -> Rig[Any]:
    rig = vendor_tests(vendor).rig(vendor_tests(vendor).MARKED_SECRET)
    rig.store = UnmarkableStore() if "mark" in trouble else FakeStore(down="table" in trouble)
    rig.topics = FakeTopics(down="topics" in trouble)
    rig.spill = FakeSpill(down="queue" in trouble)
    rig.media = FakeMedia(down="bucket" in trouble)
    return rig


@pytest.mark.parametrize(
    "trouble", ["none", "table", "table and queue", "topics", "mark", "mark and topics", "bucket and queue"]
)
@every_mark
def test_nothing_of_a_push_or_a_secret_is_in_a_log_line_a_metric_or_a_refusal(
    vendor: str, push: str, trouble: str, output: Output, caplog: pytest.LogCaptureFixture
) -> None:
    rig = _rig(vendor, trouble)

    answers = [rig.send(vendor_tests(vendor).MARKED[push]) for _ in range(2)]

    assert all(answer.status < 500 or "queue" in trouble for answer in answers)
    may_answer = "answers" in vendor_tests(vendor).EXEMPT
    told = [json.dumps(answer.body) for answer in answers if answer.status != 200 or not may_answer]
    written = output.read() + caplog.text + "".join(told)
    assert MARKER not in written
    assert base64.b64encode(MARKER.encode()).decode()[:7] not in written
    assert MARKER.encode().hex() not in written
    assert output.counted


@pytest.mark.parametrize("vendor", vendor_names())
def test_the_marked_pushes_of_a_vendor_are_understood_kept_unread_and_refused(vendor: str) -> None:
    """So that what is marked gets as far as a push can."""
    rig = _rig(vendor)
    answers = [rig.send(push) for push in vendor_tests(vendor).MARKED.values()]

    kinds = {event["data"]["kind"] for event in rig.stored}
    assert "unmapped" in kinds
    assert len(kinds) > 1
    assert any(MARKER in record.body for record in rig.store.records.values())
    assert {200, 401, 413} <= {answer.status for answer in answers}


@pytest.mark.parametrize("vendor", vendor_names())
def test_a_vendor_whose_answers_say_something_of_the_push_says_why(vendor: str) -> None:
    rig = _rig(vendor)
    answers = [rig.send(push) for push in vendor_tests(vendor).MARKED.values()]

    tells = any(MARKER in json.dumps(answer.body) for answer in answers if answer.status == 200)
    assert tells == ("answers" in vendor_tests(vendor).EXEMPT)
