"""The listener under bad luck: schedules and servers by which it once lost records, doubled them, or went deaf.

Each test is named after its finding; its docstring is the schedule.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.senselink import listener as module
from functions.senselink import recorder
from functions.senselink.client import NoSuchCall
from functions.senselink.listener import Awaited, ListenerSettings, listeners
from functions.senselink.recorder import Recorder, Stop
from functions.senselink.wire import Server
from gatehouse.errors import CallFailed, Unavailable, WrongSetting
from gatehouse.gate import Gate
from gatehouse.reading import read_json
from gatehouse.record import Record
from gatehouse.settings import Announce
from tests.builders import AT, NOW, seconds
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.output import Output
from tests.unit.senselink.server import DENIED, GREETING, Peer, frame, sockets
from tests.unit.senselink.test_listener import (
    LISTENS,
    Calls,
    Rig,
    Watched,
    _heard,
    _record,
    _says,
    _says_and_goes,
    pauses,
    rig,
)
from tests.vendors.senselink import SENSELINK, access_record
from tests.waiting import until

__all__ = ["pauses", "rig"]


def _ids(place: Rig) -> list[int]:
    return sorted(payload["data"]["id"] for payload in place.payloads if isinstance(payload.get("data"), dict))


def _since(place: Rig) -> list[datetime]:
    assert place.calls is not None
    return [since for since, _ in place.calls.asked]


def _next(place: Rig) -> Rig:
    """The rig of the next task, which has only the stored state."""
    return Rig(store=place.store, media=place.media, marks=place.marks, calls=place.calls)


# ─── The watermark ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [7200, 3 * 86_400])
def test_r01_a_late_record_in_hand_when_the_task_ends_is_fetched_by_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """Record 1 (now) is recorded, the mark saved → a terminal that was offline brings record 2, hours or days old →
    AWS accepts nothing, a shutdown is requested, its deadline passes → the next task fetches.
    """
    monkeypatch.setattr(recorder, "_DRAIN", 0.3)
    rig.marks.marks["north"] = NOW - seconds(600)
    rows = [_record(1), _record(2, -late)]
    rig.calls = Calls([rows[:1], lambda: _listed(rig, rows)])
    rig.store.holds = '"id":2,'
    rig.store.open.clear()

    def script(peer: Peer) -> None:
        peer.say(GREETING, _heard(1))
        until(lambda: rig.marks.north == NOW)
        peer.say(_heard(2, -late))
        peer.until_gone()

    with rig.listening(script, overlap=300) as running:
        until(lambda: len(rig.store.seen) >= 2 and rig.marks.north == NOW)
        rig.stop.request()
        running.thread.join(10)
        assert not running.thread.is_alive()
        assert _ids(rig) == [1]

        again = Rig(marks=rig.marks, calls=rig.calls)
        with again.listening(_says(), overlap=300):
            until(lambda: 2 in _ids(again))
            until(lambda: not any(rig.marks.owed.values()))


def _listed(place: Rig, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a server whose list selects by their times."""
    return [row for row in rows if row["signTime"] >= _time(_since(place)[-1])]


def _time(moment: datetime) -> float:
    return AT + (moment - NOW).total_seconds()


def test_r01_what_is_in_hand_from_before_the_mark_is_written_down_before_the_work_and_taken_away(
    rig: Rig,
) -> None:
    rig.marks.marks["north"] = NOW
    rig.marks.late["north"] = {"2026-07-01": 86_400}
    rig.calls = Calls()
    rig.store.holds = '"id":2,'
    rig.store.open.clear()
    with rig.listening(_says(_heard(2, -2 * 86_400)), overlap=300):
        until(lambda: rig.store.seen)
        assert rig.marks.said[0] is not None
        assert rig.marks.said[0] <= NOW - seconds(2 * 86_400)
        rig.store.open.set()
        until(lambda: rig.marks.said[-1] is None)

    assert rig.marks.north == NOW
    assert len(rig.marks.said) == 2


