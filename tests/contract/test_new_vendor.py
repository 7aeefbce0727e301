"""Adding a vendor edits no Python file: a vendor is copied under another name, and all suites hold for the copy.

The copy is a tree of its own. In it are added: the vendor's folders and files, named anew, and its entries in the
template. Every other file is as it is here.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from filecmp import cmp
from pathlib import Path
from typing import Final

import pytest

from tests import vendor_files
from tests.template.stack import ROOT

_MODEL: Final = next(
    vendor
    for vendor in vendor_files.vendors(ROOT)
    if "tampered" in vendor_files.exemptions(ROOT, vendor)
    and not (ROOT / "tests" / "drivers" / f"{vendor}.py").exists()
)
"""A vendor without a task or a flow that signs nothing: its samples are as authentic under another name."""
_NEW: Final = "nivo"
_TREE: Final = ("docs", "events", "functions", "layers", "ops", "tests")
_FILES: Final = ("template.yaml", "samconfig.toml", "pyproject.toml", *(path.name for path in ROOT.glob("*.md")))
_OWN: Final = ("events/{}", "functions/{}", "tests/vendors/{}", "ops/simulators/{}.py")
_SUITES: Final = (
    "tests/contract",
    "tests/faults/test_kill_between_steps.py",
    "tests/unit/test_hostile.py",
    "tests/unit/gatehouse/test_accounts.py",
    "tests/template/test_template.py",
    "tests/template/test_access.py",
    "tests/template/test_alarms.py",
)
_PAGES: Final = "tests/contract/test_papers.py"
"""Prose about the vendors that there are, some decisions named after one: it is no suite of a vendor's."""
_MEASURED: Final = "worst_push"
"""Tests that measure the cost of a vendor's code: the copy is in them, and is not measured once more."""
_PLUGIN: Final = """
from pathlib import Path
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    Path("collected").write_text("\\n".join(item.nodeid for item in items))
"""
_ENTRY: Final = re.compile(r"  (\w+):")


def renamed(text: str) -> str:
    """A text in which the new vendor stands in the place of its model, in small letters, capitals or both."""

    def name(found: re.Match[str]) -> str:
        word = found.group()
        return _NEW if word.islower() else _NEW.upper() if word.isupper() else _NEW.capitalize()

    return re.sub(_MODEL, name, text, flags=re.IGNORECASE)


def _copied(old: Path, new: Path) -> None:
    """A file or a folder under the new vendor's name."""
    if old.is_dir():
        for path in sorted(old.iterdir()):
            if path.name != "__pycache__":
                _copied(path, new / renamed(path.name))
        return
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(renamed(old.read_text()))


def _entries(text: str) -> Iterator[list[str]]:
    """The lines of a template, in pieces: an entry of a section, with the comments behind it, is one."""
    piece: list[str] = []
    for line in text.splitlines(keepends=True):
        if _ENTRY.match(line) or not line.startswith((" ", "\n")):
            yield piece
            piece = []
        piece.append(line)
    yield piece


def with_entries(template: str) -> str:
    """The template with each entry of the model's once more, for the new vendor; and each item of a list by itself."""
    made: list[str] = []
    for piece in _entries(template):
        entry = _ENTRY.match(piece[0]) if piece else None
        if entry and re.search(_MODEL, entry.group(1), re.IGNORECASE):
            made += [*piece, *map(renamed, piece)]
            continue
        for line in piece:
            made.append(line)
            if re.match(rf"\s+- (!\w+ )?\S*{_MODEL}\S*$", line, re.IGNORECASE):
                made.append(renamed(line))
    return "".join(made)


def left_out(collected: Iterable[str]) -> list[str]:
    """Tests of the model that the new vendor lacks, in files that are of neither: somebody lists vendors there."""
    known = set(collected)
    shared = (test for test in known if not re.search(_MODEL, test.partition("::")[0], re.IGNORECASE))
    return sorted(test for test in shared if renamed(test) not in known)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with one vendor more."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in _TREE:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _FILES:
        shutil.copy(ROOT / file, tree / file)
    for own in _OWN:
        _copied(ROOT / own.format(_MODEL), tree / own.format(_NEW))
    (tree / "template.yaml").write_text(with_entries((ROOT / "template.yaml").read_text()))
    (tree / "collecting.py").write_text(_PLUGIN)
    return tree


def test_a_new_vendor_is_in_every_suite_and_no_python_file_is_edited(tree: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "collecting",
            "-p",
            "no:cacheprovider",
            f"--ignore={_PAGES}",
            "-k",
            _NEW,
            *_SUITES,
        ],
        cwd=tree,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{tree}:{tree / 'layers/gatehouse'}",
            "PUSHES": "600",
            "HOSTILE": "0.02",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 500
    assert left_out((tree / "collected").read_text().splitlines()) == []
    edited = [
        path
        for folder in _TREE
        for path in (tree / folder).rglob("*.py")
        if (ROOT / path.relative_to(tree)).exists() and not cmp(path, ROOT / path.relative_to(tree), shallow=False)
    ]
    assert edited == []


def test_the_tree_has_the_vendor_twice_and_nothing_else_more(tree: Path) -> None:
    made = {str(path.relative_to(tree)) for folder in _TREE for path in (tree / folder).rglob("*") if path.is_file()}
    here = {str(path.relative_to(ROOT)) for folder in _TREE for path in (ROOT / folder).rglob("*") if path.is_file()}

    more = {path for path in made - here if "__pycache__" not in path}
    assert more
    assert all(_NEW in path for path in more)
    own = tuple(own.format(_MODEL) for own in _OWN)
    assert len(more) == len({path for path in here if path.startswith(own) and "__pycache__" not in path})


# ─── Of the check itself: it can say no ───────────────────────────────────────────────────────────────────────────────


def test_a_shared_file_that_lists_vendors_is_reported() -> None:
    listed = f"tests/contract/test_some.py::test_it[{_MODEL}-one]"
    found = f"tests/contract/test_more.py::test_it[{_MODEL}-one]"

    assert left_out([listed, found, renamed(found)]) == [listed]
    assert left_out([f"tests/unit/{_MODEL}/test_own.py::test_it[{_MODEL}]"]) == []


def test_a_suite_that_misses_the_new_vendor_fails(tree: Path) -> None:
    """The whole way: a file with a list is added to the tree, collected, and reported."""
    listing = tree / "tests" / "contract" / "test_listing.py"
    listing.write_text(
        f'import pytest\n\n\n@pytest.mark.parametrize("vendor", ["{_MODEL}"])\ndef test_it(vendor: str) -> None: ...\n'
    )
    try:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "collecting", "--collect-only", str(listing)],
            cwd=tree,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tree}:{tree / 'layers/gatehouse'}"},
            capture_output=True,
            check=True,
            timeout=600,
        )
    finally:
        listing.unlink()

    (missed,) = left_out((tree / "collected").read_text().splitlines())
    assert missed == f"tests/contract/test_listing.py::test_it[{_MODEL}]"
