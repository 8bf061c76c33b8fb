"""The one tool of an agent or of a function: its description and its arguments."""

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.mcp.envelope import INVALID_PARAMS, McpError

_SESSION_ID = (
    "The conversation to continue: the session_id of an earlier result. Without it a new one begins"
)
INPUT = "input"
"""The argument that is the input of a function which takes no object."""

_USAGE = {
    "type": "object",
    "properties": {
        "input_tokens": {"type": "integer"},
        "output_tokens": {"type": "integer"},
        "cost_usd": {"type": "number"},
    },
}


class ToolDescription(Struct, frozen=True):
    """A tool as `tools/list` describes it.

    Attributes:
        output_schema: None if the result is text only.
    """

    name: str
    title: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None = None

    def document(self, *, modern: bool) -> JsonObject:
        """Return the tool for a client. An older one reads schemas of objects only."""
        document: JsonObject = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
        }
        output = self.output_schema
        if output is not None and (modern or output.get("type") == "object"):
            document["outputSchema"] = output
        return document


class AgentArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of an agent's tool."""

    message: str
    session_id: str | None = None


class ArgumentsInvalid(Exception):
    """The arguments break the input schema; the message is for the model that wrote them."""


def agent_tool(name: str, title: str, description: str) -> ToolDescription:
    """Return the tool that sends a message to an agent."""
    return ToolDescription(
        name,
        title,
        description or f"Send a message to the agent {title} and get its answer.",
        {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "What to say to the agent"},
                "session_id": {"type": "string", "description": _SESSION_ID},
            },
            "required": ["message"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "answer": {"type": "string"},
                "session_id": {"type": "string", "description": _SESSION_ID},
                "finish_reason": {"type": "string"},
                "usage": _USAGE,
            },
            "required": ["answer", "session_id"],
        },
    )


def function_tool(
    name: str, description: str, input_schema: JsonObject, output_schema: JsonObject
) -> ToolDescription:
    """Return the tool that calls a function: its schemas are those of the tool."""
    if takes_object(input_schema):
        # MCP requires the type, which a schema of an object may leave out.
        schema = {"type": "object", **input_schema}
    else:
        schema = {"type": "object", "properties": {INPUT: input_schema}, "required": [INPUT]}
    text = description or f"Call the function {name}."
    return ToolDescription(name, name, text, schema, output_schema)


def takes_object(input_schema: JsonObject) -> bool:
    """Whether the arguments of the tool are the input; otherwise the input is one argument."""
    return bool(input_schema.get("type", "object") == "object")


def called_arguments(params: JsonObject, tool: ToolDescription) -> JsonObject:
    """Return the arguments of `tools/call`.

    Raises:
        McpError: the tool is not this one, or there are no arguments that could be checked.
    """
    name, arguments = params.get("name"), params.get("arguments")
    if name != tool.name:
        raise McpError(
            400, INVALID_PARAMS, f'there is no tool "{str(name)[:64]}"; call "{tool.name}"'
        )
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise McpError(400, INVALID_PARAMS, "arguments must be an object")
    return arguments


def agent_arguments(arguments: JsonObject) -> AgentArguments:
    """Check the arguments of an agent's tool.

    Raises:
        ArgumentsInvalid: says which one is wrong.
    """
    try:
        return msgspec.convert(arguments, AgentArguments)
    except msgspec.ValidationError as error:
        raise ArgumentsInvalid(f"input_invalid: {error}") from error
