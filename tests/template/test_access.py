"""Access to the template's resources, as AWS decides it: by roles, by policies of resources, and by denials.

The emulator enforces none of it. Every permission has a caller here who needs it, and every statement of every policy
has a case in which it decides.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pytest

from gatehouse.events import UNREADABLE
from gatehouse.vocabulary import Topic
from tests.template import needs
from tests.template.access import (
    Answer,
    Context,
    Decision,
    Policy,
    Principal,
    Request,
    decide,
    policies_of,
    policies_on,
    trust_of,
)
from tests.template.iam import ROW, Call
from tests.template.stack import ACCOUNT, PLACES, ROOT, Document, Place, Stack
from tests.vendor_files import vendors

_STRANGER: Final = "999999999999"
"""An account that is named for nothing."""
_EVERYTHING: Final = Policy(
    "whatever its account allows", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
_ALLOWED, _DENIED, _NOT = Answer.ALLOWED, Answer.DENIED, Answer.NOT_ALLOWED

type Case = tuple[Request, Answer]

every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)


@dataclass(frozen=True, slots=True)
class World:
    """A stack with all of its policies, and callers whose own accounts allow them everything."""

    stack: Stack
    on: dict[str, list[Policy]]
    """The policies of resources, by ARN."""
    of: dict[str, list[Policy]]
    """The policies of roles, by ARN."""
    trust: dict[str, Policy]

    @property
    def place(self) -> Place:
        """Its region and partition."""
        return self.stack.place

    def arn(self, name: str) -> str:
        """The ARN of a resource, by its logical id."""
        physical = self.stack.physical(name)
        return physical.attributes.get("Arn", physical.ref)

    def role(self, name: str) -> Principal:
        """A role of the stack, by its logical id."""
        return Principal(self.arn(name), ACCOUNT)

    def somebody(self, account: str) -> Principal:
        """Somebody of an account, whom its own policies let do everything."""
        return Principal(self.place.arn("iam", "role/somebody", region="", account=account), account)

    def decide(self, request: Request) -> Decision:
        """AWS's decision."""
        if request.action == "sts:AssumeRole":
            return decide(request, [], [self.trust[request.resource]])
        held = request.resource.split("/", 1)[0] if ":s3:::" in request.resource else request.resource
        own = [] if request.principal.is_service else self.of.get(request.principal.name, [_EVERYTHING])
        return decide(request, own, self.on.get(held, []))

    def statements(self) -> set[str]:
        """The names of all statements."""
        policies = [policy for each in (*self.on.values(), *self.of.values()) for policy in each]
        return {name for policy in (*policies, *self.trust.values()) for name, _ in policy.statements}


@cache
def _world(place: Place) -> World:
    stack = needs.whole(place)
    roles = {name: stack.physical(name).attributes["Arn"] for name in stack.of_type("AWS::IAM::Role")}
    return World(
        stack,
        on=policies_on(stack),
        of={arn: policies_of(stack, name) for name, arn in roles.items()},
        trust={arn: trust_of(stack, name) for name, arn in roles.items()},
    )


def _asked(principal: Principal, call: Call, **more: Any) -> Request:
    """A request with the context that AWS gives every one."""
    resource, _, row = call.resource.partition(ROW)
    context: dict[str, Any] = {"aws:SecureTransport": "true"}
    if not principal.is_service:
        context["aws:PrincipalAccount"] = principal.account
    if row:
        context["dynamodb:LeadingKeys"] = [row]
    return Request(
        principal, call.action, resource, {**context, **{name.replace("__", ":"): more[name] for name in more}}
    )


def _with(request: Request, **context: str) -> Request:
    """The same request with another context."""
    changed: Context = {**request.context, **{name.replace("__", ":"): value for name, value in context.items()}}
    return Request(request.principal, request.action, request.resource, changed, request.owner)


