"""Fixtures of all tests."""

import os
from random import Random

import pytest


@pytest.fixture
def seed() -> int:
    """Of what is made at random, so that `SEED` repeats it."""
    chosen = int(os.environ.get("SEED", Random().randrange(10**9)))
    print(f"seed {chosen}")  # noqa: T201 - shown where the test fails
    return chosen