def test_r02_the_first_watermark_is_by_the_servers_clock(rig: Rig) -> None:
    """The server is 30 minutes behind; the first connection, a record (11:30), a drop, a record (11:32)."""
    behind = 1800
    missed = _record(2, 120 - behind)
    rig.calls = Calls([[missed]], shows=NOW - seconds(behind))
    with rig.listening(_says_and_goes(_heard(1, -behind)), _says(), overlap=0):
        until(lambda: _ids(rig) == [1, 2])

    assert rig.marks.begun["north"] == NOW - seconds(behind)


@pytest.mark.parametrize(("shows", "first"), [(None, timedelta(days=1)), (NOW + seconds(900), timedelta())])
def test_r02_a_servers_clock_that_nobody_knows_is_at_most_a_day_behind_and_one_ahead_is_ours(
    rig: Rig, shows: datetime | None, first: timedelta
) -> None:
    rig.calls = Calls(shows=shows)
    with rig.listening(_says(_heard(1))):
        until(lambda: rig.events)

    assert rig.marks.begun["north"] == NOW - first


def test_r03_one_404_does_not_give_a_gap_up(rig: Rig) -> None:
    """The server restarts: its WebSocket is there, and the proxy in front of its API answers 404 for a moment."""
    rig.marks.marks["north"] = NOW - seconds(7200)
    rig.calls = Calls([NoSuchCall("404")] * 3 + [[_record(1, -7000), _record(2, -60)]])
    with rig.listening(_says(), no_list_seconds=0):
        until(lambda: _ids(rig) == [1, 2])

    assert [event["data"]["kind"] for event in rig.events if event["data"].get("kind") == "gap"] == []


