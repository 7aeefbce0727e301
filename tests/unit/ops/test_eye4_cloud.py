"""The simulated cloud, asked over HTTP as our functions ask it."""

import hashlib
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import ProtocolError

from ops.simulators import eye4
from ops.simulators.eye4 import Cloud, Credential, Faults, File, Recording

_NOW = 1_795_000_000
_BODY = {"userid": "4711", "authkey": "secret"}
_HEADERS = {"AccessKey": "4712", "SecretKey": "secret, too"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud().serving() as serving:
        yield serving


def _post(cloud: Cloud, question: Any, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("POST", f"{cloud.url}/push/fileid", json=question, headers=headers, retries=False)


def _ask(cloud: Cloud, fileid: str, kind: str = "D009") -> Any:
    answer = _post(cloud, {"fileid": fileid, "type": kind, **_BODY})
    assert answer.status == 200
    return answer.json()


def _get(link: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", link, retries=False)


def _links(cloud: Cloud, fileid: str) -> list[str]:
    return [entry["file_name"] for entry in _ask(cloud, fileid)]


def _held(cloud: Cloud, *files: File, **more: Any) -> str:
    fileid = eye4.new_fileid()
    cloud.hold(fileid, Recording(files, **more))
    return fileid


# ─── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_fileid_has_an_image_and_one_to_three_segments(cloud: Cloud) -> None:
    lengths = set()
    for number in range(20):
        image, *segments = _ask(cloud, f"{number:040x}")
        assert image["file_Type"] == "image"
        assert image["file_name"].partition("?")[0].endswith(".jpg")
        assert {segment.get("file_Type", segment.get("file_type")) for segment in segments} == {"video"}
        assert all(segment["file_name"].partition("?")[0].endswith(".h264") for segment in segments)
        lengths.add(len(segments))
    assert lengths == {1, 2, 3}


def test_a_recording_is_the_same_whenever_it_is_asked_for(cloud: Cloud) -> None:
    fileid = eye4.new_fileid()
    with Cloud().serving() as another:
        first, second = ([_get(link).data for link in _links(where, fileid)] for where in (cloud, another))
    assert first == second
    assert first == [cloud.content(name) for name in cloud.names(fileid)]
    assert len(set(first)) == len(first)


def test_the_other_type_has_nothing_of_it(cloud: Cloud) -> None:
    doorbell, camera = eye4.new_fileid(), _held(cloud, File(), type="D005")

    assert _ask(cloud, doorbell, "D005") == []
    assert _ask(cloud, camera, "D009") == []
    assert len(_ask(cloud, camera, "D005")) == 1


@pytest.mark.parametrize("fileid", ["", "f 991d", "F" * 40, "f" * 39, "../../etc/passwd"])
def test_what_is_no_fileid_has_no_recording(cloud: Cloud, fileid: str) -> None:
    assert _ask(cloud, fileid) == []


def test_both_ways_of_authenticating_are_taken_and_noted(cloud: Cloud) -> None:
    question = {"fileid": eye4.new_fileid(), "type": "D009"}

    assert _post(cloud, {**question, **_BODY}).json()
    assert _post(cloud, question, **_HEADERS).json()

    assert cloud.credentials == {
        Credential("body", "4711", "secret"),
        Credential("headers", "4712", "secret, too"),
    }


def test_nobody_is_answered_nothing(cloud: Cloud) -> None:
    question = {"fileid": eye4.new_fileid(), "type": "D009"}
    assert _post(cloud, question).status == 401
    assert _post(cloud, {**question, "userid": "4711"}).status == 401


def test_askings_are_counted_by_fileid(cloud: Cloud) -> None:
    often, once = eye4.new_fileid(), eye4.new_fileid()
    for fileid, kind in ((often, "D009"), (once, "D009"), (often, "D005")):
        _ask(cloud, fileid, kind)
    assert cloud.asked == {often: 2, once: 1}


def test_a_recording_may_never_be_there(cloud: Cloud) -> None:
    fileid = _held(cloud, File(), there_from=None)
    assert [_ask(cloud, fileid) for _ in range(3)] == [[], None, []]


def test_a_recording_may_be_there_only_from_an_asking_on_and_the_other_types_do_not_count(cloud: Cloud) -> None:
    fileid = _held(cloud, File(), there_from=3)
    kinds = ("D009", "D005", "D009", "D005", "D009", "D009")
    assert [len(_ask(cloud, fileid, kind) or ()) for kind in kinds] == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("entries", [[{"file_name": "http://169.254.169.254/", "file_Type": "image"}], {"code": 1}, []])
def test_the_api_may_answer_anything(cloud: Cloud, entries: Any) -> None:
    assert _ask(cloud, _held(cloud, entries=entries)) == entries


def test_the_api_may_refuse_at_first(cloud: Cloud) -> None:
    fileid = _held(cloud, File(), refusals=(503, 429))
    question = {"fileid": fileid, "type": "D009", **_BODY}
    assert [_post(cloud, question).status for _ in range(3)] == [503, 429, 200]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_question_is_refused(cloud: Cloud, body: bytes) -> None:
    assert urllib3.request("POST", f"{cloud.url}/push/fileid", body=body, retries=False).status == 400


def test_there_is_nothing_else(cloud: Cloud) -> None:
    name = cloud.names(eye4.new_fileid())[0]
    assert urllib3.request("POST", f"{cloud.url}/push", json={}, retries=False).status == 404
    assert _get(f"{cloud.url}/files/secrets.txt").status == 404
    assert _get(cloud.link(name.replace("_0.jpg", "_9.jpg"))).status == 404


# ─── Links and files ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_says_when_it_expires() -> None:
    with Cloud(expiry=60, now=lambda: _NOW).serving() as cloud:
        links = _links(cloud, eye4.new_fileid())
    assert {link.partition("?")[2] for link in links} == {f"e={_NOW + 60}"}


def test_a_link_past_its_time_is_refused_and_so_is_one_without() -> None:
    time = _NOW
    with Cloud(expiry=60, now=lambda: time).serving() as cloud:
        (link, *_) = _links(cloud, eye4.new_fileid())
        statuses = []
        for passed in (60, 61):
            time = _NOW + passed
            statuses.append(_get(link).status)
        without = _get(link.partition("?")[0]).status
    assert statuses == [200, 403]
    assert without == 403


def test_an_image_begins_and_ends_as_a_jpeg_does(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File("image", 3_000)))

    answer = _get(link)

    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == "3000"
    assert len(answer.data) == 3_000
    assert answer.data.startswith(b"\xff\xd8\xff\xe0")
    assert answer.data.endswith(b"\xff\xd9")


@pytest.mark.parametrize("size", [65_536, 200_000])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_file_has_its_size_and_its_content_however_it_is_sent(cloud: Cloud, size: int, *, with_length: bool) -> None:
    (link,) = _links(cloud, _held(cloud, File("video", size, with_length=with_length)))

    answer = _get(link)

    assert ("content-length" in answer.headers) == with_length
    assert len(answer.data) == size
    assert answer.data == cloud.content(link)


def test_a_file_may_have_content_of_its_own(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File("image", content=b"<html>not an image", chunk=5)))
    assert _get(link).data == cloud.content(link) == b"<html>not an image"


def test_a_huge_file_is_made_while_it_is_read_and_the_reader_may_go(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File("video", 10**12, with_length=False)))

    answer = urllib3.request("GET", link, retries=False, preload_content=False)
    read = answer.read(1_000_000)
    answer.close()

    expected = hashlib.sha256()
    left = len(read)
    for chunk in cloud.chunks(link):
        expected.update(chunk[:left])
        left -= len(chunk[:left])
        if not left:
            break
    assert len(read) == 1_000_000
    assert hashlib.sha256(read).digest() == expected.digest()
    assert _get(cloud.link(cloud.names(eye4.new_fileid())[0])).status == 200


