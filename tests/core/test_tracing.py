"""Spans: what is recorded, how they are related, and how they reach a collector."""

import ast
import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.tracing import (
    NO_SPAN,
    NO_TRACER,
    SpanKind,
    Tracer,
    Value,
    current_span,
    names,
    trace_headers,
)
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_core.telemetry.tracing.encoding import encode
from omnia_core.telemetry.tracing.endpoint import Endpoint, parse_endpoint, protocol_of
from omnia_core.telemetry.tracing.export import (
    BATCH_BYTES,
    SPAN_BYTES,
    Backlog,
    BoundedSpanProcessor,
    CountingExporter,
    DropReason,
)
from omnia_core.telemetry.tracing.span import LONGEST_VALUE
from tests.collector import Spans, attributes, grpc_collector, http_collector
from tests.services import LIMIT, free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"


@contextlib.contextmanager
def tracing(endpoint: str, **variables: str) -> Iterator[tuple[Tracer, CollectorRegistry]]:
    """Trace as a facade does; what was recorded is sent at the end."""
    forget_logged()
    registry = CollectorRegistry()
    environ = {
        "OMNIA_AGENT_NAME": "jam",
        "OMNIA_NAMESPACE": "kitchen",
        "OMNIA_TRACING_ENABLED": "true",
        "OMNIA_TRACING_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        **variables,
    }
    with pytest.MonkeyPatch.context() as patch:
        # The SDK reads the standard variables itself.
        for name, text in environ.items():
            patch.setenv(name, text)
        tracer = configure_tracing(FacadeEnv.parse(environ), registry)
    try:
        yield tracer, registry
    finally:
        tracer.close(LIMIT)


