"""Reading the body of a request: its known parameters, and what becomes of the others."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import TooDeep, check_depth
from omnia_facade.backend.events import RequestTool
from omnia_facade.doors.history import SentConversation, SentMessage
from omnia_facade.doors.openai.refusals import invalid, unsupported

Body = TypeVar("Body", bound=Struct)

# The roles of instructions for the model, which are the agent's own.
INSTRUCTING = ("system", "developer")
# The agent's manifest decides about these, or they say nothing about the answer.
IGNORED_HEADER = "Omnia-Ignored"
SESSION_KEY = "session_id"
MAX_TOOLS = 128
_NULL = b"null"
_EMPTY_SCHEMA = b'{"type":"object","properties":{}}'

_top = msgspec.json.Decoder(dict[str, Raw])


class Function(Struct, frozen=True):
    """A function that the client executes."""

    name: str
    description: str | None = None
    parameters: Raw = Raw(_NULL)


class Tool(Struct, frozen=True):
    """A tool of a request; a chat completion has its function in an object of its own."""

    type: str = "function"
    function: Function | None = None
    name: str | None = None
    description: str | None = None
    parameters: Raw = Raw(_NULL)


class KnownParameters(Struct, kw_only=True):
    """The parameters of completions and responses alike."""

    model: str | None = None
    stream: bool | None = None
    metadata: dict[str, str] | None = None
    tools: tuple[Tool, ...] | None = None


class ConversationRequest(Struct, frozen=True, kw_only=True):
    """What completions and responses ask for alike.

    Attributes:
        session_id: the conversation that the request names; "" if it names none.
        messages: what the client sent of it, without instructions for the model.
        conversation: the same, divided into what was said before and what is new.
        ignored: the parameters that have no effect, and `system` if there are instructions.
    """

    model: str
    stream: bool
    session_id: str
    metadata: dict[str, str]
    messages: tuple[SentMessage, ...]
    conversation: SentConversation
    tools: tuple[RequestTool, ...]
    ignored: tuple[str, ...]


def decode(body: bytes, decoder: "msgspec.json.Decoder[Body]") -> tuple[Body, dict[str, Raw]]:
    """Return the known parameters, and all parameters that are not null by their names.

    Raises:
        DoorFailed: the body is not the JSON object that is expected.
    """
    try:
        check_depth(body)
        given = _top.decode(body)
        known = decoder.decode(body)
    except TooDeep as error:
        raise invalid(f"the body is {error}", name="invalid_json") from error
    except msgspec.ValidationError as error:
        raise invalid(str(error), _place(error), "invalid_type") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"the body is not JSON: {error}", name="invalid_json") from error
    return known, {name: raw for name, raw in given.items() if bytes(raw) != _NULL}


def ignored(given: Mapping[str, Raw], used: Collection[str]) -> tuple[str, ...]:
    """Return the parameters that have no effect, for the header that lists them."""
    return tuple(
        name for name in given if name not in used and name.isascii() and name.isprintable()
    )


def plain_text_format(raw: Raw) -> bool:
    """Whether a format asks for text; any other one asks for what the agent does not promise."""
    try:
        return msgspec.json.decode(raw, type=_Format).type == "text"
    except msgspec.DecodeError:
        return False


class _Format(Struct):
    type: str


def read_tools(tools: tuple[Tool, ...], choice: Raw | None) -> tuple[RequestTool, ...]:
    """Return the tools that the client offers for this turn.

    Raises:
        DoorFailed: a tool is not a function, or the choice cannot be honoured.
    """
    chosen = _choice(choice)
    if chosen not in ("auto", "none"):
        raise unsupported(
            "tool_choice",
            'this agent decides itself which tools it calls; use "auto" or "none"',
        )
    if len(tools) > MAX_TOOLS:
        raise invalid(
            f"tools: expected at most {MAX_TOOLS} tools, found {len(tools)}; offer fewer", "tools"
        )
    read = tuple(_tool(tool, index) for index, tool in enumerate(tools))
    return () if chosen == "none" else read


def _choice(choice: Raw | None) -> str:
    if choice is None:
        return "auto"
    try:
        return msgspec.json.decode(choice, type=str)
    except msgspec.DecodeError:
        return ""


def _tool(tool: Tool, index: int) -> RequestTool:
    param = f"tools[{index}]"
    if tool.type != "function":
        raise unsupported(
            f"{param}.type",
            f'this agent has no tool of the type "{tool.type[:64]}"; offer a function',
        )
    name = tool.function.name if tool.function else tool.name
    if not name:
        raise invalid(f"{param}: expected a function with a name", param)
    described = tool.function.description if tool.function else tool.description
    schema = bytes(tool.function.parameters if tool.function else tool.parameters)
    if schema == _NULL:
        schema = _EMPTY_SCHEMA
    elif not schema.startswith(b"{"):
        raise invalid(
            f"{param}.parameters: expected a JSON Schema, which is an object",
            f"{param}.parameters",
        )
    return RequestTool(name, described or "", schema.decode())


class CalledFunction(Struct, frozen=True):
    """A function call in an assistant message."""

    name: str
    arguments: str = "{}"


class SentCall(Struct, frozen=True):
    """A tool call in an assistant message of a chat completion."""

    id: str
    function: CalledFunction


def calls_of(calls: tuple[SentCall, ...] | None) -> tuple[ToolCall, ...]:
    """Return the calls of an assistant message."""
    return tuple(
        ToolCall(call.id, call.function.name, call.function.arguments) for call in calls or ()
    )


def metadata_of(metadata: Mapping[str, str] | None) -> tuple[dict[str, str], str]:
    """Return the metadata of a turn, and the session that they name; "" if they name none."""
    rest = dict(metadata or {})
    return rest, rest.pop(SESSION_KEY, "")


def _place(error: msgspec.ValidationError) -> str:
    """Return the parameter that an error of msgspec is about: it ends in ``at `$.NAME` ``."""
    _, found, place = str(error).rpartition("`$.")
    return place.rstrip("`") if found else ""


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """Return the header that lists the parameters of a request without an effect."""
    return {IGNORED_HEADER: ", ".join(names)} if names else {}
