"""One line for each step, with the seconds it took."""

import contextlib
import sys
import time
from collections.abc import Iterator


def say(text: str) -> None:
    """Print a line at once. On standard error: standard output is for answers, such as a path."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Show what is going on, then how long it took."""
    started = time.monotonic()
    sys.stderr.write(f"  {text} … ")
    sys.stderr.flush()
    try:
        yield
    except BaseException:
        sys.stderr.write("failed\n")
        raise
    sys.stderr.write(f"{time.monotonic() - started:.1f} s\n")
