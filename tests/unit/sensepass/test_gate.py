"""The way through the gate, by SensePass's pushes: pictures, and bodies that cannot be read."""

import base64
import hashlib
from threading import Barrier
from typing import Any

import pytest

from gatehouse.media import Upload
from gatehouse.record import MAX_EVENT_BYTES
from gatehouse.telemetry import Count
from ops.simulators import Request
from ops.simulators.sensepass import picture
from tests.builders import NOW, seconds
from tests.fakes import FakeMedia, SharedStore
from tests.output import Output
from tests.rig import Rig, is_hidden
from tests.vendors.sensepass import sensepass_rig, terminal


def _only_key(rig: Rig[Any]) -> str:
    """The key that the one event has of its one picture."""
    (event,) = rig.stored
    (reference,) = event["data"]["pictures"]
    key: str = reference["key"]
    return key


def test_the_picture_and_the_record_go_side_by_side(sensepass: Rig[Any]) -> None:
    together = Barrier(2, timeout=10)
    sensepass.store = SharedStore(barrier=together)
    sensepass.media = SharedAlbum(together)

    assert sensepass.send(terminal().upload()).status == 200
    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


class SharedAlbum(FakeMedia):
    """A bucket that waits until the table is called as well."""

    def __init__(self, barrier: Barrier) -> None:
        super().__init__()
        self._barrier = barrier

    def put(self, upload: Upload) -> None:
        self._barrier.wait()
        super().put(upload)


def test_each_picture_of_a_push_is_stored(sensepass: Rig[Any]) -> None:
    pictures: dict[str, Any] = {"rgb_image": "/9j/4AAQ", "alarm_photo": "iVBORw0KGgo="}

    assert sensepass.send(terminal().upload(**pictures)).status == 200
    digests = [hashlib.sha256(base64.b64decode(text)).hexdigest() for text in pictures.values()]
    assert sorted(key.rpartition("/")[2] for key in sensepass.media.pictures) == [
        f"alarm_photo-{digests[1]}.png",
        f"rgb_image-{digests[0]}.jpg",
    ]


def test_when_the_bucket_is_down_the_picture_is_spilled_and_the_event_recorded(
    sensepass: Rig[Any], output: Output
) -> None:
    sensepass.media.down = True

    assert sensepass.send(terminal().upload()).status == 200
    (upload,) = sensepass.spill.pictures
    assert upload.key == _only_key(sensepass)
    assert not sensepass.spill.messages
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1, Count.SPILLED: 1}


def test_when_the_table_is_down_the_event_is_spilled_and_the_picture_stored(sensepass: Rig[Any]) -> None:
    sensepass.store.down = True

    assert sensepass.send(terminal().upload()).status == 200
    ((record, _),) = sensepass.spill.messages
    (upload,) = sensepass.media.pictures.values()
    assert upload.key == f"sensepass/{record.id}/rgb_image-{upload.digest.hex()}.jpg"


def test_a_picture_that_nobody_takes_makes_the_vendor_send_again_and_the_event_is_not_doubled(
    sensepass: Rig[Any], output: Output
) -> None:
    push = terminal().upload()
    sensepass.media.down = sensepass.spill.down = True
    assert sensepass.send(push).status == 503
    assert len(sensepass.stored) == 1
    assert output.counted[Count.NOT_KEPT] == 1

    sensepass.media.down = False
    assert sensepass.send(push, at=NOW + seconds(86_400)).status == 200
    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


def test_the_same_picture_sent_five_times_is_one(sensepass: Rig[Any]) -> None:
    push = terminal().upload()
    for late in range(5):
        assert sensepass.send(push, at=NOW + seconds(late)).status == 200

    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


def test_the_picture_of_a_push_that_is_not_understood_is_kept_beside_the_notice(sensepass: Rig[Any]) -> None:
    image = picture(1_000, seed=1)
    content = terminal().record(image=image)
    sensepass.send(terminal().pushed(9, content))

    assert sensepass.stored[0]["data"]["kind"] == "unmapped"
    assert sensepass.media.pictures[_only_key(sensepass)].data == image


@pytest.mark.parametrize("body", [b"x" * (MAX_EVENT_BYTES + 1), b"\xff" * 1000, b"{", b'{"a":', b"\x01\x02"])
def test_a_body_that_cannot_be_read_lies_where_no_subscriber_looks(
    sensepass: Rig[Any], output: Output, body: bytes
) -> None:
    assert sensepass.send(Request(terminal().event_dest, body)).status == 200

    assert is_hidden(sensepass, body)
    assert output.counted[Count.UNMAPPED] == 1


def test_a_body_at_the_limit_of_a_vendor_with_pictures_is_taken_and_one_above_it_is_not() -> None:
    rig = sensepass_rig()
    limit = 5 * 1024 * 1024

    assert rig.send(Request(terminal().event_dest, b"x" * limit)).status == 200
    assert rig.send(Request(terminal().event_dest, b"x" * (limit + 1))).status == 413
