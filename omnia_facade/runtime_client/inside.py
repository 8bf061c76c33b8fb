"""Converts a runtime's description of the agent."""

from typing import Any

from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.backend.inside import (
    AgentInside,
    AgentTool,
    ComposedPrompt,
    ContextLimit,
    DeclaredVariable,
    ModelProvider,
    PackVersion,
    PromptText,
)


def to_inside(response: pb.DescribeAgentResponse) -> AgentInside:
    """Return the configuration of the agent."""
    window = ContextLimit(response.window_tokens, response.window_strategy)
    return AgentInside(
        pack=response.pack,
        versions=tuple(
            PackVersion(each.version, each.weight, each.template) for each in response.versions
        ),
        variables=tuple(map(_variable, response.variables)),
        tools=tuple(map(_tool, response.tools)),
        template=response.template,
        providers=tuple(
            ModelProvider(each.name, each.type, each.model, each.input_usd, each.output_usd)
            for each in response.providers
        ),
        window=window if window.tokens else None,
        validators=tuple(response.validators),
        evals=tuple(response.evals),
    )


def to_composed(response: pb.ComposePromptResponse) -> ComposedPrompt:
    """Return a composed prompt."""
    return ComposedPrompt(
        version=response.version,
        parts=tuple(PromptText(each.text, each.variable) for each in response.pieces),
        tokens=response.tokens,
        tools=tuple(response.tools),
        missing=tuple(response.missing),
        problems=tuple(response.problems),
    )


def _variable(variable: pb.PromptVariable) -> DeclaredVariable:
    return DeclaredVariable(
        name=variable.name,
        type=variable.type,
        required=variable.required,
        description=variable.description,
        default=_value(variable.default_json),
        enum=tuple(map(_value, variable.enum_json)),
    )


def _tool(tool: pb.OfferedTool) -> AgentTool:
    schema = _value(tool.input_schema_json)
    known: JsonObject = schema if isinstance(schema, dict) else {}
    by_client = tool.execution == pb.TOOL_EXECUTION_CLIENT
    return AgentTool(
        tool.name,
        tool.description,
        known,
        "client" if by_client else "",
        tool.handler,
        tool.type,
        tool.unreachable,
    )


def _value(text: str) -> Any:
    """Return the value of a JSON text; None of one that is empty or broken."""
    try:
        return parse_json(text) if text else None
    except ValueError:
        return None
