"""Faults of the template that only AWS itself would find, when it runs there: limits, time-outs, defaults."""

import ast
import importlib
import json
import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from gatehouse.events import UNREADABLE
from gatehouse.settings import Settings
from gatehouse.spill import MESSAGE_LIMIT
from gatehouse.store import FORGOTTEN
from gatehouse.telemetry import Count
from gatehouse.vocabulary import Topic
from ops import translate
from tests.template import driver
from tests.template.stack import ROOT, TEMPLATE, Document, Function, Stack, plain, sam, translated
from tests.vendor_files import vendors

_STACK: Final = Stack(driver.parameters())
_FUNCTIONS: Final = _STACK.functions()
_PARAMETERS: Final[Document] = sam()["Parameters"]
_EVENTS_TABLE: Final = "EventsTable"
# Read by libraries, and by no Settings of ours.
_OF_LIBRARIES: Final = {
    "PYDANTIC_DISABLE_PLUGINS",  # https://docs.pydantic.dev/latest/concepts/plugins/
}

every_function = pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name)


def _settings(function: Function) -> type[Settings]:
    """The settings that a function reads: the fullest that its handler knows."""
    module = importlib.import_module(function.module)
    known = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Settings)]
    return max(known, key=lambda kind: len(kind.model_fields))


# ─── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_handled(path: Path) -> bool:
    """True of a file that makes a handler for Lambda."""
    assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    return any(ast.unparse(target) == "lambda_handler" for node in assigned for target in node.targets)


def test_every_file_with_a_handler_is_a_function_and_the_other_way_round() -> None:
    files = [path for path in (ROOT / "functions").glob("*/*.py") if _is_handled(path)]
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    assert sorted(function.module for function in _FUNCTIONS) == modules


@every_function
def test_a_function_runs_on_the_processor_and_the_python_that_the_layer_is_built_for(function: Function) -> None:
    (layer,) = (entry for entry in sam()["Resources"].values() if entry["Type"] == "AWS::Serverless::LayerVersion")
    assert function.properties["Architectures"] == layer["Properties"]["CompatibleArchitectures"] == ["arm64"]
    assert function.properties["Runtime"] == layer["Properties"]["CompatibleRuntimes"][0] == "python3.13"
    assert layer["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": "arm64"}


@every_function
def test_a_function_publishes_a_version_for_every_change(function: Function) -> None:
    properties = {**sam()["Globals"]["Function"], **sam()["Resources"][function.name]["Properties"]}
    assert properties["AutoPublishAliasAllProperties"] is True
    assert properties["AutoPublishAlias"] == "live"


def test_a_change_of_the_layer_alone_publishes_new_versions() -> None:
    layers = [entry for entry in sam()["Resources"].values() if entry["Type"] == "AWS::Serverless::LayerVersion"]
    assert [layer["Properties"]["PublishLambdaVersion"] for layer in layers] == [True]


@every_function
def test_a_function_writes_into_a_log_group_of_its_own(function: Function) -> None:
    group = function.properties["LoggingConfig"]["LogGroup"]
    assert _STACK.logical_id(group) in _STACK.of_type("AWS::Logs::LogGroup")
    assert [other.name for other in _FUNCTIONS if other.properties["LoggingConfig"]["LogGroup"] == group] == [
        function.name
    ]


def test_every_log_group_forgets() -> None:
    for name, properties in _STACK.of_type("AWS::Logs::LogGroup").items():
        assert int(properties["RetentionInDays"]) > 0, name


def _with_parameters(**values: str) -> Document:
    """The template as AWS::LanguageExtensions leaves it to SAM: with the parameters' values in their places."""
    defaults = {name: str(parameter["Default"]) for name, parameter in sam()["Parameters"].items()}
    return translate.with_values(deepcopy(sam()), {**defaults, **values})


