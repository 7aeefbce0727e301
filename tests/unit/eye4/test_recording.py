"""The task of a flow: the fields of the alarm, and the name of the execution."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.eye4 import pending, recording
from functions.eye4.pending import KEPT
from functions.eye4.recording import Wanted
from tests.builders import NOW
from tests.vendors.eye4 import FILEID, eye4_rig, ring


def _event(**more: Any) -> dict[str, Any]:
    """An alarm's event, as it was announced."""
    rig = eye4_rig()
    rig.send(ring(**more))
    return rig.event


@pytest.mark.parametrize("key", [f"workshop/{FILEID}", "a/b", "workshop/" + "é/ *?" * 100, "设备/设备", "a/", "/"])
def test_a_name_is_one_that_step_functions_takes_and_always_the_same(key: str) -> None:
    name = recording.name(key)

    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", name)
    assert recording.name(key) == name


def test_a_name_begins_with_the_fileid_for_people() -> None:
    assert recording.name(f"workshop/{FILEID}").startswith(f"{FILEID}-")


def test_recordings_that_look_alike_have_other_names() -> None:
    keys = [
        f"a/{FILEID}",
        f"b/{FILEID}",
        "a/x-y",
        "a/xy",
        "a/x.y",
        "ax/y",
        "a/xy/",
        "a/" + "x" * 41,
        "a/" + "x" * 42,
    ]

    assert len({recording.name(key) for key in keys}) == len(keys)


def test_what_the_flow_is_told_of_time_is_aware_and_the_alarms_own() -> None:
    wanted = recording.of(_event())

    assert wanted.received_at == NOW
    assert datetime.fromtimestamp(int(wanted.expires_at), UTC) - NOW == KEPT > timedelta(days=30)


def test_the_fileid_is_asked_for_as_it_came_and_its_row_is_found_whatever_its_case() -> None:
    wanted = recording.of(_event(fileid=FILEID.upper()))

    assert wanted.fileid == FILEID.upper()
    assert wanted.recording == pending.key("workshop", FILEID)


def test_an_alarm_of_which_nothing_is_to_come_is_none() -> None:
    with pytest.raises(KeyError):
        recording.of(_event(fileid=None, cover=""))


def test_an_alarm_without_a_recording_has_its_cover_in_a_row_of_its_own() -> None:
    event = _event(fileid=None, cover="http://alarm-vstc.eye4.cn/1.jpg?e=1")
    wanted = recording.of(event)

    assert (wanted.cover, wanted.fileid) == ("http://alarm-vstc.eye4.cn/1.jpg?e=1", None)
    assert (wanted.recording, wanted.alarm_id) == (f"cover of/{event['id']}", event["id"])
    assert recording.name(wanted.recording).startswith(event["id"].replace("-", ""))


def test_no_customers_recording_has_the_row_of_a_cover() -> None:
    assert pending.key("cover of", "eye4-1") != pending.cover_key("eye4-1")


def test_a_message_without_an_alarm_is_about_the_likeliest_of_its_ids() -> None:
    wanted = recording.orphan("workshop", ["film.h264", FILEID, "100047"], NOW, timedelta(days=1))

    assert (wanted.recording, wanted.fileid, wanted.alarm_id) == (f"workshop/{FILEID}", FILEID, None)
    assert wanted.candidates == ("workshop/film.h264", f"workshop/{FILEID}", "workshop/100047")
    assert (wanted.occurred_at, wanted.received_at) == (NOW, NOW)
    assert Wanted.model_validate_json(wanted.text) == wanted


def test_a_further_flow_of_a_recording_has_another_name() -> None:
    names = {recording.name("workshop/a", *also) for also in ((), ("alone",), ("d1",), ("d2",), ("d1", "d2"))}

    assert len(names) == 5
    assert all(re.fullmatch(r"[0-9A-Za-z_-]{1,80}", name) for name in names)
