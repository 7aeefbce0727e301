"""The translated template with given settings: which resources there are, and what the functions are told."""

from collections.abc import Iterator
from typing import Any, Final

from ops.resolved import ACCOUNT, ROOT, Document, Place, Resolved, sam

__all__ = ["ACCOUNT", "ROOT", "Document"]

_PLACE: Final = Place("aws", "us-east-1", "amazonaws.com")
REGION: Final = _PLACE.region


class Deployed(Resolved):
    """The stack with some settings, the defaults where none are given.

    A name is as long as CloudFormation makes it, and with it whatever holds one.
    """

    suffix = "-1A2B3C4D5E6F"

    def __init__(self, **settings: str) -> None:
        super().__init__(settings, _PLACE)

    def parameter(self, name: str) -> Any:
        """A setting's value."""
        return self.resolve({"Ref": name})

    @staticmethod
    def allowed(name: str) -> list[str]:
        """The values that a setting can have."""
        values: list[str] = sam()["Parameters"][name]["AllowedValues"]
        return values

    def number(self, kind: str) -> int:
        """The number of resources of a type."""
        return sum(resource["Type"] == kind for resource in self.resources.values())

    def kinds(self) -> set[str]:
        """The types of the resources."""
        return {str(resource["Type"]) for resource in self.resources.values()}

    def written(self, logical_id: str) -> Document:
        """A resource's properties as SAM writes them, with their intrinsic functions."""
        properties: Document = self.resources[logical_id].get("Properties", {})
        return properties

    def of(self, *kinds: str) -> dict[str, Document]:
        """The properties of the resources of some types, by logical id."""
        return {name: found for kind in kinds for name, found in self.of_type(kind).items()}

    def environment(self, function: str) -> dict[str, str]:
        """A function's environment variables."""
        variables = self.resolve(self.written(function)["Environment"]["Variables"])
        return {name: str(value) for name, value in variables.items()}

    def vendors(self) -> Iterator[tuple[str, str]]:
        """The functions behind the API, and their folders under `functions/`."""
        for name, resource in sam()["Resources"].items():
            events = resource["Properties"].get("Events", {}) if name in self.resources else {}
            if any(event["Type"] == "HttpApi" for event in events.values()):
                yield name, resource["Properties"]["Handler"].split(".")[1]

    def name(self, logical_id: str) -> str:
        """The physical name of a resource."""
        name = f"gatehouse-{logical_id}{self.suffix}"
        return name.lower() if self.resources[logical_id]["Type"] == "AWS::S3::Bucket" else name
