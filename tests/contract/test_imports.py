"""The contracts on imports in pyproject.toml notice what they are for. `make lint` holds the code against them."""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.template.stack import ROOT

_LINT: Final = Path(sys.executable).with_name("lint-imports")
_INWARD: Final = "Imports point inward"
_FUNCTIONS: Final = "A function knows no other one"
_CIRCLES: Final = "The modules of a package import each other in no circle"
_BOTO3: Final = "Nothing in Lambda imports boto3"
_TREE: Final = {
    "functions/acme/handler.py": "from gatehouse import gate\nfrom functions.acme import wire\n",
    "functions/acme/wire.py": "",
    "functions/other/handler.py": "from gatehouse import gate\n",
    "gatehouse/__init__.py": "",
    "gatehouse/gate.py": "",
    "gatehouse/deadline.py": "",
    "ops/__init__.py": "",
    "ops/local.py": "from ops import stack\n",
    "ops/stack.py": "import boto3\nfrom functions.acme import wire\n",
    "ops/simulators/__init__.py": "",
    "ops/simulators/acme.py": "from ops import simulators\n",
    "tests/test_local.py": "from ops import local\n",
    "tests/unit/test_gate.py": "from gatehouse import gate\n",
}
"""The packages in small, as they should be."""

type Lint = Callable[..., set[str]]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Writes the small tree with a line planted in one of its files; returns the contracts that are broken."""
    settings = (ROOT / "pyproject.toml").read_text()
    # An exception for a module of the real tree matches nothing here, which would be an error.
    settings = re.sub(r"^ignore_imports = \[.*?^\]\n", "", settings, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(settings)

    def run(path: str = "ops/local.py", line: str = "") -> set[str]:
        for name, text in _TREE.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + (f"{line}\n" if name == path else ""))
        done = subprocess.run(
            # Without `site`, which would find the packages of the real tree as well.
            [sys.executable, "-S", _LINT, "--no-logo", "--no-cache"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), sysconfig.get_path("purelib")))},
            capture_output=True,
            text=True,
            check=False,
        )
        broken = {name for name in (_INWARD, _FUNCTIONS, _CIRCLES, _BOTO3) if f"{name} BROKEN" in done.stdout}
        assert "Contracts: " in done.stdout, done.stderr
        assert bool(broken) == bool(done.returncode)
        return broken

    return run


def test_the_tree_as_it_should_be_is_let_through(lint: Lint) -> None:
    assert lint() == set()


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("gatehouse/gate.py", "import functions.acme.wire", _INWARD),
        ("gatehouse/gate.py", "def later():\n    from ops import stack", _INWARD),
        ("gatehouse/gate.py", "import tests.unit.test_gate", _INWARD),
        ("functions/acme/wire.py", "from ops.simulators import acme", _INWARD),
        ("functions/acme/wire.py", "from tests import test_local", _INWARD),
        ("ops/stack.py", "from tests.unit import test_gate", _INWARD),
        ("functions/acme/wire.py", "from functions.other import handler", _FUNCTIONS),
        ("functions/acme/wire.py", "from functions import other", _FUNCTIONS),
        ("functions/acme/wire.py", "if True:\n    import functions.other.handler as harmless", _FUNCTIONS),
        ("functions/acme/wire.py", "from ..other import handler", _FUNCTIONS),
        ("functions/acme/wire.py", "from . import handler", _CIRCLES),
        ("ops/stack.py", "from ops import local", _CIRCLES),
        ("ops/stack.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ops import local", _CIRCLES),
        ("functions/acme/wire.py", "import boto3", _BOTO3),
        ("gatehouse/gate.py", "def later():\n    from boto3 import client", _BOTO3),
    ],
)
def test_an_import_that_should_not_be_is_noticed(lint: Lint, path: str, line: str, contract: str) -> None:
    # Others may be broken by it too: a way from one function to the other leads over the layer then.
    assert contract in lint(path, line)


def test_nothing_in_lambda_imports_by_a_name_at_run_time() -> None:
    """A module that is named by a text is in no graph of imports."""
    files = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "gatehouse").rglob("*.py")]
    assert files
    assert [path for path in files if re.search(r"\b(import_module|__import__)\b", path.read_text())] == []