def forget_logged() -> None:
    """Let the SDK log again what another test made it log: it leaves a line out for 20 seconds."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith("opentelemetry") and isinstance(logger, logging.Logger):
            for each in logger.filters:
                vars(each).pop("last_log", None)


def away() -> str:
    """Return an address where no collector is."""
    return f"127.0.0.1:{free_port()}"


def is_sampled(traceparent: str) -> bool:
    return bool(int(traceparent[-2:], 16) & 1)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"agent": "jam", "namespace": "kitchen", **labels})


def test_tracing_that_is_off_records_nothing_and_names_no_trace() -> None:
    env = RuntimeEnv(agent_name="jam")
    assert configure_tracing(env, CollectorRegistry()) is NO_TRACER
    with (
        NO_TRACER.start_span("turn", SpanKind.SERVER, headers={"traceparent": SAMPLED}) as span,
        span.start_child("a", SpanKind.CLIENT),
    ):
        span.set_attribute("a", 1)
        span.add_event("b")
        span.set_error("c")
        assert span is NO_SPAN
        assert current_span() is NO_SPAN
        assert trace_headers() == {}


def test_an_endpoint_that_is_none_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="OMNIA_TRACING_ENDPOINT: expected host:port"):
        configure_tracing(
            FacadeEnv(agent_name="jam", tracing_enabled=True, tracing_endpoint="ftp://there"),
            CollectorRegistry(),
        )


@pytest.mark.parametrize("collector", [grpc_collector, http_collector])
def test_spans_reach_a_collector_with_their_attributes(
    collector: Callable[[Spans], contextlib.AbstractContextManager[str]],
) -> None:
    spans = Spans()
    with collector(spans) as endpoint:
        with (
            tracing(endpoint) as (tracer, registry),
            tracer.start_span("turn", SpanKind.SERVER, session_id="s1") as turn,
        ):
            turn.set_attribute("text", "ä")
            turn.set_attribute("number", 7)
            turn.set_attribute("part", 0.5)
            turn.set_attribute("yes", True)
            turn.set_attribute("several", ("a", "b"))
            turn.add_event("first chunk")
            with turn.start_child("chat", SpanKind.CLIENT):
                pass
        seen = spans.named("turn", "chat")
    assert seen["turn"].own == {
        "gen_ai.conversation.id": "s1",
        "text": "ä",
        "number": 7,
        "part": 0.5,
        "yes": True,
        "several": ["a", "b"],
    }
    span = seen["turn"].span
    assert [each.name for each in span.events] == ["first chunk"]
    assert span.start_time_unix_nano <= span.events[0].time_unix_nano <= span.end_time_unix_nano
    assert seen["turn"].service == "omnia-facade-jam"
    assert (seen["turn"].parent, seen["chat"].parent) == ("", seen["turn"].id)
    assert seen["chat"].trace == seen["turn"].trace
    assert seen["chat"].own == {"gen_ai.conversation.id": "s1"}
    assert (span.kind, seen["chat"].span.kind) == (span.SPAN_KIND_SERVER, span.SPAN_KIND_CLIENT)
    assert value(registry, "omnia_tracing_spans_sent_total") == 2


def test_a_span_is_the_current_one_until_it_ends() -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint, tracing(endpoint) as (tracer, _):
        with tracer.start_span("turn", SpanKind.SERVER, headers={"traceparent": SAMPLED}) as turn:
            assert current_span() is turn
            with turn.start_child("chat", SpanKind.CLIENT) as chat:
                assert trace_headers() == {"traceparent": chat.traceparent}
            assert current_span() is turn
        assert current_span() is NO_SPAN
    assert turn.traceparent.startswith(f"00-{TRACE}-")
    assert turn.traceparent.endswith("-01")
    assert turn.traceparent != SAMPLED


async def test_a_generator_that_is_closed_elsewhere_ends_its_span() -> None:
    spans = Spans()

    async def talk(tracer: Tracer) -> AsyncGenerator[int, None]:
        with tracer.start_span("talk", SpanKind.CLIENT):
            yield 1
            yield 2

    with grpc_collector(spans) as endpoint:
        with tracing(endpoint) as (tracer, _):
            events = talk(tracer)
            await asyncio.create_task(anext(events))
            await events.aclose()
        seen = await asyncio.to_thread(spans.named, "talk")
    assert seen["talk"].own == {"omnia.cancelled": True}
    assert not seen["talk"].failed
    assert current_span() is NO_SPAN


def test_a_failure_is_told_by_its_type_and_never_by_its_text() -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        with (
            tracing(endpoint) as (tracer, _),
            contextlib.suppress(ValueError),
            tracer.start_span("turn", SpanKind.SERVER),
        ):
            raise ValueError("sk-secret")
        seen = spans.named("turn")
    assert seen["turn"].failed
    assert seen["turn"].own == {"error.type": "ValueError"}
    assert b"sk-secret" not in b"".join(spans.raw)


def test_a_long_value_is_cut() -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        with tracing(endpoint) as (tracer, _), tracer.start_span("turn", SpanKind.SERVER) as turn:
            turn.set_attribute("long", "x" * (LONGEST_VALUE + 1))
        seen = spans.named("turn")
    assert len(seen["turn"].own["long"]) == LONGEST_VALUE


@pytest.mark.parametrize(
    ("rate", "remote", "recorded"),
    [
        (1.0, "", True),
        (0.0, "", False),
        (0.0, SAMPLED, True),
        (1.0, UNSAMPLED, False),
        (1.0, "not a header", True),
    ],
)
def test_the_caller_decides_what_is_sampled_and_else_the_rate(
    rate: float, remote: str, *, recorded: bool
) -> None:
    with tracing(away(), OMNIA_TRACING_SAMPLE_RATE=str(rate)) as (tracer, _):
        span = tracer.start_span("turn", SpanKind.SERVER, headers={"traceparent": remote})
        assert span.recording is recorded
        assert span.start_child("a", SpanKind.CLIENT).recording is recorded
        assert is_sampled(span.traceparent) is recorded
        if remote == UNSAMPLED:
            with span, span.start_child("a", SpanKind.CLIENT):
                assert trace_headers()["traceparent"].startswith(f"00-{TRACE}-")
                assert trace_headers()["traceparent"].endswith("-00")


def test_a_share_of_all_traces_is_sampled() -> None:
    with tracing(away(), OMNIA_TRACING_SAMPLE_RATE="0.25") as (tracer, _):
        spans = [tracer.start_span("turn", SpanKind.SERVER) for _ in range(4000)]
    assert 800 < sum(span.recording for span in spans) < 1200
    assert len({span.traceparent[:35] for span in spans}) == 4000


@pytest.mark.parametrize(
    ("header", "continued"),
    [
        (SAMPLED, True),
        (UNSAMPLED, True),
        (f" {SAMPLED} ", True),
        (f"01-{TRACE}-{SPAN}-01-later", True),
        (f"{SAMPLED}-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (SAMPLED.upper(), False),
        (f"{SAMPLED}, {SAMPLED}", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("of_the_message", [True, False])
def test_a_traceparent_is_read_as_the_standard_says(
    header: str, *, continued: bool, of_the_message: bool
) -> None:
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    with tracing(away()) as (tracer, _):
        span = (
            tracer.start_span(
                "turn", SpanKind.SERVER, headers={"traceparent": other}, traceparent=header
            )
            if of_the_message and header
            else tracer.start_span("turn", SpanKind.SERVER, headers={"traceparent": header})
        )
    assert (span.traceparent[3:35] == TRACE) is continued
    assert span.recording is (header != UNSAMPLED)


def test_tracestate_goes_on_to_those_who_are_called() -> None:
    headers = {"traceparent": SAMPLED, "tracestate": "vendor=1", "baggage": "user=sam"}
    with (
        tracing(away()) as (tracer, _),
        tracer.start_span("turn", SpanKind.SERVER, headers=headers) as turn,
    ):
        assert trace_headers() == {"traceparent": turn.traceparent, "tracestate": "vendor=1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("collector:4317", Endpoint("grpc", "collector", 4317, tls=False)),
        ("collector", Endpoint("grpc", "collector", 4317, tls=False)),
        ("http://collector:4317", Endpoint("grpc", "collector", 4317, tls=False)),
        ("https://collector", Endpoint("grpc", "collector", 4317, tls=True)),
        ("grpcs://collector:443", Endpoint("grpc", "collector", 443, tls=True)),
        ("collector:4318", Endpoint("http", "collector", 4318, False, "/v1/traces")),
        ("http://collector:4318/", Endpoint("http", "collector", 4318, False, "/v1/traces")),
        (
            "https://c.example/otlp/v1/traces",
            Endpoint("http", "c.example", 443, True, "/otlp/v1/traces"),
        ),
        ("[::1]:4317", Endpoint("grpc", "::1", 4317, tls=False)),
    ],
)
def test_an_endpoint_may_be_written_in_every_common_form(text: str, expected: Endpoint) -> None:
    assert parse_endpoint(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "http://", "ftp://collector", "c:port", "http://user:pw@c:4317", "http://c/?key=pw"],
)
def test_what_is_no_endpoint_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected host:port") as raised:
        parse_endpoint(text)
    assert "pw" not in str(raised.value)


class Counted:
    """What became of spans."""

    def __init__(self) -> None:
        self.arrived = 0
        self.lost: list[tuple[int, DropReason]] = []

    def sent(self, spans: int) -> None:
        self.arrived += spans

    def dropped(self, spans: int, reason: DropReason) -> None:
        self.lost.append((spans, reason))


class Keeping(SpanExporter):
    """Keeps the batches that it is given; `send` may fail or take its time."""

    def __init__(self, send: Callable[[], bool] = lambda: True) -> None:
        self.batches: list[list[str]] = []
        self._send = send

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append([span.name for span in spans])
        return SpanExportResult.SUCCESS if self._send() else SpanExportResult.FAILURE


def traced(
    exporter: SpanExporter, backlog: Backlog, counts: Counted, texts: Sequence[str]
) -> Callable[[], None]:
    """End a span with each of the texts; return what sends the rest."""
    provider = TracerProvider(shutdown_on_exit=False)
    counting = CountingExporter(exporter, backlog, counts)
    provider.add_span_processor(BoundedSpanProcessor(counting, backlog, counts))
    tracer = provider.get_tracer("omnia")
    for number, text in enumerate(texts):
        tracer.start_span(str(number), attributes={"text": text}).end()
    return provider.shutdown


def test_spans_are_sent_in_batches_and_the_rest_at_the_end() -> None:
    exporter, counts = Keeping(), Counted()
    traced(exporter, Backlog(2048), counts, ["a"] * 515)()
    assert [name for batch in exporter.batches for name in batch] == list(map(str, range(515)))
    assert max(map(len, exporter.batches)) <= 512
    assert (counts.arrived, counts.lost) == (515, [])


def test_a_batch_is_no_larger_than_what_a_collector_takes() -> None:
    exporter, counts = Keeping(), Counted()
    third, whole = "a" * (BATCH_BYTES // 3 - SPAN_BYTES), "b" * (BATCH_BYTES + 1)
    traced(exporter, Backlog(2048), counts, [third, third, third, third, whole, third])()
    assert [len(batch) for batch in exporter.batches] == [3, 1, 1, 1]
    assert (counts.arrived, counts.lost) == (6, [])


@pytest.mark.parametrize(
    ("backlog", "texts"),
    [(Backlog(515), ["a"] * 5), (Backlog(2048, 515 * (SPAN_BYTES + 1)), ["a"] * 5)],
    ids=["spans", "bytes"],
)
def test_a_full_queue_drops_spans_instead_of_making_anyone_wait(
    backlog: Backlog, texts: list[str]
) -> None:
    sending, answered = threading.Event(), threading.Event()

    def send() -> bool:
        sending.set()
        return answered.wait(LIMIT)

    counts = Counted()
    exporter = Keeping(send)
    provider = TracerProvider(shutdown_on_exit=False)
    counting = CountingExporter(exporter, backlog, counts)
    provider.add_span_processor(BoundedSpanProcessor(counting, backlog, counts))
    tracer = provider.get_tracer("omnia")

    def end(spans: int) -> None:
        for _ in range(spans):
            tracer.start_span("turn", attributes={"text": "a"}).end()

    end(512)  # a whole batch, which is sent now
    assert sending.wait(LIMIT)
    end(515 + len(texts))
    assert counts.lost == [(1, "queue_full")] * len(texts)
    answered.set()
    provider.shutdown()
    assert counts.arrived == 512 + 515


def test_a_batch_that_fails_is_counted_and_ends_nothing() -> None:
    def fail() -> bool:
        raise OSError("broken")

    for send in (fail, lambda: False):
        counts = Counted()
        traced(Keeping(send), Backlog(2048), counts, ["a"] * 3)()
        assert (counts.arrived, counts.lost) == (0, [(3, "not_sent")])


def test_a_collector_that_is_away_is_told_once_a_minute() -> None:
    with (
        structlog.testing.capture_logs() as lines,
        tracing(away(), OTEL_EXPORTER_OTLP_TIMEOUT="1") as (tracer, registry),
    ):
        for _ in range(3 * 512):
            with tracer.start_span("turn", SpanKind.SERVER):
                pass
    assert [line["event"] for line in lines] == ["spans do not reach the collector"]
    assert value(registry, "omnia_tracing_spans_dropped_total", reason="not_sent") == 3 * 512
    assert value(registry, "omnia_tracing_spans_sent_total") == 0


def test_the_end_of_a_program_waits_for_no_collector_that_is_away() -> None:
    with tracing(away(), OTEL_EXPORTER_OTLP_TIMEOUT="60") as (tracer, _):
        with tracer.start_span("turn", SpanKind.SERVER):
            pass
        began = time.monotonic()
        tracer.close(1.0)
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("collector", [grpc_collector, http_collector])
def test_a_busy_collector_gets_the_spans_a_little_later(
    collector: Callable[[Spans], contextlib.AbstractContextManager[str]],
) -> None:
    spans = Spans()
    spans.refuses = 1
    with collector(spans) as endpoint, tracing(endpoint) as (tracer, registry):
        with tracer.start_span("turn", SpanKind.SERVER):
            pass
        spans.named("turn")
    assert value(registry, "omnia_tracing_spans_sent_total") == 1


attributes_of_any_type = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.lists(st.text(max_size=20), max_size=4),
        # What only others note.
        st.lists(st.integers(0, 1), max_size=2),
        st.dictionaries(st.text("ab", min_size=1), st.booleans(), max_size=2),
        st.binary(max_size=3),
        st.just(2**70),
    ),
    max_size=6,
)


@given(
    attributes=st.lists(attributes_of_any_type, min_size=1, max_size=4),
    scope=st.sampled_from(["omnia", "foreign"]),
    of_event=st.booleans(),
    remote=st.booleans(),
)
def test_what_is_encoded_here_is_what_the_sdk_encodes(
    attributes: list[dict[str, Any]], scope: str, *, of_event: bool, remote: bool
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ids = trace.SpanContext(int(TRACE, 16), 7, is_remote=remote, trace_flags=trace.TraceFlags(1))
    parent = trace.set_span_in_context(trace.NonRecordingSpan(ids))
    for number, noted in enumerate(attributes):
        tracer = provider.get_tracer(scope if number % 2 else "omnia", "1.0")
        span = tracer.start_span("chat", parent if number else None, trace.SpanKind.CLIENT)
        span.set_attributes(noted)
        span.add_event("first chunk", {"a": 1} if of_event else None)
        span.set_status(trace.StatusCode.ERROR if number % 2 else trace.StatusCode.UNSET)
        span.end()
    spans = exporter.get_finished_spans()
    assert messages(encode(spans, "omnia")) == messages(encode_spans(spans))


def messages(request: ExportTraceServiceRequest) -> list[tuple[Any, ...]]:
    """Return each span with its resource and scope, in the order of their ids."""
    return sorted(
        (span.span_id, span, scope.scope.name, scope.scope.version, str(group.resource))
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )


@pytest.mark.parametrize(
    ("noted", "read"),
    [("\ud800 half", "? half"), (2**70, 2**63 - 1), (-(2**70), -(2**63)), (-1, -1)],
)
def test_a_value_that_otlp_cannot_hold_costs_no_other_span(noted: Value, read: Value) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        with tracing(endpoint) as (tracer, _), tracer.start_span("turn", SpanKind.SERVER) as turn:
            turn.set_attribute("odd", noted)
        assert spans.named("turn")["turn"].own == {"odd": read}


def test_names_of_the_genai_conventions_are_those_of_the_conventions() -> None:
    known = {each for each in vars(gen_ai_attributes).values() if isinstance(each, str)}
    ours = {each for each in vars(names).values() if isinstance(each, str)}
    mine = {each for each in ours if each.startswith("gen_ai.")}
    assert mine
    # The name of an event is not among those of the attributes.
    assert mine - {names.EVALUATION_RESULT} <= known


@pytest.mark.parametrize(
    ("standard", "ours", "service", "recorded"),
    [
        ({}, {}, "omnia-facade-jam", True),
        ({"OTEL_SERVICE_NAME": "shop"}, {}, "shop", True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,team=a"}, {}, "shop", True),
        ({}, {"OMNIA_TRACING_SAMPLE_RATE": "0"}, "", False),
        (
            {"OTEL_TRACES_SAMPLER": "always_on"},
            {"OMNIA_TRACING_SAMPLE_RATE": "0"},
            "omnia-facade-jam",
            True,
        ),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, {}, "", False),
    ],
)
def test_a_standard_variable_wins_over_ours(
    standard: dict[str, str], ours: dict[str, str], service: str, *, recorded: bool
) -> None:
    spans = Spans()
    with (
        grpc_collector(spans) as endpoint,
        tracing(endpoint, **standard, **ours) as (tracer, _),
        tracer.start_span("turn", SpanKind.SERVER) as span,
    ):
        assert span.recording is recorded
    assert {seen.service for seen in spans.all()} == ({service} if service else set())


@pytest.mark.parametrize(
    ("collector", "variables"),
    [
        (
            grpc_collector,
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://{}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        ),
        (
            grpc_collector,
            {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://{}",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            },
        ),
        (http_collector, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{}"}),
        (
            http_collector,
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "{}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            },
        ),
    ],
)
def test_the_standard_endpoint_wins_over_ours_and_is_sent_the_headers(
    collector: Callable[[Spans], contextlib.AbstractContextManager[str]],
    variables: dict[str, str],
) -> None:
    spans = Spans()
    with collector(spans) as endpoint:
        # The path of traces belongs to the variable of traces only.
        of_traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in variables
        base = endpoint if of_traces else endpoint.removesuffix("/v1/traces")
        chosen = {name: text.format(base) for name, text in variables.items()}
        with (
            tracing(away(), OTEL_EXPORTER_OTLP_HEADERS="api-key=sk-1", **chosen) as (tracer, _),
            tracer.start_span("turn", SpanKind.SERVER),
        ):
            pass
        spans.named("turn")
    assert spans.headers[0]["api-key"] == "sk-1"


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("http://collector:4317", "grpc"),
        ("collector:4317", "grpc"),
        ("http://collector:4318", "http"),
        ("https://otlp.example.com", "http"),
    ],
)
def test_a_standard_endpoint_without_a_protocol_is_http_but_for_the_port_of_grpc(
    text: str, protocol: str
) -> None:
    assert protocol_of(text) == protocol


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "sk-1"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
    ],
)
def test_a_standard_variable_that_is_invalid_is_named(variables: dict[str, str]) -> None:
    (name,) = variables
    with pytest.raises(ConfigurationError, match=name), tracing(away(), **variables):
        pass


def test_the_sdk_may_be_disabled_by_its_own_variable() -> None:
    with tracing(away(), OTEL_SDK_DISABLED="true") as (tracer, _):
        assert tracer is NO_TRACER


# Runs in a process of its own: the provider and the propagators of OpenTelemetry are global.
FOREIGN = """
import asyncio, os, sys
from opentelemetry import baggage, context, trace
from prometheus_client import CollectorRegistry
from omnia_core.env import FacadeEnv
from omnia_core.telemetry.tracing import SpanKind, current_span, trace_headers
from omnia_core.telemetry.tracing.configuration import configure_tracing