def _versions(template: Document) -> dict[str, str]:
    """The logical id of each function's version: another one is another version."""
    return {
        resource["Properties"]["FunctionName"]["Ref"]: name
        for name, resource in plain(template)["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def test_parameters_are_resolved_before_sam_names_the_versions() -> None:
    """Without it a changed setting makes no version, and the alias stays on the old one.

    https://github.com/aws/serverless-application-model/issues/2533
    """
    assert sam()["Transform"] == ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]


@every_function
def test_a_changed_setting_of_a_function_makes_a_new_version_of_it(function: Function) -> None:
    shared = sam()["Globals"]["Function"]["Environment"]["Variables"]
    own = sam()["Resources"][function.name]["Properties"].get("Environment", {}).get("Variables", {})
    settings = {
        value["Ref"]
        for value in (shared | own).values()
        if isinstance(value, dict) and value.get("Ref") in sam()["Parameters"]
    }
    assert settings
    before = _versions(_with_parameters())[function.name]
    for setting in settings:
        assert _versions(_with_parameters(**{setting: "another"}))[function.name] != before, setting


@every_function
def test_a_function_finds_everything_that_it_is_told_in_its_environment(function: Function) -> None:
    settings = _settings(function)
    settings.read(function.environment)
    assert {name.upper() for name in settings.model_fields} - set(function.environment) == set()


@every_function
def test_a_function_reads_every_variable_that_only_it_has(function: Function) -> None:
    read = {name.upper() for name in _settings(function).model_fields}
    assert function.own_variables - read == set()


@every_function
def test_a_functions_environment_is_small_enough_for_lambda_whatever_the_stack_is_called(function: Function) -> None:
    """4 KB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.

    A stack's name has 128 characters at most, and stands in most of what AWS names.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    """
    longest = {name: value.replace("gatehouse", "g" * 128) for name, value in function.environment.items()}
    assert longest != function.environment
    assert sum(len(name) + len(value) for name, value in longest.items()) <= 4096


def test_every_variable_that_all_functions_have_is_read_by_one_of_them() -> None:
    shared = set(sam()["Globals"]["Function"]["Environment"]["Variables"])
    read = {name.upper() for function in _FUNCTIONS for name in _settings(function).model_fields}
    assert shared - read - _OF_LIBRARIES == set()


# ─── Time-outs ────────────────────────────────────────────────────────────────────────────────────────────────────


def _behind_the_api() -> list[Function]:
    return [function for function in _FUNCTIONS if function.events_of("HttpApi")]


def test_a_function_behind_the_api_ends_before_the_api_gives_up() -> None:
    """30 s: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html."""
    assert _behind_the_api()
    for function in _behind_the_api():
        assert function.properties["Timeout"] < 30, function.name


def test_the_relay_waits_until_no_invocation_of_the_gate_can_still_announce() -> None:
    (relay,) = (function for function in _FUNCTIONS if "RELAY_GRACE" in function.environment)
    assert float(relay.environment["RELAY_GRACE"]) >= max(f.properties["Timeout"] for f in _behind_the_api())


def test_the_relay_outlives_the_longest_grace_that_may_be_set() -> None:
    (relay,) = (function for function in _FUNCTIONS if "RELAY_GRACE" in function.environment)
    assert relay.properties["Timeout"] >= 2 * _PARAMETERS["RelayGrace"]["MaxValue"]


@every_function
def test_a_queue_hides_a_message_for_six_times_as_long_as_its_function_may_run(function: Function) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    for source in function.events_of("SQS"):
        queue = _queue(source["Queue"])
        window = int(source.get("MaximumBatchingWindowInSeconds", 0))
        assert queue["VisibilityTimeout"] >= 6 * function.properties["Timeout"] + window


def _queue(arn: str) -> Document:
    properties: Document = _STACK.of_type("AWS::SQS::Queue")[_STACK.logical_id(arn)]
    return properties


@every_function
def test_a_queue_tries_often_enough_and_its_dead_letters_live_longer(function: Function) -> None:
    """A message's age goes on counting in the dead-letter queue.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    for source in function.events_of("SQS"):
        queue = _queue(source["Queue"])
        redrive = queue["RedrivePolicy"]
        dead = _queue(redrive["deadLetterTargetArn"])
        assert redrive["maxReceiveCount"] >= 5
        assert dead["MessageRetentionPeriod"] >= queue["MessageRetentionPeriod"]
        tries = redrive["maxReceiveCount"] * queue["VisibilityTimeout"]
        assert tries <= dead["MessageRetentionPeriod"] / 4, "too little would be left of its time as a dead letter"


@every_function
def test_a_queue_forgets_nothing_in_silence(function: Function) -> None:
    """G8: a message becomes a dead letter by being received; without a receiver it expires."""
    alarms = [
        (alarm["MetricName"], dimension["Value"])
        for alarm in _STACK.of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
    ]
    for source in function.events_of("SQS"):
        queue = _queue(source["Queue"])
        assert queue["MessageRetentionPeriod"] == 1_209_600, "the longest that there is"
        name = source["Queue"].rpartition(":")[2]
        assert ("ApproximateAgeOfOldestMessage", name) in alarms
        dead = queue["RedrivePolicy"]["deadLetterTargetArn"].rpartition(":")[2]
        assert ("ApproximateNumberOfMessagesVisible", dead) in alarms


def test_the_sweep_is_over_before_the_next_one_and_somebody_hears_of_none_that_ends() -> None:
    (sweep,) = (function for function in _FUNCTIONS if function.events_of("Schedule"))
    assert [event["Schedule"] for event in sweep.events_of("Schedule")] == ["rate(15 minutes)"]
    assert sweep.properties["Timeout"] <= 15 * 60
    alarm = _STACK.of_type("AWS::CloudWatch::Alarm")["SweepAlarm"]
    watched = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]
    assert {metric["MetricName"] for metric in watched} == {"Invocations", "Errors"}
    assert {metric["Dimensions"][0]["Value"] for metric in watched} == {_STACK.physical(sweep.name).ref}
    # A new stack has had no run, and pages no one. Leaving that state, or falling back into it, is told.
    assert alarm["TreatMissingData"] == "missing"
    told = Stack({"OperatorEmail": "on@call.example"}).of_type("AWS::CloudWatch::Alarm")["SweepAlarm"]
    assert told["InsufficientDataActions"] == told["AlarmActions"] != []


def test_what_is_forgotten_is_older_than_the_relay_can_be_at_it_whatever_is_set() -> None:
    (source,) = (source for function in _FUNCTIONS for source in function.events_of("DynamoDB"))
    (relay,) = (function for function in _FUNCTIONS if function.events_of("DynamoDB"))
    assert source["FunctionResponseTypes"]
    longest = _PARAMETERS["RelayWindow"]["MaxValue"] + relay.properties["Timeout"]
    assert longest <= FORGOTTEN.total_seconds()


@every_function
def test_an_event_source_keeps_to_lambdas_limits(function: Function) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html."""
    limits = {"DynamoDB": (10_000, 10_000), "SQS": (10_000, 10)}
    for kind, (most, most_at_once) in limits.items():
        for source in function.events_of(kind):
            window = int(source.get("MaximumBatchingWindowInSeconds", 0))
            assert 0 <= window <= 300
            assert 1 <= source["BatchSize"] <= (most if window else most_at_once)
            assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("limit", ["MinValue", "MaxValue"])
def test_the_relays_window_is_within_lambdas_limits_whatever_is_set(limit: str) -> None:
    assert 0 <= _PARAMETERS["RelayWindow"][limit] <= 300


@pytest.mark.parametrize(("mode", "window"), [("inline", 20), ("stream", 0)])
def test_the_relay_gathers_records_only_if_the_gate_announces_itself(mode: str, window: int) -> None:
    stack = Stack({"AnnounceMode": mode})
    (source,) = (source for function in stack.functions() for source in function.events_of("DynamoDB"))
    assert int(source["MaximumBatchingWindowInSeconds"]) == window


@every_function
def test_a_stream_that_cannot_be_worked_through_ends_in_a_queue(function: Function) -> None:
    for source in function.events_of("DynamoDB"):
        assert source["BisectBatchOnFunctionError"] is True
        # Without a limit: a fault of minutes would use up any number in minutes.
        assert source["MaximumRetryAttempts"] == -1
        # Some of the stream's day is left to act in: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
        assert 3_600 <= source["MaximumRecordAgeInSeconds"] <= 86_400 - 3_600
        failures = _queue(source["DestinationConfig"]["OnFailure"]["Destination"])
        # A stream keeps its records for a day, the queue what is left of them for two weeks.
        assert failures["MessageRetentionPeriod"] == 1_209_600


# ─── Storage ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_book_has_the_id_as_its_only_key_and_three_narrow_indexes() -> None:
    table = _STACK.of_type("AWS::DynamoDB::Table")[_EVENTS_TABLE]
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    indexes = table["GlobalSecondaryIndexes"]
    assert [index["Projection"] for index in indexes] == [{"ProjectionType": "KEYS_ONLY"}] * 3
    keys = {key["AttributeName"] for of in (table, *indexes) for key in of["KeySchema"]}
    assert {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]} == keys