# ─── Roles ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _needed(world: World) -> dict[str, list[Request]]:
    """Requests that each role is there for, by its logical id."""
    stack = world.stack
    users = {function.name: function.role for function in stack.functions()}
    users |= {task.name: task.role for task in stack.tasks()}
    found: dict[str, list[tuple[Call, dict[str, str]]]] = {
        users[name]: [(call, {}) for call in of.calls] for name, of in needs.of_code(stack.place).items()
    }
    found |= {flow.role: [(call, {}) for call in needs.of_flow(stack, flow)] for flow in stack.flows()}
    found |= {task.starter: [(call, {}) for call in needs.of_starter(stack, task)] for task in stack.tasks()}
    found |= dict(_scheduled(stack))
    return {
        role: [_asked(world.role(role), call, **context) for call, context in sorted(calls, key=lambda one: one[0])]
        for role, calls in found.items()
    }


def _scheduled(stack: Stack) -> Iterator[tuple[str, list[tuple[Call, dict[str, str]]]]]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html."""
    for schedule in stack.of_type("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        task = target["EcsParameters"]["TaskDefinitionArn"]
        given = stack.of_type("AWS::ECS::TaskDefinition")[stack.logical_id(task)]
        handed_on = [
            (Call("iam:PassRole", given[role]), {"iam__PassedToService": "ecs-tasks.amazonaws.com"})
            for role in ("TaskRoleArn", "ExecutionRoleArn")
        ]
        run = (Call("ecs:RunTask", task), {"ecs__cluster": target["Arn"]})
        yield stack.logical_id(target["RoleArn"]), [run, *handed_on]


def _roles_do_what_they_are_for(world: World) -> Iterator[Case]:
    for requests in _needed(world).values():
        for request in requests:
            yield request, _ALLOWED
            # Others in the account may do it only by policies of their own.
            if request.action != "sts:AssumeRole" and request.resource in world.on:
                yield Request(world.somebody(_STRANGER), request.action, request.resource, request.context), _NOT


def _roles_go_by_tls(world: World) -> Iterator[Case]:
    for requests in _needed(world).values():
        for request in requests:
            if request.action.startswith(("s3:", "sqs:", "sns:Publish")):
                yield _with(request, aws__SecureTransport="false"), _DENIED


def _roles_write_their_own_vendors_rows(world: World) -> Iterator[Case]:
    table = world.arn("EventsTable")
    for role, requests in _needed(world).items():
        rows = [request for request in requests if "dynamodb:LeadingKeys" in request.context]
        of_vendors = {request.context["dynamodb:LeadingKeys"][0].rpartition("-")[0] for request in rows}
        # The relay, the sweep and redrive write everybody's, which driver.py calls somebody's.
        if len(of_vendors) == 1 and "somebody" not in of_vendors:
            for action in ("dynamodb:PutItem", "dynamodb:UpdateItem"):
                yield _asked(world.role(role), Call(action, f"{table}{ROW}somebody-1")), _NOT
                yield _asked(world.role(role), Call(action, table)), _NOT  # as PartiQL would ask


def _a_task_is_run_in_its_cluster_and_with_its_roles(world: World) -> Iterator[Case]:
    for role, requests in _needed(world).items():
        for request in requests:
            if request.action == "ecs:RunTask":
                yield _with(request, ecs__cluster=world.place.arn("ecs", "cluster/another")), _NOT
            if request.action == "iam:PassRole":
                yield _with(request, iam__PassedToService="lambda.amazonaws.com"), _NOT
                other = Call("iam:PassRole", world.arn("RedriveRole"))
                yield _asked(world.role(role), other, iam__PassedToService="ecs-tasks.amazonaws.com"), _NOT


def _a_role_is_taken_on_by_what_runs_it(world: World) -> Iterator[Case]:
    stack = world.stack
    takers = {function.role: "lambda" for function in stack.functions()}
    takers |= {flow.role: "states" for flow in stack.flows()}
    takers |= {role: "ecs-tasks" for task in stack.tasks() for role in (task.role, task.starter)}
    takers |= {role: "scheduler" for role, _ in _scheduled(stack)}
    for role, service in takers.items():
        taken = Call("sts:AssumeRole", world.arn(role))
        own = {"aws__SourceAccount": ACCOUNT}
        yield _asked(Principal(f"{service}.amazonaws.com"), taken, **own), _ALLOWED
        yield _asked(Principal("ec2.amazonaws.com"), taken, **own), _NOT
        yield _asked(world.somebody(ACCOUNT), taken), _NOT
        yield _asked(world.somebody(_STRANGER), taken), _NOT
        if service == "scheduler":  # whom anybody may have run a schedule
            yield _asked(Principal("scheduler.amazonaws.com"), taken, aws__SourceAccount=_STRANGER), _NOT


# ─── Services ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _the_alarms_topic_sends_to_its_queues(world: World) -> Iterator[Case]:
    (subscription,) = world.stack.of_type("AWS::SNS::Subscription").values()
    sns, topic = Principal("sns.amazonaws.com"), subscription["TopicArn"]
    for queue in (subscription["Endpoint"], subscription["RedrivePolicy"]["deadLetterTargetArn"]):
        sent = _asked(sns, Call("sqs:SendMessage", queue), aws__SourceArn=topic, aws__SourceAccount=ACCOUNT)
        yield sent, _ALLOWED
        yield _with(sent, aws__SecureTransport="false"), _DENIED
        for another in Topic:
            if (other := world.arn(f"{another.capitalize()}Topic")) != topic:
                yield _with(sent, aws__SourceArn=other), _NOT
        elsewhere = topic.replace(ACCOUNT, _STRANGER)
        yield _with(sent, aws__SourceArn=elsewhere, aws__SourceAccount=_STRANGER), _NOT
        yield _asked(sns, Call("sqs:SendMessage", queue)), _NOT
        yield _asked(sns, Call("sqs:ReceiveMessage", queue), aws__SourceArn=topic), _NOT
        yield _asked(Principal("events.amazonaws.com"), Call("sqs:SendMessage", queue), aws__SourceArn=topic), _NOT
    for queue in ("SpillQueue", "SpillDeadLetterQueue", "RelayFailureQueue"):
        yield _asked(sns, Call("sqs:SendMessage", world.arn(queue)), aws__SourceArn=topic), _NOT


def _aliases(world: World) -> dict[str, str]:
    """The ARN of each function's alias, by the function's logical id."""
    aliases = world.stack.of_type("AWS::Lambda::Alias")
    return {
        world.stack.logical_id(properties["FunctionName"]): world.stack.physical(name).ref
        for name, properties in aliases.items()
    }


def _a_route_calls_its_function(world: World) -> Iterator[Case]:
    gateway = Principal("apigateway.amazonaws.com")
    (api,) = (world.stack.physical(name).ref for name in world.stack.of_type("AWS::ApiGatewayV2::Api"))
    for owner in world.stack.functions():
        for event in owner.events_of("HttpApi"):
            route = f"$default/{event['Method']}{event['Path']}"
            source = world.place.arn("execute-api", f"{api}/{route}")
            for name, alias in _aliases(world).items():
                call = Call("lambda:InvokeFunction", alias)
                yield _asked(gateway, call, aws__SourceArn=source), _ALLOWED if name == owner.name else _NOT
            own = _asked(gateway, Call("lambda:InvokeFunction", _aliases(world)[owner.name]), aws__SourceArn=source)
            yield _with(own, aws__SourceArn=world.place.arn("execute-api", f"another/{route}")), _NOT
            elsewhere = world.place.arn("execute-api", f"{api}/{route}", account=_STRANGER)
            yield _with(own, aws__SourceArn=elsewhere), _NOT
            yield _asked(gateway, Call("lambda:InvokeFunction", own.resource)), _NOT
            # Only what is live.
            yield _asked(gateway, Call("lambda:InvokeFunction", world.arn(owner.name)), aws__SourceArn=source), _NOT


def _a_rule_calls_its_function(world: World) -> Iterator[Case]:
    for name, rule in world.stack.of_type("AWS::Events::Rule").items():
        for function, alias in _aliases(world).items():
            called = _asked(
                Principal("events.amazonaws.com"),
                Call("lambda:InvokeFunction", alias),
                aws__SourceArn=world.arn(name),
            )
            mine = alias in {target["Arn"] for target in rule["Targets"]}
            yield called, _ALLOWED if mine else _NOT
            yield _with(called, aws__SourceArn=world.place.arn("events", f"rule/{function}")), _NOT


def _the_topics_key_is_the_publishers(world: World) -> Iterator[Case]:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html."""
    for key in (name for name in world.stack.of_type("AWS::KMS::Key")):
        for action in ("kms:GenerateDataKey", "kms:Decrypt"):
            call = Call(action, world.arn(key))
            for role, requests in _needed(world).items():
                publishes = any(request.action == "sns:Publish" for request in requests)
                yield _asked(world.role(role), call), _ALLOWED if publishes else _NOT
            # By policies of this account, to which the key's own leaves it, and by those of no other.
            yield _asked(world.somebody(ACCOUNT), call), _ALLOWED
            yield _asked(world.somebody(_STRANGER), call), _NOT
            yield _asked(Principal("sns.amazonaws.com"), call), _NOT
            for account in needs.SUBSCRIBERS.values():
                yield _asked(world.somebody(account), call), _NOT


