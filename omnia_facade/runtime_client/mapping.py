"""Protobuf messages to turn events and back."""

from collections.abc import Callable
from typing import assert_never

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.usage import Usage
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.dialogue.events import (
    Audio,
    CallRequest,
    Chunk,
    Done,
    Failed,
    Hello,
    Interruption,
    MediaChunk,
    SessionConfig,
    ToolAnswer,
    ToolCall,
    ToolResult,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.dialogue.handler import Resume
from omnia_facade.runtime_client.port import CancelRequest, Invocation, Outgoing


def to_client_message(session_id: str, message: Outgoing) -> pb.ClientMessage:
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
        case Audio(data, sequence, is_last):
            audio = pb.AudioInputChunk(data=data, sequence=sequence, is_last=is_last)
            return pb.ClientMessage(session_id=session_id, audio_input=audio)
        case CallRequest():
            start = pb.DuplexStart(
                codec=message.codec, sample_rate=message.sample_rate, channels=message.channels
            )
            return pb.ClientMessage(session_id=session_id, duplex_start=start)
        case CancelRequest():
            return pb.ClientMessage(session_id=session_id, cancel=True)
        case _:
            assert_never(message)


def to_event(message: pb.ServerMessage) -> TurnEvent | Hello | None:
    """Return the event; None for what is not known."""
    kind = message.WhichOneof("message")
    if kind == "chunk":
        chunk = message.chunk
        return Chunk(chunk.content, chunk.role)
    if kind == "done":
        return _done(message.done)
    make = _EVENTS.get(kind or "")
    return make(message) if make else None


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


def _failed(message: pb.ServerMessage) -> Failed:
    return Failed(message.error.code or "INTERNAL_ERROR", message.error.message)


def _tool_result(message: pb.ServerMessage) -> ToolResult:
    result = message.tool_result
    return ToolResult(result.id, result.result_json, result.is_error)


def _media_chunk(message: pb.ServerMessage) -> MediaChunk:
    chunk = message.media_chunk
    sequence = max(chunk.sequence, 0)
    return MediaChunk(chunk.media_id, sequence, chunk.is_last, chunk.mime_type, chunk.data)


def _interruption(_message: pb.ServerMessage) -> Interruption:
    return Interruption()


def _hello(message: pb.ServerMessage) -> Hello:
    hello = message.runtime_hello
    media = hello.media if hello.HasField("media") else None
    config = SessionConfig(media.codec, media.sample_rate, media.channels) if media else None
    return Hello(frozenset(hello.capabilities), config)


def _done(done: pb.Done) -> Done:
    return Done(
        content=done.final_content,
        usage=_usage(done.usage) if done.HasField("usage") else None,
        finish_reason=done.finish_reason,
        parts=tuple(_from_part(part) for part in done.parts),
    )


def _tool_call(message: pb.ServerMessage) -> ToolCall:
    call = message.tool_call
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
    return Usage(usage.input_tokens, usage.output_tokens, cost_usd=float(f"{usage.cost_usd:.7g}"))


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


_EVENTS: dict[str, Callable[[pb.ServerMessage], TurnEvent | Hello]] = {
    "error": _failed,
    "interruption": _interruption,
    "media_chunk": _media_chunk,
    "runtime_hello": _hello,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
}
