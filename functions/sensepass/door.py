"""The door: the answer to a waiting terminal, in time, also if AWS or the rules are down."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue

from functions.sensepass import normalise, verify, wire
from functions.sensepass.verify import Verified
from functions.sensepass.wire import AccessRecord, DeviceAlarm
from gatehouse.deadline import Deadline
from gatehouse.errors import NotKept
from gatehouse.events import Decision
from gatehouse.gate import Answer, Gate, Opened
from gatehouse.telemetry import Count, Span, count, log, measure
from gatehouse.vocabulary import Decider

if TYPE_CHECKING:
    from functions.sensepass.rules import Rules

_WAY_BACK: Final = 0.1
"""Seconds of the deadline for the way of the answer, through Lambda and the gateway."""
_LATE: Final = 0.5
"""Seconds to keep an event whose deadline had passed before it could be tried."""
_TIP: Final = 10
"""Characters of `customtips`: "recommended content 0-10 characters"."""
_VENDOR: Final = "sensepass"
_VERIFY_CODE: Final = {True: 2, False: 3}
"""`verify_code`: recognised; no permission."""


class InDoubt(StrEnum):
    """The answer if there is no decision."""

    DENY = "deny"
    ALLOW = "allow"


class DecidedBy(StrEnum):
    """The decider."""

    TERMINAL = "terminal"
    RULES = "rules"


class Door:
    """Answers a terminal: decides first, and keeps the event in the time that is left."""

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
        """A door.

        Args:
            decided_by: the decider.
            in_doubt: the answer if there is no decision.
            deadline: seconds from the push's arrival at the gateway to the answer.
            rules: the rules; None if they do not decide.
            now: a clock, to be compared with the gateway's.
            monotonic: a clock that is never set.
        """
        self._decided_by = decided_by
        self._in_doubt = in_doubt
        self._deadline = deadline
        self._rules = rules
        self._now = now
        self._monotonic = monotonic

    def respond(self, gate: Gate, opened: Opened[Verified]) -> Answer:
        """Answers a push, a remote authentication or a heartbeat.

        Raises:
            NotKept: an upload was not kept. No door waits for its answer, and most terminals send it again.
        """
        push, verified, payload = opened.push, opened.verified, opened.payload
        if push.method == "GET":
            self._refresh()
            return _answer({})
        message = wire.message(payload)
        if isinstance(message, DeviceAlarm) or (message is not None and not message.waits):
            gate.keep(opened)
            self._refresh()
            return _answer({"pass": self._concluded(message), "customtips": ""})
        decision, tip = self._decide(message, verified, payload, push.received_at)
        terminal = verify.serial(payload, verified)
        decided = replace(verified, sn=terminal, fetched=False, decision=decision)
        self._keep(gate, opened.knowing(decided))
        self._measure(decision, push.received_at)
        return _answer({"pass": decision.allowed, "customtips": tip[:_TIP], **_names(message, decision)})

    def _decide(
        self, access: AccessRecord | None, verified: Verified, payload: JsonValue, received_at: datetime
    ) -> tuple[Decision, str]:
        """Decides whether a door opens; no other place does. Returns the decision and its tip.

        Only a question that was understood is decided by the rules or by the terminal's conclusion. Any other one, and
        any fault, is answered by the setting WhenInDoubt.
        """
        doubt = Decision(
            allowed=self._in_doubt is InDoubt.ALLOW, by=Decider.DOUBT, milliseconds=self._milliseconds(received_at)
        )
        try:
            if access is None or normalise.is_doubtful(access):
                return doubt, ""
            if self._decided_by is DecidedBy.RULES:
                return self._by_rules(access, verified, payload, received_at, doubt)
            # The terminal's conclusion is at hand: it counts after the deadline as well.
            concluded = normalise.conclusion(access)
        except Exception as error:  # noqa: BLE001 - after any fault, a person waits at the door
            log.error("no decision: the setting WhenInDoubt answers", error=type(error).__name__)
            return doubt, ""
        return doubt if concluded is None else _changed(doubt, concluded, Decider.TERMINAL), ""

    def _by_rules(
        self, access: AccessRecord, verified: Verified, payload: JsonValue, received_at: datetime, doubt: Decision
    ) -> tuple[Decision, str]:
        """The decision of the rules, and its tip."""
        if access.is_unreadable_to_rules or self._age(received_at) >= self._deadline:
            return doubt, ""
        context = _context(access, verify.serial(payload, verified), verified.account)
        verdict = None if self._rules is None else self._rules.verdict(context)
        if verdict is None:
            return doubt, ""
        if verdict.allowed and not verdict.even_if_refused and normalise.refuses(access):
            # A rule that lets the staff in does not mean a person who was taken for staff and failed the check.
            return _changed(doubt, False, Decider.TERMINAL), ""  # noqa: FBT003 - the decision
        decision = _changed(doubt, verdict.allowed, Decider.RULES)
        more = {"rule": verdict.rule, "milliseconds": self._milliseconds(received_at)}
        return decision.model_copy(update=more), verdict.tip

    def _keep(self, gate: Gate, opened: Opened[Verified]) -> None:
        """Keeps the event in the time that is left. The answer does not depend on it."""
        # The age is by two clocks, the gateway's and ours. If one is wrong, the time is still limited to the deadline.
        left = min(self._deadline - _WAY_BACK - self._age(opened.push.received_at), self._deadline)
        deadline = Deadline(left if left > 0 else _LATE, self._monotonic)
        try:
            if self._rules is not None:
                self._rules.refresh_in_background()
            gate.within(deadline).keep(opened)
        except NotKept as error:  # counted where it was raised
            log.error("the door was answered, the event is lost", error=str(error))
        except Exception as error:  # noqa: BLE001 - after any fault, a person waits at the door
            log.error("the door was answered, the event is lost", error=type(error).__name__)
            count(Count.NOT_KEPT, _VENDOR)

    def _measure(self, decision: Decision, received_at: datetime) -> None:
        """Counts the decision by its decider, and measures how long the terminal waited."""
        age = max(self._age(received_at), 0.0)
        count(Count.DECISION, _VENDOR, by=decision.by)
        measure(Span.DECISION, _VENDOR, age * 1000)
        if age >= self._deadline:
            count(Count.DECISION_LATE, _VENDOR)
            log.warning("a door was answered late", by=decision.by, milliseconds=int(age * 1000))

    def _concluded(self, message: AccessRecord | DeviceAlarm) -> bool:
        """The `pass` in the answer to an upload. No door waits for it, so it repeats the terminal's own conclusion."""
        if isinstance(message, DeviceAlarm):
            return False
        if normalise.is_doubtful(message):
            return self._in_doubt is InDoubt.ALLOW
        return bool(normalise.conclusion(message))

    def _refresh(self) -> None:
        """Looks for new rules, in a call that no door waits for."""
        if self._rules is not None:
            self._rules.refresh()

    def _age(self, received_at: datetime) -> float:
        return (self._now() - received_at).total_seconds()

    def _milliseconds(self, received_at: datetime) -> int:
        return max(int(self._age(received_at) * 1000), 0)


