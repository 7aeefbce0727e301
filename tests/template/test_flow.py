"""A flow as Step Functions, SNS, SQS and IAM will take it, held against the code that starts it and that it calls."""

import importlib
import json
import re
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.sns.utils import FilterPolicyMatcher

from gatehouse.events import Alarm, EventBuilder
from gatehouse.record import Record
from gatehouse.vocabulary import AlarmKind, Severity
from tests.template import asl, driver, lint
from tests.template.iam import Call, Grant, denied, grants, unused
from tests.template.needs import of_flow
from tests.template.stack import ROOT, Document, Function, Stack, sam

_STACK: Final = Stack()
(_FLOW,) = _STACK.flows()
_DEFINITION: Final = _FLOW.definition
_FUNCTIONS: Final = {
    function.module.rpartition(".")[2]: function for function in _STACK.functions() if function.folder == _FLOW.folder
}
_OWN: Final = driver.own(_FLOW.folder)
assert _OWN is not None
_WANTED: Final[list[Document]] = list(_OWN.wanted())
_UNWANTED: Final[list[Document]] = list(_OWN.unwanted())
_START: Final = importlib.import_module(_FUNCTIONS["start"].module)
_NO_ROWS: Final = SimpleNamespace(awaits_nothing=lambda _recording, _since: None)
_RESOLVE: Final = importlib.import_module(_FUNCTIONS["resolve"].module)


def _executions() -> list[Document]:
    """Executions that are started for the events that the flow is for."""
    told: list[Document] = []
    for event in _WANTED:
        _START.start(event, "arn", SimpleNamespace(start_execution=lambda **request: told.append(request)), _NO_ROWS)
    return told


_EXECUTIONS: Final = _executions()
# Fields of every input, without those that are left out where there is nothing to tell.
_GIVEN: Final = set[str].intersection(*(set(json.loads(execution["input"])) for execution in _EXECUTIONS))
_RAISED: Final = {
    kind.__name__ for kind in vars(_RESOLVE).values() if isinstance(kind, type) and issubclass(kind, Exception)
}


def _broken(**changes: Any) -> Document:
    """The definition with other fields in its first state; None takes one out."""
    definition = deepcopy(_DEFINITION)
    state = definition["States"][definition["StartAt"]]
    state |= changes
    definition["States"][definition["StartAt"]] = {name: value for name, value in state.items() if value is not None}
    return definition


def _first() -> Document:
    return deepcopy(asl.states(_DEFINITION)[_DEFINITION["StartAt"]])


# ─── The definition ───────────────────────────────────────────────────────────────────────────────────────────────


def _linted(definition: Document, folder: Path) -> str:
    """Complaints of cfn-lint about a definition (E3601), which it reads only in a template."""
    properties = {"Definition": definition, "RoleArn": "arn:aws:iam::123456789012:role/flow"}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    template = folder / "template.json"
    template.write_text(json.dumps({"Resources": {"Flow": resource}}))
    return "\n".join(lint.faults(template))


def test_every_substitution_is_made_and_used() -> None:
    assert set(re.findall(r"\$\{(\w+)\}", _FLOW.source)) == set(_FLOW.substitutions)


def _refusal(definition: Document) -> str:
    """The complaint of moto's parser of the language, which knows numbers from text; cfn-lint does not."""
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        flows = boto3.client("stepfunctions", region_name=_STACK.place.region)
        try:
            flows.create_state_machine(
                name="flow", definition=json.dumps(definition), roleArn=_STACK.physical(_FLOW.role).attributes["Arn"]
            )
        except ClientError as error:
            return str(error)
    return ""


def test_the_definition_passes_the_schema_and_the_grammar(tmp_path: Path) -> None:
    assert _linted(_DEFINITION, tmp_path) == ""
    assert _refusal(_DEFINITION) == ""


def test_a_definition_with_a_field_that_there_is_not_does_not_pass_the_schema(tmp_path: Path) -> None:
    assert "E3601" in _linted(_broken(Type="Tusk"), tmp_path)


