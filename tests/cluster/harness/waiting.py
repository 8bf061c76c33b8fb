"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable

from tests.cluster.harness.errors import HarnessError

INTERVAL = 0.1


def wait_until(what: str, condition: Callable[[], bool], *, seconds: float, hint: str = "") -> None:
    """Return when the condition holds.

    Raises:
        HarnessError: it did not within that time; the message ends in the hint.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: not within {seconds:.0f} s. {hint}".rstrip())
        time.sleep(INTERVAL)
