"""However a message is written, it reads to the same events: for every vendor, every shape and every style."""

from typing import Any, Final

import pytest

from tests import styles
from tests.rig import Rig
from tests.vendors import shapes, vendor_tests

_SHAPES: Final = shapes(0)
every_shape = pytest.mark.parametrize(("vendor", "shape"), _SHAPES)


def _meaning(rig: Rig[Any], *without: str) -> list[Any]:
    """The content of the events without their ids, which may depend on what was signed."""
    found = [
        {**{name: value for name, value in event["data"].items() if name not in without}, "type": event["type"]}
        for event in rig.stored
    ]
    return sorted(found, key=repr)


def _sent(vendor: str, request: Any) -> Rig[Any]:
    rig = vendor_tests(vendor).rig()
    assert rig.send(request).status == 200
    return rig


def _without_keys(event: dict[str, Any]) -> dict[str, Any]:
    """Without where pictures lie: there the event's id is."""
    pictures = [
        {name: value for name, value in picture.items() if name != "key"} for picture in event.get("pictures", ())
    ]
    return {**event, "pictures": pictures}


@every_shape
def test_a_shape_is_understood(vendor: str, shape: str) -> None:
    own = vendor_tests(vendor)
    events = _sent(vendor, own.push(shape)).stored

    assert len(events) == own.SHAPES[shape]
    assert all(event["data"]["kind"] != "unmapped" for event in events if event["type"] == "gatehouse.notice.v1")


@every_shape
@pytest.mark.parametrize("style", styles.STYLES)
def test_a_style_changes_nothing(vendor: str, shape: str, style: str) -> None:
    own = vendor_tests(vendor)
    plain = _meaning(_sent(vendor, own.push(shape)))
    styled = _meaning(_sent(vendor, own.push(shape, write=styles.STYLES[style])))

    assert [_without_keys(event) for event in styled] == [_without_keys(event) for event in plain]


@every_shape
@pytest.mark.parametrize("types", styles.RETYPED)
def test_another_type_says_the_same(vendor: str, shape: str, types: str) -> None:
    own = vendor_tests(vendor)
    plain = _meaning(_sent(vendor, own.push(shape)), "payload")
    retyped = _meaning(_sent(vendor, own.push(shape, change=styles.RETYPED[types])), "payload")

    assert [_without_keys(event) for event in retyped] == [_without_keys(event) for event in plain]


@every_shape
@pytest.mark.parametrize("encoding", styles.ENCODINGS)
def test_a_content_encoding_changes_nothing(vendor: str, shape: str, encoding: str) -> None:
    own = vendor_tests(vendor)
    plain = _sent(vendor, own.push(shape)).stored
    encoded = _sent(vendor, styles.encoded(own.push(shape), encoding)).stored

    assert encoded == plain


@every_shape
def test_an_event_has_no_more_attributes_than_raw_delivery_carries(vendor: str, shape: str) -> None:
    rig = _sent(vendor, vendor_tests(vendor).push(shape))

    for record in rig.store.records.values():
        # And `arrival`, which whoever publishes adds.
        assert len(record.attributes) <= 8
        assert all(record.attributes.values())
