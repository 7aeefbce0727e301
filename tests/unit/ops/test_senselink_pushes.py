"""The simulated pushes of SenseLink: newer and older forms side by side, in the documented names."""

import json
from itertools import islice
from typing import Any

from ops.simulators import senselink
from tests.builders import NOW
from tests.vendors.senselink import senselink_rig

_ROUND = 12
_APPS = {"senselink": {"token": "north-one-0123456789abcdef", "app_key": "k", "app_secret": "s"}}


def _bodies() -> list[dict[str, Any]]:
    pushes = islice(senselink.pushes(_APPS, "http://api.test"), _ROUND)
    return [json.loads(push.body.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")) for push in pushes]


def test_an_older_push_has_the_names_of_version_2_2_0() -> None:
    fields = senselink.older(senselink.record(1))

    assert {"deviceSN", "userName", "userType", "groupId", "groupName", "originAvatar", "signAvatar"} <= set(fields)
    assert not {"sn", "name", "type", "groups", "avatar"} & set(fields)


def test_a_row_of_the_list_has_the_lists_names() -> None:
    row = senselink.row(senselink.record(1))
    listed = {
        "device_ldid",
        "user_name",
        "user_type",
        "user_id",
        "capture_picture",
        "capture_bg_picture",
        "group_id",
        "group_name",
        "groups",
        "job_number",
        "user_ic_number",
        "user_id_number",
        "sign_time",
        "sign_time_zone",
        "entry_mode",
        "abnormal_type",
    }

    assert listed <= set(row)
    assert not {"sn", "name", "type", "sign_avatar", "sign_bg_avatar", "ic_number", "id_number"} & set(row)
    assert {"deviceLdid", "userName", "capturePicture", "userIcNumber"} <= set(
        senselink.row(senselink.record(1), camel=True)
    )


def test_a_day_has_newer_and_older_forms_side_by_side() -> None:
    spelled = {name for body in _bodies() for name in body["data"]}

    assert {"sn", "deviceSN", "device_ldid", "deviceLdid", "groups", "groupId", "group_id", "docPhoto"} <= spelled
    assert {type(body["eventType"]) for body in _bodies()} == {int, str}


def test_nothing_of_a_day_is_unmapped_but_what_no_page_knows() -> None:
    rig = senselink_rig()
    for push in islice(senselink.pushes(_APPS, "http://api.test"), 2 * _ROUND):
        assert rig.send(push, NOW).status == 200

    unmapped = [event for event in rig.stored if event["data"]["kind"] == "unmapped"]
    assert [event["data"]["payload"]["eventType"] for event in unmapped] == [30200, 30200]
    assert len(rig.stored) == 2 * (_ROUND - 1)  # a sign of life is no event
    kinds = {event["data"]["kind"] for event in rig.stored}
    assert {"staff", "visitor", "stranger", "blocklisted", "held_open"} <= kinds


def test_the_states_of_an_alarm_have_one_beginning() -> None:
    rig = senselink_rig()
    for push in islice(senselink.pushes(_APPS, "http://api.test"), _ROUND):
        rig.send(push, NOW)

    alarms = [event["data"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]
    assert {alarm["state"] for alarm in alarms} == {"raised", "releasing", "released"}
    assert len({(alarm["raised_at"], alarm["trace_id"]) for alarm in alarms}) == 1
