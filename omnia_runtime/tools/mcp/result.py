"""The result of an MCP tool as the model and the conversation take it."""

from collections.abc import Sequence

import orjson
from mcp import types

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult

_NOTHING = "(the tool returned nothing)"
_MEDIA = ("image", "audio", "video")


def result_of(result: types.CallToolResult) -> ToolResult:
    """Keep everything that a tool returned: text or JSON as content, media as parts."""
    texts, parts = _taken_apart(result.content)
    text = "\n".join(texts)
    if result.is_error:
        failed = {"error": text or "the tool failed"}
        return ToolResult(orjson.dumps(failed).decode(), is_error=True, parts=tuple(parts))
    if result.structured_content is not None:
        # the text beside it says the same for clients that know no structure
        text = orjson.dumps(result.structured_content).decode()
    elif not text:
        text = f"({len(parts)} media parts)" if parts else _NOTHING
    return ToolResult(text, parts=tuple(parts))


def _taken_apart(content: Sequence[types.ContentBlock]) -> tuple[list[str], list[Part]]:
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
    about = ", ".join(each for each in (block.mime_type, block.description) if each)
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
        kind = family if family in _MEDIA else "document"
        parts.append(Part(kind, media=Media(mime, resource.blob)))
        return
    # base64 holds three bytes in four characters
    size = len(resource.blob) * 3 // 4
    texts.append(f"[resource {resource.uri}: {size} bytes of {mime or 'unknown type'}]")
