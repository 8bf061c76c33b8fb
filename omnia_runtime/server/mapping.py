"""Protobuf messages and agent events, in both directions."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_core.names import Capability
from omnia_core.sessions import SessionConflict
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.ports.listener import AgentEvent, ToolAnswered, ToolCalled
from omnia_runtime.turns.invocation import Invoked
from omnia_runtime.turns.session_access import SessionBusy, SessionUnknown
from omnia_runtime.turns.turn import Turn

CAPABILITIES = (Capability.INVOKE.value, Capability.CLIENT_TOOLS.value)

# A part's type on the wire, and its type here.
_PART_TYPES = {"text": "text", "file": "document", **{each: each for each in MEDIA_TYPES}}


class Refused(Struct, frozen=True):
    """A message that begins no turn."""

    code: str
    message: str


def read_message(message: pb.ClientMessage) -> Turn | Refused:
    """Return the turn that a client's message begins, or why it begins none."""
    if message.HasField("duplex_start") or message.HasField("audio_input"):
        return Refused(
            ErrorCode.DUPLEX_UNSUPPORTED, "this runtime does not take part in voice sessions"
        )
    if not message.session_id:
        return Refused(ErrorCode.INVALID_MESSAGE, "session_id is empty")
    if message.HasField("client_tool_result"):
        call = message.client_tool_result.call_id
        return Refused(
            ErrorCode.INVALID_MESSAGE, f'no call "{call}" waits for a result of the client'
        )
    for part in message.parts:
        if part.type not in _PART_TYPES:
            known = ", ".join(_PART_TYPES)
            return Refused(
                ErrorCode.INVALID_MESSAGE,
                f'a part has the type "{part.type}"; expected one of {known}',
            )
    # parts win over content, as in the WebSocket protocol
    text = "\n".join(part.text for part in message.parts if part.type == "text")
    media = tuple(_read_part(part) for part in message.parts if part.type != "text")
    if not message.parts:
        text = message.content
    if not text and not media:
        return Refused(ErrorCode.INVALID_MESSAGE, "the message has neither content nor parts")
    return Turn(message.session_id, text, media, dict(message.metadata), [], message.traceparent)


def _read_part(part: pb.ContentPart) -> Part:
    media = part.media
    return Part(
        _PART_TYPES[part.type],
        part.text,
        Media(media.mime_type, media.data, media.url, media.storage_ref),
    )


def part_message(part: Part) -> pb.ContentPart:
    """Return a part on the wire."""
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


def capabilities(*, uploads: bool) -> tuple[str, ...]:
    """Return what this runtime can do; `uploads`: whether a message may mention one."""
    return (*CAPABILITIES, Capability.MEDIA_STORAGE_REF.value) if uploads else CAPABILITIES


def hello(*, uploads: bool) -> pb.ServerMessage:
    """Return the first message of every stream."""
    said = pb.RuntimeHello(capabilities=capabilities(uploads=uploads))
    return pb.ServerMessage(runtime_hello=said)


def event_message(event: AgentEvent, *, show_tools: bool) -> pb.ServerMessage | None:
    """Return what a client is told of an event, None when it is not told."""
    # a client was asked for what it executes itself, and knows its own answer
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


def done(text: str, reason: str, usage: Usage, parts: Sequence[Part] = ()) -> pb.ServerMessage:
    """Return the end of a turn. Beside media, its text is a part as well."""
    said = [pb.ContentPart(type="text", text=text)] if parts and text else []
    return pb.ServerMessage(
        done=pb.Done(
            final_content=text,
            usage=usage_message(usage),
            parts=[*said, *map(part_message, parts)],
            finish_reason=reason,
        )
    )


def failed(code: str, message: str) -> pb.ServerMessage:
    """Return the end of a turn that failed."""
    return pb.ServerMessage(error=pb.Error(code=code, message=message))


def usage_message(usage: Usage) -> pb.Usage:
    """Return the usage on the wire."""
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
    )


def invocation_response(invocation_id: str, invoked: Invoked) -> pb.InvocationResponse:
    """Return the answer of a function."""
    return pb.InvocationResponse(
        output_json=invoked.output,
        usage=usage_message(invoked.usage),
        duration_ms=invoked.duration_ms,
        invocation_id=invocation_id,
    )


INTERNAL_MESSAGE = "the agent failed; its log has the reason"

# Codes of the WebSocket protocol, which the facade passes on. The set is open.
_STREAM_CODES = {
    Code.INVALID_ARGUMENT: ErrorCode.INVALID_MESSAGE,
    Code.UNAVAILABLE: ErrorCode.AGENT_UNAVAILABLE,
    Code.RESOURCE_EXHAUSTED: ErrorCode.TOOL_FAILED,
}


def stream_code(error: OmniaError) -> str:
    """Return the code of an Error message on a Converse stream."""
    if isinstance(error, SessionBusy | SessionConflict):
        return ErrorCode.SESSION_CONFLICT
    if isinstance(error, SessionUnknown):
        return ErrorCode.SESSION_EXPIRED
    return _STREAM_CODES.get(error.code, ErrorCode.INTERNAL_ERROR)
