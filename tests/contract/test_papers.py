"""The papers: lines that fit, links and paths that lead somewhere, decisions that are indexed, a changelog of today."""

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from tests.template.stack import ROOT

_WIDTH: Final = 120
_PAGES: Final = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in page.relative_to(ROOT).parts)
)
_NAMES: Final = [str(page.relative_to(ROOT)) for page in _PAGES]
_DECISIONS: Final = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
_FOLDERS: Final = ("docs", "events", "functions", "layers", "ops", "tests", ".ci")
_PATH: Final = re.compile(rf"(?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./*-]+")
_SYMBOL: Final = re.compile(rf"((?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./-]+\.py):([A-Za-z_][\w.]*)")

every_page = pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
every_decision = pytest.mark.parametrize("decision", _DECISIONS, ids=[path.stem for path in _DECISIONS])


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page that are neither a table's nor code, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("|") and not line.startswith("    "):
            yield number, line


def too_long(text: str) -> list[str]:
    """The lines of prose that are too long, the targets of links apart."""
    return [
        f"{number}: {line}"
        for number, line in prose(text)
        if len(re.sub(r"\]\([^)]*\)|<http[^>]*>", "]", line)) > _WIDTH
    ]


def anchors(text: str) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    text = page.read_text()
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", place):
            continue
        there = (page.parent / place).resolve() if place else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there.read_text())):
            broken.append(target)
    return broken


def missing_paths(text: str) -> list[str]:
    """The paths in backticks that look like one of this tree and are none; a pattern has to have a match."""
    missing = []
    for code in re.findall(r"`([^`\n]+)`", text):
        for word in code.split():
            path = word.strip("\"'(),;")
            if any(mark in path for mark in "<>{}$…") or not _PATH.match(path):
                continue
            if not any(ROOT.glob(path.partition(":")[0].rstrip("/"))):
                missing.append(path)
    return missing


def defined(source: str) -> set[str]:
    """The functions and classes of a module, and the methods, as `Class.method`."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name: node for node in ast.parse(source).body if isinstance(node, kinds)}
    inner = {
        f"{name}.{part.name}"
        for name, node in found.items()
        for part in node.body
        if isinstance(node, ast.ClassDef) and isinstance(part, kinds)
    }
    return {*found, *inner}


def missing_symbols(text: str) -> list[str]:
    """References like `folder/file.py:Class.method` whose file has no such function or class."""
    return [
        f"{path}:{name}"
        for path, name in _SYMBOL.findall(text)
        if not (ROOT / path).exists() or name.rstrip(".") not in defined((ROOT / path).read_text())
    ]


@every_page
def test_a_line_of_prose_fits(page: Path) -> None:
    assert too_long(page.read_text()) == []


@every_page
def test_a_relative_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@every_page
def test_a_path_in_backticks_is_there(page: Path) -> None:
    assert missing_paths(page.read_text()) == []


@every_page
def test_a_function_that_a_page_names_is_in_its_file(page: Path) -> None:
    assert missing_symbols(page.read_text()) == []


def test_the_architecture_names_a_function_for_each_question() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert len(_SYMBOL.findall(text)) > 30
    for asked in (r"is \w+ verified", "event made", "relay decide", "vendor added", "sample push made"):
        assert re.search(rf"^\| .*{asked}.* \| .*[`(]", text, re.MULTILINE), asked


@every_decision
def test_a_decision_has_a_date_and_a_status(decision: Path) -> None:
    title, blank, dated, status, *_ = decision.read_text().splitlines()

    assert title.startswith(f"# {decision.name[:4]} ")
    assert not blank
    assert date.fromisoformat(dated.removeprefix("- Date: ")[:10]) >= date(2026, 11, 22)
    assert re.match(r"- Status: (accepted|superseded by \d{4})", status)


@every_decision
def test_a_decision_is_in_the_index_with_its_date_and_title(decision: Path) -> None:
    title, _, dated, *_ = decision.read_text().splitlines()
    number, _, words = title.removeprefix("# ").partition(" ")

    index = (decision.parent / "README.md").read_text().splitlines()

    row = f"| [{number}]({decision.name}) | {dated.removeprefix('- Date: ')[:10]} | {words} |"
    assert row in index


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in _DECISIONS] == [f"{number:04}" for number in range(1, len(_DECISIONS) + 1)]


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]

    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d{{2}}-\d{{2}}\)", sections[0])
    assert [package["version"] for package in locked if package["name"] == "gatehouse"] == [version]


# ─── Of the suite itself: it can say no ───────────────────────────────────────────────────────────────────────────


def test_a_long_line_is_seen_and_a_tables_code_and_a_links_target_are_not() -> None:
    long = "word " * 30
    assert len(too_long(f"{long}\n- {long}\n")) == 2
    assert too_long(f"| {long} |\n    {long}\n```\n{long}\n```\n[a page](https://example.com/{'x' * 200})\n") == []


def test_a_link_to_nothing_and_one_to_no_heading_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `page`, of mine\n[a](gone.md) [b](#no) [c](#a-page-of-mine) [d](https://example.com) [e](page.md)\n"
    )
    assert broken_links(page) == ["gone.md", "#no"]


def test_a_path_to_nothing_is_seen() -> None:
    text = "`docs/gone.md`, `tests/*/gone_*.py`, `make docs/gone.md`, `docs/cost.md`, `docs/<x>/`, `tests/unit/*/`"
    assert missing_paths(text) == ["docs/gone.md", "tests/*/gone_*.py", "docs/gone.md"]


def test_a_function_that_is_not_there_is_seen() -> None:
    text = "`functions/relay/handler.py:Relay.announce` `functions/relay/handler.py:Relay.gone` `functions/gone.py:x`"
    assert missing_symbols(text) == ["functions/relay/handler.py:Relay.gone", "functions/gone.py:x"]
