"""Remains in the account: a stack of this name, what an earlier one has left, and SAM's own bucket."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.preflight.asked import STRANGE, Account, Finding, NotAskedError, Verdict, cannot
from ops.preflight.plan import Existing, Plan
from ops.shown import printable

SAM_STACK: Final = "aws-sam-cli-managed-default"
"""The stack of SAM's bucket for artifacts, with resolve_s3."""
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
_RESERVED: Final = ("aws", "ssm")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
_DEAD: Final = frozenset({"CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
_REVIEWED: Final = "REVIEW_IN_PROGRESS"
_PARAMETER: Final = "DoorRulesParameter"
_DELIVERY: Final = "delivery.logs.amazonaws.com"
_VENDED: Final = "/aws/vendedlogs/"
_WRITE: Final = "AWSLogDeliveryWrite20150319"
_POLICIES: Final = 10
_POLICY_LENGTH: Final = 5120
_POLICY_FULL: Final = _POLICY_LENGTH - 200  # a log group's ARN in it, with its quotes
_PROTECTION: Final = "DeletionProtection"
_UNKNOWN: Final = cannot("cloudformation:DescribeStacks", "whether there is a stack already")


def name_fault(stack: str) -> str | None:
    """The fault of a stack's name, of which other names are made."""
    if not _NAME.fullmatch(stack):
        return "a stack's name has letters, digits and hyphens, a letter first, and 128 of them at most"
    if stack.lower().startswith(_RESERVED):
        return (
            f"a stack's name may not begin with {' or '.join(_RESERVED)}: SSM keeps these for itself, and refuses "
            f"the parameter /{stack}/…"
        )
    return None


def described(account: Account, stack: str) -> dict[str, Any] | None:
    """A stack, or None where there is no such.

    Raises:
        NotAskedError: it may not be asked.
    """
    try:
        found = account.ask(
            "cloudformation",
            "describe_stacks",
            "cloudformation:DescribeStacks",
            expected=("ValidationError",),
            StackName=stack,
        )["Stacks"]
        return {**found[0], "StackStatus": found[0]["StackStatus"]}
    except ClientError:  # there is no such, by name
        return None
    except STRANGE as error:  # what answers is not AWS
        raise NotAskedError(cannot("cloudformation:DescribeStacks", type(error).__name__)) from error


def known(found: dict[str, Any]) -> dict[str, str]:
    """The settings of a stack, which stay as they are where a deployment gives none."""
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}


def existing(found: dict[str, Any] | None) -> Existing:
    """The stack and its tables as a deployment finds them."""
    if found is None or found["StackStatus"] == _REVIEWED:
        return Existing.NONE
    status = str(found["StackStatus"])
    if status in _DEAD or (status.endswith("_IN_PROGRESS") and not status.startswith("UPDATE")):
        return Existing.IN_THE_WAY
    return Existing.DEPLOYED


def state(stack: str, found: dict[str, Any] | None) -> Finding:
    """Checks that a deployment can begin from the state that the stack is in."""
    name = "stack"
    if found is None:
        return Finding(name, Verdict.OK, f"there is no stack {stack} yet: this is the first deployment")
    status = str(found["StackStatus"])
    delete = f"aws cloudformation delete-stack --stack-name {stack}"
    if status == _REVIEWED:
        return Finding(
            name,
            Verdict.LOOK,
            f"{stack} has a change set that nobody executed, and nothing else; SAM makes a new one. If nobody waits "
            f"for it: {delete}",
        )
    if status in _DEAD:
        return Finding(name, Verdict.STOP, f"{stack} is {status}, and cannot be updated; delete it first: {delete}")
    if status == "UPDATE_ROLLBACK_FAILED":
        return Finding(
            name,
            Verdict.STOP,
            f"{stack} is {status}; mend what its events name, then: aws cloudformation continue-update-rollback "
            f"--stack-name {stack}",
        )
    if status.endswith("_IN_PROGRESS"):
        return Finding(name, Verdict.STOP, f"{stack} is {status}: somebody deploys it; wait until that has ended")
    return Finding(name, Verdict.OK, f"{stack} is {status}: this is an update")


def protection(plan: Plan) -> Finding:
    """Checks that the tables are protected at the right time: not before they are there, and always after.

    Raises:
        NotAskedError: there is no answer whether there is a stack.
    """
    name, protects = "deletion-protection", plan.settings[_PROTECTION] == "yes"
    if plan.existing is Existing.UNKNOWN:
        raise NotAskedError(_UNKNOWN)
    if protects and plan.existing is not Existing.DEPLOYED:
        return Finding(
            name,
            Verdict.STOP,
            f"{_PROTECTION}=yes is for later: a first deployment that fails could not be rolled back. Deploy with "
            f"{_PROTECTION}=no, and switch it on after it",
        )
    if not protects and plan.existing is Existing.DEPLOYED:
        return Finding(
            name,
            Verdict.LOOK,
            "the stack is there, and anybody who may delete it deletes tables too; switch it on now: "
            f'make deploy ARGS="--parameter-overrides {_PROTECTION}=yes"',
        )
    return Finding(name, Verdict.OK, "on" if protects else "off, until the first deployment has succeeded")


def rules(account: Account, plan: Plan) -> Finding:
    """Looks for rules of doors that an earlier stack has left, which would be in use at once."""
    parameter = plan.output(_PARAMETER)
    found = account.ask(
        "ssm",
        "describe_parameters",
        "ssm:DescribeParameters",
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [parameter]}],
    )["Parameters"]
    if found and plan.existing in {Existing.NONE, Existing.UNKNOWN}:
        return Finding(
            "door-rules",
            Verdict.LOOK,
            f"{parameter} is there already, of an earlier stack: its rules are in use from the first minute on. Read "
            f"them: aws ssm get-parameter --name {parameter}; or: aws ssm delete-parameter --name {parameter}",
        )
    return Finding("door-rules", Verdict.OK, f"{parameter} {'is there' if found else 'is free'}")


