"""Somebody hears of it: each alarm, graph and query is held against what the code and AWS emit."""

import ast
import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import boto3
import pytest

from gatehouse import telemetry
from gatehouse.errors import Reason
from gatehouse.telemetry import Count, Span
from gatehouse.vocabulary import Decider
from tests.template import driver
from tests.template.stack import ROOT, Document, Function, Stack, plain, sam
from tests.template.test_template import _with_parameters
from tests.vendor_files import vendors

type Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, and the exact set of dimensions: CloudWatch has no other set's data for it."""

_VENDORS: Final = vendors(ROOT)
_SILENT: Final = {f"{vendor.capitalize()}SilentHours": "24" for vendor in _VENDORS}
_GRADUAL: Final = {"Deployment": "Canary10Percent5Minutes"}
_ALL: Final = Stack({**driver.parameters(), **_SILENT, **_GRADUAL, "OperatorEmail": "on@call.example"})
_ALARMS: Final = _ALL.of_type("AWS::CloudWatch::Alarm")
_ARITHMETIC: Final = 10
"""Metrics in an alarm: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html."""
every_alarm = pytest.mark.parametrize("name", sorted(_ALARMS))

# ─── What AWS emits ───────────────────────────────────────────────────────────────────────────────────────────────

_QUEUE: Final = [frozenset({"QueueName"})]
_FUNCTION: Final = [frozenset({"FunctionName"}), frozenset({"FunctionName", "Resource", "ExecutedVersion"})]
_TABLE: Final = [frozenset({"TableName"}), frozenset({"TableName", "GlobalSecondaryIndexName"})]
_API: Final = [frozenset({"ApiId"})]
_FLOW: Final = [frozenset({"StateMachineArn"})]
_OF_AWS: Final[Mapping[str, Mapping[str, list[frozenset[str]]]]] = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html, monitoring-concurrency.html
    "AWS/Lambda": {
        "Errors": _FUNCTION,
        "Throttles": _FUNCTION,
        "Invocations": _FUNCTION,
        "Duration": _FUNCTION,
        "IteratorAge": [frozenset({"FunctionName"})],
        "ConcurrentExecutions": [frozenset()],
        "ClaimedAccountConcurrency": [frozenset()],
    },
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible": _QUEUE, "ApproximateAgeOfOldestMessage": _QUEUE},
    # ThrottledRequests has the Operation besides:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS/DynamoDB": {"ReadThrottleEvents": _TABLE, "WriteThrottleEvents": _TABLE},
    # https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
    "AWS/SNS": {"NumberOfNotificationsFailed": [frozenset({"TopicName"})]},
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": {
        "ExecutionsStarted": _FLOW,
        "ExecutionsSucceeded": _FLOW,
        "ExecutionsFailed": _FLOW,
        "ExecutionsTimedOut": _FLOW,
        "ExecutionsAborted": _FLOW,
        "ExecutionThrottled": _FLOW,
    },
    # Not 4XXError, which is of REST APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": {"Count": _API, "4xx": _API, "5xx": _API, "Latency": _API},
}
_NAMED_BY: Final = {
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "TableName": "AWS::DynamoDB::Table",
    "TopicName": "AWS::SNS::Topic",
    "StateMachineArn": "AWS::StepFunctions::StateMachine",
    "ApiId": "AWS::ApiGatewayV2::Api",
}


def _names(kind: str) -> dict[str, str]:
    """The names of a type's resources in AWS's metrics, and their logical ids."""
    found = {}
    for name in _ALL.of_type(kind):
        physical = _ALL.physical(name)
        found[physical.attributes.get("QueueName") or physical.attributes.get("TopicName") or physical.ref] = name
    return found


def _by_aws(metric: Metric) -> bool:
    """True of a metric that AWS emits for a resource of this stack."""
    namespace, name, dimensions = metric
    told = dict(dimensions)
    if frozenset(told) not in _OF_AWS.get(namespace, {}).get(name, []):
        return False
    if index := told.get("GlobalSecondaryIndexName"):
        tables = _names("AWS::DynamoDB::Table")
        table = _ALL.of_type("AWS::DynamoDB::Table")[tables[told["TableName"]]]
        if index not in {one["IndexName"] for one in table.get("GlobalSecondaryIndexes", [])}:
            return False
    if "Resource" in told and told["Resource"] != f"{told['FunctionName']}:live":
        return False
    return all(value in _names(_NAMED_BY[key]) for key, value in told.items() if key in _NAMED_BY)