# ─── Other accounts ───────────────────────────────────────────────────────────────────────────────────────────────


def _an_account_subscribes_to_its_topic(world: World) -> Iterator[Case]:
    for topic, account in needs.SUBSCRIBERS.items():
        reader = world.somebody(account)
        for other in Topic:
            arn = world.arn(f"{other.capitalize()}Topic")
            mine = _ALLOWED if other == topic else _NOT
            for protocol in ("sqs", "lambda", "firehose"):
                yield _asked(reader, Call("sns:Subscribe", arn), sns__Protocol=protocol), mine
            for protocol in ("email", "email-json", "https", "http", "sms", "application"):
                yield _asked(reader, Call("sns:Subscribe", arn), sns__Protocol=protocol), _NOT
            yield _asked(reader, Call("sns:GetTopicAttributes", arn)), mine
            for action in ("Publish", "SetTopicAttributes", "AddPermission", "DeleteTopic", "ListSubscriptionsByTopic"):
                yield _asked(reader, Call(f"sns:{action}", arn)), _NOT
            yield _asked(reader, Call("sns:Publish", arn), aws__SecureTransport="false"), _DENIED
            yield _asked(world.somebody(_STRANGER), Call("sns:Subscribe", arn), sns__Protocol="sqs"), _NOT
            yield _asked(world.somebody(ACCOUNT), Call("sns:Subscribe", arn), sns__Protocol="sqs"), _ALLOWED


