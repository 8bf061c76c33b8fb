"""What a turn stores: the message that begins it, and all that followed, each with its trail."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog
from msgspec import structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.eager import begin
from omnia_core.errors import OmniaError
from omnia_core.sessions import AuditTrail, Message, SessionStore
from omnia_core.sessions.audit import EventKind, SessionStatus, moment
from omnia_runtime.observe.audit import Recorder, note_held, recorder, recording
from omnia_runtime.ports.listener import AgentEvent, LimitReached, Listener
from omnia_runtime.turns.turn import Turn, closed


class Appends:
    """Writes that are finished even when the turn that makes them is cancelled meanwhile."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._writes: set[asyncio.Task[int]] = set()

    def recording(self) -> AbstractContextManager[Recorder | None]:
        """Note what happens within, where the store keeps it."""
        return recording(Recorder() if self._store.keeps_trail else None)

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
        write = self._store.append(session_id, fresh, expected_length=first + known, trail=trail)
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


PERIOD_SECONDS = 1.0

_log = structlog.get_logger()


class Checkpoints:
    """Stores what is new in a turn, a second after it came and at most once a second.

    Nothing that is stored is waited for: a write that comes after the turn's append changes
    nothing, one that fails is told in the log. A turn that is shorter than a second sets one timer.
    """

    def __init__(
        self,
        store: SessionStore,
        turn: Turn,
        transcript: Sequence[Message],
        known: int,
        first: int = 0,
        period: float = PERIOD_SECONDS,
    ) -> None:
        """`transcript` grows while the turn runs; its first `known` messages are stored.

        `first` is the position of the very first one in the session.
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

    def note(self) -> None:
        """Say that there is something new."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._due)

    def end(self) -> None:
        """Store nothing from now on: the turn's append follows."""
        self._ended = True
        if self._timer:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        if self._write is None:
            self._write = asyncio.create_task(self._store_now())
        else:
            # the store is slower than the answer: what is new goes with the next one
            self.note()

    async def _store_now(self) -> None:
        cut = closed(self._transcript, self._known, self._turn.text, INTERRUPTED)[self._known :]
        try:
            await self._store.checkpoint(
                self._turn.session_id, stamped(cut), expected_length=self._length
            )
        except OmniaError as error:
            if not self._ended:
                _log.warning(
                    "a checkpoint was not stored",
                    session=self._turn.session_id,
                    reason=str(error),
                )
        finally:
            self._write = None


def stamped(messages: Sequence[Message]) -> list[Message]:
    """Give messages the time at which they are stored, unless they have one."""
    now = moment()
    return [each if each.created_at else structs.replace(each, created_at=now) for each in messages]


class Noted:
    """A listener before a listener."""

    __slots__ = ("_checkpoints", "_listener", "_said")

    def __init__(self, turn: Turn, checkpoints: Checkpoints, listener: Listener) -> None:
        self._said = turn.said
        self._checkpoints = checkpoints
        self._listener = listener

    def say(self, text: str) -> bool:
        self._said.append(text)
        self._checkpoints.note()
        return self._listener.say(text)

    async def room(self) -> None:
        await self._listener.room()

    async def tell(self, event: AgentEvent) -> None:
        self._checkpoints.note()
        await self._listener.tell(event)
