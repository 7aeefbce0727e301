"""Fixtures of all tests of this vendor."""

from typing import Any

import pytest

from tests.rig import House
from tests.vendors.sunmi import sunmi_house


@pytest.fixture
def sunmi() -> House[Any]:
    return sunmi_house()