def _referred_to(world: World) -> dict[str, set[str]]:
    """The keys in the media bucket that the events of each topic refer to, as they were published."""
    found: dict[str, set[str]] = {topic: set() for topic in Topic}
    for of in needs.of_code(world.place).values():
        for arn, event in of.published:
            topic = world.stack.logical_id(arn).removesuffix("Topic").lower()
            found[topic] |= set(_keys(event["data"]))
    return found


def _keys(data: Any) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _keys(item)
    elif isinstance(data, dict):
        if data.get("bucket") and data.get("key"):
            yield data["key"]
        for value in data.values():
            yield from _keys(value)


def _whoever_subscribes_reads_what_the_events_refer_to(world: World) -> Iterator[Case]:
    """B10: an event's picture was of use to us alone."""
    bucket = world.arn("MediaBucket")
    for topic, keys in _referred_to(world).items():
        reader = world.somebody(needs.SUBSCRIBERS[Topic(topic)])
        for key in keys:
            read = _asked(reader, Call("s3:GetObject", f"{bucket}/{key}"))
            yield read, _DENIED if key.startswith(UNREADABLE) else _ALLOWED
            yield _with(read, aws__SecureTransport="false"), _DENIED
            yield (
                _asked(world.somebody(_STRANGER), Call("s3:GetObject", f"{bucket}/{key}")),
                (_DENIED if key.startswith(UNREADABLE) else _NOT),
            )
            yield _asked(world.somebody(ACCOUNT), Call("s3:GetObject", f"{bucket}/{key}")), _ALLOWED


