"""The deployed template as plain CloudFormation, with what the emulator does not read written out for it."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

type Template = dict[str, Any]

STATE_MACHINE: Final = "AWS::Serverless::StateMachine"
ARTIFACTS: Final = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    STATE_MACHINE: "DefinitionUri",
}
"""The types of resources that are uploaded apart, and the property that says where to."""

# The fields of a state or a retrier that are numbers: https://states-language.net/spec.html
_NUMBERS: Final = (
    "BackoffRate|HeartbeatSeconds|IntervalSeconds|MaxAttempts|MaxConcurrency|MaxDelaySeconds|Seconds|TimeoutSeconds"
)
_QUOTED_NUMBER: Final = re.compile(rf'("(?:{_NUMBERS})": )"(\$\{{[^"{{}}]+\}})"')


def read(path: Path) -> Template:
    """A SAM template as it stands in its file."""
    return parsed(path.read_text())


def parsed(text: str) -> Template:
    """A SAM template, or one of CloudFormation alone, from YAML or JSON; it may be changed."""
    return deepcopy(_parsed(text))


@cache
def _parsed(text: str) -> Template:
    from samtranslator.yaml_helper import yaml_parse  # noqa: PLC0415 - half a second that most commands do not need

    # An alias is the same object in several places. SAM changes what it is given, so that each place needs its own.
    template: Template = json.loads(json.dumps(yaml_parse(text)))
    return template


def routes(template: Template) -> set[str]:
    """The routes of a SAM template's API: `METHOD /path`."""
    return {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for resource in template["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def with_values(template: Template, values: Mapping[str, str]) -> Template:
    """The same template as AWS::LanguageExtensions leaves it to SAM: with the parameters' values in their places.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
    """
    lists = {name for name, parameter in template["Parameters"].items() if parameter["Type"] == "CommaDelimitedList"}

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if set(node) == {"Ref"} and node["Ref"] in values:
                value = values[node["Ref"]]
                return value.split(",") if node["Ref"] in lists else value
            return {name: resolved(value) for name, value in node.items()}
        return [resolved(value) for value in node] if isinstance(node, list) else node

    return {**template, **{part: resolved(template[part]) for part in ("Globals", "Resources") if part in template}}


def translated(template: Template, artifacts: Mapping[str, str], region: str) -> Template:
    """Translates a template as SAM does on AWS.

    Args:
        template: the SAM template; it is changed.
        artifacts: `s3://` address of the artifact for the logical id of each function, layer and state machine.
        region: where it would be deployed.
    """
    import boto3  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    for logical_id, address in artifacts.items():
        resource = template["Resources"][logical_id]
        resource["Properties"][ARTIFACTS[resource["Type"]]] = address
    # No managed policies to look up: every role is written out in the template.
    plain: Template = Translator({}, Parser(), boto_session=boto3.Session(region_name=region)).translate(template, {})
    return plain


def definition(path: Path) -> str:
    """A state machine's definition in JSON, from the YAML in a file."""
    return as_json(path.read_text())


def as_json(definition: str) -> str:
    """A state machine's definition in JSON, from YAML: AWS takes both, the emulator the one.

    Both put the values of the `${Name}` substitutions into the text before they read it. YAML takes what is
    then there for a number or a string by what it looks like, JSON by its quotes: the substitutions stand without
    quotes in those fields of the language that are numbers, and nowhere else.
    """
    return _QUOTED_NUMBER.sub(r"\1\2", json.dumps(yaml.safe_load(definition)))


def for_emulator(template: Template, api_id: str, values: Mapping[str, str]) -> Template:
    """A template translated by SAM, as the emulator makes of it what AWS does.

    Args:
        template: the template.
        api_id: what the HTTP API is to have for its id.
        values: other values of the template's parameters than their defaults.
    """
    return without_queries(without_sums(with_routes(with_numbers(template, values), api_id)))


def without_sums(template: Template) -> Template:
    """The same template without the alarms on a sum of metrics, which the emulator refuses with the whole stack."""
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] != "AWS::CloudWatch::Alarm" or "Metrics" not in resource["Properties"]
    }
    return {**template, "Resources": resources}


def with_numbers(template: Template, values: Mapping[str, str]) -> Template:
    """The same template with a number where a queue's trigger says how much it takes at once.

    CloudFormation makes a number of a parameter's text there; the emulator leaves it text, and the queue unread.

    Args:
        template: translated by SAM.
        values: other values of the template's parameters than their defaults.
    """
    resources: dict[str, Any] = dict(template["Resources"])
    for name, resource in template["Resources"].items():
        scaling = resource.get("Properties", {}).get("ScalingConfig")
        if scaling is None:
            continue
        most = scaling["MaximumConcurrency"]
        if isinstance(most, dict):
            most = values.get(most["Ref"], template["Parameters"][most["Ref"]]["Default"])
        properties = {**resource["Properties"], "ScalingConfig": {"MaximumConcurrency": int(most)}}
        resources[name] = {**resource, "Properties": properties}
    return {**template, "Resources": resources}


def without_queries(template: Template) -> Template:
    """The same template without the saved queries, a type of resource that the emulator does not know."""
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] != "AWS::Logs::QueryDefinition"
    }
    return {**template, "Resources": resources}


def with_routes(template: Template, api_id: str) -> Template:
    """The same template with each HTTP API's OpenAPI body as integrations and routes, and its id pinned.

    The emulator makes no routes from a body; AWS does.
    """
    resources: dict[str, Any] = dict(template["Resources"])
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::ApiGatewayV2::Api":
            continue
        resources[name] = {
            "Type": resource["Type"],
            "Properties": {"Name": name, "ProtocolType": "HTTP", "Tags": {"ms-custom-id": api_id}},
        }
        for path, methods in resource["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"]
                logical_id = "".join(part.capitalize() for part in f"{name} {method} {path}".split() if part)
                logical_id = "".join(character for character in logical_id if character.isalnum())
                resources[f"{logical_id}Integration"] = {
                    "Type": "AWS::ApiGatewayV2::Integration",
                    "Properties": {
                        "ApiId": {"Ref": name},
                        "IntegrationType": "AWS_PROXY",
                        "IntegrationUri": integration["uri"],
                        "PayloadFormatVersion": integration["payloadFormatVersion"],
                    },
                }
                resources[f"{logical_id}Route"] = {
                    "Type": "AWS::ApiGatewayV2::Route",
                    "Properties": {
                        "ApiId": {"Ref": name},
                        "RouteKey": f"{method.upper()} {path}",
                        "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"{logical_id}Integration"}]]},
                    },
                }
    return {**template, "Resources": resources}
