"""A state of the code is built once, and taken by whoever starts a stack of it."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops import build

_SAM = """#!/bin/sh
echo "$@" >> "{said}"
test ! -e "{broken}" || exit 1
mkdir -p "$3/PushFunction"
cp template.yaml "$3/"
cp -R functions "$3/PushFunction/"
"""
_TEMPLATE = """
Resources:
  PushFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: PushFunction}}
  Queue: {Type: AWS::SQS::Queue}
"""


class Tree:
    """A tree with one function, and a SAM that copies it and counts."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.source = self.root / "functions" / "push" / "handler.py"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("first = True\n")
        (self.root / "template.yaml").write_text(_TEMPLATE)
        self.folder = folder / "builds"
        self.broken = folder / "broken"
        self._said = folder / "said"
        self._log = folder / "build.log"
        self._programs = folder / "programs"
        self._programs.mkdir()
        (self._programs / "sam").write_text(_SAM.format(said=self._said, broken=self.broken))
        (self._programs / "sam").chmod(0o755)

    def built(self) -> Path:
        """The tree's build."""
        return build.built(self._log, self.folder, self.root, self._programs)

    @property
    def count(self) -> int:
        """Number of times that SAM was started."""
        return len(self._said.read_text().splitlines())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_build_has_an_archive_of_each_artifact(tree: Tree) -> None:
    with zipfile.ZipFile(tree.built() / "PushFunction.zip") as archive:
        assert archive.read("functions/push/handler.py") == b"first = True\n"


def test_the_same_code_is_built_once(tree: Tree) -> None:
    assert tree.built() == tree.built()
    assert tree.count == 1


def test_byte_code_beside_the_source_is_no_change(tree: Tree) -> None:
    before = tree.built()
    (tree.source.parent / "__pycache__").mkdir()
    (tree.source.parent / "__pycache__" / "handler.pyc").write_bytes(b"code")
    assert tree.built() == before


def test_two_that_build_at_once_wait_for_one_build(tree: Tree) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = {future.result() for future in [pool.submit(tree.built) for _ in range(4)]}
    assert len(found) == 1
    assert tree.count == 1


def test_changed_code_is_built_anew(tree: Tree) -> None:
    before = tree.built()
    tree.source.write_text("first = False\n")
    after = tree.built()
    assert after != before
    assert (after / "PushFunction" / "functions" / "push" / "handler.py").read_text() == "first = False\n"


def test_a_file_that_is_renamed_is_a_change(tree: Tree) -> None:
    before = tree.built()
    tree.source.rename(tree.source.with_name("other.py"))
    assert tree.built() != before


def test_a_failed_build_is_said_and_not_taken_for_one(tree: Tree) -> None:
    tree.broken.touch()
    with pytest.raises(RuntimeError, match=r"sam build failed, see .*build\.log"):
        tree.built()
    tree.broken.unlink()
    assert (tree.built() / "template.yaml").exists()


def test_old_builds_go_and_the_last_ones_stay(tree: Tree) -> None:
    made = []
    for number in range(5):
        tree.source.write_text(f"number = {number}\n")
        made.append(tree.built().parent)
    assert {path for path in tree.folder.iterdir() if path.is_dir()} == set(made[-3:])
