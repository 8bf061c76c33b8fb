"""What was said, as JSON in the shape that OpenTelemetry's GenAI conventions give messages.

Used only where an agent's traces may hold content.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from omnia_core.sessions import Message
from omnia_runtime.ports.model import ModelEvent, TextDelta, ToolCallRequest


def system(text: str) -> str:
    """Return the system prompt."""
    return _json([_text(text)])


def messages(said: Sequence[Message]) -> str:
    """Return a conversation. Of media only the kind is told."""
    return _json([{"role": each.role, "parts": _parts(each)} for each in said])


def output(events: Sequence[ModelEvent]) -> str:
    """Return the message that a model's events make."""
    text = "".join(each.text for each in events if isinstance(each, TextDelta))
    calls = [
        _call(each.id, each.name, each.arguments)
        for each in events
        if isinstance(each, ToolCallRequest)
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
    return orjson.dumps(value).decode()
