"""docs/aws-truth.md, what only AWS can tell: what it names is there, and where somebody refers to a row it is one."""

import json
import re
from typing import Final

from gatehouse.events import UNREADABLE
from gatehouse.vocabulary import Topic
from tests.template import needs
from tests.template.access import policies_on
from tests.template.stack import HERE, ROOT, translated

_TEXT: Final = (ROOT / "docs" / "aws-truth.md").read_text()
_ROWS: Final = re.findall(r"^\| (W\d+) \|(.+)\|$", _TEXT, re.MULTILINE)


def test_every_row_has_a_number_of_its_own_and_says_what_to_do_and_what_to_see() -> None:
    assert [name for name, _ in _ROWS] == [f"W{number}" for number in range(1, len(_ROWS) + 1)]
    for name, row in _ROWS:
        # A `|` within a command is written `\|`.
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
        assert len(cells) == 5, name
        assert all(cells), name


def test_what_a_command_names_is_in_the_template() -> None:
    stack = needs.whole(HERE)
    named = set(re.findall(r"\$\(id (\w+)\)", _TEXT))
    assert named
    assert named <= set(stack.resources)
    assert set(re.findall(r"\$\(out (\w+)", _TEXT)) <= set(translated()["Outputs"])  # one of them has a condition


def test_a_row_that_is_referred_to_is_there() -> None:
    names = {name for name, _ in _ROWS}
    files = [ROOT / "template.yaml", ROOT / "docs" / "aws-truth.md", *(ROOT / "docs" / "decisions").glob("*.md")]
    referred = {name for path in files for name in re.findall(r"\bW\d{1,2}\b", path.read_text())}
    assert referred <= names


def test_a_comment_on_what_linters_say_of_a_grant_names_the_row_of_that_grant() -> None:
    template = (ROOT / "template.yaml").read_text()
    for action in ("states:SendTaskSuccess", "dynamodb:ListStreams"):
        (row,) = [name for name, text in _ROWS if text.strip().startswith(f"`{action}`")]
        assert re.search(rf"{row} in docs/aws-truth\.md\.\n.*\n?.*{action}", template)


def test_the_readme_says_which_folders_a_topics_readers_need() -> None:
    """The bucket's policy names the same for other accounts."""
    stack = needs.whole(HERE)
    said: dict[str, set[str]] = {}
    readme = (ROOT / "README.md").read_text()
    for topics, folders in re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| ((?:`\w+/`(?:, )?)+|none) \|$", readme, re.MULTILINE
    ):
        for topic in re.findall(r"`(\w+)`", topics):
            said[topic] = set(re.findall(r"`(\w+/)`", folders))
    assert set(said) == set(Topic)

    bucket = stack.physical("MediaBucket").attributes["Arn"]
    let_in: dict[str, set[str]] = {topic: set() for topic in Topic}
    accounts = {account: topic for topic, account in needs.SUBSCRIBERS.items()}
    for policy in policies_on(stack)[bucket]:
        for _, statement in policy.statements:
            if statement["Effect"] == "Allow":
                (account,) = statement["Principal"]["AWS"]
                written = json.dumps(statement["Resource"])
                let_in[accounts[account]] = set(re.findall(rf"{re.escape(bucket)}/(\w+/)\*", written))
    assert said == let_in
    assert not any(UNREADABLE in folders for folders in said.values())
