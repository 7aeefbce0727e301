"""The template passes cfn-lint without a word. `make` runs `sam validate --lint` besides."""

import subprocess
import sys
from pathlib import Path

from tests.template.stack import ROOT


def test_cfn_lint_has_nothing_to_say() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-central-1", "--", "template.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
