"""Spans for those who read OpenInference's names."""

from typing import Any

import pytest
from openinference.semconv.trace import OpenInferenceSpanKindValues, SpanAttributes
from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv
from omnia_core.telemetry.tracing import SpanKind, Value, names, openinference
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_core.telemetry.tracing.span import LONGEST_VALUE
from tests.collector import Spans, grpc_collector
from tests.services import LIMIT

KIND = "openinference.span.kind"


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"omnia.handler": "runtime"}, {KIND: "CHAIN"}),
        (
            {names.OPERATION: "invoke_agent", names.AGENT: "jam", names.INPUT_TOKENS: 7},
            {KIND: "AGENT", "agent.name": "jam"},
        ),
        (
            {
                names.OPERATION: "chat",
                names.PROVIDER: "gcp.gemini",
                names.REQUEST_MODEL: "small",
                names.REQUEST_TEMPERATURE: 0.5,
                names.REQUEST_MAX_TOKENS: 9,
                names.FINISH_REASONS: ("stop",),
                names.INPUT_TOKENS: 7,
                names.OUTPUT_TOKENS: 5,
                names.CACHED_TOKENS: 3,
                names.OMNIA_COST: 0.25,
            },
            {
                KIND: "LLM",
                "llm.provider": "google",
                "llm.model_name": "small",
                "llm.invocation_parameters": '{"temperature":0.5,"max_tokens":9}',
                "llm.finish_reason": "stop",
                "llm.token_count.prompt": 7,
                "llm.token_count.completion": 5,
                "llm.token_count.total": 12,
                "llm.token_count.prompt_details.cache_read": 3,
                "llm.cost.total": 0.25,
            },
        ),
        (
            {names.OPERATION: "execute_tool", names.TOOL: "find", names.TOOL_CALL: "c1"},
            {KIND: "TOOL", "tool.name": "find", "tool.id": "c1"},
        ),
        (
            {
                names.OPERATION: "execute_tool",
                names.TOOL_ARGUMENTS: '{"a": 1}',
                names.TOOL_RESULT: "{no shelf}",
            },
            {
                KIND: "TOOL",
                "tool.parameters": '{"a": 1}',
                "input.value": '{"a": 1}',
                "input.mime_type": "application/json",
                "output.value": "{no shelf}",
                "output.mime_type": "text/plain",
            },
        ),
    ],
)
def test_a_span_has_the_kind_and_the_names_of_openinference(
    noted: dict[str, Value], expected: dict[str, Any]
) -> None:
    spans = Spans()
    with grpc_collector(spans) as endpoint:
        env = RuntimeEnv(
            agent_name="jam",
            tracing_enabled=True,
            tracing_endpoint=endpoint,
            tracing_openinference=True,
        )
        tracer = configure_tracing(env, CollectorRegistry())
        with tracer.start_span("work", SpanKind.SERVER, session_id="s1") as span:
            for name, value in noted.items():
                span.set_attribute(name, value)
        tracer.close(LIMIT)
        seen = spans.named("work")["work"].own
    beside = {name: seen.pop(name) for name in (*noted, "gen_ai.conversation.id")}
    assert beside["gen_ai.conversation.id"] == "s1"
    assert seen == {**expected, "session.id": "s1"}


def test_json_that_was_cut_is_called_text() -> None:
    cut = ("[" + '"x",' * LONGEST_VALUE)[:LONGEST_VALUE]
    said = openinference.translated({names.OPERATION: "chat", names.INPUT_MESSAGES: cut})
    assert (said["input.value"], said["input.mime_type"]) == (cut, "text/plain")


def test_the_names_are_those_of_the_official_package() -> None:
    known = {each for each in vars(SpanAttributes).values() if isinstance(each, str)}
    kinds = {each.value for each in OpenInferenceSpanKindValues}
    ours = {
        value
        for name, value in vars(openinference).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    assert len(ours) == 19
    assert ours <= known
    assert {"AGENT", "CHAIN", "LLM", "TOOL"} <= kinds
