"""OpenAI's chat completions: the body of a request."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, OutputSchema, ToolSpec
from omnia_runtime.providers.openai.media import (
    Input,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    message_inputs,
    result_inputs,
)
from omnia_runtime.providers.openai.models import at_openai, reasons
from omnia_runtime.providers.openai.reasoning import add_reasoning
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_request import check_base_url

_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}
# Stands where a server wants an answer, and there is none.
_NO_ANSWER = "(no answer)"
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


def api_url(config: ProviderConfig, path: str) -> str:
    """Return the URL of an API, such as `/chat/completions`.

    Raises:
        ValueError: the base URL is invalid.
    """
    base = config.base_url or _BASE_URLS[config.type]
    check_base_url(base)
    return base.rstrip("/") + path


def chat_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the server's defaults hold.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    body: JsonObject = {
        "model": config.model,
        "messages": _messages(config, request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if offers_tools(config, request):
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
        if config.openai.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.openai.parallel_tool_calls
    if request.output:
        body["response_format"] = _response_format(request.output)
    return body | _parameters(config, request.parameters)


def offers_tools(config: ProviderConfig, request: ChatRequest) -> bool:
    """Whether to send the tools.

    They are sent even when none may be called, so that the request begins like the ones before it,
    which the vendor has cached. Only Ollama would call them nevertheless.
    """
    forbidden = request.tool_choice == "none" and config.type == "ollama"
    return bool(request.tools) and not forbidden


def schema_name(output: OutputSchema) -> str:
    """Return the name of a schema in the characters that the APIs accept."""
    return _NOT_IN_NAME.sub("_", output.name)[:64]


def _messages(config: ProviderConfig, request: ChatRequest) -> list[JsonObject]:
    mapped: list[JsonObject] = []
    if request.system.strip():
        mapped.append({"role": "system", "content": request.system})
    returned: list[Input] = []
    for message in request.messages:
        if message.role == "tool":
            returned += _returned(message)
        elif returned:
            _add(mapped, {"role": "user", "content": _user_content(returned)}, config)
            returned = []
        # An answer that was cut before its first word is empty.
        if message.content.strip() or message.tool_calls or message.role != "assistant":
            _add(mapped, _message(config, message), config)
    if returned:
        _add(mapped, {"role": "user", "content": _user_content(returned)}, config)
    return mapped


def _add(mapped: list[JsonObject], message: JsonObject, config: ProviderConfig) -> None:
    """Add a message so that those of user and assistant alternate.

    Only OpenAI itself accepts everything. Mistral and the chat templates of many models refuse two
    messages of the user in a row, and one after the results of tools.
    """
    previous = mapped[-1] if mapped else {}
    if message["role"] == "user" and not at_openai(config):
        if previous.get("role") == "user":
            mapped[-1] = {"role": "user", "content": _together(previous, message)}
            return
        if previous.get("role") == "tool":
            mapped.append(_message(config, Message("assistant", _NO_ANSWER)))
    mapped.append(message)


def _together(first: JsonObject, second: JsonObject) -> Any:
    contents = first["content"], second["content"]
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(contents)
    return [
        part
        for content in contents
        for part in (_content([InputText(content)]) if isinstance(content, str) else content)
    ]


def _message(config: ProviderConfig, message: Message) -> JsonObject:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id,
            "content": message.content,
        }
    if message.role == "user" and message.parts:
        return {"role": "user", "content": _user_content(message_inputs(message))}
    mapped: JsonObject = {"role": message.role, "content": message.content}
    if message.tool_calls:
        # The chat templates of many models fail at null, or write "None"; gateways to Claude make
        # an empty block of an empty text, which it refuses.
        mapped["content"] = message.content or (None if config.type == "openai" else "")
        mapped["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.role == "assistant":
        add_reasoning(mapped, message, config)
    return mapped


def _returned(message: Message) -> list[Input]:
    """A tool message holds only text: media go into a user message after the tool messages."""
    media = result_inputs(message.parts)
    if not media:
        return []
    return [InputText(f"The tool call {message.tool_call_id} returned:"), *media]


def _user_content(inputs: Sequence[Input]) -> str | list[JsonObject]:
    """Return the content of a message; several servers accept texts only as one text."""
    texts = [found.text for found in inputs if isinstance(found, InputText)]
    return "\n\n".join(texts) if len(texts) == len(inputs) else _content(inputs)


def _content(inputs: Iterable[Input]) -> list[JsonObject]:
    return [_content_part(content) for content in inputs]


def _content_part(content: Input) -> JsonObject:
    match content:
        case InputText(text):
            return {"type": "text", "text": text}
        case InputImage(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case InputAudio(data, format_):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case InputFile(url=url) if url:
            raise VendorFailure(
                "accepts a document by its URL only through the Responses API: send its data, or "
                "set openai.api: responses in the Provider"
            )
        case InputFile(name, data_url):
            return {"type": "file", "file": {"filename": name, "file_data": data_url}}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
        },
    }


def _response_format(output: OutputSchema) -> JsonObject:
    # Not strict: strict mode supports a subset of JSON Schema, and the facade checks all of it.
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(output), "schema": output.schema},
    }


def _parameters(config: ProviderConfig, parameters: Parameters) -> JsonObject:
    # OpenAI renamed the limit; most compatible servers know only the old name.
    limit = "max_completion_tokens" if at_openai(config) else "max_tokens"
    values: dict[str, Any] = {
        limit: parameters.max_tokens,
        "reasoning_effort": config.openai.reasoning_effort,
    }
    if not reasons(config):
        values |= {
            "temperature": parameters.temperature,
            "top_p": parameters.top_p,
            "frequency_penalty": parameters.frequency_penalty,
            "presence_penalty": parameters.presence_penalty,
        }
    if config.type == "vllm":
        values["top_k"] = parameters.top_k
    return {name: value for name, value in values.items() if value is not None}
