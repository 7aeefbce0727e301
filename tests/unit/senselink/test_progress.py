"""The watermark: never past what is not recorded, and never back."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.senselink.progress import Progress, WatermarksTable
from gatehouse.errors import Unavailable
from tests.aws import Aws
from tests.builders import NOW, seconds

TABLE = "watermarks"


def _at(second: float) -> datetime:
    return NOW + seconds(second)


# ─── What is in hand ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_before_anybody_listened_there_is_no_mark_and_no_gap() -> None:
    progress = Progress()

    assert (progress.mark, progress.gap) == (None, None)
    progress.disconnected()
    assert (progress.mark, progress.gap) == (None, None)


def test_the_first_connection_is_where_it_begins() -> None:
    progress = Progress()

    progress.connected(_at(5))
    progress.connected(_at(9))
    assert progress.gap is None
    assert progress.mark == _at(5)


def test_who_begins_where_somebody_left_off_begins_with_a_gap() -> None:
    progress = Progress(_at(0))

    assert progress.gap == (0, _at(0))
    progress.connected(_at(50))
    progress.end(progress.begin(_at(60)))
    assert progress.mark == _at(0)
    progress.filled(0, _at(40))
    assert progress.mark == _at(60)


def test_what_is_in_hand_holds_the_mark_however_much_later_is_recorded() -> None:
    progress = Progress()
    progress.connected(_at(0))
    slow = progress.begin(_at(1))
    for second in (2, 3):
        progress.end(progress.begin(_at(second)))

    assert progress.mark == _at(1)
    progress.end(slow)
    assert progress.mark == _at(3)


def test_two_messages_of_one_moment_are_two() -> None:
    progress = Progress(None)
    progress.connected(_at(0))
    one, other = progress.begin(_at(1)), progress.begin(_at(1))
    progress.end(progress.begin(_at(9)))
    progress.end(one)
    assert progress.mark == _at(1)

    progress.end(other)
    assert progress.mark == _at(9)


def test_a_message_that_does_not_tell_its_time_moves_nothing() -> None:
    progress = Progress()
    progress.connected(_at(5))
    progress.end(progress.begin(None))

    assert progress.mark == _at(5)


def test_a_message_that_does_not_tell_its_time_holds_the_mark_while_it_is_in_hand() -> None:
    progress = Progress()
    progress.connected(_at(5))
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
    """The same, naively: everything that ever happened, looked through anew each time."""

    start: datetime | None
    done: list[datetime] = field(default_factory=list)
    in_hand: list[datetime] = field(default_factory=list)
    losses: list[datetime | None] = field(default_factory=list)
    """Up to when all was recorded at each loss of the connection; None where it was filled."""

    def __post_init__(self) -> None:
        self.done += [self.start] if self.start else []
        self.losses.append(self.start)

    def lose(self) -> None:
        self.losses.append(min([max(self.done), *self.in_hand]))

    @property
    def mark(self) -> datetime | None:
        return min([max(self.done), *self.in_hand, *filter(None, self.losses)]) if self.done else None


_STEPS = st.lists(
    st.sampled_from(["begin", "begin", "end", "end", "missed", "disconnected", "connected", "fill", "filled", "told"]),
    max_size=60,
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(_STEPS, st.booleans(), st.randoms(use_true_random=False))
def test_the_mark_never_passes_what_is_not_recorded(steps: list[str], anew: bool, chance: random.Random) -> None:
    """Time goes on with each step; what the server sends is of that time.

    So the mark is what the naive model says; and nothing that was sent and not recorded is before it.
    """
    progress, model = Progress(None if anew else _at(0)), Model(None if anew else _at(0))
    tickets: list[tuple[object, datetime]] = []
    filling: tuple[int, int] | None = None  # the gap's number, and how much of what was missed it covers
    connected = False
    missed: list[datetime] = []
    for second, step in enumerate(steps, start=1):
        now = _at(second * 10)
        if step == "connected":
            progress.connected(now)
            model.done += [] if model.done else [now]
            connected = True
        elif step == "disconnected" and connected:
            model.lose()
            progress.disconnected()
            connected = False
        elif step == "missed" and not connected and model.done:
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
        assert progress.mark is None or all(progress.mark <= at for at in unrecorded)


# ─── Where it is written down ─────────────────────────────────────────────────────────────────────────────────────────


def _table(account: Aws) -> WatermarksTable:
    return WatermarksTable(lambda: account.dynamodb, TABLE)


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

    assert _table(account).read("north") == mark
    assert _table(account).read("south") is None


def test_of_two_tasks_none_takes_the_mark_back(account: Aws) -> None:
    one, other = _table(account), _table(account)
    one.advance("north", _at(9))
    other.advance("north", _at(5))
    assert one.read("north") == _at(9)

    other.advance("north", _at(9.5))
    assert one.read("north") == other.read("north") == _at(9.5)


def test_in_whatever_order_two_tasks_write_the_last_moment_stays(account: Aws) -> None:
    marks = [_at(second / 4) for second in range(-8, 9)]
    random.Random(7).shuffle(marks)
    tasks = [_table(account), _table(account)]
    for number, mark in enumerate(marks):
        tasks[number % 2].advance("north", mark)
        assert tasks[0].read("north") == max(marks[: number + 1])


def _read(table: WatermarksTable) -> None:
    table.read("north")


def _advance(table: WatermarksTable) -> None:
    table.advance("north", _at(0))


@pytest.mark.parametrize(("call", "operation"), [(_read, "get_item"), (_advance, "put_item")])
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