# ─── What our code emits ──────────────────────────────────────────────────────────────────────────────────────────

_VALUES: Final[Mapping[str, list[str]]] = {
    "reason": [reason.value for reason in Reason],
    "by": [decider.value for decider in Decider],
    "sender": ["gatehouse-Function"],
}


def _counted() -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """The metric that each call in the code counts or measures, the dimensions it gives, and whose vendors it is."""
    for path in sorted([*ROOT.glob("functions/*/*.py"), *ROOT.glob("layers/gatehouse/gatehouse/*.py")]):
        own = [path.parent.name] if path.parent.name in _VENDORS else _VENDORS
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in {"count", "measure"}:
                continue
            kind, _, member = ast.unparse(node.args[0]).partition(".")
            if kind in {"Count", "Span"}:
                yield f"{kind}.{member}", tuple(str(word.arg) for word in node.keywords), own


def _told(line: Document) -> Iterator[Metric]:
    """The metrics that CloudWatch reads in a line.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                yield directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in dimensions)


@cache
def _by_us() -> frozenset[Metric]:
    """All that our code can emit, as in the lines that telemetry writes."""
    with contextlib.redirect_stdout(io.StringIO()) as written:
        telemetry.flush()
        for name, dimensions, own in _counted():
            kind, _, member = name.partition(".")
            for vendor in own:
                for value in _VALUES[dimensions[0]] if dimensions else [""]:
                    if kind == "Count":
                        telemetry.count(Count[member], vendor, **dict.fromkeys(dimensions, value))
                    else:
                        telemetry.measure(Span[member], vendor, 1)
        telemetry.flush()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    for task in _ALL.tasks():
        lines += driver.own(task.folder).reported()  # type: ignore[union-attr]
    return frozenset(metric for line in lines for metric in _told(line))


(_DOORS,) = next(own for name, _, own in _counted() if name == "Count.DECISION")
_NO_DOORS: Final = next(vendor for vendor in _VENDORS if vendor != _DOORS)


def test_every_metric_that_there_is_is_counted_somewhere() -> None:
    named = {metric for _, metric, _ in _by_us()}
    assert {*Count, *Span} - named == set()


# ─── What is watched ──────────────────────────────────────────────────────────────────────────────────────────────


def _metric(found: Document) -> Metric:
    dimensions = frozenset((one["Name"], str(one["Value"])) for one in found.get("Dimensions", []))
    return found["Namespace"], found["MetricName"], dimensions


def _watched(alarm: Document) -> list[Metric]:
    if "Metrics" not in alarm:
        return [_metric(alarm)]
    return [_metric(one["MetricStat"]["Metric"]) for one in alarm["Metrics"] if "MetricStat" in one]


def _is_emitted(metric: Metric) -> bool:
    return metric in _by_us() if metric[0] == telemetry.NAMESPACE else _by_aws(metric)


@every_alarm
def test_an_alarm_is_on_metrics_that_are_emitted_with_exactly_these_dimensions(name: str) -> None:
    assert [metric for metric in _watched(_ALARMS[name]) if not _is_emitted(metric)] == []


@pytest.mark.parametrize(
    "metric",
    [
        ("Gatehouse", "NotKept", frozenset[tuple[str, str]]()),
        ("Gatehouse", "NotKept", frozenset({("vendor", "nobody")})),
        ("Gatehouse", "Decision", frozenset({("vendor", _DOORS)})),
        ("Gatehouse", "Decision", frozenset({("vendor", _NO_DOORS), ("by", "doubt")})),
        ("AWS/Lambda", "Errors", frozenset({("FunctionName", "somebody's")})),
        ("AWS/Lambda", "Errors", frozenset({("Function", _ALL.physical("RelayFunction").ref)})),
        ("AWS/DynamoDB", "ThrottledRequests", frozenset({("TableName", "gatehouse-EventsTable")})),
        ("AWS/ApiGateway", "5XXError", frozenset({("ApiId", "gatehouse-Api")})),
        (
            "AWS/DynamoDB",
            "WriteThrottleEvents",
            frozenset({("TableName", "gatehouse-EventsTable"), ("GlobalSecondaryIndexName", "By")}),
        ),
    ],
)
def test_an_alarm_on_what_nobody_emits_is_noticed(metric: Metric) -> None:
    assert not _is_emitted(metric)


@every_alarm
def test_an_alarm_keeps_to_what_cloudwatch_takes(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html."""
    alarm = _ALARMS[name]
    metrics = [one for one in alarm.get("Metrics", []) if "MetricStat" in one]
    assert len(metrics) <= _ARITHMETIC
    assert not any("SEARCH" in one.get("Expression", "") for one in alarm.get("Metrics", []))
    assert sum(one.get("ReturnData", True) for one in alarm.get("Metrics", [{}])) == 1
    periods = {one["MetricStat"]["Period"] for one in metrics} or {alarm["Period"]}
    (period,) = periods
    most = 604_800 if period >= 3_600 else 86_400
    assert 0 < period * int(alarm["EvaluationPeriods"]) <= most
    ids = {one["Id"] for one in alarm.get("Metrics", [])}
    for one in alarm.get("Metrics", []):
        words = set(re.findall(r"\b[a-z]\w*\b", one.get("Expression", "")))
        assert words <= ids, words - ids


