"""A small reader of state machines: faults that Step Functions or IAM would find only when a definition runs."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.validate import ParamValidator
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

type Document = dict[str, Any]

# Those optimised integrations that have it, by service; what is called by the SDK has it always:
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
_WAITS: Final = frozenset({"apigateway", "bedrock", "ecs", "eks", "events", "lambda", "sns", "sqs", "states"})
TOKEN: Final = "waitForTaskToken"
# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
_CONTEXT: Final = re.compile(
    r"\$\$\.(Execution\.(Id|Input|Name|RedriveCount|RedriveTime|RoleArn|StartTime)(\..+)?"
    r"|State\.(EnteredTime|Name|RetryCount)|StateMachine\.(Id|Name)|Task\.Token)"
)
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html; States.DataLimitExceeded and
# States.Runtime end an execution in any case.
_ERRORS: Final = frozenset(
    {
        "States.ALL",
        "States.HeartbeatTimeout",
        "States.ParameterPathFailure",
        "States.Permissions",
        "States.ResultPathMatchFailure",
        "States.TaskFailed",
        "States.Timeout",
        # Of Lambda itself: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
        "Lambda.TooManyRequestsException",
    }
)
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
_OF_EXPRESSIONS: Final = frozenset({"add", "and", "between", "delete", "in", "not", "or", "remove", "set", "size"})


@dataclass(frozen=True, slots=True)
class Task:
    """The call that a state makes, read from its `Resource`."""

    service: str
    action: str
    pattern: str
    """`waitForTaskToken`, `sync`, or nothing."""
    by_sdk: bool

    @property
    def permission(self) -> str:
        """The action that IAM is asked for."""
        if (self.service, self.action) == ("lambda", "invoke"):
            return "lambda:InvokeFunction"
        if not self.by_sdk:
            raise NotImplementedError(f"say in asl.py what the role needs for {self.service}:{self.action}")
        return f"{self.service}:{self.action[0].upper()}{self.action[1:]}"


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from a state to another one, None for the end."""

    origin: str
    target: str | None
    errors: tuple[str, ...] = ()
    """The errors that are caught; none on the way of success."""


def states(definition: Document) -> dict[str, Document]:
    """The states by their names.

    Raises:
        NotImplementedError: there is something that this file does not judge.
    """
    found: dict[str, Document] = definition["States"]
    for name, state in found.items():
        beyond = {"Arguments", "Assign", "InputPath", "Output", "OutputPath", "Seconds", "SecondsPath"} & set(state)
        if state["Type"] not in {"Task", "Wait", "Succeed", "Fail"} or "QueryLanguage" in definition or beyond:
            raise NotImplementedError(f"asl.py does not judge this state: {name}")
    return found


def tasks(definition: Document) -> dict[str, Task]:
    """The calls of the states that make one, by the state's name."""
    found = {}
    for name, state in states(definition).items():
        if state["Type"] != "Task":
            continue
        match = re.fullmatch(
            r"arn:aws[a-z-]*:states:::(aws-sdk:)?([a-z0-9]+):([A-Za-z]+)(?:\.(\w+))?", state["Resource"]
        )
        if match is None:
            raise NotImplementedError(f"asl.py does not know this resource: {state['Resource']}")
        found[name] = Task(service=match[2], action=match[3], pattern=match[4] or "", by_sdk=match[1] is not None)
    return found


def edges(definition: Document) -> list[Edge]:
    """All ways from state to state; retries are none."""
    found = []
    for name, state in states(definition).items():
        found.append(Edge(name, state.get("Next")))
        found += [Edge(name, catcher["Next"], tuple(catcher["ErrorEquals"])) for catcher in state.get("Catch", [])]
    return found


def token_faults(definition: Document) -> list[str]:
    """Callbacks that are waited for and cannot come."""
    found = []
    for name, task in tasks(definition).items():
        sent = "$$.Task.Token" in paths(states(definition)[name].get("Parameters", {}))
        if task.pattern == TOKEN and not (task.by_sdk or task.service in _WAITS):
            found.append(f"{name}: the optimised integration of {task.service} has no .{TOKEN}")
        if sent is not (task.pattern == TOKEN):
            found.append(f"{name}: waits for a token that nobody is told, or tells one that nothing waits for")
    return found


