"""MCP 2026-07-28: one call of the agent's tool for each message."""

from collections.abc import Iterator
from typing import Any

import orjson

from omnia_cli.doors.client import Address, DoorUnusable, Note, events
from omnia_core.jsonvalue import JsonObject

_VERSION = "2026-07-28"
_META = "io.modelcontextprotocol/"
_UNKNOWN = "SESSION_"


class McpClient:
    """Talks to `/mcp`. The agent chooses the id of a new session."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._tool = ""
        self._sessions: dict[str, str] = {}

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        if not self._tool:
            self._tool = self._answer("tools/list", {})["tools"][0]["name"]
        known = self._sessions.get(session_id)
        result = self._call({"message": text, "session_id": known or session_id})
        if known is None and result.get("isError") and _text(result).startswith(_UNKNOWN):
            result = self._call({"message": text})
        if result.get("isError"):
            yield Note(_text(result), failed=True)
            return
        answer: JsonObject = result["structuredContent"]
        self._sessions[session_id] = answer["session_id"]
        yield answer["answer"]
        if answer["session_id"] != session_id:
            yield Note(f"session {answer['session_id']}")
        if usage := answer.get("usage"):
            yield Note(f"{usage['input_tokens']} tokens in · {usage['output_tokens']} tokens out")

    def _call(self, arguments: JsonObject) -> Any:
        return self._answer("tools/call", {"name": self._tool, "arguments": arguments})

    def _answer(self, method: str, params: JsonObject) -> Any:
        meta = {f"{_META}protocolVersion": _VERSION, f"{_META}clientCapabilities": {}}
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": {**params, "_meta": meta},
        }
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _VERSION,
            "Mcp-Method": method,
            **({"Mcp-Name": params["name"]} if "name" in params else {}),
        }
        with self._address.post("/mcp", body, headers) as response:
            if response.headers.get_content_type() == "text/event-stream":
                for event in events(response):
                    if "result" in event:
                        return event["result"]
                raise DoorUnusable("/mcp ended its answer without a result")
            return orjson.loads(response.read())["result"]


def _text(result: Any) -> str:
    return str(result["content"][0]["text"])
