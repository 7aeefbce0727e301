"""Tools that live in environments of their own, because they hold botocore at other versions than ours.

Each environment is made of `ops/requirements/<tool>.txt`, and its hashes are checked: `uv tool run` and
`uv run --with-requirements` accept a file with hashes and check none. Only wheels are taken, since nothing checks what
the build of a source distribution fetches.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SAM: Final = "sam"
EMULATOR: Final = "emulator"
REQUIREMENTS: Final = Path(__file__).with_name("requirements")
_FOLDER: Final = Path(".local/tools")
_WITHOUT_ACCOUNT: Final = frozenset({"build", "validate"})
"""SAM's commands that ask nothing of AWS."""
_NO_ACCOUNT: Final = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "BOTO_CONFIG": os.devnull,
}
"""Variables that lead botocore to further credentials."""
_HARMLESS: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def installed(tool: str, folder: Path = _FOLDER, requirements: Path = REQUIREMENTS) -> Path:
    """The folder with a tool's programs, which are what its requirements say.

    Args:
        tool: its name, which its requirements' file has too.
        folder: where the tools' environments are.
        requirements: where the files are.

    Raises:
        RuntimeError: it cannot be installed, or is not what was pinned.
        FileNotFoundError: there is no uv.
    """
    environ = (folder / tool).absolute()
    python = environ / "bin" / "python"
    if not python.exists():  # or the interpreter that it leads to is gone
        _run("venv", "--clear", "--python", sys.executable, str(environ))
    # Of an environment that is as it should be, this takes a few hundredths of a second and no network.
    pinned = str(requirements / f"{tool}.txt")
    _run("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--python", str(python), pinned)
    return python.parent


def _run(*command: str) -> None:
    ended = subprocess.run(
        [uv(), "--quiet", *command], env=environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"uv {command[0]} failed: {ended.stderr.strip()}")


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


def environment(programs: Path | None = None, *, account: bool = False, **more: str) -> dict[str, str]:
    """The environment for these tools: no telemetry, and our own virtual environment stays ours.

    Args:
        programs: a tool's, which come before all others.
        account: whether the developer's account in AWS is passed on.
        more: further variables, or other values.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "VIRTUAL_ENV" and (account or not name.startswith("AWS_"))
    }
    if account:
        inherited |= region(os.environ)
    ours = {"SAM_CLI_TELEMETRY": "0", "UV": uv(), "PYTHON": sys.executable}
    return {**_with_programs(inherited, programs), **({} if account else _NO_ACCOUNT), **ours, **more}


def region(environ: Mapping[str, str]) -> dict[str, str]:
    """The variable by which SAM and boto3 know the region, where it was given as AWS_REGION.

    They read AWS_DEFAULT_REGION alone; the AWS CLI reads both, and AWS_REGION first. One name is to be enough for all
    of them, and no one is to deploy into one region and fill the secrets of another.
    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    https://docs.aws.amazon.com/boto3/latest/guide/configuration.html#using-environment-variables
    """
    return {"AWS_DEFAULT_REGION": environ["AWS_REGION"]} if environ.get("AWS_REGION") else {}


def bare_environment(programs: Path, home: Path, **more: str) -> dict[str, str]:
    """The environment for what runs vendors' words: nothing of the developer's but where programs are.

    Args:
        programs: the tool's, which come before all others.
        home: an empty folder that it takes for the developer's own.
        more: its settings.
    """
    inherited = {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    return {**_with_programs(inherited, programs), **_NO_ACCOUNT, "HOME": str(home.absolute()), **more}


def _with_programs(environ: Mapping[str, str], programs: Path | None) -> dict[str, str]:
    path = [*([str(programs)] if programs else []), environ.get("PATH", os.defpath)]
    return {**environ, "PATH": os.pathsep.join(path)}


def needs_account(arguments: Sequence[str]) -> bool:
    """Tells if SAM's command asks something of the developer's account in AWS."""
    return _WITHOUT_ACCOUNT.isdisjoint(arguments[:1])


_SETTINGS: Final = "--parameter-overrides"
_TEMPLATE: Final = "--template-file"


def unknown_settings(arguments: Sequence[str]) -> list[str]:
    """The settings among SAM's arguments that the template does not have: SAM drops them, and says nothing.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-cli-command-reference-sam-deploy.html

    Args:
        arguments: of `sam deploy`, where settings are `NAME=VALUE` or `ParameterKey=NAME,ParameterValue=VALUE`.
    """
    from ops import translate  # noqa: PLC0415 - half a second that no other command needs

    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if _SETTINGS not in words:
        return []
    given = words[words.index(_SETTINGS) + 1 :]
    given = given[: next((place for place, word in enumerate(given) if word.startswith("--")), len(given))]
    path = Path(words[words.index(_TEMPLATE) + 1]) if _TEMPLATE in words else Path("template.yaml")
    parameters = translate.read(path)["Parameters"]
    names = [match[1] for word in given if (match := _NAMED.match(word))]
    return [name for name in names if name not in parameters]


_NAMED: Final = re.compile(r"(?:ParameterKey=)?([A-Za-z0-9]+)[=,]")


def main() -> int:
    """`python -m ops.tools sam …` runs SAM."""
    name, *arguments = sys.argv[1:]
    if name != SAM:
        raise SystemExit(f"there is no tool {name}")
    if unknown := unknown_settings(arguments):
        print(f"the template has no setting {', '.join(unknown)}: nothing was done", file=sys.stderr)
        return 2
    programs = installed(SAM)
    environ = environment(programs, account=needs_account(arguments))
    return subprocess.run([programs / "sam", *arguments], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
