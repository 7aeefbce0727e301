"""What is asked of a deployed stack: its outputs, its settings and its resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class WrongUse(Exception):
    """The command was given what it cannot take: nothing was done."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack as it is deployed."""

    outputs: dict[str, str]
    settings: dict[str, str]
    """Its parameters."""
    resources: dict[str, dict[str, str]]
    """By their type: the physical id of each by its logical one."""

    def of(self, kind: str) -> dict[str, str]:
        """The resources of a type."""
        return self.resources.get(kind, {})


def deployed(cloudformation: CloudFormationClient, name: str) -> Deployed:
    """Looks at a stack.

    Raises:
        botocore.exceptions.ClientError: there is no such stack, or the credentials do not allow it.
    """
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    resources: dict[str, dict[str, str]] = {}
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name):
        for resource in page["StackResourceSummaries"]:
            # One that is being made has none yet.
            if physical := resource.get("PhysicalResourceId"):
                resources.setdefault(resource["ResourceType"], {})[resource["LogicalResourceId"]] = physical
    return Deployed(
        {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        {setting["ParameterKey"]: setting.get("ParameterValue", "") for setting in found.get("Parameters", [])},
        resources,
    )
