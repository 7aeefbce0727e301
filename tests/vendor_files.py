"""The vendors, found by looking, and the parts that a vendor's folder, block and samples lack."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

type Document = dict[str, Any]

NOT_VENDORS: Final = frozenset({"redrive", "relay", "subscriptions"})
FILES: Final = ("README.md", "handler.py", "normalise.py", "verify.py", "wire.py")
SAMPLES: Final = (
    "duplicate",
    "future",
    "missing-signature",
    "rotated",
    "stale",
    "tampered",
    "unknown-account",
    "unmapped",
    "unreadable",
)
"""Each the name of a file under `events/<vendor>/`, and of the rule that it is for."""
RULES: Final = frozenset({*SAMPLES, "garbage", "several-accounts"})
"""Rules that a vendor may be exempt from, with a reason, in `events/<vendor>/exempt.json`."""
_NO_PUSH: Final = frozenset({"answers", "exempt", "secret"})
# Content types that an HTTP API hands over as text; all else arrives in base64:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
_TEXT: Final = ("text/", "application/json", "application/xml", "application/javascript")


def vendors(root: Path) -> list[str]:
    """Names of the vendors' folders."""
    return sorted(
        path.name
        for path in (root / "functions").iterdir()
        if path.is_dir() and path.name not in NOT_VENDORS and not path.name.startswith(("_", "."))
    )


def samples(root: Path, vendor: str) -> dict[str, Path]:
    """The pushes of a vendor, by name."""
    found = sorted((root / "events" / vendor).glob("*.json"))
    return {path.stem: path for path in found if path.stem not in _NO_PUSH}


def valid_samples(root: Path, vendor: str) -> list[str]:
    """Names of the pushes that mean something."""
    return [name for name in samples(root, vendor) if name.startswith("valid-")]


def silent_samples(root: Path, vendor: str) -> list[str]:
    """Names of the pushes that are taken and are no event of their own."""
    return [name for name in samples(root, vendor) if name.startswith("silent-")]


def exemptions(root: Path, vendor: str) -> Document:
    """The rules that do not fit a vendor, and why."""
    path = root / "events" / vendor / "exempt.json"
    found: Document = json.loads(path.read_text()) if path.exists() else {}
    return found


def answers(root: Path, vendor: str) -> dict[str, dict[str, Any]]:
    """Answers to a vendor that waits for more than an acknowledgement, by the name of the sample.

    `taken` is the body of the answer, `""` for none; `not_kept` that of the answer where AWS takes nothing, if it is
    not a refusal.
    """
    path = root / "events" / vendor / "answers.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def bound_by(root: Path, rule: str) -> list[str]:
    """The vendors that a rule is for."""
    return [vendor for vendor in vendors(root) if rule not in exemptions(root, vendor)]


def folder_faults(root: Path, vendor: str) -> list[str]:
    """Faults of a vendor's folder under `functions/`."""
    folder = root / "functions" / vendor
    return [f"functions/{vendor}/{name} is missing or empty" for name in FILES if not _has_text(folder / name)]


def sample_faults(root: Path, vendor: str) -> list[str]:
    """Faults of a vendor's folder under `events/`: parts that lack, and pushes that are none of API Gateway's."""
    return [*_missing_samples(root, vendor), *_secret_faults(root, vendor), *_event_faults(root, vendor)]


def _missing_samples(root: Path, vendor: str) -> Iterator[str]:
    exempt = exemptions(root, vendor)
    there = samples(root, vendor)
    for rule, reason in exempt.items():
        if rule not in RULES:
            yield f"events/{vendor}/exempt.json: there is no rule {rule}"
        if not isinstance(reason, str) or not reason.strip():
            yield f"events/{vendor}/exempt.json: {rule} needs a reason"
        if rule in there:
            yield f"events/{vendor}/{rule}.json is there, and the vendor is exempt from it"
    if not valid_samples(root, vendor):
        yield f"events/{vendor}/valid-*.json: there is none"
    for rule in SAMPLES:
        if rule not in there and rule not in exempt:
            yield f"events/{vendor}/{rule}.json is missing, or a reason in exempt.json"
    for name in answers(root, vendor):
        if name not in there:
            yield f"events/{vendor}/answers.json: there is no sample {name}"
    for name in there:
        if name not in SAMPLES and not name.startswith(("valid-", "silent-")):
            yield f"events/{vendor}/{name}.json: no rule says what is to become of it"


