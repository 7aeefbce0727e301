"""The listener on fakes and a tiny server: messages are recorded, and missed ones are fetched."""

import json
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.senselink import listener as module
from functions.senselink import recorder, wire
from functions.senselink.client import NoSuchCall, Row
from functions.senselink.listener import Listener, ListenerSettings, fetchers, listeners, main
from functions.senselink.progress import Written
from functions.senselink.recorder import Stop
from functions.senselink.wire import Server
from gatehouse import aws
from gatehouse.errors import CallFailed, Unavailable, WrongSetting
from gatehouse.gate import Gate
from gatehouse.record import Record
from gatehouse.settings import Announce
from gatehouse.telemetry import Count, log
from tests.builders import AT, ENVIRONMENT, NOW, seconds
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.unit.senselink.server import (
    DENIED,
    GREETING,
    HEARTBEAT,
    Peer,
    Script,
    sockets,
)
from tests.vendors.senselink import SENSELINK, access_record, alarm_record
from tests.waiting import until

LISTENS = {**ENVIRONMENT, "MEDIA_BUCKET": "media", "WATERMARKS_TABLE": "watermarks", "SERVERS": "north"}
PHOTO = b"\xff\xd8\xffphoto"


# ─── What it stands on ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Marks:
    """The watermarks in memory."""

    marks: dict[str, datetime] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)
    """The first marks; by default, long before the others."""
    owed: dict[str, dict[str, str]] = field(default_factory=dict)
    late: dict[str, dict[str, float]] = field(default_factory=dict)
    lists: dict[str, set[int]] = field(default_factory=dict)
    down: bool = False
    """Fails every read."""
    refuses: bool = False
    """Refuses every write."""
    reads: int = 0
    refused: int = 0
    said: list[datetime | None] = field(default_factory=list)
    """The times of messages in hand that were written."""

    def read(self, server: str) -> Written | None:
        self.reads += 1
        if self.down:
            raise Unavailable("fake")
        if server not in self.marks:
            return None
        return Written(
            self.marks[server],
            self.begun.get(server, NOW - timedelta(days=30)),
            dict(self.owed.get(server, {})),
            dict(self.late.get(server, {})),
            frozenset(self.lists.get(server, ())),
        )

    def begin(self, server: str, first: datetime) -> Written | None:
        self._taken()
        if server in self.marks:
            return self.read(server)
        self.marks[server] = self.begun[server] = first
        return None

    def advance(self, server: str, mark: datetime) -> None:
        self._taken()
        self.marks[server] = max(mark, self.marks.get(server, mark))

    def owe(self, server: str, task: str, since: datetime | None) -> None:
        self._taken()
        self.said.append(since)
        owed = self.owed.setdefault(server, {})
        if since is None:
            owed.pop(f"owed_{task}", None)
        else:
            owed[f"owed_{task}"] = f"{since.isoformat(timespec='microseconds')} {len(self.said)}"

    def settle(self, server: str, owed: Mapping[str, str]) -> None:
        self._taken()
        there = self.owed.get(server, {})
        for name in [name for name, text in owed.items() if there.get(name) == text]:
            del there[name]

    def learn(self, server: str, late: Mapping[str, float], lists: Iterable[int]) -> None:
        self._taken()
        self.late[server] = dict(late)
        self.lists.setdefault(server, set()).update(lists)

    def _taken(self) -> None:
        if self.refuses:
            self.refused += 1
            raise Unavailable("fake")

    @property
    def north(self) -> datetime | None:
        return self.marks.get("north")


@dataclass
class Calls:
    """A server's API in memory: gives these answers in turn, and the last one from then on."""

    answers: list[Any] = field(default_factory=lambda: [[]])
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    alarm_answers: list[Any] = field(default_factory=lambda: [[]])
    """The same for the alarm list."""
    alarms_asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    shows: datetime | None = NOW
    """The time of its clock."""

    def clock(self) -> datetime | None:
        return self.shows

    def records(self, since: datetime, until: datetime) -> Iterable[Row]:
        self.asked.append((since, until))
        return self._next(self.answers, len(self.asked))

    def alarms(self, since: datetime, until: datetime) -> Iterable[Row]:
        self.alarms_asked.append((since, until))
        return self._next(self.alarm_answers, len(self.alarms_asked))

    def _next(self, answers: list[Any], call: int) -> Iterator[Row]:
        answer = answers[min(call, len(answers)) - 1]
        found = answer() if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        yield from found

    def picture(self, role: str, reference: str) -> bytes:
        if reference not in self.pictures:
            raise NoSuchCall(role)
        return self.pictures[reference]


