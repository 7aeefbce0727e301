"""Eye4's two messages in every order, or one of them never: each recording ends in exactly one `media` event."""

import hashlib
from collections.abc import Iterator
from typing import Any

from ops.simulators import Request, eye4
from ops.simulators.eye4 import File, Recording
from tests.e2e.conftest import Rig


def _alarm(rig: Rig, fileid: str | None, **more: Any) -> Request:
    return eye4.alarm(rig.stack.vendors["eye4"], rig.stack.api_url, fileid=fileid, **more)


def _resource(rig: Rig, fileid: str, **more: Any) -> Request:
    return eye4.resource(rig.stack.vendors["eye4"], rig.stack.api_url, fileid, **more)


def _taken(rig: Rig, *pushes: Request) -> None:
    assert [rig.send(push).status for push in pushes] == [200] * len(pushes)


def _of(rig: Rig, topic: str, fileid: str) -> list[dict[str, Any]]:
    return rig.events(
        lambda event: event["type"] == f"gatehouse.{topic}.v1" and event["data"].get("recording_id") == fileid
    )


def _media(rig: Rig, fileid: str) -> dict[str, Any]:
    """The media event of a recording, once its flow is over."""
    rig.until(lambda: _of(rig, "media", fileid))
    (event,) = _of(rig, "media", fileid)
    assert len(rig.received[event["id"]]) == 1
    return event


def _is_whole(rig: Rig, event: dict[str, Any]) -> bool:
    """Checks that it is available, of an announced alarm, and that our copies are the cloud's, in its order."""
    data = event["data"]
    alarms = {alarm["id"] for alarm in _of(rig, "alarm", data["recording_id"])}
    names = rig.cloud.names(data["recording_id"])
    copied = [_content(rig, file) for file in data["files"]]
    return (
        data["kind"] == "available"
        and data["alarm_id"] in alarms
        and copied == [rig.cloud.content(name) for name in names]
        and all(file["link"]["expires_at"] for file in data["files"])
    )


def _content(rig: Rig, file: dict[str, Any]) -> bytes:
    copy = file["copy"]
    body: bytes = rig.stack.client("s3").get_object(Bucket=copy["bucket"], Key=copy["key"])["Body"].read()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (copy["size"], copy["sha256"])
    return body


def _row(rig: Rig, fileid: str) -> dict[str, Any]:
    """The row of a recording, by the names of the table's attributes."""
    items = rig.stack.client("dynamodb").scan(TableName=rig.stack.tables["pendingfiles"])["Items"]
    found: Iterator[dict[str, Any]] = (item for item in items if item["recording"]["S"].endswith(f"/{fileid}"))
    return next(found, {})


def _until_waiting(rig: Rig, fileid: str) -> None:
    """Until the flow has left its token."""
    rig.until(lambda: "task_token" in _row(rig, fileid))


def test_the_resource_message_ends_the_wait(rig: Rig) -> None:
    fileid = eye4.new_fileid()
    _taken(rig, _alarm(rig, fileid))
    (alarm,) = rig.until(lambda: _of(rig, "alarm", fileid))
    assert alarm["data"]["media"] == "pending"
    _until_waiting(rig, fileid)

    _taken(rig, _resource(rig, fileid))

    event = _media(rig, fileid)
    assert _is_whole(rig, event)
    assert event["data"]["alarm_id"] == alarm["id"]
    assert event["data"]["payload"]["resource"]["Key"] == fileid


def test_a_resource_message_before_its_alarm_is_kept_until_it_comes(rig: Rig) -> None:
    fileid = eye4.new_fileid()
    _taken(rig, _resource(rig, fileid, field="d009_id"))
    assert "arrived_at" in _row(rig, fileid)
    assert rig.cloud.asked[fileid] == 0

    _taken(rig, _alarm(rig, fileid, as_text=True))

    assert _is_whole(rig, _media(rig, fileid))


def test_a_resource_message_that_comes_twice_changes_nothing(rig: Rig) -> None:
    fileid = eye4.new_fileid()
    _taken(rig, _alarm(rig, fileid))
    _until_waiting(rig, fileid)

    _taken(rig, _resource(rig, fileid, field="key"), _resource(rig, fileid, field="key"))
    event = _media(rig, fileid)
    _taken(rig, _resource(rig, fileid, field="key"))

    assert _is_whole(rig, event)
    rig.until(lambda: rig.running_flows() == 0, 90)
    rig.read_dry()
    assert _media(rig, fileid) == event


