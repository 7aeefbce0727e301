"""A table of DynamoDB's in memory, with as much of its expressions as Eye4's rows and their flow use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

type Item = dict[str, dict[str, Any]]

_CLAUSE = re.compile(r"\b(SET|ADD)\b")
_COMMA = re.compile(r",(?![^(]*\))")
_FUNCTION = re.compile(r"(\w+)\(([#\w]+)\)")


def failure(code: str, operation: str) -> ClientError:
    """An error of AWS's."""
    return ClientError({"Error": {"Code": code, "Message": "as told"}}, operation)


@dataclass
class Table:
    """The rows, by the value of their only key."""

    key: str
    rows: dict[str, Item] = field(default_factory=dict)

    def get_item(self, **call: Any) -> dict[str, Any]:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html."""
        assert call["ConsistentRead"]
        row = self.rows.get(call["Key"][self.key]["S"])
        return {} if row is None else {"Item": dict(row)}

    def update_item(self, **call: Any) -> dict[str, Any]:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html."""
        key = call["Key"][self.key]["S"]
        names: Mapping[str, str] = call.get("ExpressionAttributeNames", {})
        values: Mapping[str, dict[str, Any]] = call["ExpressionAttributeValues"]
        before = self.rows.get(key, {})
        if condition := call.get("ConditionExpression"):
            for part in condition.split(" AND "):
                if not _holds(part, before, names, values):
                    raise failure("ConditionalCheckFailedException", "UpdateItem")
        after = {self.key: {"S": key}, **before}
        _, *parts = _CLAUSE.split(call["UpdateExpression"])
        for clause, text in zip(parts[::2], parts[1::2], strict=True):
            for action in _COMMA.split(text):
                _ACTIONS[clause](after, action.strip(), names, values)
        self.rows[key] = after
        returned = {"ALL_OLD": before, "ALL_NEW": after}.get(call.get("ReturnValues", "NONE"), {})
        return {"Attributes": dict(returned)} if returned else {}


def _holds(part: str, row: Item, names: Mapping[str, str], values: Mapping[str, dict[str, Any]]) -> bool:
    left, _, right = part.strip().partition(" = ")
    function = _FUNCTION.fullmatch(left)
    if function is None:
        return row.get(names.get(left, left)) == values[right]
    name = names.get(function[2], function[2])
    match function[1]:
        case "attribute_not_exists":
            return name not in row
        case "size":
            return name in row and len(next(iter(row[name].values()))) == int(values[right]["N"])
    raise NotImplementedError(part)


def _set(row: Item, action: str, names: Mapping[str, str], values: Mapping[str, dict[str, Any]]) -> None:
    name, _, value = action.partition(" = ")
    name = names.get(name, name)
    if value.startswith("if_not_exists("):
        kept, _, value = value.removeprefix("if_not_exists(").rstrip(")").partition(", ")
        assert names.get(kept, kept) == name
        if name in row:
            return
    row[name] = values[value]


def _add(row: Item, action: str, names: Mapping[str, str], values: Mapping[str, dict[str, Any]]) -> None:
    name, _, value = action.partition(" ")
    name = names.get(name, name)
    ((kind, more),) = values[value].items()
    there = row.get(name, {}).get(kind)
    if kind == "N":
        row[name] = {"N": str(int(there or 0) + int(more))}
    else:
        row[name] = {kind: sorted({*(there or ()), *more})}


type _Action = Callable[[Item, str, Mapping[str, str], Mapping[str, dict[str, Any]]], None]
_ACTIONS: Mapping[str, _Action] = {"SET": _set, "ADD": _add}
