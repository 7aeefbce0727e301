"""The listener on fakes and a tiny server: what it hears is recorded, and what it missed is fetched."""

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
from functions.senselink.client import CallFailed, NoSuchCall
from functions.senselink.listener import Listener, Settings, Stop, listeners, main
from functions.senselink.wire import Server
from gatehouse import aws
from gatehouse.errors import Unavailable, WrongSetting
from gatehouse.events import Record
from gatehouse.gate import Gate
from gatehouse.settings import Announce
from gatehouse.telemetry import Count, log
from tests.builders import AT, ENVIRONMENT, NOW, SENSELINK, access_record, alarm_record, seconds
from tests.fakes import FakeAlbum, FakeSpill, FakeStore, FakeTopics
from tests.unit.conftest import Output
from tests.unit.senselink.server import (
    DENIED,
    GREETING,
    HEARTBEAT,
    Peer,
    Script,
    sockets,
    wait_until,
)

LISTENS = {**ENVIRONMENT, "MEDIA_BUCKET": "media", "WATERMARKS_TABLE": "watermarks", "SERVERS": "north"}
PHOTO = b"\xff\xd8\xffphoto"


# ─── What it stands on ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Marks:
    """The watermarks in memory."""

    marks: dict[str, datetime] = field(default_factory=dict)
    down: bool = False
    """Whether it tells nothing."""
    refuses: bool = False
    """Whether it takes nothing."""
    reads: int = 0
    refused: int = 0

    def read(self, server: str) -> datetime | None:
        self.reads += 1
        if self.down:
            raise Unavailable("fake")
        return self.marks.get(server)

    def advance(self, server: str, mark: datetime) -> None:
        if self.refuses:
            self.refused += 1
            raise Unavailable("fake")
        self.marks[server] = max(mark, self.marks.get(server, mark))

    @property
    def north(self) -> datetime | None:
        return self.marks.get("north")


@dataclass
class Calls:
    """A server's API in memory: what it answers to each call in turn, the last answer from then on."""

    answers: list[Any] = field(default_factory=lambda: [[]])
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def records(self, since: datetime, until: datetime) -> Iterable[Mapping[str, Any]]:
        self.asked.append((since, until))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        found = answer() if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        yield from found

    def picture(self, role: str, reference: str) -> bytes:
        if reference not in self.pictures:
            raise NoSuchCall(role)
        return self.pictures[reference]


class Watched(FakeStore):
    """A book that remembers what it was given, and takes nothing before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.holds = ""
        """What is in the events that it does not take before."""
        self.seen: list[str] = []

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        self.seen.append(record.id)
        if self.holds in record.body:
            self.open.wait(20)
        return super().record(record, announce)


@dataclass
class House:
    """Everything around one listener."""

    store: Watched = field(default_factory=Watched)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    album: FakeAlbum = field(default_factory=FakeAlbum)
    marks: Marks = field(default_factory=Marks)
    calls: Calls | None = None
    stop: Stop = field(default_factory=Stop)

    def listener(self, port: int, secret: Mapping[str, Any] | None = None, **settings: object) -> Listener:
        """A listener to a server on this machine."""
        server = Server.model_validate({**SENSELINK, "url": f"ws://127.0.0.1:{port}", **(secret or {})})
        gate = Gate(self.store, self.topics, self.spill, Announce.INLINE, self.album)
        told = Settings.read({**LISTENS, **{name.upper(): str(value) for name, value in settings.items()}})
        return Listener(server, gate, self.marks, told, self.stop, self.calls, now=lambda: NOW)

    @contextmanager
    def listening(self, *scripts: Script | bytes, **more: Any) -> Iterator["Running"]:
        """A listener that listens to a server with these scripts; stopped with the block."""
        with sockets(*scripts) as there:
            listener = self.listener(there.port, **more)
            thread = threading.Thread(target=listener.run, daemon=True)
            thread.start()
            try:
                yield Running(listener, there.paths, thread)
            finally:
                self.store.open.set()
                if not self.stop.said:
                    self.stop.say()
                thread.join(20)
                assert not thread.is_alive()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(record.body) for record in list(self.store.records.values())]

    @property
    def payloads(self) -> list[Any]:
        return [event["data"]["payload"] for event in self.events]


@dataclass
class Running:
    """A listener that runs."""

    listener: Listener
    paths: list[str]
    thread: threading.Thread


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each pause between attempts might have taken; none takes longer than a millisecond."""
    longest: list[float] = []

    def uniform(_low: float, high: float) -> float:
        longest.append(high)
        return min(high, 0.001)

    monkeypatch.setattr(module, "random", type("Chance", (), {"uniform": staticmethod(uniform)}))
    monkeypatch.setattr(module, "_SAVE", 0.02)
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


