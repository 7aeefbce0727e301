"""The resources that a deployment would make, with the settings that it is to have."""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from ops import translate
from ops.cost.template import ROOT, Deployed

type Document = dict[str, Any]


class Existing(StrEnum):
    """The facts about a stack of the name."""

    NONE = "none"
    """There is none, or one without anything in it."""
    DEPLOYED = "deployed"
    """A deployment updates it."""
    IN_THE_WAY = "in the way"
    """It cannot be updated, or not now."""
    UNKNOWN = "unknown"


class Plan:
    """The stack that the template makes under a name.

    Args:
        stack: its name.
        given: settings as they are given on the command line.
        known: settings that a stack of this name has already, which stay as they are unless they are given.
        existing: what is known of that stack.
    """

    def __init__(
        self,
        stack: str,
        given: Mapping[str, str],
        known: Mapping[str, str] | None = None,
        existing: Existing = Existing.NONE,
    ) -> None:
        parameters = _template()["Parameters"]
        self.stack = stack
        self.existing = existing
        defaults = {name: str(entry["Default"]) for name, entry in parameters.items()}
        kept = {name: value for name, value in (known or {}).items() if name in parameters}
        self.settings: Mapping[str, str] = defaults | kept | dict(given)
        self._deployed = Deployed(**self.settings)

    def of(self, *kinds: str) -> dict[str, Document]:
        """The properties of the resources of some types, by logical id."""
        return self._deployed.of(*kinds)

    def kinds(self) -> set[str]:
        """The types of resources that it makes."""
        return self._deployed.kinds()

    def named(self, kind: str, name: str) -> list[str]:
        """The names that the template itself gives to resources of a type; of all others AWS makes one up."""
        found = []
        for logical_id in self.of(kind):
            written = self.written(logical_id).get(name)
            text = written.get("Fn::Sub") if isinstance(written, dict) else written
            if isinstance(text, str):
                found.append(self.with_stack(text))
        return found

    def written_reference(self, logical_id: str, name: str) -> str:
        """The logical id that a property refers to."""
        return str(self.written(logical_id)[name]["Ref"])

    def output(self, name: str) -> str:
        """A text that the stack tells, as it is before there is a stack: nothing but its name may be in it."""
        return self.with_stack(_template()["Outputs"][name]["Value"]["Fn::Sub"])

    def with_stack(self, text: str) -> str:
        """A text with the stack's name in place."""
        return text.replace("${AWS::StackName}", self.stack)

    def setting_of(self, logical_id: str, *path: str | int) -> str:
        """The settings that say what a property is, joined by commas; the property itself where none does."""
        value: Any = self.written(logical_id)
        for step in path:
            value = value[step]
        return ", ".join(dict.fromkeys(_references(value))) or ".".join(map(str, (logical_id, *path)))

    def written(self, logical_id: str) -> Document:
        """A resource's properties as SAM writes them, with their intrinsic functions."""
        return self._deployed.written(logical_id)


def faults(given: Iterable[str]) -> Iterator[str]:
    """The faults of settings as NAME=VALUE, before AWS is asked."""
    parameters = _template()["Parameters"]
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            yield f"{name} is to be NAME=VALUE"
        elif name not in parameters:
            yield f"the template has no setting {name}"
        elif (fault := _fault(parameters[name], value)) is not None:
            yield f"{name} {fault}"


def _fault(entry: Mapping[str, Any], value: str) -> str | None:
    """Holds a value against the template as CloudFormation does.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    if "AllowedValues" in entry and value not in map(str, entry["AllowedValues"]):
        return f"is to be one of {', '.join(map(str, entry['AllowedValues']))}"
    if entry["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            return "is to be a number"
        if not float(entry.get("MinValue", number)) <= number <= float(entry.get("MaxValue", number)):
            return f"is to be from {entry.get('MinValue')} to {entry.get('MaxValue')}"
    values = value.split(",") if entry["Type"] == "CommaDelimitedList" else [value]
    if "AllowedPattern" in entry and not all(re.fullmatch(entry["AllowedPattern"], each) for each in values):
        return f"is to be {entry.get('ConstraintDescription', 'as ' + entry['AllowedPattern'])}"
    return None


def _references(value: Any) -> Iterator[str]:
    """The settings that a property refers to."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "Ref" and item in _template()["Parameters"]:
                yield item
            else:
                yield from _references(item)


@cache
def _template() -> translate.Template:
    return translate.read(ROOT / "template.yaml")
