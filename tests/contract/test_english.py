"""Docstrings and comments begin with their noun or verb: a clause has to be read twice (CONTRIBUTING.md)."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final

import pytest

from tests.template.stack import ROOT

_CLAUSE: Final = re.compile(
    r"(What|Whether|How|Where|Who|Whose|Whoever|Whom|Which|When|Why|As|That|Than|Nobody|Nothing|If|While|Because)\b"
)
_FOLDERS: Final = ("functions", "layers", "ops", "tests")


def clauses(code: str) -> list[str]:
    """The docstrings and comments of a file that begin with a clause."""
    return [text for text in (*_docstrings(code), *_comments(code)) if _CLAUSE.match(text)]


def _docstrings(code: str) -> Iterator[str]:
    """Docstrings, and the text below a constant or a field."""
    for node in ast.walk(ast.parse(code)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value.strip()


def _comments(code: str) -> Iterator[str]:
    """Comments, of which one that goes over several lines is one."""
    lines, before = code.splitlines(), -1
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row = token.start[0]
            stands_alone = lines[row - 1].lstrip().startswith("#")
            if not (stands_alone and row == before + 1):
                yield token.string.lstrip("# ")
            before = row if stands_alone else -1


@pytest.mark.parametrize("folder", _FOLDERS)
def test_a_docstring_or_a_comment_begins_with_its_noun_or_verb(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts]
    assert files
    found = {str(path.relative_to(ROOT)): clauses(path.read_text()) for path in sorted(files)}
    assert {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('"""What it is."""', "What it is."),
        ('X = 1\n"""Whether it is one."""', "Whether it is one."),
        ("class A:\n    b: int\n    '''How many.'''", "How many."),
        ("# Whoever reads\n# this.", "Whoever reads"),
        ("x = 1  # as far as one sees\n# If so", "If so"),
    ],
)
def test_a_clause_is_seen_wherever_it_begins_a_text(code: str, text: str) -> None:
    assert clauses(code) == [text]


@pytest.mark.parametrize("code", ['"""Whatever it is."""', '"""The word What."""', "# one\n# What follows is the same"])
def test_what_begins_otherwise_is_not_taken_for_a_clause(code: str) -> None:
    assert clauses(code) == []
