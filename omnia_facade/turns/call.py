"""A voice call of the runtime: audio in and events out at the same time, on its own stream."""

import asyncio

import structlog

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.names import RuntimeCapability
from omnia_facade.backend.audio import AUDIO_UNSUPPORTED, AudioQueue, negotiated_format
from omnia_facade.backend.events import (
    AnswerEnded,
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    RuntimeHello,
    SessionConfig,
    ToolCallEvent,
    TurnEvent,
)
from omnia_facade.runtime_client.port import (
    CancelRequest,
    ConverseStream,
    IncomingEvent,
    RuntimeFailed,
    TextReceiver,
)
from omnia_facade.turns import failures
from omnia_facade.turns.relayed import MAX_TEXT, SilenceWatch, TextRelay

# How long the runtime may take to accept a call, and to read a piece of audio.
HELLO_SECONDS = 10.0
AUDIO_SECONDS = 30.0

_log = structlog.get_logger()


class RuntimeCall:
    """Uses two tasks: the caller's reads from the runtime, and another one sends it the audio."""

    __slots__ = (
        "_audio",
        "_audio_watch",
        "_cancelled",
        "_end_seconds",
        "_ended",
        "_grace",
        "_request",
        "_sending",
        "_silence_seconds",
        "_stream",
        "_texts",
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
        """Prepare a call.

        Args:
            stream: used by this call only.
            request: has the format of the audio.
            audio: from the client.
            silence_seconds: how long both sides may send nothing.
            end_seconds: how long the runtime may take to end the call after a hang-up.
        """
        self._stream = stream
        self._request = request
        self._audio = audio
        self._silence_seconds = silence_seconds
        self._end_seconds = end_seconds
        self._watch = SilenceWatch(min(HELLO_SECONDS, silence_seconds))
        self._audio_watch = SilenceWatch(min(AUDIO_SECONDS, silence_seconds))
        self._texts: list[str] = []
        self._ended = self._cancelled = False
        self._grace: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[bool]] = set()

    @property
    def variant(self) -> str:
        """The side of a rollout that holds the call."""
        return self._stream.variant

    async def run(self, listener: TurnListener[TurnEvent]) -> Done | Failed:
        """Hold the call."""
        sender: asyncio.Task[None] | None = None
        try:
            config = await self._begin()
            if isinstance(config, Done | Failed):
                return config
            if config is not None:
                await listener.send_event(config)
            sender = asyncio.get_running_loop().create_task(self._send_audio())
            relay = TextRelay(listener, self._watch, self._texts, self._stream.cancel)
            while not isinstance(event := await self._next(relay), Done | Failed):
                await listener.send_event(event)
            return failures.long_call(MAX_TEXT) if relay.too_long else event
        finally:
            self._watch.stop()
            self._audio_watch.stop()
            if self._grace:
                self._grace.cancel()
            self._stream.cancel()
            if sender:
                sender.cancel()
                await asyncio.wait({sender})

    def hang_up(self) -> None:
        """Send the runtime a hang-up, and end the call soon."""
        self._audio.end()
        self._end_soon()

    def cancel(self) -> None:
        """End the call soon, without the queued audio."""
        self._cancelled = True
        self._send(CancelRequest())
        self._end_soon()

    def send_tool_result(self, result: ClientToolResult) -> None:
        """Send the client's tool result to the runtime."""
        self._watch.client_answered(result.call_id)
        self._send(result)

    async def _begin(self) -> SessionConfig | Done | Failed | None:
        """Return the audio format that the runtime requests, if any, or the end of the call."""
        self._watch.start(self._stream.cancel)
        # A runtime that does not read the request is silent too.
        self._watch.begin_read()
        await self._stream.send(self._request)
        text = _UnexpectedText(self._stream)
        hello = await self._read(text)
        self._watch.stop()
        if text.received:
            return AUDIO_UNSUPPORTED
        if self._watch.silent:
            return failures.call_not_accepted(self._watch.seconds)
        if isinstance(hello, Failed | Done):
            return hello
        if (
            not isinstance(hello, RuntimeHello)
            or RuntimeCapability.DUPLEX_AUDIO not in hello.capabilities
        ):
            return AUDIO_UNSUPPORTED
        self._watch = SilenceWatch(self._silence_seconds)
        self._watch.start(self._stream.cancel)
        self._audio_watch.start(self._stream.cancel)
        return negotiated_format(self._request, hello.config) if hello.config else None

    async def _next(self, relay: TextRelay) -> TurnEvent | Done | Failed:
        while True:
            event = await self._read(relay)
            if isinstance(event, RuntimeHello):
                if event.config:
                    return negotiated_format(self._request, event.config)
                continue
            if isinstance(event, ToolCallEvent) and event.by_client:
                self._watch.wait_for_client(event.call.id)
            elif isinstance(event, Done):
                done = self._done(event)
                relay.begin_answer()
                return done if self._ended or self._cancelled else AnswerEnded(done)
            return event

    async def _read(self, receiver: TextReceiver) -> IncomingEvent:
        self._watch.begin_read()
        try:
            event = await self._stream.read(receiver)
        except RuntimeFailed as failed:
            return self._broken(failed)
        finally:
            self._watch.end_read()
        if event is None:
            over = self._ended or self._cancelled
            return self._done(Done("")) if over else failures.CALL_ENDED
        return event

    def _broken(self, failed: RuntimeFailed) -> Done | Failed:
        if self._audio_watch.silent:
            return failures.audio_not_read(self._audio_watch.seconds)
        if self._watch.silent:
            return failures.silent_call(self._watch.seconds)
        if self._grace:
            return self._done(Done(""))
        _log.warning("call failed", session_id=self._request.session_id, reason=failed.message)
        return failures.broken_call(failed)

    def _done(self, done: Done) -> Done:
        text = "".join(self._texts)
        self._texts.clear()
        reason = CANCELLED if self._cancelled else done.finish_reason or "stop"
        return Done(done.content or text, done.usage, reason, done.parts)

    async def _send_audio(self) -> None:
        sent = True
        while sent and not self._ended:
            audio = await self._audio.take()
            self._ended = audio.is_last
            self._audio_watch.begin_read()
            sent = await self._stream.send(audio)
            self._audio_watch.end_read()
            self._audio.delivered()
            self._watch.active()

    def _end_soon(self) -> None:
        if self._grace is None:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(self._end_seconds, self._stream.cancel)

    def _send(self, message: ClientToolResult | CancelRequest) -> None:
        task = asyncio.get_running_loop().create_task(self._stream.send(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


class _UnexpectedText:
    """Receives text instead of a hello, and ends the stream: the runtime supports no calls."""

    __slots__ = ("_stream", "received")

    def __init__(self, stream: ConverseStream) -> None:
        self._stream = stream
        self.received = False

    def send_text(self, text: str) -> bool:  # noqa: ARG002 - the port's
        if not self.received:
            self.received = True
            asyncio.get_running_loop().call_soon(self._stream.cancel)
        return False

    async def drain(self) -> None:
        """The text is dropped."""
