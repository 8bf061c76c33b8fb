"""What a turn stores: the message that begins it, and all that followed, each with its trail."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager

from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, SessionStore, Trail
from omnia_core.sessions.trail import EventKind, SessionStatus
from omnia_runtime.agent.events import LimitReached
from omnia_runtime.trail import Recorder, note_held, recorder, recording
from omnia_runtime.turns.checkpoints import stamped
from omnia_runtime.turns.turn import closed


class Appends:
    """Writes that are finished even when the turn that makes them is cancelled meanwhile."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._writes: set[asyncio.Task[int]] = set()

    def recording(self) -> AbstractContextManager[Recorder | None]:
        """Note what happens within, where the store keeps it."""
        return recording(Recorder() if self._store.keeps_trail else None)

    async def begin(self, session_id: str, transcript: Sequence[Message], known: int) -> int:
        """Store what follows the `known` messages and ends in the user's; return the length.

        A turn that is cancelled meanwhile ends here: no other place knows that it began.
        """
        current = recorder()
        trail = current.begun() if current else None
        task = self._started(session_id, transcript, known, trail)
        try:
            return await _finished(task)
        except asyncio.CancelledError as error:
            if task.done() and not task.cancelled() and task.exception() is None:
                length = task.result()
                cut = closed(transcript, length, "", "cancelled")
                await self.end(session_id, cut, length, cut_by(error))
            raise

    async def end(
        self, session_id: str, transcript: Sequence[Message], known: int, ending: "Ending"
    ) -> None:
        """Store the turn, and how it ended."""
        current = recorder()
        trail = current.ended(*ending) if current else None
        await _finished(self._started(session_id, transcript, known, trail))

    def _started(
        self, session_id: str, transcript: Sequence[Message], known: int, trail: Trail | None
    ) -> asyncio.Task[int]:
        fresh = stamped(transcript[known:])
        write = self._store.append(session_id, fresh, expected_length=known, trail=trail)
        task = asyncio.ensure_future(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task


async def _finished(task: asyncio.Task[int]) -> int:
    """Wait for a write to its end, even when that is cancelled."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


Ending = tuple[SessionStatus, EventKind, str]


def finished_with(reason: str) -> Ending:
    """Return how a turn ended that has an answer."""
    return "completed", EventKind.TURN_ENDED, reason


def cut_by(error: BaseException) -> Ending:
    """Return how a turn ended that has none; the detail is what its caller is told."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", EventKind.TURN_CANCELLED, ""
    if isinstance(error, LimitReached):
        note_held(error.limit)
    if isinstance(error, OmniaError):
        return "error", EventKind.TURN_FAILED, f"{error.code}: {error.message}"
    return "error", EventKind.TURN_FAILED, "the agent failed; its log has the reason"
