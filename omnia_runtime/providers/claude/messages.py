"""From a conversation to the messages of the Messages API."""

import re
from collections.abc import Sequence

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.providers.call_arguments import parsed_arguments
from omnia_runtime.providers.claude.content import content_blocks, media_blocks, text_blocks
from omnia_runtime.providers.claude.thinking import laid_out

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")


def claude_messages(conversation: Sequence[Message], *, thinking: bool = True) -> list[JsonObject]:
    """Map a conversation. Users and assistants alternate: what one side said in a row is one
    message, so the results of parallel calls come together, in the order of the calls.

    The thoughts of the turn that is going on are sent back unless `thinking` is False. Those of
    earlier turns are not: they hold only for exactly the conversation, instructions and tools that
    the model had before it, and any of these may be others now.

    Raises:
        VendorFailure: the API does not take media of a message.
    """
    turn = max((i for i, each in enumerate(conversation) if each.role == "user"), default=-1)
    merged: list[JsonObject] = []
    for index, message in enumerate(conversation):
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, thinking=thinking and index > turn)
        if not blocks:
            # an answer that was cut before its first word says nothing
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    return merged


def has_thinking(messages: Sequence[JsonObject]) -> bool:
    """Whether thoughts are sent back."""
    return any(
        block["type"] in ("thinking", "redacted_thinking")
        for message in messages
        for block in message["content"]
    )


def _blocks(message: Message, *, thinking: bool) -> list[JsonObject]:
    if message.role == "tool":
        return [_result(message)]
    if message.role == "user":
        return content_blocks(message.content, message.parts)
    # Media that a model made is left out: the API takes none from the assistant.
    calls: list[JsonObject] = [
        {
            "type": "tool_use",
            "id": _id(call.id),
            "name": call.name,
            "input": parsed_arguments(call.arguments),
        }
        for call in message.tool_calls
    ]
    found = laid_out(message, calls) if thinking else None
    return text_blocks(message.content) + calls if found is None else found


def _result(message: Message) -> JsonObject:
    result: JsonObject = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
    if message.is_error:
        # an error is text only, as the API has it
        return result | {"content": message.content, "is_error": True}
    media = media_blocks(message.parts)
    content = [*text_blocks(message.content), *media] if media else message.content
    return result | {"content": content}


def _id(call_id: str) -> str:
    """Return an id in the letters that the API takes; another vendor may have made it."""
    return _NOT_IN_ID.sub("_", call_id)
