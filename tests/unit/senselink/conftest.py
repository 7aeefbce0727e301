"""Fixtures of the tests of SenseLink."""

from typing import Any

import pytest
import trustme

from tests import aws
from tests.rig import Rig
from tests.vendors.senselink import senselink_rig


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a thread that waits look up fifty times a second."""
    for module in ("connection", "listener", "once", "recorder"):
        monkeypatch.setattr(f"functions.senselink.{module}.TICK", 0.02)


@pytest.fixture
def senselink() -> Rig[Any]:
    return senselink_rig()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority of the operator's own."""
    return trustme.CA()
