"""Protobuf messages to turn events and back."""

from typing import assert_never

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.runtime_client.port import CancelRequest, Invocation
from omnia_facade.turns.events import (
    Chunk,
    Done,
    Failed,
    Media,
    Part,
    ToolAnswer,
    ToolCall,
    ToolResult,
    TurnEvent,
    TurnRequest,
    Usage,
)
from omnia_facade.turns.handler import Resume


def to_client_message(
    session_id: str, message: TurnRequest | ToolAnswer | CancelRequest
) -> pb.ClientMessage:
    """Return the message as the runtime reads it."""
    match message:
        case TurnRequest():
            return pb.ClientMessage(
                session_id=session_id,
                content=message.text,
                metadata=message.metadata,
                parts=[_to_part(part) for part in message.parts],
                consent_grants=message.consent_grants,
                traceparent=message.traceparent,
            )
        case ToolAnswer():
            answer = pb.ClientToolResult(
                call_id=message.call_id,
                result_json=message.result_json,
                is_rejected=message.rejection is not None,
                rejection_reason=message.rejection or "",
            )
            return pb.ClientMessage(session_id=session_id, client_tool_result=answer)
        case CancelRequest():
            return pb.ClientMessage(session_id=session_id, cancel=True)
        case _:
            assert_never(message)


def to_event(message: pb.ServerMessage) -> TurnEvent | None:
    """Return the event; None for what is no part of a text turn, such as the runtime's hello."""
    kind = message.WhichOneof("message")
    if kind == "chunk":
        return Chunk(message.chunk.content)
    if kind == "done":
        return _done(message.done)
    if kind == "error":
        return Failed(message.error.code or "INTERNAL_ERROR", message.error.message)
    if kind == "tool_call":
        return _tool_call(message.tool_call)
    if kind == "tool_result":
        result = message.tool_result
        return ToolResult(result.id, result.result_json, result.is_error)
    return None


def to_invocation(response: pb.InvocationResponse) -> Invocation:
    """Return the outcome of a function call."""
    usage = _usage(response.usage) if response.HasField("usage") else None
    return Invocation(response.output_json, usage)


def to_resume(response: pb.HasConversationResponse) -> Resume:
    """Return the state; one that is not known is no promise."""
    states = {
        pb.RESUME_STATE_RESUMABLE: Resume.RESUMABLE,
        pb.RESUME_STATE_NOT_FOUND: Resume.NOT_FOUND,
    }
    return states.get(response.state, Resume.UNAVAILABLE)


def _done(done: pb.Done) -> Done:
    return Done(
        content=done.final_content,
        usage=_usage(done.usage) if done.HasField("usage") else None,
        finish_reason=done.finish_reason,
        parts=tuple(_from_part(part) for part in done.parts),
    )


def _tool_call(call: pb.ToolCall) -> ToolCall:
    return ToolCall(
        id=call.id,
        name=call.name,
        arguments_json=call.arguments_json,
        by_client=call.execution == pb.TOOL_EXECUTION_CLIENT,
        consent_message=call.consent_message,
        categories=tuple(call.categories),
    )


def _usage(usage: pb.Usage) -> Usage:
    # The cost is a 32-bit float on the wire, which holds seven decimal digits; the rest is noise.
    return Usage(usage.input_tokens, usage.output_tokens, float(f"{usage.cost_usd:.7g}"))


def _to_part(part: Part) -> pb.ContentPart:
    if part.media is None:
        return pb.ContentPart(type=part.type, text=part.text)
    media = pb.MediaContent(
        data=part.media.data,
        url=part.media.url,
        mime_type=part.media.mime_type,
        storage_ref=part.media.storage_ref,
    )
    return pb.ContentPart(type=part.type, text=part.text, media=media)


def _from_part(part: pb.ContentPart) -> Part:
    if not part.HasField("media"):
        return Part(part.type, part.text)
    media = part.media
    return Part(
        part.type, part.text, Media(media.mime_type, media.data, media.url, media.storage_ref)
    )
