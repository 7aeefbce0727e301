"""Eye4's two messages in every order, or one of them never: each recording ends in exactly one `media` event."""

import hashlib
from collections.abc import Iterator
from typing import Any

from ops.simulators import Request, eye4
from ops.simulators.eye4 import File, Recording
from tests.e2e.conftest import Site


def _alarm(site: Site, fileid: str | None, **more: Any) -> Request:
    return eye4.alarm(site.stack.vendors["eye4"], site.stack.api_url, fileid=fileid, **more)


def _resource(site: Site, fileid: str, **more: Any) -> Request:
    return eye4.resource(site.stack.vendors["eye4"], site.stack.api_url, fileid, **more)


def _taken(site: Site, *pushes: Request) -> None:
    assert [site.send(push).status for push in pushes] == [200] * len(pushes)


def _of(site: Site, topic: str, fileid: str) -> list[dict[str, Any]]:
    return site.events(
        lambda event: event["type"] == f"gatehouse.{topic}.v1" and event["data"].get("recording_id") == fileid
    )


def _media(site: Site, fileid: str) -> dict[str, Any]:
    """The media event of a recording, once its flow is over."""
    site.until(lambda: _of(site, "media", fileid))
    (event,) = _of(site, "media", fileid)
    assert len(site.received[event["id"]]) == 1
    return event


def _is_whole(site: Site, event: dict[str, Any]) -> bool:
    """Whether it is available, of an alarm that was announced, and our copies are what the cloud has, in its order."""
    data = event["data"]
    alarms = {alarm["id"] for alarm in _of(site, "alarm", data["recording_id"])}
    names = site.cloud.names(data["recording_id"])
    copied = [_content(site, file) for file in data["files"]]
    return (
        data["kind"] == "available"
        and data["alarm_id"] in alarms
        and copied == [site.cloud.content(name) for name in names]
        and all(file["link"]["expires_at"] for file in data["files"])
    )


def _content(site: Site, file: dict[str, Any]) -> bytes:
    copy = file["copy"]
    body: bytes = site.stack.client("s3").get_object(Bucket=copy["bucket"], Key=copy["key"])["Body"].read()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (copy["size"], copy["sha256"])
    return body


def _row(site: Site, fileid: str) -> dict[str, Any]:
    """What is known of a recording, by the names of the table's attributes."""
    items = site.stack.client("dynamodb").scan(TableName=site.stack.tables["pendingfiles"])["Items"]
    found: Iterator[dict[str, Any]] = (item for item in items if item["recording"]["S"].endswith(f"/{fileid}"))
    return next(found, {})


def _until_waiting(site: Site, fileid: str) -> None:
    """Until the flow has left its token."""
    site.until(lambda: "task_token" in _row(site, fileid))


def test_the_resource_message_ends_the_wait(site: Site) -> None:
    fileid = eye4.new_fileid()
    _taken(site, _alarm(site, fileid))
    (alarm,) = site.until(lambda: _of(site, "alarm", fileid))
    assert alarm["data"]["media"] == "pending"
    _until_waiting(site, fileid)

    _taken(site, _resource(site, fileid))

    event = _media(site, fileid)
    assert _is_whole(site, event)
    assert event["data"]["alarm_id"] == alarm["id"]
    assert event["data"]["payload"]["resource"]["Key"] == fileid


def test_a_resource_message_before_its_alarm_is_kept_until_it_comes(site: Site) -> None:
    fileid = eye4.new_fileid()
    _taken(site, _resource(site, fileid, field="d009_id"))
    assert "arrived_at" in _row(site, fileid)
    assert site.cloud.asked[fileid] == 0

    _taken(site, _alarm(site, fileid, as_text=True))

    assert _is_whole(site, _media(site, fileid))


def test_a_resource_message_that_comes_twice_changes_nothing(site: Site) -> None:
    fileid = eye4.new_fileid()
    _taken(site, _alarm(site, fileid))
    _until_waiting(site, fileid)

    _taken(site, _resource(site, fileid, field="key"), _resource(site, fileid, field="key"))
    event = _media(site, fileid)
    _taken(site, _resource(site, fileid, field="key"))

    assert _is_whole(site, event)
    site.until(lambda: site.running_flows() == 0, 90)
    site.read_dry()
    assert _media(site, fileid) == event