def test_the_book_streams_its_new_images_and_forgets_and_can_be_restored() -> None:
    table = _STACK.of_type("AWS::DynamoDB::Table")[_EVENTS_TABLE]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


@pytest.mark.parametrize(
    "kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::SQS::Queue"]
)
def test_what_holds_data_or_credentials_outlives_its_stack(kind: str) -> None:
    """B15: the secrets, and the queues with what is told of as not lost, went with it."""
    found = {name: resource for name, resource in translated()["Resources"].items() if resource["Type"] == kind}
    assert found
    for name, resource in found.items():
        policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        assert policies == ("RetainExceptOnCreate", "Retain"), name


def test_whatever_else_could_be_kept_says_that_it_is_not() -> None:
    """Said by hand, so that a new kind of resource is thought of: what cfn-lint's I3011 asks for, and logs."""
    for name, resource in translated()["Resources"].items():
        if resource["Type"] in {"AWS::KMS::Key", "AWS::Logs::LogGroup"}:
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Delete", "Delete"), name


def test_every_table_can_be_restored_to_any_minute() -> None:
    for name, table in _STACK.of_type("AWS::DynamoDB::Table").items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name


@pytest.mark.parametrize(("said", "protected"), [("no", False), ("yes", True)])
def test_a_table_is_protected_from_whoever_would_delete_it_once_that_is_said(said: str, *, protected: bool) -> None:
    """At first it is not: a first deployment that fails could not be rolled back."""
    assert _PARAMETERS["DeletionProtection"]["Default"] == "no"
    for name, table in Stack({"DeletionProtection": said}).of_type("AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] is protected, name


def test_what_waits_for_its_alarm_is_forgotten_by_itself() -> None:
    table = _STACK.of_type("AWS::DynamoDB::Table")["PendingFilesTable"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_spill_queue_takes_what_the_gate_counts_on() -> None:
    assert _STACK.of_type("AWS::SQS::Queue")["SpillQueue"]["MaximumMessageSize"] == MESSAGE_LIMIT


def test_the_bucket_is_encrypted_and_nobody_elses() -> None:
    for bucket in _STACK.of_type("AWS::S3::Bucket").values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert bucket["LifecycleConfiguration"]["Rules"][0]["Status"] == "Enabled"


def test_every_topic_is_encrypted_with_a_key_of_ours_that_rotates() -> None:
    keys = _STACK.of_type("AWS::KMS::Key")
    for name, topic in _STACK.of_type("AWS::SNS::Topic").items():
        assert keys[_STACK.logical_id(topic["KmsMasterKeyId"])]["EnableKeyRotation"] is True, name


def test_every_queue_is_encrypted() -> None:
    for name, queue in _STACK.of_type("AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name


@pytest.mark.parametrize(
    ("kind", "policy_kind", "field", "action"),
    [
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket", "s3:*"),
    ],
)
def test_whoever_comes_without_tls_is_turned_away(kind: str, policy_kind: str, field: str, action: str) -> None:
    turned_away: set[str] = set()
    for policy in _STACK.of_type(policy_kind).values():
        named = policy[field] if isinstance(policy[field], list) else [policy[field]]
        attached = {_STACK.logical_id(ref) for ref in named}
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] != "Deny" or statement["Sid"] != "TlsOnly":
                continue
            assert statement["Principal"] == "*"
            assert statement["Action"] == action
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            covered = {_STACK.logical_id(resource.removesuffix("/*")) for resource in resources}
            if kind == "AWS::S3::Bucket":
                assert {resource.endswith("/*") for resource in resources} == {True, False}
            turned_away |= covered & attached
    assert turned_away == set(_STACK.of_type(kind))


def test_what_nobody_could_read_is_kept_for_a_week_and_read_by_no_other_account() -> None:
    ((name, bucket),) = _STACK.of_type("AWS::S3::Bucket").items()
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    (policy,) = _STACK.of_type("AWS::S3::BucketPolicy").values()
    (denied,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "UnreadableStaysHere"]

    assert rules["unreadable"] == {
        "Id": "unreadable",
        "Status": "Enabled",
        "Prefix": UNREADABLE,
        "ExpirationInDays": 7,
    }
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:GetObject*")
    assert _STACK.logical_id(denied["Resource"].removesuffix(f"/{UNREADABLE}*")) == name
    assert list(denied["Condition"]) == ["StringNotEquals"]


@pytest.mark.parametrize(
    "what",
    [Count.CONFLICT, Count.SECRET_UNUSABLE, Count.NOT_KEPT, Count.FAILED, Count.REJECTED, Count.UNMAPPED],
)
def test_what_may_befall_any_vendor_is_heard_of_whoever_it_is(what: Count) -> None:
    alarm = _STACK.of_type("AWS::CloudWatch::Alarm")[f"{what}Alarm"]
    metrics = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]

    assert {metric["MetricName"] for metric in metrics} == {what}
    assert [metric["Dimensions"][0]["Value"] for metric in metrics] == vendors(ROOT)


def _allowed(stack: Stack) -> dict[str, list[Document]]:
    """Statements of each topic's policy that allow something, by the topic's logical id."""
    found: dict[str, list[Document]] = {}
    for policy in stack.of_type("AWS::SNS::TopicPolicy").values():
        (topic,) = policy["Topics"]
        statements = policy["PolicyDocument"]["Statement"]
        assert {statement["Resource"] for statement in statements} == {topic}
        found[stack.logical_id(topic)] = [one for one in statements if one["Effect"] == "Allow"]
    return found


def test_each_topic_has_a_policy_that_names_no_other_topic() -> None:
    """SNS refuses it: "Each policy must cover only a single topic".

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
    """
    stack = Stack(
        {"OperatorEmail": "operator@example.com", **{f"{t.capitalize()}Subscribers": "111111111111" for t in Topic}}
    )
    assert set(_allowed(stack)) == set(stack.of_type("AWS::SNS::Topic"))


def test_no_vendors_block_has_an_anchor_that_a_copy_of_it_would_repeat() -> None:
    resource, anchored = "", set()
    for line in TEMPLATE.read_text().splitlines():
        if named := re.match(r"  (\w+):", line):
            resource = named[1].lower()
        if re.search(r": &\w+", line):
            anchored.add(resource)
    assert anchored, "there is none at all"
    assert [name for name in anchored if name.startswith(tuple(vendors(ROOT)))] == []


def test_no_other_account_may_subscribe_unless_it_is_named() -> None:
    assert _allowed(Stack()) == {f"{topic.capitalize()}Topic": [] for topic in Topic}


@pytest.mark.parametrize("topic", Topic)
def test_an_account_may_subscribe_to_the_topic_it_is_named_for_and_within_aws_alone(topic: Topic) -> None:
    # S11: an account that was named for one topic had all of them, by any protocol, in any mailbox.
    named = f"{topic.capitalize()}Topic"
    allowed = _allowed(Stack({f"{topic.capitalize()}Subscribers": "111111111111,222222222222"}))

    assert [name for name, statements in allowed.items() if statements] == [named]
    subscribe, look = allowed[named]
    assert subscribe["Principal"] == look["Principal"] == {"AWS": ["111111111111", "222222222222"]}
    assert (subscribe["Action"], look["Action"]) == ("sns:Subscribe", "sns:GetTopicAttributes")
    assert subscribe["Condition"] == {"StringEquals": {"sns:Protocol": ["sqs", "lambda", "firehose"]}}


@pytest.mark.parametrize("topic", Topic)
def test_a_subscriber_is_an_account_by_its_twelve_digits(topic: Topic) -> None:
    parameter = _PARAMETERS[f"{topic.capitalize()}Subscribers"]

    # CloudFormation holds each element against it:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    assert parameter["Type"] == "CommaDelimitedList"
    assert re.fullmatch(parameter["AllowedPattern"], "111111111111")
    for anybody in ("*", "11111111111", "1111111111111", "11111111111x", "arn:aws:iam::111111111111:root", "111 "):
        assert not re.search(parameter["AllowedPattern"], anybody), anybody


# ─── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", _PARAMETERS)
def test_a_parameter_has_a_default_and_bounds_and_a_description(name: str) -> None:
    parameter: dict[str, Any] = _PARAMETERS[name]
    assert "Default" in parameter
    assert parameter["Description"]
    bounds = {"AllowedValues", "AllowedPattern"} & set(parameter)
    assert bounds or {"MinValue", "MaxValue"} <= set(parameter) or parameter["Type"] == "CommaDelimitedList"


@pytest.mark.parametrize("name", _PARAMETERS)
def test_a_parameters_default_is_within_its_bounds(name: str) -> None:
    parameter: dict[str, Any] = _PARAMETERS[name]
    default = parameter["Default"]
    assert default in parameter.get("AllowedValues", [default])
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(default))
    assert parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default)