@every_alarm
def test_an_alarm_on_a_sum_looks_at_several_periods_since_its_metrics_come_late(name: str) -> None:
    """FILL puts nothing in the place of what is only late, and an alarm on the last period alone would stay OK.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """
    alarm = _ALARMS[name]
    filled = any("FILL(" in one.get("Expression", "") for one in alarm.get("Metrics", []))
    # This alarm looks for data that is there at all: a run that comes late was none in time.
    if filled and alarm["ComparisonOperator"] != "LessThanThreshold":
        assert alarm["EvaluationPeriods"] > 1
        assert alarm["DatapointsToAlarm"] == 1


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_vendors_silence_can_be_watched_for_as_long_as_cloudwatch_looks_back(vendor: str) -> None:
    setting = sam()["Parameters"][f"{vendor.capitalize()}SilentHours"]
    alarm = f"{vendor.capitalize()}SilentAlarm"
    assert (setting["Default"], setting["MinValue"], setting["MaxValue"] * 3_600) == (0, 0, 604_800)
    assert alarm not in Stack().resources
    assert _ALARMS[alarm]["EvaluationPeriods"] == "24"
    assert _watched(_ALARMS[alarm]) == [("Gatehouse", "Recorded", frozenset({("vendor", vendor)}))]
    assert (_ALARMS[alarm]["ComparisonOperator"], _ALARMS[alarm]["Threshold"]) == ("LessThanThreshold", 1)
    assert _ALARMS[alarm]["TreatMissingData"] == "breaching"


# ─── That nothing is forgotten ────────────────────────────────────────────────────────────────────────────────────


def _all_watched() -> set[Metric]:
    alarms = Stack(driver.parameters()).of_type("AWS::CloudWatch::Alarm").values()
    return {metric for alarm in alarms for metric in _watched(alarm)}


def _of(namespace: str, name: str, **dimensions: str) -> Metric:
    return namespace, name, frozenset(dimensions.items())


def test_every_function_has_an_alarm_on_its_errors_and_on_its_throttles() -> None:
    for name in _ALL.of_type("AWS::Lambda::Function"):
        for what in ("Errors", "Throttles"):
            assert _of("AWS/Lambda", what, FunctionName=_ALL.physical(name).ref) in _all_watched(), name


def test_every_function_that_is_to_answer_or_to_keep_up_has_an_alarm_on_its_duration_by_its_timeout() -> None:
    expression = next(one["Expression"] for one in _ALARMS["SlowAlarm"]["Metrics"] if "Expression" in one)
    watched = {
        one["Id"]: _metric(one["MetricStat"]["Metric"])
        for one in _ALARMS["SlowAlarm"]["Metrics"]
        if "MetricStat" in one
    }
    bounds = {watched[of]: int(bound) for of, bound in re.findall(r"FILL\((\w+), 0\) / (\d+)", expression)}
    assert bounds == {
        _of("AWS/Lambda", "Duration", FunctionName=_ALL.physical(function.name).ref): function.properties["Timeout"]
        * 1000
        for function in _ALL.functions()
        if function.properties["Timeout"] < 900
    }


def test_every_queue_has_an_alarm_on_its_age_or_on_there_being_anything_in_it() -> None:
    worked_off = {source["Queue"].rpartition(":")[2] for one in _ALL.functions() for source in one.events_of("SQS")}
    for name in _ALL.of_type("AWS::SQS::Queue"):
        queue = _ALL.physical(name).attributes["QueueName"]
        what = "ApproximateAgeOfOldestMessage" if queue in worked_off else "ApproximateNumberOfMessagesVisible"
        assert _of("AWS/SQS", what, QueueName=queue) in _all_watched(), name


