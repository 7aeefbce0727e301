"""The door: what a waiting terminal is told, in time, whatever is down."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue

from functions.sensepass import normalise, wire
from functions.sensepass.verify import Verified
from functions.sensepass.wire import AccessRecord, Generation
from gatehouse.deadline import Deadline
from gatehouse.errors import NotKept
from gatehouse.events import Decider, Decision
from gatehouse.gate import Answer, Keep, Push
from gatehouse.telemetry import log

if TYPE_CHECKING:
    from gatehouse.rules import Rules

_WAY_BACK: Final = 0.1
"""Seconds of the deadline that the answer itself takes, through Lambda and the gateway."""
_LATE: Final = 0.5
"""Seconds that an event is still given to be kept when the deadline passed before anything could be done."""
_TIP: Final = 10
"""Characters of `customtips`: "recommended content 0-10 characters"."""


class InDoubt(StrEnum):
    """What is answered where nothing says what to answer."""

    DENY = "deny"
    ALLOW = "allow"


class DecidedBy(StrEnum):
    """Who decides."""

    TERMINAL = "terminal"
    RULES = "rules"


class Door:
    """Answers a terminal: decides first, keeps what is to be kept in the time that is left."""

    def __init__(
        self,
        *,
        decided_by: DecidedBy,
        in_doubt: InDoubt,
        deadline: float,
        rules: Rules | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float],
    ) -> None:
        self._decided_by = decided_by
        self._in_doubt = in_doubt
        self._deadline = deadline
        self._rules = rules
        self._now = now
        self._monotonic = monotonic

    def respond(self, push: Push, verified: Verified, payload: JsonValue, keep: Keep) -> Answer:
        """The answer to a push, a remote authentication or a heartbeat.

        Raises:
            NotKept: an upload, for which nobody waits at a door, was not kept: the terminal sends it again.
        """
        if push.method == "GET":
            self._refresh()
            return _answer(200, "success", {})
        access = _question(payload)
        if access is None:
            keep()
            self._refresh()
            return _answer(200, "success", {"pass": _concluded(payload), "customtips": ""})
        return self._open_or_not(push, verified, access, keep, asked=wire.record(payload) is payload)

    def _open_or_not(self, push: Push, verified: Verified, access: AccessRecord, keep: Keep, *, asked: bool) -> Answer:
        decision, tip = self._decide(access, verified, push.received_at)
        left = self._deadline - _WAY_BACK - self._age(push.received_at)
        deadline = Deadline(left if left > 0 else _LATE, self._monotonic)
        code, message = 200, "success"
        try:
            if self._rules is not None:
                self._rules.refresh_meanwhile()
            keep(partial(normalise.normalise, decision=decision), deadline)
        except NotKept as error:
            log.error("the door was answered, the event is lost unless the terminal sends it again", error=str(error))
            code, message = 503, "not kept: please send it again"
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody stands at the door
            log.error("the door was answered, the event is not kept", error=type(error).__name__)
            code, message = 500, "not kept: please send it again"
        data: dict[str, Any] = {"pass": decision.allowed, "customtips": tip[:_TIP]}
        if asked:
            data |= {"user_id": access.user.user_id or "", "user_name": access.user.name or ""}
        return _answer(code, message, data)

    def _decide(self, access: AccessRecord, verified: Verified, received_at: datetime) -> tuple[Decision, str]:
        """The decision and its tip; whatever goes wrong, it is the one for when in doubt."""
        doubt = Decision(
            allowed=self._in_doubt is InDoubt.ALLOW, by=Decider.DOUBT, milliseconds=self._milliseconds(received_at)
        )
        if self._age(received_at) >= self._deadline:
            return doubt, ""
        try:
            if self._decided_by is DecidedBy.TERMINAL:
                concluded = normalise.conclusion(access)
                if concluded is None:
                    return doubt, ""
                return doubt.model_copy(update={"allowed": concluded, "by": Decider.TERMINAL}), ""
            verdict = None if self._rules is None else self._rules.verdict(_context(access, verified))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody stands at the door
            log.error("no decision: the setting WhenInDoubt answers", error=type(error).__name__)
            return doubt, ""
        if verdict is None:
            return doubt, ""
        decided = {
            "allowed": verdict.allowed,
            "by": Decider.RULES,
            "rule": verdict.rule,
            "milliseconds": self._milliseconds(received_at),
        }
        return doubt.model_copy(update=decided), verdict.tip

    def _refresh(self) -> None:
        """Looks for new rules in a call that nobody at a door waits for."""
        if self._rules is not None:
            self._rules.refresh()

    def _age(self, received_at: datetime) -> float:
        return (self._now() - received_at).total_seconds()

    def _milliseconds(self, received_at: datetime) -> int:
        return max(int(self._age(received_at) * 1000), 0)


def _question(payload: JsonValue) -> AccessRecord | None:
    """The record of a terminal that waits: a remote authentication, or any record of V1.0. None if none waits."""
    record = wire.record(payload)
    if record is None or (isinstance(payload, dict) and record is not payload and payload.get("type") != 0):
        return None
    try:
        access = AccessRecord.model_validate(record)
    except ValueError:
        access = AccessRecord()
    return access if record is payload or access.generation is Generation.V1_0 else None


def _concluded(payload: JsonValue) -> bool:
    record = wire.record(payload)
    try:
        return bool(normalise.conclusion(AccessRecord.model_validate(record or {})))
    except ValueError:
        return False


def _context(access: AccessRecord, verified: Verified) -> dict[str, object]:
    """What rules can ask for; what is not known is left out, so that no condition on it matches."""
    who = normalise.person(access)
    known = {
        "kind": who.kind.value,
        "user_id": who.id,
        "group": who.group_id,
        "groups": list(access.user.group_ids) or None,
        "card": access.user.ic_number,
        "terminal": access.device_sn,
        "site": verified.account,
        "method": normalise.method(access).value,
        "mask": normalise.mask(access).value,
        "temperature": access.body_temperature or None,
        "anomaly": anomaly.value if (anomaly := normalise.anomaly(access)) else "none",
        "terminal_says": normalise.conclusion(access),
    }
    return {name: value for name, value in known.items() if value is not None}


def _answer(code: int, message: str, data: dict[str, Any]) -> Answer:
    # The push's answer has its text in `message`, the remote authentication's in `msg`: both get both.
    body = {"code": code, "msg": message, "message": message, "data": data}
    return Answer(200, json.dumps(body, ensure_ascii=False))
