"""Maps protobuf messages to turns, and events, results and errors to protobuf messages."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.trial import MAX_NAME, MAX_SYSTEM, Trial
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Advice, Code, OmniaError, abridged
from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_core.names import INLINE_VERSION, RuntimeCapability
from omnia_core.sessions import Message, SessionConflict
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.ports.listener import AgentEvent, ToolAnswered, ToolCalled
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.turns.budget import BudgetExceeded
from omnia_runtime.turns.invocation import InvocationResult
from omnia_runtime.turns.session_turns import SessionBusy, SessionUnknown
from omnia_runtime.turns.turn import UserTurn

CAPABILITIES = (
    RuntimeCapability.INVOKE.value,
    RuntimeCapability.CLIENT_TOOLS.value,
    RuntimeCapability.SEED_HISTORY.value,
    RuntimeCapability.REQUEST_TOOLS.value,
    RuntimeCapability.READ_CONVERSATION.value,
    RuntimeCapability.NAME_CONVERSATION.value,
    RuntimeCapability.DELETE_CONVERSATION.value,
    RuntimeCapability.FORK.value,
)
# Offered by a client in one message.
MAX_TOOLS = 128
INTERNAL_MESSAGE = "the agent failed; its log has the reason"

# A part's type on the wire, and its type in `Part`.
_PART_TYPES = {"text": "text", "file": "document", **{name: name for name in MEDIA_TYPES}}

_STREAM_CODES = {
    Code.INVALID_ARGUMENT: ErrorCode.INVALID_MESSAGE,
    Code.UNAVAILABLE: ErrorCode.AGENT_UNAVAILABLE,
    Code.RESOURCE_EXHAUSTED: ErrorCode.TOOL_FAILED,
}


class RejectedMessage(Struct, frozen=True):
    """The error for a message that starts no turn."""

    code: str
    message: str


def read_message(message: pb.ClientMessage) -> UserTurn | RejectedMessage:
    """Return the turn that a client's message starts, or the error."""
    if message.HasField("duplex_start") or message.HasField("audio_input"):
        return RejectedMessage(
            ErrorCode.DUPLEX_UNSUPPORTED, "this runtime does not support voice sessions"
        )
    if not message.session_id:
        return RejectedMessage(ErrorCode.INVALID_MESSAGE, "session_id is empty")
    if message.HasField("client_tool_result"):
        call = message.client_tool_result.call_id
        return RejectedMessage(
            ErrorCode.INVALID_MESSAGE, f'no call "{call}" waits for a result of the client'
        )
    for part in message.parts:
        if part.type not in _PART_TYPES:
            known = ", ".join(_PART_TYPES)
            return RejectedMessage(
                ErrorCode.INVALID_MESSAGE,
                f'a part has the type "{part.type}"; expected one of {known}',
            )
    # Parts take precedence over content, as in the WebSocket protocol.
    text = "\n".join(part.text for part in message.parts if part.type == "text")
    media = tuple(_read_part(part) for part in message.parts if part.type != "text")
    if not message.parts:
        text = message.content
    if not text and not media:
        return RejectedMessage(
            ErrorCode.INVALID_MESSAGE, "the message has neither content nor parts"
        )
    try:
        tools = _read_tools(message.tools)
        history = tuple(map(_read_history, message.history))
        trial = _read_trial(message.trial) if message.HasField("trial") else None
    except ValueError as error:
        return RejectedMessage(ErrorCode.INVALID_MESSAGE, str(error))
    return UserTurn(
        session_id=message.session_id,
        content=text,
        parts=media,
        metadata=dict(message.metadata),
        sent=[],
        traceparent=message.traceparent,
        history=history,
        tools=tools,
        trial=trial,
    )


def _read_trial(trial: pb.Trial) -> Trial:
    if len(trial.system) > MAX_SYSTEM:
        raise ValueError(
            f"trial.system has {len(trial.system)} characters; expected at most {MAX_SYSTEM}"
        )
    return Trial(trial.version[:MAX_NAME], trial.provider[:MAX_NAME], trial.system)


def _read_history(message: pb.HistoryMessage) -> Message:
    if message.role == "user":
        return Message("user", message.content)
    if message.role == "assistant":
        return Message("assistant", message.content)
    raise ValueError(
        f'a message of the history has the role "{abridged(message.role)}"; expected user or'
        " assistant"
    )


def _read_tools(tools: Sequence[pb.RequestTool]) -> tuple[ToolSpec, ...]:
    if len(tools) > MAX_TOOLS:
        raise ValueError(f"the message offers {len(tools)} tools; expected at most {MAX_TOOLS}")
    read: dict[str, ToolSpec] = {}
    for tool in tools:
        name = tool.name
        if not name or name in read:
            raise ValueError(f'a tool has the name "{abridged(name)}": empty, or given twice')
        read[name] = ToolSpec(name, tool.description, _read_schema(tool), on_client=True)
    return tuple(read.values())


