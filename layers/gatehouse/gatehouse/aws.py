"""The AWS clients: one session, one client a service, a time limit for each call, and one translation of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gatehouse import sandbox
from gatehouse.errors import GatehouseError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
"""DynamoDB's error code for a write whose condition did not hold."""
# Two attempts of 1 + 2 s bound a call at 6 s. At worst a push takes four of them, the secret and then record,
# publish and mark (or record and spill), with the events of one push in parallel: below the function's 29 s.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    tcp_keepalive=True,
    max_pool_connections=64,  # opened on demand: a listener's workers all call at once
)


@cache
def session() -> botocore.session.Session:
    """The process's session, for a client with time limits of its own."""
    return botocore.session.get_session()


@overload
def client(service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service: Literal["s3"]) -> S3Client: ...
@overload
def client(service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
@overload
def client(service: Literal["sns"]) -> SNSClient: ...
@overload
def client(service: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service: Literal["ssm"]) -> SSMClient: ...
@overload
def client(service: Literal["stepfunctions"]) -> SFNClient: ...
@cache
def client(service: str) -> Any:
    """The process's client of a service. It is botocore's: boto3 on top costs 40 ms of every cold start."""
    made = session().create_client(service, config=_CONFIG)
    # Called before each attempt, the SDK's own retries among them.
    made.meta.events.register("before-send.*.*", _check)
    return made


def _check(**_: object) -> None:
    sandbox.check()


@contextmanager
def calling(operation: str, failure: type[GatehouseError] = Unavailable) -> Iterator[None]:
    """Turns the SDK's errors of one call into ours: `PutItem: ThrottlingException`.

    An error that is an answer, such as `CONDITION_FAILED`, is to be caught inside the block.

    Args:
        operation: AWS's name of the call, for the message.
        failure: the error to raise.

    Raises:
        GatehouseError: of type `failure`; AWS refused the call, or did not answer.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise failure(f"{operation}: {fault(error)}") from error


def fault(error: ClientError | BotoCoreError) -> str:
    """The error code of AWS's answer; the name of the SDK's exception where there was no answer."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
