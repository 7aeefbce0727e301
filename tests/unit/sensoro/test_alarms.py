"""The life of a leak or of smoke: raised once and released once, also if uploads come twice or out of order."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any, Final

import boto3
import botocore.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.sensoro.alarms import Alarms, AlarmTable, Row, Sighting, after
from gatehouse.errors import Unavailable
from ops.simulators import Request
from tests.builders import AT, NOW, seconds
from tests.fakes import FakeRows, Killed
from tests.output import Output
from tests.rig import Rig
from tests.vendors.sensoro import sensor_body, sensor_push, sensoro_rig

SENSOR: Final = "123456/0117C9A1B2C3/leak"
_ODD: Final[list[Any]] = ["?", None, [], -1, "normal"]


def upload(
    second: int, *, arrives: float | None = None, quantity: str = "leak", safe: bool = False, **more: Any
) -> Request:
    """An upload of a second after `NOW`; `leak=True` and the like are its data."""
    data = {name: more.pop(name) for name in (quantity, "battery") if name in more}
    body = sensor_body(data, safe=safe, **{"createdTime": int((AT + second) * 1000), "msgId": 100 + second, **more})
    return sensor_push(body, safe=safe, at=AT + (second if arrives is None else arrives))


def send(rig: Rig[Any], *requests: Request, late: float = 600) -> None:
    for number, request in enumerate(requests):
        assert rig.send(request, NOW + seconds(late + number)).status == 200


def alarms(rig: Rig[Any]) -> list[tuple[str, str]]:
    """State and time of each alarm, by time."""
    found = [event["data"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]
    return sorted((data["occurred_at"][17:19], data["state"]) for data in found)


def traces(rig: Rig[Any]) -> set[str]:
    return {event["data"]["trace_id"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"}


def measurements(rig: Rig[Any]) -> int:
    return sum(event["type"] == "gatehouse.measurement.v1" for event in rig.stored)


@pytest.fixture
def rows() -> FakeRows[Row]:
    return FakeRows()


@pytest.fixture
def rig(rows: FakeRows[Row]) -> Rig[Any]:
    return sensoro_rig(rows=rows)


# ─── The rule ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize(
    ("quantity", "on", "off"),
    [("leak", True, False), ("leak", "1", 0), ("leak", "on", "off"), ("smoke", 0.4, 0), ("smoke", True, "0.0")],
)
def test_an_alarm_is_raised_once_and_released_once(
    rig: Rig[Any], quantity: str, on: object, off: object, *, safe: bool
) -> None:
    values = [off, on, on, on, off, off]
    bodies = [
        sensor_body({quantity: value}, safe=safe, msgId=n + 1, createdTime=int((AT + n) * 1000))
        for n, value in enumerate(values)
    ]
    send(rig, *(sensor_push(body, safe=safe) for body in bodies))

    assert alarms(rig) == [("01", "raised"), ("04", "released")]
    assert len(traces(rig)) == 1
    assert measurements(rig) == 6
    assert rig.published == rig.stored


def test_the_next_alarm_is_another_one(rig: Rig[Any]) -> None:
    send(rig, *(upload(n, leak=on) for n, on in enumerate([True, False, True, True, False])))

    assert alarms(rig) == [("00", "raised"), ("01", "released"), ("02", "raised"), ("04", "released")]
    assert len(traces(rig)) == 2


def test_without_an_alarm_nothing_is_released(rig: Rig[Any]) -> None:
    send(rig, upload(0, leak=False), upload(1, leak=False), upload(2, quantity="smoke", smoke=0))

    assert alarms(rig) == []
    assert measurements(rig) == 3


def test_two_quantities_two_sensors_and_two_apps_have_alarms_of_their_own(rig: Rig[Any]) -> None:
    send(
        rig,
        upload(0, leak=True),
        upload(1, quantity="smoke", smoke=1),
        upload(2, leak=True, sn="another"),
        upload(3, leak=True, safe=True),
        upload(4, leak=False),
    )

    assert alarms(rig) == [
        ("00", "raised"),
        ("01", "raised"),
        ("02", "raised"),
        ("03", "raised"),
        ("04", "released"),
    ]
    assert len(traces(rig)) == 4


def test_what_cannot_be_read_neither_raises_nor_releases(rig: Rig[Any]) -> None:
    send(rig, upload(0, leak=True), *(upload(n, leak=odd) for n, odd in enumerate(_ODD, 1)))
    assert alarms(rig) == [("00", "raised")]

    send(rig, upload(9, battery=3), upload(10, leak=False))
    assert alarms(rig) == [("00", "raised"), ("10", "released")]


def test_a_sensor_without_leak_and_smoke_asks_nobody(rows: FakeRows[Row], rig: Rig[Any], output: Output) -> None:
    rows.down = True
    send(rig, upload(0, battery=3))

    assert rows.rows == {}
    assert [line for line in output.logged if line["level"] == "WARNING"] == []


def test_an_alarm_says_how_full_the_battery_is(rig: Rig[Any]) -> None:
    send(rig, upload(0, leak=True, battery="64"), upload(1, leak=False, battery=0))

    found = [event["data"]["battery"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]
    assert sorted(found) == [0, 64]


def test_a_sensor_without_a_number_is_raised_each_time(rig: Rig[Any], rows: FakeRows[Row]) -> None:
    send(rig, upload(0, leak=True, sn=""), upload(1, leak=True, sn=None), upload(2, leak=False, sn=""))

    assert [state for _, state in alarms(rig)] == ["raised", "raised"]
    assert rows.rows == {}


# ─── Twice, and out of order ──────────────────────────────────────────────────────────────────────────────────────────


def test_repetitions_change_nothing(rig: Rig[Any]) -> None:
    pushes = [upload(n, leak=on) for n, on in enumerate([False, True, True, False, False])]
    send(rig, *pushes)
    known = rig.stored
    send(rig, *pushes, *reversed(pushes), late=700)

    assert rig.stored == known
    assert alarms(rig) == [("01", "raised"), ("03", "released")]


def test_repetitions_of_uploads_of_the_same_time_change_nothing(rig: Rig[Any]) -> None:
    """The clock of a sensor may stand still. The order of uploads is then that of their arrival, not of their ids."""
    states = [False, True, True, False, False]
    pushes = [upload(0, leak=on, msgId=number) for number, on in zip([5, 9, 2, 7, 3], states, strict=True)]
    send(rig, *pushes)
    known = rig.stored
    send(rig, *pushes, *reversed(pushes), late=700)

    assert [state for _, state in alarms(rig)] == ["raised", "released"]
    assert rig.stored == known


def test_an_upload_that_comes_late_does_not_revive_an_alarm(rig: Rig[Any]) -> None:
    send(rig, upload(1, leak=True), upload(5, leak=False), upload(3, leak=True), upload(0, leak=True))

    assert alarms(rig) == [("01", "raised"), ("05", "released")]
    assert measurements(rig) == 4


def test_a_dry_upload_that_comes_late_does_not_release_an_alarm(rig: Rig[Any]) -> None:
    send(rig, upload(2, leak=True), upload(5, leak=True), upload(1, leak=False), upload(3, leak=False))
    assert alarms(rig) == [("02", "raised")]

    send(rig, upload(6, leak=False))
    assert alarms(rig) == [("02", "raised"), ("06", "released")]


@pytest.mark.parametrize("before", [[], [upload(0, leak=False)], [upload(0, leak=True), upload(1, leak=False)]])
def test_an_alarm_that_comes_after_its_end_is_told_with_both_ends(rig: Rig[Any], before: list[Request]) -> None:
    """The push was sent again after an outage. The alarm is over, but there was one."""
    send(rig, *before)
    known = alarms(rig)
    send(rig, upload(5, leak=False), upload(3, leak=True), late=700)
    assert alarms(rig) == [*known, ("03", "raised"), ("05", "released")]

    send(rig, upload(3, leak=True), upload(4, leak=True), upload(6, leak=False), late=800)
    assert alarms(rig) == [*known, ("03", "raised"), ("05", "released")]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_in_whatever_order_they_come_the_alarm_has_one_beginning_and_one_end(
    rig: Rig[Any], order: Iterable[int]
) -> None:
    pushes = [upload(n, leak=on) for n, on in enumerate([False, True, True, False])]
    send(rig, *(pushes[position] for position in order))

    assert [state for _, state in alarms(rig)] == ["raised", "released"]
    assert len(traces(rig)) == 1


def test_a_clock_that_is_ahead_does_not_silence_the_alarms_to_come(rig: Rig[Any]) -> None:
    ahead = sensor_body({"leak": False}, createdTime=int((AT + 9 * 365 * 86_400) * 1000), msgId=1)
    assert rig.send(sensor_push(ahead)).status == 200
    send(rig, upload(20, leak=True), late=20)

    assert alarms(rig) == [("20", "raised")]


def test_a_retry_by_a_clock_that_is_ahead_does_not_revive_an_alarm(rig: Rig[Any]) -> None:
    pushes = [upload(120 + second, leak=on, arrives=second) for second, on in enumerate([True, True, False])]
    for second, push in enumerate(pushes):
        assert rig.send(push, NOW + seconds(second)).status == 200
    known = rig.stored
    send(rig, *pushes, late=900)

    assert rig.stored == known
    assert [state for _, state in alarms(rig)] == ["raised", "released"]


def test_a_retry_without_a_time_and_with_another_nonce_does_not_revive_an_alarm(rig: Rig[Any]) -> None:
    pushes = [upload(second, leak=on, createdTime="") for second, on in enumerate([True, True, False])]
    for second, push in enumerate(pushes):
        assert rig.send(push, NOW + seconds(second)).status == 200
    known = rig.stored
    for second in (0, 1):
        again = upload(second, leak=True, createdTime="", arrives=60 + second)
        assert rig.send(again, NOW + seconds(60 + second)).status == 200

    assert rig.stored == known


@pytest.mark.parametrize("created", ["", None, "yesterday", 0])
def test_a_replay_of_what_has_no_time_of_its_own_does_not_revive_an_alarm(rig: Rig[Any], created: object) -> None:
    """The nonce is the time of the signature, and is signed as well."""
    first, second = (upload(n, leak=True, createdTime=created, msgId="") for n in (1, 2))
    for push, second_of_day in ((first, 1), (second, 2), (upload(5, leak=False, createdTime=created), 5)):
        assert rig.send(push, NOW + seconds(second_of_day)).status == 200
    known = rig.stored
    for again in (first, second):
        assert rig.send(again, NOW + seconds(3600)).status == 200

    assert rig.stored == known
    assert [state for _, state in alarms(rig)] == ["raised", "released"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=14, unique_by=lambda it: it[0]),
    st.randoms(),
)
def test_raised_and_released_take_turns(uploads: list[tuple[int, bool]], random: Any) -> None:
    """Uploads of a sensor, shuffled and repeated: ordered by time, no alarm is raised within another."""
    rig = sensoro_rig()
    told = [*uploads, *random.choices(uploads, k=5)]
    random.shuffle(told)
    send(rig, *(upload(second, leak=on) for second, on in told))

    by_trace: dict[str, list[str]] = {}
    for event in rig.stored:
        if event["type"] == "gatehouse.alarm.v1":
            by_trace.setdefault(event["data"]["trace_id"], []).append(event["data"]["state"])
    assert all(sorted(states) in (["raised"], ["raised", "released"]) for states in by_trace.values())
    newest = max(uploads)
    standing = [states for states in by_trace.values() if states == ["raised"]]
    assert len(standing) == newest[1]
    assert bool(by_trace) == any(on for _, on in uploads)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_in_order_each_change_is_told_and_nothing_else(states: list[bool]) -> None:
    rig = sensoro_rig()
    send(rig, *(upload(second, leak=on) for second, on in enumerate(states)))

    changes = [on for was, on in pairwise([False, *states]) if was != on]
    assert [state for _, state in alarms(rig)] == ["raised" if on else "released" for on in changes]


# ─── Clocks that are wrong ────────────────────────────────────────────────────────────────────────────────────────────


def live(rig: Rig[Any], second: int, clock: int | None = None, **data: Any) -> Request:
    """Sends an upload at a second, with the time of a clock that shows another one."""
    told = int((AT + second) * 1000) if clock is None else clock
    push = upload(second, createdTime=told, **data)
    assert rig.send(push, NOW + seconds(second)).status == 200
    return push


@pytest.mark.parametrize("clock", [946_684_805_000, 946_684_805, int((AT - 90_000) * 1000), int((AT + 90_000) * 1000)])
def test_a_clock_that_fell_back_does_not_end_a_leak_that_goes_on(rig: Rig[Any], clock: int) -> None:
    """The time of the signature is then taken as the upload's: it is signed as well."""
    live(rig, 0, leak=False)
    live(rig, 10, clock, leak=True)
    assert alarms(rig) == [("10", "raised")]

    live(rig, 20, clock + 1, leak=True)
    live(rig, 30, clock + 2, leak=False)
    live(rig, 40, clock + 3, leak=True)
    assert alarms(rig) == [("10", "raised"), ("30", "released"), ("40", "raised")]
    found = [event["data"]["occurred_at"][:10] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"]
    assert set(found) == {"2026-07-01"}


@pytest.mark.parametrize("ahead", [120, 8 * 3600, 23 * 3600])
def test_a_replay_by_a_clock_that_is_ahead_silences_no_leak_to_come(rig: Rig[Any], ahead: int) -> None:
    def upload_at(second: int, *, on: bool) -> Request:
        return live(rig, second, int((AT + second + ahead) * 1000), leak=on)

    first = upload_at(0, on=True)
    for second in (1, *range(2, 22)):
        upload_at(second, on=False)
    upload_at(22, on=True)
    upload_at(23, on=False)
    assert rig.send(first, NOW + seconds(2000)).status == 200
    assert len(traces(rig)) == 2

    upload_at(2001, on=True)
    upload_at(2002, on=False)
    assert len(traces(rig)) == 3


@pytest.mark.parametrize("ahead", [0, 8 * 3600])
def test_an_upload_that_is_signed_anew_is_known_by_its_mark(rig: Rig[Any], ahead: int) -> None:
    """The nonce is then new, and tells nothing of the time of the upload."""
    clock = int((AT + ahead) * 1000)
    live(rig, 0, clock, leak=True, msgId=1)
    for second in range(1, 24):
        live(rig, second, clock + second * 1000, leak=second == 22)
    live(rig, 2000, clock, leak=True, msgId=1)
    assert len(traces(rig)) == 2

    live(rig, 2001, clock + 2_001_000, leak=True)
    assert len(traces(rig)) == 3


@pytest.mark.parametrize("dry", [1, 2, 11])
def test_an_alarm_that_comes_late_ended_with_the_first_upload_that_told_of_none(rig: Rig[Any], dry: int) -> None:
    send(rig, upload(1, leak=False), *(upload(20 + n, leak=False) for n in range(dry)), upload(10, leak=True))
    assert alarms(rig) == [("10", "raised"), ("20", "released")]


def test_a_dry_upload_that_comes_late_too_is_the_end_of_an_alarm_that_comes_later_still(rig: Rig[Any]) -> None:
    send(rig, upload(30, leak=False), upload(20, leak=False), upload(25, leak=False), upload(10, leak=True))
    assert alarms(rig) == [("10", "raised"), ("20", "released")]


# ─── When something fails ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_push_whose_event_was_not_kept_raises_its_alarm_when_it_is_sent_again(rig: Rig[Any]) -> None:
    rig.store.down = rig.spill.down = True
    assert rig.send(upload(0, leak=True)).status == 503
    rig.store.down = rig.spill.down = False
    send(rig, upload(0, leak=True))

    assert alarms(rig) == [("00", "raised")]


def test_an_alarm_that_was_never_kept_is_told_by_the_next_upload(rig: Rig[Any]) -> None:
    """The vendor gave up after three times."""
    rig.store.down = rig.spill.down = True
    assert rig.send(upload(0, leak=True)).status == 503
    rig.store.down = rig.spill.down = False
    send(rig, upload(1, leak=True), upload(2, leak=True))

    assert alarms(rig) == [("00", "raised")]


@pytest.mark.parametrize("lost", [1, 2])
def test_an_end_that_was_never_kept_is_told_by_the_next_upload(rig: Rig[Any], lost: int) -> None:
    """The cases: the leak goes on, it ends, or the next leak begins."""
    send(rig, upload(0, leak=True))
    rig.store.down = rig.spill.down = True
    for second in range(1, 1 + lost):
        assert rig.send(upload(second, leak=False), NOW + seconds(600)).status == 503
    rig.store.down = rig.spill.down = False
    send(rig, upload(3, leak=True))

    assert alarms(rig) == [("00", "raised"), ("01", "released"), ("03", "raised")]


class Mortal(FakeRows[Row]):
    """Rows after whose change the process dies, once."""

    dies: bool = True

    def write(self, key: str, row: Row, was: Row | None) -> bool:
        done = super().write(key, row, was)
        if self.dies:
            self.dies = False
            raise Killed
        return done


def test_a_process_that_dies_between_the_row_and_the_event_loses_no_alarm() -> None:
    rig = sensoro_rig(rows=Mortal())
    with pytest.raises(Killed):
        rig.send(upload(0, leak=True))
    assert rig.stored == []
    send(rig, upload(0, leak=True))

    assert alarms(rig) == [("00", "raised")]


def test_a_process_that_dies_after_the_event_doubles_no_alarm(rig: Rig[Any], rows: FakeRows[Row]) -> None:
    rig.store.die_on_mark = True
    with pytest.raises(Killed):
        rig.send(upload(0, leak=True))
    rig.store.die_on_mark = False
    assert rows.rows[SENSOR].kept is False
    send(rig, upload(0, leak=True), upload(1, leak=True))

    assert alarms(rig) == [("00", "raised")]
    assert rows.rows[SENSOR].kept


@pytest.mark.parametrize("fault", ["down", "sealed"])
def test_an_alarm_is_raised_although_the_table_does_not_answer(
    rig: Rig[Any], rows: FakeRows[Row], output: Output, fault: str
) -> None:
    setattr(rows, fault, True)
    send(rig, upload(0, leak=True), upload(0, leak=True))

    assert alarms(rig) == [("00", "raised")]
    assert any("error" in line for line in output.logged if line["level"] == "WARNING")


def test_better_twice_than_never_and_the_end_is_told_once_the_table_answers(rig: Rig[Any], rows: FakeRows[Row]) -> None:
    send(rig, upload(0, leak=True))
    rows.down = True
    send(rig, upload(1, leak=True), upload(2, leak=False))
    rows.down = False
    send(rig, upload(3, leak=False))

    assert alarms(rig) == [("00", "raised"), ("01", "raised"), ("03", "released")]


def test_two_quantities_do_not_wait_for_the_table_twice() -> None:
    class Counting(FakeRows[Row]):
        asked = 0

        def read(self, key: str) -> Row | None:
            Counting.asked += 1
            raise Unavailable(key)

    rig = sensoro_rig(rows=Counting())
    send(rig, sensor_push(sensor_body({"leak": True, "smoke": 1})))

    assert Counting.asked == 1
    assert len(alarms(rig)) == 2


def test_what_was_told_and_not_marked_so_is_not_doubled(rig: Rig[Any], rows: FakeRows[Row]) -> None:
    send(rig, upload(0, leak=True))
    rows.sealed = True
    send(rig, upload(1, leak=False))
    rows.sealed = False
    send(rig, upload(2, leak=False), upload(3, leak=False))

    assert [state for _, state in alarms(rig)] == ["raised", "released", "released"][: len(alarms(rig))]
    assert len(traces(rig)) == 1


class Crowd(FakeRows[Row]):
    """Rows that another writer changes between each read and the write after it, for a number of times."""

    def __init__(self, rig: list[Rig[Any]], pushes: Iterator[Request]) -> None:
        super().__init__()
        self._rig = rig
        self._pushes = pushes

    def read(self, key: str) -> Row | None:
        found = super().read(key)
        if between := next(self._pushes, None):
            assert self._rig[0].send(between, NOW + seconds(600)).status == 200
        return found


@pytest.mark.parametrize(
    ("first", "between", "expected"),
    [
        ([True], [True], ["raised"]),
        ([True], [False], ["raised", "released"]),
        ([False], [True], ["raised", "released"]),
        ([False], [False], []),
        ([True], [True, False], ["raised", "released"]),
    ],
)
def test_two_pushes_side_by_side_are_as_one_after_the_other(
    first: list[bool], between: list[bool], expected: list[str]
) -> None:
    """The second push is handled after the first has read the row, and before it writes."""
    later = first == [False]
    meanwhile = iter([upload(n + (0 if later else 5), leak=on) for n, on in enumerate(between)])
    rigs: list[Rig[Any]] = []
    rigs.append(sensoro_rig(rows=Crowd(rigs, meanwhile)))
    send(rigs[0], upload(9 if later else 1, leak=first[0]))

    assert [state for _, state in alarms(rigs[0])] == expected


def test_many_at_once_raise_one_alarm(rig: Rig[Any]) -> None:
    pushes = [upload(n, leak=True) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda push: rig.send(push, NOW + seconds(600)), pushes))

    assert {answer.status for answer in answers} == {200}
    assert len({event["id"] for event in rig.stored if event["type"] == "gatehouse.alarm.v1"}) == 1


