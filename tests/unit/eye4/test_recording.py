"""A recording as the flow hands it on: what its alarm says of it, and the name of its execution."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.eye4 import pending, recording
from functions.eye4.pending import KEPT
from tests.builders import FILEID, NOW, eye4_house, ring


def _event(**more: Any) -> dict[str, Any]:
    """An alarm's event, as it was announced."""
    house = eye4_house()
    house.send(ring(**more))
    return house.event


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


def test_an_alarm_without_a_recording_is_none() -> None:
    with pytest.raises(KeyError):
        recording.of(_event(fileid=None))
