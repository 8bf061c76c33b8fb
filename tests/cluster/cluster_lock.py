"""Which tests may use the cluster at the same time, in all processes that run them."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class ClusterLock:
    """A lock of the cluster: many tests share it, or one has it alone.

    A test that waits to have it alone is not overtaken by tests that begin later. The kernel frees
    the lock of a process that ends.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._entry = folder / "tests-entry.lock"
        self._inside = folder / "tests.lock"
        self._parts = folder / "tests-parts.lock"

    @contextlib.contextmanager
    def held(self, *, alone: bool) -> Iterator[None]:
        """Hold the lock, after waiting for it."""
        with self._inside.open("w") as inside:
            with self._entry.open("w") as entry:
                fcntl.flock(entry, fcntl.LOCK_EX)
                fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """Be the only process that prepares something for all tests, such as an image."""
        with self._parts.open("w") as parts:
            fcntl.flock(parts, fcntl.LOCK_EX)
            yield
