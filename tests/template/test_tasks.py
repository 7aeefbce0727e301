"""Faults of the tasks that only ECS itself would find, and the ways in which tasks end."""

import importlib
import importlib.util
import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import pytest

from gatehouse.errors import WrongSetting
from gatehouse.settings import Settings
from gatehouse.telemetry import NAMESPACE
from tests.settings import settings_of
from tests.template import dockerfile, driver
from tests.template.dockerfile import Dockerfile
from tests.template.stack import ACCOUNT, ROOT, Document, Stack, Task, sam

_OFF: Final = Stack()
_ON: Final = Stack(driver.parameters())
_TASKS: Final = _ON.tasks()
_PARAMETERS: Final[Document] = sam()["Parameters"]
# Read by libraries, and by no Settings of ours.
_OF_LIBRARIES: Final = {
    "AWS_DEFAULT_REGION",  # https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
    "PYDANTIC_DISABLE_PLUGINS",  # https://docs.pydantic.dev/latest/concepts/plugins/
}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
_MEMORY: Final[Mapping[int, range | list[int]]] = {
    256: [512, 1024, 2048],
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
}

every_task = pytest.mark.parametrize("task", _TASKS, ids=lambda task: task.name)


def _own(task: Task) -> ModuleType:
    found = driver.own(task.folder)
    assert found is not None
    return found


def _settings(task: Task) -> type[Settings]:
    return settings_of(importlib.import_module(task.module))


def _image(task: Task) -> Dockerfile:
    return dockerfile.read(ROOT / "functions" / task.folder / "Dockerfile")


def _service(task: Task) -> Document:
    arn = _ON.physical(task.name).ref
    (found,) = (entry for entry in _ON.of_type("AWS::ECS::Service").values() if entry["TaskDefinition"] == arn)
    return found


def _group(parameter: str) -> list[str]:
    """The parameters that are asked for together with one."""
    groups = sam()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    (found,) = (group["Parameters"] for group in groups if parameter in group["Parameters"])
    return list(found)


# ─── Whether there is one at all ──────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_ecs_is_there_unless_it_is_asked_for() -> None:
    assert {entry["Type"] for entry in _ON.resources.values() if "::ECS::" in entry["Type"]} == {
        "AWS::ECS::Cluster",
        "AWS::ECS::Service",
        "AWS::ECS::TaskDefinition",
    }
    assert [name for name, entry in _OFF.resources.items() if "::ECS::" in entry["Type"]] == []
    assert [name for name in _OFF.of_type("AWS::IAM::Role") if name in {t.role for t in _TASKS}] == []


def test_what_is_there_needs_nothing_that_is_not() -> None:
    """A Ref to a resource whose condition does not hold is an error of CloudFormation's."""
    for stack in (_OFF, _ON):
        for name, resource in stack.resources.items():
            stack.resolve(resource.get("Properties", {}))
            assert set(_listed(resource.get("DependsOn", []))) <= set(stack.resources), name
        for output in sam()["Outputs"].values():
            if "Condition" not in output:
                stack.resolve(output["Value"])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@every_task
def test_a_task_without_what_it_needs_is_refused_by_name_before_anything_is_made(task: Task) -> None:
    own = _own(task)
    assert Stack(own.PARAMETERS).refusals() == []
    assert Stack().refusals() == []
    assert Stack(own.NEEDED).refusals() == []
    for missing in own.NEEDED:
        (said,) = Stack({**own.PARAMETERS, missing: ""}).refusals()
        assert missing in said
        assert own.SWITCH in said
    for switch, value in own.PARAMETERS.items():
        if switch not in own.NEEDED:
            refusals = Stack({switch: value}).refusals()
            assert len(refusals) == len(own.NEEDED)
            assert all(switch in said for said in refusals)


@every_task
def test_every_setting_of_a_task_changes_something(task: Task) -> None:
    def made(**settings: str) -> dict[str, Any]:
        stack = Stack({**driver.parameters(), **settings})
        kinds = ("AWS::ECS::Service", "AWS::ECS::TaskDefinition", "AWS::Scheduler::Schedule")
        return {kind: stack.of_type(kind) for kind in kinds}

    for name in _group(_own(task).SWITCH):
        parameter = _PARAMETERS[name]
        others = [*parameter.get("AllowedValues", []), parameter.get("MaxValue", "another")]
        assert any(made(**{name: str(other)}) != made() for other in others), name


