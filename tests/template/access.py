"""AWS's decision on a request: by denials, conditions and policies of resources, in one account or across two.

It follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, as far as the
template goes. It refuses to judge anything else: a statement that is not understood must never count as allowed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tests.template.iam import matches
from tests.template.stack import ACCOUNT, Document, Stack

type Context = Mapping[str, str | Sequence[str]]

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html and, of single services,
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_KEYS: Final = frozenset(
    {
        "aws:PrincipalAccount",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "dynamodb:LeadingKeys",
        "ecs:cluster",
        "iam:PassedToService",
        "sns:Protocol",
    }
)
# The names of keys are no matter of case.
_KEY: Final = {key.lower(): key for key in _KEYS}
_STATEMENT: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"})
# A policy of a key lets no account in by itself: the account's own policies have the last word.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
_KEYS_OWN: Final = "kms"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a role by its ARN, another account by its id, or a service by its name."""

    name: str
    account: str = ""
    """The account of the role; empty for a service."""

    @property
    def is_service(self) -> bool:
        """True of a service, which has no policies of its own."""
        return not self.account


@dataclass(frozen=True, slots=True)
class Request:
    """An action on a resource, as AWS is asked for it."""

    principal: Principal
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    owner: str = ACCOUNT
    """The account of the resource."""


class Answer(StrEnum):
    """The outcome of a request."""

    ALLOWED = "allowed"
    DENIED = "denied by a statement"
    NOT_ALLOWED = "allowed by no statement"


@dataclass(frozen=True, slots=True)
class Policy:
    """A document, and whose it is."""

    name: str
    document: Document

    @property
    def statements(self) -> Iterator[tuple[str, Document]]:
        """Its statements, each with a name to tell it by."""
        found = self.document["Statement"]
        for number, statement in enumerate(found if isinstance(found, list) else [found]):
            yield f"{self.name}[{statement.get('Sid', number)}]", statement


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, and the statements that made it."""

    answer: Answer
    by: frozenset[str] = frozenset()


class Reach(StrEnum):
    """The way in which a policy of a resource names the caller."""

    NOBODY = "not at all"
    ACCOUNT = "by its account, whose own policies have to say so too"
    ITSELF = "itself"


def decide(request: Request, identity: Iterable[Policy], resource: Iterable[Policy]) -> Decision:
    """Decides as AWS does.

    Args:
        request: the request.
        identity: the policies of the caller.
        resource: the policies of the resource.

    Raises:
        NotImplementedError: a policy says something that is not judged here.
    """
    own = [named for policy in identity for named in policy.statements]
    theirs = [named for policy in resource for named in policy.statements]
    for name, statement in (*own, *theirs):
        if set(statement) - _STATEMENT or statement["Effect"] not in {"Allow", "Deny"}:
            raise NotImplementedError(f"access.py does not judge this statement: {name}")
    named = [(name, one) for name, one in own if _applies(one, request)]
    reached = [
        (name, one, reach)
        for name, one in theirs
        if (reach := _reach(one["Principal"], request)) is not Reach.NOBODY and _applies(one, request)
    ]
    denying = {name for name, one in named if one["Effect"] == "Deny"}
    denying |= {name for name, one, _ in reached if one["Effect"] == "Deny"}
    if denying:
        return Decision(Answer.DENIED, frozenset(denying))

    by_own = {name for name, one in named if one["Effect"] == "Allow"}
    by_itself = {name for name, one, reach in reached if one["Effect"] == "Allow" and reach is Reach.ITSELF}
    by_account = {name for name, one, reach in reached if one["Effect"] == "Allow" and reach is Reach.ACCOUNT}
    if request.principal.is_service:
        sufficient = by_itself
    elif request.principal.account != request.owner:
        sufficient = by_own | by_itself | by_account if by_own and by_itself | by_account else set()
    elif request.action.startswith(f"{_KEYS_OWN}:"):
        sufficient = by_itself or (by_own | by_account if by_own and by_account else set())
    else:
        sufficient = by_itself | by_own
    return Decision(Answer.ALLOWED, frozenset(sufficient)) if sufficient else Decision(Answer.NOT_ALLOWED)


def _reach(principal: Any, request: Request) -> Reach:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html."""
    if principal == "*":
        return Reach.ITSELF
    ((kind, value),) = principal.items()
    names = _listed(value)
    if kind == "Service":
        return Reach.ITSELF if request.principal.is_service and request.principal.name in names else Reach.NOBODY
    if kind != "AWS":
        raise NotImplementedError(f"access.py does not judge this principal: {principal}")
    if "*" in names or (not request.principal.is_service and request.principal.name in names):
        return Reach.ITSELF
    account = request.principal.account
    accounts = [name for name in names if name == account or re.fullmatch(rf"arn:[^:]+:iam::{account}:root", name)]
    return Reach.ACCOUNT if account and accounts else Reach.NOBODY


