"""The life of an alarm: raised once, released once, whatever is uploaded in between, twice, or out of order.

A sensor tells how it is with every upload; what changed, only somebody who remembers can tell. So each sensor that has
leak or smoke has a row a quantity. What a push changes is written into the row first (`changed`), then the events are
kept, then the row says so (`told`): whoever finds it untold tells it again, under the same ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from botocore.exceptions import ClientError

from gatehouse import aws
from gatehouse.errors import Unavailable
from gatehouse.events import written
from gatehouse.telemetry import log
from gatehouse.vocabulary import AlarmState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT: Final = timedelta(days=400)
"""A row's life after the last upload: longer than a sensor may be silent whose alarm stands."""
_ATTEMPTS: Final = 8
"""Pushes of one sensor that may change its row at the same time."""
_MARKS: Final = 64
"""Uploads of one sensor that are known again: the vendor's retry comes before the next but few."""
_ENDS: Final = 16
"""Uploads without an alarm whose times are known, for the end of one that comes late."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a push says that one quantity of a sensor is."""

    account: str
    device: str | None
    quantity: str
    on: bool
    at: datetime
    """When it was made, for the order: by the sensor's clock, if that is believed, but no later than it was signed."""
    push: str
    """The identity of the push."""
    told_at: datetime | None = None
    """When it was made, for the events, where that is not `at`: a clock may be ahead of the signature."""

    @property
    def mark(self) -> str:
        """By which the push is known again."""
        return hashlib.sha256(self.push.encode()).hexdigest()[:16]

    @property
    def sensor(self) -> str:
        """The key of its row."""
        return "/".join(quote(part, safe="") for part in (self.account, self.device or "", self.quantity))

    @property
    def episode(self) -> str:
        """The id of the alarm that this push raises, if it raises one."""
        return hashlib.sha256(json.dumps([self.sensor, self.push]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Row:
    """How a quantity stands, and its last alarm."""

    on: bool
    seen_at: datetime
    """When the newest upload was made that told of it."""
    seen: tuple[str, ...] = ()
    """The marks of the last uploads, so that each counts once; of those of one time the last to come is the newest."""
    off: tuple[datetime, ...] = ()
    """When the last uploads were made that told of no alarm, since there was one: what comes late ended by then."""
    episode: str | None = None
    """The last alarm; None as long as there was none."""
    raised_at: datetime | None = None
    released_at: datetime | None = None
    told: bool = True
    """Whether the events of the last alarm have been kept."""
    revision: int = 1
    """Counts the changes, so that of two at a time only one succeeds."""


@dataclass(frozen=True, slots=True)
class News:
    """A change that is to be told."""

    quantity: str
    state: AlarmState
    episode: str
    at: datetime
    """When it happened."""


class Rows(Protocol):
    """The port to the rows."""

    def read(self, sensor: str) -> Row | None:
        """A row, if there is one. Raises `Unavailable`."""

    def write(self, sensor: str, row: Row, was: Row | None) -> bool:
        """Puts a row in place of what was read; False where that has changed meanwhile. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Untold:
    """A row whose news is to be told."""

    sensor: str
    row: Row


class Alarms:
    """What is told of the sensors' alarms."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def changed(self, sightings: list[Sighting]) -> tuple[list[News], list[Untold]]:
        """What these sightings of a push change, and the rows to be given to `told` once that is kept.

        Where the rows cannot be had, what is on is raised, under an id of the push: better twice than never. What is
        off is then told by the next upload.
        """
        news: list[News] = []
        untold: list[Untold] = []
        silent = False
        for sighting in sightings:
            if silent or sighting.device is None:
                news += _raised(sighting) if sighting.on else []
                continue
            try:
                changes, row = self._changed(sighting)
            except Unavailable as error:
                silent = True  # and whoever waits does so only once
                log.warning("raised without knowing whether it is new" if sighting.on else "not seen", error=str(error))
                changes, row = _raised(sighting) if sighting.on else [], None
            news += changes
            untold += [Untold(sighting.sensor, row)] if changes and row else []
        return news, untold

    def told(self, untold: list[Untold]) -> None:
        """Says that the news of these rows is kept. If that fails it is told once more, under the same ids."""
        for one in untold:
            try:
                self._rows.write(one.sensor, _next(one.row, told=True), one.row)
            except Unavailable as error:
                log.warning("told, but not marked so", error=str(error))
                return

    def _changed(self, sighting: Sighting) -> tuple[list[News], Row | None]:
        changes: list[News] = []
        for _ in range(_ATTEMPTS):
            was = self._rows.read(sighting.sensor)
            row, changes = after(was, sighting)
            if row == was:
                return changes, row
            try:
                if self._rows.write(sighting.sensor, row, was):
                    return changes, row
            except Unavailable as error:
                # What was read is known: it is told as it is, and once more by whoever comes next.
                log.warning("the state of an alarm was not written", error=str(error))
                break
        return changes, None


def after(was: Row | None, sighting: Sighting) -> tuple[Row, list[News]]:
    """The row after a sighting, and what is to be told: the rules of an alarm's life.

    An upload that is older than the newest changes nothing that is known; but an alarm of which nobody knew, since
    what raised it came later than what ended it, is told with both its ends.
    """
    if was is None:
        was = Row(on=False, seen_at=sighting.at, revision=0)
    pending = _pending(was, sighting.quantity)
    if sighting.mark in was.seen or sighting.episode == was.episode:
        return was, pending
    seen = (*was.seen, sighting.mark)[-_MARKS:]
    if sighting.at < was.seen_at:
        row, told = _late(was, sighting, seen)
        return row, [*pending, *told]
    off = () if sighting.on else (*was.off, sighting.at)[-_ENDS:]
    row = _next(was, seen_at=sighting.at, seen=seen, off=off)
    if sighting.on and not was.on:
        row = replace(row, on=True, episode=sighting.episode, raised_at=sighting.at, released_at=None, told=False)
        return row, [*pending, *_raised(sighting)]
    if was.on and not sighting.on:
        row = replace(row, on=False, released_at=sighting.at, told=False)
        return row, [*pending, _released(row, sighting.quantity, sighting.told_at or sighting.at)]
    return row, pending


def _late(was: Row, sighting: Sighting, seen: tuple[str, ...]) -> tuple[Row, list[News]]:
    """The same after a sighting that is older than the newest."""
    if was.on or (was.released_at is not None and sighting.at <= was.released_at):
        return was, []
    if not sighting.on:
        return _next(was, seen=seen, off=tuple(sorted((*was.off, sighting.at)))[-_ENDS:]), []
    ended = next((at for at in was.off if at > sighting.at), was.seen_at)
    row = _next(was, seen=seen, episode=sighting.episode, raised_at=sighting.at, released_at=ended, told=False)
    return row, [*_raised(sighting), _released(row, sighting.quantity, ended)]


def _next(row: Row, **changes: Any) -> Row:
    return replace(row, revision=row.revision + 1, **changes)


def _pending(row: Row, quantity: str) -> list[News]:
    """What should have been told before, by a push that may never have come so far."""
    if row.told or row.episode is None:
        return []
    raised = News(quantity, AlarmState.RAISED, row.episode, row.raised_at or row.seen_at)
    return [raised] if row.on else [raised, _released(row, quantity, row.released_at or row.seen_at)]


def _raised(sighting: Sighting) -> list[News]:
    return [News(sighting.quantity, AlarmState.RAISED, sighting.episode, sighting.told_at or sighting.at)]


def _released(row: Row, quantity: str, at: datetime) -> News:
    return News(quantity, AlarmState.RELEASED, row.episode or "", at)


class AlarmTable:
    """The `Rows` port on DynamoDB.

    An item holds `sensor` (the key: app, device and quantity), what a `Row` has by the same names, and `expires_at`
    (Unix seconds, for DynamoDB's TTL).
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str, now: Callable[[], datetime]) -> None:
        # A factory: most sensors have neither leak nor smoke, and need no row.
        self._client = client
        self._table = table
        self._now = now

    def read(self, sensor: str) -> Row | None:
        """A row, if there is one.

        Raises:
            Unavailable: DynamoDB did not answer.
        """
        with aws.calling("GetItem"):
            answer = self._client().get_item(TableName=self._table, Key={"sensor": {"S": sensor}}, ConsistentRead=True)
        try:
            return _row(answer["Item"]) if "Item" in answer else None
        except (KeyError, ValueError):
            raise Unavailable("a row that is none of ours") from None

    def write(self, sensor: str, row: Row, was: Row | None) -> bool:
        """Puts a row in place of what was read; False where that has changed meanwhile.

        Raises:
            Unavailable: DynamoDB did not take it. It may have: a time-out does not tell.
        """
        expiry = {"N": str(int((self._now() + KEPT).timestamp()))}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(sensor)"}
        if was is not None:
            condition = {
                "ConditionExpression": "revision = :was",
                "ExpressionAttributeValues": {":was": {"N": str(was.revision)}},
            }
        with aws.calling("PutItem"):
            try:
                self._client().put_item(
                    TableName=self._table,
                    Item={"sensor": {"S": sensor}, "expires_at": expiry, **_item(row)},
                    **condition,
                )
            except ClientError as error:
                if aws.fault(error) != aws.CONDITION_FAILED:
                    raise
                return False
        return True


def _item(row: Row) -> dict[str, AttributeValueTypeDef]:
    item: dict[str, AttributeValueTypeDef] = {
        "on": {"BOOL": row.on},
        "told": {"BOOL": row.told},
        "revision": {"N": str(row.revision)},
        "seen_at": {"S": written(row.seen_at)},
        "seen": {"L": [{"S": mark} for mark in row.seen]},
        "off": {"L": [{"S": written(moment)} for moment in row.off]},
    }
    if row.episode is not None:
        item["episode"] = {"S": row.episode}
    for name, moment in (("raised_at", row.raised_at), ("released_at", row.released_at)):
        if moment is not None:
            item[name] = {"S": written(moment)}
    return item


def _row(item: dict[str, AttributeValueTypeDef]) -> Row:
    times = {name: datetime.fromisoformat(item[name]["S"]) for name in ("raised_at", "released_at") if name in item}
    return Row(
        on=item["on"]["BOOL"],
        seen_at=datetime.fromisoformat(item["seen_at"]["S"]),
        seen=tuple(mark["S"] for mark in item["seen"]["L"]),
        off=tuple(datetime.fromisoformat(moment["S"]) for moment in item["off"]["L"]),
        episode=item["episode"]["S"] if "episode" in item else None,
        told=item["told"]["BOOL"],
        revision=int(item["revision"]["N"]),
        **times,
    )