def test_r03_a_list_that_is_never_there_is_none_after_some_tries_and_minutes(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(7200)
    rig.calls = Calls([NoSuchCall("404")])
    with rig.listening(_says(), no_list_seconds=1):
        until(lambda: rig.marks.north == NOW)
        assert len(rig.calls.asked) >= 5

    assert [event["data"]["kind"] for event in rig.events] == ["gap"]


def test_r03_a_list_that_was_ever_seen_is_never_none(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(7200)
    rig.calls = Calls([[_record(1, -7000)], NoSuchCall("404")])
    with rig.listening(_says()):
        until(lambda: _ids(rig) == [1])
        until(lambda: rig.marks.lists.get("north") == {30000, 30100})

    again = _next(rig)
    with again.listening(_says()):
        until(lambda: len(rig.calls.asked) > 12 if rig.calls else None)
        assert rig.marks.north == NOW - seconds(7000)
    assert _ids(again) == [1]


def test_r04_a_terminal_whose_clock_is_slow_is_fetched_from_as_early_as_it_is_late(rig: Rig) -> None:
    """A is right, B is 10 minutes slow; both are heard; a gap of a minute; B's record in it has a time 10 min back."""
    rig.marks.marks["north"] = NOW - seconds(3600)
    rows = [_record(1, -60), _record(2, -660), _record(3, -20), _record(4, -610)]

    rig.calls = Calls([[], lambda: _listed(rig, rows)])

    def hears(peer: Peer) -> None:
        peer.say(GREETING, _heard(1, -60), _heard(2, -660), _heard(3, -20))
        until(lambda: rig.marks.north == NOW - seconds(20))

    with rig.listening(hears, _says(), overlap=300):
        until(lambda: _ids(rig) == [1, 2, 3, 4])

    assert max(rig.marks.late["north"].values()) == 600


@pytest.mark.parametrize("sign_time", [0, "2000-01-01 00:00:12", 946_684_800])
def test_r05_a_clock_at_zero_does_not_have_an_archive_fetched(rig: Rig, sign_time: object) -> None:
    """A record with time 0 is in hand when the connection drops; the server has an archive."""
    begun = NOW - timedelta(days=2)
    rig.marks.marks["north"], rig.marks.begun["north"] = NOW - seconds(60), begun
    rig.calls = Calls([[]])
    rig.store.holds = '"id":7,'
    rig.store.open.clear()
    zero = {"code": 30000, "data": access_record(id=7, signTime=sign_time)}
    with rig.listening(_says_and_goes(_heard(1), zero), _says(), overlap=300):
        until(lambda: len(_since(rig)) >= 2)
        rig.store.open.set()
        until(lambda: 7 in _ids(rig))

    assert min(_since(rig)) >= begun


def test_r06_a_time_before_all_times_does_not_stop_the_filling_of_gaps(rig: Rig) -> None:
    """A signTime of -62135596800, Go's zero, is in hand when the connection drops."""
    rig.marks.marks["north"] = NOW - seconds(60)
    rig.calls = Calls([[], [_record(2, -10)]])
    rig.store.holds = '"id":7,'
    rig.store.open.clear()
    zero = {"code": 30000, "data": access_record(id=7, signTime=-62_135_596_800)}
    with rig.listening(_says_and_goes(_heard(1, -30), zero), _says(), overlap=300):
        until(lambda: 2 in _ids(rig))
        rig.store.open.set()
        until(lambda: 7 in _ids(rig))


def test_r07_what_is_no_longer_remembered_is_not_fetched_again(rig: Rig) -> None:
    """Quiet for longer than records are kept: the newest has expired, and a reconnect would fetch it as new."""
    rig.marks.marks["north"] = NOW - timedelta(days=4)
    rig.calls = Calls([[]])
    with rig.listening(_says(), retention_days=3, overlap=300):
        until(lambda: rig.calls is not None and rig.calls.alarms_asked)

    assert _since(rig) == [NOW - timedelta(days=3)]


def test_r08_of_two_tasks_at_a_first_deployment_the_second_begins_with_a_gap(rig: Rig) -> None:
    """Both read "none"; A hears record 1, and drops; record 2; B's first message comes now; A is replaced."""
    rig.calls = Calls([[_record(1, -100), _record(2, -50)]], shows=NOW - seconds(200))
    with sockets(_says()) as there:
        other = rig.listener(there.port)
        assert other._read_mark() is None  # noqa: SLF001 - the schedule
        first = _next(rig)
        with first.listening(_says(_heard(1, -100))):
            until(lambda: _ids(first) == [1])
        assert rig.marks.north == NOW - seconds(100)
        other._read_mark = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
        thread = threading.Thread(target=other.run, daemon=True)
        thread.start()
        until(lambda: _ids(rig) == [1, 2])
        rig.stop.request()
        thread.join(20)
    assert rig.marks.begun["north"] == NOW - seconds(200)


def test_r10_that_nobody_has_listened_to_a_server_is_said_and_counted(rig: Rig, output: Output) -> None:
    """A server that is renamed in the secret has no watermark, and its gap was not reported."""
    with rig.listening(_says(_heard(1))) as running:
        until(lambda: rig.events)
        assert running.listener.report.begun == 1

    assert "nobody has listened to it before" in [line["message"] for line in output.logged]


@pytest.mark.parametrize(("listed", "times"), [([], 1), ([-30], 1), ([-60], 0), ([-90, -30], 0)])
def test_r09_that_a_list_begins_after_what_is_known_is_said_and_counted(
    rig: Rig, listed: Sequence[int], times: int
) -> None:
    """The server was set up anew, or its own retention has deleted the records of the gap."""
    rig.marks.marks["north"] = NOW - seconds(60)
    rig.calls = Calls([[_record(number, second) for number, second in enumerate(listed, 1)]])
    with rig.listening(_says()) as running:
        until(lambda: running.listener.report.gap_seconds)
        assert running.listener.report.cut_short == times


def test_how_old_the_watermark_is_is_told(rig: Rig) -> None:
    rig.marks.marks["north"] = NOW - seconds(90)
    rig.calls = Calls([CallFailed("no")])
    with rig.listening(_says()) as running:
        until(lambda: rig.calls is not None and rig.calls.asked)
        assert running.listener.report.age() == 90


# ─── Poison ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Poisoned(FakeStore):
    """An events table that breaks on every record with a certain word, and not by AWS's fault."""

    def __init__(self, word: str, *, breaks_on_all: bool = False) -> None:
        super().__init__()
        self._word = word
        self._breaks_on_all = breaks_on_all

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        if self._word in record.body or (self._breaks_on_all and "unmapped" in record.body):
            raise TypeError("MARKER")
        return super().record(record, announce)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stop]:
    """A shutdown request, made at the end of the test, so that no worker is waited for."""
    monkeypatch.setattr(recorder, "_DRAIN", 0.1)
    stop = Stop()
    yield stop
    stop.request()


def _recorder(store: FakeStore, media: FakeMedia, stop: Stop) -> Recorder:
    gate = Gate(store, FakeTopics(), FakeSpill(), Announce.INLINE, media)
    return Recorder(Server.model_validate(SENSELINK), gate, stop, workers=2, buffer=500)


def _message(number: int, **more: Any) -> bytes:
    return json.dumps({"code": 30000, "data": access_record(id=number, **more)}).encode()


def test_s7_a_message_that_is_refused_does_not_hold_a_worker_and_is_kept_elsewhere(stop: Stop) -> None:
    """Two workers, two messages above the limit: the record behind them was never stored."""
    store, media = FakeStore(), FakeMedia()
    hands = _recorder(store, media, stop)
    poison = b"x" * (recorder._BODY_LIMIT + 1)  # noqa: SLF001
    handed = [hands.hand(message, NOW, lambda _: None) for message in (poison, poison + b"y", _message(3))]

    assert [one and one.result(8) for one in handed] == [True] * 3
    assert hands.given_up == 2
    assert len(store.records) == 3
    kept = [upload for upload in media.pictures.values() if len(upload.data) > recorder._BODY_LIMIT]  # noqa: SLF001
    assert len(kept) == 2


@pytest.mark.parametrize("breaks_on_all", [False, True])
def test_s7_a_message_that_fails_for_a_reason_of_its_own_is_given_up(
    output: Output, stop: Stop, breaks_on_all: bool
) -> None:
    store, media = _Poisoned("Poison", breaks_on_all=breaks_on_all), FakeMedia()
    hands = _recorder(store, media, stop)
    done: list[int] = []
    bad = _message(1, name="Poison")
    handed = [
        hands.hand(message, NOW, lambda _, number=number: done.append(number))  # type: ignore[misc]
        for number, message in enumerate([bad, bad, _message(2)])
    ]

    assert [one and one.result(8) for one in handed] == [True] * 3
    assert sorted(done) == [0, 1, 2]
    assert hands.given_up == 2
    assert len(store.records) == (1 if breaks_on_all else 2)
    assert "MARKER" not in str(output.logged)
    assert ("a message is given up" in [line["message"] for line in output.logged]) == breaks_on_all


def test_what_aws_does_not_take_is_tried_for_as_long_as_it_takes(stop: Stop) -> None:
    store, media = FakeStore(), FakeMedia()
    spill = FakeSpill()
    gate = Gate(store, FakeTopics(), spill, Announce.INLINE, media)
    hands = Recorder(Server.model_validate(SENSELINK), gate, stop, workers=2, buffer=500)
    store.down = spill.down = True
    handed = hands.hand(_message(1), NOW, lambda _: None)
    time.sleep(1.0)
    store.down = spill.down = False

    assert handed is not None
    assert handed.result(8)
    assert hands.given_up == 0
    assert len(store.records) == 1


def test_s7_no_more_bytes_are_in_hand_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch, stop: Stop) -> None:
    monkeypatch.setattr(recorder, "_IN_HAND", 10_000)
    store = Watched()
    store.open.clear()
    store.holds = '"id":1,'
    hands = _recorder(store, FakeMedia(), stop)
    large = _message(1, remark="r" * 6_000)
    assert hands.hand(large, NOW, lambda _: None)
    stop.request()
    assert hands.hand(large, NOW, lambda _: None) is None  # there is room for one
    store.open.set()


