"""moto's AWS, with the faults of `account.py`."""

from collections.abc import Iterator

import pytest

from tests import aws
from tests.faults.account import Account


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Aws]:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws.built_aws() as made:
        yield made


@pytest.fixture
def cloud(built: aws.Aws) -> Account:
    return Account(built)
