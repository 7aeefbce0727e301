"""The findings of preflight: each check has each of its words, and what may not be asked is none of them."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer

from ops import cli
from ops.preflight import earlier, limits, operator, permissions, place, plan, tasks
from ops.preflight.asked import Account, Finding, NotAskedError, Verdict
from ops.preflight.plan import Existing, Plan
from tests.aws import ENVIRONMENT, REGION
from tests.template.stack import ACCOUNT

_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/gatehouse"
_DIGEST = "sha256:" + "0" * 64
_LISTENER = {
    "SenselinkServers": "front",
    "SenselinkImage": f"{_IMAGE}:1",
    "SenselinkSubnets": "subnet-1",
    "SenselinkSecurityGroups": "sg-1",
}
_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:operators"
_USER = f"arn:aws:iam::{ACCOUNT}:user/deployer"
_SECRET = "wJalrXUtnFEMIexampleKEY"


class Asked:
    """An account whose services answer what a test has them answer, in this order and nothing else."""

    def __init__(self) -> None:
        self.account = Account(boto3.Session("AKIAIOSFODNN7EXAMPLE", _SECRET, region_name=REGION))
        self._stubs: dict[str, Stubber] = {}

    def _stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            self._stubs[service] = Stubber(self.account.client(service))
            self._stubs[service].activate()
        return self._stubs[service]

    def answers(self, service: str, operation: str, answer: dict[str, Any], expected: Any = None) -> None:
        self._stub(service).add_response(operation, answer, expected)

    def refuses(self, service: str, operation: str, code: str = "AccessDeniedException", **more: Any) -> None:
        self._stub(service).add_client_error(operation, code, **more)

    def end(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    account = Asked()
    yield account
    account.end()


def _plan(**given: str) -> Plan:
    return Plan("gatehouse", given)


def _at(existing: Existing, **given: str) -> Plan:
    return Plan("gatehouse", given, None, existing)


def _one(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


# ─── The settings, before anybody is asked ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("Trafic=small", "the template has no setting Trafic"),
        ("Traffic", "Traffic is to be NAME=VALUE"),
        ("Traffic=huge", "Traffic is to be one of small, medium, large"),
        ("RedriveConcurrency=1", "RedriveConcurrency is to be from 2 to 1000"),
        ("RedriveConcurrency=two", "RedriveConcurrency is to be a number"),
        ("OperatorTopicArn=mine", "OperatorTopicArn is to be the ARN of an SNS topic, or empty"),
        ("NoticeSubscribers=123456789012,*", "NoticeSubscribers is to be ids of AWS accounts"),
    ],
)
def test_a_setting_that_the_template_does_not_take_is_named(given: str, fault: str) -> None:
    assert _one_text(plan.faults([given])).startswith(fault)


def _one_text(texts: Iterable[str]) -> str:
    (text,) = texts
    return text


def test_settings_are_those_given_then_those_of_the_stack_then_the_defaults() -> None:
    made = Plan("gatehouse", {"Traffic": "large"}, {"Traffic": "medium", "RetentionDays": "30", "Gone": "1"})

    assert (made.settings["Traffic"], made.settings["RetentionDays"]) == ("large", "30")
    assert made.settings["LogRetentionDays"] == "30"
    assert "Gone" not in made.settings


# ─── Caller and region ────────────────────────────────────────────────────────────────────────────────────────────


def _identity(arn: str, off: timedelta = timedelta()) -> dict[str, Any]:
    date = format_datetime(datetime.now(UTC) - off, usegmt=True)
    return {
        "Account": ACCOUNT,
        "Arn": arn,
        "UserId": "A",
        "ResponseMetadata": {"HTTPHeaders": {"date": date}, "HTTPStatusCode": 200},
    }


def _said(caller: place.Caller) -> dict[str, Verdict]:
    return {finding.id: finding.verdict for finding in caller.findings}


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, Verdict.OK), (60, Verdict.LOOK), (-60, Verdict.LOOK), (600, Verdict.STOP), (-600, Verdict.STOP)],
)
def test_a_clock_is_held_against_aws_s(asked: Asked, seconds: int, verdict: Verdict) -> None:
    asked.answers("sts", "get_caller_identity", _identity(_USER, timedelta(seconds=seconds)))

    assert _said(place.Caller(asked.account)) == {"region": Verdict.OK, "credentials": Verdict.OK, "clock": verdict}


def test_a_session_is_shown_without_its_name(asked: Asked) -> None:
    """IAM Identity Center puts a person's address there."""
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/jane@example.com"
    asked.answers("sts", "get_caller_identity", _identity(arn))

    text = " ".join(finding.text for finding in place.Caller(asked.account).findings)
    assert "assumed-role/Admin" in text
    assert "jane" not in text


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_credentials_that_do_not_count_stop(asked: Asked, code: str) -> None:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    asked.refuses("sts", "get_caller_identity", code, response_meta={"HTTPHeaders": {"date": date}})

    caller = place.Caller(asked.account)

    assert _said(caller)["credentials"] is Verdict.STOP
    assert not caller.usable


def test_a_wrong_clock_is_told_although_it_spoils_the_signature(asked: Asked) -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    asked.refuses("sts", "get_caller_identity", "SignatureDoesNotMatch", response_meta={"HTTPHeaders": {"date": date}})

    assert _said(place.Caller(asked.account))["clock"] is Verdict.STOP


