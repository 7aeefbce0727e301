"""Every vendor's pushes, from HTTP to a subscriber: stored once, announced once, whatever comes twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

from ops import simulators
from ops.proof.report import RefutedError, Report
from ops.proof.site import Site
from ops.simulators import Request

_COUNT: Final = 5
"""Pushes of each vendor; at least so many events come of them."""
_REPEATED: Final = 4
_TRIES: Final = 10
"""Pushes among which one is that becomes an event."""


def prove(report: Report, site: Site) -> None:
    """Pushes of each vendor, and one of them again and again."""
    for vendor, simulator in simulators.simulators().items():
        pushes = simulator.pushes(site.vendors, site.api_url)
        with report.step(f"pushes-{vendor}", f"signed pushes of {vendor} are verified, stored, announced and received"):
            before = {event["id"] for event in _of(site, vendor)}
            for push in islice(pushes, _COUNT):
                site.taken(push)
            site.until(
                lambda v=vendor, b=before: len(_of(site, v)) >= len(b) + _COUNT,  # type: ignore[misc]
                f"{_COUNT} events of {vendor} are received",
            )
            for event in _of(site, vendor):
                if event["id"] not in before:
                    _check(site, vendor, event)
        with report.step(f"once-{vendor}", f"a push of {vendor} that comes five times is one record"):
            _repeat(site, vendor, pushes)
    with report.step("once", "no event was received twice") as step:
        while site.read():
            pass
        twice = sorted(event_id for event_id, messages in site.received.items() if len(messages) > 1)
        step.figures["received"] = len(site.received)
        if twice:
            # Both promise "at least once", so that a single one may be theirs.
            raise RefutedError(f"received more than once, by SNS or by us: {', '.join(twice)}")


def _of(site: Site, vendor: str) -> list[dict[str, Any]]:
    return site.events(lambda event: event["data"]["vendor"] == vendor)


def _check(site: Site, vendor: str, event: dict[str, Any]) -> None:
    """Checks that a received event is on its topic, has its attributes, and is in the table."""
    message = site.received[event["id"]][0]
    if event["type"] != f"gatehouse.{message['topic']}.v1":
        raise RefutedError(f"{event['id']}, a {event['type']}, came by the topic {message['topic']}")
    wanted = {"vendor": vendor, "type": event["type"]}
    if not wanted.items() <= message["attributes"].items():
        raise RefutedError(f"{event['id']} came with the attributes {message['attributes']}")
    site.until_stored(event["id"])


def _repeat(site: Site, vendor: str, pushes: Iterator[Request]) -> None:
    """Sends a push that becomes an event once, one by one again, and at once."""
    for push in islice(pushes, _TRIES):
        before = site.stored(vendor)
        site.taken(push)
        after = site.stored(vendor)
        if after > before:
            break
    else:
        raise RefutedError(f"none of {_TRIES} pushes became an event")
    _again(site, push)
    if more := site.stored(vendor) - after:
        raise RefutedError(f"the same push again became {', '.join(sorted(more))}")


def _again(site: Site, push: Request) -> None:
    site.taken(push)
    with ThreadPoolExecutor(_REPEATED - 1) as pool:
        list(pool.map(site.taken, [push] * (_REPEATED - 1)))
