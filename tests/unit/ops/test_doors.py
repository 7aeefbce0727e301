"""The door's rules, set, cleared and shown by a command: what is not usable never gets to a door."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.sensepass.rules import Rules, from_parameter
from ops import cli
from tests.builders import rules_document
from tests.template.stack import REGION

NAME = "/gatehouse/door-rules"
GOOD = rules_document(staff=({"pass": True, "tip": "Hello"}, [("EQUALS", "kind", "staff")]))
_STACK = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"DoorRulesParameter": {"Value": {"Fn::Sub": "/${AWS::StackName}/door-rules"}}},
}

type Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`gatehouse rules …` in an account that has a stack and no rules; returns its status and what it printed."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gatehouse", "rules", *arguments])
        status = cli.main()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with mock_aws():
        boto3.client("cloudformation").create_stack(StackName="gatehouse", TemplateBody=json.dumps(_STACK))
        yield run


def _rules() -> Rules:
    rules = Rules(from_parameter(lambda: boto3.client("ssm"), NAME))
    rules.refresh()
    return rules


def _document(folder: Path, content: str) -> str:
    file = folder / "rules.json"
    file.write_text(content)
    return str(file)


def test_rules_that_are_set_are_those_in_use_until_they_are_cleared(command: Command, tmp_path: Path) -> None:
    """Protocol A12."""
    assert command("show") == (0, "no rules were ever set: every answer is WhenInDoubt\n", "")
    assert _rules().verdict({"kind": "staff"}) is None

    assert command("set", _document(tmp_path, GOOD))[0] == 0
    verdict = _rules().verdict({"kind": "staff"})
    assert verdict is not None
    assert verdict.rule == "staff"
    assert json.loads(command("show")[1]) == json.loads(GOOD)

    assert command("clear")[0] == 0
    assert _rules().verdict({"kind": "staff"}) is None


def _with(**changed: Any) -> str:
    document = json.loads(GOOD)
    document["open"]["rules"]["staff"] |= changed
    return json.dumps(document)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "rules.json"),
        ("[]", "no object"),
        ("{}", "no rules"),
        ('{"opens": {"default": false}}', "open"),
        ('{"open": {"default": "no"}}', "default"),
        (_with(when_match="yes"), "staff"),
        (_with(when_match={"pass": True, "tips": "Hello"}), "staff"),
        (_with(conditions=[]), "staff"),
        (_with(conditions=[{"action": "IS", "key": "kind", "value": "staff"}]), "staff"),
        (_with(conditions=[{"action": "EQUALS", "key": "", "value": "staff"}]), "staff"),
        (_with(conditions=["kind"]), "staff"),
    ],
)
def test_a_document_that_is_not_usable_is_refused_by_name_and_changes_nothing(
    command: Command, tmp_path: Path, content: str, named: str
) -> None:
    command("set", _document(tmp_path, GOOD))

    status, _, error = command("set", _document(tmp_path, content))

    assert status == 1
    assert error.startswith("gatehouse: ")
    assert named in error
    assert json.loads(command("show")[1]) == json.loads(GOOD)


def test_rules_may_be_none_but_a_default(command: Command, tmp_path: Path) -> None:
    assert command("set", _document(tmp_path, '{"open": {"default": true, "rules": null}}'))[0] == 0

    verdict = _rules().verdict({})
    assert verdict is not None
    assert verdict.allowed
