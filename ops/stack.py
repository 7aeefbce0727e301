"""The stack: the description of the local one, and the reading of one that is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.exceptions import ClientError

from ops.simulators import Credentials

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef


class WrongUse(Exception):
    """The command was given what it cannot take: nothing was done."""


# ─── The local one ────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def emulator_client(service: Any, region: str, endpoint: str) -> Any:
    """A client of the emulator. Making one costs more than many calls with it."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the emulator takes any
    )


@dataclass(frozen=True, slots=True)
class Stack:
    """The local stack, as `.local/stack.json` describes it to other tools."""

    api_url: str
    aws_endpoint_url: str
    region: str
    events_table: str
    media_bucket: str
    spill_queue_url: str
    topics: Mapping[str, str]
    inspection_queues: Mapping[str, str]
    functions: Mapping[str, str]
    flows: Mapping[str, str]
    tables: Mapping[str, str]
    secrets: Mapping[str, str]
    vendors: Mapping[str, Credentials]
    logs: str

    def client(self, service: Any) -> Any:
        """A boto3 client of the emulator."""
        return emulator_client(service, self.region, self.aws_endpoint_url)

    def variables(self) -> dict[str, str]:
        """The environment of a process that works on it."""
        return {
            "AWS_ENDPOINT_URL": self.aws_endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def write(self, path: Path) -> None:
        """Writes the description to a file, in one step."""
        text = json.dumps({name: getattr(self, name) for name in self.__slots__}, indent=2, ensure_ascii=False)
        draft = path.with_suffix(".draft")
        draft.write_text(text + "\n")
        draft.replace(path)


# ─── One that is deployed, here or in AWS ─────────────────────────────────────────────────────────────────────────


class Resource(NamedTuple):
    """A resource of a stack."""

    kind: str
    """The type, such as `AWS::SQS::Queue`."""
    physical_id: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack as it is deployed."""

    outputs: dict[str, str]
    settings: dict[str, str]
    """The parameters."""
    resources: dict[str, Resource]
    """By logical id."""

    def of(self, kind: str) -> dict[str, str]:
        """The resources of a type: the physical id of each by its logical one."""
        return of(self.resources, kind)


def deployed(cloudformation: CloudFormationClient, name: str) -> Deployed:
    """Reads a stack.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
    """
    stack = _described(cloudformation, name)
    return Deployed(
        _outputs(stack),
        {setting["ParameterKey"]: setting.get("ParameterValue", "") for setting in stack.get("Parameters", [])},
        resources(cloudformation, name),
    )


def outputs(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    """The outputs of a stack alone: they take one permission less than all of it.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
    """
    return _outputs(_described(cloudformation, name))


def status(cloudformation: CloudFormationClient, name: str) -> str | None:
    """The status of a stack; None if there is no such stack."""
    try:
        return _described(cloudformation, name)["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def resources(cloudformation: CloudFormationClient, name: str) -> dict[str, Resource]:
    """The resources of a stack by logical id.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
    """
    return {
        resource["LogicalResourceId"]: Resource(resource["ResourceType"], physical_id, resource["ResourceStatus"])
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        for resource in page["StackResourceSummaries"]
        # A resource that is being made has none yet.
        if (physical_id := resource.get("PhysicalResourceId"))
    }


def of(resources: Mapping[str, Resource], kind: str) -> dict[str, str]:
    """The resources of a type: the physical id of each by its logical one."""
    return {name: resource.physical_id for name, resource in resources.items() if resource.kind == kind}


def by_name(resources: Mapping[str, Resource], kind: str, suffix: str) -> dict[str, str]:
    """The physical ids of the resources of a type, by their logical ids in lower case and without a suffix."""
    return {name.removesuffix(suffix).lower(): physical_id for name, physical_id in of(resources, kind).items()}


def _described(cloudformation: CloudFormationClient, name: str) -> StackTypeDef:
    return cloudformation.describe_stacks(StackName=name)["Stacks"][0]


def _outputs(stack: StackTypeDef) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
