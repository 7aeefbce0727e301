"""Takes out of an installed layer what no function of ours ever reads. Cold starts are mostly imports and reading."""

import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NEVER_READ = (
    "bin",
    "Crypto/Hash",
    "Crypto/IO",
    "Crypto/Math",
    "Crypto/Protocol",
    "Crypto/PublicKey",
    "Crypto/SelfTest",
    "Crypto/Signature",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/batch",
    "aws_lambda_powertools/utilities/circuit_breaker",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "boto3/data",
    "boto3/examples",
    "pydantic/v1",
)


def trim(site: Path, operations: dict[str, set[str]]) -> None:
    """Cuts botocore's data to the operations in use, and drops tests, type stubs, examples and ciphers but AES.

    Args:
        site: the folder that the packages are installed in.
        operations: the names of the operations to keep, by botocore's name of their service.

    Raises:
        FileNotFoundError: botocore has no such service.
        KeyError: the service has no such operation.
    """
    for name in _NEVER_READ:
        shutil.rmtree(site / name, ignore_errors=True)
    for unused in [*site.rglob("*.pyi"), *site.rglob("py.typed"), *_other_ciphers(site)]:
        unused.unlink()
    for cache in list(site.rglob("__pycache__")):
        shutil.rmtree(cache)

    data = site / "botocore" / "data"
    for folder in [folder for folder in data.iterdir() if folder.is_dir() and folder.name not in operations]:
        shutil.rmtree(folder)
    for model in [*data.rglob("examples-*"), *data.rglob("paginators-*"), *data.rglob("waiters-*")]:
        model.unlink()
    for service, names in operations.items():
        if not (data / service).is_dir():
            raise FileNotFoundError(f"botocore has no service {service}")
        (model,) = (data / service).glob("*/service-2.json.gz")
        _replace(model, model.with_suffix(""), _model(json.loads(gzip.decompress(model.read_bytes())), names))

    # Read and parsed in full by the first client of a process.
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text())
    for partition in document["partitions"]:
        kept = {name: entry for name, entry in partition["services"].items() if name in operations}
        partition["services"] = kept
    _replace(endpoints, endpoints, document)


def _other_ciphers(site: Path) -> list[Path]:
    libraries = (site / "Crypto" / "Cipher").glob("*.so")
    return [path for path in libraries if not path.name.startswith(("_raw_aes", "_raw_cbc"))]


def _model(model: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """A service's model with only these operations and the shapes that they are made of, and no documentation."""
    operations = {name: model["operations"][name] for name in sorted(names)}
    shapes: dict[str, Any] = {}
    wanted = list(_shapes_in(operations))
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = _undocumented(model["shapes"][name])
            wanted.extend(_shapes_in(shapes[name]))
    return {**model, "operations": _undocumented(operations), "shapes": shapes, "documentation": ""}


def _shapes_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("shape"), str):
            yield node["shape"]
        for inner in node.values():
            yield from _shapes_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _shapes_in(inner)


def _undocumented(node: Any) -> Any:
    if isinstance(node, dict):
        # A member may be called so; what documents is text.
        kept = (name for name, value in node.items() if name != "documentation" or not isinstance(value, str))
        return {name: _undocumented(node[name]) for name in kept}
    return [_undocumented(inner) for inner in node] if isinstance(node, list) else node


def _replace(old: Path, new: Path, document: Any) -> None:
    # A new file: uv links what it installs to its cache, and writing into that would change it for everybody.
    old.unlink()
    new.write_text(json.dumps(document, separators=(",", ":")))


def _operations(words: list[str]) -> dict[str, set[str]]:
    """`sns:Publish,PublishBatch` and so on, as the Makefile has them."""
    pairs = (word.split(":") for word in words)
    return {service: set(names.split(",")) for service, names in pairs}


if __name__ == "__main__":
    trim(Path(sys.argv[1]), _operations(sys.argv[2:]))
