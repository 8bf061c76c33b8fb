"""Spans that are recorded, and the tracer that makes them."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from omnia_core.telemetry.tracing import names
from omnia_core.telemetry.tracing.context import TraceContext, new_trace, parse
from omnia_core.telemetry.tracing.queue import SpanQueue
from omnia_core.telemetry.tracing.span import CURRENT, NO_SPAN, Span, SpanKind, Value
from omnia_core.telemetry.tracing.unsampled import UnsampledSpan

LONGEST_VALUE = 32 * 1024

Keep: TypeAlias = Callable[["RecordedSpan"], None]
Encode: TypeAlias = Callable[["RecordedSpan"], bytes]


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
        kind: SpanKind,
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

    def child(self, name: str, kind: SpanKind) -> "RecordedSpan":
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
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            value = value[:LONGEST_VALUE]
        self.attributes[name] = value

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


class RecordingTracer:
    """Samples traces, and hands spans that have ended to a queue, encoded."""

    enabled = True

    def __init__(
        self,
        encode: Encode,
        queue: SpanQueue,
        rate: float,
        *,
        content: bool,
    ) -> None:
        """Take the queue, which is closed with the tracer.

        Args:
            encode: makes of a span what the queue sends.
            queue: sends the spans.
            rate: share of the traces that begin here which is recorded, from 0 to 1.
            content: whether spans may hold what people and models say.
        """
        self._encode = encode
        self._queue = queue
        self._rate = rate
        self._content = content

    def start(self, name: str, kind: SpanKind, *, remote: str = "", session_id: str = "") -> Span:
        parent = parse(remote) if remote else None
        context = parent.child() if parent else new_trace(self._rate)
        if not context.sampled:
            return UnsampledSpan(context.header, session_id)
        return RecordedSpan(
            self._keep,
            context,
            parent.span_id if parent else 0,
            name,
            kind,
            session_id,
            content=self._content,
        )

    def close(self, seconds: float) -> None:
        self._queue.close(seconds)

    def _keep(self, span: RecordedSpan) -> None:
        # Encoded at once: thousands of spans that wait would be work for the garbage collector.
        self._queue.put(self._encode(span))
