"""The one way of a push: with everything in order, with faults of AWS, and with odd pushes."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import pytest

from functions.sensoro.wire import Accounts as SensoroAccounts
from functions.sunmi.wire import Accounts as SunmiAccounts
from gatehouse.errors import NotKept, Unavailable
from gatehouse.events import EventBuilder, Person, Recognition
from gatehouse.gate import BODY_LIMIT, Admission, Gate
from gatehouse.media import Upload
from gatehouse.record import MAX_EVENT_BYTES, Record
from gatehouse.settings import Announce
from gatehouse.spill import Step
from gatehouse.telemetry import Count
from gatehouse.vocabulary import PersonKind
from ops.simulators import Request
from ops.simulators import sunmi as simulator
from ops.simulators.sensepass import picture
from tests.builders import (
    AT,
    FACE,
    NOW,
    SENSORO,
    SUNMI,
    URL,
    House,
    api_event,
    face_push,
    seconds,
    sensepass_house,
    sensor_body,
    sensor_push,
    sensoro_house,
    some_record,
    sunmi_house,
    terminal,
)
from tests.fakes import FakeMedia, FakeSpill, FakeStore, FakeTopics, Killed, SharedStore, UnmarkableStore
from tests.unit.conftest import Output

type Make = Callable[..., House[Any]]

VENDORS = {
    "sunmi": (sunmi_house, face_push()),
    "sensoro plain": (sensoro_house, sensor_push(sensor_body({"temperature": 0}))),
    "sensoro safe": (sensoro_house, sensor_push(sensor_body({"temperature": 0}, safe=True), safe=True)),
}
each_vendor = pytest.mark.parametrize(("make", "push"), VENDORS.values(), ids=VENDORS)


# ─── All is well ──────────────────────────────────────────────────────────────────────────────────────────────────────


@each_vendor
def test_a_push_is_recorded_published_marked_and_acknowledged(make: Make, push: Request, output: Output) -> None:
    house = make()

    assert house.send(push).status == 200
    assert house.store.published == {house.event["id"]}
    assert set(house.store.announce.values()) == {"inline"}
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}


@each_vendor
def test_the_same_push_sent_five_times_is_one_record_and_one_message(make: Make, push: Request) -> None:
    house = make()

    answers = [house.send(push, at=NOW + seconds(late)) for late in range(5)]

    assert {answer.status for answer in answers} == {200}
    assert answers[0] == answers[-1]
    assert len(house.stored) == len(house.published) == 1


@each_vendor
def test_the_same_push_sent_five_times_at_once_is_one_record_and_one_message(make: Make, push: Request) -> None:
    house = make()
    house.store = SharedStore(barrier=Barrier(5, timeout=10))

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(house.send, [push] * 5))

    assert [answer.status for answer in answers] == [200] * 5
    assert len(house.stored) == len(house.published) == 1


def test_the_events_of_one_push_are_all_taken_again_until_each_is_kept(sensoro: House[Any]) -> None:
    push = sensor_push(sensor_body({"leak": True}))
    sensoro.store = FailingAt(2)
    sensoro.spill.down = True
    assert sensoro.send(push).status == 503
    assert len(sensoro.stored) == 1

    assert sensoro.send(push).status == 200
    assert len(sensoro.stored) == len(sensoro.published) == 2


class FailingAt(FakeStore):
    """An events table that is down for one call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._until = call
        self._lock = Lock()

    def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
        with self._lock:
            self._until -= 1
            if self._until == 0:
                raise Unavailable("fake")
            return super().record(record, announce)


def test_in_announce_mode_stream_a_push_is_recorded_and_not_published(output: Output) -> None:
    house = sunmi_house(announce=Announce.STREAM)

    assert house.send(face_push()).status == 200
    assert list(house.store.announce.values()) == ["stream"]
    assert not house.topics.messages
    assert not house.store.published
    assert output.counted == {Count.RECORDED: 1}


# ─── AWS is not well ──────────────────────────────────────────────────────────────────────────────────────────────────


@each_vendor
def test_when_the_table_is_down_the_event_is_spilled_and_acknowledged(
    make: Make, push: Request, output: Output
) -> None:
    house = make()
    house.store.down = True

    assert house.send(push).status == 200
    ((record, step),) = house.spill.messages
    assert step is Step.RECORD
    assert json.loads(record.body)["data"]["payload"]
    assert not house.topics.messages
    assert output.counted == {Count.SPILLED: 1}