def test_every_table_has_an_alarm_on_its_throttles_and_on_those_of_its_indexes() -> None:
    for name, table in _ALL.of_type("AWS::DynamoDB::Table").items():
        ref = _ALL.physical(name).ref
        for what in ("ReadThrottleEvents", "WriteThrottleEvents"):
            assert _of("AWS/DynamoDB", what, TableName=ref) in _all_watched(), name
        for index in table.get("GlobalSecondaryIndexes", []):
            of_index = {"TableName": ref, "GlobalSecondaryIndexName": index["IndexName"]}
            assert _of("AWS/DynamoDB", "WriteThrottleEvents", **of_index) in _all_watched(), index["IndexName"]


def test_every_topic_of_events_has_an_alarm_on_what_is_not_delivered() -> None:
    for name in _ALL.of_type("AWS::SNS::Topic"):
        # Of the operator's own an alarm would have to be told by the very topic.
        if name != "OperatorTopic":
            topic = _ALL.physical(name).attributes["TopicName"]
            assert _of("AWS/SNS", "NumberOfNotificationsFailed", TopicName=topic) in _all_watched(), name


def test_every_flow_has_an_alarm_on_every_way_to_end_without_a_result() -> None:
    for flow in _ALL.flows():
        for what in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"):
            assert _of("AWS/States", what, StateMachineArn=_ALL.physical(flow.name).ref) in _all_watched()


def test_every_api_has_an_alarm_on_what_it_fails_at_and_on_whom_it_turns_away() -> None:
    for name in _ALL.of_type("AWS::ApiGatewayV2::Api"):
        for what in ("4xx", "5xx"):
            assert _of("AWS/ApiGateway", what, ApiId=_ALL.physical(name).ref) in _all_watched()


# ─── Who hears of it ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        (
            {"OperatorTopicArn": "arn:aws:sns:eu-central-1:123456789012:pager"},
            ["arn:aws:sns:eu-central-1:123456789012:pager"],
        ),
        ({"OperatorEmail": "on@call.example"}, ["arn:aws:sns:eu-central-1:123456789012:gatehouse-OperatorTopic"]),
    ],
)
def test_every_alarm_goes_where_the_operator_is_and_says_when_it_is_over(
    given: dict[str, str], told: list[str]
) -> None:
    stack = Stack({**driver.parameters(), **_SILENT, **_GRADUAL, **given})
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        if name.endswith("NewVersionAlarm"):  # CodeDeploy's
            assert "AlarmActions" not in alarm
            continue
        assert alarm["AlarmActions"] == alarm["OKActions"] == told, name
        assert alarm.get("InsufficientDataActions", told) == told
        # Without an operator, an output says so.
    assert stack.holds({"Condition": "TellsNobody"}) is not bool(told)
    assert sam()["Outputs"]["OperatorWarning"]["Condition"] == "TellsNobody"


def test_an_address_and_a_topic_of_ones_own_exclude_one_another() -> None:
    both = {"OperatorEmail": "on@call.example", "OperatorTopicArn": "arn:aws:sns:eu-central-1:123456789012:pager"}
    (refusal,) = Stack(both).refusals()
    assert "OperatorEmail and OperatorTopicArn" in refusal
    for name, value in both.items():
        assert Stack({name: value}).refusals() == []


