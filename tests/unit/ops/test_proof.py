"""The proof of a deployment: what a report says and hides, what it deletes, and that nothing to watch is left out."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops import proof
from ops.proof import deploy, remove, sensepass, telemetry, watch
from ops.proof.report import NotProvedError, Outcome, RefutedError, Report
from ops.proof.site import Aws, Site
from ops.simulators import simulators
from ops.stack import Resource, resources, status
from tests.aws import ENVIRONMENT
from tests.template.stack import translated

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report of nothing yet."""
    return Report(tmp_path, {"region": "eu-central-1"})


def _outcomes(report: Report) -> dict[str, tuple[Outcome, str]]:
    return {step.id: (step.outcome, step.reason) for step in report.steps}


def test_every_row_to_watch_has_a_verdict_or_is_looked_at_by_hand() -> None:
    text = (_ROOT / "docs" / "aws-truth.md").read_text()
    rows = dict(re.findall(r"^\| (W\d+) \| (.*?) \|", text, re.MULTILINE))
    given = {one.id: one.claim for one in watch.verdicts().values()}
    # In the row's words: a number that was given to another row would give its verdict of something else.
    assert {**given, **{number: claim for number, (claim, _) in watch.left_to_hands().items()}} == rows


def test_a_step_ends_as_what_is_raised_in_it_says_and_the_next_one_follows(report: Report) -> None:
    with report.step("good", "it is good") as step:
        step.figures["ms"] = 3
    with report.step("unseen", "it cannot be seen"):
        raise NotProvedError("there is no account")
    assert not report.has_failed
    with report.step("refuted", "it is not so"):
        raise RefutedError("it is otherwise")
    with report.step("broken", "something else is wrong"):
        raise ValueError("a number")

    assert _outcomes(report) == {
        "good": (Outcome.PROVED, ""),
        "unseen": (Outcome.NOT_PROVED, "there is no account"),
        "refuted": (Outcome.FAILED, "it is otherwise"),
        "broken": (Outcome.FAILED, "ValueError: a number"),
    }
    assert report.has_failed
    assert report.figures("good") == {"ms": 3}
    for other in ("unseen", "refuted", "never"):
        with pytest.raises(NotProvedError):
            report.figures(other)


def test_an_interrupted_step_is_told_and_ends_the_run(report: Report) -> None:
    with pytest.raises(KeyboardInterrupt), report.step("long", "it takes long"):
        raise KeyboardInterrupt
    assert _outcomes(report) == {"long": (Outcome.FAILED, "interrupted")}
    assert "interrupted" in (report.folder / "report.md").read_text()


