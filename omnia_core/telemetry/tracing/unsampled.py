"""Spans of a trace that nobody records."""

from types import TracebackType
from typing import Self

from omnia_core.telemetry.tracing.span import CURRENT, NO_SPAN, Span, SpanKind, Value


class UnsampledSpan:
    """A span of a trace that is not recorded; the decision is handed on with the trace's id."""

    recording = False
    content = False

    __slots__ = ("_before", "session_id", "traceparent")

    def __init__(self, traceparent: str, session_id: str) -> None:
        self._before: Span = NO_SPAN
        self.traceparent = traceparent
        self.session_id = session_id

    def child(self, name: str, kind: SpanKind) -> "UnsampledSpan":  # noqa: ARG002 - the port's
        return UnsampledSpan(self.traceparent, self.session_id)

    def note(self, name: str, value: Value) -> None:
        """Keep nothing."""

    def event(self, name: str) -> None:
        """Keep nothing."""

    def fail(self, kind: str) -> None:
        """Keep nothing."""

    def __enter__(self) -> Self:
        self._before = CURRENT.get()
        CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        CURRENT.set(self._before)
