"""An event as it is stored and announced: its JSON, and the few fields that the table and the topics need."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Self

import pydantic_core
from pydantic import BaseModel

from gatehouse.events import CloudEvent, encoded, written
from gatehouse.vocabulary import Arrival, Topic

MAX_EVENT_BYTES: Final = 250_000
"""SNS and its message attributes take 262,144 bytes together; the attributes keep the rest.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
_CONFLICT: Final = "conflict"
_SECONDS: Final = len("2026-07-01T12:00:00")
# JSON allows them, SQS refuses them: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NOT_IN_SQS: Final = ("\ufffe", "\uffff")
_NOT_IN_ATTRIBUTE: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HOUR_SHARDS: Final = 4
_FILTERS: Final = ("account", "device", "severity", "kind", "site", "state")


@dataclass(frozen=True, eq=False)
class Record:
    """An event for the events table and the topics."""

    body: str
    """The JSON of the CloudEvent."""
    id: str
    type: str
    topic: Topic
    time: str
    vendor: str
    received_at: datetime
    occurred_at: datetime
    arrival: Arrival
    filters: Mapping[str, Any]
    """Values of the message attributes, by their name."""
    deciding: Mapping[str, str] = field(default_factory=dict)
    """Words that tell it from another happening with the same identity, by their place in `data`."""

    @classmethod
    def of(cls, event: CloudEvent, deciding: Sequence[str] = (), payload: str | None = None) -> Self:
        """Makes the record of an event.

        Args:
            event: the event.
            deciding: places of the deciding words in its data: `person.id`.
            payload: the JSON of its payload, if it is at hand.
        """
        data = event.data
        # The payload may have any content and size: it is encoded once, by an encoder that does not look at types.
        body = event.model_dump_json(exclude_none=True, by_alias=True, exclude={"data": {"payload"}})
        if data.payload is not None:
            text = encoded(data.payload) if payload is None else payload
            body = f'{body.removesuffix("}}")},"payload":{text}}}}}'
        words = ((path, _deciding_word(data, path)) for path in deciding)
        return cls(
            body=_for_sqs(body),
            id=event.id,
            type=event.type,
            topic=data.topic,
            time=written(event.time),
            vendor=data.vendor,
            received_at=data.received_at,
            occurred_at=data.occurred_at,
            arrival=data.arrival,
            filters={name: getattr(data, name, None) for name in _FILTERS},
            deciding={path: word for path, word in words if word},
        )

    @classmethod
    def parse(cls, body: str, deciding: Mapping[str, str] | None = None) -> Self:
        """Reads a record back from the events table or a queue.

        Args:
            body: the JSON of a CloudEvent of ours.
            deciding: its deciding words.

        Raises:
            ValueError: the body is not the JSON of an event of ours.
        """
        try:
            event = json.loads(body)
            data = event["data"]
            kind: str = event["type"]
            return cls(
                body=body,
                id=event["id"],
                type=kind,
                topic=Topic(kind.split(".")[1]),
                time=event["time"],
                vendor=data["vendor"],
                received_at=datetime.fromisoformat(data["received_at"]),
                occurred_at=datetime.fromisoformat(data["occurred_at"]),
                arrival=Arrival(data["arrival"]),
                filters={name: data.get(name) for name in _FILTERS},
                deciding=dict(deciding or {}),
            )
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"not an event of ours: {type(error).__name__}") from None

    def differs_from(self, deciding: Mapping[str, str]) -> bool:
        """Tells whether another event with this id is another happening. Words that one of the two lacks do not count.

        Args:
            deciding: deciding words of the other event.
        """
        return any(deciding.get(path, word) != word for path, word in self.deciding.items())

    def beside(self) -> Self:
        """The same event under a second id, for the case that another happening has its id.

        A repetition gets the same second id.
        """
        digest = hashlib.sha256(json.dumps([self.id, _CONFLICT, self.deciding], sort_keys=True).encode())
        event = json.loads(self.body)
        event["id"] = f"{self.vendor}-{digest.hexdigest()[:32]}"
        event["data"]["conflicts_with"] = self.id
        return self.parse(_for_sqs(encoded(event)), self.deciding)

    @cached_property
    def size(self) -> int:
        """Bytes, as SNS and DynamoDB count them."""
        return len(self.body.encode())

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The message attributes for filter policies, without `arrival`, which is determined at publishing.

        With `arrival` there are nine at most: SNS drops a message with more than ten if its delivery to SQS is raw
        (https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html). Empty attributes are left out.
        """
        words = {"vendor": self.vendor, "type": self.type, **self.filters}
        clean = {name: _NOT_IN_ATTRIBUTE.sub("", str(word))[:256] for name, word in words.items() if word}
        return {name: word for name, word in clean.items() if word}

    def arrival_at(self, now: datetime, live: timedelta) -> Arrival:
        """Freshness of the event for a subscriber that gets it now.

        Args:
            now: the moment.
            live: age up to which an event is `live`, since it happened and since it arrived.
        """
        if self.arrival is not Arrival.LIVE:
            return self.arrival
        return Arrival.LATE if now - min(self.received_at, self.occurred_at) > live else Arrival.LIVE

    @property
    def by_device(self) -> str | None:
        """Partition key of the index by device."""
        device = self.attributes.get("device")
        return f"{self.vendor}#{device}" if device else None

    @property
    def by_hour(self) -> str:
        """Partition key of the index by type and hour (UTC), sharded so that a burst does not heat one."""
        shard = int(hashlib.sha256(self.id.encode()).hexdigest()[:8], 16) % _HOUR_SHARDS
        return f"{self.topic}#{self.occurred_at.astimezone(UTC):%Y-%m-%dT%H}#{shard}"


def _for_sqs(body: str) -> str:
    for character in _NOT_IN_SQS:
        if character in body:
            body = body.replace(character, f"\\u{ord(character):x}")
    return body


def _deciding_word(data: BaseModel, path: str) -> str | None:
    """The word at a place in an event's data; None where it is absent or unknown."""
    value: Any = data
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    if isinstance(value, datetime):
        # Cut to the second, since a channel may have no more. The time of arrival stands for an unknown time.
        return None if value == getattr(data, "received_at", None) else written(value)[:_SECONDS]
    if value is None or value == "unknown":
        return None
    if isinstance(value, str):
        return str(value)
    # 87 and 87.0 are the same number; True is none.
    return (
        str(float(value)) if type(value) is int else json.dumps(pydantic_core.to_jsonable_python(value), sort_keys=True)
    )
