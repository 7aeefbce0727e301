"""The tools' environments: what is installed is what was pinned, and the developer's account stays where it is."""

import base64
import hashlib
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from ops import tools

_TOOLS = sorted(path.stem for path in tools.REQUIREMENTS.glob("*.in"))
_MARK = "of-the-developer"
_PINNED = re.compile(r"([a-z0-9][a-z0-9.-]*)==([\w.!+]+)( ; [^\\]+)?")

every_tool = pytest.mark.parametrize("tool", _TOOLS)


# ─── Pins ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _requirements(tool: str) -> list[str]:
    """Each requirement in one line, as the file has them."""
    text = (tools.REQUIREMENTS / f"{tool}.txt").read_text()
    return text.replace("\\\n", " ").splitlines()


def test_each_tool_is_pinned() -> None:
    assert sorted([tools.SAM, tools.EMULATOR, "uv"]) == _TOOLS
    assert sorted(path.stem for path in tools.REQUIREMENTS.glob("*.txt")) == _TOOLS


@every_tool
def test_each_requirement_is_one_version_with_its_hashes(tool: str) -> None:
    """Besides, no file says where from: that is the developer's own setting."""
    requirements = _requirements(tool)
    assert requirements
    for requirement in requirements:
        pinned, *hashes = requirement.split(" --hash=")
        assert _PINNED.fullmatch(pinned.strip()), requirement
        assert hashes, pinned
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text.strip()) for text in hashes), pinned


@every_tool
def test_the_pins_are_of_what_is_asked_for(tool: str) -> None:
    """`make pins` after a change of an `.in`."""
    (asked,) = (tools.REQUIREMENTS / f"{tool}.in").read_text().splitlines()
    assert asked in {requirement.split()[0] for requirement in _requirements(tool)}


def test_what_builds_this_project_has_its_hashes_in_the_lock() -> None:
    """In isolation uv takes any build backend and checks no hash of it."""
    lines = (tools.REQUIREMENTS.parents[1] / "pyproject.toml").read_text().splitlines()
    assert 'no-build-isolation-package = ["gatehouse"]' in lines
    (asked,) = (line.partition("=")[2].strip() for line in lines if line.startswith("requires ="))
    assert f"    {asked.strip('[]')}," in lines


# ─── Installation ─────────────────────────────────────────────────────────────────────────────────────────────────


def _wheel(folder: Path) -> str:
    """The hash of a wheel that is made in a folder: the distribution `pinned`, with a program that has its name."""
    path = folder / "pinned-1-py3-none-any.whl"
    files = {
        "pinned.py": "def main() -> None: ...\n",
        "pinned-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: pinned\nVersion: 1\n",
        "pinned-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "pinned-1.dist-info/entry_points.txt": "[console_scripts]\npinned = pinned:main\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "pinned-1.dist-info/RECORD": f"{record}pinned-1.dist-info/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _installed(folder: Path, suffix: str) -> Path:
    """The folder of the programs, if the tool is asked for with a suffix to its version."""
    text = f"--no-index\n--find-links {folder}\npinned==1{suffix}\n"
    (folder / "pinned.txt").write_text(text)
    return tools.installed("pinned", folder / "tools", folder)


def test_a_tool_is_installed_once_and_repaired_if_it_is_not_whole(tmp_path: Path) -> None:
    suffix = f" --hash=sha256:{_wheel(tmp_path)}"
    programs = _installed(tmp_path, suffix)
    assert (programs / "pinned").is_file()
    before = (programs / "python").lstat()
    assert _installed(tmp_path, suffix) == programs
    assert (programs / "python").lstat() == before

    (programs / "python").unlink()
    _installed(tmp_path, suffix)
    assert (programs / "python").exists()
    assert (programs / "pinned").is_file()


def test_what_has_another_hash_is_not_installed(tmp_path: Path) -> None:
    _wheel(tmp_path)
    with pytest.raises(RuntimeError, match="Hash mismatch"):
        _installed(tmp_path, f" --hash=sha256:{'0' * 64}")


def test_what_has_no_hash_is_not_installed(tmp_path: Path) -> None:
    _wheel(tmp_path)
    with pytest.raises(RuntimeError, match="must have a hash"):
        _installed(tmp_path, "")


# ─── The developer's account ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the variables by which the developer has an account."""
    names = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONFIG_FILE",
        "AWS_ENDPOINT_URL",
        "BOTO_CONFIG",
    }
    for name in names:
        monkeypatch.setenv(name, _MARK)
    return names


_NOWHERE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def _of_aws(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("AWS_")}


@pytest.mark.usefixtures("account")
def test_nothing_of_the_developers_reaches_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its functions inherits all that it has."""
    monkeypatch.setenv("GITHUB_TOKEN", _MARK)
    monkeypatch.setenv("HTTP_PROXY", _MARK)
    environment = tools.bare_environment(tmp_path / "bin", tmp_path, GATEWAY_PORT="1")
    assert _MARK not in environment.values()
    assert _of_aws(environment) == _NOWHERE
    assert environment["HOME"] == str(tmp_path)
    assert environment["GATEWAY_PORT"] == "1"
    assert environment["PATH"].split(os.pathsep)[0] == str(tmp_path / "bin")


@pytest.mark.usefixtures("account")
def test_what_builds_has_no_account() -> None:
    environment = tools.environment(PLATFORM="here")
    assert _MARK not in environment.values()
    assert _of_aws(environment) == _NOWHERE
    assert environment["PLATFORM"] == "here"
    assert environment["PYTHON"] == sys.executable


def test_what_deploys_has_it(account: set[str]) -> None:
    environment = tools.environment(account=True)
    assert {name for name, value in environment.items() if value == _MARK} == account
    assert "AWS_EC2_METADATA_DISABLED" not in environment


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["deploy"], True),
        (["deploy", "--parameter-overrides", "A=build"], True),
        (["logs"], True),
        ([], True),
        (["build"], False),
        (["validate", "--lint"], False),
    ],
)
def test_sam_has_it_where_it_asks_something_of_aws(arguments: list[str], needed: bool) -> None:
    assert tools.needs_account(arguments) is needed


# ─── The region ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_REGION": ""}, None),
        ({}, None),
    ],
)
def test_sam_is_told_the_region_by_the_one_name_that_it_knows(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], known: str | None
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert tools.environment(account=True).get("AWS_DEFAULT_REGION") == known
    assert "AWS_DEFAULT_REGION" not in tools.environment()


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("deploy", []),
        ('deploy --parameter-overrides Traffic=large OperatorEmail=""', []),
        ("deploy --parameter-overrides Trafic=large Traffic=large --config-env ci", ["Trafic"]),
        ("deploy --config-env ci --parameter-overrides ParameterKey=Trafic,ParameterValue=large", ["Trafic"]),
        ("deploy --parameter-overrides=Trafic=large", ["Trafic"]),
        ("deploy --template-file ops/budget.yaml --parameter-overrides MonthlyBudget=50", []),
        ("deploy --template-file ops/budget.yaml --parameter-overrides Traffic=large", ["Traffic"]),
    ],
)
def test_a_setting_that_the_template_does_not_have_is_not_dropped_in_silence(words: str, unknown: list[str]) -> None:
    """SAM deploys without it, and says that there is nothing to change."""
    assert tools.unknown_settings(words.split()) == unknown
