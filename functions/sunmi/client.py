"""Our calls to SUNMI: which events it pushes, and where to ("Notification Center", chapters 8.3.1 and 8.3.2)."""

import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from functions.sunmi.verify import signature
from gatehouse.errors import CallFailed

BASE_URL: Final = "https://store.sunmi.com/openapi"

_MEANING: Final = {
    5000: "database error at SUNMI",
    5013: "no such shop",
    5015: "no such product",
    5022: "a parameter is wrong",
    5032: "not a valid shop",
    5041: "no such SaaS provider",
    5042: "the shop of the SaaS provider is bound already",
    5043: "the shop's key is wrong",
    5090: "the signature is wrong: check the app's key",
    5091: "the timestamp is wrong: check this machine's clock",
    5092: "the random string is wrong",
}


class Client:
    """SUNMI's API, for one app. Each call is signed as a push is, and has 10 s."""

    def __init__(
        self,
        app_id: str,
        app_key: str,
        base_url: str = BASE_URL,
        now: Callable[[], float] = time.time,
        random: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._app_id = app_id
        self._app_key = app_key
        self._base_url = base_url.rstrip("/")
        self._now = now
        self._random = random

    def add_hook(self, shop_id: str, callback: str, events: Iterable[int]) -> None:
        """Has a shop's events pushed to an address (`/hook/add`).

        Args:
            shop_id: the shop.
            callback: the address.
            events: SUNMI's codes of the events.

        Raises:
            CallFailed: SUNMI refused, or did not answer.
        """
        self._call("/hook/add", shop_id=shop_id, http_callback=callback, event_list=json.dumps(sorted(events)))

    def delete_hook(self, shop_id: str, events: Iterable[int]) -> None:
        """Ends the pushes of a shop's events (`/hook/delete`).

        Args:
            shop_id: the shop.
            events: SUNMI's codes of the events.

        Raises:
            CallFailed: SUNMI refused, or did not answer.
        """
        self._call("/hook/delete", shop_id=shop_id, event_list=json.dumps(sorted(events)))

    def _call(self, path: str, **parameters: str) -> None:
        fields = {
            "app_id": self._app_id,
            "random": self._random(),
            "timestamp": str(int(self._now())),
            **parameters,
        }
        fields["sign"] = signature(fields.items(), self._app_key).upper()
        try:
            answer = urllib3.request(
                "POST",
                self._base_url + path,
                body=urlencode(fields),
                headers={"content-type": "application/x-www-form-urlencoded"},
                timeout=10,
                retries=False,
            )
            code = _code(answer)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise CallFailed(f"SUNMI's {path} gave no usable answer: {type(error).__name__}") from error
        # Every error but a wrong signature (401) comes with status 200: the code decides.
        if answer.status != 200 or code != 0:
            meaning = _MEANING.get(code, "not in SUNMI's table")
            raise CallFailed(f"SUNMI's {path} answered status {answer.status}, code {code}: {meaning}")


def _code(answer: urllib3.BaseHTTPResponse) -> int:
    body: Any = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("code"), int):
        raise ValueError("no code in the answer")  # noqa: TRY004 - one kind of error for every unusable answer
    code: int = body["code"]
    return code
