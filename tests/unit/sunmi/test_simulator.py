"""A simulated day at SUNMI: every form in it is understood."""

from datetime import UTC, datetime
from itertools import islice

from ops.simulators import sunmi as simulator
from tests.builders import URL
from tests.vendors.sunmi import sunmi_rig


def test_a_day_shows_older_newer_and_odd_forms_and_none_is_unmapped() -> None:
    accounts = simulator.new_accounts()
    rig = sunmi_rig(accounts.secret)
    pushes = list(islice(simulator.pushes(accounts.apps, URL), 64))
    for push in pushes:
        assert rig.send(push, datetime.now(UTC)).status == 200

    data = [event["data"] for event in rig.stored]
    assert len(data) == len(pushes)
    assert {event["kind"] for event in data if "code" in event or "reference" in event} == {
        "face_registered",
        "price_changed",
        "receipt",
    }
    assert {event["type"] for event in rig.stored} == {
        "gatehouse.alarm.v1",
        "gatehouse.notice.v1",
        "gatehouse.recognition.v1",
    }
    assert {event["code"] for event in data if event["kind"] == "receipt"} == {6001, 6002, 6003, 6004}
    assert {event["site"] for event in data} == {"10096", "470826116009", "M&S-12"}
    assert {event["device"] for event in data if "device" in event} == {"29388", "N302D9WZC0064"}
    assert len(rig.media.pictures) == 4
