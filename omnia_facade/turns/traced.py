"""Turns and calls whose time is traced: one span for each, to the end of the last answer."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from msgspec import structs

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.telemetry.tracing import Span, SpanKind, Tracer, names
from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import (
    CallRequest,
    Chunk,
    Done,
    Failed,
    ToolAnswer,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.dialogue.handler import Dialogue, Resume, Say

MESSAGE_SPAN = "omnia.facade.message"
CALL_SPAN = "omnia.facade.call"

# A tuple: a union of types would be made again for each chunk.
_LAST = (Done, Failed)

Describe = Callable[[Span], None]


class TracedDialogue:
    """A dialogue whose turns are spans; made only where tracing is on."""

    __slots__ = ("_describe", "_headers", "_inner", "_tracer")

    def __init__(
        self, inner: Dialogue, tracer: Tracer, describe: Describe, headers: Mapping[str, str]
    ) -> None:
        """Trace `inner`.

        Args:
            inner: answers.
            tracer: starts the spans.
            describe: sets the attributes that all spans of this program have.
            headers: of the request that opened the connection.
        """
        self._inner = inner
        self._tracer = tracer
        self._describe = describe
        self._headers = headers

    async def probe(self, session_id: str) -> Resume:
        return await self._inner.probe(session_id)

    async def turn(self, request: TurnRequest, say: Say) -> AsyncGenerator[TurnEvent, None]:
        last: Done | Failed | None = None
        with self._tracer.start_span(
            MESSAGE_SPAN, SpanKind.SERVER, headers=self._headers, session_id=request.session_id
        ) as span:
            self._describe(span)
            first = _FirstChunk(span)
            request = structs.replace(request, traceparent=span.traceparent)
            async with aclosing(self._inner.turn(request, first.noted(say))) as events:
                async for event in events:
                    if type(event) is Chunk:
                        first.note()
                    elif isinstance(event, _LAST):
                        last = event
                        break
                    yield event
            if last:
                _note_end(span, last)
        if last:
            yield last

    async def call(
        self, request: CallRequest, audio: AudioQueue
    ) -> AsyncGenerator[TurnEvent, None]:
        last: Done | Failed | None = None
        with self._tracer.start_span(
            CALL_SPAN, SpanKind.SERVER, headers=self._headers, session_id=request.session_id
        ) as span:
            self._describe(span)
            async with aclosing(self._inner.call(request, audio)) as events:
                async for event in events:
                    if isinstance(event, _LAST):
                        last = event
                        break
                    yield event
            if last:
                _note_end(span, last)
        if last:
            yield last

    def hang_up(self) -> None:
        self._inner.hang_up()

    def cancel(self) -> None:
        self._inner.cancel()

    def answer(self, answer: ToolAnswer) -> None:
        self._inner.answer(answer)

    def close(self) -> None:
        self._inner.close()


class _FirstChunk:
    """Notes how long the first piece of an answer took."""

    __slots__ = ("_began", "_span")

    def __init__(self, span: Span) -> None:
        self._span: Span | None = span
        self._began = time.perf_counter()

    def note(self) -> None:
        if self._span is not None:
            self._span.set_attribute(names.TIME_TO_FIRST_CHUNK, time.perf_counter() - self._began)
            self._span = None

    def noted(self, say: Say) -> Say:
        def said(text: str) -> bool:
            if self._span is not None:
                self.note()
            return say(text)

        return said


def _note_end(span: Span, last: Done | Failed) -> None:
    if isinstance(last, Failed):
        span.set_error(last.code)
        return
    span.set_attribute(names.FINISH_REASONS, (last.finish_reason,))
    if last.finish_reason == CANCELLED:
        span.set_attribute(names.OMNIA_CANCELLED, True)
    if last.usage:
        span.set_attribute(names.INPUT_TOKENS, last.usage.input_tokens)
        span.set_attribute(names.OUTPUT_TOKENS, last.usage.output_tokens)
        span.set_attribute(names.OMNIA_COST, last.usage.cost_usd)
