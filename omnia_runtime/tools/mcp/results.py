"""The result of an MCP tool: its text, structured content and media, each once."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from mcp import types

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import json_bytes

_NO_CONTENT = "(the tool returned nothing)"
_MEDIA = ("image", "audio", "video")
# The SDKs wrap structured content that is not an object in an object with this member.
_WRAPPED = "result"


def tool_result(result: types.CallToolResult) -> ToolResult:
    """Map everything that a tool returned: text or JSON to the content, media to parts.

    Text that repeats the structured content, as the protocol asks of servers, is left out.
    """
    texts, parts = _separated(result.content)
    structured = result.structured_content
    if structured is not None:
        texts = [text for text in texts if not _repeats(text, structured)]
        texts.append(json_bytes(structured).decode())
    text = "\n".join(texts)
    if result.is_error:
        failed = {"error": text or "the tool failed"}
        return ToolResult(orjson.dumps(failed).decode(), is_error=True, parts=tuple(parts))
    if not text:
        text = f"({len(parts)} media parts)" if parts else _NO_CONTENT
    return ToolResult(text, parts=tuple(parts))


def _repeats(text: str, structured: Any) -> bool:
    """Whether a text says nothing beside the structured content, or one element of it."""
    said = [structured]
    if isinstance(structured, dict) and structured.keys() == {_WRAPPED}:
        wrapped = structured[_WRAPPED]
        said.append(wrapped)
        if isinstance(wrapped, list):
            said += wrapped
    if text in said:
        return True
    try:
        return json.loads(text) in said
    except ValueError:
        return False


def _separated(content: Sequence[types.ContentBlock]) -> tuple[list[str], list[Part]]:
    texts: list[str] = []
    parts: list[Part] = []
    for block in content:
        match block:
            case types.TextContent():
                texts.append(block.text)
            case types.ImageContent():
                parts.append(Part("image", media=Media(block.mime_type, block.data)))
            case types.AudioContent():
                parts.append(Part("audio", media=Media(block.mime_type, block.data)))
            case types.ResourceLink():
                texts.append(_link(block))
            case types.EmbeddedResource():
                _embedded(block.resource, texts, parts)
    return texts, parts


def _link(block: types.ResourceLink) -> str:
    about = ", ".join(text for text in (block.mime_type, block.description) if text)
    return f"[resource {block.title or block.name}: {block.uri}{f' ({about})' if about else ''}]"


def _embedded(
    resource: types.TextResourceContents | types.BlobResourceContents,
    texts: list[str],
    parts: list[Part],
) -> None:
    mime = resource.mime_type or ""
    if isinstance(resource, types.TextResourceContents):
        texts.append(f"[resource {resource.uri}]\n{resource.text}")
        return
    family = mime.partition("/")[0]
    if family in _MEDIA or mime == "application/pdf":
        part_type = family if family in _MEDIA else "document"
        parts.append(Part(part_type, media=Media(mime, resource.blob)))
        return
    # Base64 encodes three bytes in four characters.
    size = len(resource.blob) * 3 // 4
    texts.append(f"[resource {resource.uri}: {size} bytes of {mime or 'unknown type'}]")
