"""Pushes in another order than on the vendor's pages: a message without an alarm, a video after the end, a picture
alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from functions.eye4 import pending, recording, resolve
from functions.eye4.recording import Wanted
from functions.eye4.resolve import NotThereYet
from gatehouse.errors import Unavailable
from ops.simulators.eye4 import File, Recording
from tests.aws import Aws
from tests.builders import NOW
from tests.fakes import FakeStates, Killed
from tests.rig import Rig
from tests.unit.eye4.cloud import PENDING, ResolverRig, resolver_rig, row, rows, said, waits, wanted, web
from tests.vendors.eye4 import FILEID, eye4_push, eye4_rig, ring, uploaded

IMAGE, VIDEO = File("image", 3_000), File("video", 9_000)
RECORDING = f"workshop/{FILEID}"
OTHER = "2b0c7e5d9184a3f6670d1e8bc25f94a0d3176e8c"
DAY = timedelta(days=1)
COVER = "http://alarm-vstc.eye4.cn/alarm_image_1.jpg?e=1793703600"


@dataclass
class Site:
    """The handler and the resolver on the same rows; flows that the handler starts are resolved on request."""

    on: ResolverRig
    rig: Rig[Any]
    states: FakeStates
    resolved: list[str] = field(default_factory=list)
    """The names of the executions that have ended."""

    def push(self, **more: Any) -> None:
        """Sends a resource message."""
        assert self.rig.send(uploaded(**more), at=self.on.now).status == 200

    @property
    def begun(self) -> list[Wanted]:
        """The tasks of the executions that have not ended."""
        names = [name for name in self.states.started if name not in self.resolved]
        return [Wanted.model_validate_json(self.states.started[name]) for name in names]

    def follow_up(self, *, waited: float = 0) -> list[str]:
        """Ends the executions that were begun, each as early as possible; returns their statuses."""
        ends = []
        for begun in self.begun:
            self.on.now = max(self.on.now, begun.resolve_from)
            ends.append(self.on.resolve(begun, waited=waited))
        self.resolved = list(self.states.started)
        return ends

    def resolve_alarm(self, **more: Any) -> str:
        """Ends the alarm's own execution, after its wait; returns its status."""
        return self.on.resolve(waited=600, **more)

    def hold(self, *files: File, **more: Any) -> None:
        """Sets the files that the cloud has."""
        self.on.cloud.hold(FILEID, Recording(files, **more))


@pytest.fixture
def site(account: Aws) -> Iterator[Site]:
    with resolver_rig(account) as on:
        states = FakeStates()
        yield Site(on, eye4_rig(files=on.files, states=states), states)


# ─── A message whose alarm never comes ────────────────────────────────────────────────────────────────────────────────


def test_a_message_without_an_alarm_begins_to_wait_for_it(site: Site) -> None:
    """Protocol B4: the message was a row for 35 days, and no event."""
    site.push()

    (begun,) = site.begun
    assert (begun.recording, begun.fileid, begun.alarm_id, begun.device) == (RECORDING, FILEID, None, None)
    assert begun.received_at == NOW
    assert begun.resolve_from == NOW + DAY
    assert site.on.events == []


def test_a_message_whose_alarm_did_not_come_within_a_day_is_resolved_and_told(site: Site) -> None:
    site.hold(IMAGE, VIDEO)
    site.push(region="cn-north")
    site.on.now += DAY

    assert site.follow_up() == ["available"]

    event, data = site.on.event, site.on.event["data"]
    assert (event["type"], data["kind"], data["recording_id"]) == ("gatehouse.media.v1", "available", FILEID)
    assert {"alarm_id", "device", "corrects"}.isdisjoint(data)
    assert "subject" not in event
    assert data["payload"]["resource"] == {"Key": FILEID, "region": "cn-north", "d009_id": "100047"}
    assert sorted(site.on.stored.values()) == sorted(map(site.on.cloud.content, site.on.cloud.names(FILEID)))
    assert data["occurred_at"] == data["received_at"] == "2026-07-01T12:00:00.000000Z"


