"""Events as AWS hands them to our functions, and what stands in for a vendor where any will do."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue

from gatehouse.events import EventBuilder, Notice
from gatehouse.record import Record
from gatehouse.vocabulary import NoticeKind, Topic
from ops import api_event as http_api
from ops.simulators import Request
from tests.fakes import FakeSpill

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
URL = "https://push.example.com"
ARNS = {topic: f"arn:aws:sns:eu-central-1:123456789012:{topic}" for topic in Topic}
ENVIRONMENT = {
    "EVENTS_TABLE": "events",
    "TOPIC_ARNS": ",".join(f"{topic}={arn}" for topic, arn in ARNS.items()),
    "SPILL_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/spill",
    "SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:vendor",
    "MEDIA_BUCKET": "media",
}
TOKENS = ("north-one-0123456789abcdef", "north-two-0123456789abcdef")
"""Two that are live, of the vendors whose token is in the path."""
NEARLY_TOKENS = (
    "",
    "north",
    "north-one-0123456789abcdef ",
    "NORTH-ONE-0123456789ABCDEF",
    "north-one-0123456789abcdef%00",
    "\ud800",
    "x" * 10_000,
)
"""None of them is one of `TOKENS`."""


def seconds(count: float) -> timedelta:
    """A span of time."""
    return timedelta(seconds=count)


def rules_document(default: Any = False, **rules: tuple[Any, list[tuple[str, str, Any]]]) -> str:  # noqa: FBT002
    """A rules document: each rule by its name, with its verdict and its conditions (action, key, value)."""
    written = {
        name: {
            "when_match": verdict,
            "conditions": [{"action": action, "key": key, "value": value} for action, key, value in conditions],
        }
        for name, (verdict, conditions) in rules.items()
    }
    return json.dumps({"open": {"default": default, "boolean_type": False, **({"rules": written} if written else {})}})


# ─── What arrives ─────────────────────────────────────────────────────────────────────────────────────────────────────


def api_event(request: Request, at: datetime = NOW) -> dict[str, Any]:
    """A request as an HTTP API hands it over, when it arrives at a given time.

    A token is what follows the vendor's name: `/v1/acme/{token}/authorize`.
    """
    route = urlsplit(request.url).path.split("/")
    route[3:4] = ["{token}"] * len(route[3:4])
    return http_api.api_event(request, at, "/".join(route), "JKJaXmPLvHcESHA=")


# ─── Events that are stored, spilled and streamed ─────────────────────────────────────────────────────────────────────


def some_record(name: str = "1", *, payload: JsonValue = None, device: str | None = "D1") -> Record:
    """A record of an invented vendor's; another name, another id."""
    builder = EventBuilder(vendor="acme", account="A1", identity=[name], received_at=NOW, payload=payload)
    common = builder.common(device=device, occurred_at=None)
    return Record.of(builder.event(Notice(**common, kind=NoticeKind.TASK_FINISHED)))


def spilled(spill: FakeSpill) -> dict[str, Any]:
    """The batch that Lambda gets from the spill queue when this was spilled."""
    events = [
        (record.body, {"step": step.value, "deciding": json.dumps(record.deciding)}) for record, step in spill.messages
    ]
    pictures = [
        (
            base64.b64encode(upload.data).decode(),
            {"step": "picture", "key": upload.key, "content_type": upload.content_type},
        )
        for upload in spill.pictures
    ]
    return {
        "Records": [
            sqs_message(body, attributes, str(number)) for number, (body, attributes) in enumerate([*events, *pictures])
        ]
    }


def stream_event(*items: Mapping[str, Any]) -> dict[str, Any]:
    """The event that Lambda gets from the table's stream when these items have been written.

    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    return {
        "Records": [
            {
                "eventID": str(number),
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {"id": item["id"]},
                    "NewImage": dict(item),
                    "SequenceNumber": f"{number:021}",
                    "StreamViewType": "NEW_IMAGE",
                },
            }
            for number, item in enumerate(items, start=1)
        ]
    }


def item(record: Record, *, announce: str = "inline", recorded_at: datetime = NOW) -> dict[str, Any]:
    """The part of an item of the events table that the relay reads."""
    return {
        "id": {"S": record.id},
        "event": {"S": record.body},
        "delivery": {"S": "pending"},
        "announce": {"S": announce},
        "recorded_at": {"S": recorded_at.isoformat()},
    }


def sqs_message(body: str, attributes: Mapping[str, str] | None = None, name: str = "1") -> dict[str, Any]:
    """A message of a queue as Lambda gets it: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.

    Args:
        body: the text.
        attributes: those that its sender gave it.
        name: the end of its id.
    """
    return {
        "messageId": f"m-{name}",
        "receiptHandle": "r",
        "body": body,
        "attributes": {"SenderId": "AROAEXAMPLE:gatehouse-AcmeFunction"},
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in (attributes or {}).items()
        },
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:queue",
        "awsRegion": "eu-central-1",
    }
