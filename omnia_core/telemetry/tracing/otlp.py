"""Spans as OTLP, and their way to the collector. Only a program that traces imports this."""

import http.client
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from omnia_core.telemetry.tracing.endpoint import Endpoint
from omnia_core.telemetry.tracing.queue import NotSent
from omnia_core.telemetry.tracing.recording import RecordedSpan
from omnia_core.telemetry.tracing.span import Value

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

SEND_SECONDS = 5.0
SCOPE = "omnia"

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# OTLP 1.x, "Failures": what may be sent again.
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_RETRIED_CODES = frozenset(
    {
        "ABORTED",
        "CANCELLED",
        "DATA_LOSS",
        "DEADLINE_EXCEEDED",
        "OUT_OF_RANGE",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
    }
)
_SAMPLED = 1

Pairs: TypeAlias = "RepeatedCompositeFieldContainer[KeyValue]"


def encoder(resource: Mapping[str, Value]) -> Callable[[Sequence[RecordedSpan]], bytes]:
    """Return what makes a request of spans; `resource` says who sends them."""
    who = Resource()
    _fill(who.attributes, resource.items())

    def encode(spans: Sequence[RecordedSpan]) -> bytes:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=who)
        scope = group.scope_spans.add()
        scope.scope.name = SCOPE
        for span in spans:
            _fill_span(scope.spans.add(), span)
        return request.SerializeToString()

    return encode


def sender(endpoint: Endpoint) -> Callable[[bytes], None]:
    """Return what sends a request, and raises NotSent when it does not arrive."""
    return _grpc(endpoint) if endpoint.protocol == "grpc" else _http(endpoint)


def _fill_span(target: trace_pb2.Span, span: RecordedSpan) -> None:
    context = span.context
    target.trace_id = context.trace_id.to_bytes(16, "big")
    target.span_id = context.span_id.to_bytes(8, "big")
    if span.parent_id:
        target.parent_span_id = span.parent_id.to_bytes(8, "big")
    target.name = span.name
    target.kind = int(span.kind)  # type: ignore[assignment] # the numbers are OTLP's
    target.start_time_unix_nano = span.began
    target.end_time_unix_nano = span.ended
    target.flags = _SAMPLED
    _fill(target.attributes, span.attributes.items())
    for name, at in span.events:
        target.events.add(name=name, time_unix_nano=at)
    if span.failure:
        target.status.code = trace_pb2.Status.STATUS_CODE_ERROR


def _fill(pairs: Pairs, attributes: Iterable[tuple[str, Value]]) -> None:
    # Filled where they stand: making each message first and adding it takes twice as long.
    for name, value in attributes:
        pair = pairs.add()
        pair.key = name
        _set(pair.value, value)


def _set(target: AnyValue, value: Value) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    else:
        for each in value:
            target.array_value.values.add().string_value = each


def _grpc(endpoint: Endpoint) -> Callable[[bytes], None]:
    import grpc  # noqa: PLC0415 - not loaded yet where a facade answers by itself

    options = [("grpc.enable_http_proxy", 0)]
    if endpoint.tls:
        channel = grpc.secure_channel(
            endpoint.address, grpc.ssl_channel_credentials(), options=options
        )
    else:
        channel = grpc.insecure_channel(endpoint.address, options=options)
    export: grpc.UnaryUnaryMultiCallable[bytes, ExportTraceServiceResponse] = channel.unary_unary(
        _EXPORT,
        request_serializer=None,
        response_deserializer=ExportTraceServiceResponse.FromString,
    )

    def send(request: bytes) -> None:
        try:
            export(request, timeout=SEND_SECONDS)
        except grpc.RpcError as error:
            name = error.code().name
            raise NotSent(
                f"the collector at {endpoint.address} answered {name}",
                retry=name in _RETRIED_CODES,
            ) from error

    return send


def _http(endpoint: Endpoint) -> Callable[[bytes], None]:
    connect = http.client.HTTPSConnection if endpoint.tls else http.client.HTTPConnection

    def send(request: bytes) -> None:
        connection = connect(endpoint.host, endpoint.port, timeout=SEND_SECONDS)
        try:
            headers = {"Content-Type": "application/x-protobuf"}
            connection.request("POST", endpoint.path, request, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise NotSent(
                f"the collector cannot be reached at {endpoint.address} ({type(error).__name__})",
                retry=True,
            ) from error
        finally:
            connection.close()
        if status // 100 != 2:  # noqa: PLR2004 - success
            raise NotSent(
                f"the collector at {endpoint.address} answered with status {status}",
                retry=status in _RETRIED_STATUSES,
            )

    return send