def test_a_message_without_an_alarm_whose_film_is_not_there_is_told_of_too(site: Site) -> None:
    site.hold(there_from=None)
    site.push()
    site.on.now += DAY + timedelta(minutes=10)

    assert site.follow_up(waited=87_000) == ["missing"]
    assert site.on.event["data"]["reason"] == "not_found"


def test_a_message_whose_alarm_came_seconds_later_is_told_of_once_and_with_it(site: Site) -> None:
    site.hold(VIDEO)
    site.push()
    assert site.on.resolve() == "available"
    site.on.now += DAY

    assert site.follow_up() == ["taken"]
    assert site.on.event["data"]["alarm_id"] == "eye4-alarm"


def test_a_message_whose_alarms_flow_still_tries_is_left_to_it(site: Site) -> None:
    site.hold(there_from=None)
    site.push()
    with pytest.raises(NotThereYet):
        site.on.resolve(tried=0)
    site.on.now += DAY

    assert site.follow_up() == ["taken"]
    assert site.on.events == []


def test_a_message_whose_alarm_waits_under_another_of_its_ids_is_left_to_it(site: Site, account: Aws) -> None:
    site.push(field="d009_id")  # and another name in `key`
    account.dynamodb.update_item(
        TableName=PENDING,
        Key={"recording": {"S": "workshop/alarm_video.h264"}},
        UpdateExpression="SET alarm_id = :alarm",
        ExpressionAttributeValues={":alarm": {"S": "eye4-other"}},
    )
    site.on.now += DAY

    assert site.follow_up() == ["taken"]
    assert site.on.events == []


def test_an_alarm_that_comes_at_the_very_moment_is_not_overlooked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.hold(VIDEO)
    site.push()
    site.on.now += DAY
    read = site.on.files.read

    def read_and_then(key: str) -> pending.Row:
        found = read(key)
        site.on.files.taken(key, "eye4-alarm")
        return found

    monkeypatch.setattr(site.on.files, "read", read_and_then)
    with pytest.raises(NotThereYet):
        site.follow_up()
    assert site.on.events == []


def test_an_alarm_that_comes_after_its_recording_was_told_of_corrects_it(site: Site) -> None:
    site.hold(VIDEO)
    site.push()
    site.on.now += DAY
    site.follow_up()
    site.on.now += DAY

    assert site.on.resolve() == "available"

    first, second = (event["data"] for event in site.on.events)
    assert "alarm_id" not in first
    assert (second["alarm_id"], second["corrects"]) == ("eye4-alarm", site.on.events[0]["id"])
    assert site.on.resolve() == "available"
    assert len(site.on.events) == 2


def test_of_the_ids_in_a_message_the_one_in_a_fileids_form_is_resolved(site: Site) -> None:
    site.rig.send(eye4_push({"Key": f"d009%2F{FILEID}_1.h264", "d009_id": "film-20261125-7", "region": "cn"}))

    (begun,) = site.begun
    assert begun.recording == RECORDING
    assert len(begun.candidates) == len(set(begun.candidates)) == 3


def test_a_message_that_comes_twice_begins_one_wait(site: Site) -> None:
    site.push()
    site.on.now += timedelta(hours=1)
    site.push()
    site.push(region="another")

    assert len(site.begun) == 1


def test_a_message_that_is_waited_for_begins_nothing(site: Site, account: Aws) -> None:
    waits(account)
    site.push()

    assert site.states.ended == ["token"]
    assert site.begun == []


def test_a_wait_that_step_functions_does_not_begin_has_the_vendor_send_it_again(site: Site) -> None:
    for error in ("ThrottlingException", "hangs"):
        site.states.error = error
        assert site.rig.send(uploaded()).status == 503

    site.states.error = None
    site.push()
    assert len(site.begun) == 1


def test_an_orphan_of_a_customer_without_credentials_is_told_of(site: Site) -> None:
    site.push(guid="91d4b7e20c6f4a53a8f1c2e5d7b3960a")
    site.on.now += DAY

    assert site.follow_up() == ["missing"]
    assert (site.on.event["data"]["account"], site.on.event["data"]["reason"]) == ("harbour", "no_credentials")


