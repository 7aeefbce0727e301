"""Each command that docs/restoring.md has an operator type is there, and everything that stays is in it."""

import re
import shlex
import sys
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from ops import cli
from tests.template.stack import ROOT, translated

_PAGES = ("docs/restoring.md", "docs/eye4-flow.md")
_GLOBAL = {"--query", "--output", "--region"}
# A customisation of the CLI, of which botocore has no model: https://docs.aws.amazon.com/cli/latest/reference/s3/
_S3 = {"sync": set[str](), "rm": {"--recursive"}}


def _typed(program: str) -> Iterator[str]:
    """The commands of a program in the pages, as a block or within a line; of a pipe or an assignment, each."""
    for page in _PAGES:
        for line in (ROOT / page).read_text().splitlines():
            texts = [line] if line.startswith("    ") and "`" not in line else re.findall(r"`([^`]+)`", line)
            for text in texts:
                for command in re.split(r" \| |\$\(", text.strip()):
                    if command.startswith(f"{program} "):
                        yield command.partition(" > ")[0].rstrip(")")


AWS = sorted(set(_typed("aws")))
OURS = sorted(set(_typed("uv run gatehouse")))


def _flags(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")} - _GLOBAL


@pytest.mark.parametrize("command", AWS)
def test_aws_knows_the_command_and_all_it_is_given(command: str) -> None:
    _, service, operation, *rest = shlex.split(command)
    if service == "s3":
        assert _flags(rest) <= _S3[operation]
        return
    session = botocore.session.get_session()
    service = {"s3api": "s3"}.get(service, service)
    if operation == "wait":
        waiter, *rest = rest
        waits = session.get_waiter_model(service).waiter_names
        (operation,) = [
            xform_name(session.get_waiter_model(service).get_waiter(name).operation, "-")
            for name in waits
            if xform_name(name, "-") == waiter
        ]
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    assert shape is not None
    members = {f"--{xform_name(name, '-')}": member.type_name for name, member in shape.members.items()}
    switches = {f"--no-{name[2:]}" for name, kind in members.items() if kind == "boolean"}
    assert _flags(rest) <= {*members, *switches}
    required = {f"--{xform_name(name, '-')}" for name in shape.required_members}
    given = {f"--{flag.removeprefix('--no-')}" if flag in switches else flag for flag in _flags(rest)}
    # `aws lambda create-event-source-mapping`, say, is named and not spelt out.
    assert required <= given or not given


@pytest.mark.parametrize("command", OURS)
def test_we_know_the_command_and_all_it_is_given(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.removeprefix("uv run ").replace("rules set", "rules set FILE")
    # Its help is shown only where everything before it was understood.
    monkeypatch.setattr(sys, "argv", [*shlex.split(words), "--help"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 0
    offered = capsys.readouterr().out
    assert {flag for flag in _flags(shlex.split(words)) if flag not in offered} == set()


def test_the_pages_have_commands() -> None:
    assert len(AWS) > 20
    assert len(OURS) >= 5


def test_everything_that_stays_is_named_in_the_table_of_what_stays() -> None:
    resources = translated()["Resources"]
    stays = {name for name, made in resources.items() if made.get("DeletionPolicy") == "RetainExceptOnCreate"}
    text = (ROOT / "docs/restoring.md").read_text()
    table = text[text.index("## What is kept") : text.index("## Items of a table")]

    assert {name for name in stays if f"`{name}`" not in table} == set()
    assert len(stays) > 10