def test_a_number_in_quotes_does_not_pass_the_grammar() -> None:
    assert "900" in _refusal(_broken(TimeoutSeconds="900"))


def test_who_is_waited_for_gets_the_token() -> None:
    assert asl.TOKEN in {task.pattern for task in asl.tasks(_DEFINITION).values()}
    assert asl.token_faults(_DEFINITION) == []


@pytest.mark.parametrize(
    "change",
    [
        # DynamoDB has it by the SDK only.
        {"Resource": "arn:aws:states:::dynamodb:updateItem.waitForTaskToken"},
        {"Parameters": {"TableName": "table"}},
        {"Resource": "arn:aws:states:::aws-sdk:dynamodb:updateItem"},
    ],
)
def test_a_token_that_cannot_come_back_is_noticed(change: Document) -> None:
    assert len(asl.token_faults(_broken(**change))) == 1


def test_the_parameters_are_what_the_service_takes() -> None:
    assert asl.parameter_faults(_DEFINITION) == []


@pytest.mark.parametrize(
    "change",
    [
        {"Key": {"recording.$": "$.recording"}},
        {"tableName": "table"},
        {"UpdateExpression": "SET status = :token"},
        {"ConditionExpression": "attribute_not_exists(resource)"},
    ],
)
def test_a_parameter_that_the_service_does_not_take_is_noticed(change: Document) -> None:
    assert asl.parameter_faults(_broken(Parameters=_first()["Parameters"] | change))


@pytest.mark.parametrize("called", ["dynamodb:updateitem", "dynamo:updateItem"])
def test_an_operation_that_there_is_not_is_noticed(called: str) -> None:
    assert asl.parameter_faults(_broken(Resource=f"arn:aws:states:::aws-sdk:{called}.waitForTaskToken"))


def test_the_row_takes_the_token_unless_the_message_came_before() -> None:
    values = {"$$.Task.Token": "a token"} | {
        f"$.{name}": value for name, value in json.loads(_EXECUTIONS[0]["input"]).items()
    }
    request = asl.filled(_first()["Parameters"], values)
    with driver.deployed(_STACK):
        table = boto3.client("dynamodb")
        table.update_item(**request)
        (row,) = table.scan(TableName=request["TableName"])["Items"]
        assert row["task_token"] == {"S": "a token"}
        table.update_item(
            TableName=request["TableName"],
            Key=request["Key"],
            UpdateExpression="SET arrived_at = :now",
            ExpressionAttributeValues={":now": {"S": "now"}},
        )
        with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
            table.update_item(**request)


def test_every_path_leads_to_what_is_there() -> None:
    left_out = {name for execution in _EXECUTIONS for name in json.loads(execution["input"])} - _GIVEN
    assert left_out, "there is an input that tells as little as possible"
    assert asl.path_faults(_DEFINITION, _GIVEN) == []


@pytest.mark.parametrize("path", ["$.device", "$.wait.Error", "$$.Task.token", "$.recordings"])
def test_a_path_to_what_may_not_be_there_is_noticed(path: str) -> None:
    parameters = _first()["Parameters"] | {"Key": {"recording": {"S.$": path}}}
    assert asl.path_faults(_broken(Parameters=parameters), _GIVEN) == [f"{_DEFINITION['StartAt']}: {path}"]


def test_a_wait_until_nobody_knows_when_is_noticed() -> None:
    definition = deepcopy(_DEFINITION)
    definition["States"]["AwaitAlarm"]["TimestampPath"] = "$.alarm_by"
    assert asl.path_faults(definition, _GIVEN) == ["AwaitAlarm: $.alarm_by"]


def test_a_result_that_takes_the_inputs_place_is_noticed() -> None:
    definition = _broken(ResultPath="$")
    definition["States"]["Resolve"]["Parameters"]["Payload"] = {"alarm.$": "$.recording"}
    assert asl.path_faults(definition, _GIVEN) == ["Resolve: $.recording"]


def test_every_error_that_is_waited_for_has_that_name() -> None:
    assert asl.error_faults(_DEFINITION, _RAISED) == []


