"""`--once`: records that a subscription did not bring are fetched, and its silence is reported."""

import json
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.senselink import once
from functions.senselink.client import NoSuchCall, Row
from functions.senselink.once import Fetcher
from functions.senselink.recorder import Recorder, Stop
from functions.senselink.wire import Server
from gatehouse.errors import CallFailed
from gatehouse.gate import Gate
from gatehouse.settings import Announce
from tests.builders import AT, NOW, seconds
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.unit.senselink.test_listener import Calls, Marks
from tests.vendors.senselink import SENSELINK, access_record, alarm_record, senselink_rig, told

OVERLAP, GRACE = timedelta(seconds=300), timedelta(seconds=60)


def _record(number: int, second: float) -> dict[str, Any]:
    return access_record(id=number, signTime=int(AT + second), sn=f"SPS-{number}")


class Site:
    """A server that only pushes, and everything around it."""

    def __init__(self) -> None:
        self.store, self.topics, self.spill = FakeStore(), FakeTopics(), FakeSpill()
        self.marks, self.calls, self.stop = Marks(), Calls(), Stop()
        self.now = NOW
        self.buffer = 500

    def fetcher(self, **more: Any) -> Fetcher:
        server = Server.model_validate({**SENSELINK, "url": None, "api_url": "https://192.0.2.21", **more})
        gate = Gate(self.store, self.topics, self.spill, Announce.INLINE, FakeMedia())
        recorder = Recorder(server, gate, self.stop, self.calls, workers=4, buffer=self.buffer)
        return Fetcher(
            server,
            self.marks,
            recorder,
            self.calls,
            self.stop,
            overlap=OVERLAP,
            grace=GRACE,
            retention=timedelta(days=90),
            now=lambda: self.now,
        )

    def run(self, *, seconds: float = 20) -> int:
        return once.run([self.fetcher()], self.stop, seconds)

    @property
    def ids(self) -> list[int]:
        return sorted(
            json.loads(record.body)["data"]["payload"]["data"]["id"] for record in self.store.records.values()
        )


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_first_time_nothing_of_before_is_fetched(site: Site) -> None:
    assert site.run() == 0

    assert site.marks.north == NOW - OVERLAP
    assert [since for since, _ in site.calls.asked] == [NOW - OVERLAP]


def test_what_is_behind_the_watermark_is_fetched_and_it_moves(site: Site) -> None:
    site.marks.marks["north"] = NOW - seconds(3600)
    raised = alarm_record(alarmTime="2026-07-01 20:50:00")
    site.calls = Calls([[_record(2, -100), _record(1, -3000)]], alarm_answers=[[raised]])

    assert site.run() == 0

    assert site.ids == [1, 2, 7001]
    assert site.marks.north == NOW - seconds(100)
    assert site.calls.asked == [(NOW - seconds(3900), NOW + timedelta(days=1))]
    assert all(record.arrival == "backfill" for record in site.store.records.values())


def test_what_the_subscription_brought_is_not_fetched_a_second_time_and_not_missed(site: Site, output: Output) -> None:
    rig = senselink_rig()
    rig.send(told(_record(1, -500)))
    site.store.records.update(rig.store.records)
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([[_record(1, -500)]])

    assert site.run() == 0

    assert len(site.store.records) == 1
    assert output.counted["MissedBySubscription"] == 0
    assert not [line for line in output.logged if line["level"] == "ERROR"]


def test_what_the_subscription_did_not_bring_is_told_by_server_and_for_all(site: Site, output: Output) -> None:
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([[_record(1, -500), _record(2, -400)]])

    assert site.run() == 0

    told_of = [line for line in output.lines if "MissedBySubscription" in line]
    assert [(line.get("server"), line["MissedBySubscription"]) for line in told_of] == [("north", [2.0]), (None, [2.0])]
    (line,) = (line for line in output.logged if line["level"] == "ERROR")
    assert (line["message"], line["server"], line["missed"]) == ("the subscription is silent", "north", 2)
    assert "Open Platform" in line["remedy"]