def test_an_endpoint_that_knows_no_sts_may_know_the_rest(asked: Asked) -> None:
    asked.refuses("sts", "get_caller_identity", "InvalidAction")

    caller = place.Caller(asked.account)

    assert _said(caller)["credentials"] is Verdict.LOOK
    assert caller.usable


@pytest.mark.parametrize("region", [None, "nowhere"])
def test_a_region_is_named(monkeypatch: pytest.MonkeyPatch, region: str | None) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    caller = place.Caller(Account(boto3.Session("AKIAIOSFODNN7EXAMPLE", _SECRET, region_name=region)))

    assert _said(caller) == {"region": Verdict.STOP}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("ENABLED", Verdict.OK),
        ("ENABLED_BY_DEFAULT", Verdict.OK),
        ("ENABLING", Verdict.STOP),
        ("DISABLED", Verdict.STOP),
    ],
)
def test_a_region_is_on_for_the_account(asked: Asked, status: str, verdict: Verdict) -> None:
    asked.answers("account", "get_region_opt_status", {"RegionName": REGION, "RegionOptStatus": status})

    assert place.opted_in(asked.account).verdict is verdict


@pytest.mark.parametrize(("region", "verdict"), [(REGION, Verdict.OK), ("eu-central-9", Verdict.LOOK)])
def test_a_region_has_the_services(region: str, verdict: Verdict) -> None:
    account = Account(boto3.Session("AKIAIOSFODNN7EXAMPLE", _SECRET, region_name=region))

    assert place.services(account, _plan(**_LISTENER).kinds()).verdict is verdict


# ─── Remains in the account ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["aws-doors", "AWS", "ssmdoors", "SSM-1"])
def test_a_stack_whose_parameter_ssm_would_refuse_is_stopped(name: str) -> None:
    assert "SSM" in (earlier.name_fault(name) or "")


@pytest.mark.parametrize("name", ["1st", "a_b", "a" * 129, ""])
def test_a_name_that_cloudformation_refuses_is_stopped(name: str) -> None:
    assert earlier.name_fault(name) is not None


@pytest.mark.parametrize("name", ["gatehouse", "Doors-2", "laws", "a" * 128])
def test_other_names_are_taken(name: str) -> None:
    assert earlier.name_fault(name) is None


@pytest.mark.parametrize(
    ("status", "verdict", "existing"),
    [
        (None, Verdict.OK, Existing.NONE),
        ("REVIEW_IN_PROGRESS", Verdict.LOOK, Existing.NONE),
        ("ROLLBACK_COMPLETE", Verdict.STOP, Existing.IN_THE_WAY),
        ("ROLLBACK_FAILED", Verdict.STOP, Existing.IN_THE_WAY),
        ("CREATE_FAILED", Verdict.STOP, Existing.IN_THE_WAY),
        ("DELETE_FAILED", Verdict.STOP, Existing.IN_THE_WAY),
        ("CREATE_IN_PROGRESS", Verdict.STOP, Existing.IN_THE_WAY),
        ("DELETE_IN_PROGRESS", Verdict.STOP, Existing.IN_THE_WAY),
        ("UPDATE_IN_PROGRESS", Verdict.STOP, Existing.DEPLOYED),
        ("UPDATE_ROLLBACK_FAILED", Verdict.STOP, Existing.DEPLOYED),
        ("CREATE_COMPLETE", Verdict.OK, Existing.DEPLOYED),
        ("UPDATE_COMPLETE", Verdict.OK, Existing.DEPLOYED),
        ("UPDATE_ROLLBACK_COMPLETE", Verdict.OK, Existing.DEPLOYED),
    ],
)
def test_a_stack_in_the_way_is_told_with_what_to_do(status: str | None, verdict: Verdict, existing: Existing) -> None:
    found = None if status is None else {"StackStatus": status}
    finding = earlier.state("gatehouse", found)

    assert finding.verdict is verdict
    assert earlier.existing(found) is existing
    if status in {"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"}:
        assert "aws cloudformation delete-stack --stack-name gatehouse" in finding.text


@pytest.mark.parametrize(
    ("existing", "protection", "verdict"),
    [
        (Existing.NONE, "no", Verdict.OK),
        (Existing.NONE, "yes", Verdict.STOP),
        (Existing.IN_THE_WAY, "yes", Verdict.STOP),
        (Existing.DEPLOYED, "no", Verdict.LOOK),
        (Existing.DEPLOYED, "yes", Verdict.OK),
    ],
)
def test_tables_are_protected_after_the_first_deployment_and_not_before(
    existing: Existing, protection: str, verdict: Verdict
) -> None:
    finding = earlier.protection(_at(existing, DeletionProtection=protection))

    assert finding.verdict is verdict
    assert verdict is not Verdict.LOOK or "make deploy ARGS=" in finding.text


@pytest.mark.parametrize("protection", ["no", "yes"])
def test_where_nobody_says_whether_there_is_a_stack_protection_is_no_matter_of_preflight(protection: str) -> None:
    with pytest.raises(NotAskedError, match="cloudformation:DescribeStacks"):
        earlier.protection(_at(Existing.UNKNOWN, DeletionProtection=protection))