def _changed(doubt: Decision, allowed: bool, by: Decider) -> Decision:  # noqa: FBT001 - the decision
    return doubt.model_copy(update={"allowed": allowed, "by": by})


def _context(access: AccessRecord, terminal: str | None, site: str) -> dict[str, object]:
    """The facts for the conditions of rules. An unknown fact is left out, so that no condition on it matches."""
    person = normalise.person(access)
    facts = {
        "kind": person.kind.value,
        "user_id": person.id,
        "group": person.group_id,
        "groups": [group.id for group in person.groups if group.id] or None,
        "card": person.card,
        "terminal": terminal,
        "site": site,
        "method": normalise.method(access).value,
        "mask": normalise.mask(access).value,
        "temperature": access.temperature,
        "anomaly": anomaly.value if (anomaly := normalise.anomaly(access)) else "none",
        "terminal_says": normalise.conclusion(access),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _names(access: AccessRecord | None, decision: Decision) -> dict[str, Any]:
    """The further fields of the answer to a remote authentication: the person, and the result to display."""
    if access is None:
        return {"verify_code": _VERIFY_CODE[decision.allowed]}
    if not access.asked:
        return {}
    user = access.user
    names: dict[str, Any] = {
        "user_id": user.user_id or "",
        "user_name": user.name or "",
        "verify_code": _VERIFY_CODE[decision.allowed],
    }
    optional = {"ic_number": user.ic_number, "verify_score": access.recognize_score}
    return names | {name: value for name, value in optional.items() if value is not None}


def _answer(data: dict[str, Any]) -> Answer:
    # The answer to a push has its text in `message`, that to a remote authentication in `msg`. Each gets both.
    body = {"code": 200, "msg": "success", "message": "success", "data": data}
    return Answer(200, json.dumps(body, ensure_ascii=False))
