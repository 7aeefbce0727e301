"""Takes out of an installed layer what no function of ours ever reads. Cold starts are mostly imports and reading."""

import json
import shutil
import sys
from pathlib import Path

_NEVER_READ = (
    "bin",
    "Crypto/IO",
    "Crypto/Math",
    "Crypto/Protocol",
    "Crypto/PublicKey",
    "Crypto/SelfTest",
    "Crypto/Signature",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/circuit_breaker",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "boto3/data",
    "boto3/examples",
    "dateutil/zoneinfo",
    "pydantic/v1",
)


def trim(site: Path, services: set[str]) -> None:
    """Cuts botocore's data to the services in use, and drops tests, type stubs and examples.

    Args:
        site: the folder that the packages are installed in.
        services: names of botocore's service models to keep.

    Raises:
        FileNotFoundError: botocore has no such service.
    """
    for name in _NEVER_READ:
        shutil.rmtree(site / name, ignore_errors=True)
    for stub in [*site.rglob("*.pyi"), *site.rglob("py.typed")]:
        stub.unlink()
    for cache in list(site.rglob("__pycache__")):
        shutil.rmtree(cache)

    data = site / "botocore" / "data"
    for service in services:
        if not (data / service).is_dir():
            raise FileNotFoundError(f"botocore has no service {service}")
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in services:
            shutil.rmtree(folder)
    for model in [*data.rglob("examples-*"), *data.rglob("paginators-*"), *data.rglob("waiters-*")]:
        model.unlink()

    # Read and parsed in full by the first client of a process.
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text())
    for partition in document["partitions"]:
        kept = {name: entry for name, entry in partition["services"].items() if name in services}
        partition["services"] = kept
    # A new file: uv links what it installs to its cache, and writing into that would change it for everybody.
    endpoints.unlink()
    endpoints.write_text(json.dumps(document, separators=(",", ":")))


if __name__ == "__main__":
    trim(Path(sys.argv[1]), set(sys.argv[2:]))
