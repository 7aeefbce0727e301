"""Fixtures of all unit tests."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[dict[str, Any]]]:
    text = Path(__file__).with_name("vectors.json").read_text(encoding="utf-8")
    known: dict[str, list[dict[str, Any]]] = json.loads(text)
    return known
