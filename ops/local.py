"""The local stack: the template that goes to AWS, in an emulator on this machine. It launches, it does not emulate."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import urllib3

from gatehouse.settings import Announce
from gatehouse.vocabulary import Topic
from ops import build, doors, simulators, tools, translate
from ops.simulators import Credentials, Options
from ops.stack import Stack, by_name, deployed

FOLDER = Path(".local")
REGION = "eu-central-1"
_STACK_NAME = "gatehouse"
_RULES = Path(__file__).with_name("rules.local.json")
_GUARD = Path(__file__).with_name("guard.py")
API_ID = "9a7e4005"
"""The id of the API in the emulator."""
API_PATH = f"/_aws/execute-api/{API_ID}"
"""The path of the API below the emulator's address."""
_PORT = 4566
_BACKLOG = 100
"""Connections that wait, as the emulator's server would have it."""
_AT_ONCE = "12"


@contextlib.contextmanager
def running(
    announce: Announce = Announce.INLINE,
    folder: Path = FOLDER,
    options: Options | None = None,
    *,
    simulate: bool = False,
    admitted: Sequence[str] = (),
) -> Iterator[Stack]:
    """The local stack, from nothing; ended with everything that it started when the block ends.

    Args:
        announce: the announce mode.
        folder: where it keeps its logs and `stack.json`.
        options: of the simulated vendors, where they are not the defaults.
        simulate: whether what runs beside it sends something by itself.
        admitted: the names by which a tunnel reaches the vendors' API.

    Raises:
        RuntimeError: a part of it did not start, the message says where its log is; or it runs already.
    """
    logs, scratch, noted = _emptied(folder)
    described = folder / "stack.json"
    described.unlink(missing_ok=True)
    with (
        simulators.services(options or {}) as parameters,
        _emulator(logs / "emulator.log", scratch, noted, admitted) as endpoint,
    ):
        made = build.built(logs / "build.log")
        _await_emulator(endpoint, logs / "emulator.log")
        stack = _with_inspection(_deployed(endpoint, made, {**parameters, "AnnounceMode": announce}, logs))
        try:
            with simulators.processes(stack, options or {}, simulate=simulate) as processes:
                _note(noted, beside=processes)
                stack.write(described)
                yield stack
        finally:
            described.unlink(missing_ok=True)


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """The emulator with nothing in it, for a caller that deploys by itself; yields its address.

    Args:
        folder: where it keeps its logs.

    Raises:
        RuntimeError: it did not start, the message says where its log is; or it runs already.
    """
    logs, scratch, noted = _emptied(folder)
    with _emulator(logs / "emulator.log", scratch, noted, ()) as endpoint:
        _await_emulator(endpoint, logs / "emulator.log")
        yield endpoint


def _emptied(folder: Path) -> tuple[Path, Path, Path]:
    """Empties the folders of logs and of the emulator's files; returns both, and the file that lists its processes."""
    logs, scratch, noted = folder / "logs", folder / "tmp", folder / "process.json"
    _end_leftover(noted)
    for part in (logs, scratch):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    return logs, scratch, noted


@contextlib.contextmanager
def _emulator(log: Path, scratch: Path, noted: Path, admitted: Sequence[str]) -> Iterator[str]:
    programs = tools.installed(tools.EMULATOR)
    listening = _listening()
    port = listening.getsockname()[1]
    environ = tools.bare_environment(
        programs,
        home=scratch,
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION=REGION,
        # A stream's triggers stall after a restart with kept state: every start is from nothing.
        PERSIST_STATE="0",
        LAMBDA_EXECUTOR="local",
        STATE_DIR=str(scratch.absolute()),
        TMPDIR=str(scratch.absolute()),
        PYTHONUNBUFFERED="1",
        # Its ports besides the guarded one, which it would open to the network.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
    )
    # -P: beside the guard are modules of ours, which are not to take another's place.
    command = [str(programs / "python"), "-P", str(_GUARD), "--port", str(port), "--api", API_PATH]
    command += ["--socket", str(listening.fileno())]
    with log.open("w") as output, listening:
        process = subprocess.Popen(
            [*command, *(word for name in admitted for word in ("--allow-host", name))],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
            pass_fds=[listening.fileno()],
        )
    _note(noted, launcher=[os.getpid()], emulator=[process.pid])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process.pid)
        process.wait(timeout=10)
        noted.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _note(noted: Path, **processes: list[int]) -> None:
    """Writes down who runs, besides those that are written down already."""
    before = json.loads(noted.read_text()) if noted.exists() else {}
    now = {role: [_identity(pid) for pid in pids] for role, pids in processes.items()}
    draft = noted.with_suffix(".draft")
    draft.write_text(json.dumps({**before, **now}))
    draft.replace(noted)


def _identity(pid: int) -> list[float]:
    """A process's number and start: the number alone may be another's by now."""
    return [pid, psutil.Process(pid).create_time()]


def _lives(identity: list[float]) -> bool:
    try:
        return _identity(int(identity[0])) == identity
    except psutil.NoSuchProcess:
        return False


def _end_leftover(noted: Path) -> None:
    """Ends the emulator of a launcher that was killed before it could do so itself, and what ran beside it."""
    if not noted.exists():
        return
    left: dict[str, list[list[float]]] = json.loads(noted.read_text())
    for launcher in filter(_lives, left.pop("launcher")):
        raise RuntimeError(f"it runs already, as process {int(launcher[0])}")
    for identity in filter(_lives, (identity for identities in left.values() for identity in identities)):
        end(int(identity[0]))
    noted.unlink()


