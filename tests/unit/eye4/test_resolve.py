"""The resolver: files are copied to the byte, in order and once, and one media event reports the result."""

import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import botocore.session
import pytest
from botocore.exceptions import ClientError

from functions.eye4 import resolve
from functions.eye4.client import Denied, Storage
from functions.eye4.download import Body, Interrupted, Limits
from functions.eye4.hosts import Hosts
from functions.eye4.resolve import MoreToCopy, NotThereYet, ResolveSettings
from functions.eye4.wire import Listed
from gatehouse import aws
from gatehouse.errors import CallFailed, NotKept, Unavailable, WrongSetting
from gatehouse.record import MAX_EVENT_BYTES
from gatehouse.settings import Announce
from gatehouse.vocabulary import MediaFault
from ops.simulators.eye4 import File, Recording
from tests.aws import Aws
from tests.builders import NOW
from tests.fakes import Killed
from tests.output import Output
from tests.unit.eye4.cloud import BUCKET, ResolverRig, Web, resolver_rig, said, wanted, web
from tests.vendors.eye4 import CUSTOMER, EYE4_ENVIRONMENT, FILEID

IMAGE, VIDEO = File("image", 3_000), File("video", 9_000)
ENVIRONMENT = {**EYE4_ENVIRONMENT, "MEDIA_BUCKET": BUCKET}


@pytest.fixture
def on(account: Aws) -> Iterator[ResolverRig]:
    with resolver_rig(account) as made:
        yield made


@pytest.fixture
def files() -> Iterator[Web]:
    with web() as there:
        yield there


@dataclass
class FakeApi:
    """Eye4's API in memory: its lists by storage, and the calls it got."""

    listed: dict[Storage, list[Listed]] = field(default_factory=dict)
    asked: list[tuple[str, Storage]] = field(default_factory=list)
    down: bool = False

    def files(self, fileid: str, storage: Storage) -> list[Listed]:
        self.asked.append((fileid, storage))
        if self.down:
            raise CallFailed("fake")
        return self.listed.get(storage, [])


@dataclass
class SlowBucket:
    """A bucket whose clock moves on by five minutes for files of some numbers, which then fail."""

    bucket: Any
    numbers: set[str]
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return str(self.bucket.name)

    def keep(self, key: str, body: Body, content_type: str) -> None:
        if key.rpartition("/")[2].partition("-")[0] in self.numbers:
            self.seconds += 300
            raise Interrupted(MediaFault.TOO_SLOW)
        self.bucket.keep(key, body, content_type)


def _entries(*urls: str) -> list[dict[str, str]]:
    return [{"file_name": url, "file_Type": "video"} for url in urls]


def _hold(on: ResolverRig, *held: File, **more: Any) -> None:
    on.cloud.hold(FILEID, Recording(held, **more))


def _outcomes(event: dict[str, Any]) -> list[str]:
    """The outcome of each file: its reason, else its status."""
    return [file.get("reason", file["status"]) for file in event["data"]["files"]]