@pytest.mark.parametrize(
    "names",
    [
        [["DynamoDb.ConditionalCheckFailedException"], ["States.ALL"]],
        [["NotThere"], ["States.ALL"]],
        [["States.ALL"], ["States.Timeout"]],
        [["States.Timeout", "States.ALL"]],
        [["States.Runtime"]],
    ],
)
def test_an_error_that_nothing_has_and_a_misplaced_states_all_are_noticed(names: list[list[str]]) -> None:
    catchers = [{"ErrorEquals": errors, "Next": "Resolve"} for errors in names]
    assert len(asl.error_faults(_broken(Catch=catchers), _RAISED)) == 1


@pytest.mark.parametrize("change", [{"Type": "Map"}, {"InputPath": "$.x"}, {"Output": {}}, {"SecondsPath": "$.x"}])
def test_a_state_that_is_not_understood_is_not_judged(change: Document) -> None:
    with pytest.raises(NotImplementedError):
        asl.states(_broken(**change))


# ─── Its executions ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("execution", _EXECUTIONS, ids=range(len(_EXECUTIONS)))
def test_an_execution_has_a_name_that_aws_takes(execution: Document) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html, without the odd ones."""
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", execution["name"])


def test_each_recording_has_a_name_of_its_own_and_the_same_each_time() -> None:
    recordings = {json.loads(execution["input"])["recording"] for execution in _EXECUTIONS}
    assert len({execution["name"] for execution in _EXECUTIONS}) == len(recordings) < len(_EXECUTIONS)


@pytest.mark.parametrize("execution", _EXECUTIONS, ids=range(len(_EXECUTIONS)))
def test_an_executions_input_is_smaller_than_aws_takes(execution: Document) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    assert len(execution["input"].encode()) < 262_144
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
    assert len(json.loads(execution["input"])["recording"].encode()) <= 2048


# ─── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parameter(reference: Document) -> Document:
    found: Document = sam()["Parameters"][reference["Ref"]]
    return found


def _set_by(name: str) -> Document:
    """The parameter of the template that a setting of the resolving function has its value from."""
    properties = sam()["Resources"][_FUNCTIONS["resolve"].name]["Properties"]
    return _parameter(properties["Environment"]["Variables"][name])


def _retriers(bound: str) -> list[Document]:
    """The flow's retriers with the least or the greatest interval that may be set, `MinValue` or `MaxValue`."""
    reference = sam()["Resources"][_FLOW.name]["Properties"]["DefinitionSubstitutions"]["RetrySeconds"]
    (flow,) = Stack({reference["Ref"]: str(_parameter(reference)[bound])}).flows()
    retriers: list[Document] = asl.states(flow.definition)["Resolve"]["Retry"]
    return retriers


@pytest.mark.parametrize("setting", ["PATIENCE", "GIVE_UP"])
def test_the_retries_outlast_the_functions_patience(setting: str) -> None:
    """Only the function knows when to stop, and says so by an answer; retries that end before fail the execution."""
    assert asl.expected_seconds(_retriers("MinValue")[0]) > _set_by(setting)["MaxValue"]


@pytest.mark.parametrize("bound", ["MinValue", "MaxValue"])
def test_a_recording_that_waits_for_its_turn_waits_longer_than_a_fault_of_ours_may_last(bound: str) -> None:
    """B3: what bounds the resolver must cost no recording.

    The error's name: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    (turn,) = [one for one in _retriers(bound) if one["ErrorEquals"] == ["Lambda.TooManyRequestsException"]]
    assert turn["JitterStrategy"] == "FULL", "all that wait are not to come back at once"
    assert asl.expected_seconds(turn) > 2 * asl.expected_seconds(_retriers(bound)[-1])


def test_a_fault_of_ours_is_told_within_the_night() -> None:
    """An error that is not the function's own fails the execution, and so rings the alarm."""
    assert 3_600 < asl.expected_seconds(_retriers("MaxValue")[-1]) < 5 * 3_600


