"""moto's AWS with the recordings' rows and the media bucket, and Eye4's handler on it."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from functions.eye4.pending import PendingFiles
from tests import aws
from tests.builders import NOW
from tests.fakes import FakeStates
from tests.rig import Rig
from tests.unit.eye4.cloud import pending_files
from tests.vendors.eye4 import eye4_rig


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def account(environment: None) -> Iterator[aws.Aws]:  # noqa: ARG001 - the clients read it
    with mock_aws():
        yield aws.Aws()


@pytest.fixture
def files(account: aws.Aws) -> PendingFiles:
    return pending_files(account, now=lambda: NOW)


@pytest.fixture
def states() -> FakeStates:
    return FakeStates()


@pytest.fixture
def eye4(files: PendingFiles, states: FakeStates) -> Rig[Any]:
    return eye4_rig(files=files, states=states)
