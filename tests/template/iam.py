"""A small IAM: whether what a role may do covers what its function does, and nothing besides.

It takes a policy apart into grants; what AWS decides of a single request is in access.py.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

ROW = "#"
"""Between a table and the key of the row that is worked on."""
_ROWS_ONLY = {"ForAllValues:StringLike", "Null"}


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """An action on a resource, as IAM is asked for it; on a table, `<arn>#<key>` where the row matters."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One action of a statement on one of its resources; both may hold the wildcards `*` and `?`."""

    action: str
    resource: str

    def covers(self, call: Call) -> bool:
        """True of a call that it allows."""
        action = matches(self.action.lower(), call.action.lower())
        # A resource that names no row means all of them.
        resources = (self.resource, f"{self.resource}{ROW}*")
        return action and any(matches(resource, call.resource) for resource in resources)


def grants(policy: dict[str, Any]) -> set[Grant]:
    """Grants of a policy's document, pair by pair.

    Raises:
        NotImplementedError: a statement says something that this file does not judge, as a Deny or a Condition.
    """
    found: set[Grant] = set()
    for statement in policy["Statement"]:
        known = {"Sid", "Effect", "Action", "Resource", "Condition"}
        if statement["Effect"] != "Allow" or set(statement) - known:
            raise NotImplementedError(f"iam.py does not judge this statement: {statement}")
        found |= {
            Grant(action, f"{resource}{rows}")
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
            for rows in _rows(statement)
        }
    return found


def _rows(statement: dict[str, Any]) -> list[str]:
    """The rows that a statement is about: `#<pattern>`, or nothing where it is all of them.

    `ForAllValues` alone holds for a call that names no row: only with `Null` beside it a row is asked for.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    if "Condition" not in statement:
        return [""]
    condition = statement["Condition"]
    try:
        rows = _listed(condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        complete = set(condition) == _ROWS_ONLY and condition["Null"] == {"dynamodb:LeadingKeys": "false"}
    except KeyError:
        complete, rows = False, []
    if not complete:
        raise NotImplementedError(f"iam.py does not judge this condition: {condition}")
    return [f"{ROW}{row}" for row in rows]


def denied(calls: Iterable[Call], allowed: Collection[Grant]) -> list[Call]:
    """The calls that nothing allows."""
    return sorted(call for call in calls if not any(grant.covers(call) for grant in allowed))


def unused(calls: Collection[Call], allowed: Iterable[Grant]) -> list[Grant]:
    """Grants that no call needs."""
    return sorted(grant for grant in allowed if not any(grant.covers(call) for call in calls))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def matches(pattern: str, text: str) -> bool:
    """True of a text that a pattern of IAM's fits, with its wildcards `*` and `?`."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