def _assert_copied(on: ResolverRig, *names: str) -> None:
    """Asserts that exactly these files of the cloud were copied, to the byte and in this order."""
    copies = [file["copy"] for file in on.event["data"]["files"] if "copy" in file]
    assert [on.stored[copy["key"]] for copy in copies] == [on.cloud.content(name) for name in names]
    assert on.stored.keys() == {copy["key"] for copy in copies}
    for copy in copies:
        content = on.stored[copy["key"]]
        assert (copy["size"], copy["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


# ─── What there is ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_recording_is_copied_and_said_to_be_available(on: ResolverRig) -> None:
    _hold(on, IMAGE, VIDEO)
    image, video = on.cloud.names(FILEID)
    on.files.arrived(wanted().recording, {"Key": FILEID, "region": "cn"})

    assert on.resolve() == "available"

    _assert_copied(on, image, video)
    event, data = on.event, on.event["data"]
    assert (event["type"], event["subject"], event["time"]) == (
        "gatehouse.media.v1",
        "VSTC1",
        "2026-07-01T12:00:00.000000Z",
    )
    assert (data["kind"], data["alarm_id"], data["recording_id"]) == ("available", "eye4-alarm", FILEID)
    assert data["payload"]["resource"] == {"Key": FILEID, "region": "cn"}
    assert [entry["file_Type"] for entry in data["payload"]["files"]] == ["image", "video"]
    assert "reason" not in data
    first, second = data["files"]
    assert (first["role"], first["copy"]["content_type"]) == ("image", "image/jpeg")
    assert (second["role"], second["copy"]["content_type"]) == ("video", "video/h264")
    for number, file in enumerate(data["files"], start=1):
        assert file["copy"]["bucket"] == BUCKET
        assert file["copy"]["key"].startswith(f"eye4/{event['id']}/{number:03}-{file['role']}-")


def test_a_link_says_until_when_it_holds(on: ResolverRig) -> None:
    _hold(on, VIDEO)
    on.resolve()

    (file,) = on.event["data"]["files"]
    assert file["link"]["expires_at"] == "2026-07-01T13:00:00.000000Z"
    assert file["link"]["url"].startswith(f"{on.cloud.url}/files/")


def test_segments_keep_the_vendors_order_also_by_name(on: ResolverRig) -> None:
    _hold(on, *[VIDEO] * 12)
    on.resolve()

    _assert_copied(on, *on.cloud.names(FILEID))
    keys = [file["copy"]["key"] for file in on.event["data"]["files"]]
    assert keys == sorted(keys)


def test_an_object_is_stored_with_its_content_type(on: ResolverRig) -> None:
    _hold(on, IMAGE, VIDEO)
    on.resolve()

    key, _ = sorted(on.stored)
    assert on.account.client("s3").head_object(Bucket=BUCKET, Key=key)["ContentType"] == "image/jpeg"


def test_an_empty_file_is_one_that_is_not_there_yet(on: ResolverRig) -> None:
    _hold(on, File("video", content=b""))

    with pytest.raises(NotThereYet):
        on.resolve()
    assert on.resolve(waited=600) == "missing"
    assert _outcomes(on.event) == ["not_found"]


@pytest.mark.parametrize(
    ("path", "suffix", "content_type"),
    [
        ("a.mp4", "mp4", "video/mp4"),
        ("a.JPEG", "jpeg", "image/jpeg"),
        ("a.png", "png", "image/png"),
        ("a.exe", "exe", "application/octet-stream"),
        ("a", "bin", "application/octet-stream"),
        ("a.b/c", "bin", "application/octet-stream"),
        ("a.h264%2f..%2f..%2f", "bin", "application/octet-stream"),
        ("a.é", "bin", "application/octet-stream"),
        ("a.longer", "bin", "application/octet-stream"),
        ("../../../a.jpg", "jpg", "image/jpeg"),
    ],
)
def test_nothing_of_an_address_gets_into_a_key_but_a_harmless_suffix(
    on: ResolverRig, files: Web, path: str, suffix: str, content_type: str
) -> None:
    files.otherwise = said(b"file")
    on.own = files.url
    _hold(on, entries=[{"file_name": f"{files.url}/{path}", "file_Type": "../video"}])

    assert on.resolve(waited=600) == "available"

    ((key, content),) = on.stored.items()
    assert key.startswith(f"eye4/{on.event['id']}/001-file-")
    assert (key.count("/"), key.rpartition(".")[2], content) == (2, suffix, b"file")
    assert on.event["data"]["files"][0]["copy"]["content_type"] == content_type


@pytest.mark.parametrize(
    ("name", "kind", "suffix", "content_type"),
    [
        ("tmp/HTB0005151PQSU_2023-12-08-07-57-50_01_0", "video", "h264", "video/h264"),
        ("tmp/HTB0005151PQSU_2023-12-08-07-57-50_01_0", "Video", "h264", "video/h264"),
        ("tmp/HTB0005151PQSU_2023-12-08-07-57-50_01_0", "image", "jpg", "image/jpeg"),
        ("tmp/HTB0005151PQSU_2023-12-08-07-57-50_01_0", None, "bin", "application/octet-stream"),
        ("film.2023", "VIDEO", "h264", "video/h264"),
        ("film.08", "video", "h264", "video/h264"),
        ("film.mp4", "video", "mp4", "video/mp4"),
        ("film.MOV", "video", "mov", "video/quicktime"),
        ("film.h265", "video", "h265", "video/h265"),
        ("picture", "IMAGE", "jpg", "image/jpeg"),
        ("picture.webp", "image", "webp", "image/webp"),
        ("log.txt", "text", "txt", "application/octet-stream"),
    ],
)
def test_a_file_whose_name_does_not_tell_is_of_the_form_of_its_type(
    on: ResolverRig, files: Web, name: str, kind: str | None, suffix: str, content_type: str
) -> None:
    """Vendors-code 10: real names have no suffix, a double slash, and a key at the end."""
    files.otherwise = said(b"file")
    on.own = files.url
    url = f"{files.url}//{name}?e=1795000000&token=a%3D:b"
    _hold(on, entries=[{"file_name": url, "file_Type": kind}])
    on.files.arrived(wanted().recording, {"Key": FILEID})

    assert on.resolve() == "available"

    (file,) = on.event["data"]["files"]
    assert file["copy"]["key"].rpartition(".")[2] == suffix
    assert file["copy"]["content_type"] == content_type
    assert [seen.target for seen in files.seen] == [f"//{name}?e=1795000000&token=a%3D:b"]


def test_segments_of_five_seconds_are_films_in_their_order(on: ResolverRig, files: Web) -> None:
    files.otherwise = said(b"file")
    on.own = files.url
    urls = [f"{files.url}//tmp/HTB0005151PQSU_2023-12-08-07-57-50_0{number}_0?e=1" for number in range(4)]
    _hold(on, entries=[{"file_name": url, "file_Type": "video"} for url in urls])

    assert on.resolve() == "available"
    assert [file["link"]["url"] for file in on.event["data"]["files"]] == urls
    assert {file["role"] for file in on.event["data"]["files"]} == {"video"}


@pytest.mark.parametrize("allowed", [True, False])
def test_a_host_overseas_is_one_that_the_operator_names(*, allowed: bool) -> None:
    """Vendors-code 11: pictures lie at *.oss-us-west-1.aliyuncs.com, where everyone can have a bucket."""
    names = ["d013-3.oss-us-west-1.aliyuncs.com"] if allowed else ["*.eye4.cn"]

    assert Hosts(names).allow("http://d013-3.oss-us-west-1.aliyuncs.com/a.jpg?Expires=1") is allowed
    assert not Hosts(names).allow("http://anybody.oss-us-west-1.aliyuncs.com/a.jpg")


# ─── Where it is asked for ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "storages"),
    [
        ("doorbell", [Storage.DOORBELL, Storage.ALARM]),
        ("camera", [Storage.ALARM, Storage.DOORBELL]),
        (None, [Storage.ALARM, Storage.DOORBELL]),
    ],
)
def test_both_storages_are_asked_and_the_likelier_one_first(
    on: ResolverRig, kind: str | None, storages: list[Storage]
) -> None:
    api = FakeApi()
    on.api = api

    with pytest.raises(NotThereYet):
        on.resolve(wanted(type=kind))

    assert api.asked == [(FILEID, storage) for storage in storages]


def test_a_recording_in_the_other_storage_is_found(on: ResolverRig) -> None:
    _hold(on, VIDEO, type="D005")

    assert on.resolve() == "available"
    _assert_copied(on, *on.cloud.names(FILEID))


def test_the_fileid_is_asked_for_as_the_alarm_has_it(on: ResolverRig) -> None:
    api = FakeApi()
    on.api = api
    with pytest.raises(NotThereYet):
        on.resolve(wanted(fileid=FILEID.upper()))

    assert {fileid for fileid, _ in api.asked} == {FILEID.upper()}


def test_without_credentials_it_is_said_that_there_are_none(on: ResolverRig) -> None:
    assert on.resolve(wanted(account="harbour", recording=f"harbour/{FILEID}")) == "missing"

    data = on.event["data"]
    assert (data["kind"], data["reason"], data["files"]) == ("missing", "no_credentials", [])
    assert on.cloud.asked == {}


def test_a_customer_whom_the_secret_does_not_have_is_looked_for_until_it_is_given_up(on: ResolverRig) -> None:
    """E1: the account is renamed, or removed by mistake while a flow waits; the flow gave up after ten minutes."""
    renamed = wanted(account="pier", recording=f"pier/{FILEID}")
    for waited in (0, 601, 86_399):
        with pytest.raises(NotThereYet):
            on.resolve(renamed, waited=waited)

    assert on.resolve(renamed, waited=86_400) == "missing"
    assert on.event["data"]["reason"] == "no_credentials"


def test_a_customer_who_is_put_back_within_a_day_has_lost_nothing(on: ResolverRig) -> None:
    """E1: an account is also renamed so, with the old name left in the secret."""
    _hold(on, IMAGE, VIDEO)
    known = on.customers.pop("workshop")
    with pytest.raises(NotThereYet):
        on.resolve(waited=72_000)
    on.customers["workshop"] = known

    assert on.resolve(waited=72_000) == "available"


def test_credentials_that_are_not_taken_are_named_as_the_reason(on: ResolverRig) -> None:
    _hold(on, VIDEO, refusals=(401,) * 9)
    with pytest.raises(Denied):
        on.resolve()

    assert on.resolve(waited=86_400) == "missing"
    assert on.event["data"]["reason"] == "denied"


# ─── Nothing, or not yet ──────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_nothing_is_not_believed_until_patience_is_over(on: ResolverRig) -> None:
    _hold(on, VIDEO, there_from=None)
    for waited in (0, 1, 599.9):
        with pytest.raises(NotThereYet):
            on.resolve(waited=waited)
    assert on.store.records == {}

    assert on.resolve(waited=600) == "missing"
    data = on.event["data"]
    assert (data["kind"], data["reason"], data["files"]) == ("missing", "not_found", [])


def test_a_recording_that_is_there_at_the_third_asking_is_resolved(on: ResolverRig) -> None:
    _hold(on, VIDEO, there_from=3)
    for waited in (0, 10):
        with pytest.raises(NotThereYet):
            on.resolve(waited=waited)

    assert on.resolve(waited=30) == "available"


@pytest.mark.parametrize(("days", "kind"), [(29.9, "missing"), (30, "expired"), (34, "expired")])
def test_nothing_is_expired_when_the_alarm_is_older_than_the_vendor_keeps_files(
    on: ResolverRig, days: float, kind: str
) -> None:
    _hold(on, there_from=None)

    assert on.resolve(wanted(received_at=NOW - timedelta(days=days)), waited=600) == kind
    assert (on.event["data"]["kind"], on.event["data"]["reason"]) == (kind, "not_found")


def test_a_recording_that_is_older_than_the_vendor_keeps_files_and_there_is_available(on: ResolverRig) -> None:
    _hold(on, VIDEO)

    assert on.resolve(wanted(received_at=NOW - timedelta(days=40))) == "available"


def test_no_credentials_are_not_taken_for_expired(on: ResolverRig) -> None:
    old = wanted(account="harbour", recording=f"harbour/{FILEID}", received_at=NOW - timedelta(days=40))

    assert on.resolve(old) == "missing"


def test_an_api_that_does_not_answer_is_asked_again_until_it_is_given_up(on: ResolverRig) -> None:
    on.api = FakeApi(down=True)
    for waited in (0, 601, 86_399):
        with pytest.raises(CallFailed):
            on.resolve(waited=waited)

    assert on.resolve(waited=86_400) == "missing"
    assert on.event["data"]["reason"] == "unreachable"


@pytest.mark.parametrize("status", [500, 429, 503, 401])
def test_an_api_in_trouble_is_not_taken_for_one_that_has_nothing(on: ResolverRig, status: int) -> None:
    _hold(on, VIDEO, refusals=(status,) * 3)
    with pytest.raises(CallFailed):
        on.resolve(waited=700)

    assert on.resolve(waited=710) == "available"


@pytest.mark.parametrize("tried", [0, 1, 2])
def test_nothing_is_believed_before_the_fourth_attempt_however_late_it_comes(on: ResolverRig, tried: int) -> None:
    _hold(on, there_from=None)
    with pytest.raises(NotThereYet):
        on.resolve(waited=100_000, tried=tried)

    on.api = FakeApi(down=True)
    with pytest.raises(CallFailed):
        on.resolve(waited=100_000, tried=tried)
    assert on.store.records == {}


def test_attempts_are_counted_by_those_that_ran(on: ResolverRig) -> None:
    _hold(on, there_from=None)
    since = NOW - timedelta(days=1)
    for _ in range(3):
        with pytest.raises(NotThereYet):
            on.resolver().resolve(wanted(), since)

    assert on.resolver().resolve(wanted(), since) == "missing"


def test_a_hiccup_costs_no_attempt(on: ResolverRig) -> None:
    _hold(on, replace(VIDEO, refusals=(500, 503)), refusals=(500, 429))

    assert on.resolve() == "available"
    assert on.slept == [0.3, 1.0] * 2


def test_a_body_that_is_cut_off_is_a_hiccup_too(on: ResolverRig, files: Web) -> None:
    whole = said(b"a whole film")
    files.otherwise = whole[:-4]
    on.own = files.url
    _hold(on, entries=_entries(f"{files.url}/a.h264"))
    on.sleep = lambda _: setattr(files, "otherwise", whole)

    assert on.resolve() == "available"
    assert list(on.stored.values()) == [b"a whole film"]


def test_a_picture_alone_is_not_all_until_the_message_came_or_patience_is_over(on: ResolverRig) -> None:
    _hold(on, IMAGE)
    with pytest.raises(NotThereYet):
        on.resolve()
    _hold(on, IMAGE, VIDEO)

    assert on.resolve() == "available"
    assert _outcomes(on.event) == ["available"] * 2


def test_a_picture_alone_is_part_of_it_where_no_message_came(on: ResolverRig) -> None:
    """Races E2."""
    _hold(on, IMAGE)

    assert on.resolve(waited=600) == "partial"
    assert _outcomes(on.event) == ["available"]


def test_a_film_alone_is_all_although_no_message_came(on: ResolverRig) -> None:
    _hold(on, VIDEO)

    assert on.resolve() == "available"


def test_a_picture_alone_is_all_where_the_message_came(on: ResolverRig) -> None:
    _hold(on, IMAGE)
    on.files.arrived(wanted().recording, {"Key": FILEID})

    assert on.resolve() == "available"


def test_slow_files_keep_the_others_from_nobody_and_end(on: ResolverRig) -> None:
    """Each file takes all its time in each attempt, and an attempt has time for two."""
    _hold(on, VIDEO, VIDEO, VIDEO, VIDEO)
    on.bucket = slow = SlowBucket(on.bucket, {"001", "002", "003"})
    on.monotonic = lambda: slow.seconds
    with pytest.raises(MoreToCopy, match="2 of 4"):
        on.resolve()
    with pytest.raises(NotThereYet):
        on.resolve()

    assert on.resolve(waited=600) == "partial"
    assert _outcomes(on.event) == ["too_slow", "too_slow", "too_slow", "available"]


def test_a_call_that_takes_long_is_not_tried_again_within_the_attempt(on: ResolverRig) -> None:
    api = FakeApi(down=True)
    seconds = iter(range(0, 1000, 11))
    on.api, on.monotonic = api, lambda: float(next(seconds))
    with pytest.raises(CallFailed):
        on.resolve()

    assert len(api.asked) == 1
    assert on.slept == []


# ─── Some of it ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_that_are_refused_are_named_with_their_reason_and_hold_up_no_others(on: ResolverRig) -> None:
    on.limits = Limits(size=5_000, seconds=30)
    held = Recording((IMAGE, VIDEO, VIDEO))
    on.cloud.hold(FILEID, held)
    image, video, _ = (on.cloud.link(name) for name in on.cloud.names(FILEID))
    urls = [
        "http://169.254.169.254/latest/meta-data/a.jpg",
        image,
        "http://[::1",
        "http://a.eye4.cn@127.0.0.1/",
        video,
        "file:///etc/passwd",
        "no address",
    ]
    on.cloud.hold(FILEID, replace(held, entries=_entries(*urls)))

    assert on.resolve() == "partial"

    assert _outcomes(on.event) == [
        "host_not_allowed",
        "available",
        "host_not_allowed",
        "host_not_allowed",
        "too_large",
        "host_not_allowed",
        "host_not_allowed",
    ]
    assert [entry["file_name"] for entry in on.event["data"]["payload"]["files"]] == urls
    # S15: an address that we do not call is not published; a file that is too large for us keeps its link.
    links = [file.get("link", {}).get("url") for file in on.event["data"]["files"]]
    assert links == [None, image, None, None, video, None, None]
    _assert_copied(on, image)


@pytest.mark.parametrize(
    ("address", "fault"), [("10.0.0.1", "private_address"), ("169.254.169.254", "private_address")]
)
def test_a_name_of_an_internal_address_is_no_link(on: ResolverRig, address: str, fault: str) -> None:
    _hold(on, entries=_entries("http://a.eye4.cn/1.h264"))
    resolver = on.resolver()
    resolver._downloads._resolve = lambda _host, _port: [address]  # noqa: SLF001 - nobody's name server is asked

    resolver.resolve(wanted(), on.now)

    (file,) = on.event["data"]["files"]
    assert (file["reason"], "link" in file) == (fault, False)


def test_a_recording_of_which_every_file_is_refused_is_missing_at_once(on: ResolverRig) -> None:
    _hold(on, entries=_entries("http://127.0.0.1:9/a.jpg", "http://localhost:9/b"))

    assert on.resolve() == "missing"
    assert _outcomes(on.event) == ["host_not_allowed", "host_not_allowed"]
    assert on.stored == {}


def test_a_file_that_is_not_there_yet_is_waited_for_while_the_others_are_ours(on: ResolverRig) -> None:
    _hold(on, IMAGE, replace(VIDEO, refusals=(404, 403)))
    image, video = on.cloud.names(FILEID)
    for waited in (0, 10):
        with pytest.raises(NotThereYet):
            on.resolve(waited=waited)

    assert on.resolve(waited=20) == "available"
    _assert_copied(on, image, video)
    assert on.cloud.fetched == {image: 1, video: 3}


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (500, "unreachable")])
def test_a_file_that_never_comes_makes_the_recording_partial_when_patience_is_over(
    on: ResolverRig, status: int, reason: str
) -> None:
    _hold(on, IMAGE, replace(VIDEO, refusals=(status,) * 99))
    with pytest.raises(NotThereYet):
        on.resolve(waited=599)

    assert on.resolve(waited=600) == "partial"
    assert _outcomes(on.event) == ["available", reason]
    _assert_copied(on, on.cloud.names(FILEID)[0])


