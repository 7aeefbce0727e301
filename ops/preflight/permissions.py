"""The permissions of the deploying identity for these types of resources, asked of IAM's policy simulator."""

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import batched
from pathlib import Path
from string import Template
from typing import Any, Final

from ops.preflight.asked import Account, Finding, NotAskedError, Verdict, cannot
from ops.preflight.plan import Plan

_FILE: Final = Path(__file__).with_name("permissions.toml")
_BATCH: Final = 50
_SHOWN: Final = 8
_PERMISSION: Final = "iam:SimulatePrincipalPolicy"


@cache
def rules() -> dict[str, Any]:
    """The content of permissions.toml."""
    return tomllib.loads(_FILE.read_text())


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """AWS's schema of a type of resources, as cfn-lint brings it.

    Raises:
        cfnlint.schema.ResourceNotFoundError: AWS had no such type when it was made.
    """
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - a second that other commands save

    # The permissions to create one are the same in all regions.
    found: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return found


def needed(resources: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """The actions that it takes to create resources.

    Args:
        resources: properties of those of each type.
    """
    actions = set(rules()["deployer"]["actions"])
    for kind, each in resources.items():
        present = {name for properties in each for name in properties}
        listed = schema(kind)["handlers"]["create"]["permissions"]
        actions |= {action for action in listed if not _is_spared(kind, action, present)}
        for name, more in rules()["also"].get(kind, {}).items():
            actions |= set(more) if name in present else set()
    # Tags are set if they are given, and none are by default.
    return sorted(action for action in actions if "Tag" not in action)


def _is_spared(kind: str, action: str, present: set[str]) -> bool:
    if any(fnmatchcase(action, pattern) for pattern in rules()["never"].get(kind, ())):
        return True
    wanting = [
        name
        for name, patterns in rules()["with"].get(kind, {}).items()
        if any(fnmatchcase(action, pattern) for pattern in patterns)
    ]
    return bool(wanting) and not present.intersection(wanting)


def principal(account: Account, caller: str) -> str:
    """The ARN under which IAM keeps the policies of a caller.

    A session's ARN has the role's name and not its path, which those of IAM Identity Center have:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html

    Raises:
        NotAskedError: a session that is of no role has policies that cannot be asked for.
    """
    arn, partition, service, _, number, resource = caller.split(":", 5)
    kind, _, rest = resource.partition("/")
    if service != "sts":
        return caller
    if kind != "assumed-role":
        raise NotAskedError(cannot(_PERMISSION, f"of a session of {kind}"))
    name = rest.partition("/")[0]
    try:
        return str(account.ask("iam", "get_role", "iam:GetRole", RoleName=name)["Role"]["Arn"])
    except NotAskedError:
        return f"{arn}:{partition}:iam::{number}:role/{name}"


def check(account: Account, plan: Plan, caller: str) -> Finding:
    """Checks that the caller may create what the plan has.

    Raises:
        NotAskedError: the simulator may not be asked.
    """
    if caller.endswith(":root"):
        return Finding(
            "permissions", Verdict.LOOK, "these are the root user's credentials, which may do all; use a role of IAM"
        )
    asked = _Simulator(account, principal(account, caller))
    actions = needed({kind: list(plan.of(kind).values()) for kind in plan.kinds()})
    names = {
        "partition": account.partition,
        "region": account.region,
        "account": caller.split(":")[4],
        "stack": plan.stack,
    }
    refused = asked.refused(actions)
    for service, arns in rules()["arns"].items():
        for arn in arns:
            again = [action for action in refused if action.startswith(f"{service}:")]
            still = asked.refused(again, Template(arn).substitute(names))
            for action in again:
                if action not in still:
                    del refused[action]
                else:
                    refused[action] = still[action] or refused[action]
    certain = sorted(action for action, keys in refused.items() if not keys)
    if certain:
        return Finding(
            "permissions",
            Verdict.STOP,
            f"{len(certain)} of the {len(actions)} actions that creating this takes are not allowed: {_some(certain)}. "
            'Have them allowed, or deploy with ARGS="--role-arn …" by a role that may',
        )
    if refused:
        keys = sorted({key for each in refused.values() for key in each})
        return Finding(
            "permissions",
            Verdict.LOOK,
            f"{len(refused)} of the {len(actions)} actions that creating this takes depend on {', '.join(keys)}, which "
            f"nobody knows beforehand: {_some(sorted(refused))}",
        )
    return Finding("permissions", Verdict.OK, f"the {len(actions)} actions that creating this takes are allowed")


def _some(actions: list[str]) -> str:
    more = f" and {len(actions) - _SHOWN} more" if len(actions) > _SHOWN else ""
    return ", ".join(actions[:_SHOWN]) + more


class _Simulator:
    """IAM's policy simulator, for one principal and requests into one region.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """

    def __init__(self, account: Account, source: str) -> None:
        self._account = account
        self._common: dict[str, Any] = {
            "PolicySourceArn": source,
            "ContextEntries": [
                _context("aws:RequestedRegion", "string", str(account.region)),
                _context("aws:SecureTransport", "boolean", "true"),
            ],
        }

    def refused(self, actions: Iterable[str], resource: str = "*") -> dict[str, tuple[str, ...]]:
        """The actions that are not allowed, and the keys of conditions on which that depends."""
        found = {}
        for some in batched(actions, _BATCH, strict=False):
            for page in self._account.pages(
                "iam",
                "simulate_principal_policy",
                _PERMISSION,
                ActionNames=list(some),
                ResourceArns=[resource],
                **self._common,
            ):
                for result in page["EvaluationResults"]:
                    if result["EvalDecision"] != "allowed":
                        found[str(result["EvalActionName"])] = tuple(result.get("MissingContextValues", ()))
        return found


def _context(key: str, kind: str, value: str) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}
