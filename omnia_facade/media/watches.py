"""Watches for the completion of uploads, which may happen in another pod."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeAlias

import structlog

from omnia_facade.media.port import MediaFailed, StoredFile

Completed: TypeAlias = Callable[[StoredFile], None]
FindCompleted: TypeAlias = Callable[[list[str]], Awaitable[dict[str, StoredFile]]]

# How often the volume is polled for the watched uploads, and for how many at once.
POLL_SECONDS = 1.0
POLL_UPLOADS = 256

_log = structlog.get_logger()


class UploadWatches:
    """Calls back once for each completed upload; polls only while there are watches."""

    def __init__(self, find_completed: FindCompleted, seconds: float) -> None:
        """`find_completed` returns those of the given uploads that are complete."""
        self._find_completed = find_completed
        self._seconds = seconds
        self._waiting: dict[str, list[Completed]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, upload_id: str, completed: Completed) -> Callable[[], None]:
        """Watch an upload; the returned function ends the watch."""
        self._waiting.setdefault(upload_id, []).append(completed)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

        def end() -> None:
            callbacks = self._waiting.get(upload_id, ())
            left = [callback for callback in callbacks if callback is not completed]
            if left:
                self._waiting[upload_id] = left
            else:
                self._waiting.pop(upload_id, None)

        return end

    def complete(self, upload_id: str, stored: StoredFile) -> None:
        """Call back the watches of an upload, and end them."""
        for completed in self._waiting.pop(upload_id, ()):
            completed(stored)

    async def close(self) -> None:
        """End all watches."""
        self._waiting.clear()
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _next(self) -> list[str]:
        """Return the uploads that were polled longest ago, and move them to the end."""
        chosen = list(islice(self._waiting, POLL_UPLOADS))
        for upload_id in chosen:
            self._waiting[upload_id] = self._waiting.pop(upload_id)
        return chosen

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._seconds)
                try:
                    found = await self._find_completed(self._next())
                except MediaFailed as failure:
                    _log.warning("uploads cannot be polled", reason=failure.message)
                    continue
                for upload_id, stored in found.items():
                    self.complete(upload_id, stored)
        finally:
            self._task = None
