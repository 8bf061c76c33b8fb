"""The memory of request bodies: of a pod, for all doors together."""

from collections.abc import Iterator
from contextlib import contextmanager

from omnia_facade.doors.errors import OVERLOADED, DoorFailed

# A smaller body always has room: most messages are.
SMALL_BYTES = 64 * 1024
# The assumed size of a body without a Content-Length.
UNKNOWN_BYTES = 1024 * 1024


class BodyBudget:
    """Counts the bodies of requests that are being answered."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes, as the clients say their sizes."""
        self._left = limit

    @contextmanager
    def hold(self, size: int | None) -> Iterator[None]:
        """Count a body until the end of the block.

        Raises:
            DoorFailed: there is no room for it.
        """
        size = UNKNOWN_BYTES if size is None else size
        if size <= SMALL_BYTES:
            yield
            return
        if size > self._left:
            raise DoorFailed(
                OVERLOADED, "too many large messages are being answered; send it again"
            )
        self._left -= size
        try:
            yield
        finally:
            self._left += size
