"""A collector that keeps what it is sent, on the official messages of OTLP."""

import contextlib
import gzip
import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.services import LIMIT


class Spans:
    """What has arrived.

    Attributes:
        raw: the requests as they came.
        headers: of each request, with lower-case names.
        refuses: requests that are refused before one is taken.
    """

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.refuses = 0
        self._found: list[tuple[str, trace_pb2.Span]] = []
        self._changed = threading.Condition()

    def take(self, request: pb.ExportTraceServiceRequest, headers: Mapping[str, str]) -> bool:
        with self._changed:
            self.headers.append({name.lower(): text for name, text in headers.items()})
            if self.refuses:
                self.refuses -= 1
                return False
            self.raw.append(request.SerializeToString())
            for group in request.resource_spans:
                service = attributes(group.resource)["service.name"]
                for scope in group.scope_spans:
                    self._found += [(service, span) for span in scope.spans]
            self._changed.notify_all()
            return True

    def named(self, *names: str) -> dict[str, "Seen"]:
        """Wait until there is a span of each of the names; return them by name."""
        deadline = time.monotonic() + LIMIT
        with self._changed:
            while not set(names) <= {span.name for _, span in self._found}:
                there = sorted(span.name for _, span in self._found)
                left = deadline - time.monotonic()
                assert left > 0, f"of {names} there are only {there}"
                self._changed.wait(left)
            return {span.name: Seen(service, span) for service, span in self._found}

    def all(self) -> list["Seen"]:
        with self._changed:
            return [Seen(service, span) for service, span in self._found]


class Seen:
    """One span, in Python's types.

    Attributes:
        service: who sent it.
        own: its attributes.
    """

    def __init__(self, service: str, span: trace_pb2.Span) -> None:
        self.service = service
        self.span = span
        self.own = attributes(span)
        self.trace = span.trace_id.hex()
        self.id = span.span_id.hex()
        self.parent = span.parent_span_id.hex()
        self.failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR


def attributes(holder: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in holder.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class _Service(pb_grpc.TraceServiceServicer):
    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def Export(  # noqa: N802 - the service's name
        self, request: pb.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> pb.ExportTraceServiceResponse:
        metadata = {str(name): str(text) for name, text in context.invocation_metadata() or ()}
        if not self._spans.take(request, metadata):
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        return pb.ExportTraceServiceResponse()


@contextlib.contextmanager
def grpc_collector(spans: Spans, port: int = 0) -> Iterator[str]:
    """Serve OTLP over gRPC; yield `host:port`."""
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
        _Service(spans), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(LIMIT)


@contextlib.contextmanager
def http_collector(spans: Spans) -> Iterator[str]:
    """Serve OTLP over HTTP; yield the URL of traces."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = self.headers["Content-Type"] == "application/x-protobuf"
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            request = pb.ExportTraceServiceRequest.FromString(body)
            taken = right and spans.take(request, dict(self.headers.items()))
            self.send_response(200 if taken else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(LIMIT)
