"""One Converse stream: runs its turns one after another."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

import structlog

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.usage import Usage
from omnia_core.eager import start_eagerly
from omnia_core.errors import OmniaError
from omnia_core.names import METADATA_SHOW_TOOLS
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.ports.listener import AgentEvent, TurnFinished
from omnia_runtime.server.client_tools import ClientToolCalls
from omnia_runtime.server.mapping import (
    INTERNAL_MESSAGE,
    RejectedMessage,
    done_message,
    error_message,
    event_message,
    hello_message,
    read_message,
    stream_code,
)
from omnia_runtime.server.port import MessageWriter
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.turn import Caller, UserTurn

MAX_QUEUED = 8
# While draining, a stream waits this long for messages that its facade has already accepted.
LINGER_SECONDS = 1.0

_log = structlog.get_logger()


class QueuedMessage:
    """A queued message; `cancelled` if its turn was cancelled before it began."""

    __slots__ = ("cancelled", "message")

    def __init__(self, message: pb.ClientMessage) -> None:
        self.message = message
        self.cancelled = False


class MessageQueue:
    """A bounded queue with one reader and one writer.

    When the queue is full the writer waits, and through HTTP/2 flow control the peer waits too.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[QueuedMessage] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    async def put(self, message: pb.ClientMessage) -> None:
        """Add a message."""
        while len(self._messages) >= self._limit and not self._closed:
            await self._wait()
        self._messages.append(QueuedMessage(message))
        self._changed.set()

    async def next(self) -> QueuedMessage | None:
        """Remove and return the oldest message; None if the queue is closed and empty."""
        while not self._messages:
            if self._closed:
                return None
            await self._wait()
        found = self._messages.popleft()
        self._changed.set()
        return found

    def cancel_first(self) -> None:
        """Mark the oldest message as cancelled; its turn was about to begin."""
        if self._messages:
            self._messages[0].cancelled = True

    def close(self) -> None:
        """End the waits for messages that have not arrived."""
        self._closed = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class TurnStream:
    """Runs the turns of one stream, and is the listener of each turn.

    Messages are read while a turn runs, so that a cancel message reaches the turn.
    """

    def __init__(
        self,
        turns: SessionTurns,
        writer: MessageWriter,
        metadata: Mapping[str, str],
        capabilities: Sequence[str] = (),
    ) -> None:
        """`metadata` is that of the gRPC call; `capabilities` are told in its first message."""
        self._turns = turns
        self._capabilities = capabilities
        self._writer = writer
        self._show_tools = metadata.get(METADATA_SHOW_TOOLS) == "true"
        self._client = ClientToolCalls(self._send_to_client)
        self._caller = Caller(metadata, self._client)
        self._queue = MessageQueue(MAX_QUEUED)
        self._task: asyncio.Task[TurnFinished] | None = None
        self._writing = False
        self._stop_after_write = False
        self._first_text = True
        self._idle = False
        self._draining = False

    async def serve(self, messages: AsyncIterator[pb.ClientMessage]) -> None:
        """Serve until the peer sends no more messages."""
        await self._writer.write(hello_message(self._capabilities))
        reader = asyncio.create_task(self._read(messages))
        try:
            while (queued := await self._next()) is not None:
                await self._writer.write(await self._run_turn(queued))
        finally:
            reader.cancel()
            await asyncio.wait({reader})

    def close_when_idle(self) -> None:
        """Close the stream: at once if idle, else after the queued messages and their followers."""
        self._draining = True
        if self._idle:
            self._queue.close()

    async def _next(self) -> QueuedMessage | None:
        self._idle = not self._draining
        try:
            async with asyncio.timeout(LINGER_SECONDS if self._draining else None):
                return await self._queue.next()
        except TimeoutError:
            return None
        finally:
            self._idle = False

    async def _read(self, messages: AsyncIterator[pb.ClientMessage]) -> None:
        try:
            async for message in messages:
                if message.cancel:
                    self._cancel()
                elif not self._handle_tool_result(message):
                    await self._queue.put(message)
        finally:
            self._queue.close()

    def _handle_tool_result(self, message: pb.ClientMessage) -> bool:
        """Return whether the message is a tool result; during a turn, unknown ones are dropped."""
        if not message.HasField("client_tool_result"):
            return False
        return self._client.resolve(message.client_tool_result) or self._task is not None

    def _cancel(self) -> None:
        if self._task is None:
            self._queue.cancel_first()
        elif self._writing:
            # A write that is cut in the middle would make the stream unusable.
            self._stop_after_write = True
        else:
            self._task.cancel()

    async def _run_turn(self, queued: QueuedMessage) -> pb.ServerMessage:
        """Run a turn and return its last message."""
        turn = read_message(queued.message)
        if isinstance(turn, RejectedMessage):
            return error_message(turn.code, turn.message)
        self._stop_after_write = False
        self._first_text = True
        running = self._turns.run(turn, self, self._caller, self._cancel)
        if queued.cancelled:
            self._task = task = asyncio.create_task(running)
            task.cancel()
        else:
            self._task = task = start_eagerly(running)
        try:
            await asyncio.wait({task})
        finally:
            self._task = None
            if not task.done():
                # The stream itself was cancelled: the turn stores its answer before it ends.
                task.cancel()
                await asyncio.wait({task})
        return self._last_message(task, turn)

    def _last_message(self, task: "asyncio.Task[TurnFinished]", turn: UserTurn) -> pb.ServerMessage:
        if task.cancelled():
            return done_message(turn, turn.answer, CANCELLED, Usage())
        error = task.exception()
        if error is None:
            finished = task.result()
            return done_message(
                turn, finished.text, finished.reason, finished.usage, finished.parts
            )
        trial = turn.trial is not None
        if isinstance(error, OmniaError):
            _log.warning("turn failed", session=turn.session_id, reason=error.message)
            return error_message(
                stream_code(error), error.message, trial=trial, advice=error.advice
            )
        _log.error("turn failed", session=turn.session_id, exc_info=error)
        return error_message(ErrorCode.INTERNAL_ERROR, INTERNAL_MESSAGE, trial=trial)

    def send_text(self, text: str) -> bool:
        """Send a piece of the answer, as `TurnListener.send_text`."""
        accepts_more = self._writer.send_text(text)
        if self._first_text:
            # The drain sends the first piece before the model is asked for the next one.
            self._first_text = False
            return False
        return accepts_more

    async def drain(self) -> None:
        """Wait until the facade accepts more text."""
        await self._write(self._writer.drain())

    async def send_event(self, event: AgentEvent) -> None:
        """Send an event to the facade, if the client wants to see it."""
        message = event_message(event, show_tools=self._show_tools)
        if message is not None:
            await self._write(self._writer.write(message))

    async def _write(self, writing: Awaitable[None]) -> None:
        self._writing = True
        try:
            await writing
        finally:
            self._writing = False
        if self._stop_after_write:
            raise asyncio.CancelledError

    async def _send_to_client(self, message: pb.ServerMessage) -> None:
        # Shielded: the call that waits for the client may be cancelled, the write may not.
        await asyncio.shield(asyncio.ensure_future(self._writer.write(message)))
