"""From a chat request to the body of Anthropic's Messages API."""

import re
from functools import lru_cache

from msgspec import Struct

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_runtime.ports.model import ChatRequest, ToolChoice, ToolSpec
from omnia_runtime.providers.claude.messages import CACHED, claude_messages, mark_cached
from omnia_runtime.providers.claude.schema import output_schema
from omnia_runtime.providers.vendor_request import check_base_url, with_instruction

_BASE_URL = "https://api.anthropic.com"
# The vendor caches nothing below about this many characters.
_MIN_CACHED = 4096
_CHOICES: dict[ToolChoice, str] = {"auto": "auto", "required": "any", "none": "none"}
# The API requires a limit; these are the defaults. The oldest models cannot answer with more tokens
# than the first.
_MAX_TOKENS = 4096
_MAX_TOKENS_THINKING = 16384

# Names such as claude-3-5-haiku-20241022, claude-opus-4-1 and claude-sonnet-5.
_NAME = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2}))?(?![\d.])")
_NEWEST = (99, 0)
# The first version of each line that always thinks, and rejects a forced tool call.
_NEVER_FORCED = {"opus": (5, 5), "fable": (5, 1), "mythos": (5, 1)}


class ClaudeCapabilities(Struct, frozen=True):
    """What differs between the generations of Claude.

    Attributes:
        sampling: it accepts temperature, top_p and top_k; a newer model rejects the request.
        both: it accepts temperature and top_p in one request.
        forced: it can be forced to call a tool.
        thinks: it thinks without being asked, and its thinking counts as output.
        schemas: it can be held to an output schema.
    """

    sampling: bool
    both: bool
    forced: bool
    thinks: bool
    schemas: bool


@lru_cache(maxsize=64)
def claude_capabilities(model: str) -> ClaudeCapabilities:
    """Return what a model accepts, by its name.

    A Claude without a version is the newest. A model that is not Claude, behind a compatible
    server, accepts all parameters.

    Source: https://platform.claude.com/docs/en/about-claude/models/migration-guide
    """
    found = _NAME.search(model)
    version = (int(found[2]), int(found[3] or 0)) if found else _NEWEST
    if "claude" not in model:
        version = (0, 0)
    line = found[1] if found else None
    return ClaudeCapabilities(
        sampling=version < (4, 7),
        both=version < (4, 1),
        forced=version < _NEVER_FORCED.get(line or "", _NEWEST),
        thinks=version >= (4, 7),
        schemas=version >= (4, 5),
    )


def messages_url(config: ProviderConfig) -> str:
    """Return the URL to post to.

    Raises:
        ValueError: the base URL is invalid.
    """
    base = (config.base_url or _BASE_URL).rstrip("/")
    check_base_url(base)
    return base.removesuffix("/v1") + "/v1/messages"


def messages_body(
    config: ProviderConfig, request: ChatRequest, *, thinking: bool = True
) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the vendor's defaults hold.

    `thinking` says whether thinking blocks are sent back.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    can = claude_capabilities(config.model)
    body: JsonObject = {
        "model": config.model,
        "messages": claude_messages(request.messages, thinking=thinking),
        "stream": True,
        **claude_parameters(request.parameters, can),
    }
    tools = [_tool(tool) for tool in request.tools]
    size = len(json_bytes(tools))
    if tools:
        body["tools"] = tools
        # Sent even with "none": the API wants the tools that the history calls.
        choice = _CHOICES[request.tool_choice]
        body["tool_choice"] = {"type": "auto" if choice == "any" and not can.forced else choice}
        if size >= _MIN_CACHED:
            tools[-1]["cache_control"] = CACHED
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
        # The cached prefix begins with the tools, so they count.
        if size + len(system) >= _MIN_CACHED:
            block["cache_control"] = CACHED
    # A function without tools is called once with these messages: nothing would read the cache.
    said = sum(len(message.content) for message in request.messages)
    if size + len(system) + said >= _MIN_CACHED and (tools or not request.output):
        mark_cached(body["messages"])
    return body


def claude_parameters(parameters: Parameters, can: ClaudeCapabilities) -> JsonObject:
    """Return the parameters that a model accepts; `max_tokens` is always among them.

    The API has no frequency and presence penalties, so these are left out, and so are the sampling
    parameters for models that reject them. If temperature and top_p are both set, newer models are
    sent only the temperature.
    """
    values: JsonObject = {"max_tokens": parameters.max_tokens}
    if parameters.max_tokens is None:
        values["max_tokens"] = _MAX_TOKENS_THINKING if can.thinks else _MAX_TOKENS
    if can.sampling:
        both = can.both or parameters.temperature is None
        values |= {
            "temperature": parameters.temperature,
            "top_p": parameters.top_p if both else None,
            "top_k": parameters.top_k,
        }
    return {name: value for name, value in values.items() if value is not None}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        # The API requires the type, which JSON Schema does not.
        "input_schema": {"type": "object"} | tool.input_schema,
    }
