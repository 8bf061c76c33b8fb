"""OpenAI's Responses API, without its server-side state: the body of a request."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, OutputSchema, ToolSpec
from omnia_runtime.providers.lenient import loads_object
from omnia_runtime.providers.openai.chat import offers_tools, schema_name
from omnia_runtime.providers.openai.media import (
    Input,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    message_inputs,
    result_inputs,
)
from omnia_runtime.providers.openai.models import family_of, reasons

# Marks our `opaque` text: another vendor's adapter may have left its own in the conversation.
_VENDOR = "openai"


def responses_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the server's defaults hold.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    body: JsonObject = {
        "model": config.model,
        "input": [item for message in request.messages for item in _items(config, message)],
        "stream": True,
        # The runtime stores the conversation, and sends all of it.
        "store": False,
    }
    if request.system.strip():
        body["instructions"] = request.system
    if offers_tools(config, request):
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
        if config.openai.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.openai.parallel_tool_calls
    if request.output:
        body["text"] = {"format": _format(request.output)}
    if family_of(config).effort:
        body["include"] = ["reasoning.encrypted_content"]
    if config.openai.reasoning_effort:
        body["reasoning"] = {"effort": config.openai.reasoning_effort}
    return body | _parameters(config, request.parameters)


def _items(config: ProviderConfig, message: Message) -> list[JsonObject]:
    if message.role == "tool":
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": _output(message),
            }
        ]
    if message.role == "user" and message.parts:
        return [{"role": "user", "content": _content(message_inputs(message))}]
    items: list[JsonObject] = []
    # An answer that was cut before its first word is empty.
    if message.content.strip() or message.role != "assistant":
        items.append({"role": message.role, "content": message.content})
    for call in message.tool_calls:
        items += unpacked_reasoning(call.opaque, config.model)
        items.append(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items


def _output(message: Message) -> str | list[JsonObject]:
    media = result_inputs(message.parts)
    return _content([InputText(message.content), *media]) if media else message.content


def _content(inputs: Iterable[Input]) -> list[JsonObject]:
    return [_content_part(content) for content in inputs]


def _content_part(content: Input) -> JsonObject:
    match content:
        case InputText(text):
            return {"type": "input_text", "text": text}
        case InputImage(url):
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case InputAudio(data, format_):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case InputFile(url=url) if url:
            return {"type": "input_file", "file_url": url}
        case InputFile(name, data_url):
            return {"type": "input_file", "filename": name, "file_data": data_url}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        # Strict mode, this API's default, supports only a subset of JSON Schema.
        "strict": False,
    }


def _format(output: OutputSchema) -> JsonObject:
    return {
        "type": "json_schema",
        "name": schema_name(output),
        "schema": output.schema,
        "strict": False,
    }


def _parameters(config: ProviderConfig, parameters: Parameters) -> JsonObject:
    # The API has no frequency and presence penalties.
    values: dict[str, Any] = {"max_output_tokens": parameters.max_tokens}
    if not reasons(config):
        values |= {"temperature": parameters.temperature, "top_p": parameters.top_p}
    return {name: value for name, value in values.items() if value is not None}


class _Reasoning(Struct, frozen=True):
    """The reasoning items before a call, encrypted; only the model that wrote them can read them.

    A model that gets them back continues its reasoning, instead of beginning again.
    """

    vendor: str
    model: str
    items: list[JsonObject]


def packed_reasoning(model: str, items: Sequence[Raw]) -> str:
    """Pack reasoning items into the `opaque` text of a tool call."""
    if not items:
        return ""
    read = (loads_object(bytes(item)) for item in items)
    kept = [item for item in read if item]
    return msgspec.json.encode(_Reasoning(_VENDOR, model, kept)).decode()


def unpacked_reasoning(opaque: str, model: str) -> list[JsonObject]:
    """Return the reasoning items in an `opaque` text; none if another model wrote it."""
    if not opaque:
        return []
    try:
        found = msgspec.json.decode(opaque, type=_Reasoning)
    except msgspec.DecodeError:
        return []
    if (found.vendor, found.model) != (_VENDOR, model):
        return []
    # The server looks up an item without its content, and has stored none.
    return [item for item in found.items if item.get("encrypted_content") or item.get("content")]
