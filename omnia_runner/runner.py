"""Runs the turns of one session, and streams them."""

import asyncio
import uuid
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import structlog
from msgspec import Struct, to_builtins

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage
from omnia_core.errors import OmniaError
from omnia_core.names import METADATA_USER_ID
from omnia_core.sessions import Message
from omnia_core.sse.ui_messages import DONE, UIMessageWriter
from omnia_runner.agent import Agent
from omnia_runner.sessions import SessionManager
from omnia_runner.tracing import current_traceparent
from omnia_runtime.ports.listener import (
    AgentEvent,
    AgentListener,
    DiscardingListener,
    ToolAnswered,
    ToolCalled,
    TurnFinished,
)
from omnia_runtime.turns.session_turns import SessionBusy, SessionUnknown, require_owner
from omnia_runtime.turns.turn import Caller, UserTurn

FALLBACK = "Sorry, I cannot answer at the moment. Please try again."
# Characters that wait for a reader before the answer waits too.
_BUFFERED = 256 * 1024

_log = structlog.get_logger()


class Result(Struct, frozen=True):
    """What became of a turn. It is stored when this exists.

    Attributes:
        text: the answer; of a turn that was cancelled what was said until then, of one that failed
            the fallback message.
        finish_reason: stop, max_output_tokens, safety, refusal, cancelled or error.
        messages: what the turn has added to the session.
        session_name: what the session is about, if the agent names sessions.
        error: why the turn failed; "" if it did not.
    """

    session_id: str
    text: str
    finish_reason: str
    usage: Usage
    messages: tuple[Message, ...]
    session_name: str = ""
    error: str = ""


class Runner:
    """Runs an agent for one session."""

    def __init__(
        self, agent: Agent, sessions: SessionManager, *, fallback: str | None = FALLBACK
    ) -> None:
        """Combine an agent and a session.

        Args:
            agent: shared by all runners of a program.
            sessions: the session, and where it is kept.
            fallback: what a person is told when a turn fails, and what the session keeps as the
                answer; None: the error is raised, or ends the stream.
        """
        self._agent = agent
        self._sessions = sessions
        self._fallback = fallback

    async def run(self, query: str, *, parts: Sequence[Part] = ()) -> Result:
        """Run a turn to its end. When this returns, the turn is stored.

        Cancelling the task cancels the turn: what was said until then is stored.

        Args:
            query: what the user says.
            parts: images and other media that belong to it.

        Raises:
            SessionUnknown: the session belongs to another user.
            SessionBusy: another turn of the session is running.
            OmniaError: the turn failed, and there is no fallback message.
        """
        task = self._begin(query, parts, DiscardingListener())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise

    async def run_stream(
        self, query: str, *, parts: Sequence[Part] = ()
    ) -> tuple[AsyncGenerator[str, None], "asyncio.Task[Result]"]:
        """Start a turn, and return its stream and its result.

        The stream is text for an HTTP answer with `omnia_runner.STREAM_HEADERS`: the UI message
        stream of the AI SDK. Its `finish` comes when the turn is stored, and its last line is
        `data: [DONE]`. A turn runs to its end without a reader; a slow reader makes it wait.
        """
        stream = _Stream(UIMessageWriter(str(uuid.uuid4())))
        stream.send(stream.writer.start({"sessionId": self._sessions.session_id}))
        task = self._begin(query, parts, stream)
        task.add_done_callback(stream.end)
        events = stream.read()
        # A generator that was never started does not run its own end.
        weakref.finalize(events, stream.leave).atexit = False
        return events, task

    async def cancel(self, session_id: str | None = None) -> bool:
        """Cancel the turn of a session, of this one by default, in whichever program it runs.

        Programs that share a store in files or on a server reach each other; sessions in memory
        belong to one program.

        Returns:
            Whether there was one. What was said until then is stored, and the stream of the turn
            ends.

        Raises:
            StoreUnavailable: the session store cannot be reached.
        """
        turns = self._agent.turns(self._sessions.store)
        try:
            return await turns.cancel(session_id or self._sessions.session_id, self._caller())
        except SessionUnknown:
            return False

    def _begin(
        self, query: str, parts: Sequence[Part], listener: AgentListener
    ) -> "asyncio.Task[Result]":
        return asyncio.create_task(self._run(query, tuple(parts), listener))

    def _caller(self) -> Caller:
        return Caller({METADATA_USER_ID: self._sessions.user} if self._sessions.user else {})

    async def _run(self, query: str, parts: tuple[Part, ...], listener: AgentListener) -> Result:
        turn = UserTurn(
            self._sessions.session_id, query, parts, {}, [], traceparent=current_traceparent()
        )
        caller, task = self._caller(), asyncio.current_task()
        before = await self._length(caller)
        turns = self._agent.turns(self._sessions.store)

        def cancel() -> None:
            if task:
                task.cancel()

        try:
            finished = await turns.run(turn, listener, caller, cancel)
        except asyncio.CancelledError:
            finished = TurnFinished(turn.answer, "stop", Usage())
            return await self._result(finished, before, CANCELLED)
        except (SessionBusy, SessionUnknown):
            raise
        except Exception as error:
            if self._fallback is None:
                raise
            return await self._fall_back(error, self._fallback, before, listener)
        return await self._result(finished, before, finished.reason)

    async def _length(self, caller: Caller) -> int:
        session = await self._sessions.store.load(self._sessions.session_id)
        require_owner(session, caller)
        return session.length if session else 0

    async def _result(
        self, finished: TurnFinished, before: int, reason: str, error: str = ""
    ) -> Result:
        session = await self._sessions.store.load(self._sessions.session_id)
        added = session.messages[max(before - session.first, 0) :] if session else ()
        return Result(
            session_id=self._sessions.session_id,
            text=finished.text,
            finish_reason=reason,
            usage=finished.usage,
            messages=added,
            session_name=session.name if session else "",
            error=error,
        )

    async def _fall_back(
        self, error: Exception, text: str, before: int, listener: AgentListener
    ) -> Result:
        """Tell the user, and keep in the session what the user was told."""
        if isinstance(error, OmniaError):
            _log.warning("turn failed", session=self._sessions.session_id, reason=str(error))
            reason = error.message
        else:
            _log.error("turn failed", session=self._sessions.session_id, exc_info=error)
            reason = "the agent failed; its log has the reason"
        if isinstance(listener, _Stream):
            listener.send_apart(text)
        await self._keep(Message("assistant", text, finish_reason="error"))
        return await self._result(TurnFinished(text, "stop", Usage()), before, "error", reason)

    async def _keep(self, message: Message) -> None:
        store, session_id = self._sessions.store, self._sessions.session_id
        try:
            session = await store.load(session_id)
            if session is not None:
                await store.append(session_id, [message], expected_length=session.length)
        except OmniaError as error:
            _log.warning("fallback message not stored", session=session_id, reason=str(error))


