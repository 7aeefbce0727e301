"""Draws a state machine from its definition, with Graphviz: what is in the picture is what runs."""

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

import yaml

type Document = dict[str, Any]

_HEAD: Final = """digraph flow {
  rankdir=TB
  bgcolor="white"
  nodesep=0.5
  ranksep=0.7
  node [shape=box style="rounded,filled" fillcolor="#f4f6fa" color="#3b4a63" margin="0.25,0.12"]
  node [fontname="Helvetica" fontsize=13]
  edge [color="#3b4a63" fontname="Helvetica" fontsize=11]
  start [shape=circle label="" width=0.22 fillcolor="#3b4a63"]
  end [shape=doublecircle label="" width=0.18 fillcolor="#3b4a63"]
"""
_CALLED_BACK: Final = ".waitForTaskToken"
_ELSE: Final = {"style": "dashed", "color": "#9a5b13"}
_DIGEST: Final = "drawn from a DOT of sha256 "


def dot(definition: Document) -> str:
    """A definition in Graphviz' language: a box for each state, an arrow for each way out of it.

    Raises:
        NotImplementedError: there is a type of state that is not drawn.
    """
    lines = [f"  start -> {_quoted(definition['StartAt'])}"]
    for name, state in definition["States"].items():
        if state["Type"] not in {"Task", "Wait", "Succeed", "Fail"}:
            raise NotImplementedError(f"{name}: say in diagram.py how a {state['Type']} is drawn")
        lines += [f"  {_quoted(name)} [label={_box(name, state)}]", *_arrows(name, state)]
    return _HEAD + "\n".join(lines) + "\n}\n"


def digest(picture: str) -> str | None:
    """The digest of the DOT that a picture was drawn from, None if it does not say."""
    match = re.search(rf"<!-- {_DIGEST}([0-9a-f]{{64}}) -->", picture)
    return match[1] if match else None


def digest_of(source: str) -> str:
    """The digest of a DOT."""
    return hashlib.sha256(source.encode()).hexdigest()


def _box(name: str, state: Document) -> str:
    """A state's name, and under it what it calls and how long it waits."""
    lines = [f"<b>{escape(name)}</b>"]
    if resource := state.get("Resource"):
        called = resource.rpartition(":::")[2].removeprefix("aws-sdk:").removesuffix(_CALLED_BACK)
        service, _, action = called.partition(":")
        lines.append(escape(f"{service} {action}"))
        if resource.endswith(_CALLED_BACK):
            limit = f", at most {state['TimeoutSeconds']} s" if "TimeoutSeconds" in state else ""
            lines.append(escape(f"and waits for the token{limit}"))
    if path := state.get("TimestampPath"):
        lines.append(escape(f"until {path}"))
    return f"<{'<br/>'.join(lines)}>"


def _arrows(name: str, state: Document) -> Iterator[str]:
    """The ways out of a state: done, caught, and to itself again by way of a note that says when."""
    waits = state.get("Resource", "").endswith(_CALLED_BACK)
    done = "then" if state["Type"] == "Wait" else "called back" if waits else "done"
    yield _arrow(name, state.get("Next", "end"), [done], weight=9)
    for catcher in state.get("Catch", []):
        yield _arrow(name, catcher["Next"], [_errors(catcher), *_reasons(state)], **_ELSE)
    if retriers := state.get("Retry"):
        note = _quoted(f"{name} again")
        text = _lines([line for retrier in retriers for line in _pace(retrier)])
        yield f'  {note} [shape=note style=dashed fontsize=11 label="{text}"]'
        yield _arrow(name, f"{name} again", [], dir="both", **_ELSE)
        yield f"  {{rank=same {_quoted(name)} {note}}}"


def _errors(handler: Document) -> str:
    names = ["any error" if error == "States.ALL" else error for error in handler["ErrorEquals"]]
    return " or ".join(names)


def _reasons(state: Document) -> Iterator[str]:
    """What may end a state other than well, as far as its definition tells."""
    if condition := state.get("Parameters", {}).get("ConditionExpression"):
        absent = re.fullmatch(r"attribute_not_exists\(([\w#.]+)\)", condition)
        yield f"as: {absent[1]} is there already" if absent else f"as: not {condition}"
    if "TimeoutSeconds" in state:
        yield "as: the time is up"


def _pace(retrier: Document) -> Iterator[str]:
    yield f"{_errors(retrier)}:"
    limit = f", at most {retrier['MaxDelaySeconds']} s" if "MaxDelaySeconds" in retrier else ""
    rate = retrier.get("BackoffRate", 2)
    yield f"  again after {retrier.get('IntervalSeconds', 1)} s, each time {rate} times as long{limit},"
    jitter = "or less by chance, " if retrier.get("JitterStrategy") == "FULL" else ""
    yield f"  {jitter}{retrier.get('MaxAttempts', 3)} times"


def _arrow(origin: str, target: str, label: list[str], **attributes: object) -> str:
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'  {_quoted(origin)} -> {_quoted(target)} [label="{_lines(label)}"{more}]'


def _lines(text: list[str]) -> str:
    return "".join(f"{_escaped(line)}\\l" for line in text)


def _quoted(name: str) -> str:
    return f'"{_escaped(name)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def main(arguments: list[str]) -> None:
    """Draws the definition in one file into another one."""
    parser = argparse.ArgumentParser(prog="python -m ops.diagram", description=__doc__)
    parser.add_argument("definition", type=Path, help="a state machine's definition, in YAML")
    parser.add_argument("picture", type=Path, help="the SVG to write")
    chosen = parser.parse_args(arguments)
    source = dot(yaml.safe_load(chosen.definition.read_text()))
    try:
        drawn = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        sys.exit("Graphviz is needed: its program dot draws (Debian: apt-get install graphviz)")
    opening = drawn.index("<svg")
    chosen.picture.write_text(f"{drawn[:opening]}<!-- {_DIGEST}{digest_of(source)} -->\n{drawn[opening:]}")


if __name__ == "__main__":
    main(sys.argv[1:])
