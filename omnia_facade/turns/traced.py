"""Traces turns and calls: one span for each, until its end."""

import time
from collections.abc import Callable, Mapping

from msgspec import structs

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.telemetry.tracing import Span, SpanKind, Tracer, names
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import BackendConnection, Probed

MESSAGE_SPAN = "omnia.facade.message"
CALL_SPAN = "omnia.facade.call"

Describe = Callable[[Span], None]


class TracedConnection:
    """A backend connection whose turns are spans; used only if tracing is on."""

    __slots__ = ("_describe", "_headers", "_inner", "_message_span", "_tracer")

    def __init__(
        self,
        inner: BackendConnection,
        tracer: Tracer,
        describe: Describe,
        headers: Mapping[str, str],
        message_span: str = MESSAGE_SPAN,
    ) -> None:
        """Trace `inner`.

        Args:
            inner: answers the turns.
            tracer: starts the spans.
            describe: sets the attributes that all spans of this program share.
            headers: of the request that opened the connection.
            message_span: the name of the spans of turns.
        """
        self._message_span = message_span
        self._inner = inner
        self._tracer = tracer
        self._describe = describe
        self._headers = headers

    @property
    def variant(self) -> str:
        return self._inner.variant

    async def probe(self, session_id: str) -> Probed:
        return await self._inner.probe(session_id)

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:
        with self._tracer.start_span(
            self._message_span,
            SpanKind.SERVER,
            headers=self._headers,
            session_id=request.session_id,
        ) as span:
            self._describe(span)
            request = structs.replace(request, traceparent=span.traceparent)
            if span.recording:
                listener = _FirstTextListener(listener, span)
            outcome = await self._inner.turn(request, listener)
            span.set_attribute(names.OMNIA_VARIANT, self._inner.variant)
            _record_outcome(span, outcome)
        return outcome

    async def call(
        self, request: CallRequest, audio: AudioQueue, listener: TurnListener[TurnEvent]
    ) -> Done | Failed:
        with self._tracer.start_span(
            CALL_SPAN, SpanKind.SERVER, headers=self._headers, session_id=request.session_id
        ) as span:
            self._describe(span)
            outcome = await self._inner.call(request, audio, listener)
            span.set_attribute(names.OMNIA_VARIANT, self._inner.variant)
            _record_outcome(span, outcome)
        return outcome

    def hang_up(self) -> None:
        self._inner.hang_up()

    def cancel(self) -> None:
        self._inner.cancel()

    def send_tool_result(self, result: ClientToolResult) -> None:
        self._inner.send_tool_result(result)

    def close(self) -> None:
        self._inner.close()


class _FirstTextListener:
    """Records the time to the first text of an answer."""

    __slots__ = ("_began", "_listener", "_span")

    def __init__(self, listener: TurnListener[TurnEvent], span: Span) -> None:
        self._listener = listener
        self._span: Span | None = span
        self._began = time.perf_counter()

    def send_text(self, text: str) -> bool:
        if self._span is not None:
            self._span.set_attribute(names.TIME_TO_FIRST_CHUNK, time.perf_counter() - self._began)
            self._span = None
        return self._listener.send_text(text)

    async def drain(self) -> None:
        await self._listener.drain()

    async def send_event(self, event: TurnEvent) -> None:
        await self._listener.send_event(event)


def _record_outcome(span: Span, outcome: Done | Failed) -> None:
    if isinstance(outcome, Failed):
        span.set_error(outcome.code)
        return
    span.set_attribute(names.FINISH_REASONS, (outcome.finish_reason,))
    if outcome.finish_reason == CANCELLED:
        span.set_attribute(names.OMNIA_CANCELLED, True)
    if outcome.usage:
        span.set_attribute(names.INPUT_TOKENS, outcome.usage.input_tokens)
        span.set_attribute(names.OUTPUT_TOKENS, outcome.usage.output_tokens)
        span.set_attribute(names.OMNIA_COST, outcome.usage.cost_usd)
