"""Fixtures of all tests."""

import os
from collections.abc import Iterator
from functools import cache
from random import Random

import botocore.session
import hypothesis
import pytest
from botocore.loaders import Loader

from gatehouse.sandbox import SANDBOX
from tests.output import Output, captured

# The same examples in every run; and no time for each, which a busy machine would exceed.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Reads botocore's models once: moto has each test make a session of its own, which would parse them again."""
    made = cache(botocore.session.create_loader)

    def create_loader(search_path_string: str | None = None) -> Loader:
        loader = made(search_path_string)
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # boto3 adds its own with each session
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", create_loader)
        yield


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
