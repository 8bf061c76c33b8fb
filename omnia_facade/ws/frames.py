"""The frames of the server, as bytes of JSON."""

import time
from base64 import b64encode
from typing import Any, TypeAlias

import msgspec
import orjson

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.dialogue.events import Done, MediaChunk, SessionConfig, ToolCall, ToolResult
from omnia_facade.media.port import StoredFile, UploadTicket

PROTOCOL_VERSION = 1

_second, _written = 0, b""


def _now() -> tuple[bytes, int]:
    """Return the second as RFC 3339 writes it, and the microseconds since."""
    global _second, _written  # noqa: PLW0603 - a cache of one entry in the path of every chunk
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    if second != _second:
        _written = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        _second = second
    return _written, rest // 1000


def timestamp() -> str:
    """Return the time as RFC 3339, UTC; the part that changes once a second is kept."""
    return (b"%b.%06dZ" % _now()).decode()


Json: TypeAlias = dict[str, Any]


def _frame(frame_type: str, session_id: str, **fields: Any) -> bytes:
    return orjson.dumps(
        {"type": frame_type, "session_id": session_id, **fields, "timestamp": timestamp()}
    )


def connected(session_id: str, *, resumed: bool = False, binary: bool = False) -> bytes:
    """Announce a session, and whether binary frames were agreed on."""
    body: Json = {
        "capabilities": {
            "binary_frames": binary,
            "max_payload_size": MAX_MESSAGE_BYTES,
            "protocol_version": PROTOCOL_VERSION,
        }
    }
    if resumed:
        body["resumed"] = True
    return _frame("connected", session_id, connected=body)


def chunk_prefix(session_id: str) -> bytes:
    """Return what all chunks of a session begin with."""
    return b'{"type":"chunk","session_id":' + orjson.dumps(session_id) + b',"content":'


def chunk(prefix: bytes, text: str) -> bytes:
    """Say the next piece; the cheapest way to the same JSON."""
    return b'%b%b,"timestamp":"%b.%06dZ"}' % (prefix, orjson.dumps(text), *_now())


def transcript(session_id: str, text: str, role: str) -> bytes:
    """Say the next piece of what somebody else than the agent said."""
    return _frame("chunk", session_id, content=text, role=role)


def media_chunk(session_id: str, chunk: MediaChunk) -> bytes:
    """Send the next piece of streamed media."""
    body: Json = {
        "media_id": chunk.media_id,
        "sequence": chunk.sequence,
        "is_last": chunk.is_last,
        "data": b64encode(chunk.data).decode(),
        "mime_type": chunk.mime_type,
    }
    return _frame("media_chunk", session_id, media_chunk=body)


def interrupt(session_id: str) -> bytes:
    """Have the client drop what it has not played yet."""
    return _frame("interrupt", session_id)


def session_config(session_id: str, config: SessionConfig) -> bytes:
    """Say in what form audio is expected."""
    return _frame("session_config", session_id, session_config=msgspec.to_builtins(config))


def upload_ready(session_id: str, ticket: UploadTicket) -> bytes:
    """Permit an upload."""
    return _frame("upload_ready", session_id, upload_ready=msgspec.to_builtins(ticket))


def upload_complete(session_id: str, upload_id: str, stored: StoredFile) -> bytes:
    """Say that a file is there."""
    body: Json = {
        "upload_id": upload_id,
        "storage_ref": stored.storage_ref,
        "size_bytes": stored.size_bytes,
    }
    return _frame("upload_complete", session_id, upload_complete=body)


def upload_failed(session_id: str, message: str, **details: str) -> bytes:
    """Say that a file is not there, and which one is meant."""
    body: Json = {"code": ErrorCode.UPLOAD_FAILED, "message": message, "details": details}
    return _frame("error", session_id, error=body)


def done(session_id: str, event: Done) -> bytes:
    """End a turn."""
    fields: Json = {"content": event.content}
    if event.parts:
        fields["parts"] = msgspec.to_builtins(event.parts)
    if event.usage:
        usage = event.usage
        fields["usage"] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": usage.cost_usd,
        }
    return _frame("done", session_id, **fields, finish_reason=event.finish_reason)


def error(session_id: str, code: str, message: str) -> bytes:
    """Refuse a frame, or end a turn without an answer."""
    return _frame("error", session_id, error={"code": code, "message": message})


def tool_call(session_id: str, call: ToolCall) -> bytes:
    """Show a tool call; `execution` says whether the client has to answer it."""
    body: Json = {
        "id": call.id,
        "name": call.name,
        "arguments": _value(call.arguments_json or "{}"),
        "execution": "client" if call.by_client else "server",
    }
    if call.consent_message:
        body["consent_message"] = call.consent_message
    if call.categories:
        body["categories"] = call.categories
    return _frame("tool_call", session_id, tool_call=body)


def tool_result(session_id: str, result: ToolResult) -> bytes:
    """Show what a tool returned."""
    value = _value(result.result_json)
    if result.is_error:
        text = value if isinstance(value, str) else result.result_json
        return _frame("tool_result", session_id, tool_result={"id": result.id, "error": text})
    return _frame("tool_result", session_id, tool_result={"id": result.id, "result": value})


def _value(text: str) -> Any:
    """Read JSON text; what is none is shown as the string that it is."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text