def _readers_do_nothing_but_read(world: World) -> Iterator[Case]:
    bucket = world.arn("MediaBucket")
    for account in needs.SUBSCRIBERS.values():
        reader = world.somebody(account)
        yield _asked(reader, Call("s3:ListBucket", bucket)), _NOT
        for folder in vendors(ROOT):
            for action in ("PutObject", "DeleteObject", "GetObjectAcl", "GetObjectVersion", "PutObjectTagging"):
                yield _asked(reader, Call(f"s3:{action}", f"{bucket}/{folder}/id/face.jpg")), _NOT
        for key in (f"{UNREADABLE}{vendor}/id/1" for vendor in vendors(ROOT)):
            for action in ("GetObject", "GetObjectVersion", "GetObjectAttributes"):
                yield _asked(reader, Call(f"s3:{action}", f"{bucket}/{key}")), _DENIED
        for queue in world.stack.of_type("AWS::SQS::Queue"):
            for action in ("SendMessage", "ReceiveMessage"):
                yield _asked(reader, Call(f"sqs:{action}", world.arn(queue))), _NOT


_ABOUT: Final[dict[str, Callable[[World], Iterator[Case]]]] = {
    made.__name__.strip("_"): made
    for made in (
        _roles_do_what_they_are_for,
        _roles_go_by_tls,
        _roles_write_their_own_vendors_rows,
        _a_task_is_run_in_its_cluster_and_with_its_roles,
        _a_role_is_taken_on_by_what_runs_it,
        _the_alarms_topic_sends_to_its_queues,
        _a_route_calls_its_function,
        _a_rule_calls_its_function,
        _the_topics_key_is_the_publishers,
        _an_account_subscribes_to_its_topic,
        _whoever_subscribes_reads_what_the_events_refer_to,
        _readers_do_nothing_but_read,
    )
}


@every_place
@pytest.mark.parametrize("about", _ABOUT)
def test_aws_decides_as_it_is_meant(about: str, place: Place) -> None:
    world = _world(place)
    cases = list(_ABOUT[about](world))
    assert cases, "there is nothing to decide"
    wrong = [(request, meant, got) for request, meant in cases if (got := world.decide(request).answer) is not meant]
    assert wrong == []


@every_place
def test_every_statement_of_every_policy_decides_something(place: Place) -> None:
    """A statement that no case needs is too much, or was not looked at."""
    world = _world(place)
    cases = [case for made in _ABOUT.values() for case in made(world)]
    used = {name for request, _ in cases for name in world.decide(request).by}
    assert world.statements() - used == set()


