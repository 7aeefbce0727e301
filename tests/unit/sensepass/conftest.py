"""Fixtures of all tests of this vendor."""

from typing import Any

import pytest

from tests.rig import House
from tests.vendors.sensepass import sensepass_house


@pytest.fixture
def sensepass() -> House[Any]:
    return sensepass_house()
