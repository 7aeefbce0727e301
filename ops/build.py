"""`sam build` for this machine, once for a state of the code: each stack that is started takes what is there."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops import tools, translate

FOLDER: Final = Path(".local/builds")
_ROOT: Final = Path(__file__).parents[1]
_SOURCES: Final = ("functions", "layers", "ops/requirements/sam.txt", "samconfig.toml", "template.yaml")
"""Files and folders that a build is made of."""
_KEPT: Final = 3
"""Builds that are kept: one of today, and those of two other branches."""


def platform() -> str:
    """Name of this machine in uv's words; the layer for AWS is built for another one."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(os.uname().machine.lower(), os.uname().machine)
    return f"{machine}-apple-darwin" if os.uname().sysname == "Darwin" else f"{machine}-manylinux2014"


def built(log: Path, folder: Path = FOLDER, root: Path = _ROOT, programs: Path | None = None) -> Path:
    """Folder with what `sam build` makes, and with the archive of each artifact beside the artifact.

    Args:
        log: the file for SAM's words, if it has to build.
        folder: where the builds are.
        root: the tree that is built.
        programs: the folder with SAM, where it is not the one that `ops.tools` installs.

    Raises:
        RuntimeError: `sam build` failed, the message says where its log is.
    """
    found = folder / _digest(root)
    folder.mkdir(parents=True, exist_ok=True)
    # A second process waits for the first one's build instead of making its own.
    with _locked(folder / "lock"):
        if not found.exists():
            draft = folder / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            _build(draft / "build", log, root, programs or tools.installed(tools.SAM))
            draft.rename(found)
        os.utime(found)
        for old in sorted(folder.glob("*/"), key=lambda one: one.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old)
    return found / "build"


def _build(folder: Path, log: Path, root: Path, programs: Path) -> None:
    with log.open("w") as output:
        command = [str(programs / "sam"), "build", "--build-dir", str(folder.absolute())]
        environ = tools.environment(programs, PLATFORM=platform())
        if subprocess.run(
            command, cwd=root, env=environ, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode:
            raise RuntimeError(f"sam build failed, see {log}")
    for name, resource in translate.read(folder / "template.yaml")["Resources"].items():
        if resource["Type"] in translate.ARTIFACTS and resource["Type"] != translate.STATE_MACHINE:
            shutil.make_archive(str(folder / name), "zip", folder / name)


def _digest(root: Path) -> str:
    """Digest of all that a build depends on: the sources with their paths, this machine and this Python."""
    found = hashlib.sha256(f"{platform()} {sys.version}".encode())
    for source in _SOURCES:
        for path in sorted(_files(root / source)):
            content = path.read_bytes()
            found.update(f"{path.relative_to(root)} {path.stat().st_mode:o} {len(content)} ".encode() + content)
    return found.hexdigest()[:24]


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A block in which no other process is that locks the same file."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """`python -m ops.build LOG` installs the tools and builds, so that those that begin side by side find it done."""
    tools.installed(tools.EMULATOR)
    built(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