def test_a_host_that_does_not_answer_for_any_file_is_tried_as_long_as_the_api_would_be(on: ResolverRig) -> None:
    _hold(on, *[replace(VIDEO, refusals=(500,) * 99)] * 2)
    for waited in (0, 600, 86_399):
        with pytest.raises(NotThereYet):
            on.resolve(waited=waited)

    assert on.resolve(waited=86_400) == "missing"
    assert _outcomes(on.event) == ["unreachable", "unreachable"]


def test_a_file_that_is_gone_is_expired_when_the_alarm_is_old(on: ResolverRig) -> None:
    _hold(on, replace(VIDEO, refusals=(404,) * 9))

    assert on.resolve(wanted(received_at=NOW - timedelta(days=30)), waited=600) == "expired"
    (file,) = on.event["data"]["files"]
    assert (file["status"], file["reason"]) == ("expired", "not_found")


@pytest.mark.parametrize("with_length", [True, False])
def test_half_a_file_is_none_and_leaves_nothing(on: ResolverRig, files: Web, *, with_length: bool) -> None:
    head = said(length=30_000_000) if with_length else said(length=None, transfer_encoding="chunked")
    piece = bytes(1_000_000)
    files.otherwise = [head, *[piece if with_length else b"%x\r\n%s\r\n" % (len(piece), piece)] * 20]
    on.own = files.url
    _hold(on, entries=_entries(f"{files.url}/a.h264"))

    with pytest.raises(NotThereYet):
        on.resolve()

    assert on.stored == {}
    assert on.files.read(wanted().recording).copies == {}