def test_s7_a_frame_that_is_too_large_is_counted_and_the_record_behind_it_is_heard_again(rig: Rig) -> None:
    def hostile(peer: Peer) -> None:
        peer.say(GREETING)
        peer.raw(frame(b"x" * 2_000_000))
        peer.until_gone()

    with rig.listening(hostile, _says(_heard(1))) as running:
        until(lambda: _ids(rig) == [1])
        assert running.listener.report.too_large == 1


# ─── The task, and the secret ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_that_is_dead_ends_the_task(rig: Rig, output: Output) -> None:
    with sockets(_says()) as there:
        lives, dies = rig.listener(there.port), rig.listener(there.port)
        dies.run = lambda: None  # type: ignore[method-assign]
        told = ListenerSettings.read({**LISTENS, "HEALTH_PORT": "0"})
        statuses: list[int] = []

        def listen() -> None:
            statuses.append(module._listen([lives, dies], told, rig.stop))  # noqa: SLF001

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        thread.join(10)
        rig.stop.request()

    assert statuses == [1]
    assert "a thread has ended" in [line["message"] for line in output.logged]


def test_a_task_that_is_told_to_end_ends_well(rig: Rig) -> None:
    with sockets(_says()) as there:
        threading.Timer(0.3, rig.stop.request).start()
        told = ListenerSettings.read({**LISTENS, "HEALTH_PORT": "0"})

        assert module._listen([rig.listener(there.port)], told, rig.stop) == 0  # noqa: SLF001