# ─── What comes after something was said ──────────────────────────────────────────────────────────────────────────────


def test_a_film_that_comes_after_missing_was_said_is_told_by_an_event_that_corrects_it(site: Site) -> None:
    site.hold(there_from=None)
    assert site.resolve_alarm() == "missing"
    site.hold(IMAGE, VIDEO)
    site.on.now += timedelta(hours=2)
    site.push()

    assert site.follow_up() == ["available"]

    first, second = site.on.events
    assert (first["data"]["kind"], second["data"]["kind"]) == ("missing", "available")
    assert second["data"]["corrects"] == first["id"] != second["id"]
    assert "corrects" not in first["data"]
    for name in ("alarm_id", "recording_id", "device", "occurred_at"):
        assert second["data"][name] == first["data"][name]
    assert sorted(site.on.stored.values()) == sorted(map(site.on.cloud.content, site.on.cloud.names(FILEID)))


def test_a_film_that_comes_after_a_picture_was_said_to_be_part_of_it_corrects_that(site: Site) -> None:
    """Races E2."""
    site.hold(IMAGE)
    assert site.resolve_alarm() == "partial"
    site.hold(IMAGE, VIDEO)
    site.push()

    assert site.follow_up() == ["available"]
    first, second = site.on.events
    assert second["data"]["corrects"] == first["id"]
    assert [file["role"] for file in second["data"]["files"]] == ["image", "video"]
    assert set(site.on.cloud.fetched.values()) == {1}


def test_a_segment_that_comes_after_available_was_said_corrects_that(site: Site) -> None:
    site.hold(VIDEO)
    site.push()
    assert site.on.resolve() == "available"
    site.resolved = list(site.states.started)
    site.hold(VIDEO, VIDEO)
    site.push(region="another")

    assert site.follow_up() == ["available"]
    first, second = site.on.events
    assert second["data"]["corrects"] == first["id"]
    assert [len(event["data"]["files"]) for event in (first, second)] == [1, 2]


def test_each_correction_corrects_the_one_before(site: Site) -> None:
    site.hold(there_from=None)
    site.resolve_alarm()
    for number in (1, 2):
        site.hold(*[VIDEO] * number)
        site.push(region=str(number))
        site.follow_up()

    first, second, third = site.on.events
    assert (second["data"]["corrects"], third["data"]["corrects"]) == (first["id"], second["id"])


def test_a_message_that_comes_late_and_brings_nothing_new_is_told_of_by_nothing(site: Site) -> None:
    site.hold(VIDEO)
    assert site.resolve_alarm() == "available"
    site.push()

    assert site.follow_up() == ["available"]
    assert len(site.on.events) == 1
    assert set(site.on.cloud.fetched.values()) == {1}


def test_a_message_that_comes_late_to_a_recording_that_is_gone_makes_nothing_worse(site: Site) -> None:
    site.hold(VIDEO)
    site.resolve_alarm()
    site.hold(there_from=None)
    site.push()

    assert site.follow_up(waited=600) == ["missing"]
    assert [event["data"]["kind"] for event in site.on.events] == ["available"]


def test_a_late_message_that_comes_twice_is_looked_into_once(site: Site) -> None:
    site.hold(there_from=None)
    site.resolve_alarm()
    site.hold(VIDEO)
    site.push()
    site.push()
    assert len(site.begun) == 1
    site.follow_up()
    site.push()

    assert site.begun == []
    assert len(site.on.events) == 2


def test_a_message_that_was_known_when_it_was_told_is_looked_into_no_more(site: Site, account: Aws) -> None:
    waits(account)
    site.push()
    site.hold(VIDEO)
    site.on.resolve()
    site.states.error = "TaskTimedOut"
    site.push()

    assert site.begun == []


def test_a_late_message_whose_flow_does_not_begin_is_sent_again_and_looked_into(site: Site) -> None:
    site.hold(there_from=None)
    site.resolve_alarm()
    site.states.error = "ThrottlingException"
    assert site.rig.send(uploaded()).status == 503

    site.states.error = None
    site.push()
    assert len(site.begun) == 1