def test_more_than_a_hundred_files_are_not_copied_and_that_is_said(on: ResolverRig) -> None:
    _hold(on, *[File("video", 10)] * 103)

    assert on.resolve() == "partial"
    assert _outcomes(on.event) == ["available"] * 100 + ["too_many"] * 3
    assert len(on.stored) == 100
    assert len(on.cloud.fetched) == 100


# ─── Again ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_recording_that_is_resolved_twice_is_one_event(on: ResolverRig) -> None:
    _hold(on, IMAGE, VIDEO)
    on.resolve()
    before = on.event
    on.now = NOW + timedelta(seconds=60)

    assert on.resolve() == "available"
    assert on.event == before
    assert set(on.cloud.fetched.values()) == {1}


def test_what_is_ours_is_not_fetched_again_although_every_link_is_new(on: ResolverRig) -> None:
    _hold(on, IMAGE, VIDEO, replace(VIDEO, refusals=(404,)))
    with pytest.raises(NotThereYet):
        on.resolve()
    on.cloud._now = lambda: NOW.timestamp() + 7  # noqa: SLF001 - other links from now on

    assert on.resolve() == "available"
    first, second, third = on.cloud.names(FILEID)
    assert on.cloud.fetched == {first: 1, second: 1, third: 2}


def test_a_process_that_dies_between_two_files_leaves_the_rest_to_the_next(on: ResolverRig) -> None:
    _hold(on, IMAGE, VIDEO, VIDEO)
    media = on.media
    left = iter([True, False])

    class Dying:
        name = BUCKET

        def keep(self, key: str, body: Body, content_type: str) -> None:
            if not next(left):
                raise Killed
            media.keep(key, body, content_type)

    on.bucket = Dying()
    with pytest.raises(Killed):
        on.resolve()
    on.bucket = media

    assert on.resolve() == "available"
    _assert_copied(on, *on.cloud.names(FILEID))
    first, second, third = on.cloud.names(FILEID)
    assert on.cloud.fetched == {first: 1, second: 2, third: 1}


