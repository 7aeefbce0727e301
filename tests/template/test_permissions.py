"""Each function may do what it does, and nothing else: IAM as it will be enforced, since the emulator does not."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.template import driver
from tests.template.iam import Call, Grant, denied, grants, unused
from tests.template.needs import of_code
from tests.template.stack import HERE, Function, Stack, Task, sam

_STACK: Final = Stack(driver.parameters())
_TASKS: Final = {task.name: task for task in _STACK.tasks()}
_FUNCTIONS: Final[dict[str, Function | Task]] = {
    **{function.name: function for function in _STACK.functions()},
    **_TASKS,
}
"""Those of Lambda, and the tasks of ECS beside them."""
_FETCHING: Final = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")


@pytest.fixture(scope="module")
def needed() -> dict[str, set[Call]]:
    """The needs of each function: the calls that it makes, and those that AWS makes in its role's name."""
    return {name: needs.calls for name, needs in of_code(HERE).items()}


def _own(function: Function | Task) -> set[Grant]:
    """Grants of a function's role itself."""
    role = _STACK.of_type("AWS::IAM::Role")[function.role]
    return {grant for policy in role.get("Policies", []) for grant in grants(policy["PolicyDocument"])}


def _shared(function: Function | Task) -> dict[str, set[Grant]]:
    """Grants of a function's role by the managed policies of the template, by their logical id."""
    role = _STACK.of_type("AWS::IAM::Role")[function.role]
    policies = _STACK.of_type("AWS::IAM::ManagedPolicy")
    names = [_STACK.logical_id(arn) for arn in role.get("ManagedPolicyArns", [])]
    return {name: grants(policies[name]["PolicyDocument"]) for name in names}


def _allowed(function: Function | Task) -> set[Grant]:
    return _own(function).union(*_shared(function).values())


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_a_function_may_do_everything_that_it_does(name: str, needed: dict[str, set[Call]]) -> None:
    assert denied(needed[name], _allowed(_FUNCTIONS[name])) == []


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_a_function_may_do_nothing_that_it_does_not_do(name: str, needed: dict[str, set[Call]]) -> None:
    assert unused(needed[name], _own(_FUNCTIONS[name])) == []


def test_a_shared_policy_allows_nothing_that_no_function_of_its_roles_does(needed: dict[str, set[Call]]) -> None:
    """A policy that several roles share is held against all of them together."""
    for policy in _STACK.of_type("AWS::IAM::ManagedPolicy"):
        of_policy = {name: function for name, function in _FUNCTIONS.items() if policy in _shared(function)}
        calls = set[Call]().union(*(needed[name] for name in of_policy))
        allowed = set[Grant]().union(*(_shared(function)[policy] for function in of_policy.values()))
        assert allowed, f"no role has {policy}"
        assert unused(calls, allowed) == []


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_no_function_is_granted_every_resource_or_every_action(name: str) -> None:
    assert [grant for grant in _allowed(_FUNCTIONS[name]) if grant.resource == "*" or grant.action.endswith(":*")] == []


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_a_role_is_one_functions_and_for_what_runs_it_only(name: str) -> None:
    function = _FUNCTIONS[name]
    service = "ecs-tasks.amazonaws.com" if isinstance(function, Task) else "lambda.amazonaws.com"
    assert _trusted(function.role) == [{"Service": service}]
    assert [other.name for other in _FUNCTIONS.values() if other.role == function.role] == [name]


def _trusted(role: str) -> list[object]:
    trust = _STACK.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    return [statement["Principal"] for statement in trust]


