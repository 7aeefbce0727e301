"""The watermark: never past a message that is not recorded; and in the table, never back."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.senselink.progress import Lateness, Progress, WatermarksTable, Written
from gatehouse.errors import Unavailable
from tests.aws import Aws
from tests.builders import NOW, seconds

TABLE = "watermarks"


def _at(second: float) -> datetime:
    return NOW + seconds(second)


# ─── What is in hand ──────────────────────────────────────────────────────────────────────────────────────────────────


def _anew(second: float = 0) -> Progress:
    return Progress(_at(second), anew=True)


def test_where_nobody_has_listened_before_it_begins_without_a_gap() -> None:
    progress = _anew(5)

    assert (progress.mark, progress.gap) == (_at(5), None)
    progress.disconnected()
    assert progress.gap == (1, _at(5))


def test_who_begins_where_somebody_left_off_begins_with_a_gap() -> None:
    progress = Progress(_at(0))

    assert progress.gap == (0, _at(0))
    progress.end(progress.begin(_at(60)))
    assert progress.mark == _at(0)
    progress.filled(0, _at(40))
    assert progress.mark == _at(60)


def test_what_is_in_hand_holds_the_mark_however_much_later_is_recorded() -> None:
    progress = _anew(0)
    slow = progress.begin(_at(1))
    for second in (2, 3):
        progress.end(progress.begin(_at(second)))

    assert progress.mark == _at(1)
    progress.end(slow)
    assert progress.mark == _at(3)


def test_two_messages_of_one_moment_are_two() -> None:
    progress = _anew(0)
    one, other = progress.begin(_at(1)), progress.begin(_at(1))
    progress.end(progress.begin(_at(9)))
    progress.end(one)
    assert progress.mark == _at(1)

    progress.end(other)
    assert progress.mark == _at(9)


def test_a_message_that_does_not_tell_its_time_moves_nothing() -> None:
    progress = _anew(5)
    progress.end(progress.begin(None))

    assert progress.mark == _at(5)


def test_a_message_that_does_not_tell_its_time_holds_the_mark_while_it_is_in_hand() -> None:
    progress = _anew(5)
    alarm = progress.begin(None)
    progress.end(progress.begin(_at(9)))
    assert progress.mark == _at(5)

    progress.end(alarm)
    assert progress.mark == _at(9)


def test_a_gap_that_opened_while_another_was_filled_is_not_filled_by_it() -> None:
    progress = Progress(_at(0))
    assert progress.gap == (0, _at(0))
    progress.end(progress.begin(_at(9)))
    progress.disconnected()
    assert progress.gap == (1, _at(0))

    progress.filled(0, _at(8))
    assert progress.gap == (1, _at(9))
    assert progress.mark == _at(9)
    progress.filled(1, _at(12))
    assert progress.mark == _at(12)


def test_a_connection_that_comes_and_goes_does_not_make_the_gap_longer() -> None:
    progress = Progress(_at(0))
    for second in range(10, 100, 10):
        progress.end(progress.begin(_at(second)))
        number, _ = progress.gap or (0, None)
        progress.disconnected()
        progress.filled(number, _at(second))
        assert progress.gap == (number + 1, _at(second))


def test_a_gap_that_nobody_can_fill_is_told_once_and_the_mark_moves_past_it() -> None:
    progress = Progress(_at(0))

    progress.filled(0, _at(100))
    assert progress.mark == _at(100)
    progress.disconnected()
    assert progress.gap == (1, _at(100))


def test_what_was_told_of_a_gap_does_not_move_the_mark_past_another_or_what_is_in_hand() -> None:
    progress = Progress(_at(0))
    progress.begin(_at(7))
    progress.disconnected()

    progress.filled(0, _at(100))
    assert progress.mark == _at(0)
    progress.filled(1, _at(100))
    assert progress.mark == _at(7)


@dataclass
class Model:
    """A naive model of `Progress`: keeps everything that ever happened, and searches it anew each time."""

    start: datetime
    anew: bool
    done: list[datetime] = field(default_factory=list)
    in_hand: list[datetime] = field(default_factory=list)
    losses: list[datetime | None] = field(default_factory=list)
    """The mark at each loss of the connection; None once the gap is filled."""

    def __post_init__(self) -> None:
        self.done.append(self.start)
        self.losses.append(None if self.anew else self.start)

    def lose(self) -> None:
        self.losses.append(min([max(self.done), *self.in_hand]))

    @property
    def mark(self) -> datetime:
        return min([max(self.done), *self.in_hand, *filter(None, self.losses)])


_STEPS = st.lists(
    st.sampled_from(["begin", "begin", "end", "end", "missed", "disconnected", "connected", "fill", "filled", "told"]),
    max_size=60,
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(_STEPS, st.booleans(), st.randoms(use_true_random=False))
def test_the_mark_never_passes_what_is_not_recorded(steps: list[str], anew: bool, chance: random.Random) -> None:
    """Time moves on with each step, and the server's messages have that time.

    The mark equals the naive model's, and no message that was sent and not recorded is before it.
    """
    progress, model = Progress(_at(0), anew=anew), Model(_at(0), anew)
    tickets: list[tuple[object, datetime]] = []
    filling: tuple[int, int] | None = None  # the gap's number, and how much of what was missed it covers
    connected = anew
    missed: list[datetime] = []
    for second, step in enumerate(steps, start=1):
        now = _at(second * 10)
        if step == "connected":
            connected = True
        elif step == "disconnected" and connected:
            model.lose()
            progress.disconnected()
            connected = False
        elif step == "missed" and not connected and model.losses[1:]:
            missed.append(now)
        elif step == "begin" and connected:
            tickets.append((progress.begin(now), now))
            model.in_hand.append(now)
        elif step == "end" and tickets:
            ticket, at = tickets.pop(chance.randrange(len(tickets)))
            progress.end(ticket)
            model.in_hand.remove(at)
            model.done.append(at)
        elif step == "fill" and connected and (gap := progress.gap):
            filling = gap[0], len(missed)
        elif step in {"filled", "told"} and filling:
            number, count = filling
            filling = None
            upto = now if step == "told" else _at(0)
            progress.filled(number, upto)
            del missed[:count]
            model.losses[: number + 1] = [None] * (number + 1)
            model.done.append(upto)
        assert progress.mark == model.mark
        unrecorded = [*missed, *(at for _, at in tickets)]
        assert all(progress.mark <= at for at in unrecorded)


def test_what_comes_late_takes_the_mark_back_while_it_is_in_hand() -> None:
    progress = _anew(0)
    progress.end(progress.begin(_at(9)))
    late = progress.begin(_at(3))

    assert progress.mark == _at(3)
    progress.end(late)
    assert progress.mark == _at(9)


def test_r05_a_record_from_before_all_that_is_ours_moves_nothing_and_opens_no_gap_so_far_back() -> None:
    progress = Progress(_at(100), anew=True, floor=lambda: _at(50))
    assert progress.ours(_at(49)) is None
    ticket = progress.begin(_at(-1e9))
    progress.disconnected()

    assert progress.gap == (1, _at(100))
    progress.end(ticket)
    assert progress.mark == _at(100)


def test_a_gap_begins_at_the_floor_at_the_earliest() -> None:
    assert Progress(_at(0), floor=lambda: _at(60)).gap == (0, _at(60))


def test_how_far_a_record_is_behind_is_reckoned_from_the_newest_that_was_heard() -> None:
    progress = _anew(0)
    progress.begin(_at(100))

    assert progress.behind(_at(40)) == seconds(60)
    progress.disconnected()
    progress.filled(1, _at(400))
    assert progress.behind(_at(40)) == seconds(360)


def test_the_lateness_is_the_largest_of_a_week_and_a_tenth() -> None:
    lateness = Lateness({})
    lateness.seen(seconds(600), NOW)
    lateness.seen(seconds(60), NOW + timedelta(days=1))

    assert lateness.most(NOW + timedelta(days=1)) == seconds(660)
    assert lateness.most(NOW + timedelta(days=7)) == seconds(660)
    assert lateness.most(NOW + timedelta(days=8)) == seconds(66)
    assert Lateness(lateness.days).most(NOW) == seconds(660)


def test_the_lateness_is_a_day_at_most_and_what_is_in_time_is_none() -> None:
    lateness = Lateness({})
    lateness.seen(seconds(-5), NOW)
    assert lateness.days == {}
    lateness.seen(timedelta(days=400), NOW)
    assert lateness.most(NOW) == timedelta(days=1)


def test_a_clock_that_drifts_does_not_have_the_lateness_written_with_each_record() -> None:
    lateness, written = Lateness({}), set()
    for late in range(600, 660):
        lateness.seen(seconds(late), NOW)
        written.add(str(lateness.days))

    assert len(written) == 1
    assert lateness.most(NOW) >= seconds(659)


# ─── Where it is written down ─────────────────────────────────────────────────────────────────────────────────────────


def _table(account: Aws) -> WatermarksTable:
    return WatermarksTable(lambda: account.dynamodb, TABLE)


def _mark(account: Aws) -> datetime | None:
    row = _table(account).read("north")
    return None if row is None else row.mark


@pytest.fixture
def account() -> Any:
    with mock_aws():
        account = Aws()
        account.dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "server", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "server", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield account


def test_a_server_that_nobody_listened_to_has_no_mark(account: Aws) -> None:
    assert _table(account).read("north") is None


@pytest.mark.parametrize("mark", [_at(0), _at(0.5), _at(0.000001)])
def test_a_mark_is_read_as_it_was_written(account: Aws, mark: datetime) -> None:
    _table(account).advance("north", mark)

    assert _mark(account) == mark
    assert _table(account).read("south") is None


def test_of_two_tasks_none_takes_the_mark_back(account: Aws) -> None:
    one, other = _table(account), _table(account)
    one.advance("north", _at(9))
    other.advance("north", _at(5))
    assert _mark(account) == _at(9)

    other.advance("north", _at(9.5))
    assert _mark(account) == _at(9.5)


def test_in_whatever_order_two_tasks_write_the_last_moment_stays(account: Aws) -> None:
    marks = [_at(second / 4) for second in range(-8, 9)]
    random.Random(7).shuffle(marks)
    tasks = [_table(account), _table(account)]
    for number, mark in enumerate(marks):
        tasks[number % 2].advance("north", mark)
        assert _mark(account) == max(marks[: number + 1])


def test_r08_of_two_tasks_that_begin_one_writes_the_first_mark_and_the_other_reads_it(account: Aws) -> None:
    one, other = _table(account), _table(account)
    assert one.begin("north", _at(5)) is None
    one.advance("north", _at(7))

    assert other.begin("north", _at(9)) == Written(_at(7), _at(5))
    assert _mark(account) == _at(7)


def test_r01_what_a_task_has_in_hand_is_written_beside_the_mark_and_taken_away(account: Aws) -> None:
    table = _table(account)
    table.begin("north", _at(0))
    table.advance("north", _at(100))
    table.owe("north", "one", _at(20))
    table.owe("north", "two", _at(30))

    row = table.read("north")
    assert row is not None
    assert (row.mark, row.since) == (_at(100), _at(20))
    table.owe("north", "two", None)
    table.settle("north", row.owed)
    assert table.read("north") == Written(_at(100), _at(0))


def test_what_a_task_said_again_meanwhile_is_not_taken_away(account: Aws) -> None:
    table = _table(account)
    table.begin("north", _at(50))
    table.owe("north", "one", _at(20))
    row = table.read("north")
    assert row is not None
    table.owe("north", "one", _at(20))
    table.settle("north", row.owed)

    again = table.read("north")
    assert again is not None
    assert again.since == _at(20)


def test_what_is_learnt_is_read_as_it_was_written(account: Aws) -> None:
    table = _table(account)
    table.begin("north", _at(0))
    table.learn("north", {"2026-07-01": 600.5}, [])
    table.learn("north", {"2026-07-02": 1}, [30000])
    table.learn("north", {"2026-07-02": 1}, [30100])

    assert table.read("north") == Written(_at(0), _at(0), {}, {"2026-07-02": 1}, frozenset({30000, 30100}))


def _read(table: WatermarksTable) -> None:
    table.read("north")


def _advance(table: WatermarksTable) -> None:
    table.advance("north", _at(0))


@pytest.mark.parametrize(("call", "operation"), [(_read, "get_item"), (_advance, "update_item")])
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException"])
def test_what_dynamodb_refuses_is_unavailable(
    account: Aws, call: Callable[[WatermarksTable], None], operation: str, code: str
) -> None:
    client = account.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error(operation, service_error_code=code)
        with pytest.raises(Unavailable):
            call(WatermarksTable(lambda: client, TABLE))


@pytest.mark.parametrize("call", [_read, _advance])
def test_a_table_that_cannot_be_reached_is_unavailable(account: Aws, call: Callable[[WatermarksTable], None]) -> None:
    away = account.client("dynamodb", "http://127.0.0.1:9")

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        call(WatermarksTable(lambda: away, TABLE))
