"""Spans that are recorded, and the tracer that makes them."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from omnia_core.telemetry.tracing import names
from omnia_core.telemetry.tracing.context import TraceContext, new_trace, parse
from omnia_core.telemetry.tracing.queue import SpanQueue
from omnia_core.telemetry.tracing.span import CURRENT, NO_SPAN, Kind, Span, Value

LONGEST_VALUE = 32 * 1024

Keep: TypeAlias = Callable[["RecordedSpan"], None]


class RecordedSpan:
    """A span of a trace that is sampled.

    Attributes:
        began: nanoseconds since 1970.
        ended: likewise; 0 while the span runs.
        failure: the sort of failure, "" when there was none.
        events: names, and when they happened.
    """

    recording = True

    __slots__ = (
        "_before",
        "_keep",
        "attributes",
        "began",
        "content",
        "context",
        "ended",
        "events",
        "failure",
        "kind",
        "name",
        "parent_id",
        "session_id",
    )

    def __init__(
        self,
        keep: Keep,
        context: TraceContext,
        parent_id: int,
        name: str,
        kind: Kind,
        session_id: str,
        *,
        content: bool,
    ) -> None:
        """Begin; `parent_id` is 0 for the first span of a trace."""
        self._keep = keep
        self._before: Span = NO_SPAN
        self.context = context
        self.parent_id = parent_id
        self.name = name
        self.kind = kind
        self.session_id = session_id
        self.content = content
        self.attributes: dict[str, Value] = {names.CONVERSATION: session_id} if session_id else {}
        self.events: list[tuple[str, int]] = []
        self.failure = ""
        self.began = time.time_ns()
        self.ended = 0

    @property
    def traceparent(self) -> str:
        return self.context.header

    def child(self, name: str, kind: Kind) -> "RecordedSpan":
        return RecordedSpan(
            self._keep,
            self.context.child(),
            self.context.span_id,
            name,
            kind,
            self.session_id,
            content=self.content,
        )

    def note(self, name: str, value: Value) -> None:
        self.attributes[name] = value[:LONGEST_VALUE] if isinstance(value, str) else value

    def event(self, name: str) -> None:
        self.events.append((name, time.time_ns()))

    def fail(self, kind: str) -> None:
        self.failure = kind
        self.attributes[names.ERROR_TYPE] = kind

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
        # Not by a token: a generator may be closed in another context than it was begun in.
        CURRENT.set(self._before)
        if kind is not None and issubclass(kind, Exception):
            self.fail(self.failure or kind.__name__)
        elif kind is not None:
            self.attributes[names.OMNIA_CANCELLED] = True
        self.ended = time.time_ns()
        self._keep(self)


class UnsampledSpan:
    """A span of a trace that is not recorded; the decision is handed on with the trace's id."""

    recording = False
    content = False

    __slots__ = ("_before", "session_id", "traceparent")

    def __init__(self, traceparent: str, session_id: str) -> None:
        self._before: Span = NO_SPAN
        self.traceparent = traceparent
        self.session_id = session_id

    def child(self, name: str, kind: Kind) -> "UnsampledSpan":  # noqa: ARG002 - the port's
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


class RecordingTracer:
    """Samples traces, and hands spans that have ended to a queue."""

    enabled = True

    def __init__(self, queue: SpanQueue[RecordedSpan], rate: float, *, content: bool) -> None:
        """Take the queue, which is closed with the tracer.

        Args:
            queue: sends the spans.
            rate: share of the traces that begin here which is recorded, from 0 to 1.
            content: whether spans may hold what people and models say.
        """
        self._queue = queue
        self._rate = rate
        self._content = content

    def start(self, name: str, kind: Kind, *, remote: str = "", session_id: str = "") -> Span:
        parent = parse(remote) if remote else None
        context = parent.child() if parent else new_trace(self._rate)
        if not context.sampled:
            return UnsampledSpan(context.header, session_id)
        return RecordedSpan(
            self._queue.put,
            context,
            parent.span_id if parent else 0,
            name,
            kind,
            session_id,
            content=self._content,
        )

    def close(self, seconds: float) -> None:
        self._queue.close(seconds)