class Watched(FakeStore):
    """An events table that notes the records it gets, and accepts nothing before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.holds = ""
        """The text in the events that it holds back until then."""
        self.seen: list[str] = []

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self.seen.append(record.id)
        if self.holds in record.body:
            self.open.wait(20)
        return super().record(record, announce)


@dataclass
class Rig:
    """Everything around one listener."""

    store: Watched = field(default_factory=Watched)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    media: FakeMedia = field(default_factory=FakeMedia)
    marks: Marks = field(default_factory=Marks)
    calls: Calls | None = None
    stop: Stop = field(default_factory=Stop)

    def listener(self, port: int, secret: Mapping[str, Any] | None = None, **settings: object) -> Listener:
        """A listener to a server on this machine."""
        server = Server.model_validate(
            {**SENSELINK, "url": f"ws://127.0.0.1:{port}", "insecure": True, **(secret or {})}
        )
        gate = Gate(self.store, self.topics, self.spill, Announce.INLINE, self.media)
        told = ListenerSettings.read(
            {**LISTENS, "NO_LIST_SECONDS": "0", **{name.upper(): str(value) for name, value in settings.items()}}
        )
        return Listener(server, gate, self.marks, told, self.stop, self.calls, now=lambda: NOW)

    @contextmanager
    def listening(self, *scripts: Script | bytes, **more: Any) -> Iterator["Running"]:
        """Runs a listener to a server with these scripts until the end of the block."""
        with sockets(*scripts) as there:
            listener = self.listener(there.port, **more)
            thread = threading.Thread(target=listener.run, daemon=True)
            thread.start()
            try:
                yield Running(listener, there.paths, thread)
            finally:
                self.store.open.set()
                if not self.stop.requested:
                    self.stop.request()
                thread.join(20)
                assert not thread.is_alive()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(record.body) for record in list(self.store.records.values())]

    @property
    def payloads(self) -> list[Any]:
        return [event["data"]["payload"] for event in self.events if "payload" in event["data"]]


@dataclass
class Running:
    """A running listener."""

    listener: Listener
    paths: list[str]
    thread: threading.Thread


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The upper bound of each pause between attempts; the pauses themselves take at most a millisecond."""
    longest: list[float] = []

    def uniform(_low: float, high: float) -> float:
        longest.append(high)
        return min(high, 0.001)

    monkeypatch.setattr(module, "random", type("Chance", (), {"uniform": staticmethod(uniform)}))
    monkeypatch.setattr(module, "_SAVE", 0.02)
    monkeypatch.setattr(module, "_AT_ONCE", 0.05)
    return longest


def _record(number: int, second: float = 0, **more: Any) -> dict[str, Any]:
    return access_record(id=number, signTime=int(AT + second), **more)


def _heard(number: int, second: float = 0) -> dict[str, Any]:
    return {"code": 30000, "message": "push record", "data": _record(number, second)}


def _says(*messages: object) -> Script:
    """A server that greets, says this, and then listens."""

    def script(peer: Peer) -> None:
        peer.say(GREETING, *messages)
        peer.until_gone()

    return script


def _says_and_goes(*messages: object) -> Script:
    return lambda peer: peer.say(GREETING, *messages)


# ─── What it hears ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_records_and_alarms_are_recorded_once_and_announced(rig: Rig) -> None:
    alarm = {"code": 30100, "data": alarm_record()}
    with rig.listening(_says(_heard(1), alarm, _heard(1), HEARTBEAT, _heard(2))):
        until(lambda: len(rig.store.seen) == 4 and len(rig.topics.messages) == 3)

    assert sorted(event["type"].split(".")[1] for event in rig.events) == ["alarm", "recognition", "recognition"]
    assert {event["data"]["account"] for event in rig.events} == {"north"}
    (raised,) = (event for event in rig.events if event["type"].startswith("gatehouse.alarm"))
    assert raised["time"] == "2026-07-01T11:59:58.000000Z"


def test_a_greeting_and_a_heartbeat_are_not_recorded(rig: Rig) -> None:
    with rig.listening(_says(HEARTBEAT, HEARTBEAT, _heard(1), GREETING, HEARTBEAT, _heard(2))) as running:
        until(lambda: len(rig.events) == 2)
        assert running.listener.report.connected

    assert len(rig.store.seen) == 2


