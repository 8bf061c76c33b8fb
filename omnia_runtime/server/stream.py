"""One Converse stream: its turns, one after another."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping

import structlog

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.usage import Usage
from omnia_core.eager import begin
from omnia_core.errors import OmniaError
from omnia_core.names import METADATA_SHOW_TOOLS
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.ports.listener import AgentEvent, TurnFinished
from omnia_runtime.server.client_tools import ClientTools
from omnia_runtime.server.mapping import (
    INTERNAL_MESSAGE,
    Refused,
    done,
    event_message,
    failed,
    hello,
    read_message,
    stream_code,
)
from omnia_runtime.server.port import Peer
from omnia_runtime.turns.session_turns import Conversations
from omnia_runtime.turns.turn import Caller, Turn

MAX_WAITING = 8
# How long a stream that drains is kept for the next message that its facade has accepted already.
LINGER_SECONDS = 1.0

_log = structlog.get_logger()


class ConversationStream:
    """Reads ahead of the running turn, so that a cancel finds it."""

    def __init__(
        self, conversations: Conversations, peer: Peer, metadata: Mapping[str, str]
    ) -> None:
        """`metadata` is that of the call."""
        self._conversations = conversations
        self._peer = peer
        self._show_tools = metadata.get(METADATA_SHOW_TOOLS) == "true"
        self._client = ClientTools(self._ask_client)
        self._caller = Caller(metadata, self._client)
        self._inbox = Inbox(MAX_WAITING)
        self._task: asyncio.Task[TurnFinished] | None = None
        self._writing = False
        self._stop_after_write = False
        self._silent = True
        self._idle = False
        self._draining = False

    async def serve(self, messages: AsyncIterator[pb.ClientMessage]) -> None:
        """Answer until the peer has no more messages."""
        await self._peer.write(hello(uploads=self._conversations.takes_uploads))
        reader = asyncio.create_task(self._read(messages))
        try:
            while (waiting := await self._next()) is not None:
                await self._peer.write(await self._answer(waiting))
        finally:
            reader.cancel()
            await asyncio.wait({reader})

    def drain(self) -> None:
        """End when all is answered, and the messages that follow closely: at once when idle."""
        self._draining = True
        if self._idle:
            self._inbox.close()

    async def _next(self) -> Waiting | None:
        self._idle = not self._draining
        try:
            async with asyncio.timeout(LINGER_SECONDS if self._draining else None):
                return await self._inbox.next()
        except TimeoutError:
            return None
        finally:
            self._idle = False

    async def _read(self, messages: AsyncIterator[pb.ClientMessage]) -> None:
        try:
            async for message in messages:
                if message.cancel:
                    self._cancel()
                elif not self._is_tool_result(message):
                    await self._inbox.put(message)
        finally:
            self._inbox.close()

    def _is_tool_result(self, message: pb.ClientMessage) -> bool:
        """Take a client's answer to a call; during a turn one to any other call is dropped."""
        if not message.HasField("client_tool_result"):
            return False
        return self._client.answer(message.client_tool_result) or self._task is not None

    def _cancel(self) -> None:
        if self._task is None:
            self._inbox.cancel_first()
        elif self._writing:
            # a write that is cut in its middle would leave the stream unusable
            self._stop_after_write = True
        else:
            self._task.cancel()

    async def _answer(self, waiting: Waiting) -> pb.ServerMessage:
        """Run a turn and return its last message."""
        turn = read_message(waiting.message)
        if isinstance(turn, Refused):
            return failed(turn.code, turn.message)
        self._stop_after_write = False
        self._silent = True
        running = self._conversations.run(turn, self, self._caller)
        if waiting.cancelled:
            self._task = task = asyncio.create_task(running)
            task.cancel()
        else:
            self._task = task = begin(running)
        try:
            await asyncio.wait({task})
        finally:
            self._task = None
            if not task.done():
                # the stream itself was cut: the turn stores what was said before it ends
                task.cancel()
                await asyncio.wait({task})
        return self._outcome(task, turn)

    def _outcome(self, task: "asyncio.Task[TurnFinished]", turn: Turn) -> pb.ServerMessage:
        if task.cancelled():
            return done(turn.text, CANCELLED, Usage())
        error = task.exception()
        if error is None:
            finished = task.result()
            return done(finished.text, finished.reason, finished.usage, finished.parts)
        if isinstance(error, OmniaError):
            _log.warning("turn failed", session=turn.session_id, reason=error.message)
            return failed(stream_code(error), error.message)
        _log.error("turn failed", session=turn.session_id, exc_info=error)
        return failed(ErrorCode.INTERNAL_ERROR, INTERNAL_MESSAGE)

    def say(self, text: str) -> bool:
        """Send a piece of the answer, as `Listener.say`."""
        said = self._peer.say(text)
        if self._silent:
            # It is on its way before the model is asked for the next.
            self._silent = False
            return False
        return said

    async def room(self) -> None:
        """Wait while the facade takes nothing."""
        await self._whole(self._peer.room())

    async def tell(self, event: AgentEvent) -> None:
        """Send what the facade wants to know beside the answer."""
        message = event_message(event, show_tools=self._show_tools)
        if message is not None:
            await self._whole(self._peer.write(message))

    async def _whole(self, writing: Awaitable[None]) -> None:
        self._writing = True
        try:
            await writing
        finally:
            self._writing = False
        if self._stop_after_write:
            raise asyncio.CancelledError

    async def _ask_client(self, message: pb.ServerMessage) -> None:
        # as above: the call that waits for the client may be cancelled, the write may not
        await asyncio.shield(asyncio.ensure_future(self._peer.write(message)))


class Waiting:
    """A message in the inbox; `cancelled` before its turn began."""

    __slots__ = ("cancelled", "message")

    def __init__(self, message: pb.ClientMessage) -> None:
        self.message = message
        self.cancelled = False


class Inbox:
    """A bounded queue with one reader and one writer.

    When it is full the writer waits, and with it, through HTTP/2, the peer.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Waiting] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    async def put(self, message: pb.ClientMessage) -> None:
        """Add a message."""
        while len(self._waiting) >= self._limit and not self._closed:
            await self._wait()
        self._waiting.append(Waiting(message))
        self._changed.set()

    async def next(self) -> Waiting | None:
        """Take the oldest message; None when there will be no more."""
        while not self._waiting:
            if self._closed:
                return None
            await self._wait()
        found = self._waiting.popleft()
        self._changed.set()
        return found

    def cancel_first(self) -> None:
        """Mark the oldest message, whose turn was about to begin."""
        if self._waiting:
            self._waiting[0].cancelled = True

    def close(self) -> None:
        """Let no more wait for messages that are not here yet."""
        self._closed = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
