"""The template passes cfn-lint without a word, in regions of every kind. `make` runs `sam validate --lint` besides."""

import subprocess
import sys
from pathlib import Path

from tests.template.stack import ROOT

_REGIONS = ("us-east-1", "ap-northeast-1", "ap-southeast-3", "cn-north-1", "cn-northwest-1", "us-gov-west-1")


def test_cfn_lint_has_nothing_to_say_and_no_advice() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "-c", "I", "--regions", *_REGIONS, "--", "template.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