def test_alarms_and_budgets_may_publish_on_the_operators_topic_and_use_its_key() -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services."""
    services = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    own = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (key,) = _ALL.of_type("AWS::KMS::Key").values()
    may = {one["Principal"]["Service"]: one for one in key["KeyPolicy"]["Statement"] if "Service" in one["Principal"]}
    assert set(may) == services
    assert all(one["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"] for one in may.values())
    statements = _ALL.of_type("AWS::SNS::TopicPolicy")["OperatorTopicPolicy"]["PolicyDocument"]["Statement"]
    allowed = {one["Principal"]["Service"]: one for one in statements if one["Effect"] == "Allow"}
    assert set(allowed) == services
    assert all(one["Action"] == "sns:Publish" for one in allowed.values())
    assert all(one["Condition"] == own for one in (*may.values(), *allowed.values()))


def test_without_an_address_nobody_but_this_account_may_use_the_topics_key() -> None:
    (key,) = Stack().of_type("AWS::KMS::Key").values()
    assert [set(one["Principal"]) for one in key["KeyPolicy"]["Statement"]] == [{"AWS"}]
    assert "OperatorTopic" not in Stack().resources


# ─── A first deployment pages nobody ──────────────────────────────────────────────────────────────────────────────


def test_an_alarm_that_rings_without_data_comes_after_what_sends_it_or_is_asked_for() -> None:
    """An alarm without data is evaluated as soon as it is made."""
    stack = Stack(driver.parameters())
    ringing = [
        name for name, one in stack.of_type("AWS::CloudWatch::Alarm").items() if one["TreatMissingData"] == "breaching"
    ]
    assert ringing
    for name in ringing:
        sender = stack.resources[name]["DependsOn"]
        assert stack.resources[sender]["Type"] == "AWS::ECS::Service", name
    # And in a stack without such a task, none.
    default = Stack().of_type("AWS::CloudWatch::Alarm").values()
    assert not any(one["TreatMissingData"] == "breaching" for one in default)


# ─── Gradual deployments ──────────────────────────────────────────────────────────────────────────────────────────


def test_by_default_nothing_of_codedeploy_is_made() -> None:
    assert [name for name, one in Stack().resources.items() if "CodeDeploy" in json.dumps(one)] == []


@pytest.mark.parametrize(
    "pace", [one for one in sam()["Parameters"]["Deployment"]["AllowedValues"] if one != "AllAtOnce"]
)
def test_a_gradual_deployment_moves_what_takes_pushes_and_is_taken_back_by_its_own_alarm(pace: str) -> None:
    resources = plain(_with_parameters(Deployment=pace))["Resources"]
    groups = {name: one for name, one in resources.items() if one["Type"] == "AWS::CodeDeploy::DeploymentGroup"}
    taking = [function.name for function in _ALL.functions() if function.events_of("HttpApi")]
    assert sorted(groups) == sorted(f"{name}DeploymentGroup" for name in taking)
    for name in taking:
        properties = groups[f"{name}DeploymentGroup"]["Properties"]
        assert properties["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": pace}
        condition, alarms, _ = properties["AlarmConfiguration"]["Fn::If"]
        assert condition == "DeploysGradually"
        (alarm,) = alarms["Alarms"]
        watched = resources[alarm["Name"]["Ref"]]["Properties"]["Metrics"][1]["MetricStat"]["Metric"]["Dimensions"]
        versions = [one for one, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version"]
        (version,) = (one for one in versions if re.fullmatch(rf"{name}Version\w+", one))
        assert {one["Name"]: one["Value"] for one in watched} == {
            "FunctionName": {"Ref": name},
            "Resource": {"Fn::Sub": f"${{{name}}}:live"},
            "ExecutedVersion": {"Fn::GetAtt": [version, "Version"]},
        }
        assert properties["AutoRollbackConfiguration"]["Enabled"] is True
        assert resources[f"{name}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert resources["CodeDeployServiceRole"]["Properties"]["ManagedPolicyArns"] == [
        "arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"
    ]


def test_every_pace_of_a_deployment_is_known_to_be_gradual_or_not() -> None:
    paces = sam()["Mappings"]["Gradually"]
    assert sorted(paces) == sorted(sam()["Parameters"]["Deployment"]["AllowedValues"])
    assert [name for name, one in paces.items() if one["enabled"] == "false"] == ["AllAtOnce"]


# ─── What an operator looks at ────────────────────────────────────────────────────────────────────────────────────


def _graphs() -> list[Document]:
    (board,) = _ALL.of_type("AWS::CloudWatch::Dashboard").values()
    graphs: list[Document] = [widget["properties"] for widget in json.loads(board["DashboardBody"])["widgets"]]
    return graphs


def test_every_graph_is_of_metrics_that_are_emitted_and_of_this_region() -> None:
    assert _graphs()
    for graph in _graphs():
        assert graph["region"] == "eu-central-1"
        for line in graph["metrics"]:
            namespace, name, *rest = [word for word in line if isinstance(word, str)]
            assert _is_emitted((namespace, name, frozenset(zip(rest[::2], rest[1::2], strict=True)))), line


def test_no_region_is_written_into_the_dashboard() -> None:
    body = sam()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r'"region": "([^"]+)"', body)) == {"${AWS::Region}"}


def test_the_dashboard_has_every_vendor_every_function_and_every_queue() -> None:
    drawn = json.dumps([graph["metrics"] for graph in _graphs()])
    named = [
        *_VENDORS,
        *(_ALL.physical(name).ref for name in _ALL.of_type("AWS::Lambda::Function")),
        *(_ALL.physical(name).attributes["QueueName"] for name in _ALL.of_type("AWS::SQS::Queue")),
    ]
    assert [name for name in named if f'"{name}"' not in drawn] == []


def _spoil_the_secret(stack: Stack, function: Function) -> None:
    calls = driver.Calls(stack)
    with driver.deployed(stack):
        boto3.client("secretsmanager").put_secret_value(
            SecretId=function.environment["SECRET_ARN"], SecretString='{"accounts": 7}'
        )
        with driver.started(function, calls) as handler:
            sample = min((ROOT / "events" / function.folder).glob("valid-*.json"))
            handler(json.loads(sample.read_text()), None)


@pytest.fixture(scope="module")
def lines() -> list[Document]:
    """The log lines and metrics that the functions write, each driven through everything it is there for."""
    handler = telemetry.log.registered_handler
    stream = io.StringIO()
    before = handler.setStream(stream)  # type: ignore[attr-defined]
    try:
        with contextlib.redirect_stdout(stream):
            stack = Stack(driver.parameters())
            for function in stack.functions():
                driver.run(stack, function)
                if "SECRET_ARN" in function.environment and function.events_of("HttpApi"):
                    _spoil_the_secret(stack, function)
    finally:
        handler.setStream(before)  # type: ignore[attr-defined]
    return [json.loads(line) for line in stream.getvalue().splitlines() if line.startswith("{")]


_QUERIES: Final = _ALL.of_type("AWS::Logs::QueryDefinition")
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
_OF_LAMBDA: Final = {
    "@timestamp",
    "@message",
    "@log",
    "@type",
    "@duration",
    "@initDuration",
    "@maxMemoryUsed",
    "@requestId",
}
_WORDS: Final = {
    *("filter", "fields", "sort", "limit", "stats", "desc", "asc", "as", "or", "and", "ispresent", "coalesce"),
    *("sum", "count", "max", "bin"),
}


@pytest.mark.parametrize("name", sorted(_QUERIES))
def test_a_query_asks_for_fields_that_lines_of_ours_have(name: str, lines: list[Document]) -> None:
    text = re.sub(r'"[^"]*"|#.*', "", _QUERIES[name]["QueryString"])
    made = set(re.findall(r"\bas (\w+)", text))
    asked = set(re.findall(r"@?\b[A-Za-z]\w*(?:\.\d)?", text)) - made - _WORDS
    # EMF has a metric's values in an array, whose first Insights calls NAME.0.
    had = {f"{field}.0" if isinstance(value, list) else field for line in lines for field, value in line.items()}
    assert asked - had - _OF_LAMBDA == set()


@pytest.mark.parametrize("name", sorted(_QUERIES))
def test_what_a_query_looks_for_is_what_the_code_says(name: str) -> None:
    said = "".join(
        path.read_text() for path in [*ROOT.glob("functions/*/*.py"), *ROOT.glob("layers/gatehouse/gatehouse/*.py")]
    )
    for message in re.findall(r'message = "([^"]+)"', _QUERIES[name]["QueryString"]):
        assert f'"{message}"' in said


def test_there_are_six_queries_and_each_is_on_log_groups_of_the_stack() -> None:
    assert len(_QUERIES) == 6
    for stack in (Stack(), _ALL):
        for query in stack.of_type("AWS::Logs::QueryDefinition").values():
            groups = [stack.logical_id(group) for group in query["LogGroupNames"]]
            assert set(groups) <= set(stack.of_type("AWS::Logs::LogGroup"))


# ─── What is said of it ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_readme_says_of_every_alarm_what_to_do_and_of_none_that_is_not_there() -> None:
    readme = Path(ROOT / "README.md").read_text()
    told = readme[readme.index("## When something is wrong") : readme.index("## Where things are")]
    assert set(re.findall(r"`(\w+Alarm)`", told)) == set(_ALARMS)


def test_every_alarm_says_in_words_what_is_wrong() -> None:
    assert [name for name, alarm in _ALARMS.items() if len(alarm["AlarmDescription"]) < 30] == []


def test_what_the_alarms_cost_is_what_the_decision_says() -> None:
    """US$ 0.10 a metric and month: https://aws.amazon.com/cloudwatch/pricing/."""
    decision = (ROOT / "docs" / "decisions" / "0014-alarms.md").read_text()
    metrics = sum(len(_watched(alarm)) for alarm in Stack().of_type("AWS::CloudWatch::Alarm").values())
    assert f"{metrics} metrics" in decision