@mock_aws
def test_rules_that_an_earlier_stack_left_are_told_and_those_of_ours_are_not() -> None:
    account = Account(boto3.Session(region_name=REGION))
    assert earlier.rules(account, _plan()).verdict is Verdict.OK

    account.client("ssm").put_parameter(Name="/gatehouse/door-rules", Value="{}", Type="String")

    assert earlier.rules(account, _plan()).verdict is Verdict.LOOK
    assert earlier.rules(account, _at(Existing.DEPLOYED)).verdict is Verdict.OK
    assert earlier.rules(account, Plan("other", {})).verdict is Verdict.OK


@mock_aws
def test_a_log_group_of_the_name_that_the_template_gives_stops_and_what_was_kept_is_counted() -> None:
    account = Account(boto3.Session(region_name=REGION))
    assert [each.verdict for each in earlier.leftovers(account, _plan())] == [Verdict.OK, Verdict.OK]

    account.client("logs").create_log_group(logGroupName="/aws/vendedlogs/gatehouse/api")
    for name in ("gatehouse-A", "gatehouse-B"):
        queue = account.client("sqs").create_queue(QueueName=name, tags={"aws:cloudformation:stack-name": "gatehouse"})
        assert queue["QueueUrl"]

    log_group, kept = earlier.leftovers(account, _plan())
    assert (log_group.verdict, kept.verdict) == (Verdict.STOP, Verdict.LOOK)
    assert "2 of sqs" in kept.text
    # It waits for its deletion, and a new stack has one of its own.
    tags = [{"TagKey": "aws:cloudformation:stack-name", "TagValue": "gatehouse"}]
    assert account.client("kms").create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    assert "kms" not in list(earlier.leftovers(account, _plan()))[1].text
    assert list(earlier.leftovers(account, _at(Existing.DEPLOYED))) == []


@pytest.mark.parametrize(
    ("policies", "verdict"),
    [
        ({}, Verdict.OK),
        ({f"p{number}": "{}" for number in range(9)}, Verdict.OK),
        ({f"p{number}": "{}" for number in range(10)}, Verdict.STOP),
        ({"AWSLogDeliveryWrite20150319": "x" * 5100}, Verdict.STOP),
        ({"AWSLogDeliveryWrite20150319": "x" * 500}, Verdict.OK),
        (
            {f"p{number}": "{}" for number in range(9)}
            | {"AWSLogDeliveryWrite20150319": "delivery.logs.amazonaws.com /aws/vendedlogs/*" + "x" * 5060},
            Verdict.OK,
        ),
    ],
)
def test_the_access_log_has_room_in_the_account_s_policies(
    asked: Asked, policies: dict[str, str], verdict: Verdict
) -> None:
    answer = [{"policyName": name, "policyDocument": text} for name, text in policies.items()]
    asked.answers("logs", "describe_resource_policies", {"resourcePolicies": answer})

    assert _one(earlier.log_policies(asked.account, _plan())).verdict is verdict


