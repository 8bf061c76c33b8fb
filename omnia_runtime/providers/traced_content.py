"""Messages as JSON, in the shape of OpenTelemetry's GenAI conventions.

Used only where an agent's traces may hold content.
"""

from collections.abc import Sequence
from typing import Any

from omnia_core.jsonvalue import json_bytes
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ModelEvent, TextDelta, ToolCallRequest


def system(text: str) -> str:
    """Return the system prompt."""
    return _json([_text(text)])


def messages(history: Sequence[Message]) -> str:
    """Return a conversation. Of media it holds the kind only."""
    return _json([{"role": message.role, "parts": _parts(message)} for message in history])


def output(events: Sequence[ModelEvent]) -> str:
    """Return the message that the events of a model make."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [
        _call(event.id, event.name, event.arguments)
        for event in events
        if isinstance(event, ToolCallRequest)
    ]
    parts = [*([_text(text)] if text else []), *calls]
    return _json([{"role": "assistant", "parts": parts}])


def _parts(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        part = {"type": "tool_call_response", "id": message.tool_call_id}
        return [{**part, "response": message.content}]
    parts = [_text(message.content)] if message.content else []
    parts += [{"type": part.type} for part in message.parts]
    parts += [_call(call.id, call.name, call.arguments) for call in message.tool_calls]
    return parts


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _json(value: object) -> str:
    return json_bytes(value).decode()
