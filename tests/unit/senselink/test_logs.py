"""Log lines and metrics of a listener hold nothing that it hears, fetches or is told, whatever fails."""

import base64
from collections.abc import Callable
from datetime import datetime

import pytest

from functions.senselink import recorder
from functions.senselink.client import NoSuchCall
from tests.builders import NOW, seconds
from tests.output import Output
from tests.unit.senselink.server import HEARTBEAT
from tests.unit.senselink.test_listener import Calls, Rig, _record, _says, pauses, rig
from tests.vendors.senselink.suites import MARKED, MARKED_SECRET
from tests.waiting import until

__all__ = ["pauses", "rig"]

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


def _down(*ports: str) -> Callable[[Rig], None]:
    def break_ports(rig: Rig) -> None:
        for port in ports:
            getattr(rig, port).down = True

    return break_ports


TROUBLES: dict[str, Callable[[Rig], None]] = {
    "all is well": _down(),
    "the table is down": _down("store"),
    "the topics are down": _down("topics"),
    "the table and the queue are down": _down("store", "spill"),
    "the bucket and the queue are down": _down("media", "spill"),
    "no mark can be read": _down("marks"),
}
TAKEN = {"all is well", "the table is down", "the topics are down"}
UNREAD = "no mark can be read"
"""The mark is known before anything is heard."""


@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_that_was_heard_is_in_any_line(
    rig: Rig, output: Output, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(recorder, "_DRAIN", 0.3)
    TROUBLES[trouble](rig)
    rig.calls = Odd()
    with rig.listening(_says(*HEARD, HEARTBEAT), secret=SECRET) as running:
        until(lambda: running.listener.report.connected or trouble == UNREAD)
        until(lambda: len(rig.store.seen) >= (len(HEARD) if trouble in TAKEN else 1) or trouble == UNREAD)
        until(lambda: output.logged)

    _has_no_marker(output)


@pytest.mark.parametrize("error", [ValueError(MARKER), KeyError(MARKER)], ids=repr)
def test_nothing_of_a_list_that_cannot_be_fetched_is_in_any_line(rig: Rig, output: Output, error: Exception) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Odd([error, [_record(1, name=MARKER), {MARKER: MARKER}]])
    with rig.listening(_says(), secret=SECRET):
        until(lambda: rig.events)

    assert output.logged
    _has_no_marker(output)


def _has_no_marker(output: Output) -> None:
    written = output.read()
    assert written
    assert MARKER not in written
    assert base64.b64encode(MARKER.encode()).decode()[:7] not in written
    assert MARKER.encode().hex() not in written
