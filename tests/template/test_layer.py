"""The layer as it is shipped: pinned, for the right processor, small, compiled, and enough for every function."""

import ast
import gzip
import hashlib
import json
import marshal
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore import xform_name
from Crypto.Cipher import AES

from ops import build, tools
from tests.template.stack import HERE, PLACES, REGION, ROOT, Function, Place, Stack

_LAYER: Final = ROOT / "layers" / "gatehouse"
_FUNCTIONS: Final = Stack().functions()
_MEGABYTE: Final = 1_000_000
_AARCH64: Final = 0xB7  # e_machine: https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst

every_function = pytest.mark.parametrize("function", _FUNCTIONS, ids=lambda function: function.name)


def _output(command: list[str], *, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """The output of a command."""
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _build(artifacts: Path, **environment: str) -> Path:
    """The layer, built by its own Makefile as `sam build` calls it; returns its folder on the path."""
    settings = {"ARTIFACTS_DIR": str(artifacts), "PYTHON": sys.executable, "UV": tools.uv()}
    # Of a copy, as SAM does it.
    source = artifacts / "source"
    shutil.copytree(_LAYER, source)
    make = shutil.which("make") or "make"
    command = [make, "build-GatehouseLayer", *(f"{name}={value}" for name, value in settings.items())]
    _output(command, cwd=source, environment={**os.environ, **environment})
    return artifacts / "python"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer for Lambda."""
    return _build(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same layer for this machine, as SAM has it built for every local stack."""
    return build.built(tmp_path_factory.mktemp("log") / "build.log") / "GatehouseLayer" / "python"


def test_the_requirements_are_what_the_lock_says() -> None:
    command = "export --quiet --frozen --no-dev --no-emit-project --no-emit-package websocket-client --no-header"
    exported = _output([tools.uv(), *command.split()], environment=tools.environment())
    assert (_LAYER / "requirements.txt").read_text() == exported


def test_every_shared_object_is_for_lambdas_processor(shipped: Path) -> None:
    objects = sorted(shipped.rglob("*.so*"))
    assert objects
    for path in objects:
        assert re.search(r"\.(cpython-313-aarch64-linux-gnu|abi3)\.so$", path.name), path
        header = path.read_bytes()[:20]
        assert header[:6] == b"\x7fELF\x02\x01", path  # 64 bits, little-endian
        assert struct.unpack_from("<H", header, 18) == (_AARCH64,), path


def test_the_layer_stays_below_25_megabytes(shipped: Path) -> None:
    assert sum(path.stat().st_size for path in shipped.rglob("*") if path.is_file()) <= 25 * _MEGABYTE


def _contents(folder: Path) -> dict[str, str]:
    """A digest of each file, by its path: what SAM goes by when it names an artifact."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_layer_is_the_same_wherever_and_whenever_it_is_built(shipped: Path, tmp_path: Path) -> None:
    """D5: another layer is a new version of each function, and a door that starts cold.

    Byte-code has the path in it that it was made at, and the constants of a set in an order that a process draws.
    """
    elsewhere = tmp_path / "of" / "somebody" / "else"
    elsewhere.mkdir(parents=True)
    assert _contents(_build(elsewhere, PYTHONHASHSEED="4711")) == _contents(shipped)


def test_byte_code_says_where_lambda_has_its_source(shipped: Path) -> None:
    for path in (shipped / "gatehouse" / "__pycache__").glob("*.pyc"):
        code = marshal.loads(path.read_bytes()[16:])  # noqa: S302 - made by this test
        assert code.co_filename == f"/opt/python/gatehouse/{path.name.split('.')[0]}.py"


def test_all_byte_code_is_shipped_and_taken_without_a_look_at_the_source(shipped: Path) -> None:
    """Flags of a .pyc: 1, and not 3, is a hash that is not checked (https://peps.python.org/pep-0552/)."""
    compiled = {path.name.split(".")[0] for path in (shipped / "gatehouse" / "__pycache__").glob("*.cpython-313.pyc")}
    assert compiled == {path.stem for path in (_LAYER / "gatehouse").glob("*.py")}
    for path in shipped.rglob("*.pyc"):
        assert struct.unpack_from("<I", path.read_bytes(), 4) == (1,), path


def test_botocore_knows_the_services_in_use_and_no_others(shipped: Path) -> None:
    known = {path.name for path in (shipped / "botocore" / "data").iterdir() if path.is_dir()}
    assert known == {service for path in _shipped_code() for service in _services(path)}


def test_botocore_knows_the_operations_that_our_code_calls_and_no_others(shipped: Path) -> None:
    """Its models are read and parsed in full by each cold start."""
    code = "".join(path.read_text() for path in [*_shipped_code(), *_handed_a_client(shipped)])
    known = set()
    for model in (shipped / "botocore" / "data").glob("*/*/service-2.json"):
        known |= set(json.loads(model.read_text())["operations"])
    called = {
        xform_name(operation)
        for service in {service for path in _shipped_code() for service in _services(path)}
        for operation in botocore.session.get_session().get_service_model(service).operation_names
        if re.search(rf"\.{xform_name(operation)}[(,]", code)  # called, or handed on to be called
    }
    assert {xform_name(operation) for operation in known} == called


def test_what_is_left_of_the_ciphers_decrypts(local: Path) -> None:
    key = bytes(range(32))
    sealed = AES.new(key, AES.MODE_CBC, key[:16]).encrypt(b"a message of 32 bytes, no other.")
    code = f"""
from Crypto.Cipher import AES
print(AES.new({key!r}, AES.MODE_CBC, {key[:16]!r}).decrypt({sealed!r}).decode())
"""
    assert _python(code, local) == "a message of 32 bytes, no other.\n"


def test_trimming_leaves_alone_what_the_installed_files_are_links_to(tmp_path: Path) -> None:
    """They come from uv's cache by hard link, and so do those of every other environment of the machine."""
    data = tmp_path / "site" / "botocore" / "data"
    (data / "sns" / "2010").mkdir(parents=True)
    endpoints: dict[str, Any] = {"partitions": [{"services": {"sns": {}, "lambda": {}}}]}
    member = {"shape": "Text", "documentation": "long"}
    structure = {"type": "structure", "members": {"documentation": member}}
    model = {
        "documentation": "long",
        "operations": {"Publish": {"input": {"shape": "In"}}, "Subscribe": {"input": {"shape": "Other"}}},
        "shapes": {"In": structure, "Other": structure, "Text": {"type": "string"}},
    }
    cached = {
        data / "endpoints.json": json.dumps(endpoints).encode(),
        data / "sns" / "2010" / "service-2.json.gz": gzip.compress(json.dumps(model).encode()),
    }
    for number, (installed, content) in enumerate(cached.items()):
        (tmp_path / str(number)).write_bytes(content)
        installed.hardlink_to(tmp_path / str(number))

    _output([sys.executable, str(_LAYER / "trim.py"), str(tmp_path / "site"), "sns:Publish"])

    assert [(tmp_path / str(number)).read_bytes() for number in range(2)] == list(cached.values())
    assert json.loads((data / "endpoints.json").read_text()) == {"partitions": [{"services": {"sns": {}}}]}
    assert json.loads((data / "sns" / "2010" / "service-2.json").read_text()) == {
        "documentation": "",
        "operations": {"Publish": {"input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string"},
        },
    }


def test_nothing_but_what_is_imported_is_beside_our_code(shipped: Path) -> None:
    assert {path.name for path in shipped.parent.iterdir()} - {"source"} == {"python"}
    assert {path.name for path in shipped.iterdir()}.isdisjoint({"bin", "functions", "ops", "tests"})


@cache
def _shipped_code() -> list[Path]:
    own = [path for function in _FUNCTIONS for path in _own_code(function)]
    return [*(_LAYER / "gatehouse").rglob("*.py"), *own]


def _own_code(function: Function) -> set[Path]:
    """The files of a function's folder that its handler imports, in the end: others may run elsewhere."""
    found: set[Path] = set()
    names = {function.module}
    while names:
        path = ROOT.joinpath(*names.pop().split(".")).with_suffix(".py")
        if not path.is_file() or path in found:
            continue
        found.add(path)
        names |= set(_imported(path))
        # A name that is taken from a package may be a module.
        taken = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))
        names |= {f"{node.module}.{alias.name}" for node in taken for alias in node.names}
    return found


