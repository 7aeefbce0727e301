"""Fixtures of all tests of this vendor."""

from typing import Any

import pytest

from tests.rig import House
from tests.vendors.sensoro import sensoro_house


@pytest.fixture
def sensoro() -> House[Any]:
    return sensoro_house()
