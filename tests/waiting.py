"""Waiting for a condition, which fails without it: a test never sleeps for luck."""

import time
from collections.abc import Callable


def until[T](
    look: Callable[[], T],
    seconds: float = 90,
    *,
    meanwhile: Callable[[], object] = lambda: time.sleep(0.02),
    failing: Callable[[], str] = lambda: "it did not come about",
) -> T:
    """Looks until there is something to be found, and returns it.

    Args:
        look: finds it, or something false.
        seconds: of patience.
        meanwhile: runs between two looks.
        failing: describes how things are when patience is over.
    """
    ends_at = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > ends_at:
            raise AssertionError(f"not within {seconds} s: {failing()}")
        meanwhile()
    return found
