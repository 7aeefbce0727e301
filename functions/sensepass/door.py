"""The door: the answer to a waiting terminal, in time, whatever is down."""

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
"""Seconds of the deadline that the answer itself takes, through Lambda and the gateway."""
_LATE: Final = 0.5
"""Seconds that an event is still given to be kept when the deadline passed before anything could be done."""
_TIP: Final = 10
"""Characters of `customtips`: "recommended content 0-10 characters"."""
_VENDOR: Final = "sensepass"
_VERIFY_CODE: Final = {True: 2, False: 3}
"""`verify_code`: recognised; no permission."""


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

    def respond(self, gate: Gate, opened: Opened[Verified]) -> Answer:
        """Answers a push, a remote authentication or a heartbeat.

        Raises:
            NotKept: an upload, whose answer no door waits for, was not kept: most terminals send it again.
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
        """The decision and its tip: the one place where it is decided whether a door opens.

        Only a question that was understood gets to the rules, or to what the terminal concluded. Whatever is not, and
        whatever goes wrong, is answered by the setting for when in doubt.
        """
        doubt = Decision(
            allowed=self._in_doubt is InDoubt.ALLOW, by=Decider.DOUBT, milliseconds=self._milliseconds(received_at)
        )
        try:
            if access is None or normalise.is_doubtful(access):
                return doubt, ""
            if self._decided_by is DecidedBy.RULES:
                return self._by_rules(access, verified, payload, received_at, doubt)
            # The terminal's word is at hand, however late it is.
            concluded = normalise.conclusion(access)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody stands at the door
            log.error("no decision: the setting WhenInDoubt answers", error=type(error).__name__)
            return doubt, ""
        return doubt if concluded is None else _changed(doubt, concluded, Decider.TERMINAL), ""

    def _by_rules(
        self, access: AccessRecord, verified: Verified, payload: JsonValue, received_at: datetime, doubt: Decision
    ) -> tuple[Decision, str]:
        """What the rules say, and their tip."""
        if access.is_unreadable_to_rules or self._age(received_at) >= self._deadline:
            return doubt, ""
        context = _context(access, verify.serial(payload, verified), verified.account)
        verdict = None if self._rules is None else self._rules.verdict(context)
        if verdict is None:
            return doubt, ""
        if verdict.allowed and not verdict.even_if_refused and normalise.refuses(access):
            # A rule that lets the staff in does not mean whoever was taken for one of them and failed.
            return _changed(doubt, False, Decider.TERMINAL), ""  # noqa: FBT003 - the decision
        decision = _changed(doubt, verdict.allowed, Decider.RULES)
        more = {"rule": verdict.rule, "milliseconds": self._milliseconds(received_at)}
        return decision.model_copy(update=more), verdict.tip

    def _keep(self, gate: Gate, opened: Opened[Verified]) -> None:
        """Keeps the event in the time that is left. The answer does not depend on it: it is no receipt."""
        # By two clocks, the gateway's and ours: whichever is wrong, there is never more time than the deadline.
        left = min(self._deadline - _WAY_BACK - self._age(opened.push.received_at), self._deadline)
        deadline = Deadline(left if left > 0 else _LATE, self._monotonic)
        try:
            if self._rules is not None:
                self._rules.refresh_meanwhile()
            gate.within(deadline).keep(opened)
        except NotKept as error:  # counted where it was raised
            log.error("the door was answered, the event is lost", error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody stands at the door
            log.error("the door was answered, the event is lost", error=type(error).__name__)
            count(Count.NOT_KEPT, _VENDOR)

    def _measure(self, decision: Decision, received_at: datetime) -> None:
        """Tells the operator by whom it was decided, and how long the terminal waited; nothing of who stood there."""
        age = max(self._age(received_at), 0.0)
        count(Count.DECISION, _VENDOR, by=decision.by)
        measure(Span.DECISION, _VENDOR, age * 1000)
        if age >= self._deadline:
            count(Count.DECISION_LATE, _VENDOR)
            log.warning("a door was answered late", by=decision.by, milliseconds=int(age * 1000))

    def _concluded(self, message: AccessRecord | DeviceAlarm) -> bool:
        """What an upload is answered with: nobody waits for it, so that it is the terminal's own word."""
        if isinstance(message, DeviceAlarm):
            return False
        if normalise.is_doubtful(message):
            return self._in_doubt is InDoubt.ALLOW
        return bool(normalise.conclusion(message))

    def _refresh(self) -> None:
        """Looks for new rules in a call that nobody at a door waits for."""
        if self._rules is not None:
            self._rules.refresh()

    def _age(self, received_at: datetime) -> float:
        return (self._now() - received_at).total_seconds()

    def _milliseconds(self, received_at: datetime) -> int:
        return max(int(self._age(received_at) * 1000), 0)


def _changed(doubt: Decision, allowed: bool, by: Decider) -> Decision:  # noqa: FBT001 - the decision
    return doubt.model_copy(update={"allowed": allowed, "by": by})


def _context(access: AccessRecord, terminal: str | None, site: str) -> dict[str, object]:
    """What rules can ask for; what is not known is left out, so that no condition on it matches."""
    who = normalise.person(access)
    known = {
        "kind": who.kind.value,
        "user_id": who.id,
        "group": who.group_id,
        "groups": [group.id for group in who.groups if group.id] or None,
        "card": who.card,
        "terminal": terminal,
        "site": site,
        "method": normalise.method(access).value,
        "mask": normalise.mask(access).value,
        "temperature": access.temperature,
        "anomaly": anomaly.value if (anomaly := normalise.anomaly(access)) else "none",
        "terminal_says": normalise.conclusion(access),
    }
    return {name: value for name, value in known.items() if value is not None}


def _names(access: AccessRecord | None, decision: Decision) -> dict[str, Any]:
    """What the answer to a remote authentication has besides: who it is, and how the terminal is to call it."""
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
    known = {"ic_number": user.ic_number, "verify_score": access.recognize_score}
    return names | {name: value for name, value in known.items() if value is not None}


def _answer(data: dict[str, Any]) -> Answer:
    # The push's answer has its text in `message`, the remote authentication's in `msg`: both get both.
    body = {"code": 200, "msg": "success", "message": "success", "data": data}
    return Answer(200, json.dumps(body, ensure_ascii=False))
