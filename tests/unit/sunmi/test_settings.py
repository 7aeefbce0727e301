"""Settings of SUNMI's function that no other vendor's has."""

import pytest

from functions.sunmi.handler import SunmiSettings
from gatehouse.errors import WrongSetting
from tests.builders import ENVIRONMENT


def test_the_window_of_the_timestamp_is_a_day_unless_it_is_set() -> None:
    assert SunmiSettings.read(ENVIRONMENT).timestamp_window == 86_400


@pytest.mark.parametrize("value", ["0", "86401"])
def test_a_window_that_cannot_work_is_named(value: str) -> None:
    with pytest.raises(WrongSetting, match="TIMESTAMP_WINDOW"):
        SunmiSettings.read({**ENVIRONMENT, "TIMESTAMP_WINDOW": value})
