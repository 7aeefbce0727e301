"""The needs of each role of the template: the calls that our code makes with it, and those that AWS makes."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from gatehouse.vocabulary import Topic
from tests.template import asl, driver
from tests.template.driver import Sent
from tests.template.iam import Call
from tests.template.stack import HERE, Document, Flow, Place, Stack, Task

_FETCHING: Final = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
_IMAGE: Final = "gatehouse"
SUBSCRIBERS: Final = {topic: f"{number}" * 12 for number, topic in enumerate(Topic, 2)}
"""Accounts that may subscribe, one to each topic."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one role."""

    calls: set[Call]
    sent: dict[Call, Sent] = field(default_factory=dict)
    """Those that our code made, as it made them."""
    published: list[tuple[str, Document]] = field(default_factory=list)
    """The ARN of a topic, and an event that was published there."""


def settings(place: Place) -> dict[str, str]:
    """With these everything is there that the template makes only where it is asked for."""
    # An image that drivers name is of one region.
    here, there = (f".{one.region}.{one.suffix}/" for one in (HERE, place))
    asked_for = {name: value.replace(here, there) for name, value in driver.parameters().items()}
    return asked_for | {f"{topic.capitalize()}Subscribers": account for topic, account in SUBSCRIBERS.items()}


@cache
def whole(place: Place) -> Stack:
    """The stack with everything."""
    return Stack(settings(place), place)


@cache
def of_code(place: Place) -> dict[str, Needs]:
    """The needs of each function and each task, by its name; each is driven with AWS working and failing."""
    stack = whole(place)
    found: dict[str, Needs] = {}
    for task in stack.tasks():
        noted = driver.run_task(stack, task)
        # Its role does not write its logs: ECS does that, by the role with which it starts the task.
        calls = noted.made | driver.encrypted(stack, noted.made)
        found[task.name] = Needs(calls, noted.sent, noted.published)
    for function in stack.functions():
        needs = found[function.name] = Needs(set())
        for variant_of_stack in driver.variants(function, place):
            (variant,) = (other for other in variant_of_stack.functions() if other.name == function.name)
            noted = driver.run(variant_of_stack, variant)
            needs.calls.update(noted.made | driver.implied(variant_of_stack, variant, noted.made))
            needs.sent.update(noted.sent)
            needs.published.extend(noted.published)
    return found


def of_starter(stack: Stack, task: Task) -> set[Call]:
    """Calls that ECS makes with the role by which it starts a task.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    calls = {Call(f"ecr:{action}", stack.place.arn("ecr", f"repository/{_IMAGE}")) for action in _FETCHING}
    calls |= {Call("ecr:GetAuthorizationToken", "*")}
    return calls | driver.written(stack, task.container["LogConfiguration"]["Options"]["awslogs-group"])


def of_flow(stack: Stack, flow: Flow) -> set[Call]:
    """Calls of a flow's states, in IAM's words."""
    found = set()
    for name, task in asl.tasks(flow.definition).items():
        parameters = asl.states(flow.definition)[name]["Parameters"]
        # An alias is invoked, by its ARN.
        called = (
            parameters.get("FunctionName")
            or stack.physical(stack.logical_id(parameters["TableName"])).attributes["Arn"]
        )
        found.add(Call(task.permission, called))
    return found
