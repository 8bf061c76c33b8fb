"""The backend that relays to the runtime: text turns share a stream per session, calls do not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from msgspec import structs

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.errors import Code
from omnia_core.names import TRIAL_VARIANT, Variant
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    RuntimeHello,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import (
    BackendConnection,
    Cancellation,
    Forked,
    NewId,
    Probed,
    Reading,
    Resume,
)
from omnia_facade.runtime_client.port import (
    CancelRequest,
    ConverseStream,
    IncomingEvent,
    RuntimeClient,
    RuntimeFailed,
)
from omnia_facade.timings import USUAL
from omnia_facade.turns.call import RuntimeCall
from omnia_facade.turns.failures import (
    ENDED,
    LOST,
    Broken,
    broken_turn,
    long_turn,
    silent_turn,
    with_storage,
)
from omnia_facade.turns.forks import fork
from omnia_facade.turns.relayed import (
    MAX_TEXT,
    InterruptedAnswerStore,
    RelayedTurn,
    SilenceWatch,
    TextRelay,
)

_log = structlog.get_logger()


class RuntimeBackend:
    """Relays to a runtime, which may be silent for `silence_seconds`."""

    def __init__(
        self,
        client: RuntimeClient,
        silence_seconds: float,
        cancel_seconds: float = USUAL.cancel,
        store: InterruptedAnswerStore | None = None,
    ) -> None:
        self._client = client
        self._silence_seconds = silence_seconds
        self._cancel_seconds = cancel_seconds
        self._store = store
        # Read once, because the programs of a pod are of one version.
        self._capabilities: frozenset[str] = frozenset()

    async def probe(self, session_id: str, principal: Principal) -> Resume:
        return (await _probe(self._client, session_id, principal)).resume

    async def capabilities(self) -> frozenset[str]:
        if not self._capabilities:
            try:
                self._capabilities = (await self._client.health()).capabilities
            except RuntimeFailed as failed:
                _log.warning("the capabilities of the runtime were not read", reason=failed.message)
        return self._capabilities

    async def cancel_turn(self, session_id: str, principal: Principal) -> Cancellation:
        try:
            return await self._client.cancel_turn(session_id, principal)
        except RuntimeFailed as failed:
            if failed.code is Code.UNIMPLEMENTED:
                return Cancellation.UNSUPPORTED
            _log.warning("turn not cancelled", session_id=session_id, reason=failed.message)
            return Cancellation.UNAVAILABLE

    async def read(self, session_id: str, principal: Principal, last_turns: int) -> Reading:
        try:
            return await self._client.read_conversation(session_id, principal, last_turns)
        except RuntimeFailed as failed:
            if failed.code is Code.UNIMPLEMENTED:
                return Reading(None)
            _log.warning("session not read", session_id=session_id, reason=failed.message)
            return Reading(Resume.UNAVAILABLE)

    async def fork(
        self, session_id: str, principal: Principal, after_turn: int, new_id: NewId
    ) -> Forked:
        return await fork(self._client, session_id, principal, after_turn, new_id)

    def begin(
        self,
        session_id: str,  # noqa: ARG002 - the port's
        principal: Principal,
    ) -> BackendConnection:
        return _RuntimeConnection(
            self._client, principal, self._silence_seconds, self._cancel_seconds, self._store
        )


class _RuntimeConnection:
    __slots__ = (
        "_call",
        "_caller",
        "_cancel_seconds",
        "_client",
        "_silence_seconds",
        "_turns",
    )

    def __init__(
        self,
        client: RuntimeClient,
        caller: Principal,
        silence_seconds: float,
        cancel_seconds: float,
        store: InterruptedAnswerStore | None,
    ) -> None:
        self._client = client
        self._caller = caller
        self._cancel_seconds = cancel_seconds
        self._silence_seconds = silence_seconds
        self._turns = RuntimeTurns(client, caller, silence_seconds, cancel_seconds, store)
        self._call: RuntimeCall | None = None

    @property
    def variant(self) -> str:
        return self._turns.variant if self._call is None else self._call.variant

    async def probe(self, session_id: str) -> Probed:
        return await _probe(self._client, session_id, self._caller)

    def turn(
        self, request: TurnRequest, listener: TurnListener[TurnEvent]
    ) -> Coroutine[Any, Any, Done | Failed]:
        return self._turns.run(request, listener)

    async def call(
        self, request: CallRequest, audio: AudioQueue, listener: TurnListener[TurnEvent]
    ) -> Done | Failed:
        if self._turns.cancelled:
            self._turns.cancelled = False
            return Done("", finish_reason=CANCELLED)
        stream = self._client.converse(request.session_id, self._caller)
        self._call = RuntimeCall(
            stream, request, audio, self._silence_seconds, self._cancel_seconds
        )
        try:
            return await self._call.run(listener)
        finally:
            self._turns.last_variant = self._call.variant
            self._call = None

    def hang_up(self) -> None:
        if self._call:
            self._call.hang_up()
        else:
            self._turns.cancel()

    def cancel(self) -> None:
        if self._call:
            self._call.cancel()
        else:
            self._turns.cancel()

    def send_tool_result(self, result: ClientToolResult) -> None:
        if self._call:
            self._call.send_tool_result(result)
        else:
            self._turns.send_tool_result(result)

    def close(self) -> None:
        self._turns.close()


async def _probe(client: RuntimeClient, session_id: str, caller: Principal) -> Probed:
    try:
        return await client.has_conversation(session_id, caller)
    except RuntimeFailed as failed:
        if failed.code is Code.UNIMPLEMENTED:
            return Probed(Resume.RESUMABLE)
        _log.warning("session not looked up", session_id=session_id, reason=failed.message)
        return Probed(Resume.UNAVAILABLE)


class RuntimeTurns:
    """The text turns of one connection: one stream per session, with one turn after another.

    Attributes:
        cancelled: whether the running turn, or without one the next turn or call, ends early.
        last_variant: the side of a rollout that answered the last turn or call.
    """

    __slots__ = (
        "_answered",
        "_caller",
        "_cancel_seconds",
        "_client",
        "_grace",
        "_greeted",
        "_relayed",
        "_running",
        "_sending",
        "_session_id",
        "_store",
        "_stream",
        "_trial",
        "_watch",
        "cancelled",
        "last_variant",
    )

    def __init__(
        self,
        client: RuntimeClient,
        caller: Principal,
        silence_seconds: float,
        cancel_seconds: float,
        store: InterruptedAnswerStore | None = None,
    ) -> None:
        """Without a `store`, only the runtime stores interrupted answers."""
        self._client = client
        self._caller = caller
        self._cancel_seconds = cancel_seconds
        self._store = store
        self._relayed: RelayedTurn | None = None
        self._watch = SilenceWatch(silence_seconds)
        self._session_id = ""
        self._answered = ""
        self._stream: ConverseStream | None = None
        # Whether the last turn belongs to a session that tries something out.
        self._trial = False
        self.last_variant: str = Variant.STABLE
        # Whether the runtime has begun to serve the stream: it may have read a message.
        self._greeted = False
        self.cancelled = False
        self._running = False
        self._grace: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[bool]] = set()

    @property
    def variant(self) -> str:
        """The side of a rollout that answers the running turn, or answered the last one.

        It is `trial` in a session that tries something out, which is on no side.
        """
        if self._trial:
            return TRIAL_VARIANT
        return self.last_variant if self._stream is None else self._stream.variant

    async def run(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:
        """Answer a message."""
        relayed = self._relayed = RelayedTurn()
        relay = TextRelay(listener, self._watch, relayed.texts, self._cancel_stream)
        clean = False
        self._running = True
        same = self._trial and self._session_id == request.session_id
        self._trial = same or request.trial is not None
        try:
            event = await self._first(request, relay)
            while not isinstance(event, Done | Failed):
                await self._forward(event, listener)
                event = await self._next(relay)
            if isinstance(event, Broken):
                if self._store and relayed:
                    stored = await self._store.store(request, relayed)
                    event = with_storage(event, stored=stored)
            else:
                clean = True
                self._trial = event.trial
                if isinstance(event, Done) and not self.cancelled:
                    self._answered = request.session_id
            # A cancel that arrives while the client does not read belongs to this turn.
            await listener.drain()
            return self._outcome(event, relayed.text)
        finally:
            self._end_turn(clean=clean)

    def cancel(self) -> None:
        """End the running turn soon or, if none runs, the next."""
        self.cancelled = True
        if self._stream is None or not self._running or self._grace:
            return
        self._send(CancelRequest())
        loop = asyncio.get_running_loop()
        self._grace = loop.call_later(self._cancel_seconds, self._stream.cancel)

    def send_tool_result(self, result: ClientToolResult) -> None:
        """Send the client's tool result to the running turn."""
        self._watch.client_answered(result.call_id)
        if self._store and self._relayed is not None:
            self._relayed.add(result)
        self._send(result)

    def close(self) -> None:
        """Close the stream."""
        if self._stream:
            self.last_variant = self._stream.variant
            self._stream.cancel()
            self._stream = None

    async def _forward(
        self, event: TurnEvent | RuntimeHello, listener: TurnListener[TurnEvent]
    ) -> None:
        if isinstance(event, RuntimeHello):
            self._greeted = True
            if event.config:
                await listener.send_event(event.config)
            return
        if isinstance(event, ToolCallEvent | ToolResultEvent):
            if isinstance(event, ToolCallEvent) and event.by_client:
                self._watch.wait_for_client(event.call.id)
            if self._store and self._relayed is not None:
                self._relayed.add(event)
        await listener.send_event(event)

    async def _first(self, request: TurnRequest, relay: TextRelay) -> IncomingEvent:
        """Send the message, and return the first event of its answer."""
        if self.cancelled:
            return Done("", finish_reason=CANCELLED)
        if self._stream and (self._stream.ended or self._session_id != request.session_id):
            self.close()
        reused = self._stream is not None
        event = await self._exchange(request, relay, reused=reused)
        if event is None and reused and not self._relayed and not self.cancelled:
            # The runtime ended the stream after the last turn: it has not received this message.
            self.close()
            event = await self._exchange(request, relay, reused=False)
        return event or ENDED

    async def _exchange(
        self, request: TurnRequest, relay: TextRelay, *, reused: bool
    ) -> IncomingEvent | None:
        if self._stream is None:
            if self._answered == request.session_id and await self._is_lost(request.session_id):
                self._answered = ""
                return LOST
            self._greeted = False
            self._stream = self._client.converse(request.session_id, self._caller)
            self._session_id = request.session_id
        stream = self._stream
        self._watch.start(stream.cancel)
        # A runtime that does not read the message is silent too.
        self._watch.begin_read()
        if self._sending:
            # A cancel that came with the end of the last turn must not follow this message.
            await asyncio.wait(self._sending)
            if self.cancelled:
                return Done("", finish_reason=CANCELLED)
        sent = await stream.send(request)
        if reused and not sent and not self._watch.silent:
            return None
        return await self._read(stream, relay)

    async def _is_lost(self, session_id: str) -> bool:
        """Whether a session that was answered here is unknown now: a restart empties the memory."""
        try:
            probed = await self._client.has_conversation(session_id, self._caller)
        except RuntimeFailed:
            return False
        return probed.resume is Resume.NOT_FOUND

    async def _next(self, relay: TextRelay) -> IncomingEvent:
        # Many events may have arrived together: the other connections get their turn in between.
        await asyncio.sleep(0)
        if self._stream is None:
            return ENDED
        return await self._read(self._stream, relay) or ENDED

    async def _read(self, stream: ConverseStream, relay: TextRelay) -> IncomingEvent | None:
        self._watch.begin_read()
        event: IncomingEvent | None
        try:
            event = await stream.read(relay)
        except RuntimeFailed as failed:
            event = None if relay.too_long else self._failure(failed)
        finally:
            self._watch.end_read()
        return long_turn(MAX_TEXT) if relay.too_long else event

    def _cancel_stream(self) -> None:
        if self._stream:
            self._stream.cancel()

    def _failure(self, failed: RuntimeFailed) -> Failed:
        if self._watch.silent:
            return silent_turn(self._watch.seconds)
        if not self.cancelled:
            _log.warning("turn failed", session_id=self._session_id, reason=failed.message)
        return broken_turn(failed, greeted=self._greeted)

    def _outcome(self, event: Done | Failed, text: str) -> Done | Failed:
        """Complete the end of the turn with the relayed text and the cancellation."""
        if isinstance(event, Failed):
            return Done(text, finish_reason=CANCELLED) if self.cancelled else event
        reason = event.finish_reason or (CANCELLED if self.cancelled else "stop")
        return structs.replace(event, content=event.content or text, finish_reason=reason)

    def _end_turn(self, *, clean: bool) -> None:
        self._watch.stop()
        self._running = self.cancelled = False
        self._relayed = None
        if self._grace:
            self._grace.cancel()
            self._grace = None
        if not clean:
            self.close()

    def _send(self, message: ClientToolResult | CancelRequest) -> None:
        if self._stream is None:
            return
        task = asyncio.get_running_loop().create_task(self._stream.send(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
