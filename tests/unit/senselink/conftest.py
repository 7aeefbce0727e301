"""What the tests of SenseLink stand on."""

from typing import Any

import pytest

from tests import aws
from tests.rig import House
from tests.vendors.senselink import senselink_house


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits looks up fifty times a second."""
    for module in ("connection", "listener", "once", "recorder"):
        monkeypatch.setattr(f"functions.senselink.{module}.TICK", 0.02)


@pytest.fixture
def senselink() -> House[Any]:
    return senselink_house()
