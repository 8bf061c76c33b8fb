"""The names that OpenInference gives to what a span says; pure. Loaded where they are asked for.

https://arize-ai.github.io/openinference/spec/: its attributes stand beside those of OpenTelemetry.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import orjson

from omnia_core.jsonvalue import json_bytes
from omnia_core.telemetry.tracing import names
from omnia_core.telemetry.tracing.span import LONGEST_VALUE, Value

SpanKind: TypeAlias = Literal["AGENT", "CHAIN", "LLM", "TOOL"]

KIND = "openinference.span.kind"
SESSION = "session.id"
AGENT = "agent.name"
INPUT = "input.value"
INPUT_TYPE = "input.mime_type"
OUTPUT = "output.value"
OUTPUT_TYPE = "output.mime_type"
MODEL = "llm.model_name"
PROVIDER = "llm.provider"
PARAMETERS = "llm.invocation_parameters"
FINISH_REASON = "llm.finish_reason"
PROMPT_TOKENS = "llm.token_count.prompt"
COMPLETION_TOKENS = "llm.token_count.completion"
TOTAL_TOKENS = "llm.token_count.total"
CACHED_TOKENS = "llm.token_count.prompt_details.cache_read"
COST = "llm.cost.total"
TOOL = "tool.name"
TOOL_ID = "tool.id"
TOOL_PARAMETERS = "tool.parameters"

_KINDS: Mapping[Value, SpanKind] = {
    "invoke_agent": "AGENT",
    "chat": "LLM",
    "execute_tool": "TOOL",
}
# What backends add up is said of calls of models only: a turn would count them twice.
_SAME: Mapping[SpanKind, Mapping[str, str]] = {
    "AGENT": {
        names.AGENT: AGENT,
        names.INPUT_MESSAGES: INPUT,
        names.OUTPUT_MESSAGES: OUTPUT,
    },
    "CHAIN": {},
    "LLM": {
        names.REQUEST_MODEL: MODEL,
        names.INPUT_TOKENS: PROMPT_TOKENS,
        names.OUTPUT_TOKENS: COMPLETION_TOKENS,
        names.CACHED_TOKENS: CACHED_TOKENS,
        names.OMNIA_COST: COST,
        names.INPUT_MESSAGES: INPUT,
        names.OUTPUT_MESSAGES: OUTPUT,
    },
    "TOOL": {
        names.TOOL: TOOL,
        names.TOOL_CALL: TOOL_ID,
        names.TOOL_ARGUMENTS: INPUT,
        names.TOOL_RESULT: OUTPUT,
    },
}
_PARAMETERS = {
    names.REQUEST_TEMPERATURE: "temperature",
    names.REQUEST_TOP_P: "top_p",
    names.REQUEST_MAX_TOKENS: "max_tokens",
}
_PROVIDERS: Mapping[Value, str] = {"gcp.gemini": "google"}


def translated(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """Return the attributes that OpenInference adds to those of a span."""
    kind = _KINDS.get(attributes.get(names.OPERATION, ""), "CHAIN")
    said: dict[str, Value] = {KIND: kind}
    if names.CONVERSATION in attributes:
        said[SESSION] = attributes[names.CONVERSATION]
    said |= {theirs: attributes[ours] for ours, theirs in _SAME[kind].items() if ours in attributes}
    if kind == "LLM":
        said |= _of_model(attributes)
    if kind == "TOOL" and INPUT in said:
        said[TOOL_PARAMETERS] = said[INPUT]
    for value, mime_type in ((INPUT, INPUT_TYPE), (OUTPUT, OUTPUT_TYPE)):
        if value in said:
            said[mime_type] = _mime_type(said[value])
    return said


def _of_model(attributes: Mapping[str, Value]) -> dict[str, Value]:
    said: dict[str, Value] = {}
    provider = attributes.get(names.PROVIDER)
    if provider is not None:
        said[PROVIDER] = _PROVIDERS.get(provider, provider)
    given = {theirs: attributes[ours] for ours, theirs in _PARAMETERS.items() if ours in attributes}
    if given:
        said[PARAMETERS] = json_bytes(given).decode()
    reasons = attributes.get(names.FINISH_REASONS)
    if isinstance(reasons, tuple) and reasons:
        said[FINISH_REASON] = reasons[0]
    used = [attributes.get(each) for each in (names.INPUT_TOKENS, names.OUTPUT_TOKENS)]
    counts = [each for each in used if isinstance(each, int)]
    if counts:
        said[TOTAL_TOKENS] = sum(counts)
    return said


def _mime_type(value: Value) -> str:
    # What was cut is JSON no more.
    text = str(value)
    whole = text[:1] in ("{", "[") and len(text) < LONGEST_VALUE
    try:
        orjson.loads(text if whole else "")
    except orjson.JSONDecodeError:
        return "text/plain"
    return "application/json"
