"""Text frames to the client, as JSON."""

import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import orjson

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Advice
from omnia_core.jsonvalue import json_bytes, parse_json
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.backend.events import (
    Done,
    MediaChunk,
    SessionConfig,
    ToolCallEvent,
    ToolResultEvent,
)
from omnia_facade.media.port import StoredFile, UploadTicket
from omnia_facade.ws.advice import ADVICE

PROTOCOL_VERSION = 1

_second, _written = 0, b""


def _now() -> tuple[bytes, int]:
    """Return the current second in RFC 3339, and the microseconds since then."""
    global _second, _written  # noqa: PLW0603 - a cache of one entry, used by every chunk
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    if second != _second:
        _written = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        _second = second
    return _written, rest // 1000


def timestamp() -> str:
    """Return the current time in RFC 3339, UTC."""
    return (b"%b.%06dZ" % _now()).decode()


Json: TypeAlias = dict[str, Any]


def _frame(frame_type: str, session_id: str, **fields: Any) -> bytes:
    return json_bytes(
        {"type": frame_type, "session_id": session_id, **fields, "timestamp": timestamp()}
    )


def connected(
    session_id: str, *, resumed: bool = False, binary: bool = False, session_name: str = ""
) -> bytes:
    """Announce a session, its name if it has one, and whether binary frames were negotiated."""
    body: Json = {
        "capabilities": {
            "binary_frames": binary,
            "max_payload_size": MAX_MESSAGE_BYTES,
            "protocol_version": PROTOCOL_VERSION,
        }
    }
    if resumed:
        body["resumed"] = True
    if session_name:
        body["session_name"] = session_name
    return _frame("connected", session_id, connected=body)


def chunk_prefix(session_id: str) -> bytes:
    """Return the beginning of all chunk frames of a session."""
    return b'{"type":"chunk","session_id":' + orjson.dumps(session_id) + b',"content":'


def chunk(prefix: bytes, text: str) -> bytes:
    """Send a piece of the answer; the fastest way to the same JSON."""
    return b'%b%b,"timestamp":"%b.%06dZ"}' % (prefix, orjson.dumps(text), *_now())


def transcript(session_id: str, text: str, role: str) -> bytes:
    """Send a piece of what somebody else than the agent said."""
    return _frame("chunk", session_id, content=text, role=role)


def media_chunk(session_id: str, chunk: MediaChunk) -> bytes:
    """Send a piece of streamed media, base64."""
    body: Json = {
        "media_id": chunk.media_id,
        "sequence": chunk.sequence,
        "is_last": chunk.is_last,
        "data": b64encode(chunk.data).decode(),
        "mime_type": chunk.mime_type,
    }
    return _frame("media_chunk", session_id, media_chunk=body)


def interrupt(session_id: str) -> bytes:
    """Have the client drop audio that it has not played."""
    return _frame("interrupt", session_id)


def session_config(session_id: str, config: SessionConfig) -> bytes:
    """Send the audio format that is expected."""
    return _frame("session_config", session_id, session_config=msgspec.to_builtins(config))


def upload_ready(session_id: str, ticket: UploadTicket) -> bytes:
    """Send an upload ticket."""
    return _frame("upload_ready", session_id, upload_ready=msgspec.to_builtins(ticket))


def upload_complete(session_id: str, upload_id: str, stored: StoredFile) -> bytes:
    """Report that a file is stored."""
    body: Json = {
        "upload_id": upload_id,
        "storage_ref": stored.storage_ref,
        "size_bytes": stored.size_bytes,
    }
    return _frame("upload_complete", session_id, upload_complete=body)


def upload_failed(session_id: str, message: str, **details: str) -> bytes:
    """Report that an upload failed; the details identify it."""
    return error(session_id, ErrorCode.UPLOAD_FAILED, message, details=details)


def done(session_id: str, event: Done) -> bytes:
    """Send the end of a turn, with its answer."""
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
    if event.session_name:
        fields["session_name"] = event.session_name
    if event.pack_version:
        fields["pack_version"] = event.pack_version
    return _frame("done", session_id, **fields, finish_reason=event.finish_reason)


def error(
    session_id: str,
    code: str,
    message: str,
    advice: Advice | None = None,
    *,
    details: Mapping[str, str] = {},
) -> bytes:
    """Send the refusal of a frame, or the end of a turn without an answer.

    Args:
        session_id: of the frame.
        code: an `ErrorCode`, or a runtime's own.
        message: what happened.
        advice: for a person, in place of what is said about the code.
        details: what identifies that which the error is about.
    """
    body: Json = {"code": code, "message": message}
    said = advice or ADVICE.get(code)
    told = msgspec.to_builtins(said).items() if said else ()
    known = {name: value for name, value in told if value is not None}
    if details or known:
        body["details"] = {**details, **known}
    return _frame("error", session_id, error=body)


def tool_call(session_id: str, event: ToolCallEvent) -> bytes:
    """Send a tool call; `execution` is client if the client must answer it."""
    body: Json = {
        "id": event.call.id,
        "name": event.call.name,
        "arguments": _value(event.call.arguments or "{}"),
        "execution": "client" if event.by_client else "server",
    }
    if event.consent_message:
        body["consent_message"] = event.consent_message
    if event.categories:
        body["categories"] = event.categories
    if event.output_schema:
        body["output_schema"] = _value(event.output_schema)
    return _frame("tool_call", session_id, tool_call=body)


def tool_result(session_id: str, event: ToolResultEvent) -> bytes:
    """Send the result of a tool."""
    content = event.result.content
    value = _value(content)
    body: Json = {"id": event.call_id}
    if event.result.is_error:
        body["error"] = value if isinstance(value, str) else content
    else:
        body["result"] = value
    return _frame("tool_result", session_id, tool_result=body)


def _value(text: str) -> Any:
    """Return the value of JSON text, or the text itself if it is not JSON."""
    try:
        return parse_json(text.encode())
    except ValueError:
        return text