def _stack(status: str, **outputs: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "StackName": earlier.SAM_STACK,
                "CreationTime": datetime.now(UTC),
                "StackStatus": status,
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


def test_sam_s_bucket_is_yet_to_be_made(asked: Asked) -> None:
    asked.refuses("cloudformation", "describe_stacks", "ValidationError")

    assert earlier.bucket(asked.account).verdict is Verdict.OK


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS"])
def test_a_broken_stack_of_sam_s_stops(asked: Asked, status: str) -> None:
    asked.answers("cloudformation", "describe_stacks", _stack(status))

    assert earlier.bucket(asked.account).verdict is Verdict.STOP


@pytest.mark.parametrize(
    ("code", "verdict"), [(None, Verdict.OK), ("404", Verdict.STOP), ("403", Verdict.LOOK)]
)  # fmt: skip
def test_sam_s_bucket_is_looked_at(asked: Asked, code: str | None, verdict: Verdict) -> None:
    asked.answers("cloudformation", "describe_stacks", _stack("CREATE_COMPLETE", SourceBucket="b"))
    if code is None:
        asked.answers("s3", "head_bucket", {})
    else:
        asked.refuses("s3", "head_bucket", code)

    assert earlier.bucket(asked.account).verdict is verdict


# ─── Concurrency ──────────────────────────────────────────────────────────────────────────────────────────────────


def _concurrency(asked: Asked, limit: int, free: int, plan: Plan) -> Finding:
    answer = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": free}}
    asked.answers("lambda", "get_account_settings", answer)
    return _one(limits.concurrency(asked.account, plan))


@pytest.mark.parametrize(
    ("limit", "free", "given", "verdict"),
    [
        (1000, 1000, {}, Verdict.OK),
        (1000, 1000, {"DoorReservedConcurrency": "800", "Eye4ResolverConcurrency": "60"}, Verdict.OK),
        (1000, 1000, {"DoorReservedConcurrency": "900", "Eye4ResolverConcurrency": "1"}, Verdict.STOP),
        (1000, 300, {"Eye4ResolverConcurrency": "201"}, Verdict.STOP),
        (10, 10, {"Eye4ResolverConcurrency": "1"}, Verdict.STOP),
        (10, 10, {"DoorProvisionedConcurrency": "1"}, Verdict.STOP),
        (50, 50, {"DoorReservedConcurrency": "1"}, Verdict.STOP),
        (110, 110, {"DoorReservedConcurrency": "10"}, Verdict.OK),
        (110, 110, {"DoorReservedConcurrency": "11"}, Verdict.STOP),
        (110, 110, {"DoorReservedConcurrency": "10", "DoorProvisionedConcurrency": "10"}, Verdict.OK),
        (1000, 1000, {"DoorReservedConcurrency": "5", "DoorProvisionedConcurrency": "6"}, Verdict.STOP),
    ],
)
def test_a_reservation_leaves_lambda_s_minimum(
    asked: Asked, limit: int, free: int, given: dict[str, str], verdict: Verdict
) -> None:
    assert _concurrency(asked, limit, free, _plan(**given)).verdict is verdict


@pytest.mark.parametrize(
    ("limit", "free", "given"),
    [
        (10, 10, {}),
        (50, 50, {"Traffic": "medium"}),
        (1000, 50, {"Traffic": "medium"}),
        (1000, 1000, {"Traffic": "large", "RedriveConcurrency": "1000"}),
    ],
)
def test_a_small_account_is_to_have_more_before_vendors_are_pointed_at_it(
    asked: Asked, limit: int, free: int, given: dict[str, str]
) -> None:
    asked.answers("service-quotas", "get_service_quota", {"Quota": {"Value": 1000.0}})
    history = {"RequestedQuotas": [{"DesiredValue": 2000.0, "Status": "PENDING"}]}
    asked.answers("service-quotas", "list_requested_service_quota_change_history_by_quota", history)

    finding = _concurrency(asked, limit, free, _plan(**given))

    assert finding.verdict is Verdict.LOOK
    assert f"runs {limit} at once" in finding.text
    assert "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384" in (
        finding.text
    )
    assert "2000 were asked for already" in finding.text
    assert ("Lambda 10, which counts" in finding.text) == (limit == 10)


def test_what_has_to_stay_unreserved_in_a_small_account_is_all_of_it(asked: Asked) -> None:
    text = _concurrency(asked, 10, 10, _plan(DoorReservedConcurrency="5")).text

    assert text.startswith("DoorReservedConcurrency: they would take 5, and of 10 unreserved 10 have to stay so")
    assert text.endswith("--service-code lambda --quota-code L-B99A9384 --desired-value 1000")


def test_a_reservation_is_the_most_that_its_routes_get(asked: Asked) -> None:
    answer = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}}
    asked.answers("lambda", "get_account_settings", answer)

    tight, whole = limits.concurrency(asked.account, _plan(DoorReservedConcurrency="2"))

    assert (tight.verdict, whole.verdict) == (Verdict.LOOK, Verdict.OK)
    assert tight.text.startswith("DoorReservedConcurrency=2")


def test_every_route_is_of_a_function_and_has_a_rate() -> None:
    demand = limits.Demand(_plan(Traffic="medium"))

    assert sum(demand.let_in.values()) == sum(demand.rates.values()) == 8 * 200


def test_a_quota_that_may_not_be_asked_leaves_the_advice(asked: Asked) -> None:
    asked.refuses("service-quotas", "get_service_quota", "AccessDeniedException")

    text = _concurrency(asked, 10, 10, _plan()).text

    assert "--desired-value 1000" in text
    assert "cannot be asked: servicequotas:GetServiceQuota" in text


def test_what_the_stack_has_reserved_already_is_not_asked_for_again(asked: Asked) -> None:
    detail = {
        "LogicalResourceId": "F",
        "PhysicalResourceId": "f",
        "ResourceType": "AWS::Lambda::Function",
        "LastUpdatedTimestamp": datetime.now(UTC),
        "ResourceStatus": "CREATE_COMPLETE",
    }
    asked.answers("cloudformation", "describe_stack_resource", {"StackResourceDetail": detail})
    asked.answers("lambda", "get_account_settings", {
        "AccountLimit": {"ConcurrentExecutions": 200, "UnreservedConcurrentExecutions": 110}
    })  # fmt: skip
    asked.answers("lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": 90}, {"FunctionName": "f"})

    plan = _at(Existing.DEPLOYED, DoorReservedConcurrency="95")

    assert _one(limits.concurrency(asked.account, plan)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("traffic", "rate", "verdict"),
    [
        ("small", 10000.0, Verdict.OK),
        ("large", 10000.0, Verdict.OK),
        ("large", 2500.0, Verdict.LOOK),
        ("small", 399.0, Verdict.LOOK),
        ("small", 400.0, Verdict.OK),
    ],
)
def test_all_routes_together_stay_within_the_account_s_rate(
    asked: Asked, traffic: str, rate: float, verdict: Verdict
) -> None:
    asked.answers("apigateway", "get_account", {"throttleSettings": {"burstLimit": 5000, "rateLimit": rate}})

    assert _one(limits.throttle(asked.account, _plan(Traffic=traffic))).verdict is verdict


# ─── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_tasks_nobody_is_asked_of_them(asked: Asked) -> None:
    checks = (tasks.role, tasks.images, tasks.network)
    assert [list(check(asked.account, _plan())) for check in checks] == [[], [], []]