@pytest.mark.parametrize(
    "message", [b'{"code":30000,"message""push record","data":{}}', b"\xff\xfe\x00", b"", b"[" * 300]
)
def test_what_cannot_be_parsed_is_kept_where_no_subscriber_looks_and_counted(
    rig: Rig, output: Output, message: bytes
) -> None:
    with rig.listening(_says(message, _heard(1))):
        until(lambda: len(rig.events) == 2)

    (kept,) = (event for event in rig.events if event["data"].get("kind") == "unmapped")
    assert "payload" not in kept["data"]
    assert rig.media.pictures[kept["data"]["body"]["key"]].data == message
    assert kept["data"]["body"]["key"].startswith("unreadable/senselink/")
    assert output.counted[Count.UNMAPPED] == 1


def test_an_unknown_code_is_kept(rig: Rig) -> None:
    unknown = {"code": 30200, "data": {"floor": -1}}
    with rig.listening(_says(unknown)):
        until(lambda: rig.events)

    assert rig.payloads == [unknown]
    assert rig.events[0]["data"]["kind"] == "unmapped"


def test_a_message_larger_than_a_push_may_be_is_recorded(rig: Rig) -> None:
    large = {"code": 30000, "data": _record(1, remark="r" * 100_000)}
    with rig.listening(_says(large)):
        until(lambda: rig.events)

    assert rig.payloads == [large]


# ─── Whom it hears ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("refusal", [lambda peer: peer.say(DENIED), b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"])
def test_a_denial_is_counted_and_not_hammered_on(rig: Rig, output: Output, refusal: Any) -> None:
    with rig.listening(refusal, denied_pause=60) as running:
        until(lambda: running.listener.report.denied)
        time.sleep(0.3)
        assert len(running.paths) == 1
        assert not running.listener.report.connected
        assert not running.listener.report.is_stuck

    assert [line["level"] for line in output.logged] == ["ERROR"]
    assert rig.store.seen == []
    assert rig.marks.north is None


def test_after_a_denial_it_tries_again_signed_anew(rig: Rig) -> None:
    with rig.listening(lambda peer: peer.say(DENIED), _says(_heard(1)), denied_pause=1) as running:
        until(lambda: rig.events)

    assert len(set(running.paths)) == len(running.paths) == 2


@pytest.mark.parametrize("code", [20001, 20003, "20010", 29999])
def test_whatever_begins_with_2_and_is_no_greeting_is_a_refusal(rig: Rig, output: Output, code: int | str) -> None:
    """protocol.md A11: "Sign error!" was taken for a greeting, and tried again twice a second."""
    refusal = {"code": code, "message": "Sign error!", "desc": ""}
    with rig.listening(lambda peer: peer.say(refusal), denied_pause=60) as running:
        until(lambda: running.listener.report.denied)
        until(lambda: [line for line in output.logged if str(code) in line.get("why", "")])
        assert len(running.paths) == 1
        assert not running.listener.report.connected

    assert rig.store.seen == []


