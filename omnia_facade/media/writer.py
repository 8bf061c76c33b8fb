"""The bytes of one upload on their way to a file."""

import os
import time
from collections.abc import Callable
from datetime import datetime

from omnia_facade.media.port import MediaErrorCode, MediaRefused, Stored
from omnia_facade.media.room import Pending
from omnia_facade.media.threads import in_thread
from omnia_facade.metrics.media import MediaMetrics

# A thread is asked for so many bytes at once, and so many wait here at most.
PIECE_BYTES = 128 * 1024


class Part:
    """A file that grows. What it does blocks."""

    def __init__(self, begin: Callable[[], tuple[str, int]], forget: Callable[[str], None]) -> None:
        """`begin` makes the file, `forget` removes it."""
        self._forget = forget
        self.name, self._descriptor = begin()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """Return when all is on the disk: what a client was told is there outlives the node."""
        os.fsync(self._descriptor)
        self._close()

    def forget(self) -> None:
        """Remove the file."""
        self._close()
        self._forget(self.name)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class FileWriter:
    """Takes the bytes, in any pieces; `keep` makes a complete file an upload."""

    def __init__(
        self,
        pending: Pending,
        part: Part,
        keep: Callable[[str], Stored],
        metrics: MediaMetrics,
        ended: Callable[[Stored | None], None],
        now: Callable[[], datetime],
    ) -> None:
        """`ended` is called once: with the file, or None when the upload was given up."""
        self._pending = pending
        self._part = part
        self._keep = keep
        self._metrics = metrics
        self._ended = ended
        self._now = now
        self._waiting = bytearray()
        self._size = 0
        self._began = time.monotonic()
        self._over = False

    async def write(self, data: bytes) -> None:
        self._size += len(data)
        self._require_time()
        if self._size > self._pending.size_bytes:
            raise MediaRefused(
                MediaErrorCode.TOO_LARGE,
                f"the file is larger than the {self._pending.size_bytes} bytes that were announced",
            )
        self._waiting += data
        if len(self._waiting) >= PIECE_BYTES:
            await self._flush()

    async def finish(self) -> Stored:
        self._require_time()
        if self._size != self._pending.size_bytes:
            raise MediaRefused(
                MediaErrorCode.INPUT_INVALID,
                f"the file has {self._size} bytes; {self._pending.size_bytes} were announced",
            )
        await self._flush()
        await in_thread(self._part.sync)
        stored = await in_thread(self._keep, self._part.name)
        self._end(stored)
        return stored

    async def abort(self) -> None:
        if not self._over:
            self._end(None)
            await in_thread(self._part.forget)

    async def _flush(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        await in_thread(self._part.write, data)

    def _require_time(self) -> None:
        if self._now() >= self._pending.expires_at:
            raise MediaRefused(
                MediaErrorCode.EXPIRED, "the time for this upload is over; request another"
            )

    def _end(self, stored: Stored | None) -> None:
        self._over = True
        seconds = time.monotonic() - self._began
        self._metrics.uploaded(self._size, seconds, success=stored is not None)
        self._ended(stored)
