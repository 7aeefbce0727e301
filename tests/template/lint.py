"""cfn-lint inside this process: half of what it takes as a program is its start."""

from pathlib import Path

from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner

from tests.template.stack import ROOT


def faults(template: Path, *options: str) -> list[str]:
    """Faults and advice of a template: `RULE at PLACE: MESSAGE`.

    Args:
        template: its file.
        options: those of the command line.
    """
    config = ConfigMixIn([*options, "--", str(ROOT / template)])
    return [f"{match.rule.id} at {_place(match.path)}: {match.message}" for match in Runner(config).run()]


def strictly(template: Path, *regions: str) -> list[str]:
    """Faults and advice of every severity, in some regions."""
    return faults(template, "-c", "I", "--regions", *regions)


def _place(path: list[str | int] | None) -> str:
    return "/".join(map(str, path or ()))