def test_a_message_that_comes_while_it_is_told_is_not_lost(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message finds neither a wait nor a report; so the resolver sees it in the row, and looks again."""
    site.hold(IMAGE)
    note_reported = site.on.files.note_reported

    def push_and_note(*arguments: Any) -> None:
        site.hold(IMAGE, VIDEO)
        site.push()
        monkeypatch.setattr(site.on.files, "note_reported", note_reported)
        note_reported(*arguments)

    monkeypatch.setattr(site.on.files, "note_reported", push_and_note)
    with pytest.raises(NotThereYet):
        site.resolve_alarm()

    assert site.begun == []  # an alarm's flow is at it
    assert site.resolve_alarm() == "available"
    assert len(site.on.events) == 1


def test_a_correction_is_one_although_its_process_dies_behind_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.hold(there_from=None)
    site.resolve_alarm()
    site.hold(VIDEO)
    site.push()

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(site.on.files, "note_reported", die)
        with pytest.raises(Killed):
            site.follow_up()

    assert site.follow_up() == ["available"]
    assert len(site.on.events) == 2


def test_what_was_to_be_told_and_was_not_is_told_as_it_is_now(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed between the row and the record: an event that was never published needs no correction."""
    site.hold(there_from=None)

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(site.on.store, "record", die)
        with pytest.raises(Killed):
            site.resolve_alarm()
    site.hold(VIDEO)

    assert site.resolve_alarm() == "available"
    assert "corrects" not in site.on.event["data"]
    site.push()
    site.follow_up()
    assert len(site.on.events) == 1


def test_two_flows_at_once_tell_one_correction(site: Site) -> None:
    site.hold(there_from=None)
    site.resolve_alarm()
    site.hold(VIDEO)
    site.push()
    site.push(region="another")

    assert len(site.begun) == 2
    assert site.follow_up() == ["available", "available"]
    assert len(site.on.events) == 2


# ─── Several rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_wait_ends_although_the_second_row_is_not_written(
    site: Site, account: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Races E3."""
    waits(account, "one")
    arrived = site.on.files.arrived

    def failing(key: str, resource: Any) -> pending.Row:
        if key != RECORDING:
            raise Unavailable("as told")
        return arrived(key, resource)

    monkeypatch.setattr(site.on.files, "arrived", failing)

    assert site.rig.send(uploaded(d009_id=OTHER)).status == 503
    assert site.states.ended == ["one"]


# ─── The picture of an alarm without a recording ──────────────────────────────────────────────────────────────────────


def _cover(url: str = COVER, **more: Any) -> Wanted:
    """The task of the flow for an alarm without a recording that has this picture."""
    rig = eye4_rig()
    rig.send(ring(None, cover=COVER, **more))
    return recording.of(rig.event).model_copy(update={"cover": url})


@pytest.mark.parametrize("action", ["100", "101", "177"])
def test_a_picture_that_can_be_copied_is_pending(action: str) -> None:
    rig = eye4_rig()
    rig.send(ring(None, cover=COVER, action=action))

    data = rig.event["data"]
    assert data["media"] == "pending"
    assert "recording_id" not in data
    assert data["links"][0]["url"] == COVER


@pytest.mark.parametrize(
    "cover",
    [
        "",
        "(null)",
        "-",
        "0",
        "https://alarm.example.com/1.jpg",
        "http://169.254.169.254/1.jpg",
        "http://eye4.cn.example.com/1.jpg",
        "http://a.eye4.cn@evil.example.com/1.jpg",
        "ftp://a.eye4.cn/1.jpg",
        "javascript:alert(1)",
        "http://[::1",
        "http://d013-3.oss-us-west-1.aliyuncs.com/1.jpg",
    ],
)
def test_nothing_is_pending_where_no_picture_can_be_copied(cover: str) -> None:
    rig = eye4_rig()
    rig.send(ring(None, cover=cover))

    assert "media" not in rig.event["data"]


def test_the_picture_of_an_alarm_with_a_recording_is_left_to_the_recording() -> None:
    rig = eye4_rig()
    rig.send(ring(cover=COVER))

    wanted = recording.of(rig.event)
    assert (wanted.cover, wanted.fileid) == (None, FILEID)


def test_a_picture_is_copied_and_told_of_with_its_alarm(site: Site) -> None:
    with web() as files:
        files.otherwise = said(b"\xff\xd8\xffa picture")
        site.on.own = files.url
        cover = _cover(f"{files.url}/alarm_image_1?e=1793703600", did="VSTC1")
        site.on.files.awaits_nothing(cover.recording, NOW)

        assert site.on.resolve(cover) == "available"

    data = site.on.event["data"]
    assert (data["alarm_id"], data["device"]) == (cover.alarm_id, "VSTC1")
    assert "recording_id" not in data
    (file,) = data["files"]
    assert (file["role"], file["copy"]["content_type"]) == ("cover", "image/jpeg")
    assert site.on.stored == {file["copy"]["key"]: b"\xff\xd8\xffa picture"}
    assert file["copy"]["key"].endswith(".jpg")
    assert file["link"]["expires_at"] == "2026-11-03T11:00:00.000000Z"
    assert site.on.cloud.asked == {}


def test_a_picture_that_is_not_there_is_tried_again_and_then_said_to_be_missing(site: Site) -> None:
    with web() as files:
        site.on.own = files.url
        cover = _cover(f"{files.url}/gone.jpg")
        with pytest.raises(NotThereYet):
            site.on.resolve(cover, tried=0)

        assert site.on.resolve(cover, waited=600) == "missing"
    assert [file["reason"] for file in site.on.event["data"]["files"]] == ["not_found"]


def test_a_picture_inside_of_a_network_is_not_called(site: Site) -> None:
    assert site.on.resolve(_cover("http://169.254.169.254/latest/meta-data/1.jpg")) == "missing"
    assert [file["reason"] for file in site.on.event["data"]["files"]] == ["host_not_allowed"]


def test_a_picture_is_told_of_once(site: Site) -> None:
    with web() as files:
        files.otherwise = said(b"picture")
        site.on.own = files.url
        cover = _cover(f"{files.url}/1.jpg")
        assert [site.on.resolve(cover) for _ in range(3)] == ["available"] * 3
        assert len(files.seen) == 1

    assert len(site.on.events) == 1


# ─── The row ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_told_of_a_hundred_files_is_small_in_the_row(site: Site, account: Aws) -> None:
    site.hold(*[File("video", 10)] * 100)
    site.on.resolve()

    assert len(row(account, RECORDING)["reported"]) < 4_000
    assert rows(account) == [RECORDING]


def test_the_function_says_how_a_flow_ended_that_was_not_needed(site: Site) -> None:
    site.push()
    site.on.files.taken(RECORDING, "eye4-alarm")
    (begun,) = site.begun
    asked = {"alarm": json.loads(begun.text), "since": NOW.isoformat()}

    assert resolve.handle(asked, site.on.resolver()) == {"status": "taken"}


@pytest.mark.parametrize("seconds", [5, 3_600, 604_800])
def test_the_wait_for_an_alarm_is_as_long_as_is_set_and_to_the_second(site: Site, seconds: float) -> None:
    site.rig = eye4_rig(files=site.on.files, states=site.states, alarm_wait=timedelta(seconds=seconds))
    site.on.now += timedelta(milliseconds=700)
    site.push()

    (begun,) = site.begun
    assert begun.resolve_from == NOW + timedelta(seconds=seconds)
    assert begun.received_at == site.on.now


def test_who_looks_again_after_an_orphans_end_waits_for_nothing(site: Site) -> None:
    site.push()
    site.follow_up()
    site.push(region="another")

    (begun,) = site.begun
    assert (begun.alarm_id, begun.resolve_from <= site.on.now) == (None, True)


def test_the_wait_of_a_recording_is_not_held_up_by_one_for_its_alarm(site: Site) -> None:
    assert wanted().alarm_id
    assert site.on.resolve() == "available"