theirs = trace.get_tracer("foreign")
tracer = configure_tracing(FacadeEnv.parse(os.environ), CollectorRegistry())

async def model():
    with current_span().start_child("chat", SpanKind.CLIENT):
        yield 1
        with theirs.start_as_current_span("foreign in a generator"):
            yield 2
            with current_span().start_child("ours within theirs", SpanKind.CLIENT):
                yield 3

async def tool():
    with current_span().start_child("tool", SpanKind.INTERNAL):
        await asyncio.sleep(0)
        try:
            with theirs.start_as_current_span("foreign in a tool"):
                print(trace_headers())
                raise ValueError("sk-secret")
        except ValueError:
            pass

async def main():
    headers = {"traceparent": sys.argv[1], "baggage": "user=sam"}
    with tracer.start_span("turn", SpanKind.SERVER, headers=headers):
        await asyncio.gather(tool(), tool())
        async for _ in model():
            pass
    assert trace.get_current_span() is trace.INVALID_SPAN

asyncio.run(main())
tracer.close(5)
"""


def run_foreign(
    endpoint: str, traceparent: str, *, fails: bool = False, **variables: str
) -> list[str]:
    """Return the lines of standard output, or of standard error where the program fails."""
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, traceparent],
        env={
            **os.environ,
            "OMNIA_AGENT_NAME": "jam",
            "OMNIA_TRACING_ENABLED": "true",
            "OMNIA_TRACING_ENDPOINT": endpoint,
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if fails:
        assert done.returncode == 1
        return done.stderr.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_spans_of_other_instrumentation_are_children_of_ours_and_ours_of_theirs() -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        headers = run_foreign(endpoint, SAMPLED)
    seen = spans.all()
    by_id = {each.id: each.span.name for each in seen}
    assert {each.trace for each in seen} == {TRACE}
    assert sorted((each.span.name, by_id.get(each.parent, "")) for each in seen) == [
        ("chat", "turn"),
        ("foreign in a generator", "chat"),
        ("foreign in a tool", "tool"),
        ("foreign in a tool", "tool"),
        ("ours within theirs", "foreign in a generator"),
        ("tool", "turn"),
        ("tool", "turn"),
        ("turn", ""),
    ]
    # What is called is a child of the innermost span, and is sent no baggage by default.
    inner = [each for each in seen if each.span.name == "foreign in a tool"]
    assert sorted(headers) == sorted(
        str({"traceparent": f"00-{TRACE}-{each.id}-01"}) for each in inner
    )


@pytest.mark.parametrize("content", ["true", "false"])
def test_errors_of_others_tell_texts_only_where_content_is_asked_for(content: str) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        run_foreign(endpoint, SAMPLED, OMNIA_TRACING_CONTENT=content)
    assert (b"sk-secret" in b"".join(spans.raw)) is (content == "true")
    failed = spans.named("foreign in a tool")["foreign in a tool"]
    assert failed.failed
    assert [each.name for each in failed.span.events] == ["exception"]


def test_a_trace_that_is_not_recorded_is_not_recorded_by_others_either() -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        headers = run_foreign(endpoint, UNSAMPLED)
    assert spans.all() == []
    assert {each[17:52] for each in headers} == {f"00-{TRACE}"}


@pytest.mark.parametrize(
    ("propagators", "names"),
    [("tracecontext,baggage", {"traceparent", "baggage"}), ("none", set())],
)
def test_the_propagators_are_those_of_the_standard_variable(
    propagators: str, names: set[str]
) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        headers = run_foreign(endpoint, SAMPLED, OTEL_PROPAGATORS=propagators)
    assert all(set(ast.literal_eval(each)) == names for each in headers)


def test_a_propagator_that_is_not_there_is_a_fault_of_the_configuration() -> None:
    *_, error = run_foreign(away(), SAMPLED, fails=True, OTEL_PROPAGATORS="b9")
    assert "ConfigurationError" in error
    assert "Propagator b9 not found" in error


def test_secret_headers_are_not_in_the_log() -> None:
    with (
        structlog.testing.capture_logs() as lines,
        tracing(away(), OTEL_EXPORTER_OTLP_HEADERS="sk-secret"),
    ):
        pass
    assert "sk-secret" not in str(lines)
    assert lines[0]["event"] == "OpenTelemetry reports a problem"


@pytest.mark.parametrize("content", ["true", "false"])
def test_the_result_of_an_evaluation_is_an_event_and_other_events_keep_no_texts(
    content: str,
) -> None:
    given: dict[str, Value] = {
        "gen_ai.evaluation.name": "polite",
        "gen_ai.evaluation.score.value": 0.5,
    }
    spans = Spans()
    with (
        grpc_collector(spans) as endpoint,
        tracing(endpoint, OMNIA_TRACING_CONTENT=content) as (tracer, _),
    ):
        with tracer.start_span("turn", SpanKind.SERVER) as span:
            pass
        # The span of the turn has ended.
        with span.start_child("evaluate", SpanKind.INTERNAL) as child:
            child.add_event(names.EVALUATION_RESULT, given)
            child.add_event("of another library", {"exception.message": "secret"})
    found = spans.named("turn", "evaluate")
    events = found["evaluate"].span.events
    assert found["evaluate"].span.parent_span_id == found["turn"].span.span_id
    assert [(each.name, attributes(each)) for each in events] == [
        (names.EVALUATION_RESULT, given),
        ("of another library", {"exception.message": "secret"} if content == "true" else {}),
    ]