def test_every_parameter_is_asked_for_in_one_of_the_groups() -> None:
    groups = sam()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(_PARAMETERS)


def test_access_logs_hold_no_path_since_a_path_may_hold_a_token() -> None:
    for api in (entry for entry in sam()["Resources"].values() if entry["Type"] == "AWS::Serverless::HttpApi"):
        logged = set(re.findall(r"\$context\.([A-Za-z.]+)", api["Properties"]["AccessLogSettings"]["Format"]))
        assert "routeKey" in logged
        assert logged.isdisjoint({"path", "customDomain.basePathMatched", "identity.sourceIp"})


def test_access_logs_hold_nothing_that_a_caller_could_put_a_quote_into() -> None:
    # S21: the gateway puts a value between our quotes as it is.
    out_of_reach = {
        "requestId",
        "requestTime",
        "routeKey",
        "status",
        "responseLatency",
        "responseLength",
        "integration.integrationStatus",
        "error.responseType",
    }
    for api in (entry for entry in sam()["Resources"].values() if entry["Type"] == "AWS::Serverless::HttpApi"):
        written = api["Properties"]["AccessLogSettings"]["Format"]
        assert set(re.findall(r"\$context\.([A-Za-z.]+)", written)) <= out_of_reach
        assert len(json.loads(re.sub(r"\$context\.[A-Za-z.]+", "-", written))) == len(out_of_reach)