def test_a_recording_is_resolved_when_its_resource_message_never_comes_and_when_it_comes_too_late(rig: Rig) -> None:
    never, late = eye4.new_fileid(), eye4.new_fileid()
    _taken(rig, _alarm(rig, never), _alarm(rig, late))
    events = [_media(rig, never), _media(rig, late)]

    _taken(rig, _resource(rig, late))

    assert all(_is_whole(rig, event) for event in events)
    assert [event["data"]["payload"]["resource"] for event in events] == [None, None]
    rig.until(lambda: rig.running_flows() == 0, 90)
    rig.read_dry()
    assert _media(rig, late) == events[1]


def test_two_alarms_with_one_recording_are_two_alarms_and_one_media_event(rig: Rig) -> None:
    fileid = eye4.new_fileid()
    _taken(rig, _alarm(rig, fileid), _resource(rig, fileid), _alarm(rig, fileid, did="VSTC654321EDCBA"))

    event = _media(rig, fileid)
    rig.until(lambda: len(_of(rig, "alarm", fileid)) == 2)
    rig.until(lambda: rig.running_flows() == 0, 90)
    rig.read_dry()

    assert _is_whole(rig, event)
    assert _media(rig, fileid) == event


def test_a_low_battery_starts_no_flow(rig: Rig) -> None:
    flows = rig.flows()
    fileid = eye4.new_fileid()
    quiet = {"VSTC000001LOWBA", "VSTC000002LOWBA"}

    _taken(rig, *(_alarm(rig, told, action="101", did=did) for told, did in zip((fileid, None), quiet, strict=True)))

    rig.until(lambda: len(rig.events(lambda event: event["data"].get("device") in quiet)) >= 2)
    # One that does start shows that the other two had their time.
    after = eye4.new_fileid()
    _taken(rig, _alarm(rig, after))
    _until_waiting(rig, after)
    _taken(rig, _resource(rig, after))
    _media(rig, after)
    assert rig.flows() == flows + 1


def test_what_is_not_there_at_once_is_asked_for_again_and_what_never_comes_is_said_to_be_missing(rig: Rig) -> None:
    later, never = eye4.new_fileid(), eye4.new_fileid()
    rig.cloud.hold(later, Recording((File("image"), File()), there_from=3))
    rig.cloud.hold(never, Recording(there_from=None))

    _taken(rig, *(push(rig, fileid) for fileid in (later, never) for push in (_resource, _alarm)))

    assert _is_whole(rig, _media(rig, later))
    missing = _media(rig, never)["data"]
    assert (missing["kind"], missing["reason"], missing["files"]) == ("missing", "not_found", [])


def test_hostile_links_are_refused_and_reported_and_the_rest_is_copied(rig: Rig) -> None:
    """Links that lead inside, and files that are too large: whatever the vendor's answer says."""
    fileid = eye4.new_fileid()
    rig.cloud.hold(
        fileid, Recording((File("image"), File(size=3_000_000_000), File(size=3_000_000_000, with_length=False)))
    )
    image, huge, endless = (rig.cloud.link(name) for name in rig.cloud.names(fileid))
    inside = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    redirects = []
    for target in (inside, "http://127.0.0.1/secret"):
        by_redirect = eye4.new_fileid()
        rig.cloud.hold(by_redirect, Recording((File(location=target),)))
        redirects += [rig.cloud.link(name) for name in rig.cloud.names(by_redirect)]
    hostile = [inside, "http://127.0.0.1/", "http://localhost/", *redirects]
    listed = [image, *hostile, huge, endless]
    entries = [{"file_name": link, "file_Type": "video"} for link in listed]
    asking = eye4.new_fileid()
    rig.cloud.hold(asking, Recording(entries=entries))

    _taken(rig, _resource(rig, asking), _alarm(rig, asking))

    data = _media(rig, asking)["data"]
    assert data["kind"] == "partial"
    assert [entry["file_name"] for entry in data["payload"]["files"]] == listed
    # No subscriber is sent to an address that we refuse.
    assert [file.get("link", {}).get("url") for file in data["files"]] == [image, *[None] * len(hostile), huge, endless]
    assert [file.get("reason") for file in data["files"]] == [
        None,
        *["host_not_allowed"] * len(hostile),
        "too_large",
        "too_large",
    ]
    assert [file["status"] for file in data["files"]] == ["available", *["missing"] * (len(listed) - 1)]
    assert _content(rig, data["files"][0]) == rig.cloud.content(image)