@every_place
def test_a_topics_readers_are_let_into_no_folder_that_none_of_its_publishers_writes(place: Place) -> None:
    world = _world(place)
    written: dict[str, set[str]] = {}
    for requests in _needed(world).values():
        folders = {request.resource.split("/")[1] for request in requests if request.action == "s3:PutObject"}
        for request in requests:
            if request.action == "sns:Publish":
                written.setdefault(request.resource, set()).update(folders)
    for topic, account in needs.SUBSCRIBERS.items():
        read = {
            resource.split("/", 1)[1]
            for policy in world.on[world.arn("MediaBucket")]
            for _, statement in policy.statements
            if statement["Principal"] == {"AWS": [account]}
            for resource in _listed(statement["Resource"])
        }
        assert read <= {f"{folder}/*" for folder in written[world.arn(f"{topic.capitalize()}Topic")]}
        assert bool(read) is bool({key for key in _referred_to(world)[topic] if not key.startswith(UNREADABLE)})


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_nobody_elses_account_is_named_in_a_policy_unless_it_is_set() -> None:
    stack = Stack()
    named = re.findall(r"\b\d{12}\b", str([policy for each in policies_on(stack).values() for policy in each]))
    assert set(named) == {ACCOUNT}


# ─── Of the evaluator itself ──────────────────────────────────────────────────────────────────────────────────────

_ROLE: Final = Principal("arn:aws:iam::123456789012:role/one", ACCOUNT)
_ABROAD: Final = Principal("arn:aws:iam::999999999999:role/one", _STRANGER)
_THING: Final = "arn:aws:sqs:eu-central-1:123456789012:thing"


def _says(effect: str, principal: Any = None, **more: Any) -> Policy:
    who = {} if principal is None else {"Principal": principal}
    return Policy("p", {"Statement": {"Effect": effect, "Action": "sqs:*", "Resource": _THING, **who, **more}})


def _root(account: str) -> Document:
    return {"AWS": f"arn:aws:iam::{account}:root"}


@pytest.mark.parametrize(
    ("who", "identity", "resource", "answer"),
    [
        (_ROLE, [], [], _NOT),
        (_ROLE, [_says("Allow")], [], _ALLOWED),
        (_ROLE, [], [_says("Allow", {"AWS": _ROLE.name})], _ALLOWED),
        (_ROLE, [], [_says("Allow", "*")], _ALLOWED),
        # To an account is to its policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
        (_ROLE, [], [_says("Allow", _root(ACCOUNT))], _NOT),
        (_ROLE, [_says("Allow")], [_says("Deny", "*")], _DENIED),
        (_ROLE, [_says("Deny"), _says("Allow")], [_says("Allow", "*")], _DENIED),
        (_ROLE, [_says("Allow")], [_says("Deny", {"AWS": _STRANGER})], _ALLOWED),
        (_ABROAD, [_says("Allow")], [], _NOT),
        (_ABROAD, [], [_says("Allow", {"AWS": _STRANGER})], _NOT),
        (_ABROAD, [_says("Allow")], [_says("Allow", {"AWS": _STRANGER})], _ALLOWED),
        (_ABROAD, [_says("Allow")], [_says("Allow", _root(_STRANGER))], _ALLOWED),
        (_ABROAD, [_says("Allow")], [_says("Allow", _root(ACCOUNT))], _NOT),
        (Principal("sns.amazonaws.com"), [], [_says("Allow", {"Service": "sns.amazonaws.com"})], _ALLOWED),
        (Principal("sns.amazonaws.com"), [], [_says("Allow", {"Service": ["events.amazonaws.com"]})], _NOT),
        (_ROLE, [], [_says("Allow", {"Service": "sns.amazonaws.com"})], _NOT),
    ],
)
def test_a_denial_wins_and_two_accounts_have_both_to_agree(
    who: Principal, identity: list[Policy], resource: list[Policy], answer: Answer
) -> None:
    assert decide(Request(who, "sqs:SendMessage", _THING), identity, resource).answer is answer


