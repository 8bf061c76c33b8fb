"""The result of an MCP tool: its text, structured content and media, each once."""

import base64
import json
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from mcp import types

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import json_bytes
from omnia_runtime.tools.text import decode_text, media_kind

_NO_CONTENT = "(the tool returned nothing)"
# Stands in the structured content for the base64 of a block, which the model gets as media or text.
_SENT_BESIDE = "(in the content)"


def tool_result(result: types.CallToolResult) -> ToolResult:
    """Map everything that a tool returned: text or JSON to the content, media to parts.

    The protocol asks servers to repeat structured content as text. Each is said once: the JSON,
    or the text where the JSON is only a wrapper of it.
    """
    texts, parts = _separated(result.content)
    structured = result.structured_content
    if structured is not None and _wrapped(structured) not in texts:
        texts = [text for text in texts if not _repeats(text, structured)]
        data = _base64_of(result.content)
        texts.append(json_bytes(_without(structured, data) if data else structured).decode())
    text = "\n".join(texts)
    if result.is_error:
        failed = {"error": text or "the tool failed"}
        return ToolResult(orjson.dumps(failed).decode(), is_error=True, parts=tuple(parts))
    if not text:
        text = f"({len(parts)} media parts)" if parts else _NO_CONTENT
    return ToolResult(text, parts=tuple(parts))


def _wrapped(structured: Any) -> Any:
    """Return the value of an object with one member: servers wrap what is not an object."""
    if isinstance(structured, dict) and len(structured) == 1:
        return next(iter(structured.values()))
    return None


def _repeats(text: str, structured: Any) -> bool:
    """Whether a text says nothing beside the structured content, or one element of it."""
    wrapped = _wrapped(structured)
    said = [structured, wrapped, *(wrapped if isinstance(wrapped, list) else ())]
    if text in said:
        return True
    try:
        return json.loads(text) in said
    except (ValueError, RecursionError):
        return False


def _base64_of(content: Sequence[types.ContentBlock]) -> set[str]:
    found: set[str] = set()
    for block in content:
        if isinstance(block, types.ImageContent | types.AudioContent):
            found.add(block.data)
        elif isinstance(block, types.EmbeddedResource) and isinstance(
            block.resource, types.BlobResourceContents
        ):
            found.add(block.resource.blob)
    return found


def _without(value: Any, data: Collection[str]) -> Any:
    """Return JSON in which the texts of `data` are replaced."""
    if isinstance(value, dict):
        return {key: _without(member, data) for key, member in value.items()}
    if isinstance(value, list):
        return [_without(member, data) for member in value]
    return _SENT_BESIDE if isinstance(value, str) and value in data else value


def _separated(content: Sequence[types.ContentBlock]) -> tuple[list[str], list[Part]]:
    texts: list[str] = []
    parts: list[Part] = []
    for block in content:
        match block:
            case types.TextContent():
                texts.append(block.text)
            case types.ImageContent() | types.AudioContent():
                _add_binary(block.type, block.mime_type, block.data, texts, parts)
            case types.ResourceLink():
                texts.append(_link(block))
            case types.EmbeddedResource(resource=resource):
                name = f"resource {resource.uri}"
                if isinstance(resource, types.TextResourceContents):
                    texts.append(f"[{name}]\n{resource.text}")
                else:
                    _add_binary(name, resource.mime_type or "", resource.blob, texts, parts)
    return texts, parts


def _link(block: types.ResourceLink) -> str:
    about = ", ".join(text for text in (block.mime_type, block.description) if text)
    return f"[resource {block.title or block.name}: {block.uri}{f' ({about})' if about else ''}]"


def _add_binary(
    name: str, mime_type: str, base64_data: str, texts: list[str], parts: list[Part]
) -> None:
    """Add what base64 contains: media as a part, text as text, anything else by its size."""
    mime, _, parameters = mime_type.lower().partition(";")
    mime = mime.strip()
    kind = _part_type(mime)
    if kind is not None:
        parts.append(Part(kind, media=Media(mime, base64_data)))
        return
    data = _decoded(base64_data)
    charset = parameters.partition("charset=")[2].partition(";")[0]
    text = decode_text(data, mime, charset)
    if text is None:
        texts.append(f"[{name}: {len(data)} bytes of {mime or 'unknown type'}]")
    else:
        texts.append(f"[{name}]\n{text}")


def _part_type(mime: str) -> str | None:
    if mime == "application/pdf":
        return "document"
    return "video" if mime.startswith("video/") else media_kind(mime)


def _decoded(base64_data: str) -> bytes:
    try:
        return base64.b64decode(base64_data)
    except ValueError:
        # Not base64: the server has forgotten to encode its text.
        return base64_data.encode()