@pytest.mark.parametrize("execution", _EXECUTIONS, ids=range(len(_EXECUTIONS)))
def test_what_is_of_an_alarm_waits_for_none_and_says_so_in_awss_form(execution: Document) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html."""
    told = json.loads(execution["input"])
    moment = told[asl.states(_DEFINITION)["AwaitAlarm"]["TimestampPath"].removeprefix("$.")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert datetime.fromisoformat(moment) <= datetime.fromisoformat(told["received_at"])


def test_whatever_ends_the_wait_for_a_message_its_wait_for_an_alarm_follows() -> None:
    (catcher,) = asl.states(_DEFINITION)["AwaitUpload"]["Catch"]
    assert (catcher["ErrorEquals"], catcher["Next"]) == (["States.ALL"], "AwaitAlarm")


def test_retries_that_end_before_are_noticed() -> None:
    few = _retriers("MinValue")[0] | {"MaxAttempts": 100}
    assert asl.expected_seconds(few) < _set_by("PATIENCE")["MaxValue"]


@pytest.mark.parametrize("bound", ["MinValue", "MaxValue"])
def test_a_retriers_numbers_are_in_order_whatever_is_set(bound: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html."""
    for retrier in _retriers(bound):
        delay: float = retrier.get("MaxDelaySeconds") or retrier["IntervalSeconds"]
        assert 1 <= retrier["IntervalSeconds"] <= delay < 31_622_400
        assert retrier["BackoffRate"] >= 1


def test_all_retries_together_stay_far_below_the_longest_history() -> None:
    """25,000 events, of which an attempt takes five at most: scheduled, started, failed, and a start that failed.

    https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    """
    attempts = sum(retrier["MaxAttempts"] for retrier in _retriers("MinValue"))
    assert 5 * attempts < 25_000 / 2


def test_the_function_ends_before_its_timeout() -> None:
    properties = _FUNCTIONS["resolve"].properties
    assert properties["Timeout"] <= 900  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    # After the last file come the row, the record, the announcement and its mark, 6 s each and the secret's.
    assert properties["Timeout"] >= _RESOLVE._INVOCATION_SECONDS + 5 * 6  # noqa: SLF001
    assert 2 * _RESOLVE._FILE_SECONDS <= _RESOLVE._INVOCATION_SECONDS  # noqa: SLF001


def test_a_batch_ends_before_the_timeout_of_the_function_that_starts_flows() -> None:
    """6 s is what a call takes at most (gatehouse/aws.py). The queue's VisibilityTimeout is in test_template.py."""
    start = _FUNCTIONS["start"]
    (source,) = start.events_of("SQS")
    assert source["BatchSize"] * 6 <= start.properties["Timeout"]


# ─── The role ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _calls() -> set[Call]:
    return of_flow(_STACK, _FLOW)


def _allowed() -> set[Grant]:
    role = _STACK.of_type("AWS::IAM::Role")[_FLOW.role]
    assert "ManagedPolicyArns" not in role
    return {grant for policy in role["Policies"] for grant in grants(policy["PolicyDocument"])}


def test_the_flow_may_do_what_its_states_call_and_nothing_else() -> None:
    assert denied(_calls(), _allowed()) == []
    assert unused(_calls(), _allowed()) == []


def test_taking_away_any_of_the_flows_grants_is_noticed() -> None:
    for grant in _allowed():
        assert denied(_calls(), _allowed() - {grant}), grant


def test_the_flow_calls_the_alias_and_no_version_that_is_not_live() -> None:
    alias = _STACK.resources[_STACK.logical_id(_FLOW.substitutions["ResolveFunction"])]
    assert alias["Properties"]["FunctionName"] == {"Ref": _FUNCTIONS["resolve"].name}
    assert _FLOW.substitutions["ResolveFunction"].endswith(":live")


def test_the_flows_role_is_for_step_functions_only() -> None:
    trust = _STACK.of_type("AWS::IAM::Role")[_FLOW.role]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "states.amazonaws.com"}]


# ─── From the topic to the queue ──────────────────────────────────────────────────────────────────────────────────