@pytest.mark.parametrize(
    ("identity", "key_policy", "answer"),
    [
        (True, "root", _ALLOWED),
        (True, None, _NOT),
        (False, "root", _NOT),
        (False, "role", _ALLOWED),
        (True, "abroad", _NOT),
    ],
)
def test_a_keys_own_policy_has_to_let_the_account_decide(
    identity: bool, key_policy: str | None, answer: Answer
) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html."""
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    said = {"Action": "kms:*", "Resource": key}
    who = {"root": _root(ACCOUNT), "role": {"AWS": _ROLE.name}, "abroad": _root(_STRANGER), None: None}[key_policy]
    found = decide(
        Request(_ROLE, "kms:Decrypt", key),
        [_says("Allow", **said)] if identity else [],
        [_says("Allow", who, **said)] if who else [],
    )
    assert found.answer is answer


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"StringEquals": {"aws:SourceAccount": ["1", "2"]}}, {"aws:SourceAccount": "2"}, True),
        ({"StringEquals": {"AWS:SourceAccount": "2"}}, {"aws:SourceAccount": "2"}, True),
        ({"StringEquals": {"aws:SourceAccount": "2"}}, {"aws:SourceAccount": "22"}, False),
        ({"StringEquals": {"aws:SourceAccount": "2"}}, {}, False),
        ({"StringNotEquals": {"aws:PrincipalAccount": "2"}}, {"aws:PrincipalAccount": "1"}, True),
        ({"StringNotEquals": {"aws:PrincipalAccount": ["1", "2"]}}, {"aws:PrincipalAccount": "1"}, False),
        ({"StringNotEquals": {"aws:PrincipalAccount": "2"}}, {}, True),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:sns:*:1:t"}}, {"aws:SourceArn": "arn:aws:sns:r:1:t"}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:r:*:t"}}, {"aws:SourceArn": "arn:aws:sns:r:1:2:t"}, False),
        ({"ArnLike": {"aws:SourceArn": "*"}}, {"aws:SourceArn": "arn:aws:sns:r:1:t"}, False),
        ({"Null": {"dynamodb:LeadingKeys": "false"}}, {"dynamodb:LeadingKeys": ["a"]}, True),
        ({"Null": {"dynamodb:LeadingKeys": "false"}}, {}, False),
        ({"Null": {"dynamodb:LeadingKeys": "true"}}, {}, True),
        ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a-*"}}, {"dynamodb:LeadingKeys": ["a-1", "a-2"]}, True),
        ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a-*"}}, {"dynamodb:LeadingKeys": ["a-1", "b-2"]}, False),
        ({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a-*"}}, {}, True),
        (
            {"StringEquals": {"aws:SourceAccount": "2"}, "Bool": {"aws:SecureTransport": "true"}},
            {"aws:SourceAccount": "2", "aws:SecureTransport": "false"},
            False,
        ),
    ],
)
def test_a_condition_holds_as_in_iam(condition: Document, context: Context, *, holds: bool) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html."""
    found = decide(Request(_ROLE, "sqs:SendMessage", _THING, context), [_says("Allow", Condition=condition)], [])
    assert (found.answer is _ALLOWED) is holds


@pytest.mark.parametrize(
    "more",
    [
        {"Condition": {"StringEqualsIgnoreCase": {"aws:SourceAccount": "1"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "1"}}},
        {"Condition": {"StringEqualsIfExists": {"aws:SourceAccount": "1"}}},
        {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "1"}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}},
        {"NotAction": "sqs:DeleteQueue"},
        {"NotResource": "arn:aws:sqs:*"},
        {"NotPrincipal": {"AWS": "1"}},
        {"Effect": "Perhaps"},
        {"Principal": {"Federated": "accounts.google.com"}},
        {"Principal": {"CanonicalUser": "1"}},
    ],
)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_what_is_not_understood_is_not_judged_and_never_allowed(more: Document, effect: str) -> None:
    context = {"aws:SourceAccount": "1", "dynamodb:LeadingKeys": "1"}
    policy = Policy("p", {"Statement": [{"Effect": effect, "Principal": "*", "Action": "*", "Resource": "*", **more}]})
    with pytest.raises(NotImplementedError):
        decide(Request(_ROLE, "sqs:SendMessage", _THING, context), [], [policy])
