"""One turn of a session: history, loop, append."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from msgspec import Struct, structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_runtime.agent.events import AgentEvent, TurnFinished
from omnia_runtime.agent.loop import run_turn
from omnia_runtime.metrics import Metrics
from omnia_runtime.reload import Live

# A turn that was just cancelled is still storing its answer; the next one may wait for it.
WAIT_SECONDS = 1.0

Emit = Callable[[AgentEvent], Awaitable[None]]


class SessionBusy(OmniaError):
    """Another turn of the session is running."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'another turn of session "{session_id}" is running; send the message again '
            "when it has ended",
        )


class Turn(Struct, frozen=True):
    """A message of the user.

    Attributes:
        said: the answer so far, for whoever ends the turn early.
    """

    session_id: str
    content: str
    metadata: Mapping[str, str]
    said: list[str]

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.said)


class Conversations:
    """Runs turns; those of one session one after another."""

    def __init__(self, live: Live, store: SessionStore, metrics: Metrics) -> None:
        self._live = live
        self._store = store
        self._metrics = metrics
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._writes: set[asyncio.Task[int]] = set()

    async def run(self, turn: Turn, emit: Emit) -> TurnFinished:
        """Run a turn. When it returns, the whole turn is stored and the session is free.

        A turn that is cancelled or fails keeps what was said, marked so.

        Raises:
            OmniaError: the turn failed; the message says what to do.
        """
        began, status = time.monotonic(), "error"
        try:
            async with self._alone(turn.session_id):
                finished = await self._run(turn, emit)
            status = "success"
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        finally:
            self._metrics.turn_ended(status, time.monotonic() - began)
        return structs.replace(finished, text=turn.text)

    async def _run(self, turn: Turn, emit: Emit) -> TurnFinished:
        use = self._live.current
        session = await self._store.load(turn.session_id)
        transcript = list(session.messages) if session else []
        system = use.prompt.render(use.prompt.declared(turn.metadata))
        transcript.append(Message("user", turn.content))
        known = await self._append(turn.session_id, transcript, len(transcript) - 1)
        request = use.request(system, transcript, turn.metadata)
        finished: TurnFinished | None = None
        try:
            events = run_turn(use.model, use.tools, request, transcript, use.limits)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, str):
                        turn.said.append(event)
                    if isinstance(event, TurnFinished):
                        finished = event
                    else:
                        await emit(event)
        except BaseException as error:
            reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
            cut = closed(transcript, known, turn.text, reason)
            await self._append(turn.session_id, cut, known)
            raise
        if finished is None:
            raise OmniaError(Code.INTERNAL, "the turn ended without an answer")
        await self._append(turn.session_id, transcript, known)
        return finished

    async def _append(self, session_id: str, transcript: Sequence[Message], known: int) -> int:
        """Store what follows the `known` messages, even when this task is cancelled meanwhile."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fresh = [structs.replace(message, created_at=now) for message in transcript[known:]]
        return await self._shielded(self._store.append(session_id, fresh, expected_length=known))

    async def _shielded(self, write: Coroutine[Any, Any, int]) -> int:
        task = asyncio.ensure_future(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise

    @asynccontextmanager
    async def _alone(self, session_id: str) -> AsyncIterator[None]:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await lock.acquire()
        except TimeoutError as error:
            raise SessionBusy(session_id) from error
        try:
            yield
        finally:
            lock.release()


def closed(transcript: Sequence[Message], known: int, said: str, reason: str) -> list[Message]:
    """End a transcript that was cut: every tool call gets an answer, the text said is marked.

    `said` is all the text of the turn; what earlier rounds said stands in `transcript` already.
    """
    messages = list(transcript)
    answered = {message.tool_call_id for message in messages if message.role == "tool"}
    for message in transcript[known:]:
        messages += [
            Message("tool", '{"error":"not finished"}', tool_call_id=call.id, is_error=True)
            for call in message.tool_calls
            if call.id not in answered
        ]
    stored = sum(len(each.content) for each in transcript[known:] if each.role == "assistant")
    messages.append(Message("assistant", said[stored:], finish_reason=reason))
    return messages
