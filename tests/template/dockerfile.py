"""A Dockerfile as far as ours go: its stages, and the instructions of each."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_JOINED: Final = re.compile(r"\\\n")
_IGNORED: Final = re.compile(r"^\s*#.*\n", re.MULTILINE)


def words(text: str) -> list[str]:
    """The arguments of an instruction, written as a list in JSON or as in a shell."""
    return [str(word) for word in json.loads(text)] if text.startswith("[") else shlex.split(text)


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM, and what follows it."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    """Each instruction and its text, in one line."""

    def of(self, word: str) -> list[str]:
        """The texts of its instructions of one kind."""
        return [text for kind, text in self.steps if kind == word]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages; the last one is the image."""

    stages: list[Stage]

    @property
    def last(self) -> Stage:
        """The image."""
        return self.stages[-1]

    @property
    def entrypoint(self) -> list[str]:
        """The command that the image starts."""
        (text,) = self.last.of("ENTRYPOINT")
        return words(text)

    @property
    def health(self) -> tuple[dict[str, str], list[str]]:
        """The options and the command of its health check."""
        (text,) = self.last.of("HEALTHCHECK")
        options, _, command = text.partition(" CMD ")
        named = (option.removeprefix("--").partition("=") for option in options.split())
        return {name: value for name, _, value in named}, words(command.strip())

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that its process starts with."""
        pairs = (word.partition("=") for text in self.last.of("ENV") for word in words(text))
        return {name: value for name, _, value in pairs}


def parse(text: str) -> Dockerfile:
    """A Dockerfile from its text."""
    stages: list[Stage] = []
    for line in _JOINED.sub(" ", _IGNORED.sub("", text)).splitlines():
        word, _, rest = " ".join(line.split()).partition(" ")
        if word == "FROM":
            stages.append(Stage(re.sub(r"--platform=\S+ ", "", rest).partition(" AS ")[0]))
        elif word:
            stages[-1].steps.append((word, rest))
    return Dockerfile(stages)


def read(path: Path) -> Dockerfile:
    """A Dockerfile from its file."""
    return parse(path.read_text())