@each_vendor
def test_when_the_spill_queue_is_down_as_well_the_vendor_is_asked_to_send_again(
    make: Make, push: Request, output: Output
) -> None:
    house = make()
    house.store.down = house.spill.down = True

    answer = house.send(push)

    assert (answer.status, answer.reason) == (503, "unavailable")
    assert house.is_untouched
    assert output.counted == {Count.NOT_KEPT: 1, Count.FAILED: 1}

    house.store.down = False
    assert house.send(push).status == 200
    assert len(house.published) == 1


def test_when_the_topics_are_down_the_record_stays_pending_for_the_relay(sunmi: House[Any], output: Output) -> None:
    sunmi.topics.down = True

    assert sunmi.send(face_push()).status == 200
    (record_id,) = sunmi.store.records
    assert sunmi.store.pending([record_id]) == {record_id}
    assert not sunmi.spill.messages
    assert output.counted == {Count.RECORDED: 1, Count.LEFT_TO_RELAY: 1}


def test_when_the_mark_fails_the_push_is_acknowledged_and_stays_pending(sunmi: House[Any], output: Output) -> None:
    sunmi.store = UnmarkableStore()

    assert sunmi.send(face_push()).status == 200
    assert len(sunmi.published) == 1
    assert sunmi.store.pending(list(sunmi.store.records)) == set(sunmi.store.records)
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1}
    assert [line["message"] for line in output.logged] == ["published, but not marked so"]


def test_nothing_of_ours_catches_the_death_of_the_process(sunmi: House[Any]) -> None:
    sunmi.topics.die = True
    with pytest.raises(Killed):
        sunmi.send(face_push())

    sunmi.topics.die = False
    sunmi.store.die_on_mark = True
    with pytest.raises(Killed):
        sunmi.send(face_push(nonce="N2"))


# ─── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

UPLOAD = Upload("acme/1/face.jpg", b"\xff\xd8\xff", b"\0" * 32, "image/jpeg")


def _only_key(house: House[Any]) -> str:
    """The key that the one event has of its one picture."""
    (event,) = house.stored
    (reference,) = event["data"]["pictures"]
    key: str = reference["key"]
    return key


def test_the_picture_and_the_record_go_side_by_side(sensepass: House[Any]) -> None:
    together = Barrier(2, timeout=10)
    sensepass.store = SharedStore(barrier=together)
    sensepass.media = SharedAlbum(together)

    assert sensepass.send(terminal().upload()).status == 200
    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


class SharedAlbum(FakeMedia):
    """A bucket that waits until the table is called as well."""

    def __init__(self, barrier: Barrier) -> None:
        super().__init__()
        self._barrier = barrier

    def put(self, upload: Upload) -> None:
        self._barrier.wait()
        super().put(upload)


def test_each_picture_of_a_push_is_stored(sensepass: House[Any]) -> None:
    pictures: dict[str, Any] = {"rgb_image": "/9j/4AAQ", "alarm_photo": "iVBORw0KGgo="}

    assert sensepass.send(terminal().upload(**pictures)).status == 200
    digests = [hashlib.sha256(base64.b64decode(text)).hexdigest() for text in pictures.values()]
    assert sorted(key.rpartition("/")[2] for key in sensepass.media.pictures) == [
        f"alarm_photo-{digests[1]}.png",
        f"rgb_image-{digests[0]}.jpg",
    ]


def test_when_the_bucket_is_down_the_picture_is_spilled_and_the_event_recorded(
    sensepass: House[Any], output: Output
) -> None:
    sensepass.media.down = True

    assert sensepass.send(terminal().upload()).status == 200
    (upload,) = sensepass.spill.pictures
    assert upload.key == _only_key(sensepass)
    assert not sensepass.spill.messages
    assert output.counted == {Count.RECORDED: 1, Count.PUBLISHED: 1, Count.SPILLED: 1}


def test_when_the_table_is_down_the_event_is_spilled_and_the_picture_stored(sensepass: House[Any]) -> None:
    sensepass.store.down = True

    assert sensepass.send(terminal().upload()).status == 200
    ((record, _),) = sensepass.spill.messages
    (upload,) = sensepass.media.pictures.values()
    assert upload.key == f"sensepass/{record.id}/rgb_image-{upload.digest.hex()}.jpg"


