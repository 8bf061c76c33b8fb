"""The tracer that the environment asks for."""

from prometheus_client import CollectorRegistry, Counter

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.tracing.span import NO_TRACER, Tracer


def configure_tracing(env: FacadeEnv | RuntimeEnv, registry: CollectorRegistry) -> Tracer:
    """Return the tracer of a program, which counts its spans in `registry`.

    Raises:
        ConfigurationError: a variable is invalid.
    """
    if not env.tracing_enabled or env.otel.get("sdk-disabled") == SecretStr("true"):
        return NO_TRACER
    # Imported here: a program that does not trace loads nothing of OpenTelemetry.
    try:
        from omnia_core.telemetry.tracing.provider import build_tracer  # noqa: PLC0415 - as above

        counts = _Counters(registry, agent=env.agent_name, namespace=env.namespace)
        return build_tracer(env, counts)
    except Exception as error:
        # The SDK has no error of its own for a variable that it cannot use.
        raise ConfigurationError(f"Tracing cannot start. {error}") from error


class _Counters:
    def __init__(self, registry: CollectorRegistry, **constant: str) -> None:
        sent = Counter(
            "omnia_tracing_spans_sent_total",
            "Spans that the collector accepted.",
            tuple(constant),
            registry=registry,
        )
        dropped = Counter(
            "omnia_tracing_spans_dropped_total",
            "Spans that were lost: queue_full, or not_sent.",
            (*constant, "reason"),
            registry=registry,
        )
        self._sent = sent.labels(**constant)
        self._dropped = {
            reason: dropped.labels(**constant, reason=reason)
            for reason in ("queue_full", "not_sent")
        }

    def sent(self, spans: int) -> None:
        self._sent.inc(spans)

    def dropped(self, spans: int, reason: str) -> None:
        self._dropped[reason].inc(spans)
