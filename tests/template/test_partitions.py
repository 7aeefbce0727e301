"""Names of partitions: a deployment names its own and no other, since China and GovCloud have their own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.template import needs
from tests.template.stack import ACCOUNT, CHINA, PLACES, ROOT, TEMPLATE, Document, Place, Stack, sam

# Each is so called in every partition, which its host names are not; "the global service principal is always correct,
# when referenced from within a region":
# https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/region-info/lib/default.ts
_PRINCIPAL: Final = re.compile(
    r"(apigateway|budgets|cloudwatch|codedeploy|delivery\.logs|ecs-tasks|events|lambda|scheduler|sns|states)\.amazonaws\.com"
)
_PRINCIPALS_FIELDS: Final = frozenset({"Service", "Principal", "iam:PassedToService"})

every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)


def _deployed(place: Place) -> Document:
    """Everything that CloudFormation is told, with all that the template makes only where it is asked for."""
    stack = Stack({**needs.settings(place), "OperatorTopicArn": place.arn("sns", "operators")}, place)
    return {
        "resources": {
            name: stack.resolve(resource.get("Properties", {})) for name, resource in stack.resources.items()
        },
        "flows": {flow.name: flow.definition for flow in stack.flows()},
        "outputs": stack.outputs(),
    }


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, with the field that it stands in; keys are texts too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield "", name
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, field)
    else:
        yield field, str(value)


def _foreign(document: Any, place: Place) -> list[str]:
    """The texts that name what is in another partition."""
    found = []
    for field, text in _texts(document):
        if field in _PRINCIPALS_FIELDS and _PRINCIPAL.fullmatch(text):
            continue
        partitions = set(re.findall(r"\barn:([^:\s]*):", text))
        hosts = set(re.findall(r"\bamazonaws\.com(?:\.cn)?", text))
        if partitions - {place.partition} or hosts - {place.suffix}:
            found.append(text)
    return found


@every_place
def test_whatever_is_deployed_names_the_partition_that_it_is_in(place: Place) -> None:
    """A4: a flow whose resources are of another partition is made, and each of its executions fails."""
    assert _foreign(_deployed(place), place) == []


def test_there_is_something_in_all_that_names_a_partition() -> None:
    written = json.dumps(_deployed(CHINA))
    for one in ("arn:aws-cn:states:::lambda:invoke", "arn:aws-cn:sns:cn-north-1:", ".cn-north-1.amazonaws.com.cn"):
        assert one in written


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:states:::lambda:invoke",
        "recognition=arn:aws:sns:cn-north-1:123456789012:topic",
        "https://sqs.cn-north-1.amazonaws.com/123456789012/queue",
        "arn:aws-us-gov:iam::aws:policy/service-role/AWSLambdaRole",
    ],
)
def test_what_names_another_partition_is_noticed(text: str) -> None:
    assert _foreign({"field": [{"Resource": text}]}, CHINA) == [text]
    assert _foreign({text: 1}, CHINA) == [text]


def test_a_services_name_is_one_only_where_a_principal_stands() -> None:
    assert _foreign({"Principal": {"Service": "sns.amazonaws.com"}}, CHINA) == []
    assert _foreign({"Endpoint": "sns.amazonaws.com"}, CHINA) == ["sns.amazonaws.com"]
    assert _foreign({"Principal": {"Service": "ec2.amazonaws.com"}}, CHINA) == ["ec2.amazonaws.com"]


# ─── The sources ──────────────────────────────────────────────────────────────────────────────────────────────────


def _shipped() -> list[Path]:
    """The files that are deployed, or that something deployed is made from; a README tells of them."""
    folders = (ROOT / "functions", ROOT / "layers")
    files = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    return [path for path in files if path.suffix != ".md"] + [TEMPLATE]


def _named(line: str) -> bool:
    """True of a line that holds in one partition alone."""
    return bool(re.search(r"arn:aws\b", line) or re.search(r"amazonaws\.com", _PRINCIPAL.sub("", line)))


# The end of a registry's name. Fn::Split takes no function as its delimiter, so that it is written in both forms:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-split.html
_REGISTRY_ENDS: Final = re.compile(r"(?<=[\[ ])\.amazonaws\.com(\.cn)?/(?=[\], n]|$)")


def test_no_source_of_what_is_deployed_names_a_partition() -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _shipped()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _named(_REGISTRY_ENDS.sub("", line) if path == TEMPLATE else line)
    ]
    assert lines == []


def test_where_the_name_of_a_registry_ends_is_known_in_every_partition() -> None:
    found = {match[0] for match in _REGISTRY_ENDS.finditer(TEMPLATE.read_text())}
    assert found == {f".{place.suffix}/" for place in PLACES}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("Resource: arn:aws:states:::lambda:invoke", True),
        ("f'arn:aws-cn:sns:{region}'", True),
        ("f'https://sqs.{region}.amazonaws.com'", True),
        ("Resource: arn:${Partition}:states:::lambda:invoke", False),
        ("Principal: {Service: lambda.amazonaws.com}", False),
        ("# https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html", False),
    ],
)
def test_a_line_that_names_a_partition_is_told_from_one_that_does_not(line: str, *, named: bool) -> None:
    assert _named(line) is named


@every_place
def test_an_image_may_be_pushed_to_the_registry_of_every_partition(place: Place) -> None:
    (pattern,) = re.findall(r"^ecr := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    registry = f"{ACCOUNT}.dkr.ecr.{place.region}.{place.suffix}/gatehouse-listener"
    assert re.search(pattern.replace("$$", "$"), f"{registry}:1")
    patterns = [
        entry.get("AllowedPattern", "") for name, entry in sam()["Parameters"].items() if name.endswith("Image")
    ]
    assert patterns
    for allowed in patterns:
        assert re.search(allowed, f"{registry}@sha256:{'0' * 64}")