def test_a_picture_that_nobody_takes_makes_the_vendor_send_again_and_the_event_is_not_doubled(
    sensepass: House[Any], output: Output
) -> None:
    push = terminal().upload()
    sensepass.media.down = sensepass.spill.down = True
    assert sensepass.send(push).status == 503
    assert len(sensepass.stored) == 1
    assert output.counted[Count.NOT_KEPT] == 1

    sensepass.media.down = False
    assert sensepass.send(push, at=NOW + seconds(86_400)).status == 200
    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


def test_the_same_picture_sent_five_times_is_one(sensepass: House[Any]) -> None:
    push = terminal().upload()
    for late in range(5):
        assert sensepass.send(push, at=NOW + seconds(late)).status == 200

    assert list(sensepass.media.pictures) == [_only_key(sensepass)]


def test_the_picture_of_a_push_that_is_not_understood_is_kept_beside_the_notice(sensepass: House[Any]) -> None:
    image = picture(1_000, seed=1)
    content = terminal().record(image=image)
    sensepass.send(terminal().pushed(9, content))

    assert sensepass.stored[0]["data"]["kind"] == "unmapped"
    assert sensepass.media.pictures[_only_key(sensepass)].data == image


def _is_hidden(house: House[Any], body: bytes) -> bool:
    """Tells whether a body lies where no subscriber looks, is referred to by its notice, and is nowhere else."""
    data = house.event["data"]
    kept = data["body"]
    (record,) = house.topics.messages
    assert (data["kind"], "payload" in data) == ("unmapped", False)
    assert re.fullmatch(f"unreadable/{data['vendor']}/{record.id}/{hashlib.sha256(body).hexdigest()}", kept["key"])
    assert (kept["size"], kept["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert record.size < 2_000
    return house.media.pictures[kept["key"]].data == body


@pytest.mark.parametrize("body", [b"x" * (MAX_EVENT_BYTES + 1), b"\xff" * 1000, b"{", b'{"a":', b"\x01\x02"])
def test_a_body_that_cannot_be_read_lies_where_no_subscriber_looks(
    sensepass: House[Any], output: Output, body: bytes
) -> None:
    assert sensepass.send(Request(terminal().event_dest, body)).status == 200

    assert _is_hidden(sensepass, body)
    assert output.counted[Count.UNMAPPED] == 1


def test_a_body_that_cannot_be_read_waits_in_no_queue(output: Output) -> None:
    """The notice is kept and acknowledged: a refusal can end a subscription for good. A repetition brings the body."""
    house = sensoro_house()
    push = sensor_push(b"no json")
    house.media.down = True
    assert house.send(push).status == 200
    assert not house.spill.pictures
    assert output.counted[Count.NOT_KEPT] == 1
    assert len(house.published) == 1
    house.media.down = False
    assert house.send(push).status == 200

    assert _is_hidden(house, b"no json")


def test_a_body_at_the_limit_of_a_vendor_with_pictures_is_taken_and_one_above_it_is_not() -> None:
    house = sensepass_house()
    limit = 5 * 1024 * 1024

    assert house.send(Request(terminal().event_dest, b"x" * limit)).status == 200
    assert house.send(Request(terminal().event_dest, b"x" * (limit + 1))).status == 413


def test_a_spilled_picture_is_stored() -> None:
    media = FakeMedia()

    Gate(FakeStore(), FakeTopics(), FakeSpill(), Announce.INLINE, media).redo_picture(UPLOAD)

    assert media.pictures == {UPLOAD.key: UPLOAD}


def test_a_spilled_picture_that_is_not_taken_again_is_not_spilled_again() -> None:
    spill = FakeSpill()
    with pytest.raises(Unavailable):
        Gate(FakeStore(), FakeTopics(), spill, Announce.INLINE, FakeMedia(down=True)).redo_picture(UPLOAD)

    assert not spill.pictures


def test_a_picture_that_neither_bucket_nor_queue_takes_is_not_kept() -> None:
    gate = Gate(FakeStore(), FakeTopics(), FakeSpill(down=True), Announce.INLINE, FakeMedia(down=True))

    with pytest.raises(NotKept):
        gate.store_picture(UPLOAD)


# ─── The way again ────────────────────────────────────────────────────────────────────────────────────────────────────


each_step = pytest.mark.parametrize("step", [Step.RECORD, Step.PUBLISH])


@each_step
def test_a_spilled_event_is_announced_and_marked(step: Step) -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()
    if step is Step.PUBLISH:
        store.record(record, "inline")

    assert Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia()).redo(record, step) is Admission.ANNOUNCED
    assert topics.messages == [record]
    assert store.published == {record.id}


def test_a_spilled_event_that_was_recorded_after_all_is_a_duplicate() -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()
    store.record(record, "inline")

    assert (
        Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia()).redo(record, Step.RECORD) is Admission.DUPLICATE
    )
    assert not topics.messages