def end(pid: int) -> None:
    """Ends a process and all that it started: politely, and after five seconds not so."""
    try:
        leader = psutil.Process(pid)
        family = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(family, timeout=5)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def _listening() -> socket.socket:
    """A socket on the usual port or on any that is free; it listens already, so that nothing else takes the port."""
    for wanted in (_PORT, 0):
        found = socket.socket()
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", wanted))
            found.listen(_BACKLOG)
        except OSError:
            found.close()
        else:
            return found
    raise RuntimeError("no port is free on 127.0.0.1")


def _await_emulator(endpoint: str, log: Path) -> None:
    patience = urllib3.Retry(total=60, backoff_factor=0.1, backoff_max=1, status_forcelist=(500, 502, 503))
    try:
        urllib3.request("GET", f"{endpoint}/_ministack/health", retries=patience, timeout=5)
    except urllib3.exceptions.HTTPError:
        raise RuntimeError(f"the emulator did not start, see {log}") from None


def _deployed(endpoint: str, made: Path, parameters: Mapping[str, str], logs: Path) -> Stack:
    api_url = endpoint + API_PATH
    stack = Stack(
        api_url=api_url,
        aws_endpoint_url=endpoint,
        region=REGION,
        events_table="",
        media_bucket="",
        spill_queue_url="",
        topics={},
        inspection_queues={},
        functions={},
        flows={},
        tables={},
        secrets={},
        vendors={},
        logs=str(logs),
    )
    template = translate.read(made / "template.yaml")
    s3, cloudformation = stack.client("s3"), stack.client("cloudformation")
    s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})
    artifacts = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == translate.STATE_MACHINE:
            definition = translate.definition(made / resource["Properties"]["DefinitionUri"])
            s3.put_object(Bucket="artifacts", Key=name, Body=definition.encode())
        elif resource["Type"] in translate.ARTIFACTS:
            s3.upload_file(str(made / f"{name}.zip"), "artifacts", name)
        else:
            continue
        artifacts[name] = f"s3://artifacts/{name}"
    # Flows start as many as there are alarms, and here each is a process with a start.
    bounds = {reservation(template["Resources"][name]): _AT_ONCE for name in _behind_flows(template)}
    as_on_aws = translate.translated(template, artifacts, REGION)
    settings = {
        "PublicBaseUrl": api_url,
        "DoorDecision": "rules",
        **bounds,
        **parameters,
    }
    plain = translate.for_emulator(as_on_aws, API_ID, settings)
    s3.put_object(Bucket="artifacts", Key="template.json", Body=json.dumps(plain).encode())
    cloudformation.create_stack(
        StackName=_STACK_NAME,
        TemplateURL=f"{endpoint}/artifacts/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in settings.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=_STACK_NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    described = deployed(cloudformation, _STACK_NAME)
    outputs, resources = described.outputs, described.resources
    _reserve(stack, {resources[name].physical_id: count for name, count in reservations(plain, settings).items()})
    # Before the first call of the function that reads them.
    doors.put(stack.client("ssm"), outputs["DoorRulesParameter"], doors.read(_RULES))
    vendors: dict[str, Credentials] = {}
    secrets: dict[str, str] = {}
    secretsmanager = stack.client("secretsmanager")
    for name, simulator in simulators.simulators().items():
        accounts = simulator.new_accounts()
        secrets[name] = outputs[f"{name.capitalize()}SecretArn"]
        secretsmanager.put_secret_value(SecretId=secrets[name], SecretString=json.dumps(accounts.secret))
        vendors.update(accounts.apps)
    return replace(
        stack,
        events_table=outputs["EventsTable"],
        media_bucket=outputs["MediaBucket"],
        spill_queue_url=outputs["SpillQueueUrl"],
        topics={topic.value: outputs[f"{topic.capitalize()}TopicArn"] for topic in Topic},
        functions=by_name(resources, "AWS::Lambda::Function", "Function"),
        flows=by_name(resources, "AWS::StepFunctions::StateMachine", "Flow"),
        tables=by_name(resources, "AWS::DynamoDB::Table", "Table"),
        secrets=secrets,
        vendors=vendors,
    )


def _behind_flows(template: translate.Template) -> list[str]:
    """The logical ids of the functions that nothing but a flow calls."""
    return [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function" and not resource["Properties"].get("Events")
    ]


def reservation(resource: translate.Template) -> str:
    """The setting that says how much concurrency is reserved for a function; empty if none does."""
    reserved = resource.get("Properties", {}).get("ReservedConcurrentExecutions")
    return str(reserved["Fn::If"][1]["Ref"]) if reserved else ""


def reservations(template: translate.Template, settings: Mapping[str, str]) -> dict[str, int]:
    """The concurrency that settings reserve, by the function's logical id, where it is any.

    Args:
        template: translated by SAM.
        settings: other values of the template's parameters than their defaults.
    """
    found = {}
    for name, resource in template["Resources"].items():
        if setting := reservation(resource):
            found[name] = int(settings.get(setting, template["Parameters"][setting]["Default"]))
    return {name: count for name, count in found.items() if count}


def _reserve(stack: Stack, reservations: Mapping[str, int]) -> None:
    """Reserves by hand what the template reserves, which the emulator does not read there."""
    awslambda = stack.client("lambda")
    for function, count in reservations.items():
        awslambda.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=count)
        # The emulator bounds the function itself and none of its versions.
        awslambda.update_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")


def _with_inspection(stack: Stack) -> Stack:
    """The stack with a queue on each topic that keeps what it was sent, to be looked at."""
    queues = {topic: subscribed_queue(stack, f"inspection-{topic}", [arn]) for topic, arn in stack.topics.items()}
    return replace(stack, inspection_queues=queues)


def subscribed_queue(stack: Stack, name: str, topics: list[str]) -> str:
    """The URL of a new queue that receives what some topics announce, as it is."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for topic in topics:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return url


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """A block that Ctrl-C or SIGTERM ends in good order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
