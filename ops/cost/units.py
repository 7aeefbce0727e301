"""AWS's measures of what is billed: units of DynamoDB, chunks of messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

type Value = Mapping[str, Any]
"""An attribute's value as the API has it: `{"S": "…"}`."""
type Item = Mapping[str, Value]

WRITTEN: Final = 1_024
"""Bytes of a write unit: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""
READ: Final = 4_096
"""Bytes of a read unit."""
KEPT: Final = 100
"""Bytes that an item, or an entry of an index, takes besides:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
CHUNK: Final = 65_536
"""Bytes of a message, or of a batch of them, that are one request of SNS or SQS."""
PAYLOAD: Final = 524_288
"""Bytes of a request to an HTTP API that are one."""


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index that has keys alone."""

    keys: Sequence[str]
    """The names of its own key and of the table's."""

    def entry(self, item: Item | None) -> Item | None:
        """The part of an item that the index has; nothing of one without all its keys."""
        if item is None or not all(key in item for key in self.keys):
            return None
        return {key: item[key] for key in self.keys}


def chunks(size: int, of: int = CHUNK) -> int:
    """Requests that so many bytes count as."""
    return max(ceil(size / of), 1)


def value_size(value: Value) -> int:
    """Bytes of a value.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    ((kind, content),) = value.items()
    if kind not in _SIZES:
        raise NotImplementedError(f"{kind}: say in units.py what it takes")
    return _SIZES[kind](content)


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": lambda text: len(text.encode()),
    # About a byte for each two digits, and one; the sign is one more.
    "N": lambda text: ceil(len(text.strip("-").replace(".", "")) / 2) + 1 + text.startswith("-"),
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda texts: sum(len(text.encode()) for text in texts),
    "L": lambda values: 3 + sum(1 + value_size(inner) for inner in values),
    "M": lambda fields: 3 + sum(1 + len(name.encode()) + value_size(inner) for name, inner in fields.items()),
}


def item_size(item: Item) -> int:
    """Bytes of an item."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def write_units(before: Item | None, after: Item | None, indexes: Sequence[Index] = ()) -> int:
    """Units of a write: of the larger of the two items, and of what changes in each index.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
    """
    largest = max(item_size(item) for item in (before or {}, after or {}))
    return chunks(largest, WRITTEN) + sum(_index_units(index.entry(before), index.entry(after)) for index in indexes)


def _index_units(before: Item | None, after: Item | None) -> int:
    if before == after:
        return 0
    # Another key is a deletion and a new entry.
    return sum(chunks(item_size(entry), WRITTEN) for entry in (before, after) if entry is not None)


def read_units(size: int, *, consistent: bool) -> float:
    """Units of reading an item of so many bytes."""
    return chunks(size, READ) * (1.0 if consistent else 0.5)


def kept_size(item: Item, indexes: Sequence[Index]) -> int:
    """Bytes that an item takes for as long as it is kept, in the table and in its indexes."""
    entries = [entry for index in indexes if (entry := index.entry(item)) is not None]
    return sum(item_size(part) + KEPT for part in (item, *entries))