def test_an_invocation_ends_before_its_time_is_up_and_the_next_one_goes_on(on: ResolverRig) -> None:
    _hold(on, *[VIDEO] * 5)
    media, seconds = on.media, [0.0]

    class Slow:
        name = BUCKET

        def keep(self, key: str, body: Body, content_type: str) -> None:
            seconds[0] += 181
            media.keep(key, body, content_type)

    on.bucket = Slow()
    on.monotonic = lambda: seconds[0]
    with pytest.raises(MoreToCopy, match="3 of 5"):
        on.resolve()
    assert on.store.records == {}

    assert on.resolve() == "available"
    _assert_copied(on, *on.cloud.names(FILEID))
    assert set(on.cloud.fetched.values()) == {1}


class Overlong:
    """A bucket in which some tries take too long: they are abandoned, and go on."""

    name = BUCKET

    def __init__(self, on: ResolverRig, ends: list[str]) -> None:
        self._media = on.media
        self._ends = ends
        self.late: list[Callable[[], None]] = []

    def keep(self, key: str, body: Body, content_type: str) -> None:
        end = self._ends.pop(0) if self._ends else "whole"
        if end == "late":
            content = io.BytesIO(body.read())
            self.late.append(lambda: self._media.keep(key, cast("Body", content), content_type))
            raise TimeoutError
        self._media.keep(key, body, content_type)
        if end == "dies":
            raise Killed


