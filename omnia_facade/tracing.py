"""The spans of a facade."""

from collections.abc import Mapping

from omnia_core.env import FacadeEnv
from omnia_core.telemetry.tracing import TRACEPARENT, Span, SpanKind, Tracer, names
from omnia_facade.backend.port import BackendConnection

FUNCTION_SPAN = "omnia.facade.function"


class FacadeTracing:
    """What the facade traces, with what all of its spans say."""

    def __init__(self, tracer: Tracer, env: FacadeEnv) -> None:
        self._tracer = tracer
        self._common = {
            names.OMNIA_AGENT: env.agent_name,
            names.OMNIA_NAMESPACE: env.namespace,
            names.OMNIA_HANDLER: str(env.handler_mode),
        }

    def dialogue(self, inner: BackendConnection, headers: Mapping[str, str]) -> BackendConnection:
        """Return the dialogue of a connection; `headers` are those that opened it."""
        if not self._tracer.enabled:
            return inner
        from omnia_facade.turns.traced import TracedConnection  # noqa: PLC0415 - when tracing

        remote = headers.get(TRACEPARENT, "")
        return TracedConnection(inner, self._tracer, self.describe, remote)

    def function(self, name: str, headers: Mapping[str, str]) -> Span:
        """Begin the span of a call with these headers."""
        remote = headers.get(TRACEPARENT, "")
        span = self._tracer.start(FUNCTION_SPAN, SpanKind.SERVER, remote=remote)
        if span.recording:
            self.describe(span)
            span.note(names.OMNIA_FUNCTION, name)
        return span

    def describe(self, span: Span) -> None:
        """Note whose span it is."""
        for name, value in self._common.items():
            span.note(name, value)
