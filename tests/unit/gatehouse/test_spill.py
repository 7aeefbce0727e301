"""The spill queue on SQS: the event whole, and the step to go on from."""

import pytest
from botocore.stub import Stubber

from gatehouse.errors import NotKept
from gatehouse.spill import SpillQueue, Step
from tests.aws import Aws
from tests.builders import some_record


@pytest.mark.parametrize("step", Step)
def test_an_event_is_kept_whole_with_its_step(account: Aws, step: Step) -> None:
    record = some_record(payload="设备 \x00 \ufffe \ud7ff " + "x" * 200_000)

    SpillQueue(lambda: account.sqs, account.spill_url).send(record, step)

    (message,) = account.received(account.spill_url)
    assert message["body"] == record.body
    assert message["attributes"] == {"step": step}


def test_the_client_is_made_when_it_is_needed(account: Aws) -> None:
    fresh = Aws()
    queue = SpillQueue(lambda: fresh.sqs, account.spill_url)
    assert "sqs" not in vars(fresh)

    queue.send(some_record(), Step.RECORD)
    assert "sqs" in vars(fresh)


def test_what_sqs_refuses_is_not_kept(account: Aws) -> None:
    with Stubber(account.sqs) as stub:
        stub.add_client_error("send_message", service_error_code="OverLimit", service_message="secret")
        with pytest.raises(NotKept) as caught:
            SpillQueue(lambda: account.sqs, account.spill_url).send(some_record(), Step.RECORD)
    assert str(caught.value) == "SendMessage: OverLimit"


def test_a_queue_that_cannot_be_reached_does_not_keep(account: Aws) -> None:
    client = account.client("sqs", "http://127.0.0.1:1")

    with pytest.raises(NotKept, match="EndpointConnectionError"):
        SpillQueue(lambda: client, account.spill_url).send(some_record(), Step.PUBLISH)