def _secret_faults(root: Path, vendor: str) -> Iterator[str]:
    exempt = exemptions(root, vendor)
    path = root / "events" / vendor / "secret.json"
    if not path.exists():
        yield f"events/{vendor}/secret.json is missing"
        return
    accounts = json.loads(path.read_text())["accounts"]
    if len(accounts) < 2 and "several-accounts" not in exempt:
        yield f"events/{vendor}/secret.json: one account shows nothing, two do"
    if "rotated" not in exempt and not any(len(live) > 1 for account in accounts for live in _lists(account)):
        yield f"events/{vendor}/secret.json: no account has two live secrets"


def _event_faults(root: Path, vendor: str) -> Iterator[str]:
    for path in samples(root, vendor).values():
        where = path.relative_to(root)
        event = json.loads(path.read_text())
        try:
            request = event["requestContext"]
            faults = {
                "version is not 2.0": event["version"] != "2.0",
                "the routes differ": event["routeKey"] != request["routeKey"],
                "the paths differ": event["rawPath"] != request["http"]["path"],
                "a header's name is not in lower case": any(name != name.lower() for name in event["headers"]),
                "timeEpoch is no time": not isinstance(request["timeEpoch"], int),
                "text and base64 are not as API Gateway has them": event["isBase64Encoded"] == _is_text(event),
            }
        except KeyError as error:
            yield f"{where}: {error} is missing"
        else:
            yield from (f"{where}: {fault}" for fault, found in faults.items() if found)


def _is_text(event: Document) -> bool:
    return str(event["headers"].get("content-type", "")).startswith(_TEXT)


def template_faults(template: Document, vendor: str) -> list[str]:
    """Faults of a vendor's block in the template."""
    resources: Document = template["Resources"]
    handler = f"functions.{vendor}.handler.lambda_handler"
    functions = [
        resource
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::Function" and resource["Properties"]["Handler"] == handler
    ]
    if len(functions) != 1:
        return [f"{len(functions)} functions have the handler {handler}"]
    (function,) = functions
    properties = function["Properties"]

    def resource(value: Any) -> Document:
        """The resource that a Ref or a GetAtt points at."""
        if not isinstance(value, dict):
            return {"Type": None}
        name = str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])
        found: Document = resources[name]
        return found

    def is_own_push(event: Document) -> bool:
        path = str(event["Properties"].get("Path", ""))
        version = event["Properties"].get("PayloadFormatVersion")
        of_vendor = f"{path}/".startswith(f"/v1/{vendor}/")
        return of_vendor and version == "2.0"

    routes = [event for event in properties.get("Events", {}).values() if event["Type"] == "HttpApi"]
    group = resource(properties.get("LoggingConfig", {}).get("LogGroup"))
    secret = resource(properties.get("Environment", {}).get("Variables", {}).get("SECRET_ARN"))
    built = {"ParentPackageMode": "explicit", "ParentPackages": f"functions.{vendor}"}
    demands = {
        f"its CodeUri is functions/{vendor}": properties.get("CodeUri") == f"functions/{vendor}",
        f"it is built as {built}": function.get("Metadata", {}).get("BuildProperties") == built,
        "a role is written out": resource(properties.get("Role"))["Type"] == "AWS::IAM::Role",
        "a log group keeps its logs for a time": (
            group["Type"] == "AWS::Logs::LogGroup" and "RetentionInDays" in group["Properties"]
        ),
        "SECRET_ARN is a secret": secret["Type"] == "AWS::SecretsManager::Secret",
        f"its HttpApi events are 2.0 and under /v1/{vendor}": bool(routes) and all(map(is_own_push, routes)),
        "AutoPublishAliasAllProperties is true": properties.get("AutoPublishAliasAllProperties") is True,
    }
    return [f"template.yaml, {handler}: not so: {demand}" for demand, met in demands.items() if not met]


def _lists(account: Document) -> list[list[Any]]:
    return [value for value in account.values() if isinstance(value, list)]


def _has_text(path: Path) -> bool:
    return path.is_file() and bool(path.read_text().strip())
