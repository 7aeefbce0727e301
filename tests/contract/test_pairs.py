"""A double is the same happening again, and nothing else: for every vendor, by the pairs that it offers."""

import dataclasses
from typing import Final

import pytest

from tests import vendor_files
from tests.builders import NOW, seconds
from tests.template.stack import ROOT
from tests.vendors import SUITES, Pair, shapes, vendor_names, vendor_tests

_VENDORS: Final = vendor_files.vendors(ROOT)


def _pairs(kind: str) -> list[tuple[str, Pair]]:
    return [(vendor, pair) for vendor in vendor_names() for pair in getattr(vendor_tests(vendor), kind)]


def _named(value: object) -> str:
    return value.name if isinstance(value, Pair) else str(value)


def test_every_vendor_offers_what_the_shared_suites_need() -> None:
    assert vendor_names() == _VENDORS


@pytest.mark.parametrize("vendor", vendor_names())
def test_a_vendor_is_exempt_from_a_suite_for_a_reason_only(vendor: str) -> None:
    exempt = vendor_tests(vendor).EXEMPT

    assert exempt.keys() <= SUITES.keys()
    assert all(reason.strip() for reason in exempt.values())


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_vendor_has_pairs_of_both_kinds(vendor: str) -> None:
    assert vendor_tests(vendor).SAME
    assert vendor_tests(vendor).DIFFERENT


@pytest.mark.parametrize(("vendor", "pair"), _pairs("DIFFERENT"), ids=_named)
def test_two_happenings_are_two(vendor: str, pair: Pair) -> None:
    rig = vendor_tests(vendor).rig()
    for delivery in (pair.first, pair.second):
        assert rig.send(delivery.request, NOW + seconds(delivery.after)).status == 200

    assert len(rig.stored) == 2 * pair.events
    assert rig.published == rig.stored


@pytest.mark.parametrize(("vendor", "pair"), _pairs("SAME"), ids=_named)
def test_one_happening_told_twice_is_one(vendor: str, pair: Pair) -> None:
    rig = vendor_tests(vendor).rig()
    for delivery in (pair.first, pair.second):
        assert rig.send(delivery.request, NOW + seconds(delivery.after)).status == 200

    assert len(rig.stored) == pair.events
    assert rig.published == rig.stored


@pytest.mark.parametrize(("vendor", "pair"), _pairs("DIFFERENT"), ids=_named)
def test_the_repetition_of_each_of_two_is_none_more(vendor: str, pair: Pair) -> None:
    rig = vendor_tests(vendor).rig()
    for delivery in (pair.first, pair.second, pair.second, pair.first):
        rig.send(delivery.request, NOW + seconds(delivery.after))

    assert len(rig.stored) == 2 * pair.events


@pytest.mark.parametrize(("vendor", "shape"), shapes(0))
def test_the_same_bytes_again_are_one(vendor: str, shape: str) -> None:
    own = vendor_tests(vendor)
    rig = own.rig()
    request = own.push(shape)
    noisy = dataclasses.replace(request, headers={**request.headers, "user-agent": "retry/2", "x-amzn-trace-id": "2"})
    for again in (request, request, noisy):
        assert rig.send(again).status == 200

    assert len(rig.stored) == own.SHAPES[shape]
