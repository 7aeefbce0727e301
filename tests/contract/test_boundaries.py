"""Names of vendors stand in the vendors' own files alone. `make lint` looks at the imports (pyproject.toml)."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from tests import vendor_files
from tests.template.stack import ROOT

_VENDORS: Final = vendor_files.vendors(ROOT)
_LAYER: Final = ROOT / "layers" / "gatehouse"
_OTHERS: Final = sorted(name for name in vendor_files.NOT_VENDORS if (ROOT / "functions" / name).is_dir())


def python(folder: Path) -> list[Path]:
    """The Python files in a folder."""
    found = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    assert found, f"{folder} holds no Python"
    return found


def names(text: str) -> list[str]:
    """The vendors that a text names: in its code, its strings, its docstrings or its comments."""
    return [vendor for vendor in _VENDORS if re.search(vendor, text, re.IGNORECASE)]


def test_a_link_in_an_event_is_made_where_it_is_looked_at() -> None:
    """A page that shows events makes links of these: a pushed address becomes one by `gatehouse.links` alone."""
    makers = {
        str(path.relative_to(ROOT))
        for folder in (_LAYER, ROOT / "functions")
        for path in python(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Link"
    }
    assert makers == {"layers/gatehouse/gatehouse/links.py"}


def test_the_layer_names_no_vendor() -> None:
    files = [*python(_LAYER), _LAYER / "Makefile", _LAYER / "requirements.txt"]
    assert {path.name: names(path.read_text()) for path in files if names(path.read_text())} == {}


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_vendor_names_no_other_vendor(vendor: str) -> None:
    for path in python(ROOT / "functions" / vendor):
        assert set(names(path.read_text())) <= {vendor}, path


@pytest.mark.parametrize("function", _OTHERS)
def test_what_stands_behind_the_gate_names_no_vendor(function: str) -> None:
    for path in python(ROOT / "functions" / function):
        assert names(path.read_text()) == []


def own_vendors(path: Path) -> set[str]:
    """The vendors that a file is of: a folder or the file is named after them, in a word of its own."""
    words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    return words & set(_VENDORS)


def strange(path: Path) -> list[str]:
    """Vendors that a file names and is not of."""
    return [name for name in names(path.read_text()) if name not in own_vendors(path)]


_EXAMPLES: Final = tuple(ROOT / "tests" / folder for folder in ("bench", "e2e", "unit/ops"))
"""Tests of the operator's commands and of a whole deployment: they may take a vendor as example, and list none."""


def test_adding_a_vendor_edits_no_python_file_that_is_there() -> None:
    """A vendor is found by looking: outside its own folders and files, nothing that is shared knows its name."""
    shared = [
        *python(_LAYER),
        *(path for name in _OTHERS for path in python(ROOT / "functions" / name)),
        *python(ROOT / "ops"),
        *(path for path in python(ROOT / "tests") if not any(map(path.is_relative_to, _EXAMPLES))),
    ]
    naming = {str(path.relative_to(ROOT)): strange(path) for path in shared}
    assert {path: found for path, found in naming.items() if found} == {}


@pytest.mark.parametrize("folder", _EXAMPLES, ids=str)
def test_a_test_that_takes_a_vendor_as_its_example_does_not_list_them(folder: Path) -> None:
    listing = [str(path.relative_to(ROOT)) for path in python(folder) if len(names(path.read_text())) == len(_VENDORS)]
    assert listing == []


# ─── Of the reading itself: it can see ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("vendor", _VENDORS)
@pytest.mark.parametrize("text", ["# as {} does", '"""Of {}."""', "is_{} = True", "class {}Push: ..."])
def test_a_vendors_name_is_seen_wherever_it_stands(vendor: str, text: str) -> None:
    assert names(text.format(vendor)) == names(text.format(vendor.upper())) == [vendor]


@pytest.mark.parametrize(
    "path",
    [
        "tests/vendors/{}/suites.py",
        "tests/unit/{}/test_verify.py",
        "tests/faults/test_{}_door.py",
        "tests/drivers/{}.py",
        "ops/simulators/{}.py",
    ],
)
@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_file_is_of_the_vendor_that_it_is_named_after(vendor: str, path: str) -> None:
    assert own_vendors(ROOT / path.format(vendor)) == {vendor}


@pytest.mark.parametrize("path", ["tests/builders.py", "tests/unit/test_hostile.py", "tests/contract/test_{}s.py"])
@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_file_of_no_vendor_is_taken_for_no_vendors(vendor: str, path: str) -> None:
    assert own_vendors(ROOT / path.format(vendor)) == set()
