"""Reasons of rejections: the operator is told, and the vendor is not."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gatehouse import telemetry
from gatehouse.errors import Reason


class _Reasons(logging.Handler):
    """The reasons in the log lines of one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[Reason] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and record.getMessage() == "rejected":
            self.found.append(Reason(record.__dict__["reason"]))


@contextmanager
def rejections() -> Iterator[list[Reason]]:
    """The reasons that are logged meanwhile, one for each push that is turned away."""
    handler = _Reasons()
    log = logging.getLogger(telemetry.log.service)
    log.addHandler(handler)
    try:
        yield handler.found
    finally:
        log.removeHandler(handler)
