"""A night with hundreds of rings, and a vendor in trouble: each recording is announced once, and whole."""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gatehouse.settings import Announce
from ops import local
from ops.simulators import Request, eye4
from ops.simulators.eye4 import Cloud, Faults
from tests.e2e.conftest import Rig

_RINGS = int(os.environ.get("RINGS", "60"))
"""`make storm` has five hundred."""
_ALARM_WAIT = 180 if _RINGS <= 60 else 600
"""Seconds that a resource message waits for its alarm: twice as long as the busy emulator takes for all the flows."""
_SEED = 20261122
_SHARE = 0.2
"""Of the resource messages that are lost, of the pushes that come twice, of the calls to the vendor that fail."""


@pytest.fixture
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack of its own, whose vendor has a bad day."""
    folder = tmp_path_factory.mktemp("storm")
    with (
        Cloud(faults=Faults(_SEED, _SHARE)).serving() as cloud,
        local.running(
            Announce.INLINE, folder, {"eye4": {"api_url": cloud.url, "wait": 5, "alarm_wait": _ALARM_WAIT}}
        ) as stack,
    ):
        yield Rig(stack, Announce.INLINE, local.subscribed_queue(stack, "storm", list(stack.topics.values())), cloud)


def _pushes(rig: Rig, fileids: list[str], chance: random.Random) -> list[Request]:
    """Alarms and resource messages in random order; some of them are lost, some come twice."""
    app, api_url = rig.stack.vendors["eye4"], rig.stack.api_url
    alarms = [eye4.alarm(app, api_url, fileid=fileid, as_text=chance.random() < 0.5) for fileid in fileids]
    resources = [
        eye4.resource(app, api_url, fileid, field=chance.choice(("Key", "key", "d009_id")))
        for fileid in fileids
        if chance.random() >= _SHARE
    ]
    pushes = [*alarms, *resources]
    pushes += [push for push in pushes if chance.random() < _SHARE]
    chance.shuffle(pushes)
    return pushes


def test_each_of_many_recordings_is_announced_once_and_whole(stormy: Rig) -> None:
    fileids = [eye4.new_fileid() for _ in range(_RINGS)]
    pushes = _pushes(stormy, fileids, random.Random(_SEED))

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(answer.status for answer in pool.map(stormy.send, pushes))

    assert answers == {200: len(pushes)}
    stormy.until(lambda: len(_media(stormy)) >= _RINGS, patience=600)
    # Those too that waited for an alarm which had come after all: they have nothing to tell.
    stormy.until(lambda: stormy.running_flows() == 0, patience=_ALARM_WAIT + 120)
    stormy.read_dry()
    assert sorted(event["data"]["recording_id"] for event in _media(stormy)) == sorted(fileids)
    assert [event_id for event_id, messages in stormy.received.items() if len(messages) > 1] == []
    assert stormy.count_records() == len(stormy.received) == 2 * _RINGS
    assert [event["data"]["kind"] for event in _media(stormy)] == ["available"] * _RINGS
    assert [event["id"] for event in _media(stormy) if not _is_right(stormy, event)] == []


def _media(rig: Rig) -> list[dict[str, Any]]:
    return rig.events(lambda event: event["type"] == "gatehouse.media.v1")


def _is_right(rig: Rig, event: dict[str, Any]) -> bool:
    """Checks that it is of its alarm, and that its copies are the cloud's, in its order."""
    data = event["data"]
    (alarm,) = rig.received[data["alarm_id"]]
    contents = [rig.cloud.content(name) for name in rig.cloud.names(data["recording_id"])]
    return alarm["event"]["data"]["recording_id"] == data["recording_id"] and [
        (file["copy"]["size"], file["copy"]["sha256"]) for file in data["files"]
    ] == [(len(content), hashlib.sha256(content).hexdigest()) for content in contents]
