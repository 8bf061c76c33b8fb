"""The bytes of a vendor's answer, within limits of time."""

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from omnia_runtime.providers.sse import MAX_EVENT_BYTES, EventTooLong
from omnia_runtime.providers.vendor_body import is_blank
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.watchdog import Watchdog

if TYPE_CHECKING:
    import aiohttp

# A server that only shows that it is alive, because the model waits for its turn or thinks, may do
# so for this many times the longest silence.
HEARTBEATS: Final = 10
_MAX_BLANK = 64 * 1024


class Silence(Exception):
    """A wait for more of an answer took too long."""


class StreamLimits(Struct, frozen=True):
    """How long the parts of an answer may take, in seconds.

    Attributes:
        first_byte: until its first byte.
        idle: until more bytes come.
        whole: from the request to the end of the answer.
        deadline: when that is, by the clock of the event loop.
    """

    first_byte: float
    idle: float
    whole: float
    deadline: float


class BodyStream:
    """Reads the body of a response.

    Attributes:
        content_type: of the body.
    """

    def __init__(self, response: "aiohttp.ClientResponse", limits: StreamLimits) -> None:
        loop, silence = asyncio.get_running_loop(), Silence()
        self.content_type = response.content_type
        self._content = response.content
        self._limits = limits
        self._clock = loop.time
        self._watchdog = Watchdog(
            limits.first_byte, lambda: response.content.set_exception(silence), loop
        )
        self._began = 0.0
        self._total = 0
        self._unchanged: float | None = None

    def close(self) -> None:
        """Stop the timer."""
        self._watchdog.stop()

    @property
    def silence(self) -> float:
        """The longest wait that is allowed now, in seconds."""
        return self._watchdog.seconds

    async def read(self) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            Silence: there were none for too long.
            VendorFailure: the whole answer takes too long.
        """
        watchdog, limits = self._watchdog, self._limits
        watchdog.since = self._began = self._clock()
        if self._began > limits.deadline:
            raise VendorFailure(
                f"did not end its answer within {limits.whole:g} s (streamTimeout)", retry=False
            )
        chunk = await self._content.readany()
        watchdog.since = None
        return chunk

    async def beginning(self) -> bytes:
        """Return the first bytes, up to one that is not blank; none if the body is empty.

        Raises:
            VendorFailure: there are too many blanks, or as in `read`.
        """
        start = b""
        while chunk := await self.read():
            start += chunk
            self._watchdog.change(self._limits.idle)
            if not is_blank(start):
                return start
            if len(start) > _MAX_BLANK:
                raise VendorFailure("sent only white space", retry=True)
            self.progressed(0)
        return b""

    async def whole(self, start: bytes) -> bytes:
        """Return the whole body, which begins with `start`.

        Raises:
            EventTooLong: it is too long.
        """
        pieces, size = [start], len(start)
        while chunk := await self.read():
            pieces.append(chunk)
            size += len(chunk)
            if size > MAX_EVENT_BYTES:
                raise EventTooLong
        return b"".join(pieces)

    def progressed(self, total: int) -> None:
        """Check that the answer goes on; call it when what was read is processed.

        Args:
            total: the size of the answer. If it is that of the last call, there were heartbeats.

        Raises:
            VendorFailure: there were only heartbeats for too long.
        """
        if total != self._total:
            self._total, self._unchanged = total, None
        elif self._unchanged is None:
            # The time that the reader of the answer took before this wait does not count.
            self._unchanged = self._began
        elif self._clock() - self._unchanged > HEARTBEATS * self._limits.idle:
            raise VendorFailure(
                f"sent only heartbeats for {HEARTBEATS * self._limits.idle:g} s", retry=True
            )
