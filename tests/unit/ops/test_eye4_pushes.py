"""The simulated doorbells: what they push, and in which order their recordings follow."""

import gzip
import json
import re
from itertools import islice
from typing import Any
from urllib.parse import unquote

import pytest

from ops.simulators import Request, eye4

_API = "http://api.test"
_APP = {"guid": "a" * 32}
_APPS = {"eye4": _APP}
_FILEID = "f991d9064ac71fad6a9fae22d17a4aab9f5b264d"


def _body(push: Request) -> Any:
    """The content of a push, in whichever style it is written."""
    body = gzip.decompress(push.body) if "content-encoding" in push.headers else push.body
    return json.loads(body.decode("utf-8-sig").rstrip("\0"))


def _fileid(push: Request) -> str | None:
    """The recording that a push is about."""
    body = _body(push)
    if push.url.endswith(eye4.ALARMS):
        payload = body["payload"]
        while isinstance(payload, str):
            payload = json.loads(payload)
        fileid = payload.get("fileid", "")
        return fileid if re.search("[1-9a-f]", fileid) and len(fileid) == 40 else None
    (found,) = re.findall("[0-9a-f]{40}", unquote(" ".join(body.values())))
    return str(found)


def _told(callbacks: str, pushes: int) -> str:
    """The pushes in short: each push a letter by its recording, capital for the alarm, `-` for an alarm without one."""
    letters: dict[str, str] = {}
    told = ""
    for push in islice(eye4.pushes(_APPS, _API, callbacks=callbacks), pushes):
        fileid = _fileid(push)
        if fileid is None:
            told += "-"
            continue
        letter = letters.setdefault(fileid, chr(ord("a") + len(letters)))
        told += letter.upper() if push.url.endswith(eye4.ALARMS) else letter
    return told


@pytest.mark.parametrize(
    ("callbacks", "told"),
    [
        ("usual", "AaBb-CcDd-"),
        ("early", "aAbB-cCdD-"),
        ("late", "AB-CD-aEbFcG-d"),
        ("lost", "AB-CD-EFG-"),
        ("doubled", "AaaBbb-Ccc"),
        ("mixed", "AabB-CD-EeeFfcgG-"),
    ],
)
def test_the_resource_messages_come_when_the_switch_says(callbacks: str, told: str) -> None:
    assert _told(callbacks, len(told)) == told


def test_the_pushes_are_mixed_unless_it_is_said_and_takes_the_other_options() -> None:
    pushes = eye4.pushes(_APPS, _API, api_url="http://cloud.test", wait=5)

    assert [_fileid(push) is None for push in islice(pushes, 5)] == [False, False, False, False, True]


def test_an_unknown_switch_is_refused() -> None:
    with pytest.raises(ValueError, match="never"):
        next(eye4.pushes(_APPS, _API, callbacks="never"))


def test_the_first_five_of_mixed_pushes_cause_five_events() -> None:
    pushes = list(islice(eye4.pushes(_APPS, _API), 5))

    alarms = [push for push in pushes if push.url == _API + eye4.ALARMS]
    recordings = {_fileid(push) for push in alarms} - {None}
    uploaded = {_fileid(push) for push in pushes if push.url == _API + eye4.RESOURCES}
    assert len(alarms) + len(recordings) == 5
    assert uploaded == recordings


def test_two_streams_of_pushes_have_nothing_in_common() -> None:
    first, second = ({push.body for push in islice(eye4.pushes(_APPS, _API), 50)} for _ in range(2))
    assert not first & second


def test_a_doubled_message_is_the_same_to_the_byte() -> None:
    _, message, again = islice(eye4.pushes(_APPS, _API, callbacks="doubled"), 3)
    assert message == again


def test_an_alarm_is_as_in_the_document() -> None:
    push = eye4.alarm(_APP, _API, fileid=_FILEID, did="VSTC000001AAAAA", electricity="64", cover="https://c.test/1.jpg")

    assert push.method == "POST"
    assert push.url == f"{_API}/v1/eye4/alarms"
    assert push.headers == {"guid": _APP["guid"], "content-type": "application/json"}
    assert _body(push) == {
        "type": "doorbell",
        "action": "100",
        "did": "VSTC000001AAAAA",
        "cover": "https://c.test/1.jpg",
        "payload": {"electricity": "64", "fileid": _FILEID, "cover": "https://c.test/1.jpg"},
    }


def test_an_alarms_payload_may_be_text() -> None:
    plain, text = (_body(eye4.alarm(_APP, _API, fileid=_FILEID, as_text=as_text)) for as_text in (False, True))
    assert json.loads(text["payload"]) == plain["payload"]


def test_an_alarms_payload_may_be_text_in_text() -> None:
    body = _body(eye4.alarm(_APP, _API, fileid=_FILEID, as_text=2))
    assert json.loads(json.loads(body["payload"]))["fileid"] == _FILEID


@pytest.mark.parametrize("style", eye4.Style)
def test_a_push_says_the_same_in_every_style(style: eye4.Style) -> None:
    assert _body(eye4.alarm(_APP, _API, fileid=_FILEID, style=style)) == _body(eye4.alarm(_APP, _API, fileid=_FILEID))


def test_the_pushes_have_older_and_newer_forms_side_by_side() -> None:
    pushes = list(islice(eye4.pushes(_APPS, _API), 60))
    alarms = [_body(push) for push in pushes if push.url == _API + eye4.ALARMS]

    assert {type(body["action"]) for body in alarms} == {str, int, float}
    assert {type(body["payload"]) for body in alarms} == {str, dict}
    assert {body["type"] for body in alarms} == {"doorbell", "door"}
    assert {push.body[:1] for push in pushes} == {b"{", b"\xef", b"\x1f"}
    assert any(push.body.endswith(b"\0") for push in pushes)
    assert any("%2F" in str(_body(push)) for push in pushes)


def test_an_alarm_without_a_recording_has_no_fileid() -> None:
    body = _body(eye4.alarm(_APP, _API, fileid=None, action="101"))
    assert body["payload"].keys() == {"electricity", "cover"}
    assert body["action"] == "101"


@pytest.mark.parametrize("field", ["Key", "key", "d009_id"])
def test_one_field_of_a_resource_message_holds_the_fileid(field: eye4.Field) -> None:
    push = eye4.resource(_APP, _API, _FILEID, field=field, region="eu", d009_id="7")

    body = _body(push)
    assert push.url == f"{_API}/v1/eye4/resources"
    assert push.headers["guid"] == _APP["guid"]
    assert [name for name, value in body.items() if value == _FILEID] == [field]
    assert body["region"] == "eu"
    assert "d009_id" in body


def test_every_customer_has_credentials_of_its_own() -> None:
    first, second = (eye4.new_accounts() for _ in range(2))

    assert first.apps != second.apps
    (customer,) = first.secret["accounts"]
    (other,) = second.secret["accounts"]
    assert customer["guids"] == [first.apps["eye4"]["guid"]]
    assert customer["api"].keys() == {"userid", "authkey"}
    assert customer["api"] != other["api"]
