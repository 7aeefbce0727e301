"""Fixtures of all tests of this vendor."""

from typing import Any

import pytest

from tests.rig import Rig
from tests.vendors.sensoro import sensoro_rig


@pytest.fixture
def sensoro() -> Rig[Any]:
    return sensoro_rig()
