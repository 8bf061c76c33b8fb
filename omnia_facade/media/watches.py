"""Who waits for an upload, which may be completed in another pod."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeAlias

import structlog

from omnia_facade.media.port import MediaRefused, Stored

Completed: TypeAlias = Callable[[Stored], None]

# How often the volume is asked for uploads that somebody waits for.
LOOK_SECONDS = 1.0
LOOK_AT_ONCE = 256

_log = structlog.get_logger()


class Watches:
    """Calls back once for each upload; looks at the volume only while somebody waits."""

    def __init__(
        self, look: Callable[[list[str]], Awaitable[dict[str, Stored]]], seconds: float
    ) -> None:
        """`look` returns those of some uploads that are complete."""
        self._look = look
        self._seconds = seconds
        self._waiting: dict[str, list[Completed]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, upload_id: str, completed: Completed) -> Callable[[], None]:
        """Wait for an upload; what is returned ends that."""
        self._waiting.setdefault(upload_id, []).append(completed)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

        def end() -> None:
            left = [each for each in self._waiting.get(upload_id, ()) if each is not completed]
            if left:
                self._waiting[upload_id] = left
            else:
                self._waiting.pop(upload_id, None)

        return end

    def complete(self, upload_id: str, stored: Stored) -> None:
        """Tell who waits."""
        for completed in self._waiting.pop(upload_id, ()):
            completed(stored)

    async def close(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _next(self) -> list[str]:
        """Return those who waited longest for a look, which then wait behind the others."""
        chosen = list(islice(self._waiting, LOOK_AT_ONCE))
        for upload_id in chosen:
            self._waiting[upload_id] = self._waiting.pop(upload_id)
        return chosen

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._seconds)
                try:
                    found = await self._look(self._next())
                except MediaRefused as refused:
                    _log.warning("uploads cannot be looked for", reason=refused.message)
                    continue
                for upload_id, stored in found.items():
                    self.complete(upload_id, stored)
        finally:
            self._task = None