@pytest.mark.parametrize(
    "given", [_LISTENER, {**_LISTENER, "SenselinkServers": "", "SenselinkCatchUp": "rate(1 hour)"}]
)
def test_ecs_s_own_role_is_made_beforehand(asked: Asked, given: dict[str, str]) -> None:
    asked.refuses("iam", "get_role", "NoSuchEntity")
    role = {"Path": "/", "RoleName": "AWSServiceRoleForECS", "RoleId": "A" * 16, "Arn": "arn:aws:iam::1:role/x"}
    asked.answers("iam", "get_role", {"Role": {**role, "CreateDate": datetime.now(UTC)}})

    missing = _one(tasks.role(asked.account, _plan(**given)))
    assert missing.verdict is Verdict.STOP
    assert "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com" in missing.text
    assert _one(tasks.role(asked.account, _plan(**given))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("image", "code", "verdict"),
    [
        (f"{_IMAGE}@{_DIGEST}", None, Verdict.OK),
        (f"{_IMAGE}:1", None, Verdict.LOOK),
        (f"{_IMAGE}:1", "ImageNotFoundException", Verdict.STOP),
        (f"{_IMAGE}:1", "RepositoryNotFoundException", Verdict.STOP),
    ],
)
def test_an_image_is_in_ecr(
    monkeypatch: pytest.MonkeyPatch, asked: Asked, image: str, code: str | None, verdict: Verdict
) -> None:
    ecr = asked.account.client("ecr")
    monkeypatch.setitem(asked.account._clients, ("ecr", REGION), ecr)  # noqa: SLF001 - the region is the image's
    if code:
        asked.refuses("ecr", "describe_images", code)
    else:
        asked.answers("ecr", "describe_images", {"imageDetails": []}, {
            "registryId": ACCOUNT, "repositoryName": "gatehouse", "imageIds": ANY
        })  # fmt: skip

    assert _one(tasks.images(asked.account, _plan(**{**_LISTENER, "SenselinkImage": image}))).verdict is verdict


def test_an_image_elsewhere_cannot_be_asked_for_and_none_stops(asked: Asked) -> None:
    elsewhere = _plan(**{**_LISTENER, "SenselinkImage": "docker.io/gatehouse:1"})
    none = _plan(**{**_LISTENER, "SenselinkImage": ""})

    assert _one(tasks.images(asked.account, elsewhere)).verdict is Verdict.LOOK
    stopped = _one(tasks.images(asked.account, none))
    assert stopped.verdict is Verdict.STOP
    assert "SenselinkImage" in stopped.text


@mock_aws
def test_subnets_and_security_groups_are_there_and_of_one_vpc() -> None:
    account = Account(boto3.Session(region_name=REGION))
    ec2 = account.client("ec2")
    mine, other = (ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2))
    subnet = ec2.create_subnet(VpcId=mine, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    groups = {
        vpc: ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"] for vpc in (mine, other)
    }

    def said(subnets: str, group: str, **more: str) -> Finding:
        given = {**_LISTENER, "SenselinkSubnets": subnets, "SenselinkSecurityGroups": group, **more}
        return _one(tasks.network(account, _plan(**given)))

    assert said(subnet, groups[mine]).verdict is Verdict.OK
    # The schedule has the same network, which is told once.
    assert said(subnet, groups[mine], SenselinkCatchUp="rate(1 hour)").verdict is Verdict.OK
    assert said(subnet, groups[other]).verdict is Verdict.STOP
    assert said("subnet-0123456789abcdef0", groups[mine]).verdict is Verdict.STOP
    assert said(subnet, "sg-0123456789abcdef0").verdict is Verdict.STOP
    empty = said("", groups[mine])
    assert (empty.verdict, "SenselinkSubnets" in empty.text) == (Verdict.STOP, True)


@mock_aws
def test_a_task_without_an_address_in_a_public_subnet_reaches_nothing() -> None:
    account = Account(boto3.Session(region_name=REGION))
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    given = {**_LISTENER, "SenselinkSubnets": subnet, "SenselinkSecurityGroups": group}
    assert _one(tasks.network(account, _plan(**given))).verdict is Verdict.OK

    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)

    assert _one(tasks.network(account, _plan(**given))).verdict is Verdict.LOOK
    assert _one(tasks.network(account, _plan(**given, SenselinkPublicIp="ENABLED"))).verdict is Verdict.OK


# ─── The operator's topic ─────────────────────────────────────────────────────────────────────────────────────────


def _policy(principal: Any, *actions: str) -> str:
    return json.dumps({"Statement": {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}})


_OWNER = _policy({"AWS": "*"}, "SNS:Publish", "SNS:Subscribe")
_CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}


def _topic(asked: Asked, **attributes: str) -> None:
    attributes = {"Policy": _OWNER, "SubscriptionsConfirmed": "1"} | attributes
    asked.answers("sns", "get_topic_attributes", {"Attributes": attributes})


def _operator(asked: Asked, arn: str = _TOPIC) -> Finding:
    return _one(operator.check(asked.account, _plan(OperatorTopicArn=arn)))


def test_alarms_that_are_mailed_by_a_topic_of_the_stack_are_not_looked_for_before_it_is_there(asked: Asked) -> None:
    finding = _one(operator.check(asked.account, _plan(OperatorEmail="night@example.com")))

    assert finding.verdict is Verdict.OK
    assert "example.com" not in finding.text


