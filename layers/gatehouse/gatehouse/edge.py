"""The edge of every vendor's Lambda: from an event of API Gateway to the gate, and back to a response."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel

from gatehouse import aws
from gatehouse.accounts import Secret
from gatehouse.errors import NOT_AUTHENTIC, GatehouseError, Reason, Rejected
from gatehouse.gate import BODY_LIMIT, Answer, Gate, Push, Vendor, Verified
from gatehouse.media import MediaBucket
from gatehouse.ports import AccountSource
from gatehouse.reading import TooLarge, inflate
from gatehouse.sandbox import SANDBOX
from gatehouse.settings import GateSettings, VendorSettings
from gatehouse.spill import SpillQueue
from gatehouse.store import EventsTable
from gatehouse.telemetry import Count, count, flush, log
from gatehouse.topics import SnsTopics
from gatehouse.vocabulary import Arrival


class LambdaHandler(Protocol):
    """A function as Lambda calls it."""

    def __call__(self, event: dict[str, Any], context: object, /) -> dict[str, Any]:
        """Handles one event."""


def gate(settings: GateSettings, announced_as: Arrival | None = None) -> Gate:
    """The gate on AWS.

    Args:
        settings: of the function.
        announced_as: freshness of every message, for a function that announces events which have waited.
    """
    return Gate(
        store=events_table(settings),
        topics=SnsTopics(aws.client("sns"), settings.topic_arns, settings.live, always=announced_as),
        spill=SpillQueue(lambda: aws.client("sqs"), settings.spill_queue_url),
        announce=settings.announce_mode,
        media=MediaBucket(lambda: aws.client("s3"), settings.media_bucket),
        live=settings.live,
    )


def events_table(settings: GateSettings) -> EventsTable:
    """The events table on AWS."""
    return EventsTable(
        aws.client("dynamodb"), settings.events_table, settings.retention_days, lambda: datetime.now(UTC)
    )


def http[S: VendorSettings, A: BaseModel, V: Verified](
    settings: type[S],
    vendor: Callable[[S], Vendor[A, V]],
    *,
    patience: Callable[[S], float] | None = None,
    heartbeat: str | None = None,
) -> LambdaHandler:
    """The Lambda handler of a vendor, behind an HTTP API (payload format 2.0).

    Args:
        settings: the model of the function's settings.
        vendor: makes the vendor from the settings.
        patience: seconds that a push waits for the secret at most, where a terminal waits for the answer.
        heartbeat: HTTP method of the calls that no terminal waits for. The secret is read again during these.
    """

    def make() -> LambdaHandler:
        read = settings.read(os.environ)
        supplied = vendor(read)
        secret = Secret(
            aws.client("secretsmanager"),
            read.secret_arn,
            supplied.accounts,
            vendor=supplied.name,
            patience=None if patience is None else patience(read),
            grace=read.secret_grace,
        )
        if patience is not None:
            secret.begin()
        handle = handler(supplied, gate(read), secret, read.public_base_url)

        def freshening(event: dict[str, Any], context: object) -> dict[str, Any]:
            if event["requestContext"]["http"]["method"] == heartbeat:
                secret.freshen()
            return handle(event, context)

        return freshening

    return triggered(make, lambda event, made: made(event, None))


def triggered[T](make: Callable[[], T], handle: Callable[[dict[str, Any], T], dict[str, Any]]) -> LambdaHandler:
    """A Lambda handler on an object that is made once.

    On Lambda the object is made at import: the start has the whole processor, and a wrong setting stops the function
    before its first event. Elsewhere it is made by the first call, so that importing a handler does nothing.

    Args:
        make: makes the object.
        handle: handles one event with it.
    """
    make_once = cache(make)

    def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
        SANDBOX.called()
        try:
            return handle(event, make_once())
        finally:
            flush()
            SANDBOX.answered()

    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        make_once()
        SANDBOX.rests()
    return lambda_handler


def handler[A: BaseModel, V: Verified](
    vendor: Vendor[A, V], gate: Gate, accounts: AccountSource[A], public_base_url: str
) -> LambdaHandler:
    """The handler of a vendor, on a given gate.

    It never raises. A rejected push is answered 4xx, a push that was not taken 503, and a fault of ours 500: after the
    last two the vendor sends it again.

    Args:
        vendor: the vendor.
        gate: takes its pushes.
        accounts: the accounts whose pushes it may verify.
        public_base_url: as for `push`.
    """

    def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
        log.set_correlation_id(event["requestContext"]["requestId"])
        try:
            return _response(gate.receive(push(event, public_base_url, vendor.body_limit), vendor, accounts))
        except Rejected as error:
            # The reason and our own sentence, which holds nothing of the push but numbers.
            log.warning("rejected", vendor=vendor.name, reason=error.reason, detail=str(error))
            count(Count.REJECTED, vendor.name, reason=error.reason)
            return _rejection(error)
        except GatehouseError as error:
            # A library's exception in the chain may quote the push, so no traceback here.
            log.error("not taken", vendor=vendor.name, error=type(error).__name__, detail=str(error))
            count(Count.FAILED, vendor.name)
            return _refusal(503, "unavailable", "not taken: please send it again")
        except Exception as error:  # noqa: BLE001 - after any fault, the vendor has to learn that it may retry
            frames = _frames(error)
            log.error("failed", vendor=vendor.name, error=type(error).__name__, where=frames)
            count(Count.FAILED, vendor.name)
            return _refusal(500, "internal", "not taken: please send it again")

    return handle


def push(event: Mapping[str, Any], public_base_url: str = "", limit: int = BODY_LIMIT) -> Push:
    """The push in an HTTP API's event, payload format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Args:
        event: the event; its body is base64 unless the content type is one of text.
        public_base_url: the address that the vendor was given, where it is not the gateway's own.
        limit: bytes that a compressed body may have after decompression.

    Raises:
        Rejected: the body is marked as base64 and is not, or is too large.
    """
    request = event["requestContext"]
    headers = {name.lower(): _encodable(value) for name, value in event.get("headers", {}).items()}
    body = event.get("body") or ""
    try:
        content = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        if encoding := headers.get("content-encoding"):
            content = inflate(content, encoding, limit)
    except TooLarge:
        raise Rejected(Reason.TOO_LARGE, f"the body has more than {limit} bytes when it is decompressed") from None
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise Rejected(Reason.MALFORMED, "the body is not readable") from None
    return Push(
        method=request["http"]["method"],
        urls=tuple(_urls(event, public_base_url)),
        headers=headers,
        body=content,
        received_at=datetime.fromtimestamp(request["timeEpoch"] / 1000, tz=UTC),
        path_parameters=event.get("pathParameters") or {},
    )


def _urls(event: Mapping[str, Any], public_base_url: str) -> list[str]:
    """The addresses that the vendor may have been given.

    A path may contain the key of a custom domain's API mapping. The event's two fields for the path may differ in it,
    and reports disagree on which has it. Both are taken. The path of `public_base_url` is put before each only once.
    """
    request = event["requestContext"]
    base = public_base_url.rstrip("/") or f"https://{request['domainName']}"
    prefix = urlsplit(base).path
    query = event.get("rawQueryString") or ""
    paths = dict.fromkeys((event["rawPath"], request["http"].get("path", event["rawPath"])))
    addresses: dict[str, None] = {}
    for path in paths:
        bare = path.removeprefix(prefix) if prefix and path.startswith(f"{prefix}/") else path
        for variant in (bare, path):
            addresses[_encodable(f"{base}{variant}{'?' if query else ''}{query}")] = None
    return list(addresses)


def _encodable(text: str) -> str:
    """Replaces a lone surrogate by a question mark. No vendor signs one, and it must not be our 500."""
    return text.encode(errors="replace").decode()


def _response(answer: Answer) -> dict[str, Any]:
    return {
        "statusCode": answer.status,
        "headers": {"content-type": answer.content_type},
        "body": answer.body,
    }


_NOT_AUTHENTIC = "the push is not authentic; the receiver's log says why"
"""The answer for each such reason, the same letter by letter: it tells neither which accounts exist nor the fault."""


def _rejection(error: Rejected) -> dict[str, Any]:
    if error.reason.may_be_told:
        return _refusal(error.reason.status, error.reason, str(error))
    return _refusal(401, NOT_AUTHENTIC, _NOT_AUTHENTIC)


def _refusal(status: int, reason: str, message: str) -> dict[str, Any]:
    return _response(Answer(status, json.dumps({"error": {"reason": reason, "message": message}})))


def _frames(error: BaseException) -> list[str]:
    """File, line and function of each frame: enough to find a fault, and without any data of the push."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames
