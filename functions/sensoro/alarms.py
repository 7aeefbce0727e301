"""The life of an alarm: raised once and released once, also if uploads are repeated or come out of order.

Every upload states the present condition of a sensor; a change can only be seen with a memory. So each sensor that has
leak or smoke has a row for each of the two quantities. A change is written into the row first (`Alarms.update`), then
its events are kept, then the row is marked so (`Alarms.mark_kept`). The next push to find a row without the mark makes
the events again, under the same ids.
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
"""A row's life after the last upload: longer than a sensor with a raised alarm may be silent."""
_ATTEMPTS: Final = 8
"""Pushes of one sensor that may change its row at the same time."""
_MARKS: Final = 64
"""Uploads of one sensor that are recognised again. The vendor's retry comes after a few others at most."""
_ENDS: Final = 16
"""Uploads without an alarm whose times are remembered, to find the end of an alarm that comes late."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The condition of one quantity of a sensor, in one push."""

    account: str
    device: str | None
    quantity: str
    """`leak` or `smoke`."""
    on: bool
    at: datetime
    """Time of the upload, for the order: by the sensor's clock if that is believed, but no later than the signature."""
    push: str
    """The identity of the push."""
    happened_at: datetime | None = None
    """Time of the upload, for the events; None if it is `at`. A clock may be ahead of the signature."""

    @property
    def mark(self) -> str:
        """A digest of the push's identity, by which it is recognised again."""
        return hashlib.sha256(self.push.encode()).hexdigest()[:16]

    @property
    def sensor(self) -> str:
        """The key of its row."""
        return "/".join(quote(part, safe="") for part in (self.account, self.device or "", self.quantity))

    @property
    def episode(self) -> str:
        """The id of the alarm, if this push raises one."""
        return hashlib.sha256(json.dumps([self.sensor, self.push]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Row:
    """The condition of a quantity, and its last alarm."""

    on: bool
    seen_at: datetime
    """Time of the newest upload with this quantity."""
    seen: tuple[str, ...] = ()
    """Marks of the last uploads, so that each counts once. Of two with the same time the later arrival is the newer."""
    off: tuple[datetime, ...] = ()
    """Times of the last uploads without alarm since the last alarm. An alarm that comes late ended at the next one."""
    episode: str | None = None
    """Id of the last alarm; None if there was none yet."""
    raised_at: datetime | None = None
    released_at: datetime | None = None
    kept: bool = True
    """True if the events of the last alarm have been kept."""
    revision: int = 1
    """Number of changes, so that of two simultaneous writes only one succeeds."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alarm's state, of which an event is to be made."""

    quantity: str
    state: AlarmState
    episode: str
    """Id of the alarm."""
    at: datetime
    """Time of the change."""


class Rows(Protocol):
    """The port to the rows."""

    def read(self, sensor: str) -> Row | None:
        """Returns a row, if there is one. Raises `Unavailable`."""

    def write(self, sensor: str, row: Row, was: Row | None) -> bool:
        """Replaces the row that was read. Returns False if it has changed meanwhile. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A row whose changes have not been kept as events yet."""

    sensor: str
    row: Row


class Alarms:
    """The alarms of the sensors, in rows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def update(self, sightings: list[Sighting]) -> tuple[list[Change], list[PendingRow]]:
        """Enters the sightings of a push into the rows.

        If the rows are away, an alarm that is on is raised under an id of the push: better twice than never. The end
        of an alarm is then left to the next upload.

        Returns:
            the changes, and the rows for `mark_kept` after the events of the changes are kept.
        """
        changes: list[Change] = []
        pending: list[PendingRow] = []
        rows_are_away = False
        for sighting in sightings:
            if rows_are_away or sighting.device is None:
                changes += _raised(sighting) if sighting.on else []
                continue
            try:
                changed, row = self._update(sighting)
            except Unavailable as error:
                rows_are_away = True  # so that the push waits for one time-out only
                log.warning("raised without knowing whether it is new" if sighting.on else "not seen", error=str(error))
                changed, row = _raised(sighting) if sighting.on else [], None
            changes += changed
            pending += [PendingRow(sighting.sensor, row)] if changed and row else []
        return changes, pending

    def mark_kept(self, pending: list[PendingRow]) -> None:
        """Marks the changes of these rows as kept. If that fails, their events are made again, under the same ids."""
        for one in pending:
            try:
                self._rows.write(one.sensor, _next(one.row, kept=True), one.row)
            except Unavailable as error:
                log.warning("kept, but not marked so", error=str(error))
                return

    def _update(self, sighting: Sighting) -> tuple[list[Change], Row | None]:
        changes: list[Change] = []
        for _ in range(_ATTEMPTS):
            was = self._rows.read(sighting.sensor)
            row, changes = after(was, sighting)
            if row == was:
                return changes, row
            try:
                if self._rows.write(sighting.sensor, row, was):
                    return changes, row
            except Unavailable as error:
                # The row was read, so the changes are right. The next push makes their events again.
                log.warning("the state of an alarm was not written", error=str(error))
                break
        return changes, None


def after(was: Row | None, sighting: Sighting) -> tuple[Row, list[Change]]:
    """Applies the rules of an alarm's life. Returns the row after a sighting, and the changes.

    An upload that is older than the newest changes no known alarm. It may begin one that was not known, if its upload
    came later than the one that ended it: such an alarm is raised and released at once.

    Args:
        was: the row before; None if there was none.
        sighting: the condition in one push.
    """
    if was is None:
        was = Row(on=False, seen_at=sighting.at, revision=0)
    pending = _pending(was, sighting.quantity)
    if sighting.mark in was.seen or sighting.episode == was.episode:
        return was, pending
    seen = (*was.seen, sighting.mark)[-_MARKS:]
    if sighting.at < was.seen_at:
        row, changes = _late(was, sighting, seen)
        return row, [*pending, *changes]
    off = () if sighting.on else (*was.off, sighting.at)[-_ENDS:]
    row = _next(was, seen_at=sighting.at, seen=seen, off=off)
    if sighting.on and not was.on:
        row = replace(row, on=True, episode=sighting.episode, raised_at=sighting.at, released_at=None, kept=False)
        return row, [*pending, *_raised(sighting)]
    if was.on and not sighting.on:
        row = replace(row, on=False, released_at=sighting.at, kept=False)
        return row, [*pending, _released(row, sighting.quantity, sighting.happened_at or sighting.at)]
    return row, pending


def _late(was: Row, sighting: Sighting, seen: tuple[str, ...]) -> tuple[Row, list[Change]]:
    """`after` for a sighting that is older than the newest."""
    if was.on or (was.released_at is not None and sighting.at <= was.released_at):
        return was, []
    if not sighting.on:
        return _next(was, seen=seen, off=tuple(sorted((*was.off, sighting.at)))[-_ENDS:]), []
    ended = next((at for at in was.off if at > sighting.at), was.seen_at)
    row = _next(was, seen=seen, episode=sighting.episode, raised_at=sighting.at, released_at=ended, kept=False)
    return row, [*_raised(sighting), _released(row, sighting.quantity, ended)]


def _next(row: Row, **changes: Any) -> Row:
    return replace(row, revision=row.revision + 1, **changes)


def _pending(row: Row, quantity: str) -> list[Change]:
    """The changes of an earlier push that may have died before it kept them."""
    if row.kept or row.episode is None:
        return []
    raised = Change(quantity, AlarmState.RAISED, row.episode, row.raised_at or row.seen_at)
    return [raised] if row.on else [raised, _released(row, quantity, row.released_at or row.seen_at)]


def _raised(sighting: Sighting) -> list[Change]:
    return [Change(sighting.quantity, AlarmState.RAISED, sighting.episode, sighting.happened_at or sighting.at)]


def _released(row: Row, quantity: str, at: datetime) -> Change:
    return Change(quantity, AlarmState.RELEASED, row.episode or "", at)


class AlarmTable:
    """The `Rows` port on DynamoDB.

    An item holds `sensor` (the key: app, device and quantity), the fields of a `Row` by the same names, and
    `expires_at` (Unix seconds, for DynamoDB's TTL).
    """

    def __init__(self, client: Callable[[], DynamoDBClient], table: str, now: Callable[[], datetime]) -> None:
        # A factory, since most sensors have neither leak nor smoke, and need no row.
        self._client = client
        self._table = table
        self._now = now

    def read(self, sensor: str) -> Row | None:
        """Returns a row, if there is one.

        Raises:
            Unavailable: DynamoDB did not answer, or the row is none of ours.
        """
        with aws.calling("GetItem"):
            answer = self._client().get_item(TableName=self._table, Key={"sensor": {"S": sensor}}, ConsistentRead=True)
        try:
            return _row(answer["Item"]) if "Item" in answer else None
        except (KeyError, ValueError):
            raise Unavailable("a row that is none of ours") from None

    def write(self, sensor: str, row: Row, was: Row | None) -> bool:
        """Replaces the row that was read. Returns False if it has changed meanwhile.

        Raises:
            Unavailable: DynamoDB did not confirm the write. After a time-out it may have written.
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
        "kept": {"BOOL": row.kept},
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
        kept=item["kept"]["BOOL"],
        revision=int(item["revision"]["N"]),
        **times,
    )
