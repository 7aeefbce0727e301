"""A picture is what its event says, and is never written over: for every vendor that has some, found by looking."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import pytest

from functions.redrive.handler import handle as redrive
from gatehouse.gate import Gate
from gatehouse.media import Upload
from tests.builders import NOW, seconds, spilled
from tests.fakes import FakeMedia, FakeSpill
from tests.rig import Rig
from tests.vendors import Delivery, Pair, vendor_names, vendor_tests


@dataclass
class OnceAlbum(FakeMedia):
    """A bucket in which nothing may be written over by anything else."""

    def put(self, upload: Upload) -> None:
        if not self.down:
            before = self.pictures.get(upload.key)
            assert before is None or before.data == upload.data, f"{upload.key} is written over"
        super().put(upload)


def _rig(vendor: str) -> Rig[Any]:
    rig = vendor_tests(vendor).rig()
    rig.media = OnceAlbum()
    return rig


def _shapes_with_pictures() -> list[tuple[str, str]]:
    found = []
    for vendor in vendor_names():
        for shape in vendor_tests(vendor).SHAPES:
            rig = _rig(vendor)
            rig.send(vendor_tests(vendor).push(shape))
            if rig.media.pictures:
                found.append((vendor, shape))
    return found


_SHAPES: Final = _shapes_with_pictures()
_VENDORS: Final = sorted({vendor for vendor, _ in _SHAPES})


def _pairs() -> list[tuple[str, Pair]]:
    kinds = [(vendor, vendor_tests(vendor)) for vendor in _VENDORS]
    return [(vendor, pair) for vendor, own in kinds for pair in (*own.DIFFERENT, *own.SAME)]


def _named(value: object) -> str:
    return value.name if isinstance(value, Pair) else str(value)


def _redriven(rig: Rig[Any]) -> None:
    """Redoes the pictures that waited in the spill queue."""
    if not rig.spill.pictures:
        return
    gate = Gate(rig.store, rig.topics, FakeSpill(), rig.announce, rig.media)
    assert redrive(spilled(rig.spill), gate) == {"batchItemFailures": []}
    rig.spill = FakeSpill()


def _is_as_told(rig: Rig[Any]) -> int:
    """Sees that each event's pictures are in the bucket, to the byte, and counts them."""
    told = [picture for event in rig.stored for picture in event["data"]["pictures"] if "key" in picture]
    for picture in told:
        data = rig.media.pictures[picture["key"]].data
        assert (picture["sha256"], picture["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
        assert picture["sha256"] in picture["key"]
        assert picture["bucket"] == rig.media.bucket
    for key, upload in rig.media.pictures.items():
        assert hashlib.sha256(upload.data).hexdigest() in key
    return len(told)


def _send(rig: Rig[Any], *deliveries: Delivery) -> None:
    for delivery in deliveries:
        assert rig.send(delivery.request, NOW + seconds(delivery.after)).status == 200


def test_a_vendor_has_pictures_or_says_why_not() -> None:
    exempt = {vendor for vendor in vendor_names() if "pictures" in vendor_tests(vendor).EXEMPT}

    assert exempt == set(vendor_names()) - set(_VENDORS)
    assert len(_VENDORS) > 1


@pytest.mark.parametrize(("vendor", "shape"), _SHAPES)
def test_a_picture_is_what_its_event_says_also_after_a_repetition_and_a_redrive(vendor: str, shape: str) -> None:
    rig = _rig(vendor)
    request = vendor_tests(vendor).push(shape)
    rig.media.down = True
    assert rig.send(request).status == 200
    rig.media.down = False
    assert rig.send(request).status == 200
    _redriven(rig)
    assert rig.send(request).status == 200

    assert _is_as_told(rig) > 0
    assert len(rig.stored) == vendor_tests(vendor).SHAPES[shape]


@pytest.mark.parametrize(("vendor", "pair"), _pairs(), ids=_named)
@pytest.mark.parametrize("late", [0, 1], ids=["the first waits", "the second waits"])
def test_no_picture_is_written_over_by_another_terminal_another_happening_or_a_redrive(
    vendor: str, pair: Pair, late: int
) -> None:
    """One of the two is redone when the other has long been there; what nobody can read is not, and is sent again."""
    deliveries = (pair.first, pair.second)
    rig = _rig(vendor)
    for position, delivery in enumerate(deliveries):
        rig.media.down = position == late
        assert rig.send(delivery.request, NOW + seconds(delivery.after)).status in {200, 503}
    rig.media.down = False
    _send(rig, pair.second, pair.first)
    _redriven(rig)

    _is_as_told(rig)
