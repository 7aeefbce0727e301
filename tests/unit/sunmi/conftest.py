"""Fixtures of all tests of this vendor."""

from typing import Any

import pytest

from tests.rig import Rig
from tests.vendors.sunmi import sunmi_rig


@pytest.fixture
def sunmi() -> Rig[Any]:
    return sunmi_rig()