def test_records_and_alarms_are_recorded_once_and_announced(house: House) -> None:
    alarm = {"code": 30100, "data": alarm_record()}
    with house.listening(_says(_heard(1), alarm, _heard(1), HEARTBEAT, _heard(2))):
        wait_until(lambda: len(house.store.seen) == 4 and len(house.topics.messages) == 3)

    assert sorted(event["type"].split(".")[1] for event in house.events) == ["alarm", "recognition", "recognition"]
    assert {event["data"]["account"] for event in house.events} == {"north"}
    (raised,) = (event for event in house.events if event["type"].startswith("gatehouse.alarm"))
    assert raised["time"] == "2026-07-01T11:59:58Z"


def test_a_greeting_and_a_heartbeat_are_not_recorded(house: House) -> None:
    with house.listening(_says(HEARTBEAT, HEARTBEAT, _heard(1), GREETING, HEARTBEAT, _heard(2))) as running:
        wait_until(lambda: len(house.events) == 2)
        assert running.listener.report.connected

    assert len(house.store.seen) == 2


@pytest.mark.parametrize(
    "message", [b'{"code":30000,"message""push record","data":{}}', b"\xff\xfe\x00", b"", b"[" * 300]
)
def test_what_cannot_be_parsed_is_kept_whole_and_counted(house: House, output: Output, message: bytes) -> None:
    with house.listening(_says(message, _heard(1))):
        wait_until(lambda: len(house.events) == 2)

    (kept,) = (event for event in house.events if event["data"].get("kind") == "unmapped")
    assert "raw" in kept["data"]["payload"] or "raw_base64" in kept["data"]["payload"]
    if message.isascii():
        assert kept["data"]["payload"] == {"raw": message.decode()}
    assert output.counted[Count.UNMAPPED] == 1


def test_an_unknown_code_is_kept(house: House) -> None:
    unknown = {"code": 30200, "data": {"floor": -1}}
    with house.listening(_says(unknown)):
        wait_until(lambda: house.events)

    assert house.payloads == [unknown]
    assert house.events[0]["data"]["kind"] == "unmapped"


def test_a_message_larger_than_a_push_may_be_is_recorded(house: House) -> None:
    large = {"code": 30000, "data": _record(1, remark="r" * 100_000)}
    with house.listening(_says(large)):
        wait_until(lambda: house.events)

    assert house.payloads == [large]


# ─── Whom it hears ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("refusal", [lambda peer: peer.say(DENIED), b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"])
def test_a_denial_is_counted_and_not_hammered_on(house: House, output: Output, refusal: Any) -> None:
    with house.listening(refusal, denied_pause=60) as running:
        wait_until(lambda: running.listener.report.denied)
        time.sleep(0.3)
        assert len(running.paths) == 1
        assert not running.listener.report.connected
        assert not running.listener.report.is_stuck

    assert [line["level"] for line in output.logged] == ["ERROR"]
    assert house.store.seen == []
    assert house.marks.north is None


def test_after_a_denial_it_tries_again_signed_anew(house: House) -> None:
    with house.listening(lambda peer: peer.say(DENIED), _says(_heard(1)), denied_pause=1) as running:
        wait_until(lambda: house.events)

    assert len(set(running.paths)) == len(running.paths) == 2


def test_silence_has_it_connect_anew(house: House) -> None:
    with house.listening(_says(), _says(_heard(1)), silence=1) as running:
        wait_until(lambda: house.events)
        assert running.listener.report.reconnects >= 1


def test_however_often_nobody_answers_it_goes_on_and_waits_a_minute_at_most(
    house: House, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "warning", lambda *_, **__: None)
    monkeypatch.setattr(module.Stop, "pause", lambda *_: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=house.listener(taken.getsockname()[1]).run)
        thread.start()
        wait_until(lambda: len(pauses) > 1100 or not thread.is_alive(), 60)
        assert thread.is_alive()
        house.stop.say()
        thread.join(20)

    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(pauses) == 60


