"""Waiting for a condition, never for a time.

What follows from a change is seen by one reader later than by another. A test therefore states all
that has to become true in one check, and `eventually` repeats the whole of it: a wait for one thing
and then a single look at another is a race.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.cluster.harness.errors import HarnessError

INTERVAL = 0.1
SECONDS = 180.0
"""As long as anything may take on a busy machine; it costs nothing where all is well."""

NOT_YET = (AssertionError, HarnessError, LookupError, ValueError, OSError)
"""What a check raises about something that is not there yet, or is not as it has to be."""

T = TypeVar("T")


def wait_until(
    what: str, condition: Callable[[], bool], *, seconds: float = SECONDS, hint: str = ""
) -> None:
    """Return when the condition holds.

    Raises:
        HarnessError: it did not within that time; the message ends in the hint.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: not within {seconds:.0f} s. {hint}".rstrip())
        time.sleep(INTERVAL)


def eventually(check: Callable[[], T], *, seconds: float = SECONDS) -> T:
    """Run a check until it raises nothing that says "not yet"; return what it returns.

    The check is run anew as a whole, so all that it states has been true in one run of it.

    Raises:
        Exception: what the last run raised, with a note of the time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except NOT_YET as error:
            if time.monotonic() > deadline:
                error.add_note(f"still so after {seconds:g} s")
                raise
        time.sleep(INTERVAL)


def becomes(read: Callable[[], object], expected: object, *, seconds: float = SECONDS) -> None:
    """Return when what is read is what is expected.

    Raises:
        AssertionError: it was not within that time; the message has what was read last.
    """

    def check() -> None:
        found = read()
        assert found == expected, f"expected {expected!r}, found {found!r}"

    eventually(check, seconds=seconds)
