"""What a turn stores: the message that begins it, and all that followed, each with its trail."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager

from omnia_core.eager import begin
from omnia_core.errors import OmniaError
from omnia_core.sessions import AuditTrail, Message, SessionStore
from omnia_core.sessions.audit import EventKind, SessionStatus
from omnia_runtime.observe.audit import Recorder, note_held, recorder, recording
from omnia_runtime.ports.listener import LimitReached
from omnia_runtime.turns.checkpoints import stamped
from omnia_runtime.turns.turn import closed


class Appends:
    """Writes that are finished even when the turn that makes them is cancelled meanwhile."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._writes: set[asyncio.Task[int]] = set()

    def recording(self) -> AbstractContextManager[Recorder | None]:
        """Note what happens within, where the store keeps it."""
        return recording(Recorder() if self._store.keeps_audit else None)

    async def begin(
        self, session_id: str, transcript: Sequence[Message], known: int, first: int = 0
    ) -> int:
        """Store what follows the `known` messages and ends in the user's; return how many are.

        `first` is the position of the transcript's first message in the session.

        A turn that is cancelled meanwhile ends here: no other place knows that it began.
        """
        current = recorder()
        trail = current.begun() if current else None
        task = self._started(session_id, transcript, known, first, trail)
        try:
            return await _finished(task) - first
        except asyncio.CancelledError as error:
            if task.done() and not task.cancelled() and task.exception() is None:
                stored = task.result() - first
                cut = closed(transcript, stored, "", "cancelled")
                await self.end(session_id, cut, stored, cut_by(error), first)
            raise

    async def end(
        self,
        session_id: str,
        transcript: Sequence[Message],
        known: int,
        ending: "Ending",
        first: int = 0,
    ) -> None:
        """Store the turn, and how it ended."""
        current = recorder()
        trail = current.ended(*ending) if current else None
        await _finished(self._started(session_id, transcript, known, first, trail))

    def _started(
        self,
        session_id: str,
        transcript: Sequence[Message],
        known: int,
        first: int,
        trail: AuditTrail | None,
    ) -> asyncio.Task[int]:
        fresh = stamped(transcript[known:])
        write = self._store.append(session_id, fresh, expected_length=first + known, audit=trail)
        task = begin(write)
        if not task.done():
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
