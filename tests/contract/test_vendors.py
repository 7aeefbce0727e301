"""Every vendor has all that a vendor has; and a vendor that lacks a part of it is reported."""

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from tests import vendor_files
from tests.template.stack import ROOT, sam

every_vendor = pytest.mark.parametrize("vendor", vendor_files.vendors(ROOT))


def test_there_are_vendors() -> None:
    assert vendor_files.vendors(ROOT)


@every_vendor
def test_a_vendors_folder_has_every_file_of_the_map(vendor: str) -> None:
    assert vendor_files.folder_faults(ROOT, vendor) == []


@every_vendor
def test_a_vendors_block_in_the_template_is_whole(vendor: str) -> None:
    assert vendor_files.template_faults(sam(), vendor) == []


@every_vendor
def test_a_vendor_has_a_sample_for_every_rule_that_binds_it(vendor: str) -> None:
    assert vendor_files.sample_faults(ROOT, vendor) == []


def test_every_folder_of_samples_is_a_vendors() -> None:
    assert sorted(path.name for path in (ROOT / "events").iterdir()) == vendor_files.vendors(ROOT)


# ─── Of the suite itself: it can say no ───────────────────────────────────────────────────────────────────────────

# One that every rule binds.
_MODEL: Final = next(vendor for vendor in vendor_files.vendors(ROOT) if not vendor_files.exemptions(ROOT, vendor))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one whole vendor, by the name of acme."""
    shutil.copytree(ROOT / "functions" / _MODEL, tmp_path / "functions" / "acme")
    shutil.copytree(ROOT / "events" / _MODEL, tmp_path / "events" / "acme")
    (tmp_path / "functions" / "relay").mkdir()
    (tmp_path / "functions" / "__pycache__").mkdir()
    return tmp_path


@pytest.fixture
def template() -> dict[str, Any]:
    """The template, with the model's block as acme's."""
    found: dict[str, Any] = json.loads(json.dumps(sam()).replace(_MODEL, "acme"))
    return found


def test_a_new_folder_is_found_as_a_vendor(root: Path) -> None:
    assert vendor_files.vendors(root) == ["acme"]


def test_a_whole_vendor_has_no_faults(root: Path, template: dict[str, Any]) -> None:
    assert vendor_files.folder_faults(root, "acme") == []
    assert vendor_files.sample_faults(root, "acme") == []
    assert vendor_files.template_faults(template, "acme") == []


@pytest.mark.parametrize("name", vendor_files.FILES)
def test_a_missing_file_is_reported(root: Path, name: str) -> None:
    (root / "functions" / "acme" / name).unlink()
    assert vendor_files.folder_faults(root, "acme") == [f"functions/acme/{name} is missing or empty"]


@pytest.mark.parametrize("name", [*vendor_files.SAMPLES, "secret"])
def test_a_missing_sample_is_reported(root: Path, name: str) -> None:
    (root / "events" / "acme" / f"{name}.json").unlink()
    (fault,) = vendor_files.sample_faults(root, "acme")
    assert fault.startswith(f"events/acme/{name}.json is missing")


def test_a_vendor_without_a_valid_sample_is_reported(root: Path) -> None:
    (root / "events" / "acme" / "answers.json").unlink(missing_ok=True)
    for path in (root / "events" / "acme").glob("valid-*.json"):
        path.unlink()
    assert vendor_files.sample_faults(root, "acme") == ["events/acme/valid-*.json: there is none"]


def test_a_sample_that_no_rule_is_for_is_reported(root: Path) -> None:
    folder = root / "events" / "acme"
    shutil.copy(folder / "stale.json", folder / "valide-typo.json")
    (fault,) = vendor_files.sample_faults(root, "acme")
    assert "no rule says" in fault


def test_a_push_that_is_no_event_of_its_own_is_a_sample_and_none_that_means_something(root: Path) -> None:
    folder = root / "events" / "acme"
    (folder / "stale.json").rename(folder / "silent-heartbeat.json")
    (folder / "exempt.json").write_text('{"stale": "its pushes carry no time"}')
    assert vendor_files.sample_faults(root, "acme") == []
    assert vendor_files.silent_samples(root, "acme") == ["silent-heartbeat"]
    assert "silent-heartbeat" not in vendor_files.valid_samples(root, "acme")


@pytest.mark.parametrize(
    ("exempt", "fault"),
    [
        ({"stale": "its pushes carry no time"}, None),
        ({"stale": " "}, "stale needs a reason"),
        ({"tuesdays": "closed"}, "there is no rule tuesdays"),
    ],
)
def test_an_exemption_needs_a_rule_and_a_reason(root: Path, exempt: dict[str, str], fault: str | None) -> None:
    folder = root / "events" / "acme"
    (folder / "stale.json").unlink()
    (folder / "exempt.json").write_text(json.dumps({"stale": "so", **exempt}))
    faults = vendor_files.sample_faults(root, "acme")
    assert faults == ([f"events/acme/exempt.json: {fault}"] if fault else [])
    assert ("acme" in vendor_files.bound_by(root, "stale")) is False


def test_a_sample_of_what_a_vendor_is_exempt_from_is_reported(root: Path) -> None:
    (root / "events" / "acme" / "exempt.json").write_text('{"stale": "its pushes carry no time"}')
    (fault,) = vendor_files.sample_faults(root, "acme")
    assert fault.endswith("the vendor is exempt from it")


def test_an_answer_to_a_sample_that_is_not_there_is_reported(root: Path) -> None:
    (root / "events" / "acme" / "answers.json").write_text('{"valid-tuesday": {"taken": {}}}')
    assert vendor_files.sample_faults(root, "acme") == ["events/acme/answers.json: there is no sample valid-tuesday"]


def test_a_secret_that_shows_no_rotation_is_reported(root: Path) -> None:
    path = root / "events" / "acme" / "secret.json"
    secret = json.loads(path.read_text())
    path.write_text(json.dumps({"accounts": secret["accounts"][1:]}))
    assert len(vendor_files.sample_faults(root, "acme")) == 2


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("version", "1.0"),
        ("routeKey", "POST /elsewhere"),
        ("rawPath", "/elsewhere"),
        ("headers", {"Content-Type": "text/plain"}),
        ("requestContext", {}),
    ],
)
def test_a_sample_that_is_no_event_of_api_gateways_is_reported(root: Path, part: str, value: object) -> None:
    path = root / "events" / "acme" / "stale.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: value}))
    assert vendor_files.sample_faults(root, "acme")


def test_a_body_that_api_gateway_would_encode_otherwise_is_reported(root: Path) -> None:
    path = root / "events" / "acme" / "stale.json"
    event = json.loads(path.read_text())
    path.write_text(json.dumps({**event, "isBase64Encoded": not event["isBase64Encoded"]}))
    (fault,) = vendor_files.sample_faults(root, "acme")
    assert "base64" in fault


def _block(template: dict[str, Any]) -> dict[str, Any]:
    handler = "functions.acme.handler.lambda_handler"
    block: dict[str, Any] = next(
        resource
        for resource in template["Resources"].values()
        if resource.get("Properties", {}).get("Handler") == handler
    )
    return block


@pytest.mark.parametrize(
    "part", ["AutoPublishAliasAllProperties", "CodeUri", "Environment", "Events", "LoggingConfig", "Role"]
)
def test_a_part_that_the_block_lacks_is_reported(template: dict[str, Any], part: str) -> None:
    lacking = deepcopy(template)
    del _block(lacking)["Properties"][part]
    assert len(vendor_files.template_faults(lacking, "acme")) == 1


@pytest.mark.parametrize("event", [{"Path": "/v1/elsewhere"}, {"Path": "/v1/acmes"}, {"PayloadFormatVersion": "1.0"}])
def test_one_route_of_several_that_is_not_the_vendors_is_reported(
    template: dict[str, Any], event: dict[str, str]
) -> None:
    events = _block(template)["Properties"]["Events"]
    (route, *_) = events.values()
    second = deepcopy(route)
    second["Properties"]["Path"] += "/{token}/authorize"
    events["Second"] = second
    assert vendor_files.template_faults(template, "acme") == []
    second["Properties"] |= event
    assert len(vendor_files.template_faults(template, "acme")) == 1


def test_a_block_that_is_built_otherwise_is_reported(template: dict[str, Any]) -> None:
    _block(template)["Metadata"]["BuildProperties"]["ParentPackages"] = "functions"
    assert len(vendor_files.template_faults(template, "acme")) == 1


def test_a_vendor_without_a_block_is_reported() -> None:
    assert vendor_files.template_faults(sam(), "acme") == [
        "0 functions have the handler functions.acme.handler.lambda_handler"
    ]