def _subscription() -> Document:
    (subscription,) = _STACK.of_type("AWS::SNS::Subscription").values()
    return subscription


def _queue_of(function: Function) -> str:
    (source,) = function.events_of("SQS")
    return _STACK.logical_id(source["Queue"])


def _passes(event: Document) -> bool:
    matcher = FilterPolicyMatcher(_subscription()["FilterPolicy"], _subscription()["FilterPolicyScope"])
    return bool(matcher.matches(None, json.dumps(event)))


def test_the_queue_behind_the_topic_is_the_functions_and_gets_the_event_itself() -> None:
    assert _subscription()["TopicArn"] == _STACK.physical("AlarmTopic").ref
    assert _subscription()["Protocol"] == "sqs"
    assert _STACK.logical_id(_subscription()["Endpoint"]) == _queue_of(_FUNCTIONS["start"])
    assert _subscription()["RawMessageDelivery"] is True


@pytest.mark.parametrize("event", _WANTED, ids=range(len(_WANTED)))
def test_an_alarm_with_a_recording_passes_the_filter(event: Document) -> None:
    assert _passes(event)


@pytest.mark.parametrize("event", _UNWANTED, ids=range(len(_UNWANTED)))
def test_an_alarm_without_one_does_not(event: Document) -> None:
    assert not _passes(event)


def test_another_vendors_alarm_with_a_recording_does_not() -> None:
    builder = EventBuilder(
        vendor="somebody", account="1", identity=["1"], received_at=datetime(2026, 1, 1, tzinfo=UTC), payload=None
    )
    alarm = Alarm(
        **builder.common(device="1", occurred_at=None),
        kind=AlarmKind.UNKNOWN,
        severity=Severity.UNKNOWN,
        media="pending",
        recording_id="1",
    )
    assert not _passes(json.loads(Record.of(builder.event(alarm)).body))


def test_the_topic_may_send_to_the_queue_and_nobody_else() -> None:
    queue = _STACK.physical(_queue_of(_FUNCTIONS["start"]))
    allowing = [
        statement
        for policy in _STACK.of_type("AWS::SQS::QueuePolicy").values()
        if queue.ref in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [{key: value for key, value in statement.items() if key != "Sid"} for statement in allowing] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            # Messages that SNS cannot deliver go to the same queue as alarms whose flow cannot be started.
            "Resource": [queue.attributes["Arn"], _subscription()["RedrivePolicy"]["deadLetterTargetArn"]],
            "Condition": {"ArnEquals": {"aws:SourceArn": _subscription()["TopicArn"]}},
        }
    ]


def test_the_queue_has_no_key_that_sns_could_not_use() -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html."""
    queue = _STACK.of_type("AWS::SQS::Queue")[_queue_of(_FUNCTIONS["start"])]
    assert "KmsMasterKeyId" not in queue


# ─── The drawing ──────────────────────────────────────────────────────────────────────────────────────────────────


def _drawn() -> set[tuple[str, str]]:
    """The arrows of the Mermaid block in the flow's page; `[*]` is the beginning and the end."""
    (block,) = re.findall(
        r"```mermaid\nstateDiagram-v2\n(.*?)```", (ROOT / "docs" / f"{_FLOW.folder}-flow.md").read_text(), re.DOTALL
    )
    return set(re.findall(r"^\s*(\S+) --> ([^\s:]+)", block, re.MULTILINE))


def _ways(definition: Document) -> set[tuple[str, str]]:
    return {("[*]", definition["StartAt"])} | {(edge.origin, edge.target or "[*]") for edge in asl.edges(definition)}


def test_the_drawing_has_the_flows_states_and_ways_and_no_others() -> None:
    assert _drawn() == _ways(_DEFINITION)
    assert {target for _, target in _drawn()} - {"[*]"} == set(_DEFINITION["States"]), "a way leads to every state"


@pytest.mark.parametrize("change", [{"Next": "Nowhere"}, {"Next": None, "End": True}, {"Catch": None}])
def test_another_flow_is_another_drawing(change: Document) -> None:
    assert _drawn() != _ways(_broken(**change))
