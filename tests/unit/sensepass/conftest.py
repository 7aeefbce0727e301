"""Fixtures of all tests of this vendor."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import aws
from tests.rig import House
from tests.vendors.sensepass import sensepass_house


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Aws]:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws.built_aws() as built:
        yield built


@pytest.fixture
def sensepass() -> House[Any]:
    return sensepass_house()