def test_after_a_connection_that_stood_it_does_not_wait_long(house: House, pauses: list[float]) -> None:
    with house.listening(b"", b"", b"", _says_and_goes(), _says(_heard(1))):
        wait_until(lambda: house.events)

    assert pauses[:4] == [1, 2, 4, 1]


# ─── What it missed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_start_fetches_nothing(house: House) -> None:
    house.calls = Calls()
    with house.listening(_says(_heard(1, 0))):
        wait_until(lambda: house.marks.north == NOW)

    assert house.calls.asked == []


def test_a_restart_fetches_from_the_watermark_less_the_overlap(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(3600)
    house.calls = Calls([[_record(1, -3000), {"id": 2, "sign_time": int(AT) - 60}]])
    with house.listening(_says(), overlap=120) as running:
        wait_until(lambda: house.marks.north == NOW - seconds(60))
        assert running.listener.report.backfilled == 2
        assert running.listener.report.gap_seconds == 3600

    assert house.calls.asked == [(NOW - seconds(3720), NOW + timedelta(days=1))]
    assert sorted(payload["data"]["id"] for payload in house.payloads) == [1, 2]


def test_what_is_heard_and_fetched_is_recorded_once(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(60)
    house.calls = Calls([[_record(number, -30) for number in range(5)]])
    with house.listening(_says(*(_heard(number, -30) for number in range(3)))) as running:
        wait_until(lambda: len(house.store.seen) == 8 and running.listener.report.gap_seconds)

    assert len(house.events) == len(house.topics.messages) == 5


def test_a_lost_connection_is_a_gap_that_is_fetched_from_the_newest_record_on(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(100)
    calls = house.calls = Calls([[], [_record(2, -20)]])

    def goes(peer: Peer) -> None:
        peer.say(GREETING, _heard(1, -40), _heard(3, -30))
        wait_until(lambda: house.marks.north == NOW - seconds(30))

    with house.listening(goes, _says(), overlap=0) as running:
        wait_until(lambda: house.marks.north == NOW - seconds(20))
        assert running.listener.report.reconnects == 1

    assert [since for since, _ in calls.asked] == [NOW - seconds(100), NOW - seconds(30)]
    assert len(house.events) == 3


@pytest.mark.parametrize("with_api", [True, False])
def test_where_there_is_no_record_list_the_book_says_from_when_to_when_once(house: House, with_api: bool) -> None:
    since = NOW - seconds(600)
    house.marks.marks["north"] = since
    house.calls = Calls([NoSuchCall("no list")]) if with_api else None
    with house.listening(_says()):
        wait_until(lambda: house.marks.north == NOW)

    (event,) = house.events
    assert (event["data"]["kind"], event["data"]["result"], event["data"]["account"]) == ("gap", "failure", "north")
    assert event["data"]["reference"] == {"from": since.isoformat(), "to": NOW.isoformat()}
    assert event["time"] == "2026-07-01T11:50:00Z"


def test_a_gap_that_cannot_be_told_of_yet_is_told_of_later(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(600)
    house.store.down = house.spill.down = True
    with house.listening(_says()):
        wait_until(lambda: len(house.store.seen) >= 3)
        assert house.marks.north == NOW - seconds(600)
        house.store.down = house.spill.down = False
        wait_until(lambda: house.marks.north == NOW)

    assert len(house.events) == 1


def test_a_failed_call_leaves_the_mark_and_is_made_again(house: House) -> None:
    since = NOW - seconds(600)
    house.marks.marks["north"] = since
    go = threading.Event()
    house.calls = Calls([lambda: [_record(1, -500)] if go.is_set() else CallFailed("no")])
    with house.listening(_says(_heard(2, -1))):
        wait_until(lambda: house.calls and len(house.calls.asked) >= 4 and house.events)
        assert house.marks.north == since
        go.set()
        wait_until(lambda: house.marks.north == NOW - seconds(1))

    assert len(house.events) == 2


def test_however_often_a_call_fails_it_is_made_again(
    house: House, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.marks.marks["north"] = NOW - seconds(600)
    calls = house.calls = Calls([CallFailed("no")] * 1100 + [[_record(1, -500)]])
    monkeypatch.setattr(log, "warning", lambda *_, **__: None)
    with house.listening(_says()):
        wait_until(lambda: house.events, 60)

    assert len(calls.asked) == 1101
    assert max(pauses) == 60


def test_a_list_that_fails_in_the_middle_is_fetched_again(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(600)

    def breaks_off() -> Iterator[Any]:
        yield _record(1, -500)
        raise CallFailed("no")

    house.calls = Calls([breaks_off, [_record(1, -500), _record(2, -400)]])
    with house.listening(_says()):
        wait_until(lambda: house.marks.north == NOW - seconds(400))

    assert len(house.events) == 2


def test_a_gap_that_opens_while_another_is_filled_is_fetched_as_well(house: House) -> None:
    since = NOW - seconds(600)
    house.marks.marks["north"] = since
    answer, lost = threading.Event(), threading.Event()

    def slow() -> list[Any]:
        answer.wait(20)
        return [_record(1, -500)]

    def goes_when_told(peer: Peer) -> None:
        peer.say(GREETING)
        lost.wait(20)

    calls = house.calls = Calls([slow, [_record(1, -500), _record(2, -400)]])
    with house.listening(goes_when_told, _says(_heard(3, -5)), overlap=0) as running:
        wait_until(lambda: calls.asked)
        lost.set()
        wait_until(lambda: len(house.events) == 1 and running.listener.report.connected)
        assert len(calls.asked) == 1
        assert house.marks.north == since
        answer.set()
        wait_until(lambda: house.marks.north == NOW - seconds(5))

    assert [asked[0] for asked in calls.asked] == [since, since]
    assert len(house.events) == 3


def test_the_watermark_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Listener, "_wait", lambda *_: time.sleep(0.01))
    house.marks.marks["north"] = NOW - seconds(600)
    house.marks.down = True
    house.calls = Calls()
    with house.listening(_says(_heard(1))) as running:
        wait_until(lambda: house.marks.reads >= 3)
        assert running.paths == []
        house.marks.down = False
        wait_until(lambda: house.calls and house.calls.asked)


def test_a_watermark_that_cannot_be_written_is_written_later(house: House) -> None:
    house.marks.refuses = True
    with house.listening(_says()) as running:
        wait_until(lambda: running.listener.report.connected and house.marks.refused >= 2)
        assert house.marks.north is None
        house.marks.refuses = False
        wait_until(lambda: house.marks.north == NOW)


# ─── When AWS takes nothing, and when it is to end ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [2, 16])
def test_no_more_is_in_hand_than_the_buffer_holds_and_nothing_is_lost(house: House, workers: int) -> None:
    house.store.down = house.spill.down = True
    with house.listening(_says(*(_heard(number, -number) for number in range(40))), buffer=5, workers=workers) as run:
        wait_until(lambda: len(set(house.store.seen)) == min(5, workers))
        time.sleep(0.3)
        assert len(set(house.store.seen)) == min(5, workers)
        assert not run.listener.report.is_stuck
        assert run.listener.report.connected
        house.store.down = house.spill.down = False
        wait_until(lambda: len(house.events) == 40)


def test_what_is_in_hand_holds_the_mark(house: House) -> None:
    house.marks.marks["north"] = NOW - seconds(100)
    house.calls = Calls()
    house.store.holds = '"id":77,'
    house.store.open.clear()
    with house.listening(_says(_heard(77, -50), _heard(2, -40))):
        wait_until(lambda: house.marks.north == NOW - seconds(50))
        wait_until(lambda: len(house.events) == 1)
        time.sleep(0.1)
        assert house.marks.north == NOW - seconds(50)
        house.store.open.set()
        wait_until(lambda: house.marks.north == NOW - seconds(40))


def test_when_it_is_to_stop_what_is_in_hand_is_finished_and_the_mark_written(house: House) -> None:
    house.store.open.clear()
    with house.listening(_says(_heard(1, -5))) as running:
        wait_until(lambda: house.store.seen)
        house.stop.say()
        time.sleep(0.1)
        assert running.thread.is_alive()
        house.store.open.set()
        running.thread.join(20)

    assert len(house.events) == 1
    assert house.marks.north == NOW


def test_what_cannot_be_finished_is_not_before_the_mark(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRAIN", 0.3)
    house.marks.marks["north"] = NOW - seconds(100)
    house.calls = Calls()

    def script(peer: Peer) -> None:
        peer.say(GREETING, _heard(1, -50))
        wait_until(lambda: house.marks.north == NOW - seconds(50))
        house.store.down = house.spill.down = True
        peer.say(*(_heard(number, number - 50) for number in range(2, 9)))
        peer.until_gone()

    with house.listening(script, buffer=2, workers=2) as running:
        wait_until(lambda: len(set(house.store.seen)) == 3)
        house.stop.say()
        running.thread.join(20)
        assert not running.thread.is_alive()

    assert len(house.events) == 1
    assert house.marks.north is not None
    assert house.marks.north <= NOW - seconds(48)


def test_whatever_happens_the_mark_is_never_past_what_is_not_recorded(house: House) -> None:
    """A server that goes after every few messages, and a book that fails at random; the seed is in the failure."""
    seed = 20260701
    chance = random.Random(seed)
    records = [_record(number, number - 1000) for number in range(60)]
    sent: list[int] = []
    house.calls = Calls([lambda: [record for record in records if record["id"] <= max(sent, default=0)]])

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

    with house.listening(script, overlap=0):
        ends_at = time.monotonic() + 60
        while len(house.events) < len(records):
            assert time.monotonic() < ends_at, f"seed {seed}: {len(house.events)} of {len(records)}"
            house.store.down = house.spill.down = chance.random() < 0.3
            time.sleep(0.02)
        house.store.down = house.spill.down = False

    assert sorted(payload["data"]["id"] for payload in house.payloads) == list(range(60)), f"seed {seed}"


# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wanted", [True, False])
def test_pictures_are_fetched_where_they_are_wanted_and_else_left_where_they_are(house: House, wanted: bool) -> None:
    house.calls = Calls(pictures={"5d901af663cdaf0001252bb9": PHOTO})
    with house.listening(_says(_heard(1)), secret={"pictures": wanted}):
        wait_until(lambda: house.topics.messages)
        wait_until(lambda: bool(house.album.pictures) == wanted)

    thumbnail, large = house.events[0]["data"]["pictures"]
    assert thumbnail["reference"] == "5d901af663cdaf0001252bb9"
    assert large == {"role": "sign_bg_avatar", "reference": "5d901af663cdaf0001252bba"}
    assert ("key" in thumbnail) == wanted
    assert [upload.data for upload in house.album.pictures.values()] == [PHOTO] * wanted


def test_a_server_without_an_api_keeps_its_pictures(house: House) -> None:
    with house.listening(_says(_heard(1)), secret={"pictures": True}):
        wait_until(lambda: house.events)

    assert all("key" not in picture for picture in house.events[0]["data"]["pictures"])


# ─── What it is told ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVERS", ""),
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
    ],
)
def test_a_wrong_setting_names_itself(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=f"{name}: "):
        Settings.read({**LISTENS, name: value})


def test_a_missing_setting_names_itself() -> None:
    with pytest.raises(WrongSetting, match="SERVERS: Field required"):
        Settings.read({name: value for name, value in LISTENS.items() if name != "SERVERS"})


def _listeners(servers: str, *secret: Mapping[str, Any]) -> list[str]:
    known = [Server.model_validate(entry) for entry in secret]
    made = listeners(Settings.read({**LISTENS, "SERVERS": servers}), known, Stop())
    return [listener.report.server for listener in made]


def test_there_is_a_listener_for_each_server_that_is_named() -> None:
    south = {**SENSELINK, "server": "south", "api_url": "https://192.0.2.21"}

    assert _listeners("south, north", SENSELINK, south) == ["south", "north"]
    assert _listeners("north", SENSELINK, south) == ["north"]


@pytest.mark.parametrize(
    ("servers", "entry", "why"),
    [
        ("south", SENSELINK, "SERVERS: south is not in the secret"),
        (" , ", SENSELINK, "SERVERS: names no server"),
        ("north", {**SENSELINK, "url": None}, "SERVERS: north needs url, app_key and app_secret"),
        ("north", {**SENSELINK, "app_secret": None}, "SERVERS: north needs url, app_key and app_secret"),
        ("north", {**SENSELINK, "ca": "MARKER"}, "server north: ca is not a certificate"),
    ],
)
def test_a_server_that_cannot_be_listened_to_stops_the_start(servers: str, entry: Mapping[str, Any], why: str) -> None:
    with pytest.raises(WrongSetting, match=why):
        _listeners(servers, entry)


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_task_that_is_told_nothing_says_so_and_ends(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.delenv("SERVERS", raising=False)
    forget: Callable[[], None] = aws.client.cache_clear  # type: ignore[attr-defined]
    forget()

    assert main() == 1

    (line,) = output.logged
    assert (line["level"], line["message"]) == ("ERROR", "cannot start")
    assert "SERVERS: Field required" in line["error"]