@pytest.mark.parametrize("ends", [list(ends) for ends in itertools.product(("late", "dies", "whole"), repeat=2)])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_copy_is_what_its_event_says_whatever_tries_overlap(
    on: ResolverRig, ends: list[str], is_reversed: bool
) -> None:
    """Races, not decided: a thread that is too slow puts old bytes under a key whose event has the new SHA-256."""
    overlong = Overlong(on, ends)
    on.bucket = overlong
    on.files.arrived(wanted().recording, {"Key": FILEID})
    for version in range(3):  # the file is another one each time
        _hold(on, File("image", 2_000 + version))
        with suppress(Killed, NotThereYet):
            on.resolve()
    for finish in reversed(overlong.late) if is_reversed else overlong.late:
        finish()

    for event in on.events:
        for file in event["data"]["files"]:
            content = on.stored[file["copy"]["key"]]
            assert (file["copy"]["size"], file["copy"]["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert all(key.startswith(f"eye4/{on.events[0]['id']}/") for key in on.stored)


def test_two_recordings_are_two_events_with_copies_of_their_own(on: ResolverRig) -> None:
    other = "1" * 40
    on.resolve()
    on.resolve(wanted(other))

    assert len(on.store.records) == 2
    names = [*on.cloud.names(FILEID), *on.cloud.names(other)]
    assert sorted(on.stored.values()) == sorted(map(on.cloud.content, names))


# ─── What does not fit ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_would_be_too_large_leaves_out_what_it_says_twice(on: ResolverRig) -> None:
    _hold(on, entries=_entries(*(f"{on.cloud.url}/{number}?{'x' * 1_500}" for number in range(100))))
    on.resolve(waited=600)

    data = on.event["data"]
    assert "payload" not in data
    assert len(data["files"]) == 100
    assert all("link" in file for file in data["files"])


def test_an_event_that_would_be_too_large_even_so_leaves_out_the_links(on: ResolverRig) -> None:
    _hold(on, entries=_entries(*(f"{on.cloud.url}/{number}?{'x' * 4_000}" for number in range(100))))
    on.resolve(waited=600)

    assert _outcomes(on.event) == ["not_found"] * 100
    assert not any("link" in file for file in on.event["data"]["files"])


def test_a_list_of_thousands_of_files_still_fits_into_an_event(on: ResolverRig) -> None:
    _hold(on, entries=[{"file_name": "x"}] * 30_000)
    on.resolve(waited=600)

    (record,) = on.store.records.values()
    assert record.size <= MAX_EVENT_BYTES
    assert _outcomes(on.event) == ["host_not_allowed"] * 100 + ["too_many"]


# ─── AWS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("announce", Announce)
def test_the_event_is_announced_as_the_setting_says(on: ResolverRig, announce: Announce) -> None:
    on.announce = announce
    on.resolve()

    assert len(on.store.records) == 1
    assert len(on.topics.messages) == (1 if announce is Announce.INLINE else 0)


def test_an_event_that_aws_takes_nowhere_fails_the_attempt_and_comes_with_the_next(on: ResolverRig) -> None:
    _hold(on, VIDEO)
    on.store.down = on.spill.down = True
    with pytest.raises(NotKept):
        on.resolve()

    on.store.down = on.spill.down = False
    assert on.resolve() == "available"
    _assert_copied(on, *on.cloud.names(FILEID))
    assert set(on.cloud.fetched.values()) == {1}


def test_a_bucket_that_does_not_take_a_file_fails_the_attempt(on: ResolverRig) -> None:
    _hold(on, VIDEO)
    on.account.client("s3").delete_bucket(Bucket=BUCKET)

    with pytest.raises(Unavailable, match="upload"):
        on.resolve()
    assert on.store.records == {}


@pytest.mark.parametrize("size", [8 * 1024 * 1024 - 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 21_000_003])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_large_file_is_stored_in_parts_to_the_byte(on: ResolverRig, size: int, *, with_length: bool) -> None:
    _hold(on, File("video", size, with_length=with_length))

    assert on.resolve() == "available"
    (name,) = on.cloud.names(FILEID)
    _assert_copied(on, name)
    (file,) = on.event["data"]["files"]
    assert file["copy"]["size"] == size


def test_a_part_that_s3_does_not_take_leaves_nothing_half_done(on: ResolverRig) -> None:
    _hold(on, File("video", 21_000_003))
    client = on.account.client("s3")

    def fail(params: dict[str, Any], **_: object) -> None:
        if params["PartNumber"] == 2:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "as told"}}, "UploadPart")

    client.meta.events.register("provide-client-params.s3.UploadPart", fail)
    on.bucket = resolve.MediaFiles(client, BUCKET)
    with pytest.raises(Unavailable):
        on.resolve()
    assert on.stored == {}

    on.bucket = on.media
    assert on.resolve() == "available"
    _assert_copied(on, *on.cloud.names(FILEID))


