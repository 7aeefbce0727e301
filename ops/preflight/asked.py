"""Questions to an account and the findings on it: each question says which permission it needs."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from ops.shown import printable

_CONFIG: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"})
UNANSWERED: Final = (BotoCoreError, ResponseParserError, ValueError)
"""Exceptions of boto3 for no answer of AWS: no credentials, no connection, no such endpoint, no XML from it."""
_DENIED: Final = ("AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError", "Forbidden", "403")


class Verdict(StrEnum):
    """A finding's weight for a deployment."""

    OK = "ok"
    LOOK = "look"
    """It can go on, and somebody should know this; what could not be asked is among it."""
    STOP = "stop"
    """The deployment, or what is deployed, certainly fails by it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the answer."""

    id: str
    verdict: Verdict
    text: str


class NotAskedError(Exception):
    """A question that was refused, or that the endpoint does not know."""


class Account:
    """An account and a region, by the credentials of the environment.

    Args:
        session: a session of boto3; `AWS_ENDPOINT_URL` and all else of the environment counts as everywhere.
    """

    def __init__(self, session: boto3.Session | None = None) -> None:
        self._session = session or boto3.Session()
        self._clients: dict[tuple[str, str | None], Any] = {}

    @property
    def region(self) -> str | None:
        """The region of the environment or the profile."""
        return self._session.region_name

    @cached_property
    def partition(self) -> str:
        """The partition of the region."""
        return str(self._session.get_partition_for_region(self.region or ""))

    @cached_property
    def concurrency(self) -> tuple[int, int]:
        """The number of invocations that the account runs at once, and of those that nothing has reserved.

        Raises:
            NotAskedError: it may not be asked, or cannot be.
        """
        limit = self.ask("lambda", "get_account_settings", "lambda:GetAccountSettings")["AccountLimit"]
        return int(limit["ConcurrentExecutions"]), int(limit["UnreservedConcurrentExecutions"])

    def offered(self, service: str) -> list[str]:
        """The regions in which boto3 knows a service; none where it knows no such service, or one for all regions."""
        if service not in self._session.get_available_services():
            return []
        return self._session.get_available_regions(service, partition_name=self.partition)

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service, here or in another region."""
        key = (service, region)
        if key not in self._clients:
            # By a name that is no literal, boto3's stubs know no client.
            make: Any = self._session.client
            self._clients[key] = make(service, region_name=region, config=_CONFIG)
        return self._clients[key]

    def ask(
        self,
        service: str,
        operation: str,
        permission: str,
        *,
        region: str | None = None,
        expected: Collection[str] = (),
        **arguments: Any,
    ) -> Any:
        """The answer of an operation.

        Args:
            service: as boto3 names it.
            operation: as boto3 names it.
            permission: what IAM calls it.
            region: another one than ours.
            expected: codes of errors that are answers too.
            arguments: of the operation.

        Raises:
            NotAskedError: it may not be asked, or cannot be.
            botocore.exceptions.ClientError: the answer is one of the errors that are expected.
        """
        return self._answer(permission, expected, lambda: getattr(self.client(service, region), operation)(**arguments))

    def pages(self, service: str, operation: str, permission: str, **arguments: Any) -> list[Any]:
        """All pages of an operation's answer.

        Raises:
            NotAskedError: it may not be asked, or cannot be.
        """

        def asked() -> list[Any]:
            return list(self.client(service).get_paginator(operation).paginate(**arguments))

        return self._answer(permission, (), asked)

    @staticmethod
    def _answer[T](permission: str, expected: Collection[str], asked: Callable[[], T]) -> T:
        try:
            return asked()
        except ClientError as error:
            code = code_of(error)
            if code in expected:
                raise
            raise NotAskedError(cannot(permission, "" if _is_denied(code) else code)) from error
        except UNANSWERED as error:
            raise NotAskedError(cannot(permission, type(error).__name__)) from error


STRANGE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Exceptions of reading an answer that is not as AWS's."""


def cannot(permission: str, why: str = "") -> str:
    """The finding on a question without an answer: the permission that it needs, or why else there is none."""
    return f"cannot be asked: {permission}" + (f" ({printable(why)})" if why else "")


def code_of(error: ClientError) -> str:
    """The code of AWS's answer."""
    return str(error.response.get("Error", {}).get("Code", "")) or "no code"


def _is_denied(code: str) -> bool:
    return any(word in code for word in _DENIED)
