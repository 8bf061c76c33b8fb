"""The tracer of a program that traces, on the OpenTelemetry SDK.

Our spans are current in OpenTelemetry's context as well, so the spans of other instrumentation are
children of ours, and ours are children of theirs.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from omnia_core.telemetry.tracing import names
from omnia_core.telemetry.tracing.span import (
    CURRENT,
    LONGEST_VALUE,
    NO_SPAN,
    TRACEPARENT,
    NoSpan,
    Span,
    SpanKind,
    Value,
)

_LARGEST_INT = (1 << 63) - 1
_KINDS = {
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
}
_ERROR = trace.Status(trace.StatusCode.ERROR)
_NO_HEADERS: Mapping[str, str] = {}
_NO_ATTRIBUTES: Mapping[str, Value] = {}
_TRACE_CONTEXT = TraceContextTextMapPropagator()

Translate: TypeAlias = Callable[[Mapping[str, Value]], Mapping[str, Value]]


class RecordingTracer:
    """Starts spans of the SDK."""

    enabled = True

    def __init__(
        self,
        tracer: trace.Tracer,
        close: Callable[[float], None],
        translate: Translate | None,
        *,
        content: bool,
        parent_based: bool,
    ) -> None:
        """Trace with a tracer of the SDK.

        Args:
            tracer: samples and records.
            close: sends the spans that wait, within the given seconds.
            translate: returns attributes that are added to those of each span when it ends.
            content: whether spans may hold what people and models say.
            parent_based: whether the sampler does what the caller decided.
        """
        self._tracer = tracer
        self._parent_based = parent_based
        # The two headers of W3C Trace Context need no search for propagators.
        self._more_headers = propagate.get_global_textmap().fields != _TRACE_CONTEXT.fields
        self._close = close
        self.translate = translate
        self.content = content

    def start_span(
        self,
        name: str,
        kind: SpanKind,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        traceparent: str = "",
        session_id: str = "",
    ) -> Span:
        parent = Context()
        if self._more_headers:
            parent = propagate.extract(headers, parent)
        elif TRACEPARENT in headers and not traceparent:
            parent = _TRACE_CONTEXT.extract(headers, parent)
        if traceparent:
            parent = _TRACE_CONTEXT.extract({**headers, TRACEPARENT: traceparent}, parent)
        if self._parent_based:
            # The sampler would decide the same: it follows the caller.
            caller = trace.get_current_span(parent)
            ids = caller.get_span_context()
            if ids.is_valid and not ids.trace_flags.sampled:
                return UnsampledSpan(caller, parent, session_id)
        return self.start_in(parent, name, kind, session_id)

    def start_in(self, parent: Context, name: str, kind: SpanKind, session_id: str) -> Span:
        """Start a span whose parent is the span of a context."""
        span = self._tracer.start_span(_encodable(name), parent, _KINDS[kind])
        context = trace.set_span_in_context(span, parent)
        if span.is_recording():
            return RecordedSpan(self, span, context, session_id)
        return UnsampledSpan(span, context, session_id)

    def close(self, seconds: float) -> None:
        self._close(seconds)


class UnsampledSpan(NoSpan):
    """A span that is not recorded; the decision goes on with the id of the trace."""

    __slots__ = ("_before", "_context", "_outside", "_span", "session_id")

    def __init__(self, span: trace.Span, context: Context, session_id: str) -> None:
        """`context` is the one in which `span` is current."""
        self._span = span
        self._context = context
        self._before: Span = NO_SPAN
        self._outside = context
        self.session_id = session_id

    @property
    def traceparent(self) -> str:
        ids = self._span.get_span_context()
        return f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"

    def headers(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        propagate.inject(found, self._inside())
        return found

    def start_child(self, name: str, kind: SpanKind) -> Span:  # noqa: ARG002 - the port's
        return UnsampledSpan(self._span, self._context, self.session_id)

    def __enter__(self) -> Self:
        self._before = CURRENT.get()
        CURRENT.set(self)
        self._outside = otel_context.get_current()
        otel_context.attach(self._context)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Not by tokens: a generator may be closed in another context than it was begun in, whose
        # current span is not this one.
        if CURRENT.get() is self:
            CURRENT.set(self._before)
            otel_context.attach(self._outside)

    def _inside(self) -> Context:
        """Return the context of this span, or that of another's span within it."""
        return otel_context.get_current() if CURRENT.get() is self else self._context


class RecordedSpan(UnsampledSpan):
    """A span of the SDK.

    Attributes:
        attributes: what the SDK is given when the span ends: once is cheaper than one by one.
    """

    recording = True

    __slots__ = ("_tracer", "attributes", "content")

    def __init__(
        self, tracer: RecordingTracer, span: trace.Span, context: Context, session_id: str
    ) -> None:
        """`context` is the one in which `span` is current."""
        super().__init__(span, context, session_id)
        self._tracer = tracer
        self.content = tracer.content
        self.attributes: dict[str, Value] = {}
        if session_id:
            self.attributes[names.CONVERSATION] = _encodable(session_id)

    def start_child(self, name: str, kind: SpanKind) -> Span:
        return self._tracer.start_in(self._inside(), name, kind, self.session_id)

    def set_attribute(self, name: str, value: Value) -> None:
        # Most values need no change.
        if type(value) is str and len(value) <= LONGEST_VALUE and value.isascii():
            self.attributes[name] = value
        else:
            self.attributes[name] = _cleaned(value)

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        self.attributes |= attributes

    def add_event(self, name: str, attributes: Mapping[str, Value] = _NO_ATTRIBUTES) -> None:
        self._span.add_event(name, {key: _cleaned(value) for key, value in attributes.items()})

    def set_error(self, error_type: str) -> None:
        self._span.set_status(_ERROR)
        self.attributes[names.ERROR_TYPE] = error_type

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is not None and issubclass(kind, Exception):
            self.set_error(str(self.attributes.get(names.ERROR_TYPE, kind.__name__)))
        elif kind is not None:
            self.attributes[names.OMNIA_CANCELLED] = True
        attributes = self.attributes
        if self._tracer.translate:
            attributes |= self._tracer.translate(attributes)
        self._span.set_attributes(attributes)
        self._span.end()


def _cleaned(value: Value) -> Value:
    """Return a value that OTLP can hold: the SDK would drop the attribute."""
    if isinstance(value, str):
        return _encodable(value[:LONGEST_VALUE])
    if isinstance(value, tuple):
        return tuple(map(_encodable, value))
    if isinstance(value, float) or -_LARGEST_INT <= value <= _LARGEST_INT:
        return value
    return max(-_LARGEST_INT - 1, min(value, _LARGEST_INT))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which a model's JSON may hold: in a name they cost the batch."""
    return text if text.isascii() else text.encode(errors="replace").decode()
