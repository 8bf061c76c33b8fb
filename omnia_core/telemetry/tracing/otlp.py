"""The way of an OTLP request to the collector. Only a program that traces imports this."""

import http.client
from collections.abc import Callable

from omnia_core.telemetry.tracing.endpoint import Endpoint
from omnia_core.telemetry.tracing.queue import NotSent

SEND_SECONDS = 5.0

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


def sender(endpoint: Endpoint) -> Callable[[bytes], None]:
    """Return what sends a request, and raises NotSent when it does not arrive."""
    return _grpc(endpoint) if endpoint.protocol == "grpc" else _http(endpoint)


def _grpc(endpoint: Endpoint) -> Callable[[bytes], None]:
    import grpc  # noqa: PLC0415 - not loaded yet where a facade answers by itself

    options = [("grpc.enable_http_proxy", 0)]
    if endpoint.tls:
        channel = grpc.secure_channel(
            endpoint.address, grpc.ssl_channel_credentials(), options=options
        )
    else:
        channel = grpc.insecure_channel(endpoint.address, options=options)
    export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_EXPORT)

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
