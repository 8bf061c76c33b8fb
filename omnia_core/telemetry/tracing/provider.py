"""The OpenTelemetry SDK, set up for one program. Only a program that traces imports this.

The SDK reads the standard variables (`OTEL_*`) from the environment itself: they are its contract,
and other instrumentation in the process reads the same. This module only checks which of them are
set, because a standard variable wins over ours.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import (
    Decision,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretStr
from omnia_core.env.shared import DEFAULT_ENDPOINT
from omnia_core.telemetry.program import release
from omnia_core.telemetry.tracing.endpoint import (
    HTTP_PORT,
    Protocol,
    parse_endpoint,
    parse_protocol,
    protocol_of,
)
from omnia_core.telemetry.tracing.export import (
    Backlog,
    BoundedSpanProcessor,
    CountingExporter,
    SdkLogHandler,
    SpanCounts,
)
from omnia_core.telemetry.tracing.recording import RecordingTracer
from omnia_core.telemetry.tracing.span import Tracer

SCOPE = "omnia"
QUEUE_SPANS = 2048


def build_tracer(env: FacadeEnv | RuntimeEnv, counts: SpanCounts) -> Tracer:
    """Start the SDK, make its provider the global one, and return a tracer of it.

    Raises:
        Exception: a variable is invalid.
    """
    _redirect_logs()
    if not _setting(env, "propagators"):
        # Not baggage, as the SDK has it: what a client sends would go on to vendors and tools.
        propagate.set_global_textmap(TraceContextTextMapPropagator())
    backlog = Backlog(_queue_spans(env), content=env.tracing_content)
    exporter = CountingExporter(_exporter(env), backlog, counts, content=env.tracing_content)
    provider = TracerProvider(_sampler(env), _resource(env), shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(exporter, backlog, counts))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)

    def close(seconds: float) -> None:
        # The SDK's own shutdown waits for 30 seconds.
        flush = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        flush.start()
        flush.join(seconds)
        exporter.shutdown()

    translate = None
    if env.tracing_openinference:
        from omnia_core.telemetry.tracing import openinference  # noqa: PLC0415 - where asked for

        translate = openinference.translated
    return RecordingTracer(
        provider.get_tracer(SCOPE, release()),
        close,
        translate,
        content=env.tracing_content,
        parent_based=not _setting(env, "traces-sampler"),
    )


def _setting(env: FacadeEnv | RuntimeEnv, name: str) -> str:
    """Return a standard variable, for which `bsp-schedule-delay` names OTEL_BSP_SCHEDULE_DELAY."""
    value = env.otel.get(name)
    return value.reveal() if isinstance(value, SecretStr) else ""


def _queue_spans(env: FacadeEnv | RuntimeEnv) -> int:
    try:
        return int(_setting(env, "bsp-max-queue-size") or QUEUE_SPANS)
    except ValueError as error:
        raise ValueError("OTEL_BSP_MAX_QUEUE_SIZE: expected a whole number") from error


def _redirect_logs() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [SdkLogHandler()]
    logger.propagate = False


def _sampler(env: FacadeEnv | RuntimeEnv) -> Sampler | None:
    """Return the sampler; None lets the SDK read OTEL_TRACES_SAMPLER."""
    if _setting(env, "traces-sampler"):
        return None
    return ParentBasedRatioSampler(env.tracing_sample_rate)


class ParentBasedRatioSampler(TraceIdRatioBased):
    """Decides as the SDK's ParentBasedTraceIdRatio, with a third of its calls."""

    _sampled = SamplingResult(Decision.RECORD_AND_SAMPLE)
    _dropped = SamplingResult(Decision.DROP)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        *_: object,
        **__: object,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if not parent.is_valid:
            sampled = trace_id & self.TRACE_ID_LIMIT < self.bound
            return self._sampled if sampled else self._dropped
        if not parent.trace_state:
            return self._sampled if parent.trace_flags.sampled else self._dropped
        decision = Decision.RECORD_AND_SAMPLE if parent.trace_flags.sampled else Decision.DROP
        return SamplingResult(decision, trace_state=parent.trace_state)

    def get_description(self) -> str:
        return f"ParentBasedRatio{{{self.rate}}}"


def _resource(env: FacadeEnv | RuntimeEnv) -> Resource:
    component = "facade" if isinstance(env, FacadeEnv) else "runtime"
    own = Resource(
        {
            "service.name": f"omnia-{component}-{env.agent_name}",
            "service.namespace": env.namespace,
            "service.version": release(),
            "k8s.namespace.name": env.namespace,
        }
    )
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over ours, so they are merged last.
    merged = Resource.create().merge(own).merge(OTELResourceDetector().detect())
    return _HashedResource(merged.attributes, merged.schema_url)


class _HashedResource(Resource):
    """A resource that is hashed once: the exporters hash it for each span, as JSON."""

    def __init__(self, attributes: Mapping[str, Any], schema_url: str) -> None:
        super().__init__(attributes, schema_url)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


def _exporter(env: FacadeEnv | RuntimeEnv) -> SpanExporter:
    """Return the exporter of the protocol that is asked for.

    Raises:
        ValueError: names the variable.
    """
    protocol = _protocol(env)
    standard = _setting(env, "exporter-otlp-traces-endpoint") or _setting(
        env, "exporter-otlp-endpoint"
    )
    if standard:
        return _connect(protocol or protocol_of(standard), None)
    text = env.tracing_endpoint
    if text == DEFAULT_ENDPOINT and protocol == "http":
        text = f"localhost:{HTTP_PORT}"
    try:
        endpoint = parse_endpoint(text, protocol)
    except ValueError as error:
        raise ValueError(f"{env.variable('tracing_endpoint')}: {error}") from error
    return _connect(endpoint.protocol, endpoint.url)


def _protocol(env: FacadeEnv | RuntimeEnv) -> Protocol | None:
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        text = _setting(env, variable.removeprefix("OTEL_").lower().replace("_", "-"))
        if text:
            try:
                return parse_protocol(text)
            except ValueError as error:
                raise ValueError(f"{variable}: {error}") from error
    return None


def _connect(protocol: Protocol, url: str | None) -> SpanExporter:
    """Return an exporter; without a URL it reads the standard variables for it."""
    # Imported here: a pod needs one of the two.
    if protocol == "grpc":
        from omnia_core.telemetry.tracing.encoding import (  # noqa: PLC0415 - as above
            FastSpanExporter,
        )

        if url is None:
            return FastSpanExporter(SCOPE)
        # Like every call within the cluster, it goes through no proxy.
        no_proxy: Any = (("grpc.enable_http_proxy", 0),)
        return FastSpanExporter(
            SCOPE, url, insecure=not url.startswith("https"), channel_options=no_proxy
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(url)
