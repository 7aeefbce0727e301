"""A state machine on its way to the emulator: its definition as JSON, and where it lies."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops import translate

_ROOT = Path(__file__).parents[3]
_FLOWS = sorted((_ROOT / "functions").glob("*/*.asl.yaml"))


def _substituted(definition: str, values: dict[str, str]) -> Any:
    """The definition as the emulator reads it: the values go into the text first."""
    for name, value in values.items():
        definition = definition.replace(f"${{{name}}}", value)
    return json.loads(definition)


def _definition(tmp_path: Path, text: str) -> str:
    path = tmp_path / "flow.asl.yaml"
    path.write_text(text)
    return translate.definition(path)


def test_each_place_of_an_alias_is_an_object_of_its_own() -> None:
    """SAM changes what it is given."""
    first, second = translate.parsed("Resources: {A: &one {Type: T, Properties: {}}, B: *one}")["Resources"].values()
    assert first == second
    assert first is not second
    assert first["Properties"] is not second["Properties"]


@pytest.mark.parametrize(
    "line",
    [
        "Seconds: ${N}",
        "TimeoutSeconds: ${N}",
        "HeartbeatSeconds: ${N}",
        "Retry: [{IntervalSeconds: 1, MaxAttempts: 3}, {MaxDelaySeconds: 9, BackoffRate: 2}]",
        "Retry:\n- IntervalSeconds: ${N}\n  MaxAttempts: ${N}",
        "Retry:\n- MaxDelaySeconds: ${N}\n  BackoffRate: ${N}",
    ],
)
def test_a_substitution_in_a_field_that_is_a_number_is_a_number(tmp_path: Path, line: str) -> None:
    definition = _substituted(_definition(tmp_path, line), {"N": "7"})
    assert '"' not in re.sub(r'"\w+":', "", json.dumps(definition))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FunctionName: ${N}", {"FunctionName": "7"}),
        ("Comment: wait ${N} s", {"Comment": "wait 7 s"}),
        ("TimeoutSecondsPath: ${N}", {"TimeoutSecondsPath": "7"}),
        ("""Comment: '"TimeoutSeconds": "${N}"'""", {"Comment": '"TimeoutSeconds": "7"'}),
        ("ErrorEquals: [Seconds, '${N}']", {"ErrorEquals": ["Seconds", "7"]}),
    ],
)
def test_a_substitution_anywhere_else_is_text(tmp_path: Path, line: str, expected: Any) -> None:
    assert _substituted(_definition(tmp_path, line), {"N": "7"}) == expected


def test_nothing_else_changes_on_the_way(tmp_path: Path) -> None:
    text = """
        A: {S.$: $.recording, ResultPath: null, End: true}
        ":token": {S.$: $$.Task.Token}
        TimeoutSeconds: 30
    """
    assert json.loads(_definition(tmp_path, text)) == {
        "A": {"S.$": "$.recording", "ResultPath": None, "End": True},
        ":token": {"S.$": "$$.Task.Token"},
        "TimeoutSeconds": 30,
    }


@pytest.mark.parametrize("flow", _FLOWS, ids=lambda path: f"{path.parent.name}")
def test_a_flow_of_ours_is_json_once_its_substitutions_are_made(flow: Path) -> None:
    text = translate.definition(flow)
    names = set(re.findall(r"\$\{(\w+)\}", flow.read_text()))

    definition = _substituted(text, dict.fromkeys(names, "7"))

    assert set(re.findall(r"\$\{(\w+)\}", text)) == names
    assert definition["StartAt"] in definition["States"]
    for state in definition["States"].values():
        numbers = [
            state.get("TimeoutSeconds", 0),
            *(retrier.get("IntervalSeconds", 0) for retrier in state.get("Retry", [])),
        ]
        assert all(isinstance(number, int) for number in numbers)


def test_a_template_has_each_artifacts_address_where_its_type_wants_it() -> None:
    role = "arn:aws:iam::123456789012:role/any"
    function = {"Runtime": "python3.13", "Handler": "handler.handle", "Role": role}
    template = {
        "Resources": {
            "Worker": {"Type": "AWS::Serverless::Function", "Properties": function},
            "Shared": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layers/shared"}},
            "Flow": {
                "Type": translate.STATE_MACHINE,
                "Properties": {
                    "DefinitionUri": "functions/any/flow.asl.yaml",
                    "DefinitionSubstitutions": {"Function": {"Fn::GetAtt": ["Worker", "Arn"]}},
                    "Role": role,
                },
            },
        }
    }
    artifacts = {name: f"s3://artifacts/{name}" for name in template["Resources"]}

    plain = translate.translated(template, artifacts, "eu-central-1")["Resources"]

    assert plain["Worker"]["Properties"]["Code"] == {"S3Bucket": "artifacts", "S3Key": "Worker"}
    (layer,) = [value for value in plain.values() if value["Type"] == "AWS::Lambda::LayerVersion"]
    assert layer["Properties"]["Content"] == {"S3Bucket": "artifacts", "S3Key": "Shared"}
    assert plain["Flow"]["Type"] == "AWS::StepFunctions::StateMachine"
    assert plain["Flow"]["Properties"]["DefinitionS3Location"] == {"Bucket": "artifacts", "Key": "Flow"}
    assert plain["Flow"]["Properties"]["DefinitionSubstitutions"] == {"Function": {"Fn::GetAtt": ["Worker", "Arn"]}}


def test_an_alarm_on_a_sum_of_metrics_is_left_out() -> None:
    """The emulator refuses it, and with it the whole stack."""
    summed = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"Metrics": [{"Id": "all", "Expression": "SUM(METRICS())"}]},
    }
    plain = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}
    other = {"Type": "AWS::SNS::Topic", "Properties": {"Metrics": []}}
    template = {"Resources": {"Summed": summed, "Plain": plain, "Other": other}, "Outputs": {}}
    assert translate.without_sums(template) == {"Resources": {"Plain": plain, "Other": other}, "Outputs": {}}


def test_a_saved_query_is_left_out() -> None:
    """The emulator does not know the type, and refuses the whole stack."""
    other = {"Type": "AWS::Logs::LogGroup"}
    template = {"Resources": {"Query": {"Type": "AWS::Logs::QueryDefinition"}, "Other": other}, "Outputs": {}}
    assert translate.without_queries(template) == {"Resources": {"Other": other}, "Outputs": {}}


# ─── Transforms before the emulator ───────────────────────────────────────────────────────────────────────────────


_PARAMETERS = {
    "Seconds": {"Type": "Number", "Default": 5},
    "Names": {"Type": "CommaDelimitedList", "Default": ""},
    "Mode": {"Type": "String", "Default": "inline"},
}


def test_values_stand_in_place_of_parameters_and_conditions_are_left_to_cloudformation() -> None:
    template = {
        "Parameters": _PARAMETERS,
        "Conditions": {"IsInline": {"Fn::Equals": [{"Ref": "Mode"}, "inline"]}},
        "Globals": {"Function": {"Environment": {"Variables": {"MODE": {"Ref": "Mode"}}}}},
        "Resources": {"One": {"Properties": {"Wait": {"Ref": "Seconds"}, "Who": [{"Ref": "Names"}, {"Ref": "Two"}]}}},
    }
    known = {"Seconds": "7", "Names": "a,b", "Mode": "stream"}

    resolved = translate.with_values(template, known)

    assert resolved["Globals"]["Function"]["Environment"]["Variables"] == {"MODE": "stream"}
    assert resolved["Resources"]["One"]["Properties"] == {"Wait": "7", "Who": [["a", "b"], {"Ref": "Two"}]}
    assert resolved["Conditions"] == template["Conditions"]


@pytest.mark.parametrize(
    ("written", "values", "number"),
    [({"Ref": "Seconds"}, {}, 5), ({"Ref": "Seconds"}, {"Seconds": "9"}, 9), ("9", {}, 9), (9, {}, 9)],
)
def test_a_queue_is_read_by_so_many_at_once_as_a_number(written: Any, values: dict[str, str], number: int) -> None:
    plain = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"BatchSize": 3}}
    bounded = {**plain, "Properties": {"BatchSize": 3, "ScalingConfig": {"MaximumConcurrency": written}}}
    template = {"Parameters": _PARAMETERS, "Resources": {"Plain": plain, "Bounded": bounded}}

    resources = translate.with_numbers(template, values)["Resources"]

    assert resources["Plain"] == plain
    assert resources["Bounded"]["Properties"] == {"BatchSize": 3, "ScalingConfig": {"MaximumConcurrency": number}}
