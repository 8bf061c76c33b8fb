"""The UI message stream of the AI SDK (npm package `ai`, versions 5 to 7).

https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol. A client gives up a message at a chunk of a type
that it does not know, so only types that all three versions know are written.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import orjson

from omnia_core.conversation.parts import Media
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json

# How the client recognises the stream, and what keeps proxies from holding it back.
HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
    "X-Vercel-AI-UI-Message-Stream": "v1",
}
DONE = "data: [DONE]\n\n"

UIFinishReason: TypeAlias = Literal[
    "stop", "length", "content-filter", "tool-calls", "error", "other"
]
_FINISH_REASONS: Mapping[str, UIFinishReason] = {
    "stop": "stop",
    "max_output_tokens": "length",
    "safety": "content-filter",
    "refusal": "content-filter",
    "tool_calls": "tool-calls",
    "error": "error",
}


class UIMessageWriter:
    """Writes one answer. Each method returns the events to send, as text.

    A client executes a tool that it believes to be its own, so those of the server are marked.
    """

    def __init__(self, message_id: str) -> None:
        self._id = message_id
        self._texts = 0
        self._writing = False
        self._answered = False

    def start(self, metadata: JsonObject) -> str:
        """Begin the message; `metadata` is what the client keeps with it."""
        started = {"type": "start", "messageId": self._id, "messageMetadata": metadata}
        return _event(started) + _STEP_STARTED

    def text(self, delta: str) -> str:
        """Add a piece of the answer."""
        piece = f'data: {{"type":"text-delta","id":"{self._texts}","delta":{_text(delta)}}}\n\n'
        if self._writing:
            return piece
        begun = self._begin_step() + _event({"type": "text-start", "id": str(self._texts)})
        self._writing = True
        return begun + piece

    def tool_called(self, call: ToolCall) -> str:
        """Show a tool call that the server executes."""
        return self._called(call, {"providerExecuted": True, "dynamic": True})

    def client_tool_called(self, call: ToolCall) -> str:
        """Ask the client to execute a tool."""
        return self._called(call, {})

    def _called(self, call: ToolCall, marks: JsonObject) -> str:
        try:
            arguments: Any = parse_json(call.arguments)
        except ValueError:
            arguments = call.arguments
        return (
            self.end_text()
            + self._begin_step()
            + _event(
                {
                    "type": "tool-input-available",
                    "toolCallId": call.id,
                    "toolName": call.name,
                    "input": arguments,
                    **marks,
                }
            )
        )

    def tool_answered(self, call: ToolCall, result: ToolResult, *, by_client: bool = False) -> str:
        """Show the result of a tool call; `by_client` if the client has executed it."""
        self._answered = True
        answer: JsonObject = {"toolCallId": call.id}
        if not by_client:
            answer |= {"providerExecuted": True, "dynamic": True}
        if result.is_error:
            return _event({"type": "tool-output-error", "errorText": result.content, **answer})
        try:
            output: Any = parse_json(result.content)
        except ValueError:
            output = result.content
        return _event({"type": "tool-output-available", "output": output, **answer})

    def file(self, media: Media) -> str:
        """Show media of the answer; it has a URL or its bytes."""
        mime_type = media.mime_type or "application/octet-stream"
        url = media.url or f"data:{mime_type};base64,{media.data}"
        return self.end_text() + _event({"type": "file", "url": url, "mediaType": mime_type})

    def data(self, name: str, value: JsonObject) -> str:
        """Add a data part."""
        return _event({"type": f"data-{name}", "data": value})

    def end_answer(self) -> str:
        """End the text and the last step."""
        return self.end_text() + _STEP_FINISHED

    def finish(self, reason: str) -> str:
        """End the message; `reason` is a finish reason of ours."""
        return _event({"type": "finish", "finishReason": _FINISH_REASONS.get(reason, "other")})

    def abort(self) -> str:
        """End a message that was cancelled, in place of `finish`."""
        return _event({"type": "abort"})

    def error(self, message: str) -> str:
        """End a message that failed, in place of `finish`."""
        return self.end_text() + _event({"type": "error", "errorText": message})

    def _begin_step(self) -> str:
        """A model call that follows results of tools is a step of its own."""
        if not self._answered:
            return ""
        self._answered = False
        return _STEP_FINISHED + _STEP_STARTED

    def end_text(self) -> str:
        """End the text that was begun, if any; what follows is a text of its own."""
        if not self._writing:
            return ""
        self._writing = False
        self._texts += 1
        return _event({"type": "text-end", "id": str(self._texts - 1)})


def _event(value: JsonObject) -> str:
    return f"data: {json_bytes(value).decode()}\n\n"


def _text(text: str) -> str:
    """Return a JSON string; half a character of a pair, which no client can read, is replaced."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        return orjson.dumps(
            text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ).decode()


_STEP_STARTED = _event({"type": "start-step"})
_STEP_FINISHED = _event({"type": "finish-step"})