def test_a_spilled_event_is_left_to_the_relay_in_announce_mode_stream() -> None:
    store, topics = FakeStore(), FakeTopics()
    record = some_record()

    assert (
        Gate(store, topics, FakeSpill(), Announce.STREAM, FakeMedia()).redo(record, Step.RECORD) is Admission.RECORDED
    )
    assert store.announce == {record.id: "stream"}
    assert not topics.messages


@each_step
def test_a_spilled_event_that_is_not_taken_again_is_not_spilled_again(step: Step) -> None:
    spill = FakeSpill()
    with pytest.raises(Unavailable):
        Gate(FakeStore(down=True), FakeTopics(down=True), spill, Announce.INLINE, FakeMedia()).redo(some_record(), step)

    assert not spill.messages


# ─── The secret was rotated ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_push_signed_with_a_secret_that_was_rotated_a_moment_ago_is_accepted(sunmi: House[Any]) -> None:
    new = {**SUNMI, "app_key": "the new key"}
    push = simulator.request(new, URL, 2001, FACE, at=NOW.timestamp())
    assert sunmi.send(push).status == 401

    sunmi.accounts.rotated = SunmiAccounts.model_validate(
        {"accounts": [{"app_id": SUNMI["app_id"], "app_keys": ["the new key"]}]}
    )
    assert sunmi.send(push).status == 200
    assert len(sunmi.stored) == 1


def test_an_app_key_that_was_rotated_a_moment_ago_decrypts(sensoro: House[Any]) -> None:
    app = {**SENSORO, "app_key": "A" * 43}
    body = sensor_body({"temperature": 0}, encryptData=_sealed(app))
    assert sensoro.send(sensor_push(body)).reason == "undecryptable"

    sensoro.accounts.rotated = SensoroAccounts.model_validate(
        {"accounts": [{"app_id": SENSORO["app_id"], "app_secrets": [SENSORO["app_secret"]], "app_keys": ["A" * 43]}]}
    )
    assert sensoro.send(sensor_push(body)).status == 200


def _sealed(app: dict[str, str]) -> str:
    from ops.simulators import sensoro

    return sensoro.seal(b'{"temperature":0}', app["app_key"], app["app_id"])


def test_a_push_that_is_wrong_by_the_rotated_secret_too_is_refused(sunmi: House[Any]) -> None:
    sunmi.accounts.rotated = SunmiAccounts.model_validate({"accounts": []})

    assert sunmi.send(face_push(), at=NOW).status == 200
    assert sunmi.accounts.rotated is not None

    forged = simulator.request({**SUNMI, "app_key": "forged"}, URL, 2001, FACE, at=NOW.timestamp())
    assert sunmi.send(forged).reason == "unknown_account"
    assert sunmi.accounts.rotated is None


def test_a_stale_push_does_not_read_the_secret_again(sunmi: House[Any]) -> None:
    sunmi.accounts.rotated = SunmiAccounts.model_validate({"accounts": []})

    assert sunmi.send(face_push(), at=NOW + seconds(86_401)).reason == "stale"
    assert sunmi.accounts.rotated is not None


# ─── Too large ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_body_that_is_larger_than_the_limit_is_refused_unread(sensoro: House[Any], output: Output) -> None:
    answer = sensoro.send(sensor_push(b"x" * (BODY_LIMIT + 1)))

    assert (answer.status, answer.reason) == (413, "too_large")
    assert sensoro.is_untouched
    assert output.counted == {Count.REJECTED: 1}