def test_sams_settings_can_be_read_and_allow_the_roles_that_the_template_makes() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert settings["version"] == 0.1
    deploy = settings["default"]["deploy"]["parameters"]
    # A region of ours would be somebody's wrong one.
    assert "region" not in deploy
    named = [role for role in _STACK.of_type("AWS::IAM::Role").values() if "RoleName" in role]
    assert named == []
    assert deploy["capabilities"].split() == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert deploy["resolve_s3"] is True
    assert settings["default"]["validate"]["parameters"]["lint"] is True


def test_people_are_asked_before_a_deployment_and_a_pipeline_is_not_and_no_change_is_no_error() -> None:
    """A6: a question without a terminal ends in an error, and so did the second deployment of the same."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())
    asked, unasked = (settings[name]["deploy"]["parameters"] for name in ("default", "ci"))
    assert (asked["confirm_changeset"], unasked["confirm_changeset"]) == (True, False)
    assert asked["fail_on_empty_changeset"] is unasked["fail_on_empty_changeset"] is False
    assert {**asked, "confirm_changeset": False} == unasked


def test_no_release_of_ours_puts_another_value_into_a_secret_that_is_in_use() -> None:
    """B1: CloudFormation puts a secret's text in place again where the template's own differs from the one before.

    Whoever changes this line empties the secret of everybody who updates.
    """
    secrets = _STACK.of_type("AWS::SecretsManager::Secret")
    assert {secret["SecretString"] for secret in secrets.values()} == {'{"accounts": []}'}
    assert not any("GenerateSecretString" in secret for secret in secrets.values())


def test_no_update_of_the_stack_touches_the_rules_of_the_doors() -> None:
    """Protocol A12: a resource's value is put in place again with every change of it, a tag is one."""
    stack = Stack()
    assert not stack.of_type("AWS::SSM::Parameter")
    (function,) = (found for found in stack.functions() if "RULES_PARAMETER" in found.environment)
    assert function.environment["RULES_PARAMETER"] == "/gatehouse/door-rules"
