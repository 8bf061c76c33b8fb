"""The answers of the MCP server, as JSON-RPC messages and as server-sent events."""

from collections.abc import Sequence

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.parts import Media, Part
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.events import Done
from omnia_facade.doors.mcp.envelope import LEGACY, META, VERSIONS, McpError, McpRequest
from omnia_facade.doors.mcp.tools import ToolDescription

# How long a client may keep the list of tools, in milliseconds.
_TTL = 60_000
_UNKNOWN_SESSION = (ErrorCode.SESSION_EXPIRED, ErrorCode.SESSION_NOT_FOUND)


class ServerAnswers:
    """Writes the results of one server, which has one tool."""

    def __init__(self, tool: ToolDescription, version: str, instructions: str) -> None:
        self._tool = tool
        self._info = {"name": tool.name, "title": tool.title, "version": version}
        self._instructions = instructions

    def discovered(self) -> JsonObject:
        """Return the result of `server/discover`."""
        return {
            "supportedVersions": [*VERSIONS],
            "capabilities": {"tools": {}},
            "instructions": self._instructions,
            "ttlMs": _TTL,
            "cacheScope": "private",
        }

    def initialized(self, params: JsonObject) -> JsonObject:
        """Return the result of `initialize`: the version asked for, or the newest that has it."""
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in LEGACY else LEGACY[0],
            "capabilities": {"tools": {}},
            "serverInfo": self._info,
            "instructions": self._instructions,
        }

    def listed(self, *, modern: bool) -> JsonObject:
        """Return the result of `tools/list`."""
        listed: JsonObject = {"tools": [self._tool.document(modern=modern)]}
        return {**listed, "ttlMs": _TTL, "cacheScope": "private"} if modern else listed

    def response(self, request: McpRequest, result: JsonObject) -> bytes:
        """Return the response to a request, as JSON."""
        if request.is_modern:
            meta = {f"{META}serverInfo": self._info}
            result = {"resultType": "complete", **result, "_meta": meta}
        return json_bytes({"jsonrpc": "2.0", "id": request.id, "result": result})


def error_response(error: McpError) -> bytes:
    """Return the response with an error, as JSON."""
    return json_bytes(
        {
            "jsonrpc": "2.0",
            "id": error.request_id,
            "error": {
                "code": error.code,
                "message": str(error),
                **({"data": error.data} if error.data else {}),
            },
        }
    )


def answer_result(done: Done, session_id: str) -> JsonObject:
    """Return the result of an agent's tool. The text repeats the structure for older clients."""
    structured: JsonObject = {
        "answer": done.content,
        "session_id": session_id,
        "finish_reason": done.finish_reason,
    }
    if done.usage:
        structured["usage"] = {
            "input_tokens": done.usage.input_tokens,
            "output_tokens": done.usage.output_tokens,
            "cost_usd": done.usage.cost_usd,
        }
    media = [block for part in done.parts if (block := _media_block(part))]
    return tool_result(structured, media)


def tool_result(structured: JsonObject, media: Sequence[JsonObject] = ()) -> JsonObject:
    """Return the result of a successful call."""
    text = json_bytes(structured).decode()
    return {
        "content": [{"type": "text", "text": text}, *media],
        "structuredContent": structured,
        "isError": False,
    }


def value_result(value: object, *, modern: bool) -> JsonObject:
    """Return a function's output. Before 2026-07-28 structured content is an object."""
    result: JsonObject = {
        "content": [{"type": "text", "text": json_bytes(value).decode()}],
        "isError": False,
    }
    if modern or isinstance(value, dict):
        result["structuredContent"] = value
    return result


def failure_result(code: str, message: str) -> JsonObject:
    """Return the result of a call that failed with a code of this project."""
    hint = "; call without session_id" if code in _UNKNOWN_SESSION else ""
    return error_result(f"{code}: {message}{hint}")


def error_result(text: str) -> JsonObject:
    """Return the result of a call that failed; the model reads why."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def progress_event(token: str | int, characters: int) -> bytes:
    """Return the event that says how many characters of the answer there are."""
    return event(
        json_bytes(
            {
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": {"progressToken": token, "progress": characters},
            }
        )
    )


def event(message: bytes) -> bytes:
    """Return a message as a server-sent event."""
    return b"event: message\ndata: " + message + b"\n\n"


def _media_block(part: Part) -> JsonObject | None:
    media = part.media
    if media is None:
        return None
    if media.data and part.type in ("image", "audio"):
        return {"type": part.type, "data": media.data, "mimeType": media.mime_type}
    if media.url:
        return {
            "type": "resource_link",
            "uri": media.url,
            "name": _name_of(media),
            "mimeType": media.mime_type,
        }
    if media.data:
        resource = {"uri": f"media:{_name_of(media)}", "mimeType": media.mime_type}
        return {"type": "resource", "resource": {**resource, "blob": media.data}}
    return None


def _name_of(media: Media) -> str:
    return media.filename or "media"
