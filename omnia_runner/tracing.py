"""Spans of a library: recorded with the tracer provider of the program that uses it."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from omnia_core.telemetry.tracing import NO_TRACER, Span, SpanKind, Tracer

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_SCOPE = "omnia"


class _LibraryTracer:
    """Traces with the provider that the program has given, from then on."""

    def __init__(self) -> None:
        self.tracer: Tracer = NO_TRACER

    @property
    def enabled(self) -> bool:
        return self.tracer.enabled

    def start_span(
        self,
        name: str,
        kind: SpanKind,
        *,
        headers: Mapping[str, str] = {},
        traceparent: str = "",
        session_id: str = "",
    ) -> Span:
        return self.tracer.start_span(
            name, kind, headers=headers, traceparent=traceparent, session_id=session_id
        )

    def close(self, seconds: float) -> None:
        """Nothing to do: the provider belongs to the program."""


LIBRARY_TRACER = _LibraryTracer()


class OmniAgentInstrumentor:
    """Turns the spans of the library on and off: turns, model calls and tool calls."""

    def instrument(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        content: bool = False,
        openinference: bool = True,
    ) -> None:
        """Record spans.

        Args:
            tracer_provider: the program's own; None: the global one of OpenTelemetry.
            content: whether spans may hold what people, models and tools say.
            openinference: whether spans have the kinds and names of OpenInference as well.
        """
        # Imported here: a program that does not trace loads nothing of OpenTelemetry.
        from opentelemetry import trace  # noqa: PLC0415 - as above

        from omnia_core.telemetry.tracing.openinference import translated  # noqa: PLC0415 - as above
        from omnia_core.telemetry.tracing.recording import RecordingTracer  # noqa: PLC0415 - as above

        provider = tracer_provider or trace.get_tracer_provider()
        LIBRARY_TRACER.tracer = RecordingTracer(
            provider.get_tracer(_SCOPE),
            lambda _: None,
            translated if openinference else None,
            content=content,
            parent_based=True,
        )

    def uninstrument(self) -> None:
        """Record no more spans."""
        LIBRARY_TRACER.tracer = NO_TRACER


def current_traceparent() -> str:
    """Return the current span of OpenTelemetry, of which a turn is a child; "" if there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return ""
    from opentelemetry import trace  # noqa: PLC0415 - loaded already

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
