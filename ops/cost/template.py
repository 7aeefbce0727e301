"""The translated template with given settings: which resources there are, and what the functions are told."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from ops import translate

ROOT: Final = Path(__file__).parents[2]
ACCOUNT: Final = "123456789012"  # the one that moto answers for
REGION: Final = "us-east-1"

type Document = dict[str, Any]

_NOTHING: Final = object()


@cache
def _sam() -> Document:
    return translate.read(ROOT / "template.yaml")


@cache
def _plain() -> Document:
    template = translate.read(ROOT / "template.yaml")
    artifacts = {
        name: f"s3://artifacts/{name}"
        for name, resource in template["Resources"].items()
        if resource["Type"] in translate.ARTIFACTS
    }
    return translate.translated(template, artifacts, REGION)


class Deployed:
    """The stack with some settings, the defaults where none are given.

    Names are invented in the form that AWS gives them, so that what holds one is as long as it will be.
    """

    def __init__(self, **settings: str) -> None:
        template = _plain()
        parameters = template["Parameters"]
        values = {name: str(entry["Default"]) for name, entry in parameters.items()} | settings
        self._values: dict[str, Any] = {
            name: value.split(",") if parameters[name]["Type"] == "CommaDelimitedList" else value
            for name, value in values.items()
        } | {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _NOTHING,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": "gatehouse",
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._conditions: Document = template.get("Conditions", {})
        self._resources: dict[str, Document] = {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self._holds({"Condition": resource["Condition"]})
        }

    def parameter(self, name: str) -> Any:
        """A setting's value."""
        return self._values[name]

    @staticmethod
    def allowed(name: str) -> list[str]:
        """The values that a setting can have."""
        values: list[str] = _plain()["Parameters"][name]["AllowedValues"]
        return values

    def number(self, kind: str) -> int:
        """The number of resources of a type."""
        return sum(resource["Type"] == kind for resource in self._resources.values())

    def kinds(self) -> set[str]:
        """The types of the resources."""
        return {str(resource["Type"]) for resource in self._resources.values()}

    def written(self, logical_id: str) -> Document:
        """A resource's properties as SAM writes them, with their intrinsic functions."""
        properties: Document = self._resources[logical_id].get("Properties", {})
        return properties

    def of(self, *kinds: str) -> dict[str, Document]:
        """The properties of the resources of some types, by logical id."""
        return {
            name: self.resolve(resource.get("Properties", {}))
            for name, resource in self._resources.items()
            if resource["Type"] in kinds
        }

    def environment(self, function: str) -> dict[str, str]:
        """A function's environment variables."""
        variables = self.of("AWS::Lambda::Function")[function]["Environment"]["Variables"]
        return {name: str(value) for name, value in variables.items()}

    def vendors(self) -> Iterator[tuple[str, str]]:
        """The functions behind the API, and their folders under `functions/`."""
        for name, resource in _sam()["Resources"].items():
            events = resource["Properties"].get("Events", {}) if name in self._resources else {}
            if any(event["Type"] == "HttpApi" for event in events.values()):
                yield name, resource["Properties"]["Handler"].split(".")[1]

    def name(self, logical_id: str) -> str:
        """The physical name of a resource."""
        name = f"gatehouse-{logical_id}-1A2B3C4D5E6F"
        return name.lower() if self._resources[logical_id]["Type"] == "AWS::S3::Bucket" else name

    def resolve(self, value: Any) -> Any:
        """A value without intrinsic functions."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        resolved = {name: self.resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not _NOTHING}

    def _intrinsic(self, name: str, argument: Any) -> Any:
        found: Any
        match name:
            case "Ref":
                found = self._ref(argument)
            case "Fn::GetAtt":
                found = self._attribute(*(argument.split(".", 1) if isinstance(argument, str) else argument))
            case "Fn::Sub":
                found = self._substituted(argument)
            case "Fn::Join":
                found = str(argument[0]).join(map(str, self.resolve(argument[1])))
            case "Fn::Select":
                found = self.resolve(argument[1])[int(argument[0])]
            case "Fn::Split":
                found = str(self.resolve(argument[1])).split(argument[0])
            case "Fn::If":
                found = self.resolve(argument[1 if self._holds({"Condition": argument[0]}) else 2])
            case _:
                raise NotImplementedError(f"{name}: say in ops/cost/template.py what it returns")
        return found

    def _ref(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        match self._resources[name]["Type"]:
            case "AWS::SQS::Queue":
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
            case "AWS::SNS::Topic" | "AWS::SecretsManager::Secret" | "AWS::StepFunctions::StateMachine":
                return self._attribute(name, "Arn")
            case _:
                return self.name(name)

    def _attribute(self, logical_id: str, attribute: str) -> str:
        kind = self._resources[logical_id]["Type"]
        if attribute == "QueueUrl":
            return str(self._ref(logical_id))
        if attribute in {"Arn", "TopicArn", "StreamArn", "AliasArn", "Id"}:
            service = _SERVICES.get(kind, kind.split("::")[1].lower())
            return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{_PREFIXES.get(kind, '')}{self.name(logical_id)}"
        return self.name(logical_id)

    def _substituted(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def found(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(self.resolve(own[name]))
            return self._attribute(*name.split(".", 1)) if "." in name else str(self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", found, text)

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        ((name, argument),) = condition.items()
        match name:
            case "Condition":
                return self._holds(self._conditions[argument])
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::And":
                return all(map(self._holds, argument))
            case "Fn::Or":
                return any(map(self._holds, argument))
            case "Fn::Equals":
                left, right = map(self.resolve, argument)
                return bool(left == right)
        raise NotImplementedError(f"{name}: say in ops/cost/template.py when it holds")


_SERVICES: Final = {"AWS::StepFunctions::StateMachine": "states"}
# moto finds a secret by the last part of its ARN, if that is its name.
_PREFIXES: Final = {
    "AWS::StepFunctions::StateMachine": "stateMachine:",
    "AWS::SecretsManager::Secret": "secret:",
    "AWS::DynamoDB::Table": "table/",
    "AWS::Lambda::Function": "function:",
}
