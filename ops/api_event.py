"""A request as an HTTP API hands it to Lambda."""

import base64
import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ops.simulators import Request

_TEXT: Final = ("text/", "application/json", "application/xml", "application/javascript")
"""The beginnings of content types that an HTTP API hands over as text. All else arrives in base64."""
_SOURCE: Final = "203.0.113.1"


def api_event(
    request: Request, at: datetime, route: str | None = None, request_id: str | None = None
) -> dict[str, Any]:
    """A request in payload format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

    Args:
        request: the request.
        at: the time of its arrival.
        route: the path of the route that it comes on, such as `/v1/acme/{token}`; its own path by default.
        request_id: the gateway's id of the request; a new one by default.
    """
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    text = _text(request.body) if headers.get("content-type", "").startswith(_TEXT) else None
    route_key = f"{request.method} {route or parts.path}"
    parameters = _parameters(route or parts.path, parts.path)
    return {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": parts.netloc.partition(".")[0],
            "domainName": parts.netloc,
            "domainPrefix": parts.netloc.partition(".")[0],
            "http": {
                "method": request.method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": _SOURCE,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id or base64.b64encode(secrets.token_bytes(11)).decode(),
            "routeKey": route_key,
            "stage": "$default",
            "time": f"{at.astimezone(UTC):%d/%b/%Y:%H:%M:%S %z}",
            "timeEpoch": int(at.timestamp() * 1000),
        },
        **({"pathParameters": parameters} if parameters else {}),
        "body": base64.b64encode(request.body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }


def request_of(event: dict[str, Any]) -> Request:
    """The request that an HTTP API handed over."""
    context, body = event["requestContext"], event["body"]
    return Request(
        url=f"https://{context['domainName']}{event['rawPath']}",
        body=base64.b64decode(body) if event["isBase64Encoded"] else body.encode(),
        headers=event["headers"],
        method=context["http"]["method"],
    )


def written(event: dict[str, Any]) -> str:
    """An event as the files under `events/` hold it."""
    return json.dumps(event, indent=2, ensure_ascii=False)


def route_of(request: Request, routes: Iterable[str]) -> str | None:
    """The path of the route that a request comes on, among `METHOD /path` of an API; None if there is none."""
    path = urlsplit(request.url).path
    for method, route in (key.split(" ", 1) for key in sorted(routes)):
        fits = len(route.split("/")) == len(path.split("/"))
        if method == request.method and fits and _filled(route, _parameters(route, path)) == path:
            return route
    return None


def _parameters(route: str, path: str) -> dict[str, str]:
    pairs = zip(route.split("/"), path.split("/"), strict=False)
    return {name[1:-1]: value for name, value in pairs if name.startswith("{")}


def _filled(route: str, parameters: dict[str, str]) -> str:
    for name, value in parameters.items():
        route = route.replace(f"{{{name}}}", value)
    return route


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