def _handed_a_client(shipped: Path) -> Iterator[Path]:
    """The files of libraries that call AWS for us, with a client of ours."""
    for path in _shipped_code():
        if "s3transfer.manager" in _imported(path):
            yield from (shipped / "s3transfer" / name for name in ("tasks.py", "upload.py"))


@cache
def _services(path: Path) -> list[str]:
    """Services whose clients a file asks `gatehouse.aws` for."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "aws.client":
            assert isinstance(node.args[0], ast.Constant), f"{path}: which service is for a test to see"
            found.append(str(node.args[0].value))
    return found


@cache
def _imported(path: Path) -> list[str]:
    """Modules that a file imports, also those that only one of its functions does."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def _artifact(function: Function, folder: Path) -> Path:
    """A function's code where SAM puts it in its artifact, and nothing besides."""
    shutil.copytree(
        ROOT / "functions" / function.folder,
        folder / "functions" / function.folder,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return folder


def _python(code: str, *path: Path, **environment: str) -> str:
    """Output of a fresh interpreter that sees the standard library and these folders."""
    start = f"import sys; sys.path[:0] = {[str(folder) for folder in path]!r}\n"
    # -I and -S: no PYTHONPATH, no site-packages; -B, since what was built is to stay as it is.
    command = [sys.executable, "-I", "-S", "-B", "-c", start + code]
    return _output(command, environment={"PATH": os.defpath, **environment})


@every_function
def test_a_handler_imports_with_the_layer_alone_and_leaves_the_slow_ones_for_later(
    function: Function, local: Path, tmp_path: Path
) -> None:
    """boto3 and Crypto cost a cold start what most invocations never use."""
    code = f"import {function.module}\nprint({{'boto3', 'Crypto'}} & set(sys.modules))"
    assert _python(code, local, _artifact(function, tmp_path)) == "set()\n"


def test_the_code_of_a_function_is_what_its_handler_imports_and_no_more() -> None:
    (function, *_) = (
        function for function in _FUNCTIONS if (ROOT / "functions" / function.folder / "Dockerfile").exists()
    )
    there = {path.name for path in (ROOT / "functions" / function.folder).glob("*.py")}
    own = {path.name for path in _own_code(function)}
    assert own < there
    assert {"handler.py", "normalise.py", "verify.py", "wire.py"} <= own


@every_function
def test_whatever_a_function_imports_later_is_in_the_layer_too(function: Function, local: Path, tmp_path: Path) -> None:
    artifact = _artifact(function, tmp_path)
    own = _own_code(function)
    modules = {name for path in [*own, *(_LAYER / "gatehouse").rglob("*.py")] for name in _imported(path)}
    modules |= {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in own}
    code = f"import importlib\nfor name in {sorted(modules)}: importlib.import_module(name)"
    _python(code, local, artifact)


def _endpoints(function: Function, at: Place, *path: Path) -> dict[str, str]:
    """The endpoints that a function at a place finds for the services that our code calls."""
    environment = {
        **function.environment,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_REGION": at.region,
        "AWS_DEFAULT_REGION": at.region,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    services = sorted({service for path in _shipped_code() for service in _services(path)})
    code = f"""
import json, {function.module} as handler
from gatehouse import aws
assert callable(handler.lambda_handler)
print(json.dumps({{name: aws.client(name).meta.endpoint_url for name in {services}}}))
"""
    printed = _python(code, *path, **environment).splitlines()
    found: dict[str, str]
    (found,) = [found for line in printed if "level" not in (found := json.loads(line))]
    assert set(found) == set(services)
    return found


@every_function
def test_a_function_starts_as_on_lambda_with_what_is_left_of_botocore(
    function: Function, local: Path, tmp_path: Path
) -> None:
    """It makes its clients, those too that it makes only when it needs them. One that somebody waits for at a door
    begins to read its secret, and says here that nobody answers.
    """
    endpoints = _endpoints(function, HERE, local, _artifact(function, tmp_path))
    # Without its endpoints it would give https://{service}.None.amazonaws.com, or an error.
    assert all(f".{REGION}." in endpoint for endpoint in endpoints.values()), endpoints


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_what_is_left_of_botocore_knows_the_hosts_of_every_partition(place: Place, local: Path, tmp_path: Path) -> None:
    function, *_ = _FUNCTIONS
    endpoints = _endpoints(function, place, local, _artifact(function, tmp_path))
    assert all(endpoint.endswith(f".{place.region}.{place.suffix}") for endpoint in endpoints.values()), endpoints