def _attempts(seconds: float, stood: float | None, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of connections within some time, if each lasts for so long and every pause is the shortest."""
    monkeypatch.setattr(module, "_AT_ONCE", 5.0)
    monkeypatch.setattr(module, "random", type("Chance", (), {"uniform": staticmethod(lambda low, _high: low)}))
    pauses = module._Pauses(ListenerSettings.read(LISTENS))  # noqa: SLF001 - an hour of it
    now, attempts = 0.0, 0
    while now < seconds:
        attempts += 1
        now += (stood or 0.0) + pauses.after(stood)
    return attempts


@pytest.mark.parametrize("stood", [0.0, 0.2, 1.0])
def test_a_server_that_greets_and_closes_at_once_is_not_hammered_on(
    stood: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """protocol.md A11, reports.md 12: 18 to 41 connections in seconds, for ever."""
    assert _attempts(20, stood, monkeypatch) < 10
    assert _attempts(3600, stood, monkeypatch) < 40


def test_a_server_that_closes_each_connection_after_a_while_is_listened_to_for_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _attempts(3600, 50, monkeypatch) >= 60
    assert _attempts(3600, 60, monkeypatch) >= 59


def test_a_connection_that_was_closed_at_once_does_not_make_the_next_pause_short(rig: Rig, pauses: list[float]) -> None:
    with rig.listening(*[_says_and_goes()] * 6, _says(_heard(1))):
        until(lambda: rig.events)

    assert pauses[:6] == [1, 2, 4, 8, 16, 32]


def test_a_gap_that_nobody_can_fill_is_told_once_however_often_the_server_goes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """protocol.md A11: 18 notices in 8 seconds."""
    monkeypatch.setattr(module, "_AT_ONCE", 1.0)
    since = NOW - seconds(600)
    rig.marks.marks["north"] = since
    with rig.listening(*[_says_and_goes()] * 18, _says(_heard(1))) as running:
        until(lambda: len(rig.events) == 2)
        assert len(running.paths) == 19

    (gap,) = (event["data"] for event in rig.events if event["data"].get("kind") == "gap")
    assert gap["reference"]["from"] == since.isoformat()


def test_silence_has_it_connect_anew(rig: Rig) -> None:
    with rig.listening(_says(), _says(_heard(1)), silence=1) as running:
        until(lambda: rig.events)
        assert running.listener.report.reconnects >= 1


def test_however_often_nobody_answers_it_goes_on_and_waits_a_minute_at_most(
    rig: Rig, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "warning", lambda *_, **__: None)
    monkeypatch.setattr(Stop, "pause", lambda *_: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=rig.listener(taken.getsockname()[1]).run)
        thread.start()
        until(lambda: len(pauses) > 1100 or not thread.is_alive(), 60)
        assert thread.is_alive()
        rig.stop.request()
        thread.join(20)

    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(pauses) == 60


def test_after_a_connection_that_stood_it_does_not_wait_long(rig: Rig, pauses: list[float]) -> None:
    with rig.listening(b"", b"", b"", _says_and_goes(), _says(_heard(1)), stands=0):
        until(lambda: rig.events)

    assert pauses[:4] == [1, 2, 4, 1]


# ─── What it missed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_start_fetches_nothing(rig: Rig) -> None:
    rig.calls = Calls()
    with rig.listening(_says(_heard(1, 0))):
        until(lambda: rig.marks.north == NOW)

    assert rig.calls.asked == []


def test_a_restart_fetches_from_the_watermark_less_the_overlap(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(3600)
    rig.calls = Calls([[_record(1, -3000), {"id": 2, "sign_time": int(AT) - 60}]])
    with rig.listening(_says(), overlap=120) as running:
        until(lambda: rig.marks.north == NOW - seconds(60))
        assert running.listener.report.backfilled == 2
        assert running.listener.report.gap_seconds == 3600

    assert rig.calls.asked == [(NOW - seconds(3720), NOW + timedelta(days=1))]
    assert sorted(payload["data"]["id"] for payload in rig.payloads) == [1, 2]


def test_what_is_heard_and_fetched_is_recorded_once(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(60)
    rig.calls = Calls([[_record(number, -30) for number in range(5)]])
    with rig.listening(_says(*(_heard(number, -30) for number in range(3)))) as running:
        until(lambda: len(rig.store.seen) == 8 and running.listener.report.gap_seconds)

    assert len(rig.events) == len(rig.topics.messages) == 5


def test_a_lost_connection_is_a_gap_that_is_fetched_from_the_newest_record_on(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(100)
    calls = rig.calls = Calls([[], [_record(2, -20)]])

    def goes(peer: Peer) -> None:
        peer.say(GREETING, _heard(1, -40), _heard(3, -30))
        until(lambda: rig.marks.north == NOW - seconds(30))

    with rig.listening(goes, _says(), overlap=0) as running:
        until(lambda: rig.marks.north == NOW - seconds(20))
        assert running.listener.report.reconnects == 1

    assert [since for since, _ in calls.asked] == [NOW - seconds(100), NOW - seconds(30)]
    assert len(rig.events) == 3


@pytest.mark.parametrize("with_api", [True, False])
def test_where_there_is_no_record_list_the_book_says_from_when_to_when_once(rig: Rig, with_api: bool) -> None:
    since = NOW - seconds(600)
    rig.marks.marks["north"] = since
    rig.calls = Calls([NoSuchCall("no list")]) if with_api else None
    with rig.listening(_says()):
        until(lambda: rig.marks.north == NOW)

    (event,) = rig.events
    assert (event["data"]["kind"], event["data"]["result"], event["data"]["account"]) == ("gap", "failure", "north")
    assert event["data"]["reference"] == {"from": since.isoformat(), "to": NOW.isoformat()}
    assert event["data"]["payload"]["missing"] == ([30000] if with_api else [30000, 30100])
    assert "record list" in event["data"]["reason"]
    assert event["time"] == "2026-07-01T11:50:00.000000Z"


def test_a_server_without_an_alarm_list_says_once_a_gap_that_alarms_may_be_missing(rig: Rig) -> None:
    """protocol.md A13: a fire alarm in a gap left no trace, although records could be fetched."""
    since = NOW - seconds(600)
    rig.marks.marks["north"] = since
    rig.calls = Calls([[_record(1, -60)]], alarm_answers=[NoSuchCall("no list")])
    with rig.listening(_says()):
        until(lambda: rig.marks.north == NOW - seconds(60))

    (gap,) = (event["data"] for event in rig.events if event["data"].get("kind") == "gap")
    assert (gap["code"], gap["reason"]) == (30100, "the server has no alarm list")
    assert gap["reference"] == {"from": since.isoformat(), "to": NOW.isoformat()}
    assert len(rig.events) == 2


def test_alarms_of_a_gap_are_fetched_and_those_that_are_known_are_no_second_ones(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    heard, missed = alarm_record(), alarm_record(id=8, status=3, releaseTime="2026-07-01 20:59:59")
    rig.calls = Calls(alarm_answers=[[heard, missed]])
    with rig.listening(_says({"code": 30100, "data": heard})) as running:
        until(lambda: len(rig.store.seen) == 3 and running.listener.report.gap_seconds)
        assert running.listener.report.backfilled == 2

    assert sorted(event["data"]["state"] for event in rig.events) == ["raised", "released"]
    (found,) = (event for event in rig.events if event["data"]["state"] == "released")
    assert found["data"]["arrival"] == "backfill"


def test_an_alarm_of_the_same_day_that_is_older_than_the_gap_is_not_fetched(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rows = [
        alarm_record(id=1, alarmTime="2026-07-01 20:44:59"),
        alarm_record(id=2, alarm_time="2026-07-01 20:45:00"),
        alarm_record(id=3, status=2, alarmTime="2026-07-01 08:00:00"),
        alarm_record(id=4, status=3, alarmTime="2026-07-01 08:00:00", releaseTime="2026-07-01 20:59:00"),
        alarm_record(id=5, alarmTime="once upon a time"),
    ]
    del rows[1]["alarmTime"]
    rig.calls = Calls(alarm_answers=[rows])
    with rig.listening(_says()) as running:
        until(lambda: running.listener.report.gap_seconds)

    assert sorted(payload["data"]["id"] for payload in rig.payloads) == [2, 3, 4, 5]


_LISTED = {
    "id": 2,
    "user_id": 4021,
    "user_name": "Mira Holt",
    "user_type": 1,
    "device_ldid": "SPSE-6b39",
    "group_id": 1,
    "group_name": "Default group",
    "capture_picture": "c1",
    "capture_bg_picture": "c2",
    "sign_time": int(AT) - 30,
    "entry_mode": 1,
}
"""A row of the record list, with the names that the vendor's manual 2.8 has."""


@pytest.mark.parametrize("camel", [False, True])
def test_what_the_list_has_by_other_names_has_device_name_kind_and_pictures(rig: Rig, camel: bool) -> None:
    """protocol.md A2, vendors-code.md 2.4: a fetched record lacked all of these fields, and replaced one with them."""
    row = wire.camel(_LISTED) if camel else _LISTED
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls([[row]])
    with rig.listening(_says(_heard(1))):
        until(lambda: len(rig.events) == 2)

    (found,) = (event["data"] for event in rig.events if event["data"]["arrival"] == "backfill")
    assert (found["device"], found["person"]["name"], found["kind"]) == ("SPSE-6b39", "Mira Holt", "staff")
    assert [picture["reference"] for picture in found["pictures"]] == ["c1", "c2"]


def test_a_record_that_was_heard_by_its_pushs_names_is_the_same_in_the_list(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls([[_LISTED]])
    heard = {"code": 30000, "data": _record(2, -30)}
    with rig.listening(_says(heard)) as running:
        until(lambda: len(rig.store.seen) == 2 and running.listener.report.gap_seconds)

    assert len(rig.events) == 1


def test_what_was_fetched_is_not_of_now(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(60)
    rig.calls = Calls([[_record(1, -1)]])
    with rig.listening(_says(_heard(2, -1))):
        until(lambda: len(rig.events) == 2)

    arrivals = {event["data"]["payload"]["data"]["id"]: event["data"]["arrival"] for event in rig.events}
    assert arrivals == {1: "backfill", 2: "live"}


@pytest.mark.parametrize("second", [-40, "-40", "text"])
def test_the_newest_record_is_the_newest_wherever_it_is_in_the_list_and_however_its_time_is_written(
    rig: Rig, second: int | str
) -> None:
    """vendors-code.md 2.4: the order is by id, and the span by the time of receipt; neither is that of the records."""
    told: dict[int | str, Any] = {
        -40: int(AT - 40) * 1000,
        "-40": str(int(AT - 40)),
        "text": "2026-07-01 20:59:20",
    }
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls([[_record(1, -300), {**_record(2), "signTime": told[second]}, _record(3, -7000)]])
    with rig.listening(_says()):
        until(lambda: rig.marks.north == NOW - seconds(40))

    assert len(rig.events) == 3


def test_an_alarm_list_that_fails_for_good_does_not_hold_the_mark_of_records_for_ever(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls([[_record(1, -60)]], alarm_answers=[CallFailed("no")])
    with rig.listening(_says()):
        until(lambda: rig.marks.north == NOW - seconds(60))

    assert len(rig.calls.alarms_asked) == 11
    assert [event["data"]["code"] for event in rig.events if event["data"].get("kind") == "gap"] == [30100]


def test_an_alarm_list_that_fails_a_while_is_asked_again(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls(alarm_answers=[CallFailed("no")] * 5 + [[alarm_record()]])
    with rig.listening(_says()) as running:
        until(lambda: running.listener.report.gap_seconds)

    assert [event["data"]["state"] for event in rig.events] == ["raised"]


def test_a_gap_that_cannot_be_told_of_yet_is_told_of_later(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.store.down = rig.spill.down = True
    with rig.listening(_says()):
        until(lambda: len(rig.store.seen) >= 3)
        assert rig.marks.north == NOW - seconds(600)
        rig.store.down = rig.spill.down = False
        until(lambda: rig.marks.north == NOW)

    assert len(rig.events) == 1


def test_a_failed_call_leaves_the_mark_and_is_made_again(rig: Rig) -> None:
    since = NOW - seconds(600)
    rig.marks.marks["north"] = since
    go = threading.Event()
    rig.calls = Calls([lambda: [_record(1, -500)] if go.is_set() else CallFailed("no")])
    with rig.listening(_says(_heard(2, -1))):
        until(lambda: rig.calls and len(rig.calls.asked) >= 4 and rig.events)
        assert rig.marks.north == since
        go.set()
        until(lambda: rig.marks.north == NOW - seconds(1))

    assert len(rig.events) == 2


def test_however_often_a_call_fails_it_is_made_again(
    rig: Rig, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    calls = rig.calls = Calls([CallFailed("no")] * 1100 + [[_record(1, -500)]])
    monkeypatch.setattr(log, "warning", lambda *_, **__: None)
    with rig.listening(_says()):
        until(lambda: rig.events, 60)

    assert len(calls.asked) == 1101
    assert max(pauses) == 60


def test_a_list_that_fails_in_the_middle_is_fetched_again(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)

    def breaks_off() -> Iterator[Any]:
        yield _record(1, -500)
        raise CallFailed("no")

    rig.calls = Calls([breaks_off, [_record(1, -500), _record(2, -400)]])
    with rig.listening(_says()):
        until(lambda: rig.marks.north == NOW - seconds(400))

    assert len(rig.events) == 2


def test_a_gap_that_opens_while_another_is_filled_is_fetched_as_well(rig: Rig) -> None:
    since = NOW - seconds(600)
    rig.marks.marks["north"] = since
    answer, lost = threading.Event(), threading.Event()

    def slow() -> list[Any]:
        answer.wait(20)
        return [_record(1, -500)]

    def goes_when_told(peer: Peer) -> None:
        peer.say(GREETING)
        lost.wait(20)

    calls = rig.calls = Calls([slow, [_record(1, -500), _record(2, -400)]])
    with rig.listening(goes_when_told, _says(_heard(3, -5)), overlap=0) as running:
        until(lambda: calls.asked)
        lost.set()
        until(lambda: len(rig.events) == 1 and running.listener.report.connected)
        assert len(calls.asked) == 1
        assert rig.marks.north == since
        answer.set()
        until(lambda: rig.marks.north == NOW - seconds(5))

    assert [asked[0] for asked in calls.asked] == [since, since]
    assert len(rig.events) == 3


def test_the_watermark_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Listener, "_wait", lambda *_: time.sleep(0.01))
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.marks.down = True
    rig.calls = Calls()
    with rig.listening(_says(_heard(1))) as running:
        until(lambda: rig.marks.reads >= 3)
        assert running.paths == []
        rig.marks.down = False
        until(lambda: rig.calls and rig.calls.asked)


def test_a_watermark_that_cannot_be_written_is_written_later(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(600)
    rig.calls = Calls()
    rig.marks.refuses = True
    with rig.listening(_says(_heard(1, -60))) as running:
        until(lambda: running.listener.report.connected and rig.marks.refused >= 2 and rig.events)
        assert rig.marks.north == NOW - seconds(600)
        rig.marks.refuses = False
        until(lambda: rig.marks.north == NOW - seconds(60))


def test_r13_before_the_first_watermark_is_written_nothing_is_taken(rig: Rig) -> None:
    rig.marks.refuses = True
    with rig.listening(_says(_heard(1, -60))) as running:
        until(lambda: rig.marks.refused >= 2)
        assert not running.listener.report.connected
        assert rig.store.seen == []
        rig.marks.refuses = False
        until(lambda: rig.events)

    assert rig.marks.begun["north"] == NOW


# ─── When AWS takes nothing, and when it is to end ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [2, 16])
def test_no_more_is_in_hand_than_the_buffer_holds_and_nothing_is_lost(rig: Rig, workers: int) -> None:
    rig.store.down = rig.spill.down = True
    with rig.listening(_says(*(_heard(number, -number) for number in range(40))), buffer=5, workers=workers) as run:
        until(lambda: len(set(rig.store.seen)) == min(5, workers))
        time.sleep(0.3)
        assert len(set(rig.store.seen)) == min(5, workers)
        assert not run.listener.report.is_stuck
        assert run.listener.report.connected
        rig.store.down = rig.spill.down = False
        until(lambda: len(rig.events) == 40)


def test_what_is_in_hand_holds_the_mark(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(100)
    rig.calls = Calls()
    rig.store.holds = '"id":77,'
    rig.store.open.clear()
    with rig.listening(_says(_heard(77, -50), _heard(2, -40))):
        until(lambda: rig.marks.north == NOW - seconds(50))
        until(lambda: len(rig.events) == 1)
        time.sleep(0.1)
        assert rig.marks.north == NOW - seconds(50)
        rig.store.open.set()
        until(lambda: rig.marks.north == NOW - seconds(40))


def test_when_it_is_to_stop_what_is_in_hand_is_finished_and_the_mark_written(rig: Rig) -> None:
    rig.store.open.clear()
    with rig.listening(_says(_heard(1, -5))) as running:
        until(lambda: rig.store.seen)
        rig.stop.request()
        time.sleep(0.1)
        assert running.thread.is_alive()
        rig.store.open.set()
        running.thread.join(20)

    assert len(rig.events) == 1
    assert rig.marks.north == NOW


def test_what_cannot_be_finished_is_not_before_the_mark(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_DRAIN", 0.3)
    rig.marks.marks["north"] = NOW - seconds(100)
    rig.calls = Calls()

    def script(peer: Peer) -> None:
        peer.say(GREETING, _heard(1, -50))
        until(lambda: rig.marks.north == NOW - seconds(50))
        rig.store.down = rig.spill.down = True
        peer.say(*(_heard(number, number - 50) for number in range(2, 9)))
        peer.until_gone()

    with rig.listening(script, buffer=2, workers=2) as running:
        until(lambda: len(set(rig.store.seen)) == 3)
        rig.stop.request()
        running.thread.join(20)
        assert not running.thread.is_alive()

    assert len(rig.events) == 1
    assert rig.marks.north is not None
    assert rig.marks.north <= NOW - seconds(48)


def test_whatever_happens_the_mark_is_never_past_what_is_not_recorded(rig: Rig) -> None:
    """A server closes after every few messages, and the events table fails at random; a failure shows the seed."""
    seed = 20260701
    chance = random.Random(seed)
    records = [_record(number, number - 1000, sn=f"SPS-{number}") for number in range(60)]
    sent: list[int] = []
    rig.calls = Calls([lambda: [record for record in records if record["id"] <= max(sent, default=0)]])

    def script(peer: Peer) -> None:
        peer.say(GREETING)
        for _ in range(chance.randrange(1, 6)):
            number = len(sent)
            if number == len(records):
                peer.until_gone()
                return
            sent.append(number)
            if chance.random() < 0.7:  # else it is said to nobody
                peer.say({"code": 30000, "data": records[number]})

    with rig.listening(script, overlap=0):

        def fails_or_not() -> None:
            rig.store.down = rig.spill.down = chance.random() < 0.3
            time.sleep(0.02)

        until(
            lambda: len(rig.payloads) >= len(records),
            60,
            meanwhile=fails_or_not,
            failing=lambda: f"seed {seed}: {len(rig.payloads)} of {len(records)}",
        )
        rig.store.down = rig.spill.down = False

    assert sorted(payload["data"]["id"] for payload in rig.payloads) == list(range(60)), f"seed {seed}"


# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wanted", [True, False])
def test_pictures_are_fetched_where_they_are_wanted_and_else_left_where_they_are(rig: Rig, wanted: bool) -> None:
    rig.calls = Calls(pictures={"5d901af663cdaf0001252bb9": PHOTO})
    with rig.listening(_says(_heard(1)), secret={"pictures": wanted}):
        until(lambda: rig.topics.messages)
        until(lambda: bool(rig.media.pictures) == wanted)

    thumbnail, large = rig.events[0]["data"]["pictures"]
    assert thumbnail["reference"] == "5d901af663cdaf0001252bb9"
    assert large == {"role": "sign_bg_avatar", "reference": "5d901af663cdaf0001252bba"}
    assert ("key" in thumbnail) == wanted
    assert [upload.data for upload in rig.media.pictures.values()] == [PHOTO] * wanted


def test_a_server_without_an_api_keeps_its_pictures(rig: Rig) -> None:
    with rig.listening(_says(_heard(1)), secret={"pictures": True}):
        until(lambda: rig.events)

    assert all("key" not in picture for picture in rig.events[0]["data"]["pictures"])


# ─── What it is told ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WATERMARKS_TABLE", ""),
        ("MEDIA_BUCKET", ""),
        ("SECRET_ARN", ""),
        ("SILENCE", "0"),
        ("OVERLAP", "-1"),
        ("DENIED_PAUSE", "soon"),
        ("WORKERS", "0"),
        ("BUFFER", "100000"),
        ("REPORT_SECONDS", "0"),
        ("HEALTH_PORT", "70000"),
        ("STANDS", "-1"),
        ("GRACE", "soon"),
        ("ONCE_SECONDS", "0"),
    ],
)
def test_a_wrong_setting_names_itself(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=f"{name}: "):
        ListenerSettings.read({**LISTENS, name: value})


def test_a_missing_setting_names_itself() -> None:
    with pytest.raises(WrongSetting, match="WATERMARKS_TABLE: Field required"):
        ListenerSettings.read({name: value for name, value in LISTENS.items() if name != "WATERMARKS_TABLE"})


def _listeners(servers: str, *secret: Mapping[str, Any]) -> list[str]:
    known = [Server.model_validate(entry) for entry in secret]
    made = listeners(ListenerSettings.read({**LISTENS, "SERVERS": servers}), known, Stop())
    return [listener.report.server for listener in made]


def test_there_is_a_listener_for_each_server_that_is_named() -> None:
    south = {**SENSELINK, "server": "south", "api_url": "https://192.0.2.21"}

    assert _listeners("south, north", SENSELINK, south) == ["south", "north"]
    assert _listeners("north", SENSELINK, south) == ["north"]


@pytest.mark.parametrize(
    ("servers", "why"),
    [
        (" , ", "SERVERS: names no server"),
        ("", "SERVERS: names no server"),
        ("north,,south", "SERVERS: has an empty name"),
        ("north,south,north", "SERVERS: names north twice"),
    ],
)
def test_servers_that_are_no_names_stop_the_start(servers: str, why: str) -> None:
    with pytest.raises(WrongSetting, match=why):
        _listeners(servers, SENSELINK)


def test_once_is_for_servers_that_have_lists_and_no_listener(output: Output) -> None:
    alone = {**SENSELINK, "url": None, "api_url": "https://192.0.2.21"}
    entries = [
        SENSELINK,
        {**alone, "server": "east"},
        {**alone, "server": "west", "app_secret": None},
        {**alone, "server": "bad", "ca": "MARKER"},
        {**alone, "server": "south"},
        {"server": "far", "tokens": ["far-one-0123456789abcdef"]},
    ]
    known = [Server.model_validate(entry) for entry in entries]

    def made(servers: str) -> tuple[list[str], list[str]]:
        found, awaited = fetchers(ListenerSettings.read({**LISTENS, "SERVERS": servers}), known, Stop())
        return [one.name for one in found], awaited

    assert made("south") == (["east"], ["west", "bad"])
    assert made("") == (["east", "south"], ["west", "bad"])
    assert made("south,east,west,bad") == ([], [])
    assert ("west", "its entry in the secret has no app_secret") in [
        (line["server"], line["why"]) for line in output.logged
    ]
    assert "MARKER" not in output.read()


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_task_that_is_told_nothing_says_so_and_ends(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.delenv("WATERMARKS_TABLE", raising=False)
    forget: Callable[[], None] = aws.client.cache_clear  # type: ignore[attr-defined]
    forget()

    assert main() == 1

    (line,) = output.logged
    assert (line["level"], line["message"]) == ("ERROR", "cannot start")
    assert "WATERMARKS_TABLE: Field required" in line["error"]


@pytest.mark.usefixtures("signals")
def test_an_option_that_there_is_not_stops_the_start(output: Output) -> None:
    assert main(["--twice"]) == 1

    assert "no option but --once" in output.logged[0]["error"]
