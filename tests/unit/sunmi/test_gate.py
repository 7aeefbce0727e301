"""The way through the gate, by SUNMI's pushes: a rotated key, AWS not well, and odd payloads."""

from typing import Any

import pytest

from functions.sunmi.wire import Accounts as SunmiAccounts
from gatehouse.settings import Announce
from gatehouse.telemetry import Count
from ops.simulators import sunmi as simulator
from tests.builders import NOW, URL, seconds
from tests.fakes import Killed, UnmarkableStore
from tests.output import Output
from tests.rig import Rig
from tests.styles import ODD
from tests.vendors.sunmi import FACE, SUNMI, face_push, sunmi_rig


def test_in_announce_mode_stream_a_push_is_recorded_and_not_published(output: Output) -> None:
    rig = sunmi_rig(announce=Announce.STREAM)

    assert rig.send(face_push()).status == 200
    assert list(rig.store.announce.values()) == ["stream"]
    assert not rig.topics.messages
    assert not rig.store.published
    assert output.counted == {Count.RECORDED: 1}


def test_when_the_topics_are_down_the_record_stays_pending_for_the_relay(sunmi: Rig[Any], output: Output) -> None:
    sunmi.topics.down = True

    assert sunmi.send(face_push()).status == 200
    (record_id,) = sunmi.store.records
    assert sunmi.store.pending([record_id]) == {record_id}
    assert not sunmi.spill.messages
    assert output.counted == {Count.RECORDED: 1, Count.LEFT_TO_RELAY: 1}


def test_when_the_mark_fails_the_push_is_acknowledged_and_stays_pending(sunmi: Rig[Any], output: Output) -> None:
    sunmi.store = UnmarkableStore()

    assert sunmi.send(face_push()).status == 200
    assert len(sunmi.published) == 1
    assert sunmi.store.pending(list(sunmi.store.records)) == set(sunmi.store.records)
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}
    assert [line["message"] for line in output.logged] == ["published, but not marked so"]


def test_nothing_of_ours_catches_the_death_of_the_process(sunmi: Rig[Any]) -> None:
    sunmi.topics.die = True
    with pytest.raises(Killed):
        sunmi.send(face_push())

    sunmi.topics.die = False
    sunmi.store.die_on_mark = True
    with pytest.raises(Killed):
        sunmi.send(face_push(nonce="N2"))


def test_a_push_signed_with_a_secret_that_was_rotated_a_moment_ago_is_accepted(sunmi: Rig[Any]) -> None:
    new = {**SUNMI, "app_key": "the new key"}
    push = simulator.request(new, URL, 2001, FACE, at=NOW.timestamp())
    assert sunmi.send(push).status == 401

    sunmi.accounts.rotated = SunmiAccounts.model_validate(
        {"accounts": [{"app_id": SUNMI["app_id"], "app_keys": ["the new key"]}]}
    )
    assert sunmi.send(push).status == 200
    assert len(sunmi.stored) == 1


def test_a_push_that_is_wrong_by_the_rotated_secret_too_is_refused(sunmi: Rig[Any]) -> None:
    sunmi.accounts.rotated = SunmiAccounts.model_validate({"accounts": []})

    assert sunmi.send(face_push(), at=NOW).status == 200
    assert sunmi.accounts.rotated is not None

    forged = simulator.request({**SUNMI, "app_key": "forged"}, URL, 2001, FACE, at=NOW.timestamp())
    assert sunmi.send(forged).reason == "unknown_account"
    assert sunmi.accounts.rotated is None


def test_a_stale_push_does_not_read_the_secret_again(sunmi: Rig[Any]) -> None:
    sunmi.accounts.rotated = SunmiAccounts.model_validate({"accounts": []})

    assert sunmi.send(face_push(), at=NOW + seconds(86_401)).reason == "stale"
    assert sunmi.accounts.rotated is not None


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("event", [1010, 1100, 2001, 4100, 9999])
def test_a_signed_sunmi_push_that_holds_something_odd_is_kept_and_acknowledged(
    sunmi: Rig[Any], event: int, odd: str
) -> None:
    for number, payload in enumerate((odd, f'{{"face_id":{odd},"code":{odd},"sn":{odd}}}')):
        assert sunmi.send(face_push(payload, event=event, nonce=str(number))).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 2
