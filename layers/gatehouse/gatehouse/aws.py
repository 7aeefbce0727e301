"""The AWS clients: one session, one client a service, and how long each call may take."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import botocore.session
from botocore.config import Config

from gatehouse import sandbox

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

# Two attempts of 1 + 2 s bound a call at 6 s. At worst a push takes four of them, the secret and then record,
# publish and mark (or record and spill), the events of one push side by side: below the function's 29 s.
_CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    tcp_keepalive=True,
    max_pool_connections=64,  # opened as they are needed: a listener's workers all call at once
)
# S3 takes its time to put the parts of a file together, and nobody waits for it but a flow.
_PATIENT = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})


@cache
def _session() -> botocore.session.Session:
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
    """The process's client of a service, by botocore directly: boto3 on top costs 40 ms of every cold start."""
    made = _session().create_client(service, config=_CONFIG)
    # Before each attempt, the SDK's own second ones among them.
    made.meta.events.register("before-send.*.*", _check)
    return made


def _check(**_: object) -> None:
    sandbox.check()


@cache
def transfer_client() -> S3Client:
    """The process's client of S3 for whole files."""
    return cast("S3Client", _session().create_client("s3", config=_PATIENT))
