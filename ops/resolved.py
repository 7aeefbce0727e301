"""The template as AWS sees it: translated by SAM, and its intrinsic functions resolved as CloudFormation would."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from ops import translate

ROOT: Final = Path(__file__).parents[1]
TEMPLATE: Final = ROOT / "template.yaml"
ACCOUNT: Final = "123456789012"  # the one that moto answers for

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A region, and the names that differ by its partition.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """

    partition: str
    region: str
    suffix: str
    """Of host names: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html"""

    def arn(self, service: str, resource: str, region: str | None = None, account: str = ACCOUNT) -> str:
        """An ARN here; the region and the account are empty in those of some services."""
        return f"arn:{self.partition}:{service}:{self.region if region is None else region}:{account}:{resource}"


HERE: Final = Place("aws", "eu-central-1", "amazonaws.com")
CHINA: Final = Place("aws-cn", "cn-north-1", "amazonaws.com.cn")
GOVCLOUD: Final = Place("aws-us-gov", "us-gov-west-1", "amazonaws.com")


@dataclass(frozen=True, slots=True)
class Physical:
    """The values that `Ref` and `Fn::GetAtt` return for a resource."""

    ref: str
    attributes: Mapping[str, str]


@cache
def sam() -> Document:
    """The template as it stands in its file."""
    return translate.read(TEMPLATE)


@cache
def translated(region: str = HERE.region) -> Document:
    """The template as SAM on AWS makes it plain CloudFormation."""
    return plain(translate.read(TEMPLATE), region)


def plain(template: Document, region: str = HERE.region) -> Document:
    """Another template as SAM on AWS makes it plain CloudFormation; it is changed."""
    artifacts = {
        name: f"s3://artifacts/{name}"
        for name, resource in template["Resources"].items()
        if resource["Type"] in translate.ARTIFACTS
    }
    return translate.translated(template, artifacts, region)


def _key_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _api_id(name: str) -> str:
    return _key_id(name)[:8]


# "Return values" of each type's page in the CloudFormation reference:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
_RETURNS: Final[dict[str, Callable[[Place, str], Physical]]] = {
    "AWS::ApiGatewayV2::Api": lambda _, name: Physical(_api_id(name), {"ApiId": _api_id(name)}),
    "AWS::DynamoDB::Table": lambda at, name: Physical(
        name,
        {
            "Arn": at.arn("dynamodb", f"table/{name}"),
            "StreamArn": at.arn("dynamodb", f"table/{name}/stream/2026-01-01T00:00:00.000"),
        },
    ),
    "AWS::SNS::Topic": lambda at, name: Physical(
        at.arn("sns", name), {"TopicArn": at.arn("sns", name), "TopicName": name}
    ),
    "AWS::SQS::Queue": lambda at, name: Physical(
        f"https://sqs.{at.region}.{at.suffix}/{ACCOUNT}/{name}",
        {
            "Arn": at.arn("sqs", name),
            "QueueName": name,
            "QueueUrl": f"https://sqs.{at.region}.{at.suffix}/{ACCOUNT}/{name}",
        },
    ),
    "AWS::SecretsManager::Secret": lambda at, name: Physical(
        at.arn("secretsmanager", f"secret:{name}-a1B2c3"), {"Id": at.arn("secretsmanager", f"secret:{name}-a1B2c3")}
    ),
    "AWS::KMS::Key": lambda at, name: Physical(_key_id(name), {"Arn": at.arn("kms", f"key/{_key_id(name)}")}),
    "AWS::Events::Rule": lambda at, name: Physical(name, {"Arn": at.arn("events", f"rule/{name}")}),
    "AWS::Logs::LogGroup": lambda at, name: Physical(name, {"Arn": at.arn("logs", f"log-group:{name}:*")}),
    "AWS::S3::Bucket": lambda at, name: Physical(
        name.lower(), {"Arn": at.arn("s3", name.lower(), region="", account="")}
    ),
    "AWS::IAM::Role": lambda at, name: Physical(name, {"Arn": at.arn("iam", f"role/{name}", region="")}),
    "AWS::IAM::ManagedPolicy": lambda at, name: Physical(at.arn("iam", f"policy/{name}", region=""), {}),
    "AWS::Lambda::Version": lambda at, name: Physical(at.arn("lambda", f"function:{name}:1"), {"Version": "1"}),
    "AWS::Lambda::Function": lambda at, name: Physical(name, {"Arn": at.arn("lambda", f"function:{name}")}),
    "AWS::StepFunctions::StateMachine": lambda at, name: Physical(
        at.arn("states", f"stateMachine:{name}"), {"Arn": at.arn("states", f"stateMachine:{name}"), "Name": name}
    ),
    "AWS::ECS::Cluster": lambda at, name: Physical(name, {"Arn": at.arn("ecs", f"cluster/{name}")}),
    "AWS::ECS::TaskDefinition": lambda at, name: Physical(
        at.arn("ecs", f"task-definition/{name}:1"), {"TaskDefinitionArn": at.arn("ecs", f"task-definition/{name}:1")}
    ),
    "AWS::ECS::Service": lambda at, name: Physical(at.arn("ecs", f"service/{name}"), {"Name": name}),
}
_NO_VALUE: Final = object()


