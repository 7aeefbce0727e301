"""Nothing that a listener hears, fetches or is told goes into a log line or a metric, whatever fails."""

import base64
from collections.abc import Callable
from datetime import datetime

import pytest

from functions.senselink import recorder
from functions.senselink.client import NoSuchCall
from tests.builders import NOW, seconds
from tests.output import Output
from tests.unit.senselink.server import HEARTBEAT, wait_until
from tests.unit.senselink.test_listener import Calls, House, _record, _says, house, pauses
from tests.vendors.senselink.suites import MARKED, MARKED_SECRET

__all__ = ["house", "pauses"]

MARKER = "MARKER"
SECRET = {name: MARKED_SECRET["accounts"][0][name] for name in ("tokens", "app_key", "app_secret")}
HEARD = [push.body for name, push in MARKED.items() if "token" not in name and name != "too large"]


class Odd(Calls):
    """A server whose pictures cannot be fetched, and which says so in its own words."""

    def picture(self, role: str, reference: str) -> bytes:
        del role
        raise NoSuchCall(reference)

    def clock(self) -> datetime | None:
        return NOW - seconds(1800)


def _down(*ports: str) -> Callable[[House], None]:
    def break_ports(house: House) -> None:
        for port in ports:
            getattr(house, port).down = True

    return break_ports


TROUBLES: dict[str, Callable[[House], None]] = {
    "all is well": _down(),
    "the table is down": _down("store"),
    "the topics are down": _down("topics"),
    "the table and the queue are down": _down("store", "spill"),
    "the bucket and the queue are down": _down("album", "spill"),
    "no mark can be read": _down("marks"),
}
TAKEN = {"all is well", "the table is down", "the topics are down"}
UNREAD = "no mark can be read"
"""Nothing is heard before the mark is known."""


@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_that_was_heard_is_in_any_line(
    house: House, output: Output, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(recorder, "_DRAIN", 0.3)
    TROUBLES[trouble](house)
    house.calls = Odd()
    with house.listening(_says(*HEARD, HEARTBEAT), secret=SECRET) as running:
        wait_until(lambda: running.listener.report.connected or trouble == UNREAD)
        wait_until(lambda: len(house.store.seen) >= (len(HEARD) if trouble in TAKEN else 1) or trouble == UNREAD)
        wait_until(lambda: output.logged)

    _has_no_marker(output)


@pytest.mark.parametrize("error", [ValueError(MARKER), KeyError(MARKER)], ids=repr)
def test_nothing_of_a_list_that_cannot_be_fetched_is_in_any_line(
    house: House, output: Output, error: Exception
) -> None:
    house.marks.marks["north"] = NOW - seconds(600)
    house.calls = Odd([error, [_record(1, name=MARKER), {MARKER: MARKER}]])
    with house.listening(_says(), secret=SECRET):
        wait_until(lambda: house.events)

    assert output.logged
    _has_no_marker(output)


def _has_no_marker(output: Output) -> None:
    written = output.read()
    assert written
    assert MARKER not in written
    assert base64.b64encode(MARKER.encode()).decode()[:7] not in written
    assert MARKER.encode().hex() not in written
