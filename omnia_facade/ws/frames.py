"""The frames of the server, as bytes of JSON."""

import time
from typing import Any, TypeAlias

import msgspec
import orjson

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.turns.events import Done, ToolCall, ToolResult

PROTOCOL_VERSION = 1

_second = (0, "")


def timestamp() -> str:
    """Return the time as RFC 3339, UTC; the part that changes once a second is kept."""
    global _second  # noqa: PLW0603 - a cache of one entry in the path of every chunk
    nanoseconds = time.time_ns()
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if seconds != _second[0]:
        _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))
    return f"{_second[1]}.{rest // 1000:06d}Z"


Json: TypeAlias = dict[str, Any]


def _frame(frame_type: str, session_id: str, **fields: Any) -> bytes:
    return orjson.dumps(
        {"type": frame_type, "session_id": session_id, **fields, "timestamp": timestamp()}
    )


def connected(session_id: str, *, resumed: bool = False) -> bytes:
    """Announce a session."""
    body: Json = {
        "capabilities": {
            "binary_frames": False,
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
    return b'%b%b,"timestamp":"%b"}' % (prefix, orjson.dumps(text), timestamp().encode())


def done(session_id: str, event: Done) -> bytes:
    """End a turn."""
    fields: Json = {"content": event.content}
    if event.parts:
        fields["parts"] = msgspec.to_builtins(event.parts)
    if event.usage:
        fields["usage"] = msgspec.to_builtins(event.usage)
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
