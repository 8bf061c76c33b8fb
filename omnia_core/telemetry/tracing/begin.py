"""Tracing as the environment wants it."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.tracing.endpoint import parse_endpoint
from omnia_core.telemetry.tracing.queue import Dropped, SpanQueue
from omnia_core.telemetry.tracing.recording import Encode, RecordedSpan, RecordingTracer
from omnia_core.telemetry.tracing.span import NO_TRACER, Tracer


def begin_tracing(env: FacadeEnv | RuntimeEnv, registry: CollectorRegistry) -> Tracer:
    """Return the tracer of a program, which counts in `registry` what becomes of its spans.

    Raises:
        ConfigurationError: the endpoint is none.
    """
    if not env.tracing_enabled:
        return NO_TRACER
    # Imported here: a program that does not trace does not pay for it.
    from omnia_core.telemetry.tracing import encoding  # noqa: PLC0415 - as above
    from omnia_core.telemetry.tracing.otlp import sender  # noqa: PLC0415 - as above

    try:
        endpoint = parse_endpoint(env.tracing_endpoint)
    except ValueError as error:
        raise ConfigurationError(f"{env.variable('tracing_endpoint')}: {error}") from error
    component = "facade" if isinstance(env, FacadeEnv) else "runtime"
    encode: Encode = encoding.encode
    request = encoding.requests(_resource(component, env.agent_name, env.namespace))
    send = sender(endpoint)
    counts = _Counters(registry, agent=env.agent_name, namespace=env.namespace)
    queue = SpanQueue(lambda spans: send(request(spans)), counts)
    if env.tracing_openinference:
        encode = _with_openinference(encode)
    return RecordingTracer(encode, queue, env.tracing_sample_rate, content=env.tracing_content)


def _with_openinference(encode: Encode) -> Encode:
    from omnia_core.telemetry.tracing.openinference import (  # noqa: PLC0415 - as above
        translated,
    )

    def encode_both(span: RecordedSpan) -> bytes:
        span.attributes |= translated(span.attributes)
        return encode(span)

    return encode_both


def _resource(component: str, agent: str, namespace: str) -> Mapping[str, str]:
    try:
        release = version("omnia-agents")
    except PackageNotFoundError:
        release = ""
    return {
        "service.name": f"omnia-{component}-{agent}",
        "service.namespace": namespace,
        "service.version": release,
        "k8s.namespace.name": namespace,
        "telemetry.sdk.name": "omnia",
        "telemetry.sdk.language": "python",
    }


class _Counters:
    def __init__(self, registry: CollectorRegistry, **constant: str) -> None:
        sent = Counter(
            "omnia_tracing_spans_sent_total",
            "Spans that the collector took.",
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
        reasons: tuple[Dropped, ...] = ("queue_full", "not_sent")
        self._dropped = {each: dropped.labels(**constant, reason=each) for each in reasons}

    def sent(self, spans: int) -> None:
        self._sent.inc(spans)

    def dropped(self, spans: int, why: Dropped) -> None:
        self._dropped[why].inc(spans)
