"""The stack as tests look at it: its functions, tasks and flows, with everything resolved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ops.resolved import (
    ACCOUNT,
    CHINA,
    GOVCLOUD,
    HERE,
    ROOT,
    TEMPLATE,
    Document,
    Place,
    Resolved,
    plain,
    sam,
    translated,
)
from tests.template import dockerfile

__all__ = ["ACCOUNT", "CHINA", "HERE", "ROOT", "TEMPLATE", "Document", "Place", "plain", "sam", "translated"]

PLACES: Final = (HERE, CHINA, GOVCLOUD)
"""One of each partition that the template is for."""
REGION: Final = HERE.region


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template, with everything resolved."""

    name: str
    folder: str
    """Under `functions/`."""
    module: str
    """The module of its handler, by the name under which Lambda imports it."""
    role: str
    """Logical id."""
    properties: Document
    events: Mapping[str, Document]
    """Its events of the SAM template, resolved."""

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {name: str(value) for name, value in self.properties["Environment"]["Variables"].items()}

    @property
    def own_variables(self) -> set[str]:
        """Its own variables, which other functions do not have."""
        own = sam()["Resources"][self.name]["Properties"].get("Environment", {}).get("Variables", {})
        return set(own)

    def events_of(self, kind: str) -> list[Document]:
        """Properties of its events of one type."""
        return [event["Properties"] for event in self.events.values() if event["Type"] == kind]


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the template that runs until it is ended, with everything resolved."""

    name: str
    folder: str
    """Under `functions/`."""
    module: str
    """The module that its image starts."""
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


class Stack(Resolved):
    """The stack that the template makes with given parameters."""

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
