"""Turns answered by the runtime: one stream per session, turns on it one after another."""

import asyncio
from collections.abc import AsyncGenerator

import structlog

from omnia_core.errors import Code
from omnia_facade.auth.principal import Principal
from omnia_facade.runtime_client.port import (
    CancelRequest,
    ConverseStream,
    RuntimeClient,
    RuntimeFailed,
)
from omnia_facade.turns.events import (
    CANCELLED,
    Chunk,
    Done,
    ErrorCode,
    Failed,
    ToolAnswer,
    ToolCall,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.turns.handler import Dialogue, Resume
from omnia_facade.turns.silence import SilenceWatch

CANCEL_SECONDS = 2.0

_log = structlog.get_logger()

_AGAIN = "send the message again"
_UNREACHABLE = f"the agent cannot be reached; {_AGAIN}"
_TOO_LARGE = "the message or the answer is too large for the agent"
_BROKE_OFF = f"the agent failed while answering; {_AGAIN}"
_ENDED = f"the agent stopped in the middle of its answer; {_AGAIN}"


class RuntimeHandler:
    """Relays turns to a runtime; `silence_seconds` is how long it may say nothing."""

    def __init__(
        self,
        client: RuntimeClient,
        silence_seconds: float,
        cancel_seconds: float = CANCEL_SECONDS,
    ) -> None:
        self._client = client
        self._silence_seconds = silence_seconds
        self._cancel_seconds = cancel_seconds

    def begin(self, session_id: str, principal: Principal) -> Dialogue:  # noqa: ARG002 - the port's
        return _RuntimeDialogue(
            self._client, principal, self._silence_seconds, self._cancel_seconds
        )


class _Broken(Failed, frozen=True):
    """A failure after which the stream cannot carry another turn."""


class _RuntimeDialogue:
    __slots__ = (
        "_caller",
        "_cancel_seconds",
        "_cancelled",
        "_client",
        "_grace",
        "_running",
        "_sending",
        "_session_id",
        "_stream",
        "_watch",
    )

    def __init__(
        self,
        client: RuntimeClient,
        caller: Principal,
        silence_seconds: float,
        cancel_seconds: float,
    ) -> None:
        self._client = client
        self._caller = caller
        self._cancel_seconds = cancel_seconds
        self._watch = SilenceWatch(silence_seconds)
        self._session_id = ""
        self._stream: ConverseStream | None = None
        self._cancelled = False
        self._running = False
        self._grace: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[bool]] = set()

    async def probe(self, session_id: str) -> Resume:
        try:
            return await self._client.has_conversation(session_id)
        except RuntimeFailed as failed:
            if failed.code is Code.UNIMPLEMENTED:
                return Resume.RESUMABLE
            _log.warning("session not probed", session_id=session_id, reason=failed.message)
            return Resume.UNAVAILABLE

    async def turn(self, request: TurnRequest) -> AsyncGenerator[TurnEvent, None]:
        said: list[str] = []
        clean = False
        self._running = True
        try:
            event = await self._first(request)
            while not isinstance(event, Done | Failed):
                if isinstance(event, Chunk):
                    said.append(event.text)
                elif isinstance(event, ToolCall) and event.by_client:
                    self._watch.suspend(event.id)
                yield event
                event = await self._read()
            clean = not isinstance(event, _Broken)
            yield self._last(event, "".join(said))
        finally:
            self._end_turn(clean=clean)

    def cancel(self) -> None:
        self._cancelled = True
        if self._stream is None or not self._running:
            return
        self._send(CancelRequest())
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._cancel_seconds, self._stream.cancel)

    def answer(self, answer: ToolAnswer) -> None:
        self._watch.resume(answer.call_id)
        self._send(answer)

    def close(self) -> None:
        if self._stream:
            self._stream.cancel()
            self._stream = None

    async def _first(self, request: TurnRequest) -> TurnEvent:
        """Send the message and return the first event of its answer."""
        if self._cancelled:
            return Done("", finish_reason=CANCELLED)
        if self._stream and (self._stream.ended or self._session_id != request.session_id):
            self.close()
        reused = self._stream is not None
        event = await self._exchange(request, reused=reused)
        if event is None and reused and not self._cancelled:
            # The runtime ended the stream after the last turn: it has not seen this message.
            self.close()
            event = await self._exchange(request, reused=False)
        return event or _Broken(ErrorCode.AGENT_UNAVAILABLE, _ENDED)

    async def _exchange(self, request: TurnRequest, *, reused: bool) -> TurnEvent | None:
        if self._stream is None:
            self._stream = self._client.converse(request.session_id, self._caller)
            self._session_id = request.session_id
        stream = self._stream
        self._watch.start(stream.cancel)
        sent = await stream.send(request)
        if reused and not sent:
            return None
        return await self._read_from(stream)

    async def _read(self) -> TurnEvent:
        if self._stream is None:
            return _Broken(ErrorCode.AGENT_UNAVAILABLE, _ENDED)
        event = await self._read_from(self._stream)
        return event or _Broken(ErrorCode.AGENT_UNAVAILABLE, _ENDED)

    async def _read_from(self, stream: ConverseStream) -> TurnEvent | None:
        self._watch.reading()
        try:
            return await stream.read()
        except RuntimeFailed as failed:
            return self._failure(failed)
        finally:
            self._watch.heard()

    def _failure(self, failed: RuntimeFailed) -> Failed:
        if self._watch.silent:
            return _Broken(
                ErrorCode.AGENT_UNAVAILABLE,
                f"the agent said nothing for {self._watch.seconds:g} s; {_AGAIN}",
            )
        if not self._cancelled:
            _log.warning("turn failed", session_id=self._session_id, reason=failed.message)
        if failed.unreachable:
            return _Broken(ErrorCode.AGENT_UNAVAILABLE, _UNREACHABLE)
        if failed.code is Code.RESOURCE_EXHAUSTED:
            return _Broken(ErrorCode.INTERNAL_ERROR, _TOO_LARGE)
        return _Broken(ErrorCode.INTERNAL_ERROR, _BROKE_OFF)

    def _last(self, event: Done | Failed, said: str) -> Done | Failed:
        """Complete the turn's end by what only this side knows."""
        if isinstance(event, Failed):
            return Done(said, finish_reason=CANCELLED) if self._cancelled else event
        reason = event.finish_reason or (CANCELLED if self._cancelled else "stop")
        return Done(event.content or said, event.usage, reason, event.parts)

    def _end_turn(self, *, clean: bool) -> None:
        self._watch.stop()
        self._running = self._cancelled = False
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
