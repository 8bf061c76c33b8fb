"""The port between a program and its tracer, and the tracer that does nothing.

A span is a context manager: inside the block it is the current span, and it ends with the block. An
exception that leaves the block marks the span as failed with the exception's type, never with its
text. No span is made for a single chunk.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from enum import IntEnum
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, TypeAlias

TRACEPARENT = "traceparent"
# Characters of a text.
LONGEST_VALUE = 32 * 1024

Value: TypeAlias = str | bool | int | float | tuple[str, ...]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NO_ATTRIBUTES: Mapping[str, Value] = MappingProxyType({})


class SpanKind(IntEnum):
    """The relation of a span to its parent."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Span(Protocol):
    """A piece of work with a beginning and an end.

    Attributes:
        recording: whether attributes are kept; check it before computing one.
        content: whether attributes may hold what people and models say.
        traceparent: this span as the header of W3C Trace Context; "" when there is no trace.
        session_id: the session of the span, or ""; children inherit it.
    """

    @property
    def recording(self) -> bool: ...
    @property
    def content(self) -> bool: ...
    @property
    def traceparent(self) -> str: ...
    @property
    def session_id(self) -> str: ...

    def headers(self) -> Mapping[str, str]:
        """Return the headers with which a request continues this trace."""

    def start_child(self, name: str, kind: SpanKind) -> "Span":
        """Start a span within this one."""

    def set_attribute(self, name: str, value: Value) -> None:
        """Set an attribute; a text is cut at 32 Ki characters."""

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        """Set attributes whose texts are short and known to the program; at once is cheaper."""

    def add_event(self, name: str, attributes: Mapping[str, Value] = _NO_ATTRIBUTES) -> None:
        """Add an event that happened now; its attributes have no content where spans have none."""

    def set_error(self, error_type: str) -> None:
        """Mark the span as failed; `error_type` names the kind of failure, without its text."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Tracer(Protocol):
    """Starts the first span of this program in a trace.

    Attributes:
        enabled: False for the tracer that does nothing.
    """

    @property
    def enabled(self) -> bool: ...

    def start_span(
        self,
        name: str,
        kind: SpanKind,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        traceparent: str = "",
        session_id: str = "",
    ) -> Span:
        """Start a span.

        Args:
            name: of the span.
            kind: of the span.
            headers: of the request, with lower-case names; the span continues the trace that they
                name, or begins a trace.
            traceparent: the parent; it wins over that of `headers`.
            session_id: the session that is traced.
        """

    def close(self, seconds: float) -> None:
        """Send the spans that wait; blocks for `seconds` at most."""


class NoSpan:
    """A span that keeps nothing."""

    recording = False
    content = False
    session_id = ""

    __slots__ = ()

    @property
    def traceparent(self) -> str:
        return ""

    def headers(self) -> Mapping[str, str]:
        return _NO_HEADERS

    def start_child(self, name: str, kind: SpanKind) -> Span:  # noqa: ARG002 - the port's
        return self

    def set_attribute(self, name: str, value: Value) -> None:
        """Keep nothing."""

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        """Keep nothing."""

    def add_event(self, name: str, attributes: Mapping[str, Value] = _NO_ATTRIBUTES) -> None:
        """Keep nothing."""

    def set_error(self, error_type: str) -> None:
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

    def start_span(
        self,
        name: str,  # noqa: ARG002 - the port's
        kind: SpanKind,  # noqa: ARG002 - the port's
        *,
        headers: Mapping[str, str] = _NO_HEADERS,  # noqa: ARG002 - the port's
        traceparent: str = "",  # noqa: ARG002 - the port's
        session_id: str = "",  # noqa: ARG002 - the port's
    ) -> Span:
        return NO_SPAN

    def close(self, seconds: float) -> None:
        """Nothing was kept."""


NO_SPAN: Span = NoSpan()
NO_TRACER: Tracer = _NoTracer()

CURRENT: ContextVar[Span] = ContextVar("omnia_span", default=NO_SPAN)

current_span = CURRENT.get


def trace_headers() -> Mapping[str, str]:
    """Return the headers with which a request continues the current trace; {} without one."""
    return CURRENT.get().headers()