@pytest.mark.parametrize("vendor", sorted(simulators()))
def test_no_secret_of_a_vendor_is_in_a_report_or_on_the_terminal(
    report: Report, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = simulators()[vendor].new_accounts()
    report.hide(accounts.secret)
    report.hide(accounts.apps)
    with report.step("told", "it tells everything") as step:
        step.figures["document"] = json.dumps(accounts.secret)
        raise RefutedError(f"refused: {json.dumps(accounts.secret)} at https://host/v1/x/{_values(accounts.apps)}")

    texts = [(report.folder / name).read_text() for name in ("report.md", "report.json")] + [capsys.readouterr().out]
    # A shorter value is a name, a mode or a number.
    secret = {value for value in (*_values(accounts.secret), *_values(accounts.apps)) if len(value) >= 12}
    assert secret
    for value in secret:
        assert all(value not in text for text in texts), value


def _values(document: Any) -> list[str]:
    if isinstance(document, str):
        return [document]
    parts = document.values() if hasattr(document, "values") else document if isinstance(document, list) else ()
    return [value for part in parts for value in _values(part)]


def test_whatever_the_template_retains_can_be_deleted() -> None:
    retained = {
        resource["Type"]
        for resource in translated()["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    # A function's versions go with the function.
    assert retained - {"AWS::Lambda::Version"} <= remove.RETAINABLE


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An account by moto."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Aws()


_TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
        "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        "Queue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"},
    }
}


def _site(aws: Aws, tmp_path: Path, **resources: str) -> Site:
    """A site that has these resources, by their logical ids."""
    found = {name: Resource("", physical_id) for name, physical_id in resources.items()}
    return Site(aws, "gatehouse-proof-1", outputs={}, resources=found, settings={}, folder=tmp_path)


def test_the_gateways_own_times_are_read_from_its_log_once_all_are_there(aws: Aws, tmp_path: Path) -> None:
    logs, now = aws.client("logs"), time.time()
    logs.create_log_group(logGroupName="/aws/vendedlogs/x/api")
    logs.create_log_stream(logGroupName="/aws/vendedlogs/x/api", logStreamName="one")
    route = "POST /v1/sensepass/{token}/authorize"
    lines = [{"route": route, "latency_ms": "12"}, {"route": "$default", "latency_ms": "900"}]
    site = _site(aws, tmp_path, ApiLogs="/aws/vendedlogs/x/api")
    for number, line in enumerate(lines):
        event = {"timestamp": int(now * 1000) + number, "message": json.dumps(line)}
        logs.put_log_events(logGroupName="/aws/vendedlogs/x/api", logStreamName="one", logEvents=[event])

    assert sensepass.logged(site, now - 60, wanted=1) == [12.0]
    assert sensepass.logged(site, now - 60, wanted=2) == []


def test_the_events_of_each_vendor_are_counted_by_the_metric(aws: Aws, tmp_path: Path) -> None:
    for vendor, count in (("sunmi", 2), ("sunmi", 1), ("eye4", 4)):
        aws.client("cloudwatch").put_metric_data(
            Namespace="Gatehouse",
            MetricData=[
                {"MetricName": "Recorded", "Dimensions": [{"Name": "vendor", "Value": vendor}], "Value": count}
            ],
        )

    assert telemetry.recorded(_site(aws, tmp_path)) == {"sunmi": 3, "eye4": 4}


_TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"


def _alarmed(aws: Aws, tmp_path: Path, outputs: dict[str, str], *actions: str) -> Site:
    """A site that has one alarm, which does this."""
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="gatehouse-proof-1-SpillAge",
        AlarmActions=list(actions),
        Namespace="Gatehouse",
        MetricName="Spilled",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    found = Resource("AWS::CloudWatch::Alarm", "gatehouse-proof-1-SpillAge")
    return Site(aws, "gatehouse-proof-1", outputs, resources={"SpillAgeAlarm": found}, settings={}, folder=tmp_path)


def test_an_alarm_may_ring_only_for_what_the_proof_has_done(aws: Aws, report: Report, tmp_path: Path) -> None:
    site = _alarmed(aws, tmp_path, {"OperatorTopicArn": _TOPIC}, _TOPIC)

    def looked() -> tuple[Outcome, str]:
        report.steps.clear()
        with report.step("alarms", "they are well") as step:
            telemetry.alarms_are_well(site, step.figures)
        return _outcomes(report)["alarms"]

    assert looked() == (Outcome.PROVED, "")
    aws.client("cloudwatch").set_alarm_state(
        AlarmName="gatehouse-proof-1-SpillAge", StateValue="ALARM", StateReason="a letter is old"
    )
    assert looked() == (Outcome.FAILED, "SpillAgeAlarm rings: a letter is old")
    site.causes["SpillAgeAlarm"] = "a letter of the proof"
    assert looked() == (Outcome.PROVED, "")


@pytest.mark.parametrize(
    ("outputs", "actions", "wrong"),
    [
        ({"OperatorTopicArn": _TOPIC}, [], "these do not tell the operators: SpillAgeAlarm"),
        ({"OperatorTopicArn": _TOPIC}, [f"{_TOPIC}-of-others"], "these do not tell the operators: SpillAgeAlarm"),
        ({"OperatorWarning": "Give OperatorEmail"}, [], "nobody hears of its alarms"),
    ],
)
def test_alarms_that_nobody_hears_of_fail_the_proof(
    aws: Aws, tmp_path: Path, outputs: dict[str, str], actions: list[str], wrong: str
) -> None:
    with pytest.raises(RefutedError, match=wrong):
        telemetry.alarms_are_well(_alarmed(aws, tmp_path, outputs, *actions), {})


def test_a_vendor_with_more_than_pushes_is_found_by_its_name() -> None:
    here = {path.stem for path in (_ROOT / "ops" / "proof").glob("*.py")}
    assert set(proof.vendors()) == here & simulators().keys() != set()


def test_what_a_stack_retains_is_deleted_with_it_and_another_stack_is_left_alone(aws: Aws, report: Report) -> None:
    cloudformation = aws.client("cloudformation")
    removal = remove.Removal(aws, "gatehouse-proof-1")
    for name in ("gatehouse-proof-1", "gatehouse"):
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(_TEMPLATE))
    mine, others = (resources(cloudformation, name) for name in ("gatehouse-proof-1", "gatehouse"))
    s3 = aws.client("s3")
    bucket = mine["Bucket"].physical_id
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="picture", Body=body)
    s3.delete_object(Bucket=bucket, Key="picture")

    removal.run(report, keep=False)

    assert _outcomes(report) == {"removed": (Outcome.PROVED, "")}
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [others["Bucket"].physical_id]
    assert aws.client("dynamodb").list_tables()["TableNames"] == [others["Table"].physical_id]
    assert aws.client("sqs").list_queues()["QueueUrls"] == [others["Queue"].physical_id]