# ─── The function ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(wait: dict[str, Any] | None = None) -> dict[str, Any]:
    """The event that the flow sends."""
    alarm = wanted().model_dump(mode="json")
    return {"alarm": {**alarm, **({"wait": wait} if wait else {})}, "since": "2026-07-01T12:00:00.000Z"}


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [
        (None, False),
        ("States.Timeout", False),
        ("DynamoDb.ConditionalCheckFailedException", False),
        ("DynamoDb.ProvisionedThroughputExceededException", True),
        ("DynamoDb.DynamoDbException", True),
        ("States.Runtime", True),
    ],
)
def test_a_wait_that_failed_is_logged_and_the_recording_is_resolved_all_the_same(
    on: ResolverRig, output: Output, error: str | None, *, is_logged: bool
) -> None:
    _hold(on, VIDEO)
    wait = {"Error": error, "Cause": "MARKER"} if error else None

    assert resolve.handle(_asked(wait), on.resolver()) == {"status": "available"}

    assert [line["error"] for line in output.logged if line["level"] == "ERROR"] == ([error] if is_logged else [])
    assert "MARKER" not in output.read()


def test_an_attempt_knows_how_long_it_is_since_the_wait_ended(on: ResolverRig) -> None:
    _hold(on, there_from=None)
    on.note_attempts(wanted().recording)
    on.now = NOW + timedelta(seconds=599)
    with pytest.raises(NotThereYet):
        resolve.handle(_asked(), on.resolver())

    on.now = NOW + timedelta(seconds=600)
    assert resolve.handle(_asked(), on.resolver()) == {"status": "missing"}


