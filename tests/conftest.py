"""Fixtures of all tests."""

import os
from collections.abc import Iterator
from random import Random

import pytest

from gatehouse.sandbox import SANDBOX
from tests.output import Output, captured


@pytest.fixture
def seed() -> int:
    """Of what is made at random, so that `SEED` repeats it."""
    chosen = int(os.environ.get("SEED", Random().randrange(10**9)))
    print(f"seed {chosen}")  # noqa: T201 - shown where the test fails
    return chosen


@pytest.fixture(autouse=True)
def awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call of the test before has left this process as a sandbox that sleeps until the next one."""
    monkeypatch.setattr(SANDBOX, "_rests_since", None)


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    with captured(capsys) as caught:
        yield caught