@pytest.mark.parametrize(("limit", "said"), [(1000, []), (10, ["AccountConcurrency"]), (3000, ["AccountConcurrency"])])
def test_the_alarm_on_the_accounts_concurrency_knows_the_account(asked: Asked, limit: int, said: list[str]) -> None:
    answer = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}}
    asked.answers("lambda", "get_account_settings", answer)

    found = list(limits.alarm(asked.account, _plan()))

    assert [finding.verdict for finding in found] == [Verdict.LOOK for _ in said]
    assert all(f"AccountConcurrency={limit}" in finding.text for finding in found)


def test_what_two_checks_look_at_is_asked_once(asked: Asked) -> None:
    answer = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}}
    asked.answers("lambda", "get_account_settings", answer)  # once: a second call would have no answer

    found = [*limits.concurrency(asked.account, _plan()), *limits.alarm(asked.account, _plan())]

    assert [finding.verdict for finding in found] == [Verdict.OK]


def test_alarms_that_go_nowhere_are_told(asked: Asked) -> None:
    assert _operator(asked, "").verdict is Verdict.LOOK


@pytest.mark.parametrize(
    ("attributes", "verdict"),
    [
        ({}, Verdict.OK),
        ({"Policy": _policy(_CLOUDWATCH, "sns:Publish")}, Verdict.OK),
        ({"Policy": _policy({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "sns:*")}, Verdict.OK),
        ({"Policy": _policy({"Service": "budgets.amazonaws.com"}, "sns:Publish")}, Verdict.LOOK),
        ({"SubscriptionsConfirmed": "0"}, Verdict.LOOK),
        ({"KmsMasterKeyId": "alias/aws/sns"}, Verdict.STOP),
    ],
)
def test_a_topic_lets_cloudwatch_in(asked: Asked, attributes: dict[str, str], verdict: Verdict) -> None:
    _topic(asked, **attributes)

    assert _operator(asked).verdict is verdict


@pytest.mark.parametrize("arn", ["arn:aws:sns:us-east-1:123456789012:ops", "arn:aws:sns:ops"])
def test_a_topic_elsewhere_is_none(asked: Asked, arn: str) -> None:
    assert _operator(asked, arn).verdict is Verdict.STOP


def test_a_topic_that_is_not_there_stops(asked: Asked) -> None:
    asked.refuses("sns", "get_topic_attributes", "NotFound")

    assert _operator(asked).verdict is Verdict.STOP


@pytest.mark.parametrize(
    ("metadata", "policy", "verdict"),
    [
        ({}, _policy(_CLOUDWATCH, "kms:Decrypt", "kms:GenerateDataKey*"), Verdict.OK),
        ({}, _policy(_CLOUDWATCH, "kms:*"), Verdict.OK),
        ({}, _policy(_CLOUDWATCH, "kms:Decrypt"), Verdict.STOP),
        ({}, _policy({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*"), Verdict.STOP),
        ({"KeyState": "Disabled"}, None, Verdict.STOP),
        ({"KeyManager": "AWS"}, None, Verdict.STOP),
    ],
)
def test_a_topic_s_key_lets_cloudwatch_in(
    asked: Asked, metadata: dict[str, str], policy: str | None, verdict: Verdict
) -> None:
    _topic(asked, KmsMasterKeyId="alias/mine")
    asked.answers("kms", "describe_key", {"KeyMetadata": {"KeyId": "k", **metadata}})
    if policy is not None:
        asked.answers("kms", "get_key_policy", {"Policy": policy}, {"KeyId": "k", "PolicyName": "default"})

    assert _operator(asked).verdict is verdict


def test_a_key_that_may_not_be_looked_at_is_no_fault(asked: Asked) -> None:
    _topic(asked, KmsMasterKeyId="alias/mine")
    asked.refuses("kms", "describe_key")

    finding = _operator(asked)

    assert finding.verdict is Verdict.LOOK
    assert "cannot be asked: kms:DescribeKey" in finding.text


# ─── The deploying identity ───────────────────────────────────────────────────────────────────────────────────────


def test_every_type_of_the_template_says_what_creating_it_takes() -> None:
    for kind in _plan(**_LISTENER, SenselinkCatchUp="rate(1 hour)").kinds():
        assert permissions.schema(kind)["handlers"]["create"]["permissions"], kind


def test_an_exception_is_of_something_that_the_schema_says() -> None:
    """Else it hides what a newer schema says, or nothing."""
    said = permissions.rules()
    stale = [
        (kind, pattern)
        for kind, pattern in (
            *((kind, each) for kind, listed in said["never"].items() for each in listed),
            *((kind, each) for kind, by in said["with"].items() for listed in by.values() for each in listed),
        )
        if not any(
            fnmatchcase(action, pattern) for action in permissions.schema(kind)["handlers"]["create"]["permissions"]
        )
    ]
    unknown = [
        (kind, name)
        for table in ("also", "with")
        for kind, by in said[table].items()
        for name in by
        if name not in permissions.schema(kind)["properties"]
    ]
    assert (stale, unknown) == ([], [])


def _needed(**given: str) -> set[str]:
    made = _plan(**given)
    return set(permissions.needed({kind: list(made.of(kind).values()) for kind in made.kinds()}))


def test_what_creating_takes_follows_the_settings() -> None:
    usual = _needed()
    assert {
        "iam:PassRole",
        "lambda:CreateFunction",
        "logs:CreateLogDelivery",
        "cloudformation:ExecuteChangeSet",
    } <= usual
    assert not any(action.startswith(("ecs:", "kinesis:", "s3tables:", "scheduler:")) for action in usual)
    assert _needed(DoorReservedConcurrency="5") - usual == {"lambda:PutFunctionConcurrency"}
    assert "lambda:PutProvisionedConcurrencyConfig" in _needed(DoorProvisionedConcurrency="5")
    assert {"ecs:CreateService", "ecs:RegisterTaskDefinition"} <= _needed(**_LISTENER)


def test_what_is_refused_for_everything_is_asked_again_for_every_service() -> None:
    services = {action.partition(":")[0] for action in _needed(**_LISTENER, SenselinkCatchUp="rate(1 hour)")}
    assert services == set(permissions.rules()["arns"])


def _simulated(asked: Asked, decide: Callable[[str, str], tuple[str, list[str]]], resources: Iterable[str]) -> None:
    """Has the simulator decide on all actions, for everything and then for some ARNs."""
    actions = sorted(_needed())
    stub = asked._stub("iam")  # noqa: SLF001
    left = actions
    for resource in resources:
        wanted = [action for action in left if resource == "*" or action.startswith(resource.split(":")[2] + ":")]
        for start in range(0, len(wanted), 50):
            some = wanted[start : start + 50]
            results = []
            for action in some:
                decision, missing = decide(action, resource)
                results.append({
                    "EvalActionName": action, "EvalDecision": decision, "MissingContextValues": missing
                })  # fmt: skip
            stub.add_response("simulate_principal_policy", {"EvaluationResults": results}, {
                "PolicySourceArn": _USER, "ActionNames": some, "ResourceArns": [ANY], "ContextEntries": ANY
            })  # fmt: skip
        left = [each for each in left if each not in wanted or decide(each, resource)[0] != "allowed"]


def test_a_caller_who_may_do_all_is_let_go(asked: Asked) -> None:
    _simulated(asked, lambda *_: ("allowed", []), ["*"])

    assert permissions.check(asked.account, _plan(), _USER).verdict is Verdict.OK


def test_a_policy_for_this_stack_s_resources_alone_is_enough(asked: Asked) -> None:
    def decide(action: str, resource: str) -> tuple[str, list[str]]:
        return ("implicitDeny" if action.startswith("sqs:") and resource == "*" else "allowed"), []

    _simulated(asked, decide, ["*", "arn:aws:sqs"])

    assert permissions.check(asked.account, _plan(), _USER).verdict is Verdict.OK


def test_what_is_not_allowed_stops_by_name(asked: Asked) -> None:
    def decide(action: str, _: str) -> tuple[str, list[str]]:
        return ("implicitDeny" if action == "sqs:CreateQueue" else "allowed"), []

    _simulated(asked, decide, ["*", "arn:aws:sqs"])
    finding = permissions.check(asked.account, _plan(), _USER)

    assert finding.verdict is Verdict.STOP
    assert "sqs:CreateQueue" in finding.text


def test_what_hangs_on_a_condition_is_not_called_refused(asked: Asked) -> None:
    def decide(action: str, _: str) -> tuple[str, list[str]]:
        return ("implicitDeny", ["aws:MultiFactorAuthPresent"]) if action == "sqs:CreateQueue" else ("allowed", [])

    _simulated(asked, decide, ["*", "arn:aws:sqs"])
    finding = permissions.check(asked.account, _plan(), _USER)

    assert finding.verdict is Verdict.LOOK
    assert "aws:MultiFactorAuthPresent" in finding.text


def test_the_root_user_is_told_to_be_somebody_else(asked: Asked) -> None:
    assert permissions.check(asked.account, _plan(), f"arn:aws:iam::{ACCOUNT}:root").verdict is Verdict.LOOK


def test_a_simulator_that_may_not_be_asked_is_named(asked: Asked) -> None:
    asked.refuses("iam", "simulate_principal_policy", "AccessDenied")

    with pytest.raises(NotAskedError, match=r"^cannot be asked: iam:SimulatePrincipalPolicy$"):
        permissions.check(asked.account, _plan(), _USER)


def test_a_session_s_policies_are_those_of_its_role_with_the_role_s_path(asked: Asked) -> None:
    session = f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_1/jane"
    arn = f"arn:aws-cn:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1"
    role = {"Path": "/", "RoleName": "AWSReservedSSO_Admin_1", "RoleId": "A" * 16, "Arn": arn}
    asked.answers("iam", "get_role", {"Role": {**role, "CreateDate": datetime.now(UTC)}})
    asked.refuses("iam", "get_role", "AccessDenied")

    assert permissions.principal(asked.account, session) == arn
    assert permissions.principal(asked.account, session) == (f"arn:aws-cn:iam::{ACCOUNT}:role/AWSReservedSSO_Admin_1")


def test_a_federated_user_s_policies_cannot_be_asked_for(asked: Asked) -> None:
    with pytest.raises(NotAskedError, match="federated-user"):
        permissions.principal(asked.account, f"arn:aws:sts::{ACCOUNT}:federated-user/jane")


# ─── The command ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"])
def test_what_may_not_be_asked_names_the_permission_alone(asked: Asked, code: str) -> None:
    asked.refuses("lambda", "get_account_settings", code)

    with pytest.raises(NotAskedError, match=r"^cannot be asked: lambda:GetAccountSettings$"):
        list(limits.concurrency(asked.account, _plan()))


@pytest.mark.parametrize("code", ["UnknownOperationException", "NotImplemented", "501"])
def test_what_an_endpoint_does_not_know_is_named_with_its_word(asked: Asked, code: str) -> None:
    asked.refuses("lambda", "get_account_settings", code)

    with pytest.raises(NotAskedError, match=rf"^cannot be asked: lambda:GetAccountSettings \({code}\)$"):
        list(limits.concurrency(asked.account, _plan()))


type Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`gatehouse preflight …`: its status and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gatehouse", "preflight", *arguments])
        status = cli.main()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    for name, value in {**ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": _SECRET}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", REGION)
    return run


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An endpoint that is not AWS, and knows some of it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def elsewhere(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return endpoint


@pytest.mark.usefixtures("elsewhere")
def test_an_account_without_anything_in_the_way_is_let_go_a_line_a_check(command: Command) -> None:
    status, out, err = command()

    assert (status, err) == (0, "")
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert {word for word, *_ in lines} == {"ok", "look"}
    said = {name: text for _, name, text in lines}
    assert len(said) == len(lines)
    assert said["permissions"].startswith("cannot be asked: iam:SimulatePrincipalPolicy")
    assert said["lambda-concurrency"].startswith("cannot be asked: lambda:GetAccountSettings")
    assert _SECRET not in out


@pytest.mark.usefixtures("elsewhere")
def test_json_is_an_array_and_nothing_else(command: Command) -> None:
    status, out, err = command("--json", "--parameter", "DeletionProtection=yes", "Traffic=large")

    findings = json.loads(out)
    assert (status, err) == (1, "")
    assert {name for finding in findings for name in finding} == {"id", "verdict", "text"}
    assert [each["id"] for each in findings if each["verdict"] == "stop"] == ["deletion-protection"]
    assert "8000" in next(each["text"] for each in findings if each["id"] == "api-throttle")


@pytest.mark.usefixtures("elsewhere")
def test_everything_that_stops_is_told_at_once(command: Command) -> None:
    given = [f"{name}={value}" for name, value in {**_LISTENER, "OperatorTopicArn": _TOPIC}.items()]

    status, out, _ = command("--stack", "awsome", "--parameter", *given)

    stops = {line.split()[1] for line in out.splitlines() if line.startswith("stop")}
    assert status == 1
    assert stops == {"stack-name", "ecs-role", "image", "network", "operator-topic"}


@pytest.mark.usefixtures("elsewhere")
def test_the_settings_of_a_stack_that_is_there_count(command: Command) -> None:
    cloudformation = boto3.client("cloudformation")
    body = {
        "Parameters": {"Traffic": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
    cloudformation.create_stack(
        StackName="there",
        TemplateBody=json.dumps(body),
        Parameters=[{"ParameterKey": "Traffic", "ParameterValue": "medium"}],
    )

    _, out, _ = command("--stack", "there", "--json")

    said = {finding["id"]: finding for finding in json.loads(out)}
    assert "1600" in said["api-throttle"]["text"]
    assert said["stack"]["text"] == "there is CREATE_COMPLETE: this is an update"
    assert said["deletion-protection"]["verdict"] == "look"
    assert "leftovers" not in said


def test_a_setting_that_is_none_is_a_wrong_call_and_asks_nobody(command: Command) -> None:
    status, out, err = command("--json", "--parameter", "Trafic=small", "--parameter", "Traffic=huge")

    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "gatehouse: the template has no setting Trafic",
        "gatehouse: Traffic is to be one of small, medium, large",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL", "nowhere"),
        ("AWS_PROFILE", "nobody"),
        ("AWS_DEFAULT_REGION", "nowhere"),
    ],
)
def test_where_nobody_can_be_asked_the_answer_is_stop_and_no_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    status, out, err = command("--json")

    assert (status, err) == (1, "")
    assert json.loads(out)[-1]["verdict"] == "stop"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"<html>Sign in</html>"),
        (404, b"not found"),
        (501, b"<x/>"),
    ],
)
def test_what_answers_and_is_not_aws_gets_no_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch, httpserver_ipv4: HTTPServer, status: int, body: bytes
) -> None:
    httpserver_ipv4.expect_request(re.compile(".*")).respond_with_data(body, status)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{httpserver_ipv4.port}")

    _, out, err = command("--json", "--parameter", *(f"{name}={value}" for name, value in _LISTENER.items()))

    assert httpserver_ipv4.log
    assert err == ""
    assert {finding["verdict"] for finding in json.loads(out)} <= {"ok", "look", "stop"}


def test_without_credentials_the_answer_is_stop(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")

    status, out, _ = command()

    assert status == 1
    assert out.splitlines()[-1].startswith("stop  credentials")
