"""From a conversation to the messages of the Messages API: text, media, tool calls, thinking."""

import re
from collections.abc import Sequence
from typing import TypeAlias

import orjson

from omnia_core.conversation.parts import Media, Part
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.sessions import Message
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_request import decoded_text, parsed_arguments

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"

# A thinking block, the length of a text, or None for a tool call.
LayoutItem: TypeAlias = JsonObject | int | None
# Marks our `opaque` text: another vendor's adapter may have left its own in the conversation.
_MARK = "claude:"
CACHED = {"type": "ephemeral"}
# The API takes four marks; the others are for the tools and the system prompt.
_MAX_MARKS = 2


def claude_messages(conversation: Sequence[Message], *, thinking: bool = True) -> list[JsonObject]:
    """Map a conversation to messages that alternate between user and assistant.

    Consecutive messages of one role become one message, so the results of parallel calls come
    together, in the order of the calls.

    The thinking blocks of the current turn are sent back unless `thinking` is False. Those of
    earlier turns are left out: they are valid only after exactly the conversation, instructions and
    tools that the model had then, and any of these may have changed.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    turn = max(
        (index for index, message in enumerate(conversation) if message.role == "user"), default=-1
    )
    merged: list[JsonObject] = []
    for index, message in enumerate(conversation):
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, thinking=thinking and index > turn)
        if not blocks:
            # An answer that was cut before its first word is empty.
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    if merged and merged[-1]["role"] == "assistant" and merged[-1]["content"][-1]["type"] == "text":
        # The API refuses white space at the end of an answer that it is to continue.
        last = merged[-1]["content"][-1]
        merged[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}
    return merged


def mark_cached(messages: Sequence[JsonObject]) -> None:
    """Mark the end of the conversation, and of the one before it, for the vendor's cache.

    The next request begins with this conversation. The earlier mark is where this request finds
    what the last one wrote, however many blocks have come since.
    Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    """
    ends = [message["content"] for message in messages if message["role"] == "user"]
    for content in ends[-_MAX_MARKS:]:
        content[-1] = {**content[-1], "cache_control": CACHED}


def has_thinking(messages: Sequence[JsonObject]) -> bool:
    """Whether messages contain thinking blocks."""
    return any(
        block["type"] in ("thinking", "redacted_thinking")
        for message in messages
        for block in message["content"]
    )


def packed_layout(layout: Sequence[LayoutItem]) -> str:
    """Pack the layout of an answer into the `opaque` text of its first tool call.

    Claude wants the thinking blocks of a tool call back, unchanged and in their places. Returns ""
    for an answer without thinking blocks.

    Source: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
    """
    if not any(isinstance(item, dict) for item in layout):
        return ""
    return _MARK + json_bytes(layout).decode()


def _blocks(message: Message, *, thinking: bool) -> list[JsonObject]:
    if message.role == "tool":
        return [_result(message)]
    if message.role == "user":
        return _content_blocks(message.content, message.parts)
    # Media of the model is left out: the API accepts none from the assistant.
    calls: list[JsonObject] = [
        {
            "type": "tool_use",
            "id": _id(call.id),
            "name": call.name,
            "input": parsed_arguments(call.arguments),
        }
        for call in message.tool_calls
    ]
    found = _with_thinking(message, calls) if thinking else None
    return _text_blocks(message.content) + calls if found is None else found


def _result(message: Message) -> JsonObject:
    result: JsonObject = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
    if message.is_error:
        # The API allows only text in an error.
        return result | {"content": message.content, "is_error": True}
    media = [block for part in message.parts if part.type != "text" for block in _part(part)]
    content = [*_text_blocks(message.content), *media] if media else message.content
    return result | {"content": content}


def _with_thinking(message: Message, calls: Sequence[JsonObject]) -> list[JsonObject] | None:
    """Return the blocks of an answer with its thinking blocks in their places.

    Returns None when it has none, or is not what Claude answered, as when a validator changed it.
    """
    opaque = message.tool_calls[0].opaque if message.tool_calls else ""
    if not opaque.startswith(_MARK):
        return None
    layout: list[LayoutItem] = orjson.loads(opaque.removeprefix(_MARK))
    length = sum(item for item in layout if isinstance(item, int))
    if length != len(message.content) or layout.count(None) != len(calls):
        return None
    blocks: list[JsonObject] = []
    position, remaining = 0, iter(calls)
    for item in layout:
        if item is None:
            blocks.append(next(remaining))
        elif isinstance(item, int):
            blocks += _text_blocks(message.content[position : position + item])
            position += item
        else:
            blocks.append(item)
    return blocks


def _text_blocks(text: str) -> list[JsonObject]:
    """Return the block of a text; none for a blank one, since the API rejects it."""
    return [{"type": "text", "text": text}] if text.strip() else []


def _content_blocks(text: str, parts: Sequence[Part]) -> list[JsonObject]:
    """Return the parts of a message in order, and its text if no part holds it."""
    media = [block for part in parts for block in _part(part)]
    if any(part.type == "text" for part in parts):
        return media
    # The vendor's advice: Claude works best when images come before the text about them.
    return media + _text_blocks(text)


def _part(part: Part) -> list[JsonObject]:
    if part.type == "text":
        return _text_blocks(part.text)
    media = part.media or Media()
    source = None
    if part.type == "image":
        source = _image(media)
    elif part.type == "document":
        source = _document(media)
    if source is None:
        raise VendorFailure(
            f'does not accept {part.type} parts of the media type "{media.mime_type or "unknown"}";'
            " it accepts images (JPEG, PNG, GIF, WebP) and documents (PDF, plain text)"
        )
    return [{"type": part.type, "source": source}]


def _image(media: Media) -> JsonObject | None:
    if media.url and (not media.mime_type or media.mime_type in _IMAGES):
        return {"type": "url", "url": media.url}
    if media.data and media.mime_type in _IMAGES:
        return {"type": "base64", "media_type": media.mime_type, "data": media.data}
    return None


def _document(media: Media) -> JsonObject | None:
    if media.url and media.mime_type in ("", _PDF):
        return {"type": "url", "url": media.url}
    if media.data and media.mime_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": media.data}
    if media.data and media.mime_type.startswith("text/"):
        # The API has one name for Markdown, CSV and the like: plain text.
        return {"type": "text", "media_type": "text/plain", "data": decoded_text(media)}
    return None


def _id(call_id: str) -> str:
    """Return a call id in the characters that the API accepts; another vendor may have made it."""
    return _NOT_IN_ID.sub("_", call_id)
