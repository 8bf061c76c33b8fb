"""Spans: what is recorded, how they are related, and how they reach a collector."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from omnia_core.telemetry.tracing.context import TraceContext, new_trace, parse
from omnia_core.telemetry.tracing.encoding import encode, requests
from omnia_core.telemetry.tracing.queue import BATCH, BATCH_BYTES, Dropped, NotSent, SpanQueue
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
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
from omnia_core.telemetry.tracing.endpoint import Endpoint, parse_endpoint
from omnia_core.telemetry.tracing.recording import LONGEST_VALUE, RecordedSpan
from tests.collector import Spans, grpc_collector, http_collector
from tests.collector import attributes as attributes_of
from tests.services import LIMIT, free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"


@contextlib.contextmanager
def tracing(endpoint: str, **fields: object) -> Iterator[tuple[Tracer, CollectorRegistry]]:
    """Trace as a facade does; what was recorded is sent at the end."""
    registry = CollectorRegistry()
    env = FacadeEnv(
        agent_name="jam", namespace="kitchen", tracing_enabled=True, tracing_endpoint=endpoint
    )
    values = {each: getattr(env, each) for each in env.__struct_fields__} | fields
    tracer = configure_tracing(FacadeEnv(**values), registry)
    try:
        yield tracer, registry
    finally:
        tracer.close(LIMIT)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"agent": "jam", "namespace": "kitchen", **labels})


def test_tracing_that_is_off_records_nothing_and_names_no_trace() -> None:
    env = RuntimeEnv(agent_name="jam")
    assert configure_tracing(env, CollectorRegistry()) is NO_TRACER
    with (
        NO_TRACER.start_span("turn", SpanKind.SERVER, remote=SAMPLED) as span,
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
        with tracer.start_span("turn", SpanKind.SERVER, remote=SAMPLED) as turn:
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
    address = f"127.0.0.1:{free_port()}"
    with tracing(address, tracing_sample_rate=rate) as (tracer, _):
        span = tracer.start_span("turn", SpanKind.SERVER, remote=remote)
        assert span.recording is recorded
        assert span.start_child("a", SpanKind.CLIENT).recording is recorded
        assert span.traceparent.endswith("-01" if recorded else "-00")
        if remote == UNSAMPLED:
            with span, span.start_child("a", SpanKind.CLIENT):
                assert trace_headers()["traceparent"].startswith(f"00-{TRACE}-")
                assert trace_headers()["traceparent"].endswith("-00")


def test_a_share_of_all_traces_is_sampled() -> None:
    sampled = sum(new_trace(0.25).sampled for _ in range(4000))
    assert 800 < sampled < 1200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (SAMPLED, TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)),
        (UNSAMPLED, TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=False)),
        (f" {SAMPLED} ", TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)),
        (f"01-{TRACE}-{SPAN}-01-later", TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)),
        (f"{SAMPLED}-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (SAMPLED.upper(), None),
        (f"{SAMPLED}, {SAMPLED}", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_the_standard_says(
    header: str, expected: TraceContext | None
) -> None:
    assert parse(header) == expected
    if expected:
        assert parse(expected.header) == expected


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
        self.lost: list[tuple[int, Dropped]] = []

    def sent(self, spans: int) -> None:
        self.arrived += spans

    def dropped(self, spans: int, why: Dropped) -> None:
        self.lost.append((spans, why))


def test_spans_are_sent_in_batches_and_the_rest_at_the_end() -> None:
    batches: list[Sequence[bytes]] = []
    counts = Counted()
    queue = SpanQueue(batches.append, counts, delay=LIMIT)
    spans = [b"%d" % number for number in range(BATCH + 3)]
    for span in spans:
        queue.put(span)
    queue.close(LIMIT)
    assert [each for batch in batches for each in batch] == spans
    assert max(map(len, batches)) <= BATCH
    assert (counts.arrived, counts.lost) == (BATCH + 3, [])


def test_a_batch_is_no_larger_than_what_a_collector_takes() -> None:
    batches: list[Sequence[bytes]] = []
    counts = Counted()
    queue = SpanQueue(batches.append, counts, delay=LIMIT)
    third, whole = b"a" * (BATCH_BYTES // 3), b"b" * (BATCH_BYTES + 1)
    for span in (third, third, third, third, whole, third):
        queue.put(span)
    queue.close(LIMIT)
    assert [len(each) for each in batches] == [3, 1, 1, 1]
    assert (counts.arrived, counts.lost) == (6, [])


@pytest.mark.parametrize(("spans", "size"), [(2, 1000), (1000, 2)])
def test_a_full_queue_drops_spans_instead_of_making_anyone_wait(spans: int, size: int) -> None:
    sending, answered = threading.Event(), threading.Event()

    def send(_: Sequence[bytes]) -> None:
        sending.set()
        answered.wait(LIMIT)

    counts = Counted()
    queue = SpanQueue(send, counts, limit=spans, limit_bytes=size, delay=0)
    queue.put(b"1")
    assert sending.wait(LIMIT)
    for _ in range(5):
        queue.put(b"2")
    assert counts.lost == [(1, "queue_full")] * 3
    answered.set()
    queue.close(LIMIT)
    assert counts.arrived == 3


def test_a_collector_that_is_away_is_asked_again_and_one_that_refuses_is_not() -> None:
    asked: list[bytes] = []

    def send(batch: Sequence[bytes]) -> None:
        asked.append(batch[0])
        raise NotSent("no", retry=batch[0] == b"1")

    counts = Counted()
    queue = SpanQueue(send, counts, delay=0, retries=(0, 0))
    for number, span in enumerate((b"1", b"2"), 1):
        queue.put(span)
        while len(counts.lost) < number:  # the thread's part
            threading.Event().wait(0.001)
    queue.close(LIMIT)
    assert asked == [b"1", b"1", b"1", b"2"]
    assert counts.lost == [(1, "not_sent"), (1, "not_sent")]


def test_a_collector_that_is_away_is_told_once_a_minute() -> None:
    address = f"127.0.0.1:{free_port()}"
    with structlog.testing.capture_logs() as lines, tracing(address) as (tracer, registry):
        for _ in range(3 * BATCH):
            with tracer.start_span("turn", SpanKind.SERVER):
                pass
    assert [each["event"] for each in lines] == ["spans do not reach the collector"]
    assert value(registry, "omnia_tracing_spans_dropped_total", reason="not_sent") == 3 * BATCH
    assert value(registry, "omnia_tracing_spans_sent_total") == 0


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
    st.text(max_size=200),
    st.one_of(
        st.text(max_size=200),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.lists(st.text(max_size=20), max_size=4).map(tuple),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(attributes=attributes_of_any_type, name=st.text(max_size=3000), fails=st.booleans())
def test_what_is_encoded_by_hand_is_what_the_official_package_reads(
    attributes: dict[str, Value], name: str, *, fails: bool
) -> None:
    kept: list[RecordedSpan] = []
    context = TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)
    with RecordedSpan(kept.append, context, 7, name, SpanKind.CLIENT, "", content=False) as span:
        for each, noted in attributes.items():
            span.set_attribute(each, noted)
        span.add_event(name)
    if fails:
        span.failure = "timeout"
    request = ExportTraceServiceRequest.FromString(
        requests({"service.name": name})([encode(span), encode(span)])
    )
    (group,) = request.resource_spans
    (scope,) = group.scope_spans
    assert (attributes_of(group.resource), scope.scope.name) == ({"service.name": name}, "omnia")
    assert scope.spans[0] == scope.spans[1]
    read = scope.spans[0]
    expected = {
        each: list(noted) if isinstance(noted, tuple) else noted
        for each, noted in attributes.items()
    }
    found = attributes_of(read)
    assert found == expected
    assert {each: type(noted) for each, noted in found.items()} == {
        each: type(noted) for each, noted in expected.items()
    }
    assert (read.name, read.kind, read.flags) == (name, read.SPAN_KIND_CLIENT, 1)
    assert (read.trace_id.hex(), read.span_id.hex()) == (TRACE, SPAN)
    assert int.from_bytes(read.parent_span_id) == 7
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (span.began, span.ended)
    assert [(each.name, each.time_unix_nano) for each in read.events] == span.events
    assert (read.status.code == read.status.STATUS_CODE_ERROR) is fails


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
    assert mine <= known
