"""moto's AWS, for the tests of the ports."""

from collections.abc import Iterator

import pytest

from tests import aws


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def account(environment: None) -> Iterator[aws.Aws]:  # noqa: ARG001 - the clients read it
    with aws.built_aws() as built:
        yield built
