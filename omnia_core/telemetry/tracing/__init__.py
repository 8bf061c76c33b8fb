"""Traces: what a turn did, where its time went, in spans that a collector puts together.

With tracing off nothing here records anything, and no library is loaded.
"""

from omnia_core.telemetry.tracing import names
from omnia_core.telemetry.tracing.span import (
    NO_SPAN,
    NO_TRACER,
    TRACEPARENT,
    Span,
    SpanKind,
    Tracer,
    Value,
    current_span,
    trace_headers,
)

__all__ = [
    "NO_SPAN",
    "NO_TRACER",
    "TRACEPARENT",
    "Span",
    "SpanKind",
    "Tracer",
    "Value",
    "current_span",
    "names",
    "trace_headers",
]
