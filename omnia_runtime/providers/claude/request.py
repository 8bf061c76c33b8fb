"""From a chat request to the body of Anthropic's Messages API."""

from urllib.parse import urlsplit

import orjson

from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ChatRequest, ToolChoice, ToolSpec
from omnia_runtime.providers.claude.messages import claude_messages
from omnia_runtime.providers.claude.parameters import claude_parameters
from omnia_runtime.providers.claude.schema import output_schema
from omnia_runtime.providers.claude.version import abilities
from omnia_runtime.providers.output_instruction import with_instruction

_BASE_URL = "https://api.anthropic.com"
# Below about this many characters the vendor caches nothing.
_WORTH_CACHING = 4096
_CACHED = {"type": "ephemeral"}
_CHOICES: dict[ToolChoice, str] = {"auto": "auto", "required": "any", "none": "none"}


def messages_url(config: ProviderConfig) -> str:
    """Return the URL to post to.

    Raises:
        ValueError: the base URL is none.
    """
    base = (config.base_url or _BASE_URL).rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'baseURL must be an http or https URL, found "{config.base_url}"')
    return base.removesuffix("/v1") + "/v1/messages"


def messages_body(
    config: ProviderConfig, request: ChatRequest, *, thinking: bool = True
) -> JsonObject:
    """Map a request; what is not set is left out, so that the vendor's own default holds.

    `thinking` says whether thoughts are sent back.

    Raises:
        VendorFailure: the API does not take media of a message.
    """
    can = abilities(config.model)
    body: JsonObject = {
        "model": config.model,
        "messages": claude_messages(request.messages, thinking=thinking),
        "stream": True,
        **claude_parameters(request.parameters, can),
    }
    tools = [_tool(tool) for tool in request.tools]
    weight = len(orjson.dumps(tools))
    if tools:
        body["tools"] = tools
        # Not left out with "none": the API wants the tools of a history that calls them.
        choice = _CHOICES[request.tool_choice]
        body["tool_choice"] = {"type": "auto" if choice == "any" and not can.forced else choice}
        if weight >= _WORTH_CACHING:
            tools[-1]["cache_control"] = _CACHED
    system = request.system
    if request.output:
        schema = output_schema(request.output.schema) if can.schemas else None
        if schema is None:
            system = with_instruction(system, request.output)
        else:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if system.strip():
        block: JsonObject = {"type": "text", "text": system}
        body["system"] = [block]
        # What is cached begins with the tools, so they count.
        if weight + len(system) >= _WORTH_CACHING:
            block["cache_control"] = _CACHED
    return body


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        # the API demands the type, which JSON Schema does not
        "input_schema": {"type": "object"} | tool.input_schema,
    }