def test_the_flow_knows_the_errors_by_their_names() -> None:
    flow = Path(resolve.__file__).with_name("flow.asl.yaml").read_text()

    names = ", ".join(error.__name__ for error in (NotThereYet, MoreToCopy, CallFailed, Denied))
    assert f"[{names}]" in flow


def test_no_link_and_no_credential_is_in_a_log_line(on: ResolverRig, output: Output) -> None:
    _hold(on, entries=_entries("http://evil.com/a.h264?token=MARKER", "http://[::1/MARKER", f"{on.cloud.url}/MARKER"))
    on.resolve(waited=86_400)
    with pytest.raises(CallFailed):
        replace(on, api=FakeApi(down=True)).resolve()

    assert len([line for line in output.logged if line["level"] == "WARNING"]) == 4
    for hidden in ("MARKER", CUSTOMER["api"]["authkey"], "//"):
        assert hidden not in output.read()


def test_the_function_as_it_is_deployed_resolves_a_recording(on: ResolverRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the clients of `gatehouse.aws`, the settings from the environment and the customers from the secret."""
    _hold(on, IMAGE, File("video", 9_000_000))
    on.account.built()
    secret = json.dumps({"accounts": [CUSTOMER]})
    told = {
        **ENVIRONMENT,
        "TOPIC_ARNS": ",".join(f"{topic}={arn}" for topic, arn in on.account.topic_arns.items()),
        "SPILL_QUEUE_URL": on.account.spill_url,
        "SECRET_ARN": on.account.secretsmanager.create_secret(Name="eye4", SecretString=secret)["ARN"],
        "API_URL": on.cloud.url,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.get_session()
    monkeypatch.setattr("gatehouse.aws.session", lambda: session)
    clients: list[Any] = [aws.client]
    for client in clients:
        client.cache_clear()

    answer = resolve.handle(_asked(), resolve._resolver())  # noqa: SLF001 - what the handler makes once

    for client in clients:
        client.cache_clear()
    assert answer == {"status": "available"}
    (item,) = on.account.items()
    event = json.loads(item["event"]["S"])
    assert [file["status"] for file in event["data"]["files"]] == ["available", "available"]
    assert sorted(on.stored.values()) == sorted(map(on.cloud.content, on.cloud.names(FILEID)))
    assert on.cloud.credentials == {("body", "4711", "the-key-of-4711")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_URL", "ftp://api.example.com"),
        ("API_URL", "http://user@api.example.com"),
        ("DOWNLOAD_HOSTS", ""),
        ("FILE_LIMIT", "0"),
        ("PATIENCE", "-1"),
        ("GIVE_UP", "soon"),
        ("KEEPS_DAYS", "0"),
        ("MEDIA_BUCKET", ""),
        ("PENDING_FILES_TABLE", ""),
    ],
)
def test_a_setting_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        ResolveSettings.read({**ENVIRONMENT, name: value})


def test_the_defaults_are_the_templates() -> None:
    settings = ResolveSettings.read(ENVIRONMENT)

    assert (settings.api_url, settings.download_hosts, settings.file_limit) == ("", "*.eye4.cn", 1024)
    assert (settings.patience, settings.give_up, settings.keeps_days) == (600, 86_400, 30)