def test_a_record_of_this_minute_is_left_to_the_subscription_which_brings_it_alive(site: Site, output: Output) -> None:
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([[_record(1, -61), _record(2, -59)]], alarm_answers=[[alarm_record()]])

    assert site.run() == 0
    assert site.ids == [1]
    assert site.marks.north == NOW - seconds(61)

    site.now = NOW + seconds(900)
    assert site.run() == 0
    assert site.ids == [1, 2, 7001]
    assert output.counted["MissedBySubscription"] >= 1


def test_a_server_that_fails_fails_the_run_and_its_watermark_stays(site: Site, output: Output) -> None:
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([CallFailed("senselink: no")])

    assert site.run() == 1
    assert site.marks.north == NOW - seconds(600)
    assert ("cannot be fetched", "senselink: no") in [(line["message"], line.get("why")) for line in output.logged]


def test_one_servers_trouble_is_not_anothers(site: Site) -> None:
    site.marks.marks |= {"north": NOW - seconds(600), "south": NOW - seconds(600)}
    failing = site.fetcher()
    site.calls = Calls([[_record(1, -500)]])
    failing._lists._api = Calls([ValueError("MARKER")])  # noqa: SLF001

    assert once.run([failing, site.fetcher(server="south")], site.stop, 20) == 1
    assert site.ids == [1]
    assert site.marks.marks["south"] == NOW - seconds(500)


def test_a_watermark_that_cannot_be_read_or_written_fails_the_run(site: Site) -> None:
    site.marks.down = True
    assert site.run() == 1
    site.marks.down, site.marks.refuses = False, True
    assert site.run() == 1


def test_a_server_without_a_record_list_fails_the_run(site: Site, output: Output) -> None:
    site.calls = Calls([NoSuchCall("no")])

    assert site.run() == 1
    assert [line["message"] for line in output.logged] == ["the server has no record list"]


def test_a_server_without_an_alarm_list_still_has_its_records_fetched(site: Site) -> None:
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([[_record(1, -500)]], alarm_answers=[NoSuchCall("no")])

    assert site.run() == 0
    assert site.ids == [1]
    assert site.marks.north == NOW - seconds(500)


def test_an_alarm_list_that_fails_holds_the_mark_for_two_days_and_not_longer(site: Site) -> None:
    site.marks.marks["north"] = NOW - seconds(600)
    site.calls = Calls([[_record(1, -500)]], alarm_answers=[CallFailed("no")])
    assert site.run() == 1
    assert site.ids == [1]
    assert site.marks.north == NOW - seconds(600)

    site.marks.marks["north"] = NOW - timedelta(days=3)
    assert site.run() == 1
    assert site.marks.north == NOW - timedelta(days=1)


class Listed(Calls):
    """A list that is queried by days."""

    def records(self, since: datetime, until: datetime) -> Iterable[Row]:
        self.asked.append((since, until))
        rows = [_record(day, -day * 86_400.0) for day in range(1, 10)]
        return [row for row in rows if since.timestamp() <= row["signTime"] <= until.timestamp()]


def test_a_long_time_is_fetched_day_by_day_so_that_a_run_that_is_cut_off_does_not_begin_anew(site: Site) -> None:
    site.marks.marks["north"] = NOW - timedelta(days=5, hours=1)
    calls = site.calls = Listed()

    assert site.run() == 0

    assert site.ids == [1, 2, 3, 4, 5]
    assert [(until - since).days for since, until in calls.asked] == [2, 2, 2, 2, 2]
    assert site.marks.north == NOW - timedelta(days=1)


def test_a_run_that_takes_too_long_ends_and_the_watermark_stays(
    site: Site, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.senselink.recorder._DRAIN", 0.1)
    monkeypatch.setattr("functions.senselink.once.TICK", 0.02)
    site.marks.marks["north"] = NOW - seconds(600)
    released = threading.Event()

    def slow() -> list[Any]:
        released.wait(20)
        return [_record(1, -500)]

    site.calls = Calls([slow])

    assert site.run(seconds=0.05) == 1
    assert site.marks.north == NOW - seconds(600)
    assert "not done in time" in [line["message"] for line in output.logged]
    released.set()
