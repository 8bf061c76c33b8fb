"""What a program that can be traced asks of a tracer, and the tracer that does nothing.

A span is a context manager: inside of it, it is the current span, and it ends with the block. An
exception that leaves the block marks the span as failed with the exception's type, never with its
text. There is no span for a single chunk.
"""

from contextvars import ContextVar
from enum import IntEnum
from types import TracebackType
from typing import Protocol, Self, TypeAlias

TRACEPARENT = "traceparent"

Value: TypeAlias = str | bool | int | float | tuple[str, ...]


class SpanKind(IntEnum):
    """How a span is related to its parent, with the numbers of OTLP."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Span(Protocol):
    """A piece of work with a beginning and an end.

    Attributes:
        recording: whether what is noted is kept; look before making something only to note it.
        content: whether what people and models say may be noted.
        traceparent: the header of W3C Trace Context that makes others' spans its children; "" when
            there is no trace.
        session_id: the session that it belongs to, "" when to none; children inherit it.
    """

    @property
    def recording(self) -> bool: ...
    @property
    def content(self) -> bool: ...
    @property
    def traceparent(self) -> str: ...
    @property
    def session_id(self) -> str: ...

    def child(self, name: str, kind: SpanKind) -> "Span":
        """Begin a span within this one."""

    def note(self, name: str, value: Value) -> None:
        """Set an attribute."""

    def event(self, name: str) -> None:
        """Note that something happened now."""

    def fail(self, kind: str) -> None:
        """Mark the span as failed; `kind` is a word for the sort of failure, without its text."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Tracer(Protocol):
    """Begins traces.

    Attributes:
        enabled: whether there is any use in asking.
    """

    @property
    def enabled(self) -> bool: ...

    def start(self, name: str, kind: SpanKind, *, remote: str = "", session_id: str = "") -> Span:
        """Begin the first span of this program in a trace.

        Args:
            name: of the span.
            kind: of the span.
            remote: a `traceparent` from outside; the trace is a new one when it is none.
            session_id: the session that is traced.
        """

    def close(self, seconds: float) -> None:
        """Send what is not sent yet; blocks for `seconds` at most."""


class _NoSpan:
    recording = False
    content = False
    traceparent = ""
    session_id = ""

    def child(self, name: str, kind: SpanKind) -> Span:  # noqa: ARG002 - the port's
        return self

    def note(self, name: str, value: Value) -> None:
        """Keep nothing."""

    def event(self, name: str) -> None:
        """Keep nothing."""

    def fail(self, kind: str) -> None:
        """Keep nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing ends."""


class _NoTracer:
    enabled = False

    def start(
        self,
        name: str,  # noqa: ARG002 - the port's
        kind: SpanKind,  # noqa: ARG002 - the port's
        *,
        remote: str = "",  # noqa: ARG002 - the port's
        session_id: str = "",  # noqa: ARG002 - the port's
    ) -> Span:
        return NO_SPAN

    def close(self, seconds: float) -> None:
        """Nothing was kept."""


NO_SPAN: Span = _NoSpan()
NO_TRACER: Tracer = _NoTracer()

CURRENT: ContextVar[Span] = ContextVar("omnia_span", default=NO_SPAN)

current_span = CURRENT.get


def trace_headers() -> dict[str, str]:
    """Return the headers with which a request continues the current trace; {} without one."""
    traceparent = CURRENT.get().traceparent
    return {TRACEPARENT: traceparent} if traceparent else {}