class _Stream:
    """The listener of a turn whose answer is read as a stream."""

    def __init__(self, writer: UIMessageWriter) -> None:
        self.writer = writer
        self._waiting: deque[str] = deque()
        self._size = 0
        self._ended = False
        self._has_more = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._read = True

    def send(self, text: str) -> None:
        """Hand events to the reader, if there is one."""
        if not self._read:
            return
        self._waiting.append(text)
        self._size += len(text)
        self._has_more.set()
        if self._size > _BUFFERED:
            self._has_room.clear()

    def send_text(self, text: str) -> bool:
        self.send(self.writer.text(text))
        return self._has_room.is_set()

    def send_apart(self, text: str) -> None:
        """Send a text that does not go on with what was said before."""
        self.send(self.writer.end_text() + self.writer.text(text))

    async def drain(self) -> None:
        await self._has_room.wait()

    async def send_event(self, event: AgentEvent) -> None:
        if isinstance(event, ToolCalled):
            self.send(self.writer.tool_called(event.call))
        else:
            assert isinstance(event, ToolAnswered)  # noqa: S101 - there are two events
            self.send(self.writer.tool_answered(event.call, event.result))
        await self.drain()

    def end(self, task: "asyncio.Task[Result]") -> None:
        """Write the end of the answer: the turn is stored, or has failed."""
        self.send(self._ending(task) + DONE)
        self._ended = True
        self._has_more.set()

    def _ending(self, task: "asyncio.Task[Result]") -> str:
        if task.cancelled():
            return self.writer.end_answer() + self.writer.abort()
        error = task.exception()
        if error is not None:
            message = error.message if isinstance(error, OmniaError) else "the agent failed"
            return self.writer.error(message)
        result = task.result()
        files = [
            part.media
            for message in result.messages
            if message.role == "assistant"
            for part in message.parts
            if part.media
        ]
        written = "".join(self.writer.file(media) for media in files) + self.writer.end_answer()
        if result.finish_reason == CANCELLED:
            return written + self.writer.abort()
        session = self.writer.data("session", _session(result))
        return written + session + self.writer.finish(result.finish_reason)

    async def read(self) -> AsyncGenerator[str, None]:
        try:
            while True:
                while self._waiting:
                    text = self._waiting.popleft()
                    self._size -= len(text)
                    if self._size <= _BUFFERED:
                        self._has_room.set()
                    yield text
                if self._ended:
                    return
                self._has_more.clear()
                await self._has_more.wait()
        finally:
            self.leave()

    def leave(self) -> None:
        """Let the turn go on without its reader."""
        self._read = False
        self._waiting.clear()
        self._has_room.set()


def _session(result: Result) -> dict[str, Any]:
    return {
        "sessionId": result.session_id,
        "name": result.session_name,
        "finishReason": result.finish_reason,
        "usage": to_builtins(result.usage),
        "messages": to_builtins(result.messages),
    }
