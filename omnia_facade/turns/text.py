"""Text turns answered by the runtime: one stream per session, turns on it one after another."""

import asyncio
from collections.abc import AsyncGenerator

import structlog

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.events import (
    Chunk,
    Done,
    Failed,
    Hello,
    ToolAnswer,
    ToolCall,
    ToolResult,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.dialogue.handler import Say
from omnia_facade.runtime_client.port import (
    CancelRequest,
    ConverseStream,
    RuntimeClient,
    RuntimeFailed,
)
from omnia_facade.turns.failures import ENDED, Broken, broken_turn, silent, told
from omnia_facade.turns.relayed import Keeper, Relayed
from omnia_facade.turns.silence import SilenceWatch

# About a millisecond of the event loop: other connections are not held up for longer.
MAX_IN_A_ROW = 256
# Of pieces on the short way, which cost less.
_PIECES_OF_AN_EVENT = 4

_log = structlog.get_logger()


class RuntimeTurns:
    """The turns of one connection.

    Attributes:
        cancelled: whether the running turn or, when there is none, what comes next is to end soon.
    """

    __slots__ = (
        "_caller",
        "_cancel_seconds",
        "_client",
        "_grace",
        "_in_a_row",
        "_keeper",
        "_relayed",
        "_running",
        "_sending",
        "_session_id",
        "_stream",
        "_watch",
        "cancelled",
    )

    def __init__(
        self,
        client: RuntimeClient,
        caller: Principal,
        silence_seconds: float,
        cancel_seconds: float,
        keeper: Keeper | None = None,
    ) -> None:
        """Without a `keeper` an answer that breaks off is the runtime's alone to keep."""
        self._client = client
        self._caller = caller
        self._cancel_seconds = cancel_seconds
        self._keeper = keeper
        self._relayed: Relayed | None = None
        self._watch = SilenceWatch(silence_seconds)
        self._session_id = ""
        self._stream: ConverseStream | None = None
        self.cancelled = False
        self._running = False
        self._in_a_row = 0
        self._grace: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[bool]] = set()

    async def run(self, request: TurnRequest, say: Say) -> AsyncGenerator[TurnEvent, None]:
        """Answer one message; the last event is `Done` or `Failed`."""
        relayed = self._relayed = Relayed()
        said = relayed.said
        relay = self._relaying(said, say)
        clean = False
        self._running = True
        try:
            event = await self._first(request, relay)
            while not isinstance(event, Done | Failed):
                if isinstance(event, Chunk):
                    if not event.role:
                        said.append(event.text)
                elif isinstance(event, ToolCall | ToolResult):
                    self._note(event)
                if not isinstance(event, Hello):
                    yield event
                elif event.config:
                    yield event.config
                event = await self._next(relay)
            if isinstance(event, Broken):
                if self._keeper and relayed:
                    kept = await self._keeper.keep(request, relayed)
                    event = told(event, kept=kept)
            else:
                clean = True
            yield self._last(event, relayed.text)
        finally:
            self._end_turn(clean=clean)

    def cancel(self) -> None:
        """End the running turn soon; when there is none yet, the next."""
        self.cancelled = True
        if self._stream is None or not self._running or self._grace:
            return
        self._send(CancelRequest())
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._cancel_seconds, self._stream.cancel)

    def answer(self, answer: ToolAnswer) -> None:
        """Hand the client's answer to the running turn."""
        self._watch.resume(answer.call_id)
        if self._keeper and self._relayed is not None:
            self._relayed.note(answer)
        self._send(answer)

    def close(self) -> None:
        """Let go of the stream."""
        if self._stream:
            self._stream.cancel()
            self._stream = None

    def _relaying(self, said: list[str], say: Say) -> Say:
        """Return the short way of a turn's text, on which what was said is kept."""
        watch = self._watch

        def relay(text: str) -> bool:
            # One that is left comes as an event, and the others' turn before the next.
            if self._in_a_row >= MAX_IN_A_ROW or not say(text):
                return False
            self._in_a_row += 1
            said.append(text)
            watch.alive()
            return True

        return relay

    def _note(self, event: ToolCall | ToolResult) -> None:
        if isinstance(event, ToolCall) and event.by_client:
            self._watch.suspend(event.id)
        if self._keeper and self._relayed is not None:
            self._relayed.note(event)

    async def _first(self, request: TurnRequest, say: Say) -> TurnEvent | Hello:
        """Send the message and return the first event of its answer."""
        if self.cancelled:
            return Done("", finish_reason=CANCELLED)
        if self._stream and (self._stream.ended or self._session_id != request.session_id):
            self.close()
        reused = self._stream is not None
        event = await self._exchange(request, say, reused=reused)
        if event is None and reused and not self._relayed and not self.cancelled:
            # The runtime ended the stream after the last turn: it has not seen this message.
            self.close()
            event = await self._exchange(request, say, reused=False)
        return event or ENDED

    async def _exchange(
        self, request: TurnRequest, say: Say, *, reused: bool
    ) -> TurnEvent | Hello | None:
        if self._stream is None:
            self._stream = self._client.converse(request.session_id, self._caller)
            self._session_id = request.session_id
        stream = self._stream
        self._watch.start(stream.cancel)
        # Who does not take the message is silent too.
        self._watch.reading()
        if self._sending:
            # A cancel that came with the end of the last turn must not follow this message.
            await asyncio.wait(self._sending)
            if self.cancelled:
                return Done("", finish_reason=CANCELLED)
        sent = await stream.send(request)
        if reused and not sent and not self._watch.silent:
            return None
        return await self._read_from(stream, say)

    async def _next(self, say: Say) -> TurnEvent | Hello:
        self._in_a_row += _PIECES_OF_AN_EVENT
        if self._in_a_row >= MAX_IN_A_ROW:
            # They may all have come together, and then nothing would be waited for.
            self._in_a_row = 0
            await asyncio.sleep(0)
        if self._stream is None:
            return ENDED
        return await self._read_from(self._stream, say) or ENDED

    async def _read_from(self, stream: ConverseStream, say: Say) -> TurnEvent | Hello | None:
        self._watch.reading()
        try:
            return await stream.read(say)
        except RuntimeFailed as failed:
            return self._failure(failed)
        finally:
            self._watch.heard()

    def _failure(self, failed: RuntimeFailed) -> Failed:
        if self._watch.silent:
            return silent(self._watch.seconds)
        if not self.cancelled:
            _log.warning("turn failed", session_id=self._session_id, reason=failed.message)
        return broken_turn(failed)

    def _last(self, event: Done | Failed, said: str) -> Done | Failed:
        """Complete the turn's end by what only this side knows."""
        if isinstance(event, Failed):
            return Done(said, finish_reason=CANCELLED) if self.cancelled else event
        reason = event.finish_reason or (CANCELLED if self.cancelled else "stop")
        return Done(event.content or said, event.usage, reason, event.parts)

    def _end_turn(self, *, clean: bool) -> None:
        self._watch.stop()
        self._running = self.cancelled = False
        self._relayed = None
        if self._grace:
            self._grace.cancel()
            self._grace = None
        if not clean:
            self.close()

    def _send(self, message: ToolAnswer | CancelRequest) -> None:
        if self._stream is None:
            return
        task = asyncio.get_running_loop().create_task(self._stream.send(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