def leftovers(account: Account, plan: Plan) -> Iterator[Finding]:
    """Looks for remains of an earlier stack of this name: names that are taken, and what is kept and costs."""
    if plan.existing is Existing.UNKNOWN:
        raise NotAskedError(_UNKNOWN)
    if plan.existing is not Existing.NONE:  # they are that stack's
        return
    for group in plan.named("AWS::Logs::LogGroup", "LogGroupName"):
        found = account.ask(
            "logs", "describe_log_groups", "logs:DescribeLogGroups", logGroupNamePrefix=group
        )["logGroups"]  # fmt: skip
        taken = any(each["logGroupName"] == group for each in found)
        yield Finding(
            "log-group",
            Verdict.STOP if taken else Verdict.OK,
            f"{group} is there already, and CloudFormation makes none over it: aws logs delete-log-group "
            f"--log-group-name {group}"
            if taken
            else f"{group} is free",
        )
    pages = account.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "tag:GetResources",
        TagFilters=[{"Key": "aws:cloudformation:stack-name", "Values": [plan.stack]}],
    )
    found_of = [each["ResourceARN"].split(":")[2] for page in pages for each in page["ResourceTagMappingList"]]
    # The topics' key is deleted with the stack, and waits for that for thirty days.
    kept = [service for service in found_of if service != "kms"]
    if kept:
        counted = ", ".join(f"{number} of {printable(service)}" for service, number in sorted(Counter(kept).items()))
        yield Finding(
            "leftovers",
            Verdict.LOOK,
            f"an earlier stack {plan.stack} has left {counted}: a new one makes its own and does not look into these. "
            "Which: aws resourcegroupstaggingapi get-resources --tag-filters "
            f"Key=aws:cloudformation:stack-name,Values={plan.stack}",
        )
    else:
        yield Finding("leftovers", Verdict.OK, f"nothing is left of an earlier stack {plan.stack}")


def log_policies(account: Account, plan: Plan) -> Iterator[Finding]:
    """Checks that the account's policies for logs have room for the access log's.

    There are ten at most in a region, and each has 5,120 characters at most. One that names /aws/vendedlogs/* is enough
    for all: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html,
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    """
    if not any("AccessLogSettings" in stage for stage in plan.of("AWS::ApiGatewayV2::Stage").values()):
        return
    name = "log-policies"
    policies: dict[str, str] = {
        each["policyName"]: each.get("policyDocument", "")
        for each in account.ask("logs", "describe_resource_policies", "logs:DescribeResourcePolicies")[
            "resourcePolicies"
        ]
    }
    if any(_DELIVERY in text and _VENDED in text for text in policies.values()):
        yield Finding(name, Verdict.OK, f"the policy for {_VENDED}* is there")
    elif len(policies.get(_WRITE, "")) > _POLICY_FULL:
        yield Finding(
            name,
            Verdict.STOP,
            f"the policy {_WRITE} is full ({len(policies[_WRITE])} of {_POLICY_LENGTH} characters), and the API's "
            "access log does not fit: take log groups out of it that are no more (aws logs put-resource-policy)",
        )
    elif _WRITE not in policies and len(policies) >= _POLICIES:
        yield Finding(
            name,
            Verdict.STOP,
            f"there are {len(policies)} policies for logs, which is all that a region has, and the API's access log "
            "needs one: aws logs describe-resource-policies, and delete-resource-policy",
        )
    else:
        yield Finding(name, Verdict.OK, f"{len(policies)} of {_POLICIES} policies for logs are there")


def bucket(account: Account) -> Finding:
    """Checks that SAM's bucket for artifacts is there, or can be made."""
    name = "artifacts"
    stack = described(account, SAM_STACK)
    if stack is None:
        return Finding(name, Verdict.OK, f"SAM makes its bucket at the first deployment, as the stack {SAM_STACK}")
    status = str(stack["StackStatus"])
    held = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}.get("SourceBucket")
    if status.endswith("_IN_PROGRESS") and status != _REVIEWED:
        return Finding(name, Verdict.STOP, f"{SAM_STACK} is {status}: somebody else deploys; wait until that has ended")
    if held is None or status in _DEAD:
        fault = f"{SAM_STACK} is {status}" + ("" if held else ", and names no SourceBucket")
    else:
        try:
            account.ask("s3", "head_bucket", "s3:ListBucket", expected=("404", "NoSuchBucket"), Bucket=held)
        except NotAskedError as refused:
            return Finding(name, Verdict.LOOK, f"{SAM_STACK} is {status}; its bucket {refused}")
        except ClientError:
            fault = f"{SAM_STACK} is {status}, and its bucket {held} is gone"
        else:
            return Finding(name, Verdict.OK, f"SAM's bucket is {held}")
    delete = f"aws cloudformation delete-stack --stack-name {SAM_STACK}"
    return Finding(name, Verdict.STOP, f"{fault}: SAM stops at it. Delete it, SAM makes it anew: {delete}")