def _read_schema(tool: pb.RequestTool) -> JsonObject:
    try:
        schema = parse_json(tool.parameters_json or "{}")
    except ValueError as error:
        raise ValueError(f'the parameters of the tool "{tool.name[:64]}" are {error}') from error
    if isinstance(schema, dict):
        return schema
    raise ValueError(
        f'the parameters of the tool "{tool.name[:64]}" are not a JSON Schema, which is an object'
    )


def _read_part(part: pb.ContentPart) -> Part:
    media = part.media
    return Part(
        type=_PART_TYPES[part.type],
        text=part.text,
        media=Media(
            mime_type=media.mime_type,
            data=media.data,
            url=media.url,
            storage_ref=media.storage_ref,
        ),
    )


def hello_message(capabilities: Sequence[str]) -> pb.ServerMessage:
    """Return the first message of a stream, with the capabilities of the runtime."""
    return pb.ServerMessage(runtime_hello=pb.RuntimeHello(capabilities=capabilities))


def capabilities(*, uploads: bool, lists: bool = False) -> tuple[str, ...]:
    """Return the capabilities of this runtime.

    Args:
        uploads: whether a message may refer to an upload.
        lists: whether its store can list sessions.
    """
    further = (
        (RuntimeCapability.MEDIA_STORAGE_REF, uploads),
        (RuntimeCapability.LIST_CONVERSATIONS, lists),
    )
    return (*CAPABILITIES, *(each.value for each, offered in further if offered))


def event_message(event: AgentEvent, *, show_tools: bool) -> pb.ServerMessage | None:
    """Return the message for an event; None if the client does not get it.

    Events of client tools are not sent: the client got the call itself, and knows its result.
    """
    if not show_tools or event.on_client:
        return None
    match event:
        case ToolCalled(call):
            return pb.ServerMessage(
                tool_call=pb.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments)
            )
        case ToolAnswered(call, result):
            return pb.ServerMessage(
                tool_result=pb.ToolResult(
                    id=call.id, result_json=result.content, is_error=result.is_error
                )
            )


def done_message(
    turn: UserTurn, text: str, reason: str, usage: Usage, parts: Sequence[Part] = ()
) -> pb.ServerMessage:
    """Return the last message of a turn. If there are media parts, the text is a part too."""
    text_parts = [pb.ContentPart(type="text", text=text)] if parts and text else []
    return pb.ServerMessage(
        done=pb.Done(
            final_content=text,
            usage=_usage_message(usage),
            parts=[*text_parts, *map(part_message, parts)],
            finish_reason=reason,
            session_name=turn.session_name,
            pack_version=turn.pack_version if turn.pack_version != INLINE_VERSION else "",
            trial=turn.trial is not None,
        )
    )


def error_message(
    code: str, message: str, *, trial: bool = False, advice: Advice | None = None
) -> pb.ServerMessage:
    """Return the last message of a turn that failed.

    Args:
        code: of `stream_code`.
        message: what happened.
        trial: whether its session tries something out.
        advice: for a person, where the code does not say enough.
    """
    told = advice and pb.Advice(
        title=advice.title,
        hint=advice.hint,
        retryable=advice.retryable,
        retry_after=advice.retry_after,
    )
    return pb.ServerMessage(
        error=pb.Error(code=code, message=message, trial=trial, advice=told or None)
    )


def stream_code(error: OmniaError) -> str:
    """Return the code for an error message on a Converse stream."""
    if isinstance(error, SessionBusy | SessionConflict):
        return ErrorCode.SESSION_CONFLICT
    if isinstance(error, BudgetExceeded):
        return ErrorCode.BUDGET_EXCEEDED
    if isinstance(error, SessionUnknown):
        return ErrorCode.SESSION_EXPIRED
    return _STREAM_CODES.get(error.code, ErrorCode.INTERNAL_ERROR)


def invocation_response(invocation_id: str, result: InvocationResult) -> pb.InvocationResponse:
    """Return the response of a function call."""
    return pb.InvocationResponse(
        output_json=result.output,
        usage=_usage_message(result.usage),
        duration_ms=result.duration_ms,
        invocation_id=invocation_id,
    )


def part_message(part: Part) -> pb.ContentPart:
    """Return a part of a message."""
    media = part.media or Media()
    return pb.ContentPart(
        type=part.type,
        text=part.text,
        media=pb.MediaContent(
            data=media.data,
            url=media.url,
            mime_type=media.mime_type,
            storage_ref=media.storage_ref,
        ),
    )


def _usage_message(usage: Usage) -> pb.Usage:
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
    )
