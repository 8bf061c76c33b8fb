"""Stores the messages of a turn: at its beginning, in checkpoints while it runs, at its end."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog
from msgspec import structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.eager import start_eagerly
from omnia_core.errors import OmniaError
from omnia_core.sessions import AuditTrail, Message, SessionStore
from omnia_core.sessions.audit import EventKind, SessionStatus, timestamp
from omnia_runtime.observe.audit import AuditRecorder, current_recorder, recording
from omnia_runtime.ports.listener import AgentEvent, AgentListener
from omnia_runtime.turns.turn import UserTurn, close_transcript

CHECKPOINT_SECONDS = 1.0

Ending = tuple[SessionStatus, EventKind, str]

_log = structlog.get_logger()


def completed_ending(reason: str) -> Ending:
    """Return the ending of a turn with an answer; `reason` is its finish reason."""
    return "completed", EventKind.TURN_ENDED, reason


def failed_ending(error: BaseException) -> Ending:
    """Return the ending of a turn that was cancelled or failed.

    The detail is the message that the caller gets.
    """
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", EventKind.TURN_CANCELLED, ""
    if isinstance(error, OmniaError):
        return "error", EventKind.TURN_FAILED, f"{error.code}: {error.message}"
    return "error", EventKind.TURN_FAILED, "the agent failed; its log has the reason"


class TurnStore:
    """Appends the messages of turns. A write is completed even if its turn is cancelled."""

    def __init__(self, store: SessionStore, *, costs: bool = False) -> None:
        """`costs`: gets the calls for their costs, for a store that keeps no audit records."""
        self._store = store
        self._records = store.keeps_audit or costs
        self._writes: set[asyncio.Task[int]] = set()

    def recording(self) -> AbstractContextManager[AuditRecorder | None]:
        """Record the audit of the turn inside the block, if the store wants it."""
        return recording(AuditRecorder() if self._records else None)

    async def begin(
        self, session_id: str, transcript: Sequence[Message], known: int, first: int = 0
    ) -> int:
        """Store the messages after the `known` ones, up to the user's message.

        If the turn is cancelled meanwhile, its end is stored too: the caller does not know yet
        whether the turn began.

        Returns:
            The number of messages in `transcript` that are stored.
        """
        recorder = current_recorder()
        audit = recorder.begin_turn() if recorder else None
        task = self._start_append(session_id, transcript, known, first, audit)
        try:
            return await _complete(task) - first
        except asyncio.CancelledError as error:
            if task.done() and not task.cancelled() and task.exception() is None:
                stored = task.result() - first
                closed = close_transcript(transcript, stored, "", "cancelled")
                await self.end(session_id, closed, stored, failed_ending(error), first)
            raise

    async def end(
        self,
        session_id: str,
        transcript: Sequence[Message],
        known: int,
        ending: Ending,
        first: int = 0,
    ) -> None:
        """Store the messages after the `known` ones, and the ending of the turn.

        `first` is the position in the session of the transcript's first message, here as in
        `begin`.
        """
        recorder = current_recorder()
        audit = recorder.end_turn(*ending) if recorder else None
        await _complete(self._start_append(session_id, transcript, known, first, audit))

    def _start_append(
        self,
        session_id: str,
        transcript: Sequence[Message],
        known: int,
        first: int,
        audit: AuditTrail | None,
    ) -> asyncio.Task[int]:
        fresh = with_timestamps(transcript[known:])
        write = self._store.append(session_id, fresh, expected_length=first + known, audit=audit)
        task = start_eagerly(write)
        if not task.done():
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)
        return task


async def _complete(task: asyncio.Task[int]) -> int:
    """Wait until a write has ended, even if the waiting task is cancelled."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class Checkpoints:
    """Stores the progress of a turn at most once a period, one period after the first change.

    Nothing waits for a checkpoint. The store ignores one that comes after the turn's last append,
    and one that fails is logged. A turn shorter than the period sets one timer.
    """

    def __init__(
        self,
        store: SessionStore,
        turn: UserTurn,
        transcript: Sequence[Message],
        known: int,
        first: int = 0,
        period: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Create the checkpoints of one turn.

        Args:
            store: the session store.
            turn: the turn, which collects the answer.
            transcript: grows while the turn runs.
            known: the number of messages in `transcript` that are stored.
            first: the position in the session of the transcript's first message.
            period: in seconds.
        """
        self._period = period
        self._store = store
        self._turn = turn
        self._transcript = transcript
        self._known = known
        self._length = first + known
        self._timer: asyncio.TimerHandle | None = None
        self._write: asyncio.Task[None] | None = None
        self._ended = False

    def schedule(self) -> None:
        """Called when the turn has made progress."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._on_timer)

    def end(self) -> None:
        """Store no more checkpoints: the turn's last append follows."""
        self._ended = True
        if self._timer:
            self._timer.cancel()

    def _on_timer(self) -> None:
        self._timer = None
        if self._write is None:
            self._write = asyncio.create_task(self._store_checkpoint())
        else:
            # The store is slower than the answer: the next checkpoint contains the progress.
            self.schedule()

    async def _store_checkpoint(self) -> None:
        closed = close_transcript(self._transcript, self._known, self._turn.answer, INTERRUPTED)
        try:
            await self._store.checkpoint(
                self._turn.session_id,
                with_timestamps(closed[self._known :]),
                expected_length=self._length,
            )
        except OmniaError as error:
            if not self._ended:
                _log.warning(
                    "checkpoint not stored", session=self._turn.session_id, reason=str(error)
                )
        finally:
            self._write = None


class CheckpointingListener:
    """Collects the answer, schedules checkpoints, and forwards everything to another listener."""

    __slots__ = ("_checkpoints", "_listener", "_sent")

    def __init__(self, turn: UserTurn, checkpoints: Checkpoints, listener: AgentListener) -> None:
        self._sent = turn.sent
        self._checkpoints = checkpoints
        self._listener = listener

    def send_text(self, text: str) -> bool:
        self._sent.append(text)
        self._checkpoints.schedule()
        return self._listener.send_text(text)

    async def drain(self) -> None:
        await self._listener.drain()

    async def send_event(self, event: AgentEvent) -> None:
        self._checkpoints.schedule()
        await self._listener.send_event(event)


def with_timestamps(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the current time, unless they have one."""
    now = timestamp()
    return [
        message if message.created_at else structs.replace(message, created_at=now)
        for message in messages
    ]
