"""A model whose calls are spans, each with its retries."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from omnia_core.files.providers import ProviderConfig
from omnia_core.telemetry.tracing import Span, SpanKind, current_span, names
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers import traced_content

OPERATION = "chat"
FIRST_CHUNK = "first chunk"

# What OpenTelemetry calls the vendors; other types go by their own names.
_VENDORS = {"claude": "anthropic", "gemini": "gcp.gemini"}


class TracedModel:
    """Notes each call in a child of the current span, where there is one that records."""

    def __init__(self, model: ChatModel, config: ProviderConfig) -> None:
        self._model = model
        self._config = config

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        # Not a generator itself: without a trace there is nothing between a chunk and its reader.
        span = current_span()
        return self._traced(span, request) if span.recording else self._model.stream(request)

    async def _traced(self, turn: Span, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        said: list[ModelEvent] = []
        with turn.child(f"{OPERATION} {self._config.model}", SpanKind.CLIENT) as span:
            self._note_request(span, request)
            began, silent, content = time.perf_counter(), True, span.content
            try:
                async with aclosing(self._model.stream(request)) as events:
                    async for event in events:
                        if silent:
                            silent = False
                            span.note(names.TIME_TO_FIRST_CHUNK, time.perf_counter() - began)
                            span.event(FIRST_CHUNK)
                        if type(event) is Finished:
                            _note_end(span, event)
                        elif content and isinstance(event, TextDelta | ToolCallRequest):
                            said.append(event)
                        yield event
            except ProviderError as error:
                if error.status:
                    span.note(names.HTTP_STATUS, error.status)
                raise
            finally:
                if content:
                    span.note(names.OUTPUT_MESSAGES, traced_content.output(said))

    def _note_request(self, span: Span, request: ChatRequest) -> None:
        config, parameters = self._config, request.parameters
        span.note(names.OPERATION, OPERATION)
        span.note(names.PROVIDER, _VENDORS.get(config.type, config.type))
        span.note(names.OMNIA_PROVIDER, config.name)
        span.note(names.REQUEST_MODEL, config.model)
        span.note(names.REQUEST_STREAM, True)
        if parameters.temperature is not None:
            span.note(names.REQUEST_TEMPERATURE, parameters.temperature)
        if parameters.top_p is not None:
            span.note(names.REQUEST_TOP_P, parameters.top_p)
        if parameters.max_tokens is not None:
            span.note(names.REQUEST_MAX_TOKENS, parameters.max_tokens)
        if span.content:
            span.note(names.SYSTEM_INSTRUCTIONS, traced_content.system(request.system))
            span.note(names.INPUT_MESSAGES, traced_content.messages(request.messages))


def _note_end(span: Span, finished: Finished) -> None:
    usage = finished.usage
    span.note(names.FINISH_REASONS, (finished.reason,))
    span.note(names.INPUT_TOKENS, usage.input_tokens)
    span.note(names.OUTPUT_TOKENS, usage.output_tokens)
    if usage.cached_tokens:
        span.note(names.CACHED_TOKENS, usage.cached_tokens)
    span.note(names.OMNIA_COST, usage.cost_usd)
