"""A Dockerfile as far as ours go: read, and replayed without Docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_JOINED: Final = re.compile(r"\\\n")
_IGNORED: Final = re.compile(r"^\s*#.*\n", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\$(\{)?(\w+)(?(1)\})")


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction: `COPY` and what follows it, in one line."""

    word: str
    text: str

    @property
    def words(self) -> list[str]:
        """What follows the instruction, as a list, whether it is written as one or not."""
        return [str(word) for word in json.loads(self.text)] if self.is_list else shlex.split(self.text)

    @property
    def is_list(self) -> bool:
        """Whether what follows is a list in JSON, which no shell sees."""
        return self.text.startswith("[")


@dataclass(frozen=True, slots=True)
class Stage:
    """What one FROM begins."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def of(self, word: str) -> list[Step]:
        """Its instructions of a kind."""
        return [step for step in self.steps if step.word == word]

    @property
    def environment(self) -> dict[str, str]:
        """What its ENV say."""
        pairs = (word.partition("=") for step in self.of("ENV") for word in step.words)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All of it."""

    stages: list[Stage]

    @property
    def last(self) -> Stage:
        """The stage that is the image."""
        return self.stages[-1]

    @property
    def entrypoint(self) -> list[str]:
        """What the image starts."""
        (step,) = self.last.of("ENTRYPOINT")
        return step.words

    @property
    def health(self) -> tuple[dict[str, str], list[str]]:
        """How the image is asked whether it is well: the options, and the command."""
        (step,) = self.last.of("HEALTHCHECK")
        options, _, command = step.text.partition(" CMD ")
        named = (option.removeprefix("--").partition("=") for option in options.split())
        return {name: value for name, _, value in named}, Step("CMD", command.strip()).words

    def copied(self) -> Iterator[str]:
        """What is copied from the context."""
        for stage in self.stages:
            for step in stage.of("COPY"):
                if not step.text.startswith("--from="):
                    yield from step.words[:-1]


def parse(text: str) -> Dockerfile:
    """What a Dockerfile says.

    Raises:
        ValueError: it says something before its first FROM.
    """
    stages: list[Stage] = []
    for line in _JOINED.sub(" ", _IGNORED.sub("", text)).splitlines():
        word, _, rest = line.strip().partition(" ")
        rest = " ".join(rest.split())
        if word == "FROM":
            base, _, name = re.sub(r"--platform=\S+ ", "", rest).partition(" AS ")
            stages.append(Stage(base, name or str(len(stages))))
        elif word:
            if not stages:
                raise ValueError(f"{word} stands before FROM")
            stages[-1].steps.append(Step(word, rest))
    return Dockerfile(stages)


def read(path: Path) -> Dockerfile:
    """What a Dockerfile says."""
    return parse(path.read_text())


@dataclass(frozen=True, slots=True)
class Replay:
    """The instructions carried out in a folder that stands for `/`, by this machine and with its own Python.

    The stages are built one after the other in the same place, so that an absolute path is the same in all of them.
    """

    file: Dockerfile
    context: Path
    folder: Path
    python: Path
    """What `python` is, with pip beside it."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """As of `--build-arg`."""

    @property
    def root(self) -> Path:
        """What stands for `/`."""
        return self.folder / "root"

    def inside(self, path: str) -> Path:
        """Where a path of the image is; Python's own library is no part of what we build."""
        if path.startswith("/usr/local/lib/python"):
            return Path(sysconfig.get_path("stdlib"))
        return self.root / path.lstrip("/")

    def run(self) -> None:
        """Builds it."""
        for stage in self.file.stages:
            if self.root.exists():
                self.root.rename(self._finished(self.file.stages[self.file.stages.index(stage) - 1].name))
            self._build(stage)

    def environment(self) -> dict[str, str]:
        """What the image's process is given besides what it is told."""
        known = self.file.last.environment.items()
        return {name: str(self.inside(value)) if value.startswith("/") else value for name, value in known}

    def work(self) -> Path:
        """Where the image's process starts."""
        return self.inside(self.file.last.of("WORKDIR")[-1].text)

    def _finished(self, stage: str) -> Path:
        return self.folder / f"stage-{stage}"

    def _build(self, stage: Stage) -> None:
        self.root.mkdir(parents=True)
        work = self.root
        known: dict[str, str] = {}
        for step in stage.steps:
            text = _VARIABLE.sub(lambda match: known.get(match[2], match[0]), step.text)
            match step.word:
                case "ARG":
                    name, _, default = text.partition("=")
                    known[name] = self.arguments.get(name, default)
                case "WORKDIR":
                    work = self.inside(text)
                    work.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(Step("COPY", text).words, work)
                case "RUN":
                    self._run(text, work)
                case "ENV" | "USER" | "HEALTHCHECK" | "ENTRYPOINT":
                    pass
                case _:
                    raise NotImplementedError(f"{step.word}: say in dockerfile.py what it does")

    def _copy(self, words: list[str], work: Path) -> None:
        source = self.context
        if words[0].startswith("--from="):
            source = self._finished(words.pop(0).removeprefix("--from="))
        *named, target = words
        into = self.inside(target) if target.startswith("/") else work / target
        for name in named:
            found = sorted(source.glob(name.lstrip("/")))
            assert found, f"COPY: there is no {name}"
            for path in found:
                if path.is_dir():
                    # Its content goes into the target, and not the folder itself.
                    ignored = shutil.ignore_patterns("__pycache__") if source == self.context else None
                    shutil.copytree(path, into, dirs_exist_ok=True, ignore=ignored)
                else:
                    into.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, into)

    def _run(self, text: str, work: Path) -> None:
        """A line of the shell, its absolute paths being ours."""
        moved = re.sub(r"(?<![\w.])(/\w[\w./-]*)", lambda match: str(self.inside(match[1])), text)
        ended = subprocess.run(
            ["/bin/sh", "-euc", moved],
            cwd=work,
            env={**outside(), "PATH": f"{self.python.parent}{os.pathsep}{os.defpath}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{moved}\n{ended.stdout}{ended.stderr}"


def outside() -> dict[str, str]:
    """The environment of this process, without what would tell another Python of this one."""
    named = ("PYTHON", "VIRTUAL_ENV", "AWS_", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(named)}
