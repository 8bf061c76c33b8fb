"""From a chat request to the body of OpenAI's Responses API, used without its memory."""

from collections.abc import Iterable
from typing import Any

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, OutputSchema, ToolSpec
from omnia_runtime.providers.openai.media import (
    Audio,
    File,
    Image,
    Piece,
    Text,
    pieces_of,
    tool_pieces,
)
from omnia_runtime.providers.openai.models import family_of, reasons
from omnia_runtime.providers.openai.request import offers_tools, schema_name
from omnia_runtime.providers.openai.responses_reasoning import recalled


def responses_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request; what is not set is left out, so that the server's own default holds.

    Raises:
        VendorFailure: the API does not take the media of a message.
    """
    body: JsonObject = {
        "model": config.model,
        "input": [item for message in request.messages for item in _items(config, message)],
        "stream": True,
        # the conversation is ours to keep, and is sent whole
        "store": False,
    }
    if request.system:
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
        return [{"role": "user", "content": _content(pieces_of(message))}]
    items: list[JsonObject] = []
    # an answer that was cut before its first word says nothing
    if message.content or message.role != "assistant":
        items.append({"role": message.role, "content": message.content})
    for call in message.tool_calls:
        items += recalled(call.opaque, config.model)
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
    pieces = tool_pieces(message.parts)
    return _content([Text(message.content), *pieces]) if pieces else message.content


def _content(pieces: Iterable[Piece]) -> list[JsonObject]:
    return [_piece(piece) for piece in pieces]


def _piece(piece: Piece) -> JsonObject:
    match piece:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Image(url):
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case Audio(data, format_):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case File(url=url) if url:
            return {"type": "input_file", "file_url": url}
        case File(name, data_url):
            return {"type": "input_file", "filename": name, "file_data": data_url}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        # strict is this API's default, and takes a subset of JSON Schema
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
    """The API has no penalties."""
    values: dict[str, Any] = {"max_output_tokens": parameters.max_tokens}
    if not reasons(config):
        values |= {"temperature": parameters.temperature, "top_p": parameters.top_p}
    return {name: value for name, value in values.items() if value is not None}
