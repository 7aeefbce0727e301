"""The template as AWS sees it: translated by SAM, and its intrinsic functions resolved as CloudFormation would."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from ops import translate
from tests.template import dockerfile

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = ROOT / "template.yaml"
ACCOUNT: Final = "123456789012"  # the one that moto answers for

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is: a region, and what is called otherwise in its partition.

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
PLACES: Final = (HERE, CHINA, GOVCLOUD)
"""One of each partition that the template is for."""
REGION: Final = HERE.region


@dataclass(frozen=True, slots=True)
class Physical:
    """What `Ref` and `Fn::GetAtt` return for a resource."""

    ref: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template, with everything resolved."""

    name: str
    folder: str
    """Under `functions/`."""
    module: str
    """Where its handler is, by the name under which Lambda imports it."""
    role: str
    """Logical id."""
    properties: Document
    events: Mapping[str, Document]
    """As the SAM template has them, resolved."""

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {name: str(value) for name, value in self.properties["Environment"]["Variables"].items()}

    @property
    def own_variables(self) -> set[str]:
        """Those of its variables that are its own, and not everybody's."""
        own = sam()["Resources"][self.name]["Properties"].get("Environment", {}).get("Variables", {})
        return set(own)

    def events_of(self, kind: str) -> list[Document]:
        """Properties of its events of one type."""
        return [event["Properties"] for event in self.events.values() if event["Type"] == kind]


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the template that runs for as long as nobody ends it, with everything resolved."""

    name: str
    folder: str
    """Under `functions/`."""
    module: str
    """What its image starts."""
    role: str
    """Logical id of the role that it works with."""
    starter: str
    """Logical id of the role by which ECS starts it."""
    properties: Document

    @property
    def container(self) -> Document:
        """Its only container."""
        (container,) = self.properties["ContainerDefinitions"]
        found: Document = container
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables; ECS takes text alone, and CloudFormation makes text of numbers."""
        return {variable["Name"]: str(variable["Value"]) for variable in self.container["Environment"]}


@dataclass(frozen=True, slots=True)
class Flow:
    """A state machine of the template, with everything resolved."""

    name: str
    folder: str
    """Under `functions/`."""
    role: str
    """Logical id."""
    substitutions: Mapping[str, str]
    source: str
    """The definition as it stands in its file."""

    @property
    def definition(self) -> Document:
        """The definition as AWS reads it: first the substitutions, which are of text, and then the YAML."""
        definition: Document = yaml.safe_load(
            re.sub(r"\$\{(\w+)\}", lambda match: self.substitutions[match[1]], self.source)
        )
        return definition


@cache
def sam() -> Document:
    """The template as it stands in its file."""
    return translate.read(TEMPLATE)


@cache
def translated(region: str = REGION) -> Document:
    """What SAM makes of it on AWS."""
    return plain(translate.read(TEMPLATE), region)


def plain(template: Document, region: str = REGION) -> Document:
    """What SAM makes of a template on AWS; the template is changed."""
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


class Stack:
    """The stack that the template makes with given parameters, the defaults where none are given."""

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
        """What CloudFormation says of the parameters, by the template's rules, before it makes anything."""
        return [
            assertion["AssertDescription"]
            for rule in self._rules.values()
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def physical(self, logical_id: str) -> Physical:
        """What a resource is, once it is there."""
        resource = self.resources[logical_id]
        name = f"gatehouse-{logical_id}"
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
        """What the stack says of itself, by name."""
        return {
            name: str(self.resolve(output["Value"]))
            for name, output in self._outputs.items()
            if "Condition" not in output or self.holds({"Condition": output["Condition"]})
        }

    def functions(self) -> list[Function]:
        """The functions whose code is under `functions/`."""
        roles = {self.physical(name).attributes["Arn"]: name for name in self.of_type("AWS::IAM::Role")}
        return [
            Function(
                name=name,
                folder=properties["Handler"].split(".")[1],
                module=properties["Handler"].rpartition(".")[0],
                role=roles[properties["Role"]],
                properties=properties,
                events=self.resolve(sam()["Resources"][name]["Properties"].get("Events", {})),
            )
            for name, properties in self.of_type("AWS::Lambda::Function").items()
        ]

    def tasks(self) -> list[Task]:
        """The tasks, whose code is under `functions/`."""
        found = []
        for name, properties in self.of_type("AWS::ECS::TaskDefinition").items():
            # CMD, python, -m, functions.FOLDER.MODULE
            folder = properties["ContainerDefinitions"][0]["HealthCheck"]["Command"][-1].split(".")[1]
            found.append(
                Task(
                    name=name,
                    folder=folder,
                    module=dockerfile.read(ROOT / "functions" / folder / "Dockerfile").entrypoint[-1],
                    role=self.logical_id(properties["TaskRoleArn"]),
                    starter=self.logical_id(properties["ExecutionRoleArn"]),
                    properties=properties,
                )
            )
        return found

    def flows(self) -> list[Flow]:
        """The state machines, whose definitions are under `functions/`."""
        found = []
        for name, properties in self.of_type("AWS::StepFunctions::StateMachine").items():
            path = Path(sam()["Resources"][name]["Properties"]["DefinitionUri"])
            found.append(
                Flow(
                    name=name,
                    folder=path.parent.name,
                    role=self.logical_id(properties["RoleArn"]),
                    substitutions={key: str(value) for key, value in properties["DefinitionSubstitutions"].items()},
                    source=(ROOT / path).read_text(),
                )
            )
        return found

    def logical_id(self, physical: str) -> str:
        """The logical id of what a `Ref` or an `Arn` names."""
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
                raise NotImplementedError(f"{name}: say in stack.py what it returns")
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
        assert isinstance(delimiter, str), "CloudFormation takes no function here"
        return str(self.resolve(text)).split(delimiter)

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.resolve(then if self.holds({"Condition": condition}) else otherwise)

    def holds(self, condition: Document) -> bool:
        """Whether a condition is true with these parameters."""
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
        raise NotImplementedError(f"condition {name}: say in stack.py when it holds")


_INTRINSIC: Final[dict[str, Callable[[Stack, Any], Any]]] = {
    "Fn::GetAtt": Stack._get_att,  # noqa: SLF001 - a table of this class's own methods
    "Fn::If": Stack._if,  # noqa: SLF001
    "Fn::Join": Stack._join,  # noqa: SLF001
    "Fn::Select": Stack._select,  # noqa: SLF001
    "Fn::Split": Stack._split,  # noqa: SLF001
    "Fn::Sub": Stack._sub,  # noqa: SLF001
}
