"""The spans of a facade."""

from collections.abc import Mapping

from omnia_core.env import FacadeEnv
from omnia_core.telemetry.tracing import Span, SpanKind, Tracer, names
from omnia_facade.backend.port import BackendConnection

FUNCTION_SPAN = "omnia.facade.function"


class FacadeTracing:
    """Starts the spans of a facade, with the attributes that all of them have."""

    def __init__(self, tracer: Tracer, env: FacadeEnv) -> None:
        self._tracer = tracer
        self._common = {
            names.OMNIA_AGENT: env.agent_name,
            names.OMNIA_NAMESPACE: env.namespace,
            names.OMNIA_HANDLER: str(env.handler_mode),
        }

    def dialogue(
        self, inner: BackendConnection, headers: Mapping[str, str], door: str = "message"
    ) -> BackendConnection:
        """Return the dialogue of a connection.

        `headers` are those that opened it, `door` is the last part of the names of its spans.
        """
        if not self._tracer.enabled:
            return inner
        from omnia_facade.turns.traced import TracedConnection  # noqa: PLC0415 - when tracing

        return TracedConnection(inner, self._tracer, self.describe, headers, f"omnia.facade.{door}")

    def function(self, name: str, headers: Mapping[str, str]) -> Span:
        """Start the span of a call with these request headers."""
        span = self._tracer.start_span(FUNCTION_SPAN, SpanKind.SERVER, headers=headers)
        self.describe(span)
        span.set_attribute(names.OMNIA_FUNCTION, name)
        return span

    def describe(self, span: Span) -> None:
        """Set the attributes that all spans have."""
        span.set_attributes(self._common)