# ─── The task ─────────────────────────────────────────────────────────────────────────────────────────────────────


@every_task
def test_a_task_has_a_size_that_fargate_has(task: Task) -> None:
    assert task.properties["RequiresCompatibilities"] == ["FARGATE"]
    assert task.properties["NetworkMode"] == "awsvpc"
    assert int(task.properties["Memory"]) in _MEMORY[int(task.properties["Cpu"])]


@every_task
def test_a_task_runs_on_the_processor_that_its_image_is_for(task: Task) -> None:
    assert task.properties["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    assert "--platform linux/arm64" in (ROOT / "Makefile").read_text()
    (wheels,) = _image(task).stages[0].of("ARG")
    assert wheels.endswith("_aarch64")


@every_task
def test_a_task_has_time_to_finish_and_fargate_grants_it(task: Task) -> None:
    """120 s: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html."""
    assert _own(task).ENDS_WITHIN < task.container["StopTimeout"] <= 120


@every_task
def test_nobody_can_write_into_a_tasks_files_or_is_root_there(task: Task) -> None:
    assert task.container["ReadonlyRootFilesystem"] is True
    assert task.container.get("Privileged", False) is False
    assert "User" not in task.container, "the image says it"


@every_task
def test_a_task_writes_into_a_log_group_of_its_own(task: Task) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html."""
    log = task.container["LogConfiguration"]
    assert log["LogDriver"] == "awslogs"
    group = log["Options"]["awslogs-group"]
    assert int(_ON.of_type("AWS::Logs::LogGroup")[_ON.logical_id(group)]["RetentionInDays"]) > 0
    assert group not in [function.properties["LoggingConfig"]["LogGroup"] for function in _ON.functions()]
    assert log["Options"]["awslogs-region"] == task.environment["AWS_DEFAULT_REGION"]
    assert log["Options"]["awslogs-stream-prefix"]  # Fargate demands one
    assert set(log["Options"]) <= {
        "awslogs-group",
        "awslogs-region",
        "awslogs-stream-prefix",
        "mode",
        "max-buffer-size",
    }


@every_task
def test_a_task_never_waits_for_its_log_and_says_how_much_of_it_may_wait(task: Task) -> None:
    """The default differs by account: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html."""
    options = task.container["LogConfiguration"]["Options"]
    assert options["mode"] == "non-blocking"
    size = re.fullmatch(r"(\d+)m", options["max-buffer-size"])
    assert size
    assert 1 <= int(size[1]) <= int(task.properties["Memory"]) // 8


@every_task
def test_a_task_is_asked_for_its_health_as_its_image_is_and_where_it_answers(task: Task) -> None:
    """ECS does not look at the image's own check."""
    check = task.container["HealthCheck"]
    options, command = _image(task).health
    assert check["Command"] == ["CMD", *command]
    assert command[:2] == ["python", "-m"]
    assert importlib.util.find_spec(command[2]) is not None
    assert {
        "interval": f"{check['Interval']}s",
        "timeout": f"{check['Timeout']}s",
        "start-period": f"{check['StartPeriod']}s",
        "retries": str(check["Retries"]),
    } == options
    assert 5 <= check["Interval"] <= 300
    assert 2 <= check["Timeout"] <= 60
    assert 0 <= check["StartPeriod"] <= 300
    assert 1 <= check["Retries"] <= 10
    port = _settings(task).model_fields["health_port"].default
    assert "HEALTH_PORT" not in task.environment
    assert _own(task).asked_at() == f"http://127.0.0.1:{port}/"


# ─── What it is told ──────────────────────────────────────────────────────────────────────────────────────────────


@every_task
def test_a_task_is_told_what_it_reads_and_nothing_else(task: Task) -> None:
    settings = _settings(task)
    settings.read(task.environment)
    assert set(task.environment) - {name.upper() for name in settings.model_fields} == _OF_LIBRARIES
    required = {name.upper() for name, field in settings.model_fields.items() if field.is_required()}
    assert required
    for name in required:
        with pytest.raises(WrongSetting, match=name):
            settings.read({key: value for key, value in task.environment.items() if key != name})


@every_task
def test_a_task_is_told_the_same_as_the_functions(task: Task) -> None:
    shared = sam()["Globals"]["Function"]["Environment"]["Variables"]
    (function, *_) = _ON.functions()
    common = set(shared) & set(task.environment)
    assert {name: task.environment[name] for name in common} == {name: function.environment[name] for name in common}
    assert set(shared) - common == {"PUBLIC_BASE_URL"}, "whom nobody pushes to needs no address"


@every_task
@pytest.mark.parametrize("limit", ["MinValue", "MaxValue"])
def test_a_task_takes_whatever_may_be_set(task: Task, limit: str) -> None:
    limits = {name: str(entry[limit]) for name, entry in _PARAMETERS.items() if limit in entry}
    (same,) = (other for other in Stack({**driver.parameters(), **limits}).tasks() if other.name == task.name)
    _settings(task).read(same.environment)


# ─── The service ──────────────────────────────────────────────────────────────────────────────────────────────────


@every_task
def test_a_new_task_is_there_before_the_old_one_goes_and_a_broken_one_never_replaces_it(task: Task) -> None:
    service = _service(task)
    assert service["LaunchType"] == "FARGATE"
    assert service["DeploymentConfiguration"] == {
        "MinimumHealthyPercent": 100,
        "MaximumPercent": 200,
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
    }


@every_task
@pytest.mark.parametrize("count", ["0", "1", "2"])
def test_there_are_as_many_tasks_as_are_set(task: Task, count: str) -> None:
    (setting,) = (name for name in _group(_own(task).SWITCH) if _PARAMETERS[name].get("AllowedValues") == [0, 1, 2])
    services = Stack({**driver.parameters(), setting: count}).of_type("AWS::ECS::Service").values()
    assert [str(service["DesiredCount"]) for service in services] == [count]
    assert str(_service(task)["DesiredCount"]) == "1"


@every_task
def test_a_task_is_in_the_network_that_is_set(task: Task) -> None:
    own = _own(task).PARAMETERS
    network = _service(task)["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert set(own.values()) >= {",".join(network["Subnets"]), ",".join(network["SecurityGroups"])}
    assert network["AssignPublicIp"] == "DISABLED"


# ─── The schedule ─────────────────────────────────────────────────────────────────────────────────────────────────


def _scheduled() -> Document:
    (found,) = _ON.of_type("AWS::Scheduler::Schedule").values()
    return found


def test_a_schedule_starts_the_same_task_with_the_word_that_ends_it() -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/tasks-scheduled-eventbridge-scheduler.html."""
    (task,) = _TASKS
    target = _scheduled()["Target"]
    service = _service(task)
    assert target["Arn"] == _ON.physical(_ON.logical_id(service["Cluster"])).attributes["Arn"]
    assert target["EcsParameters"] == {
        "TaskDefinitionArn": _ON.physical(task.name).ref,
        "LaunchType": "FARGATE",
        "TaskCount": 1,
        "NetworkConfiguration": service["NetworkConfiguration"],
    }
    (override,) = json.loads(target["Input"])["containerOverrides"]
    assert override == {"name": task.container["Name"], "command": _own(task).ONCE}
    # A command is what follows the image's entry point, which has to be there and to be ours.
    assert _image(task).entrypoint == ["python", "-m", task.module]
    assert not {"Command", "EntryPoint"} & set(task.container)


def test_a_task_that_cannot_be_started_is_left_to_the_next_one() -> None:
    assert _scheduled()["FlexibleTimeWindow"] == {"Mode": "OFF"}
    policy = _scheduled()["Target"]["RetryPolicy"]
    assert 60 <= policy["MaximumEventAgeInSeconds"] <= 600
    assert 1 <= policy["MaximumRetryAttempts"] <= 185


def test_a_scheduler_may_start_this_task_in_this_cluster_and_hand_on_its_two_roles_and_nothing_else() -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html."""
    (task,) = _TASKS
    target = _scheduled()["Target"]
    role = _ON.of_type("AWS::IAM::Role")[_ON.logical_id(target["RoleArn"])]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert set(role) == {"AssumeRolePolicyDocument", "Policies"}
    (policy,) = role["Policies"]
    run, hand_on = policy["PolicyDocument"]["Statement"]
    assert run == {
        "Effect": "Allow",
        "Action": "ecs:RunTask",
        "Resource": target["EcsParameters"]["TaskDefinitionArn"],
        "Condition": {"ArnEquals": {"ecs:cluster": target["Arn"]}},
    }
    assert hand_on == {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": [task.properties["TaskRoleArn"], task.properties["ExecutionRoleArn"]],
        "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }


@every_task
def test_a_schedule_needs_no_service_and_a_service_no_schedule(task: Task) -> None:
    own = _own(task)

    def kinds(without: str) -> set[str]:
        stack = Stack({**driver.parameters(), without: ""})
        (same,) = stack.tasks()
        _settings(same).read(same.environment)
        kinds = {entry["Type"] for entry in stack.resources.values()}
        return {kind for kind in kinds if kind.startswith(("AWS::ECS::", "AWS::Scheduler::"))}

    common = {"AWS::ECS::Cluster", "AWS::ECS::TaskDefinition"}
    assert kinds(own.SWITCH) == common | {"AWS::Scheduler::Schedule"}
    assert kinds(own.SCHEDULE) == common | {"AWS::ECS::Service"}


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ("", True),
        ("rate(15 minutes)", True),
        ("cron(0/15 * * * ? *)", True),
        ("15 minutes", False),
        ("rate()", False),
        ("rate(5 minutes) rate(5 minutes)", False),
    ],
)
def test_how_often_is_an_expression_of_the_schedulers(expression: str, *, taken: bool) -> None:
    for task in _TASKS:
        assert bool(re.fullmatch(_PARAMETERS[_own(task).SCHEDULE]["AllowedPattern"], expression)) is taken


# ─── Who hears when it ends ───────────────────────────────────────────────────────────────────────────────────────


def _told(line: Document) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of each metric that CloudWatch reads in a line.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    return [
        (directive["Namespace"], metric["Name"], {name: line[name] for name in dimensions})
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    ]


def _watched(alarm: Document) -> tuple[str, str, dict[str, str]]:
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
    return alarm["Namespace"], alarm["MetricName"], dimensions


@every_task
def test_the_alarm_that_comes_with_a_task_watches_what_the_task_reports(task: Task) -> None:
    alarms = _ON.of_type("AWS::CloudWatch::Alarm")
    added = {name: alarm for name, alarm in alarms.items() if name not in _OFF.resources}
    assert added
    reported = [metric for line in _own(task).reported() for metric in _told(line)]
    for name, alarm in added.items():
        assert _watched(alarm) in reported, name
        assert alarm["Namespace"] == NAMESPACE
        # A task that is gone says nothing; one that has ended, as it should, neither.
        ends = alarm["MetricName"] in _own(task).ENDS
        assert alarm["TreatMissingData"] == ("notBreaching" if ends else "breaching")
        assert int(_settings(task).model_fields["report_seconds"].default) <= alarm["Period"]


def test_a_task_that_is_to_rest_rings_no_alarm() -> None:
    ((name, parameter),) = ((n, p) for n, p in _PARAMETERS.items() if p.get("AllowedValues") == [0, 1, 2])
    assert parameter["Default"] != 0
    schedules = {_own(task).SCHEDULE: "" for task in _TASKS}
    resting = Stack({**driver.parameters(), name: "0", **schedules})
    assert resting.of_type("AWS::CloudWatch::Alarm").keys() == _OFF.of_type("AWS::CloudWatch::Alarm").keys()


@pytest.mark.parametrize("change", [{"MetricName": "Deaf"}, {"Namespace": "Gates"}, {"Dimensions": []}])
def test_an_alarm_on_what_nobody_reports_is_noticed(change: Document) -> None:
    name, *_ = (name for name in _ON.of_type("AWS::CloudWatch::Alarm") if name not in _OFF.resources)
    alarm = _ON.of_type("AWS::CloudWatch::Alarm")[name]
    reported = [metric for task in _TASKS for line in _own(task).reported() for metric in _told(line)]
    assert _watched({**alarm, **change}) not in reported