def test_whatever_a_server_does_is_no_reason_to_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_json
    broken: list[int] = []

    def breaks(message: bytes) -> Any:
        if not broken:
            broken.append(1)
            raise RuntimeError("MARKER")
        return whole(message)

    monkeypatch.setattr(module, "read_json", breaks)
    with rig.listening(_says(_heard(1))) as running:
        until(lambda: _ids(rig) == [1])
        assert running.thread.is_alive()


def test_a_secret_that_was_rotated_is_used_at_the_next_connection(rig: Rig) -> None:
    with sockets(lambda peer: peer.say(DENIED), _says(_heard(1))) as there:
        listener = rig.listener(there.port, denied_pause=1)
        rotated = {**SENSELINK, "app_key": "rotated", "url": f"ws://127.0.0.1:{there.port}", "insecure": True}
        answers: list[Any] = [None, (Server.model_validate(rotated), None)]
        listener._newest = lambda: answers.pop(0) if answers else None  # noqa: SLF001
        thread = threading.Thread(target=listener.run, daemon=True)
        thread.start()
        until(lambda: _ids(rig) == [1])
        rig.stop.request()
        thread.join(20)

    assert [path.split("/")[3] for path in there.paths] == [SENSELINK["app_key"], "rotated"]


def test_the_newest_entry_is_taken_where_it_can_be_used_and_is_waited_for_where_it_cannot() -> None:
    old = Server.model_validate(SENSELINK)
    other = Server.model_validate({**SENSELINK, "app_key": "other", "api_url": "https://192.0.2.20"})
    newest: list[Any] = [
        [old],
        [old],
        Unavailable("GetSecretValue: ThrottlingException"),
        WrongSetting("accounts.0.app_key: MISSING"),
        [],
        [Server.model_validate({**SENSELINK, "ca": "none"})],
        [Server.model_validate({**SENSELINK, "url": None, "app_secret": None})],
        [other],
        [other],
    ]

    def now() -> Sequence[Server]:
        found = newest.pop(0)
        if isinstance(found, Exception):
            raise found
        return list(found)

    (listener,) = listeners(ListenerSettings.read(LISTENS), [], Stop(), now)

    def told() -> object:
        try:
            entry = listener._newest()  # noqa: SLF001
        except Awaited as error:
            return str(error)
        return entry and (entry[0].app_key, entry[1] is not None)

    assert [told() for _ in range(len(newest))] == [
        (SENSELINK["app_key"], False),
        None,
        "GetSecretValue: ThrottlingException",
        "accounts.0.app_key: MISSING",
        "it is not in the secret",
        "server north: ca is not a certificate in PEM",
        "its entry in the secret has no url, app_secret",
        ("other", True),
        None,
    ]
