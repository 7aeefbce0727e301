"""Settings of SENSORO's function that no other vendor's has."""

from functions.sensoro.handler import SensoroSettings
from tests.vendors.sensoro import SENSORO_ENVIRONMENT


def test_the_window_of_the_nonce_is_a_day_unless_it_is_set() -> None:
    assert SensoroSettings.read(SENSORO_ENVIRONMENT).nonce_window == 86_400