@pytest.mark.parametrize("character", [b"x", b'"', b"\\", b"\n", b"\x01", b"\xff", b"\x7f", "设".encode()])
def test_a_signed_body_at_the_limit_is_kept_whole(sensoro: House[Any], character: bytes) -> None:
    body = (character * BODY_LIMIT)[: BODY_LIMIT - BODY_LIMIT % len(character)]

    push = sensor_push(body)
    answer = sensoro.send(Request(push.url, body, {**push.headers, "content-type": "application/octet-stream"}))

    assert answer.status == 200
    assert _is_hidden(sensoro, body)


@pytest.mark.parametrize("extra", ["x" * 300_000, "\1" * 60_000, "设" * 100_000])
def test_a_payload_that_is_larger_than_sns_takes_lies_beside_its_event(sensoro: House[Any], extra: str) -> None:
    body = sensor_body({"temperature": 21.5}, notDocumented=extra)

    assert sensoro.send(sensor_push(body)).status == 200
    data = sensoro.event["data"]
    assert data["readings"]["temperature"]["value"] == 21.5
    assert "payload" not in data
    kept = sensoro.media.pictures[data["body"]["key"]].data
    assert json.loads(kept)["notDocumented"] == extra
    assert sensoro.topics.messages[0].size <= MAX_EVENT_BYTES


def test_of_a_push_whose_measurement_is_too_large_the_alarm_is_told_all_the_same(sensoro: House[Any]) -> None:
    data = {"leak": True, "customer": "x" * 260_000}

    assert sensoro.send(sensor_push(sensor_body(data))).status == 200
    kinds = sorted(event["data"]["kind"] for event in sensoro.stored)
    assert kinds == ["leak", "unmapped"]
    assert len(sensoro.published) == 2
    assert all(record.size <= MAX_EVENT_BYTES for record in sensoro.topics.messages)


def test_a_replay_tells_nothing_of_a_clock() -> None:
    """It is a repetition, and late for that reason alone."""
    store, topics = FakeStore(), FakeTopics()
    gate = Gate(store, topics, FakeSpill(), Announce.INLINE, FakeMedia())
    house = sensoro_house()
    handler = house.make(gate, house.accounts)
    push = sensor_push(sensor_body({"temperature": 1}))
    for late in (0, 82_800, 82_801, 82_802):
        assert handler(api_event(push, NOW + seconds(late)), None)["statusCode"] == 200
    assert len(store.records) == 1

    for number in range(3):  # three that are new tell it
        body = sensor_body({"temperature": number + 2}, msgId=100 + number, createdTime=int(AT * 1000) - 28_800_000)
        handler(api_event(sensor_push(body), NOW), None)
    kinds = [json.loads(record.body)["data"]["kind"] for record in store.records.values() if "notice" in record.type]
    assert kinds == ["clock"]


def test_an_event_that_is_too_large_without_its_payload_is_an_unmapped_notice_that_fits(sensoro: House[Any]) -> None:
    readings = {f"{number:x}": 1e15 for number in range(8000)}

    assert sensoro.send(sensor_push(sensor_body(readings))).status == 200
    data = sensoro.event["data"]
    assert (data["kind"], data["reason"]) == ("unmapped", "larger than SNS takes")
    assert sensoro.topics.messages[0].size <= MAX_EVENT_BYTES
    kept = data.get("payload") or json.loads(sensoro.media.pictures[data["body"]["key"]].data)
    assert len(kept["data"]) == 8000


# ─── Signed, and odd ──────────────────────────────────────────────────────────────────────────────────────────────────

