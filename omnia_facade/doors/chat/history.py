"""A stored session as the messages of a page (`UIMessage` of the AI SDK)."""

from collections.abc import Iterator, Sequence

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions.records import Message, Session
from omnia_facade.doors.parts import stored_media_url
from omnia_facade.doors.sse import any_json


def ui_messages(
    session: Session, *, running: bool, show_tools: bool, public_url: str = ""
) -> list[JsonObject]:
    """Return the messages of a session.

    Args:
        session: as it is stored.
        running: a turn runs, whose stream a page can resume; what it has said is left out.
        show_tools: whether clients see the tools of the runtime.
        public_url: the address of this agent, for downloads of uploads.
    """
    writer = _Writer(show_tools, public_url)
    messages = session.messages if running else (*session.messages, *session.interrupted)
    results = {message.tool_call_id: message for message in messages if message.role == "tool"}
    found: list[JsonObject] = []
    for position, message in enumerate(messages, session.first):
        if message.role == "user":
            found.append(writer.user(message, position))
        elif message.role == "assistant":
            if not found or found[-1]["role"] != "assistant":
                # Calls of tools and the answer to their results are one message of the page.
                found.append({"id": f"msg_{position}", "role": "assistant", "parts": []})
            found[-1]["parts"] += writer.step(message, results)
            if message.finish_reason and message.finish_reason != INTERRUPTED:
                found[-1]["metadata"] = {"finishReason": message.finish_reason}
    return found


class _Writer:
    def __init__(self, show_tools: bool, public_url: str) -> None:
        self._show_tools = show_tools
        self._public_url = public_url

    def user(self, message: Message, position: int) -> JsonObject:
        return {
            "id": f"user_{position}",
            "role": "user",
            "parts": [*self._content(message)],
            "metadata": {"createdAt": message.created_at},
        }

    def step(self, message: Message, results: dict[str, Message]) -> Sequence[JsonObject]:
        calls = message.tool_calls if self._show_tools else ()
        return [
            {"type": "step-start"},
            *self._content(message),
            *(_tool(call, results.get(call.id)) for call in calls),
        ]

    def _content(self, message: Message) -> Iterator[JsonObject]:
        if not message.parts:
            if message.content:
                yield {"type": "text", "text": message.content, "state": "done"}
            return
        for part in message.parts:
            if part.media is not None:
                yield {
                    "type": "file",
                    "mediaType": part.media.mime_type or "application/octet-stream",
                    "url": stored_media_url(part.media, self._public_url),
                    **({"filename": part.media.filename} if part.media.filename else {}),
                }
            elif part.text:
                yield {"type": "text", "text": part.text, "state": "done"}


def _tool(call: ToolCall, result: Message | None) -> JsonObject:
    part: JsonObject = {
        "type": "dynamic-tool",
        "toolName": call.name,
        "toolCallId": call.id,
        "input": any_json(call.arguments),
        # A page must not execute the tool again.
        "providerExecuted": True,
    }
    if result is None:
        return {**part, "state": "input-available"}
    if result.is_error:
        return {**part, "state": "output-error", "errorText": result.content}
    return {**part, "state": "output-available", "output": any_json(result.content)}
