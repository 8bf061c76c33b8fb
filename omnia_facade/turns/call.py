"""A voice call answered by the runtime: audio in and events out at once, on a stream of its own."""

import asyncio
from collections.abc import AsyncGenerator

import structlog

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.names import RuntimeCapability
from omnia_facade.dialogue.audio import NO_AUDIO, AudioQueue, agreed
from omnia_facade.dialogue.events import (
    AnswerEnded,
    CallRequest,
    Chunk,
    Done,
    Failed,
    Hello,
    ToolAnswer,
    ToolCall,
    TurnEvent,
)
from omnia_facade.runtime_client.port import CancelRequest, ConverseStream, RuntimeFailed
from omnia_facade.turns import failures
from omnia_facade.turns.silence import SilenceWatch

HELLO_SECONDS = 10.0
DEAF_SECONDS = 30.0

_log = structlog.get_logger()


class RuntimeCall:
    """Two tasks: the caller's, which reads what the runtime says, and one that sends it audio."""

    __slots__ = (
        "_audio",
        "_cancelled",
        "_deaf",
        "_end_seconds",
        "_ended",
        "_grace",
        "_request",
        "_said",
        "_sending",
        "_silence_seconds",
        "_stream",
        "_watch",
    )

    def __init__(
        self,
        stream: ConverseStream,
        request: CallRequest,
        audio: AudioQueue,
        silence_seconds: float,
        end_seconds: float,
    ) -> None:
        """Hold a call on `stream`.

        Args:
            stream: is this call's alone.
            request: says in what form the audio comes.
            audio: comes from the client.
            silence_seconds: how long neither side may say anything.
            end_seconds: what the runtime gets to end the call after a hang-up.
        """
        self._stream = stream
        self._request = request
        self._audio = audio
        self._silence_seconds = silence_seconds
        self._end_seconds = end_seconds
        self._watch = SilenceWatch(min(HELLO_SECONDS, silence_seconds))
        self._deaf = SilenceWatch(min(DEAF_SECONDS, silence_seconds))
        self._said: list[str] = []
        self._ended = self._cancelled = False
        self._grace: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[bool]] = set()

    async def events(self) -> AsyncGenerator[TurnEvent, None]:
        """Hold the call; the last event is `Done` or `Failed`."""
        sender: asyncio.Task[None] | None = None
        try:
            event = await self._begin()
            if event is not None:
                yield event
            if isinstance(event, Done | Failed):
                return
            sender = asyncio.get_running_loop().create_task(self._send_audio())
            while not isinstance(event, Done | Failed):
                event = await self._next()
                yield event
        finally:
            self._watch.stop()
            self._deaf.stop()
            if self._grace:
                self._grace.cancel()
            self._stream.cancel()
            if sender:
                sender.cancel()
                await asyncio.wait({sender})

    def hang_up(self) -> None:
        """Say to the runtime that the user is gone, and end the call soon."""
        self._audio.end()
        self._end_soon()

    def cancel(self) -> None:
        """End the call soon, without the audio that waits."""
        self._cancelled = True
        self._send(CancelRequest())
        self._end_soon()

    def answer(self, answer: ToolAnswer) -> None:
        """Hand the client's answer to the runtime."""
        self._watch.resume(answer.call_id)
        self._send(answer)

    async def _begin(self) -> TurnEvent | None:
        """Return what to tell the client of the form of its audio, or why there is no call."""
        self._watch.start(self._stream.cancel)
        # Who does not take the request is silent too.
        self._watch.reading()
        await self._stream.send(self._request)
        hello = await self._read()
        self._watch.stop()
        if self._watch.silent:
            return failures.not_taken(self._watch.seconds)
        if isinstance(hello, Failed | Done):
            return hello
        if not isinstance(hello, Hello) or RuntimeCapability.DUPLEX_AUDIO not in hello.capabilities:
            return NO_AUDIO
        self._watch = SilenceWatch(self._silence_seconds)
        self._watch.start(self._stream.cancel)
        self._deaf.start(self._stream.cancel)
        return agreed(self._request, hello.config) if hello.config else None

    async def _next(self) -> TurnEvent:
        while True:
            event = await self._read()
            if isinstance(event, Hello):
                if event.config:
                    return agreed(self._request, event.config)
                continue
            if isinstance(event, Chunk) and not event.role:
                self._said.append(event.text)
            elif isinstance(event, ToolCall) and event.by_client:
                self._watch.suspend(event.id)
            elif isinstance(event, Done):
                done = self._done(event)
                return done if self._ended or self._cancelled else AnswerEnded(done)
            return event

    async def _read(self) -> TurnEvent | Hello:
        self._watch.reading()
        try:
            event = await self._stream.read()
        except RuntimeFailed as failed:
            return self._broken(failed)
        finally:
            self._watch.heard()
        if event is None:
            over = self._ended or self._cancelled
            return self._done(Done("")) if over else failures.CALL_ENDED
        return event

    def _broken(self, failed: RuntimeFailed) -> Done | Failed:
        if self._deaf.silent:
            return failures.deaf(self._deaf.seconds)
        if self._watch.silent:
            return failures.silent_call(self._watch.seconds)
        if self._grace:
            return self._done(Done(""))
        _log.warning("call failed", session_id=self._request.session_id, reason=failed.message)
        return failures.broken_call(failed)

    def _done(self, done: Done) -> Done:
        said, self._said = "".join(self._said), []
        reason = CANCELLED if self._cancelled else done.finish_reason or "stop"
        return Done(done.content or said, done.usage, reason, done.parts)

    async def _send_audio(self) -> None:
        sent = True
        while sent and not self._ended:
            audio = await self._audio.take()
            self._ended = audio.is_last
            self._deaf.reading()
            sent = await self._stream.send(audio)
            self._deaf.heard()
            self._audio.delivered()
            self._watch.alive()

    def _end_soon(self) -> None:
        if self._grace is None:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(self._end_seconds, self._stream.cancel)

    def _send(self, message: ToolAnswer | CancelRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._stream.send(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
