"""Who knows whom, read from the imports: dependencies point inward, and nobody but a vendor names that vendor."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contract import vendors
from tests.template.stack import ROOT

_VENDORS: Final = vendors.vendors(ROOT)
_LAYER: Final = ROOT / "layers" / "gatehouse"
_OTHERS: Final = sorted(name for name in vendors.NOT_VENDORS if (ROOT / "functions" / name).is_dir())


def python(folder: Path) -> list[Path]:
    """The Python files in a folder."""
    found = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    assert found, f"{folder} holds no Python"
    return found


def imports(code: str) -> Iterator[str]:
    """What a file imports, in full: also inside its functions, also by name at run time.

    `from a import b` is `a` and `a.b`, since b may be a module.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"importlib.import_module", "__import__"}:
            yield ast.unparse(node.args[0]).strip("'\"")


def foreign(path: Path, *forbidden: str) -> list[str]:
    """Imports of a file from packages that it must not know; a relative one says too little and counts as well."""
    names = tuple(f"{package}." for package in forbidden)
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for name in imports(path.read_text())
        if f"{name}.".startswith((*names, "."))
    ]


def names(text: str) -> list[str]:
    """The vendors that a text names: in its code, its strings, its docstrings or its comments."""
    return [vendor for vendor in _VENDORS if re.search(vendor, text, re.IGNORECASE)]


def test_a_link_in_an_event_is_made_where_it_is_looked_at() -> None:
    """Whoever shows events makes links of these: a pushed address becomes one by `gatehouse.links` alone."""
    makers = {
        str(path.relative_to(ROOT))
        for folder in (_LAYER, ROOT / "functions")
        for path in python(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Link"
    }
    assert makers == {"layers/gatehouse/gatehouse/links.py"}


def test_the_layer_knows_neither_functions_nor_the_operators_side_nor_tests() -> None:
    assert [found for path in python(_LAYER) for found in foreign(path, "functions", "ops", "tests")] == []


def test_the_layer_names_no_vendor() -> None:
    files = [*python(_LAYER), _LAYER / "Makefile", _LAYER / "requirements.txt"]
    assert {path.name: names(path.read_text()) for path in files if names(path.read_text())} == {}


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_vendor_knows_no_other_function(vendor: str) -> None:
    others = [path.name for path in (ROOT / "functions").iterdir() if path.is_dir() and path.name != vendor]
    forbidden = [f"functions.{other}" for other in others]
    assert [found for path in python(ROOT / "functions" / vendor) for found in foreign(path, *forbidden)] == []


@pytest.mark.parametrize("vendor", _VENDORS)
def test_a_vendor_names_no_other_vendor(vendor: str) -> None:
    for path in python(ROOT / "functions" / vendor):
        assert set(names(path.read_text())) <= {vendor}, path


@pytest.mark.parametrize("function", _OTHERS)
def test_what_stands_behind_the_gate_knows_no_other_function_and_names_no_vendor(function: str) -> None:
    others = [path.name for path in (ROOT / "functions").iterdir() if path.is_dir() and path.name != function]
    for path in python(ROOT / "functions" / function):
        assert foreign(path, *(f"functions.{other}" for other in others)) == []
        assert names(path.read_text()) == []


def test_no_function_knows_the_operators_side_or_the_tests() -> None:
    assert [found for path in python(ROOT / "functions") for found in foreign(path, "ops", "tests")] == []


def test_no_function_imports_boto3_when_it_starts() -> None:
    """`gatehouse.aws` says why, and makes the clients."""
    for path in [*python(ROOT / "functions"), *python(_LAYER / "gatehouse")]:
        assert foreign(path, "boto3") == []


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


@pytest.mark.parametrize(
    "code",
    [
        "import functions.acme.wire",
        "from functions.acme import wire",
        "from functions import acme",
        "import functions.acme as harmless",
        "def later():\n    from functions.acme.wire import Push",
        "if True:\n    import functions.acme",
        "import importlib\nimportlib.import_module('functions.acme.wire')",
        "from ..acme import wire",
        "from . import acme",
    ],
)
def test_a_forbidden_import_is_seen(code: str) -> None:
    assert any(f"{name}.".startswith(("functions.acme.", ".")) for name in imports(code))


@pytest.mark.parametrize(
    "code", ["import functionsacme", "from gatehouse import functions_acme", "functions.acme.wire"]
)
def test_what_is_no_import_of_it_is_not_taken_for_one(code: str) -> None:
    assert not any(f"{name}.".startswith(("functions.acme.", ".")) for name in imports(code))


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
