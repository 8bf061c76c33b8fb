"""From a chat request to the body of Gemini's generateContent."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Struct

from omnia_core.conversation.parts import Media, Part
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject, check_depth
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, ToolChoice, ToolSpec
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_request import (
    check_base_url,
    parsed_arguments,
    with_instruction,
)

_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
_API_VERSION = re.compile(r"/v\d+\w*$")
_MODES: dict[ToolChoice, str] = {"auto": "AUTO", "required": "ANY", "none": "NONE"}

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?![\d.])")
_NEWEST = (99, 0)

_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
_ACCEPTED = (*_IMAGES, "application/pdf")
_ACCEPTED_FAMILIES = ("audio/", "video/", "text/")

# Gemini 3 signs its tool calls, and wants the signatures back unchanged. This value stands for the
# signature of a call that another model made.
# Source: https://ai.google.dev/gemini-api/docs/thought-signatures
_NO_SIGNATURE = "skip_thought_signature_validator"
# Marks our `opaque` text: another vendor's adapter may have left its own in the conversation.
_MARK = "gemini:"


class GeminiCapabilities(Struct, frozen=True):
    """What differs between the generations of Gemini.

    Attributes:
        signs_calls: it signs its tool calls, and rejects a conversation with an unsigned call.
        takes_media_in_results: the result of a tool may contain media.
        calls_with_schema: it accepts an output schema and tools in one request.
        takes_sampling: temperature, topP and topK have an effect.
    """

    signs_calls: bool
    takes_media_in_results: bool
    calls_with_schema: bool
    takes_sampling: bool


def gemini_capabilities(model: str) -> GeminiCapabilities:
    """Return what a model accepts, by its name.

    A Gemini without a version, such as `gemini-flash-latest`, is the newest. Another model behind
    the API, such as Gemma, has none of the newer capabilities.

    Source: https://ai.google.dev/gemini-api/docs/gemini-3, …/whats-new-gemini-3.6
    """
    found = _VERSION.search(model)
    version = (int(found[1]), int(found[2] or 0)) if found else _NEWEST
    if not found and "gemini" not in model:
        version = (0, 0)
    third = version >= (3, 0)
    return GeminiCapabilities(third, third, third, version < (3, 6))


def generate_url(config: ProviderConfig) -> str:
    """Return the URL to post to; it does not contain the key.

    Raises:
        ValueError: the base URL is invalid.
    """
    base = (config.base_url or _BASE_URL).rstrip("/")
    check_base_url(base)
    if not _API_VERSION.search(base):
        base += "/v1beta"
    model = config.model if "/" in config.model else f"models/{config.model}"
    return f"{base}/{quote(model, safe='/@:')}:streamGenerateContent?alt=sse"


def generate_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the vendor's defaults hold.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    can = gemini_capabilities(config.model)
    body: JsonObject = {"contents": _contents(request.messages, can)}
    generation = _parameters(request.parameters, can)
    system = request.system
    if request.output and (can.calls_with_schema or not request.tools):
        generation["responseMimeType"] = "application/json"
        generation["responseJsonSchema"] = request.output.schema
    elif request.output:
        system = with_instruction(system, request.output)
    if system.strip():
        body["systemInstruction"] = {"role": "user", "parts": [{"text": system}]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
        mode = _MODES[request.tool_choice]
        body["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
    if generation:
        body["generationConfig"] = generation
    return body


def packed_signature(signature: str) -> str:
    """Pack the signature of a tool call into the `opaque` text of the call."""
    return _MARK + signature if signature else ""


def _unpacked_signature(opaque: str) -> str:
    """Return the signature in the `opaque` text of a call; "" if another vendor wrote the text."""
    return opaque.removeprefix(_MARK) if opaque.startswith(_MARK) else ""


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.input_schema,
    }


def _parameters(parameters: Parameters, can: GeminiCapabilities) -> JsonObject:
    values: JsonObject = {
        "maxOutputTokens": parameters.max_tokens,
        "presencePenalty": parameters.presence_penalty,
        "frequencyPenalty": parameters.frequency_penalty,
    }
    if can.takes_sampling:
        values |= {
            "temperature": parameters.temperature,
            "topP": parameters.top_p,
            "topK": parameters.top_k,
        }
    return {name: value for name, value in values.items() if value is not None}


def _contents(conversation: Sequence[Message], can: GeminiCapabilities) -> list[JsonObject]:
    """Map a conversation; the results of parallel calls are one content, in the order of calls."""
    names = {call.id: call.name for message in conversation for call in message.tool_calls}
    contents: list[JsonObject] = []
    for role, messages in groupby(conversation, lambda message: message.role):
        if role == "tool":
            contents += _results(list(messages), names, can)
            continue
        for message in messages:
            parts = _answer(message, can) if role == "assistant" else _content_parts(message)
            # An answer that was cut before its first word is empty.
            if parts:
                contents.append(
                    {"role": "model" if role == "assistant" else "user", "parts": parts}
                )
    return contents


def _answer(message: Message, can: GeminiCapabilities) -> list[JsonObject]:
    media = [_media_part(part) for part in message.parts if part.type != "text"]
    if can.signs_calls:
        media = [{**part, "thoughtSignature": _NO_SIGNATURE} for part in media]
    parts = _text_parts(message.content) + media
    for index, call in enumerate(message.tool_calls):
        part: JsonObject = {
            "functionCall": {
                "id": call.id,
                "name": call.name,
                "args": parsed_arguments(call.arguments),
            }
        }
        signature = _unpacked_signature(call.opaque)
        if signature:
            part["thoughtSignature"] = signature
        elif can.signs_calls and index == 0:
            # Of parallel calls, only the first is signed.
            part["thoughtSignature"] = _NO_SIGNATURE
        parts.append(part)
    return parts


def _results(
    messages: Sequence[Message], names: dict[str, str], can: GeminiCapabilities
) -> list[JsonObject]:
    parts, separate = [], []
    for message in messages:
        response: JsonObject = {
            "id": message.tool_call_id,
            "name": names.get(message.tool_call_id, message.tool_call_id),
            "response": {"error" if message.is_error else "output": _value(message.content)},
        }
        media = [_media_part(part) for part in message.parts if part.type != "text"]
        if media and can.takes_media_in_results:
            response["parts"] = media
        else:
            separate += media
        parts.append({"functionResponse": response})
    results: list[JsonObject] = [{"role": "user", "parts": parts}]
    return [*results, {"role": "user", "parts": separate}] if separate else results


def _value(content: str) -> Any:
    """Return a result as parsed JSON, or as text if it is not JSON."""
    try:
        check_depth(content)
        return orjson.loads(content)
    except ValueError:
        return content


def _text_parts(text: str) -> list[JsonObject]:
    """Return the part of a text; none for a blank one, since the API rejects an empty one."""
    return [{"text": text}] if text.strip() else []


def _content_parts(message: Message) -> list[JsonObject]:
    """Return the parts of a message in order, and its text if no part holds it."""
    mapped: list[JsonObject] = []
    for part in message.parts:
        mapped += _text_parts(part.text) if part.type == "text" else [_media_part(part)]
    if any(part.type == "text" for part in message.parts):
        return mapped
    # The vendor's advice: the text about an image comes after it.
    return mapped + _text_parts(message.content)


def _media_part(part: Part) -> JsonObject:
    media = part.media or Media()
    mime_type = media.mime_type or _guessed_type(media.url)
    if mime_type not in _ACCEPTED and not mime_type.startswith(_ACCEPTED_FAMILIES):
        raise VendorFailure(
            f'does not accept {part.type} parts of the media type "{mime_type or "unknown"}"; '
            "it accepts images (PNG, JPEG, WebP, HEIC, HEIF), audio, video, PDF and text"
        )
    if media.url:
        return {"fileData": {"fileUri": media.url, "mimeType": mime_type}}
    return {"inlineData": {"data": media.data, "mimeType": mime_type}}


def _guessed_type(url: str) -> str:
    """Guess the media type from the ending of a URL's path: the API requires one."""
    from mimetypes import guess_type  # noqa: PLC0415 - it reads the system's tables, rarely needed

    return guess_type(url)[0] or ""