@pytest.mark.parametrize("name", _TASKS)
def test_a_task_is_started_by_a_role_that_can_fetch_its_image_and_write_its_log_and_nothing_else(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html."""
    task = _TASKS[name]
    image = "arn:aws:ecr:eu-central-1:210987654321:repository/gatehouse"  # also one of another account
    calls = {Call(f"ecr:{action}", image) for action in _FETCHING}
    calls |= {Call("ecr:GetAuthorizationToken", "*")}
    calls |= driver.written(_STACK, task.container["LogConfiguration"]["Options"]["awslogs-group"])
    role = _STACK.of_type("AWS::IAM::Role")[task.starter]
    assert set(role) == {"AssumeRolePolicyDocument", "Policies"}
    allowed = {grant for policy in role["Policies"] for grant in grants(policy["PolicyDocument"])}
    assert denied(calls, allowed) == []
    assert unused(calls, allowed) == []
    assert [grant.action for grant in allowed if grant.resource == "*"] == ["ecr:GetAuthorizationToken"]
    assert _trusted(task.starter) == [{"Service": "ecs-tasks.amazonaws.com"}]
    assert task.starter not in {function.role for function in _FUNCTIONS.values()}


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse:1", "gatehouse"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/gatehouse:1", "gatehouse"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/a/b/gatehouse.x:v1.2", "a/b/gatehouse.x"),
        (f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse@sha256:{'0' * 64}", "gatehouse"),
        (f"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b@sha256:{'0' * 64}", "a/b"),
        (f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse:1@sha256:{'0' * 64}", "gatehouse"),
        ("public.ecr.aws/a/b:1", "none"),
        ("gatehouse:1", "none"),
        ("registry.example.com:5000/gatehouse:1", "none"),
    ],
)
def test_a_task_is_started_by_a_role_that_can_fetch_from_the_repository_of_its_image_alone(
    image: str, repository: str
) -> None:
    (setting,) = (name for name in sam()["Parameters"] if name.endswith("Image"))
    stack = Stack({**driver.parameters(), setting: image})
    for task in stack.tasks():
        assert task.container["Image"] == image
        role = stack.of_type("AWS::IAM::Role")[task.starter]
        allowed = {grant for policy in role["Policies"] for grant in grants(policy["PolicyDocument"])}
        fetching = {grant.resource for grant in allowed if grant.action.removeprefix("ecr:") in _FETCHING}
        assert fetching == {f"arn:aws:ecr:*:*:repository/{repository}"}


def test_every_kind_of_call_was_driven(needed: dict[str, set[Call]]) -> None:
    """Every kind of call that the functions make was seen, so that the checks above had something to check."""
    calls = set[Call]().union(*needed.values())
    assert {call.action for call in calls} >= {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "secretsmanager:GetSecretValue",
        "sns:Publish",
        "sqs:SendMessage",
        "kms:GenerateDataKey",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "states:StartExecution",
        "states:SendTaskSuccess",
    }


# ─── Of the evaluator itself: it can say no ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def every_grant(needed: dict[str, set[Call]]) -> Iterator[tuple[str, Grant, set[Call]]]:
    """Each grant of each function that the function needs."""
    return (
        (name, grant, needed[name])
        for name, function in _FUNCTIONS.items()
        for grant in sorted(_allowed(function))
        if any(grant.covers(call) for call in needed[name])
    )


def test_taking_away_any_grant_that_is_used_is_noticed(every_grant: Iterator[tuple[str, Grant, set[Call]]]) -> None:
    for name, grant, calls in every_grant:
        assert denied(calls, _allowed(_FUNCTIONS[name]) - {grant}), f"{name} does not miss {grant}"


def test_a_grant_too_many_is_noticed(needed: dict[str, set[Call]]) -> None:
    for name, calls in needed.items():
        extra = Grant("dynamodb:DeleteItem", _STACK.physical("EventsTable").attributes["Arn"])
        assert unused(calls, _own(_FUNCTIONS[name]) | {extra}) == [extra]


@pytest.mark.parametrize(
    ("action", "resource", "covered"),
    [
        ("sns:Publish", "arn:aws:sns:r:1:alarm", True),
        ("SNS:publish", "arn:aws:sns:r:1:alarm", True),
        ("sns:Pub*", "arn:aws:sns:*:1:alarm", True),
        ("sns:Publis?", "arn:aws:sns:r:1:alar?", True),
        ("sns:Subscribe", "arn:aws:sns:r:1:alarm", False),
        ("sns:Publish", "arn:aws:sns:r:1:ALARM", False),
        ("sns:Publish", "arn:aws:sns:r:1:alarm-2", False),
        ("sns:Publish", "arn:aws:sns:r:1:[a]larm", False),
        ("sqs:*", "*", False),
    ],
)
def test_a_grant_covers_a_call_as_in_iam(action: str, resource: str, *, covered: bool) -> None:
    assert Grant(action, resource).covers(Call("sns:Publish", "arn:aws:sns:r:1:alarm")) is covered


@pytest.mark.parametrize(
    "more", [{"Effect": "Deny"}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, {"NotAction": "sns:*"}]
)
def test_a_statement_that_is_not_understood_is_not_judged(more: dict[str, object]) -> None:
    statement = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", **more}
    with pytest.raises(NotImplementedError):
        grants({"Statement": [statement]})
