"""Fixtures of all tests of this vendor."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import aws
from tests.rig import Rig
from tests.vendors.sensepass import sensepass_rig


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Aws]:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with aws.built_aws() as built:
        yield built


@pytest.fixture
def sensepass() -> Rig[Any]:
    return sensepass_rig()
