"""Every role's calls made on a moto that enforces IAM: with the role's own credentials, and its policies as they are.

moto looks at actions and resources. It takes no notice of conditions in a role's policy, nor of the policies of queues,
topics and keys, and knows a call by its operation's name alone; for most services it asks for `*` in place of what the
call is about. The last two are told to it here; the first two are judged in test_access.py.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMRequestBase

from tests.template import driver, needs
from tests.template.access import Policy, policies_of
from tests.template.driver import Payload, Sent
from tests.template.iam import ROW, Call, Grant, denied, grants
from tests.template.stack import HERE, PLACES, Document, Place, Stack

type Made = Callable[[str], Payload]

_ROLES: Final = sorted(needs.whole(HERE).of_type("AWS::IAM::Role"))
_REFUSED: Final = frozenset({"AccessDenied", "AccessDeniedException", "403"})
# Of no table that there is: moto knows no streams of those that there are, and asks IAM first.
_STREAM: Final = "arn:aws:dynamodb:eu-central-1:123456789012:table/one/stream/2026"
# Calls that AWS makes in a role's name, and our code does not: each as a call that could have been made.
_BUILT: Final[Mapping[str, tuple[str, str, Made]]] = {
    "dynamodb:DescribeStream": ("dynamodbstreams", "DescribeStream", lambda _: {"StreamArn": _STREAM}),
    "dynamodb:GetRecords": ("dynamodbstreams", "GetRecords", lambda _: {"ShardIterator": "1"}),
    "dynamodb:GetShardIterator": (
        "dynamodbstreams",
        "GetShardIterator",
        lambda _: {"StreamArn": _STREAM, "ShardId": "s" * 28, "ShardIteratorType": "TRIM_HORIZON"},
    ),
    "dynamodb:ListStreams": ("dynamodbstreams", "ListStreams", lambda _: {}),
    "dynamodb:UpdateItem": ("dynamodb", "UpdateItem", lambda _: {"TableName": "one", "Key": {"id": {"S": "1"}}}),
    "ecr:BatchCheckLayerAvailability": (
        "ecr",
        "BatchCheckLayerAvailability",
        lambda _: {"repositoryName": "one", "layerDigests": ["1"]},
    ),
    "ecr:BatchGetImage": ("ecr", "BatchGetImage", lambda _: {"repositoryName": "one", "imageIds": [{"imageTag": "1"}]}),
    "ecr:GetAuthorizationToken": ("ecr", "GetAuthorizationToken", lambda _: {}),
    "ecr:GetDownloadUrlForLayer": (
        "ecr",
        "GetDownloadUrlForLayer",
        lambda _: {"repositoryName": "one", "layerDigest": "1"},
    ),
    "ecs:RunTask": ("ecs", "RunTask", lambda arn: {"taskDefinition": arn}),
    "kms:Decrypt": ("kms", "Decrypt", lambda arn: {"CiphertextBlob": b"1", "KeyId": arn}),
    "kms:GenerateDataKey": ("kms", "GenerateDataKey", lambda arn: {"KeyId": arn, "KeySpec": "AES_256"}),
    "lambda:InvokeFunction": ("lambda", "Invoke", lambda _: {"FunctionName": "one", "Payload": b"{}"}),
    "logs:CreateLogStream": ("logs", "CreateLogStream", lambda _: {"logGroupName": "one", "logStreamName": "1"}),
    "logs:PutLogEvents": (
        "logs",
        "PutLogEvents",
        lambda _: {"logGroupName": "one", "logStreamName": "1", "logEvents": [{"timestamp": 1, "message": "1"}]},
    ),
    "sqs:DeleteMessage": ("sqs", "DeleteMessage", lambda arn: {"QueueUrl": _url(arn), "ReceiptHandle": "1"}),
    "sqs:GetQueueAttributes": ("sqs", "GetQueueAttributes", lambda arn: {"QueueUrl": _url(arn)}),
    "sqs:ReceiveMessage": ("sqs", "ReceiveMessage", lambda arn: {"QueueUrl": _url(arn)}),
    "sqs:SendMessage": ("sqs", "SendMessage", lambda arn: {"QueueUrl": _url(arn), "MessageBody": "1"}),
}
# No operation asks for it by itself: it is looked at where a role is handed on. test_access.py judges it.
_NO_OPERATION: Final = frozenset({"iam:PassRole"})


def _url(arn: str) -> str:
    """The address of a queue; whichever host it names, moto looks at its end."""
    *_, region, account, name = arn.split(":")
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


def _needed(stack: Stack, role: str) -> dict[Call, Sent | None]:
    """Calls that a role is there for, as our code makes them, where it is our code that does."""
    of_code = needs.of_code(stack.place)
    users = {function.name: function.role for function in stack.functions()}
    users |= {task.name: task.role for task in stack.tasks()}
    found: dict[Call, Sent | None] = {}
    for name, of in of_code.items():
        if users[name] == role:
            for call in sorted(of.calls):
                # Rows are a condition's matter.
                found.setdefault(Call(call.action, call.resource.partition(ROW)[0]), of.sent.get(call))
    for flow in stack.flows():
        found |= dict.fromkeys(needs.of_flow(stack, flow) if flow.role == role else ())
    for task in stack.tasks():
        found |= dict.fromkeys(needs.of_starter(stack, task) if task.starter == role else ())
    for schedule in stack.of_type("AWS::Scheduler::Schedule").values():
        if stack.logical_id(schedule["Target"]["RoleArn"]) == role:
            found[Call("ecs:RunTask", schedule["Target"]["EcsParameters"]["TaskDefinitionArn"])] = None
    return found


@dataclass(slots=True)
class Account:
    """An account in which a role asks, and moto answers by the role's policies."""

    role: str
    iam: Any
    """A client, of somebody who may do everything."""
    credentials: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    asked: Call | None = None

    def allows(self, call: Call, sent: Sent | None) -> bool:
        """True of a call of the role's that gets past IAM, whether it succeeds then or not."""
        if sent is None:
            service, operation, made = _BUILT[call.action]
            parameters = made(call.resource)
        else:
            service, operation, parameters = sent.service, sent.operation, {**sent.parameters}
            if "Body" in parameters:
                parameters["Body"] = b""  # what was read once is at its end
                parameters = {name: value for name, value in parameters.items() if not name.startswith("Checksum")}
        if service not in self.clients:
            self.clients[service] = boto3.client(service, **self.credentials)  # type: ignore[call-overload]
        client = self.clients[service]
        (method,) = (name for name, known in client.meta.method_to_api_mapping.items() if known == operation)
        self.asked = call
        try:
            with enable_iam_authentication():
                getattr(client, method)(**parameters)
        except ClientError as error:
            code, said = error.response["Error"]["Code"], str(error)
            assert "Signature" not in said, "moto did not get as far as IAM"
            return not (code in _REFUSED and "AccessDenied" in f"{code}{said}")
        except (KeyError, NotImplementedError):
            pass  # moto's own, which asks IAM first
        return True

    def has(self, policies: list[Policy]) -> None:
        """Gives the role these policies, and no others."""
        for name in self.iam.list_role_policies(RoleName=self.role)["PolicyNames"]:
            self.iam.delete_role_policy(RoleName=self.role, PolicyName=name)
        for number, policy in enumerate(policies):
            document = json.dumps({"Version": "2012-10-17", **policy.document})
            self.iam.put_role_policy(RoleName=self.role, PolicyName=f"p{number}", PolicyDocument=document)