def _applies(statement: Document, request: Request) -> bool:
    action = any(matches(one.lower(), request.action.lower()) for one in _listed(statement["Action"]))
    # A trust policy has none: it is the role's own.
    resource = any(matches(one, request.resource) for one in _listed(statement.get("Resource", request.resource)))
    # Each is looked at, whether it matters or not: what is not judged is to be heard of.
    conditions = [
        _holds(operator, key, _listed(wanted), request.context)
        for operator, block in statement.get("Condition", {}).items()
        for key, wanted in block.items()
    ]
    return action and resource and all(conditions)


def _holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html."""
    if key.lower() not in _KEY:
        raise NotImplementedError(f"access.py does not know when AWS sets {key}")
    if any("${" in value for value in wanted):
        raise NotImplementedError(f"access.py does not judge variables: {wanted}")
    there = context.get(_KEY[key.lower()])
    if operator == "Null":
        (absent,) = wanted
        return (there is None) is (absent == "true")
    if operator == "ForAllValues:StringLike":
        # It holds where there is nothing to hold of.
        return all(any(matches(one, value) for one in wanted) for value in _listed(there or []))
    if operator not in _OPERATORS:
        raise NotImplementedError(f"access.py does not judge this operator: {operator}")
    if operator == "StringNotEquals":
        return there is None or there not in wanted
    if there is None:
        return False
    if not isinstance(there, str):
        raise NotImplementedError(f"access.py does not judge {operator} of several values")
    return any(_OPERATORS[operator](one, there) for one in wanted)


def _same_arn(pattern: str, arn: str) -> bool:
    """Each of the six parts for itself: ArnEquals and ArnLike are the same."""
    parts = list(zip(pattern.split(":", 5), arn.split(":", 5), strict=False))
    return len(parts) == 6 and all(matches(*part) for part in parts)


_OPERATORS: Final = {
    "ArnEquals": _same_arn,
    "ArnLike": _same_arn,
    "Bool": lambda wanted, there: wanted.lower() == there.lower(),
    "StringEquals": str.__eq__,
    "StringLike": matches,
    "StringNotEquals": str.__eq__,  # of which the opposite counts
}


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# ─── The policies of a stack ──────────────────────────────────────────────────────────────────────────────────────


def policies_of(stack: Stack, role: str) -> list[Policy]:
    """The policies of a role, by its logical id."""
    properties = stack.of_type("AWS::IAM::Role")[role]
    shared = stack.of_type("AWS::IAM::ManagedPolicy")
    inline = [
        Policy(f"{role}/{policy['PolicyName']}", policy["PolicyDocument"]) for policy in properties.get("Policies", [])
    ]
    names = [stack.logical_id(arn) for arn in properties.get("ManagedPolicyArns", [])]
    return inline + [Policy(name, shared[name]["PolicyDocument"]) for name in names]


def trust_of(stack: Stack, role: str) -> Policy:
    """The policy that says who may take a role on."""
    return Policy(f"{role}/trust", stack.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"])


def policies_on(stack: Stack) -> dict[str, list[Policy]]:
    """The policies of the stack's resources, by the resource's ARN; a bucket's are those of its objects too."""
    found: dict[str, list[Policy]] = {}

    def attach(ref: str, policy: Policy) -> None:
        found.setdefault(_arn(stack, ref), []).append(policy)

    for kind, field_ in _ATTACHED.items():
        for name, properties in stack.of_type(kind).items():
            for ref in _listed(properties[field_]):
                attach(ref, Policy(name, properties["PolicyDocument"]))
    for name, properties in stack.of_type("AWS::KMS::Key").items():
        attach(
            stack.physical(name).ref,
            Policy(name, _of_key(properties["KeyPolicy"], _arn(stack, stack.physical(name).ref))),
        )
    for name, properties in stack.of_type("AWS::Lambda::Permission").items():
        attach(properties["FunctionName"], Policy(name, _of_permission(properties)))
    return found


_ATTACHED: Final = {
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SNS::TopicPolicy": "Topics",
    "AWS::SQS::QueuePolicy": "Queues",
}


def policies_for(stack: Stack, resource: str) -> list[Policy]:
    """The policies of a resource, by its ARN or by that of an object in it."""
    return policies_on(stack).get(resource.split("/", 1)[0] if ":s3:::" in resource else resource, [])


def _arn(stack: Stack, ref: str) -> str:
    physical = stack.physical(stack.logical_id(ref))
    return physical.attributes.get("Arn", physical.ref)


def _of_key(document: Document, arn: str) -> Document:
    """A key's policy, in which `*` is the key."""
    statements = [{**one, "Resource": arn} if one["Resource"] == "*" else one for one in document["Statement"]]
    return {**document, "Statement": statements}


def _of_permission(properties: Document) -> Document:
    """The statement that Lambda makes of a permission.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    known = {"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"}
    if set(properties) - known:
        raise NotImplementedError(f"access.py does not judge this permission: {json.dumps(properties)}")
    conditions: Document = {}
    if "SourceArn" in properties:
        conditions["ArnLike"] = {"AWS:SourceArn": properties["SourceArn"]}
    if "SourceAccount" in properties:
        conditions["StringEquals"] = {"AWS:SourceAccount": properties["SourceAccount"]}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": properties["Principal"]},
        "Action": properties["Action"],
        "Resource": properties["FunctionName"],
        "Condition": conditions,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
