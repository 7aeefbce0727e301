"""Tools that live in environments of their own, because they hold botocore at other versions than ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SAM = "aws-sam-cli==1.170.0"
EMULATOR = "ministack==1.5.33"


def command(requirement: str, program: str) -> list[str]:
    """The start of a command line that runs a program of a package, by uv and with this interpreter.

    Raises:
        FileNotFoundError: there is no uv.
    """
    return [uv(), "tool", "run", "--quiet", "--python", sys.executable, "--from", requirement, program]


def uv() -> str:
    """The path of uv: the one that started us, or the one on the PATH, or the one that `make` fetched.

    Raises:
        FileNotFoundError: there is none.
    """
    fetched = Path(".local/uv/bin/uv").absolute()
    found = os.environ.get("UV") or shutil.which("uv") or (str(fetched) if fetched.exists() else None)
    if found is None:
        raise FileNotFoundError("uv is needed: `make` fetches it, `pip install uv` does too")
    return found


def environment(**more: str) -> dict[str, str]:
    """The environment for these tools: nobody is called home, and our own virtual environment stays ours."""
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return {**inherited, "SAM_CLI_TELEMETRY": "0", "UV": uv(), "PYTHON": sys.executable, **more}


def main() -> int:
    """`python -m ops.tools sam …` runs SAM."""
    programs = {"sam": SAM}
    name, *arguments = sys.argv[1:]
    return subprocess.run([*command(programs[name], name), *arguments], env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