class Resolved:
    """The stack that the template makes with given parameters, the defaults where none are given."""

    suffix = ""
    """The end of a resource's name, which CloudFormation makes up."""

    def __init__(self, parameters: Mapping[str, str] | None = None, place: Place = HERE) -> None:
        template = translated(place.region)
        self.place = place
        self._outputs: Mapping[str, Document] = template["Outputs"]
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._rules: Mapping[str, Document] = template.get("Rules", {})
        defaults = {name: str(entry["Default"]) for name, entry in template["Parameters"].items()}
        values = {**defaults, **(parameters or {})}
        self._parameters: dict[str, Any] = {
            name: value.split(",") if template["Parameters"][name]["Type"] == "CommaDelimitedList" else value
            for name, value in values.items()
        }
        self._pseudo: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": place.partition,
            "AWS::Region": place.region,
            "AWS::StackName": "gatehouse",
            "AWS::URLSuffix": place.suffix,
        }
        self.resources: Mapping[str, Document] = {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def refusals(self) -> list[str]:
        """CloudFormation's complaints about the parameters, by the template's rules, before it makes anything."""
        return [
            assertion["AssertDescription"]
            for rule in self._rules.values()
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def physical(self, logical_id: str) -> Physical:
        """The names and values of a resource, once it is there."""
        resource = self.resources[logical_id]
        name = f"gatehouse-{logical_id}{self.suffix}"
        if resource["Type"] == "AWS::Lambda::Alias":
            function, alias = (self.resolve(resource["Properties"][key]) for key in ("FunctionName", "Name"))
            arn = self.place.arn("lambda", f"function:{function}:{alias}")
            return Physical(arn, {"AliasArn": arn})
        returns = _RETURNS.get(resource["Type"])
        return returns(self.place, name) if returns else Physical(name, {})

    def of_type(self, kind: str) -> dict[str, Document]:
        """Resolved properties of the resources of a type, by logical id."""
        return {
            name: self.resolve(resource.get("Properties", {}))
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def outputs(self) -> dict[str, str]:
        """The stack's outputs, by name."""
        return {
            name: str(self.resolve(output["Value"]))
            for name, output in self._outputs.items()
            if "Condition" not in output or self.holds({"Condition": output["Condition"]})
        }

    def logical_id(self, physical: str) -> str:
        """The logical id of the resource that a `Ref` or an `Arn` names."""
        return next(
            name
            for name in self.resources
            if physical in {self.physical(name).ref, self.physical(name).attributes.get("Arn")}
        )

    def resolve(self, value: Any) -> Any:
        """A value with its intrinsic functions replaced by what they return."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name in _INTRINSIC:
                return _INTRINSIC[name](self, argument)
            if name.startswith("Fn::"):
                raise NotImplementedError(f"{name}: say in ops/resolved.py what it returns")
        resolved = {name: self.resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not _NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        return self._parameters[name] if name in self._parameters else self.physical(name).ref

    def _get_att(self, argument: str | list[str]) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self.physical(logical_id).attributes[attribute]

    def _sub(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})

        def found(match: re.Match[str]) -> str:
            name = match[1]
            if name in names:
                return str(self.resolve(names[name]))
            return self._get_att(name) if "." in name else str(self._ref(name))

        return re.sub(r"\$\{([^!}][^}]*)\}", found, text)

    def _join(self, argument: list[Any]) -> str:
        delimiter, items = argument
        return str(delimiter).join(map(str, self.resolve(items)))

    def _select(self, argument: list[Any]) -> Any:
        index, items = argument
        return self.resolve(items)[int(self.resolve(index))]

    def _split(self, argument: list[Any]) -> list[str]:
        delimiter, text = argument
        if not isinstance(delimiter, str):
            raise TypeError("CloudFormation takes no function as a delimiter")
        return str(self.resolve(text)).split(delimiter)

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.resolve(then if self.holds({"Condition": condition}) else otherwise)

    def holds(self, condition: Document) -> bool:
        """True where a condition holds with these parameters."""
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self.holds(self._conditions[argument])
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name == "Fn::And":
            return all(map(self.holds, argument))
        if name == "Fn::Or":
            return any(map(self.holds, argument))
        if name == "Fn::Equals":
            left, right = map(self.resolve, argument)
            return bool(left == right)
        if name == "Fn::Contains":  # in rules alone
            listed, wanted = map(self.resolve, argument)
            return wanted in listed
        raise NotImplementedError(f"condition {name}: say in ops/resolved.py when it holds")


_INTRINSIC: Final[dict[str, Callable[[Resolved, Any], Any]]] = {
    "Fn::GetAtt": Resolved._get_att,  # noqa: SLF001 - a table of this class's own methods
    "Fn::If": Resolved._if,  # noqa: SLF001
    "Fn::Join": Resolved._join,  # noqa: SLF001
    "Fn::Select": Resolved._select,  # noqa: SLF001
    "Fn::Split": Resolved._split,  # noqa: SLF001
    "Fn::Sub": Resolved._sub,  # noqa: SLF001
}