def test_what_cannot_be_deleted_is_named_and_fails_the_run(
    aws: Aws, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client("cloudformation").create_stack(StackName="gatehouse-proof-1", TemplateBody=json.dumps(_TEMPLATE))
    removal = remove.Removal(aws, "gatehouse-proof-1")
    # A client that may not delete buckets; the other resources come after them.
    client = aws.client

    def refusing(service: Any) -> Any:
        found = client(service)
        if service == "s3":
            found.meta.events.register("before-parameter-build.s3.DeleteBucket", _refuse)
        return found

    monkeypatch.setattr(aws, "client", refusing)

    removal.run(report, keep=False)

    outcome, reason = _outcomes(report)["removed"]
    assert outcome is Outcome.FAILED
    assert "Bucket (" in reason
    assert boto3.client("sqs").list_queues().get("QueueUrls", []) == []


def _refuse(**_: object) -> None:
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteBucket")


def test_a_stack_that_is_kept_is_kept_and_said_to_be(aws: Aws, report: Report) -> None:
    aws.client("cloudformation").create_stack(StackName="gatehouse-proof-1", TemplateBody=json.dumps(_TEMPLATE))

    remove.Removal(aws, "gatehouse-proof-1").run(report, keep=True)

    assert status(aws.client("cloudformation"), "gatehouse-proof-1") is not None
    assert "kept" in _outcomes(report)["removed"][1]


def test_a_stack_that_exists_is_left_alone(aws: Aws, report: Report) -> None:
    aws.client("cloudformation").create_stack(StackName="gatehouse", TemplateBody=json.dumps(_TEMPLATE))

    with pytest.raises(RuntimeError, match="left alone"), deploy.deployed(report, aws, "gatehouse", {}, keep=False):
        raise AssertionError("it was entered")

    assert status(aws.client("cloudformation"), "gatehouse") is not None
    assert report.steps == []


def test_the_permissions_of_who_deploys_name_every_service_of_the_template() -> None:
    text = (_ROOT / "docs" / "deploying.md").read_text().split("## Who deploys")[1].split("\n## ")[0]
    named = set(
        re.findall(r"`([a-z0-9]+)`", "\n".join(line.split("|")[1] for line in text.splitlines() if "|" in line))
    )
    prefixes = {"ApiGatewayV2": "apigateway", "StepFunctions": "states"}
    services = {resource["Type"].split("::")[1] for resource in translated()["Resources"].values()}
    assert {prefixes.get(service, service.lower()) for service in services} <= named