def test_whoever_is_always_overtaken_tells_what_it_knows() -> None:
    class Refusing(FakeRows[Row]):
        def write(self, *_: object) -> bool:
            return False

    rig = sensoro_rig(rows=Refusing())
    send(rig, upload(0, leak=True))

    assert alarms(rig) == [("00", "raised")]


# ─── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        client.create_table(
            TableName="alarms",
            KeySchema=[{"AttributeName": "sensor", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "sensor", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


ROWS: Final = [
    Row(on=False, seen_at=NOW),
    Row(
        on=True,
        seen_at=NOW + timedelta(microseconds=1),
        seen=("a", "b"),
        episode="e",
        raised_at=NOW,
        kept=False,
        revision=7,
    ),
    Row(
        on=False,
        seen_at=NOW,
        seen=("c",),
        off=(NOW, NOW + seconds(1)),
        episode="e",
        raised_at=NOW,
        released_at=NOW,
        revision=8,
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_read_as_it_was_written(client: Any, row: Row) -> None:
    table = AlarmTable(lambda: client, "alarms", lambda: NOW)

    assert table.read("s") is None
    assert table.write("s", row, None)
    assert table.read("s") == row
    item = client.get_item(TableName="alarms", Key={"sensor": {"S": "s"}})["Item"]
    assert int(item["expires_at"]["N"]) == int(AT) + 400 * 86_400


def test_a_row_is_written_only_in_place_of_what_was_read(client: Any) -> None:
    table = AlarmTable(lambda: client, "alarms", lambda: NOW)
    first, second = Row(on=False, seen_at=NOW), Row(on=True, seen_at=NOW, revision=2)

    assert table.write("s", first, None)
    assert not table.write("s", first, None)
    assert table.write("s", second, first)
    assert not table.write("s", second, first)
    assert not table.write("new", second, first)
    assert table.read("s") == second


def test_a_table_that_does_not_answer_is_unavailable(client: Any) -> None:
    def broken() -> Any:
        raise botocore.exceptions.NoRegionError

    absent = AlarmTable(lambda: client, "nowhere", lambda: NOW)
    unset = AlarmTable(lambda: client, "", lambda: NOW)
    for table in (absent, unset, AlarmTable(broken, "alarms", lambda: NOW)):
        with pytest.raises(Unavailable):
            table.read("s")
        with pytest.raises(Unavailable):
            table.write("s", ROWS[0], None)


def test_a_row_that_is_none_of_ours_is_unavailable(client: Any) -> None:
    client.put_item(TableName="alarms", Item={"sensor": {"S": "s"}, "on": {"S": "yes"}})

    with pytest.raises(Unavailable):
        AlarmTable(lambda: client, "alarms", lambda: NOW).read("s")


def test_the_life_of_an_alarm_on_the_table(client: Any) -> None:
    alarms = Alarms(AlarmTable(lambda: client, "alarms", lambda: NOW))
    states = []
    for second, on in enumerate([False, True, True, False, False]):
        sighting = Sighting("1", "s", "leak", on, NOW + seconds(second), str(second))
        changes, pending = alarms.update([sighting])
        states += [(second, one.state) for one in changes]
        alarms.mark_kept(pending)

    assert states == [(1, "raised"), (3, "released")]


def test_no_name_in_a_key_reaches_into_another() -> None:
    def key(account: str, device: str) -> str:
        return Sighting(account, device, "leak", True, NOW, "p").sensor

    assert len({key("a", "b/c"), key("a/b", "c"), key("a", "b%2Fc")}) == 3


def test_a_sighting_of_what_is_known_leaves_the_row_as_it_is() -> None:
    row = Row(on=True, seen_at=NOW + seconds(5), episode="e", raised_at=NOW)
    older = Sighting("1", "s", "leak", True, NOW + seconds(1), "p")

    assert after(row, older) == (row, [])
