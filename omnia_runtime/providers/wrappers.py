"""Wrappers of a model: default parameters, metrics and audit, spans."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import structs

from omnia_core.conversation.usage import Usage
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig, ProviderDefaults
from omnia_core.sessions.audit import CallStatus
from omnia_core.telemetry.tracing import Span, SpanKind, Value, current_span, names
from omnia_runtime.observe.audit import current_recorder
from omnia_runtime.observe.metrics import RuntimeMetrics
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


class DefaultedModel:
    """A model whose Provider gives the parameters that a request leaves open."""

    def __init__(self, model: ChatModel, defaults: ProviderDefaults) -> None:
        self._model = model
        self._defaults = defaults

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        parameters = with_defaults(request.parameters, self._defaults)
        return self._model.stream(structs.replace(request, parameters=parameters))


def with_defaults(own: Parameters, defaults: ProviderDefaults) -> Parameters:
    """Fill in the parameters of `own` that are None from `defaults`."""
    return structs.replace(
        own,
        temperature=defaults.temperature if own.temperature is None else own.temperature,
        top_p=defaults.top_p if own.top_p is None else own.top_p,
        max_tokens=defaults.max_tokens if own.max_tokens is None else own.max_tokens,
    )


class MeteredModel:
    """A model whose calls are counted, and recorded in the audit trail of the turn."""

    def __init__(self, model: ChatModel, provider: str, name: str, metrics: RuntimeMetrics) -> None:
        self._model = model
        self._provider = provider
        self._name = name
        self._metrics = metrics

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        began = time.monotonic()
        status: CallStatus = "cancelled"
        waiting, usage, failure, first_word = True, Usage(), None, None
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if waiting:
                        waiting = False
                        first = time.monotonic() - began
                        self._metrics.answering(self._provider, self._name, first)
                    if first_word is None and type(event) is TextDelta:
                        first_word = time.monotonic() - began
                    if type(event) is Finished:
                        status, usage = "success", event.usage
                        self._metrics.used(self._provider, self._name, event.usage)
                    yield event
        except Exception as error:
            status, failure = "error", error
            raise
        finally:
            took = time.monotonic() - began
            self._metrics.model_called(self._provider, self._name, status, took)
            if (trail := current_recorder()) is not None:
                trail.provider_called(
                    self._provider, self._name, status, took, usage, failure, first_word
                )


OPERATION = "chat"
FIRST_CHUNK = "first chunk"

# Vendors as OpenTelemetry names them; the other types are named as it names them.
_VENDORS = {"claude": "anthropic", "gemini": "gcp.gemini"}


class TracedModel:
    """Records each call as a child of the current span, when that one is recorded."""

    def __init__(self, model: ChatModel, config: ProviderConfig) -> None:
        self._model = model
        self._name = f"{OPERATION} {config.model}"
        self._common: dict[str, Value] = {
            names.OPERATION: OPERATION,
            names.PROVIDER: _VENDORS.get(config.type, config.type),
            names.OMNIA_PROVIDER: config.name,
            names.REQUEST_MODEL: config.model,
            names.REQUEST_STREAM: True,
        }

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        # Not a generator itself: without a trace nothing stands between a chunk and its reader.
        span = current_span()
        return self._traced(span, request) if span.recording else self._model.stream(request)

    async def _traced(self, turn: Span, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        output: list[ModelEvent] = []
        with turn.start_child(self._name, SpanKind.CLIENT) as span:
            span.set_attributes(self._common)
            _describe_request(span, request)
            began, first, content = time.perf_counter(), True, span.content
            try:
                async with aclosing(self._model.stream(request)) as events:
                    async for event in events:
                        if first:
                            first = False
                            span.set_attribute(
                                names.TIME_TO_FIRST_CHUNK, time.perf_counter() - began
                            )
                            span.add_event(FIRST_CHUNK)
                        if type(event) is Finished:
                            _describe_end(span, event)
                        elif content and isinstance(event, TextDelta | ToolCallRequest):
                            output.append(event)
                        yield event
            except ProviderError as error:
                if error.status:
                    span.set_attribute(names.HTTP_STATUS, error.status)
                raise
            finally:
                if content:
                    span.set_attribute(names.OUTPUT_MESSAGES, traced_content.output(output))


def _describe_request(span: Span, request: ChatRequest) -> None:
    parameters = request.parameters
    if parameters.temperature is not None:
        span.set_attribute(names.REQUEST_TEMPERATURE, parameters.temperature)
    if parameters.top_p is not None:
        span.set_attribute(names.REQUEST_TOP_P, parameters.top_p)
    if parameters.max_tokens is not None:
        span.set_attribute(names.REQUEST_MAX_TOKENS, parameters.max_tokens)
    if span.content:
        span.set_attribute(names.SYSTEM_INSTRUCTIONS, traced_content.system(request.system))
        span.set_attribute(names.INPUT_MESSAGES, traced_content.messages(request.messages))


def _describe_end(span: Span, finished: Finished) -> None:
    usage = finished.usage
    span.set_attributes(
        {
            names.FINISH_REASONS: (finished.reason,),
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.OMNIA_COST: usage.cost_usd,
        }
    )
    if usage.cached_tokens:
        span.set_attribute(names.CACHED_TOKENS, usage.cached_tokens)