def _iam(stack: Stack) -> Any:
    """IAM by a host that names the region: of GovCloud's own, iam.us-gov.amazonaws.com, moto makes no partition."""
    return boto3.client("iam", endpoint_url=f"https://iam.{stack.place.region}.{stack.place.suffix}")


@contextmanager
def _account(stack: Stack, role: str) -> Iterator[Account]:
    by_name = IAMRequestBase.check_action_permitted

    found: Account

    def check(request: Any, _resource: str) -> None:
        assert found.asked is not None
        request._action = driver.ACTION.get(request._action, request._action)  # noqa: SLF001 - moto has no other way
        assert request._action == found.asked.action  # noqa: SLF001
        by_name(request, found.asked.resource)

    with driver.deployed(stack), pytest.MonkeyPatch.context() as patch:
        found = Account(role, _iam(stack))
        trust = stack.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
        made = found.iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        given = boto3.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="session")["Credentials"]
        found.credentials = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        patch.setattr(IAMRequestBase, "check_action_permitted", check)
        found.has(policies_of(stack, role))
        yield found


def _granted(policies: list[Policy]) -> set[Grant]:
    """The grants of policies, of all rows where moto sees none."""
    found = {grant for policy in policies for grant in grants(_without_conditions(policy.document))}
    return {Grant(grant.action, grant.resource.partition(ROW)[0]) for grant in found}


def _without_conditions(document: Document) -> Document:
    statements = [{name: one[name] for name in one if name != "Condition"} for one in document["Statement"]]
    return {"Statement": statements}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("role", _ROLES)
def test_a_role_may_make_its_calls_and_none_of_them_without_its_grant(role: str, place: Place) -> None:
    stack = needs.whole(place)
    needed = {call: sent for call, sent in _needed(stack, role).items() if call.action not in _NO_OPERATION}
    assert needed
    with _account(stack, role) as account:
        assert [call for call, sent in needed.items() if not account.allows(call, sent)] == []

        held = _granted(policies_of(stack, role))
        for grant in sorted(held):
            left = held - {grant}
            statements = [{"Effect": "Allow", "Action": one.action, "Resource": one.resource} for one in sorted(left)]
            covered = sorted(call for call in needed if grant.covers(call))
            account.has([Policy("left", {"Statement": statements})])
            refused = [call for call in covered if not account.allows(call, needed[call])]
            assert refused == denied(covered, left)
            assert refused or not covered


def test_every_call_of_our_code_is_made_as_our_code_made_it() -> None:
    stack = needs.whole(HERE)
    of_code = {"dynamodb:PutItem", "sns:Publish", "s3:PutObject", "secretsmanager:GetSecretValue", "ssm:GetParameter"}
    made = {call.action: sent for role in _ROLES for call, sent in _needed(stack, role).items()}
    assert {action for action, sent in made.items() if sent} >= of_code