ODD = {
    "a huge whole number": "9" * 4300,
    "a whole number that is too long": "9" * 4301,
    "a number beyond a double": "1e999",
    "a number beyond a double, negative": "-1e999",
    "a lone surrogate": '"\\ud800"',
    "a lone low surrogate": '"\\udfff\\ud800"',
    "a character that is none": '"\\ufffe\\uffff"',
    "a null character": '"\\u0000"',
    "nesting at the limit of the parser": "[" * 195 + "]" * 195,
    "nesting past it": "[" * 210 + "]" * 210,
    "deep nesting": "[" * 3000 + "]" * 3000,
    "deep nesting of objects": '{"a":' * 1100 + "0" + "}" * 1100,
    "NaN": "NaN",
    "half of it": '{"a":',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("where", ["data", "sn", "msgId", "createdTime", "type", "deviceType", "extra"])
def test_a_signed_sensoro_push_that_holds_something_odd_is_kept_and_acknowledged(
    sensoro: House[Any], where: str, odd: str
) -> None:
    known = {"type": '"text"', "sn": '"S1"', "msgId": "1", "data": '{"temperature":0}'}
    fields = {"appId": '"123456"', **known, where: odd}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"

    assert sensoro.send(sensor_push(body.encode())).status == 200
    assert sensoro.event["specversion"] == "1.0"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("event", [1010, 1100, 2001, 4100, 9999])
def test_a_signed_sunmi_push_that_holds_something_odd_is_kept_and_acknowledged(
    sunmi: House[Any], event: int, odd: str
) -> None:
    for number, payload in enumerate((odd, f'{{"face_id":{odd},"code":{odd},"sn":{odd}}}')):
        assert sunmi.send(face_push(payload, event=event, nonce=str(number))).status == 200

    assert len(sunmi.stored) == len(sunmi.published) == 2


def test_a_number_beyond_a_double_is_not_turned_into_nothing(sensoro: House[Any]) -> None:
    body = b'{"appId":"123456","type":"text","msgId":1,"data":{"temperature":1e999}}'
    sensoro.send(sensor_push(body))

    assert sensoro.event["data"]["payload"]["data"] == {"temperature": "1e999"}


# ─── Two happenings with one identity ─────────────────────────────────────────────────────────────────────────────────


def _of(person: str) -> Record:
    builder = EventBuilder(vendor="acme", account="A1", identity=["1"], received_at=NOW, payload={"person": person})
    common = builder.common(device="D1", occurred_at=None)
    event = builder.event(Recognition(**common, kind=PersonKind.STAFF, person=Person(id=person)))
    return Record.of(event, ("person.id",))


@pytest.mark.parametrize("announce", Announce)
def test_two_happenings_with_one_identity_are_both_kept_and_it_is_counted(announce: Announce, output: Output) -> None:
    store, topics = FakeStore(), FakeTopics()
    gate = Gate(store, topics, FakeSpill(), announce, FakeMedia())
    admissions = [gate.admit(_of(person)) for person in ("7", "8", "8", "7", "9")]

    new = Admission.ANNOUNCED if announce is Announce.INLINE else Admission.RECORDED
    duplicate = Admission.DUPLICATE
    assert admissions == [new, Admission.CONFLICT, duplicate, duplicate, Admission.CONFLICT]
    told = [json.loads(record.body)["data"] for record in store.records.values()]
    assert [data["person"]["id"] for data in told] == ["7", "8", "9"]
    assert [data.get("conflicts_with") for data in told] == [None, *[_of("7").id] * 2]
    assert [record.id for record in topics.messages] == (list(store.records) if announce is Announce.INLINE else [])
    assert output.counted[Count.CONFLICT] == 2
    assert store.published == {record.id for record in topics.messages}


def test_a_conflict_is_seen_on_the_way_again_too() -> None:
    store, topics, spill = FakeStore(), FakeTopics(), FakeSpill()
    gate = Gate(store, topics, spill, Announce.INLINE, FakeMedia())
    gate.admit(_of("7"))
    store.down = True
    assert gate.admit(_of("8")) is Admission.SPILLED
    store.down = False

    ((spilled, step),) = spill.messages
    assert gate.redo(spilled, step) is Admission.CONFLICT
    assert gate.redo(spilled, step) is Admission.DUPLICATE
    assert len(store.records) == len(topics.messages) == 2


def test_a_conflict_that_the_table_does_not_take_is_spilled_as_it_came() -> None:
    class Full(FakeStore):
        def record(self, record: Record, announce: str) -> Mapping[str, str] | None:
            if self.records and record.id not in self.records:
                raise Unavailable("fake")
            return super().record(record, announce)

    store, spill = Full(), FakeSpill()
    gate = Gate(store, FakeTopics(), spill, Announce.INLINE, FakeMedia())
    gate.admit(_of("7"))

    assert gate.admit(_of("8")) is Admission.SPILLED
    assert [(record.id, record.deciding) for record, _ in spill.messages] == [(_of("8").id, {"person.id": "8"})]
