"""From a chat request to the body of OpenAI's chat completions."""

import re
from typing import Any
from urllib.parse import urlsplit

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.providers.port import ChatRequest, OutputSchema, ToolSpec

_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}
OPENAI_TYPES = tuple(_BASE_URLS)
_OPENAI_HOST = "api.openai.com"
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


def chat_url(config: ProviderConfig) -> str:
    """Return the URL to post to.

    Raises:
        ValueError: the base URL is none.
    """
    base = config.base_url or _BASE_URLS[config.type]
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'baseURL must be an http or https URL, found "{base}"')
    return base.rstrip("/") + "/chat/completions"


def chat_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request; what is not set is left out, so that the server's own default holds."""
    body: JsonObject = {
        "model": config.model,
        "messages": _messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools and request.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
    if request.output:
        body["response_format"] = _response_format(request.output)
    return body | _parameters(config, request.parameters)


def _messages(request: ChatRequest) -> list[JsonObject]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    return system + [
        _message(message)
        for message in request.messages
        # an answer that was cut before its first word says nothing
        if message.content or message.tool_calls or message.role != "assistant"
    ]


def _message(message: Message) -> JsonObject:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id,
            "content": message.content,
        }
    mapped: JsonObject = {"role": message.role, "content": message.content}
    if message.tool_calls:
        mapped["content"] = message.content or None
        mapped["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return mapped


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
    # Not strict: strict mode takes a subset of JSON Schema, and the facade checks the whole anyway.
    name = _NOT_IN_NAME.sub("_", output.name)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": output.schema}}


def _parameters(config: ProviderConfig, parameters: Parameters) -> JsonObject:
    values: dict[str, Any] = {
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "frequency_penalty": parameters.frequency_penalty,
        "presence_penalty": parameters.presence_penalty,
        _max_tokens_key(config): parameters.max_tokens,
    }
    if config.type == "vllm":
        values["top_k"] = parameters.top_k
    return {name: value for name, value in values.items() if value is not None}


def _max_tokens_key(config: ProviderConfig) -> str:
    """OpenAI itself renamed the parameter; compatible servers know the old name best."""
    host = urlsplit(config.base_url).hostname if config.base_url else _OPENAI_HOST
    ours = config.type == "openai" and host == _OPENAI_HOST
    return "max_completion_tokens" if ours else "max_tokens"
