"""The rules of SensePass's doors."""

from functions.sensepass.rules import check

__all__ = ["check"]
