"""A vendor's function on fakes, and its answers."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from gatehouse import edge
from gatehouse.edge import LambdaHandler
from gatehouse.errors import NOT_AUTHENTIC, Reason
from gatehouse.gate import Gate, Vendor, Verified
from gatehouse.ports import AccountSource
from gatehouse.record import Record
from gatehouse.settings import Announce
from ops.simulators import Request
from tests.builders import NOW, api_event
from tests.fakes import FakeAccounts, FakeMedia, FakeSpill, FakeStore, FakeTopics
from tests.rejections import rejections


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that a vendor got."""

    status: int
    body: Any
    """Read as JSON; None where it is empty."""
    rejected: Reason | None = None
    """The reason as the operator's log has it; the vendor is not told all of it."""

    @property
    def reason(self) -> str | None:
        """The reason of a refusal, if it is one; of what is not authentic the one in the log."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if error is None:
            return None
        told = error["reason"]
        if self.rejected is None:
            return str(told)
        # Whatever was wrong, the vendor is told one thing of it.
        assert told == (self.rejected if self.rejected.may_be_told else NOT_AUTHENTIC)
        return self.rejected


@dataclass
class Rig[A: BaseModel]:
    """A vendor's handler, and the ports and the secret behind it."""

    make: Callable[[Gate, AccountSource[A]], LambdaHandler]
    accounts: FakeAccounts[A]
    announce: Announce = Announce.INLINE
    store: FakeStore = field(default_factory=FakeStore)
    topics: FakeTopics = field(default_factory=FakeTopics)
    spill: FakeSpill = field(default_factory=FakeSpill)
    media: FakeMedia = field(default_factory=FakeMedia)

    def handle(self, event: dict[str, Any]) -> Answered:
        """Has the handler answer an event of API Gateway."""
        gate = Gate(self.store, self.topics, self.spill, self.announce, self.media)
        with rejections() as rejected:
            response = self.make(gate, self.accounts)(event, None)
        assert response["headers"] == {"content-type": "application/json"}
        body = response["body"]
        return Answered(response["statusCode"], json.loads(body) if body else None, *rejected)

    def send(self, request: Request, at: datetime = NOW) -> Answered:
        """Has a push arrive."""
        return self.handle(api_event(request, at))

    @property
    def stored(self) -> list[dict[str, Any]]:
        """The events in the events table, by their id: those of one push go side by side, in no order."""
        return _by_id(self.store.records.values())

    @property
    def published(self) -> list[dict[str, Any]]:
        """The events that were announced, by their id."""
        return _by_id(self.topics.messages)

    @property
    def event(self) -> dict[str, Any]:
        """The one event, which is in the events table and was announced as it is there."""
        assert self.published == self.stored
        (event,) = self.stored
        return event

    @property
    def is_untouched(self) -> bool:
        """True where nothing was stored, announced or spilled."""
        spilled = self.spill.messages or self.spill.pictures
        return not (self.store.records or self.topics.messages or self.media.pictures or spilled)


def _by_id(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in sorted(records, key=lambda record: record.id)]


def rig_of[A: BaseModel, V: Verified](vendor: Vendor[A, V], accounts: A, announce: Announce) -> Rig[A]:
    """A vendor's function, with the accounts in its secret."""

    def make(gate: Gate, fake: AccountSource[A]) -> LambdaHandler:
        return edge.handler(vendor, gate, fake, "")

    return Rig(make, FakeAccounts(accounts), announce)


def is_hidden(rig: Rig[Any], body: bytes) -> bool:
    """The body lies to the byte where no subscriber looks, and its notice names it."""
    data = rig.event["data"]
    kept = data["body"]
    (record,) = rig.topics.messages
    assert (data["kind"], "payload" in data) == ("unmapped", False)
    assert re.fullmatch(f"unreadable/{data['vendor']}/{record.id}/{hashlib.sha256(body).hexdigest()}", kept["key"])
    assert (kept["size"], kept["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert record.size < 2_000
    return rig.media.pictures[kept["key"]].data == body
