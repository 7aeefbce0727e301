"""The template passes cfn-lint without a word, in regions of every kind, before and after SAM has translated it.

cfn-lint holds each resource against the schema that its provider has in that region. `make` runs `sam validate --lint`
besides.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Final

import pytest

from tests.template import lint
from tests.template.stack import TEMPLATE, Document, translated

_REGIONS: Final = ("us-east-1", "ap-northeast-1", "ap-southeast-3", "cn-north-1", "cn-northwest-1", "us-gov-west-1")
_NOT_IN_CHINA: Final = "AWS::APS::ResourcePolicy"


def test_cfn_lint_has_nothing_to_say_and_no_advice() -> None:
    assert lint.strictly(TEMPLATE, *_REGIONS) == []


def _written(template: Document, folder: Path) -> Path:
    path = folder / "template.json"
    path.write_text(json.dumps(template))
    return path


# SAM looks at the region for nothing but its partition.
_BY_PARTITION: Final = {
    "aws": ("us-east-1", "ap-northeast-1", "ap-southeast-3"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-west-1",),
}


@pytest.mark.parametrize("regions", _BY_PARTITION.values(), ids=_BY_PARTITION)
def test_what_sam_makes_of_the_template_is_as_its_providers_want_it(regions: tuple[str, ...], tmp_path: Path) -> None:
    made = deepcopy(translated(regions[0]))
    # SAM has looked up in it already whether to make anything of CodeDeploy.
    assert set(made.pop("Mappings")) == {"Gradually"}
    assert lint.strictly(_written(made, tmp_path), *regions) == []


def test_every_region_is_in_one_of_the_partitions_and_looked_at() -> None:
    assert sorted(region for regions in _BY_PARTITION.values() for region in regions) == sorted(_REGIONS)


_WRONG: Final = (
    ("AWS::SQS::Queue", {"MaximumMessageSize": 2_000_000}, "E3034"),
    ("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_PUSH"}, "E3030"),
    ("AWS::Lambda::EventSourceMapping", {"BatchSise": 10}, "E3002"),
    ("AWS::ECS::Service", {"LaunchType": "FARGAET"}, "E3030"),
    ("AWS::Lambda::Function", {"Role": None}, "E3003"),
    ("AWS::SecretsManager::Secret", {"SecretString": ["text"]}, "E3012"),
)


def test_a_property_that_a_provider_does_not_take_is_noticed(tmp_path: Path) -> None:
    # These resources alone: the whole template takes cfn-lint many times as long.
    template, wanted = {**translated(), "Resources": {}}, set()
    for kind, change, rule in _WRONG:
        name, resource = next((n, one) for n, one in translated()["Resources"].items() if one["Type"] == kind)
        merged = {**resource["Properties"], **change}
        properties = {key: value for key, value in merged.items() if value is not None}
        template["Resources"][name] = {**resource, "Properties": properties}
        wanted.add(f"{rule} at Resources/{name}")
    said = lint.strictly(_written(template, tmp_path), _REGIONS[0])
    found = {"/".join(line.partition(":")[0].split("/")[:2]) for line in said}
    assert wanted <= found


def test_a_type_that_a_region_does_not_have_is_noticed(tmp_path: Path) -> None:
    template = {"Resources": {"Elsewhere": {"Type": _NOT_IN_CHINA, "Properties": {}}}}
    assert any(line.startswith("E3006 ") for line in lint.strictly(_written(template, tmp_path), "cn-north-1"))