def test_a_recording_is_resolved_when_its_resource_message_never_comes_and_when_it_comes_too_late(site: Site) -> None:
    never, late = eye4.new_fileid(), eye4.new_fileid()
    _taken(site, _alarm(site, never), _alarm(site, late))
    events = [_media(site, never), _media(site, late)]

    _taken(site, _resource(site, late))

    assert all(_is_whole(site, event) for event in events)
    assert [event["data"]["payload"]["resource"] for event in events] == [None, None]
    site.until(lambda: site.running_flows() == 0, 90)
    site.read_dry()
    assert _media(site, late) == events[1]


def test_two_alarms_with_one_recording_are_two_alarms_and_one_media_event(site: Site) -> None:
    fileid = eye4.new_fileid()
    _taken(site, _alarm(site, fileid), _resource(site, fileid), _alarm(site, fileid, did="VSTC654321EDCBA"))

    event = _media(site, fileid)
    site.until(lambda: len(_of(site, "alarm", fileid)) == 2)
    site.until(lambda: site.running_flows() == 0, 90)
    site.read_dry()

    assert _is_whole(site, event)
    assert _media(site, fileid) == event


def test_a_low_battery_starts_no_flow(site: Site) -> None:
    flows = site.flows()
    fileid = eye4.new_fileid()
    quiet = {"VSTC000001LOWBA", "VSTC000002LOWBA"}

    _taken(site, *(_alarm(site, told, action="101", did=did) for told, did in zip((fileid, None), quiet, strict=True)))

    site.until(lambda: len(site.events(lambda event: event["data"].get("device") in quiet)) >= 2)
    # One that does start shows that the other two had their time.
    after = eye4.new_fileid()
    _taken(site, _alarm(site, after))
    _until_waiting(site, after)
    _taken(site, _resource(site, after))
    _media(site, after)
    assert site.flows() == flows + 1


def test_what_is_not_there_at_once_is_asked_for_again_and_what_never_comes_is_said_to_be_missing(site: Site) -> None:
    later, never = eye4.new_fileid(), eye4.new_fileid()
    site.cloud.hold(later, Recording((File("image"), File()), there_from=3))
    site.cloud.hold(never, Recording(there_from=None))

    _taken(site, *(push(site, fileid) for fileid in (later, never) for push in (_resource, _alarm)))

    assert _is_whole(site, _media(site, later))
    missing = _media(site, never)["data"]
    assert (missing["kind"], missing["reason"], missing["files"]) == ("missing", "not_found", [])


def test_hostile_links_are_refused_and_reported_and_the_rest_is_copied(site: Site) -> None:
    """Where a link leads inside, or a file is too large: whatever the vendor's answer says."""
    fileid = eye4.new_fileid()
    site.cloud.hold(
        fileid, Recording((File("image"), File(size=3_000_000_000), File(size=3_000_000_000, with_length=False)))
    )
    image, huge, endless = (site.cloud.link(name) for name in site.cloud.names(fileid))
    inside = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    redirects = []
    for target in (inside, "http://127.0.0.1/secret"):
        by_redirect = eye4.new_fileid()
        site.cloud.hold(by_redirect, Recording((File(location=target),)))
        redirects += [site.cloud.link(name) for name in site.cloud.names(by_redirect)]
    hostile = [inside, "http://127.0.0.1/", "http://localhost/", *redirects]
    listed = [image, *hostile, huge, endless]
    entries = [{"file_name": link, "file_Type": "video"} for link in listed]
    asking = eye4.new_fileid()
    site.cloud.hold(asking, Recording(entries=entries))

    _taken(site, _resource(site, asking), _alarm(site, asking))

    data = _media(site, asking)["data"]
    assert data["kind"] == "partial"
    assert [entry["file_name"] for entry in data["payload"]["files"]] == listed
    # Nobody is sent where we do not go ourselves.
    assert [file.get("link", {}).get("url") for file in data["files"]] == [image, *[None] * len(hostile), huge, endless]
    assert [file.get("reason") for file in data["files"]] == [
        None,
        *["host_not_allowed"] * len(hostile),
        "too_large",
        "too_large",
    ]
    assert [file["status"] for file in data["files"]] == ["available", *["missing"] * (len(listed) - 1)]
    assert _content(site, data["files"][0]) == site.cloud.content(image)
