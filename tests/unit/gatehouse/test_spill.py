"""The spill queue on SQS: a whole event and the step to continue at, or a picture."""

import hashlib
from dataclasses import replace

import pytest
from botocore.stub import Stubber

from gatehouse.errors import NotKept
from gatehouse.media import Upload
from gatehouse.record import Record
from gatehouse.spill import SpillQueue, Step, spilled_event, spilled_picture
from tests.aws import Aws
from tests.builders import some_record


def _upload(size: int) -> Upload:
    data = bytes(number % 251 for number in range(size))
    digest = hashlib.sha256(data)
    key = f"acme/acme-{'0123456789abcdef' * 2}/face-{digest.hexdigest()}.jpg"
    return Upload(key, data, digest.digest(), "image/jpeg")


@pytest.mark.parametrize("step", [Step.RECORD, Step.PUBLISH])
def test_an_event_is_kept_whole_with_its_step(account: Aws, step: Step) -> None:
    record = some_record(payload="设备 \x00 \ufffe \ud7ff " + "x" * 200_000)

    SpillQueue(lambda: account.sqs, account.spill_url).send(record, step)

    (message,) = account.received(account.spill_url)
    assert message["body"] == record.body
    assert message["attributes"] == {"step": step, "deciding": "{}"}


def test_an_event_comes_back_from_the_queue_with_what_decides(account: Aws) -> None:
    record = Record.parse(some_record().body, {"person.id": "7"})

    SpillQueue(lambda: account.sqs, account.spill_url).send(record, Step.RECORD)

    (message,) = account.received(account.spill_url)
    again = spilled_event(message["body"], message["attributes"]["deciding"])
    assert (again.body, again.deciding) == (record.body, record.deciding)


@pytest.mark.parametrize("deciding", ["", "[]", "null", "no json"])
def test_what_is_no_message_of_ours_is_an_error(deciding: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        spilled_event(some_record().body, deciding)


def test_what_could_not_be_read_waits_in_no_queue(account: Aws) -> None:
    upload = replace(_upload(10), may_spill=False)

    with pytest.raises(NotKept):
        SpillQueue(lambda: account.sqs, account.spill_url).send_picture(upload)
    assert account.received(account.spill_url) == []


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


@pytest.mark.parametrize("size", [1, 2, 3, 100_000])
def test_a_picture_comes_back_from_the_queue_as_it_was(account: Aws, size: int) -> None:
    upload = _upload(size)

    SpillQueue(lambda: account.sqs, account.spill_url).send_picture(upload)

    (message,) = account.sqs.receive_message(QueueUrl=account.spill_url, MessageAttributeNames=["All"])["Messages"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes.pop("step") == Step.PICTURE
    assert spilled_picture(message["Body"], **attributes) == upload


def test_the_largest_picture_that_sqs_takes_fits_with_its_attributes(account: Aws) -> None:
    with Stubber(account.sqs) as stub:
        stub.add_response("send_message", {"MessageId": "m"})
        SpillQueue(lambda: account.sqs, account.spill_url).send_picture(_upload((1_048_576 - 4_096) // 4 * 3))
    with Stubber(account.sqs), pytest.raises(NotKept, match="a picture of 783361 bytes"):
        SpillQueue(lambda: account.sqs, account.spill_url).send_picture(_upload((1_048_576 - 4_096) // 4 * 3 + 1))


def test_a_picture_that_sqs_refuses_is_not_kept(account: Aws) -> None:
    with Stubber(account.sqs) as stub:
        stub.add_client_error("send_message", service_error_code="OverLimit", service_message="secret")
        with pytest.raises(NotKept, match=r"^SendMessage: OverLimit$"):
            SpillQueue(lambda: account.sqs, account.spill_url).send_picture(_upload(10))


@pytest.mark.parametrize("body", ["A", "no base64!", "图片", '{"id": 1}'])
def test_a_message_that_holds_no_picture_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        spilled_picture(body, "acme/1/face.jpg", "image/jpeg")