def test_a_slow_file_outlasts_an_impatient_reader(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File("video", pause=3600)))
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        urllib3.request("GET", link, retries=False, timeout=0.05)


def test_a_file_may_be_refused_at_first_and_requests_are_counted(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File(refusals=(404, 503))))
    assert [_get(link).status for _ in range(3)] == [404, 503, 200]
    assert list(cloud.fetched.values()) == [3]


def test_a_file_may_be_somewhere_else(cloud: Cloud) -> None:
    (link,) = _links(cloud, _held(cloud, File(location="http://169.254.169.254/latest")))
    answer = urllib3.request("GET", link, retries=False, redirect=False)
    assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/latest")


def test_a_name_that_no_file_has_has_no_content(cloud: Cloud) -> None:
    with pytest.raises(LookupError):
        cloud.content("secrets.txt")


# ─── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _outcome(link: str) -> int | str:
    try:
        return _get(link).status
    except ProtocolError:
        return "cut"


@pytest.mark.parametrize("with_length", [True, False])
def test_faults_are_500_429_and_half_an_answer_in_the_share_that_was_asked_for(*, with_length: bool) -> None:
    faults = Faults(seed=1, share=0.5)
    with Cloud(faults=faults).serving() as cloud:
        name = cloud.names(_held(cloud, File("video", 100_000, with_length=with_length)))[0]
        outcomes = [_outcome(cloud.link(name)) for _ in range(60)]
    assert {outcome: outcomes.count(outcome) for outcome in faults.struck} == faults.struck
    assert set(outcomes) == {200, 500, 429, "cut"}
    assert 20 <= outcomes.count(200) <= 40


def test_the_api_has_faults_too_and_they_count_as_asked() -> None:
    fileid = eye4.new_fileid()
    seen: list[int | str] = []
    with Cloud(faults=Faults(seed=2, share=1)).serving() as cloud:
        for _ in repeat(None, 12):
            try:
                seen.append(_post(cloud, {"fileid": fileid, "type": "D009", **_BODY}).status)
            except ProtocolError:
                seen.append("cut")
    assert set(seen) == {500, 429, "cut"}
    assert cloud.asked[fileid] == 12


def test_the_same_seed_makes_the_same_trouble() -> None:
    first, second = ([faults.strike() for _ in range(100)] for faults in (Faults(3, 0.3), Faults(3, 0.3)))
    assert first == second


def test_no_share_no_fault() -> None:
    assert {Faults(4, 0).strike() for _ in range(100)} == {None}


# ─── In the local stack ───────────────────────────────────────────────────────────────────────────────────────────


def test_it_runs_beside_the_stack_and_the_stack_is_told_where() -> None:
    with eye4.services(wait=7, callbacks="lost") as parameters:
        answer = urllib3.request("POST", f"{parameters['Eye4ApiUrl']}/push/fileid", json={}, retries=False)
    assert answer.status == 401
    assert parameters == {
        "Eye4ApiUrl": parameters["Eye4ApiUrl"],
        "Eye4Wait": "7",
        "Eye4AlarmWait": "30",
        "Eye4Patience": "10",
        "Eye4RetrySeconds": "1",
        "Eye4GiveUp": "60",
        "Eye4FileLimit": "100",
    }
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        _get(parameters["Eye4ApiUrl"])


def test_another_api_is_used_where_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Cloud, "serving")
    with eye4.services(api_url="https://api.example.com") as parameters:
        assert parameters["Eye4ApiUrl"] == "https://api.example.com"
        assert parameters["Eye4Wait"] == "20"
