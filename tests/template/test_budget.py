"""The budget's own template, and why it is one: the main one has no type that a region does not know."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.template import lint
from tests.template.stack import ROOT, Document, translated

_BUDGET: Final = ROOT / "ops/budget.yaml"
# Of every kind: large, late, Chinese, and the government's.
_REGIONS: Final = ("us-east-1", "ap-northeast-1", "ap-southeast-3", "cn-north-1", "cn-northwest-1", "us-gov-west-1")
_WHERE: Final = ("us-east-1", "cn-northwest-1")
"""Regions in which `make budget` makes it."""


def _template() -> Document:
    template: Document = yaml_parse(_BUDGET.read_text())
    return template


def _notifications() -> list[Document]:
    listed: list[Document] = _template()["Resources"]["Budget"]["Properties"]["NotificationsWithSubscribers"]
    return listed


def test_cfn_lint_has_nothing_to_say_where_it_is_made() -> None:
    assert lint.strictly(_BUDGET, *_WHERE) == []


def test_a_budget_in_the_main_template_would_be_noticed(tmp_path: Path) -> None:
    # AWS says "Unrecognized resource types" there, with any condition, and refuses the whole stack.
    template = {**translated(), "Resources": {**translated()["Resources"], **_template()["Resources"]}}
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template))
    wanted = "'AWS::Budgets::Budget' does not exist in 'ap-southeast-3'"
    assert any(wanted in line for line in lint.strictly(path, *_REGIONS))


@pytest.mark.parametrize(("kind", "percent"), [("ACTUAL", 80), ("FORECASTED", 100)])
def test_it_tells_of_what_was_spent_and_of_what_is_forecast(kind: str, percent: int) -> None:
    (found,) = [entry for entry in _notifications() if entry["Notification"]["NotificationType"] == kind]
    assert found["Notification"]["Threshold"] == percent
    assert found["Notification"]["ThresholdType"] == "PERCENTAGE"
    assert found["Notification"]["ComparisonOperator"] == "GREATER_THAN"


def test_everybody_who_is_named_is_told_of_everything() -> None:
    def told(entry: Document) -> dict[str, Any]:
        return {
            subscriber["Fn::If"][1]["SubscriptionType"]: subscriber["Fn::If"][1]["Address"]
            for subscriber in entry["Subscribers"]
        }

    assert [told(entry) for entry in _notifications()] == [{"EMAIL": {"Ref": "Email"}, "SNS": {"Ref": "TopicArn"}}] * 2


def test_it_is_the_accounts_and_filters_nothing() -> None:
    budget = _template()["Resources"]["Budget"]["Properties"]["Budget"]
    assert "CostFilters" not in budget
    assert "FilterExpression" not in budget
    assert "all that is in it" in _template()["Parameters"]["MonthlyBudget"]["Description"]


def test_a_budget_of_which_nobody_would_hear_is_refused() -> None:
    (rule,) = _template()["Rules"].values()
    (assertion,) = rule["Assertions"]
    said = json.dumps(assertion["Assert"])
    assert all(name in said for name in ("Email", "TopicArn"))
    assert assertion["AssertDescription"] == "a budget needs Email or TopicArn"


def test_the_makefile_makes_it_where_it_is_known() -> None:
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "ops/budget.yaml" in line]
    assert "$(or $(BUDGET_REGION),us-east-1)" in line
