"""A circuit breaker: a server that keeps failing is left alone for a while."""

import time
from collections.abc import Callable

FAULTS = 5
OPEN_SECONDS = 30.0


class Breaker:
    """Opens after `FAULTS` faults in a row; after `OPEN_SECONDS`, one call finds out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._faults = 0
        self._opened = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the server is left alone, but for the calls that find out."""
        return self._faults >= FAULTS

    def wait(self) -> float:
        """Return the seconds until a call may be made, 0 when it may be made now.

        A call that may be made has to end in `succeeded`, `failed` or `abandoned`.
        """
        if not self.open:
            return 0.0
        left = self._opened + OPEN_SECONDS - self._clock()
        if left > 0:
            return left
        if self._probing:
            # nobody knows how long the one call takes that finds out
            return 1.0
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """The server answered, be it with an error of the call."""
        self._faults, self._probing = 0, False

    def failed(self) -> None:
        """The server is at fault."""
        self._faults += 1
        self._opened, self._probing = self._clock(), False

    def abandoned(self) -> None:
        """The call ended without saying anything about the server."""
        self._probing = False