def paths(template: Any) -> list[str]:
    """The paths in a payload template: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-parameters.html."""
    if isinstance(template, list):
        return [path for item in template for path in paths(item)]
    if not isinstance(template, dict):
        return []
    own = [value for name, value in template.items() if name.endswith(".$")]
    return own + [path for name, value in template.items() if not name.endswith(".$") for path in paths(value)]


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A payload template with values for its paths."""
    if isinstance(template, list):
        return [filled(item, values) for item in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): values[value] if name.endswith(".$") else filled(value, values)
        for name, value in template.items()
    }


def path_faults(definition: Document, given: Collection[str]) -> list[str]:
    """Paths to what may not be there, on whichever way a state is come to.

    Args:
        definition: the state machine.
        given: the fields that every input has.
    """
    reaching = {definition["StartAt"]: frozenset(given)}
    waiting = [definition["StartAt"]]
    while waiting:
        origin = waiting.pop()
        for edge in edges(definition):
            if edge.origin != origin or edge.target is None:
                continue
            fields = _after(states(definition)[origin], edge, reaching[origin])
            fields &= reaching.get(edge.target, fields)
            if fields != reaching.get(edge.target):
                reaching[edge.target] = fields
                waiting.append(edge.target)
    return [
        f"{name}: {path}"
        for name, fields in reaching.items()
        for path in _read(states(definition)[name])
        if not (_CONTEXT.fullmatch(path) if path.startswith("$$") else _is_there(path, fields))
    ]


def _read(state: Document) -> list[str]:
    """The paths that a state reads."""
    return paths(state.get("Parameters", {})) + [path for name, path in state.items() if name == "TimestampPath"]


def _after(state: Document, edge: Edge, fields: frozenset[str]) -> frozenset[str]:
    """The fields that are there at an edge's end."""
    source = next(c for c in state["Catch"] if tuple(c["ErrorEquals"]) == edge.errors) if edge.errors else state
    path = source.get("ResultPath", "$")
    if path is None:
        return fields
    if path == "$":
        made = (
            {"Error", "Cause"} if edge.errors else {name.removesuffix(".$") for name in state.get("ResultSelector", ())}
        )
        return frozenset(made)
    return fields | {path.removeprefix("$.")}


def _is_there(path: str, fields: Collection[str]) -> bool:
    return path == "$" or re.split(r"[.\[]", path.removeprefix("$."))[0] in fields


def error_faults(definition: Document, raised: Collection[str]) -> list[str]:
    """Names of errors that nothing has, and a States.ALL that is not alone or not the last.

    A service's errors come under names that AWS has changed before, as `DynamoDb.…`, and count as unknown.

    Args:
        definition: the state machine.
        raised: names of exceptions that its functions raise.
    """
    found = []
    for name, state in states(definition).items():
        for kind in ("Retry", "Catch"):
            handlers = [handler["ErrorEquals"] for handler in state.get(kind, [])]
            # An AWS error's name that only saves retries need not be right.
            idle = [handler["ErrorEquals"] for handler in state.get(kind, []) if handler.get("MaxAttempts") == 0]
            for position, errors in enumerate(handlers):
                if errors in idle:
                    continue
                found += [f"{name}: {kind} of {error}" for error in errors if error not in {*_ERRORS, *raised}]
                if "States.ALL" in errors and (len(errors) > 1 or position < len(handlers) - 1):
                    found.append(f"{name}: {kind} of States.ALL, which has to be alone and last")
    return found


def parameter_faults(definition: Document) -> list[str]:
    """Complaints of the services' own models about parameters of SDK integrations, and reserved words of DynamoDB."""
    session = botocore.session.get_session()
    found = []
    for name, task in tasks(definition).items():
        if not task.by_sdk:
            continue
        parameters = states(definition)[name]["Parameters"]
        try:
            model = session.get_service_model("stepfunctions" if task.service == "sfn" else task.service)
        except UnknownServiceError:
            found.append(f"{name}: there is no service {task.service}")
            continue
        operations = {operation[0].lower() + operation[1:]: operation for operation in model.operation_names}
        if task.action not in operations:
            found.append(f"{name}: {task.service} has no {task.action}")
            continue
        shape = model.operation_model(operations[task.action]).input_shape
        if shape is None:
            continue
        report = ParamValidator().validate(filled(parameters, _AnyText()), shape)
        if report.has_errors():
            found.append(f"{name}: {report.generate_report()}")
        found += [f"{name}: {word} is a reserved word" for word in _reserved(parameters)]
    return found


class _AnyText(dict[str, Any]):
    """A value for every path."""

    def __missing__(self, path: str) -> str:
        return "1"


def _reserved(parameters: Document) -> Iterator[str]:
    """Reserved words of DynamoDB's that a call's expressions use as names of attributes."""
    reserved = {word.lower() for word in ReservedKeywords.get_reserved_keywords()}
    for name, value in parameters.items():
        if name.endswith("Expression"):
            words = re.findall(r"(?<![:#\w])[A-Za-z_]\w*", value)
            yield from (word for word in words if word.lower() in reserved - _OF_EXPRESSIONS)


def intervals(retrier: Document) -> Iterator[float]:
    """Seconds between the attempts of a retrier; with jitter they are the most that it takes."""
    interval = float(retrier.get("IntervalSeconds", 1))
    for _ in range(retrier.get("MaxAttempts", 3)):
        yield min(interval, retrier.get("MaxDelaySeconds", interval))
        interval *= retrier.get("BackoffRate", 2)


def expected_seconds(retrier: Document) -> float:
    """Seconds for which a retrier goes on: with full jitter an attempt waits half of its interval on average."""
    return sum(intervals(retrier)) / (2 if retrier.get("JitterStrategy") == "FULL" else 1)
