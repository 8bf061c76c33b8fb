"""From a chat request to the body of Gemini's generateContent."""

import re
from urllib.parse import quote, urlsplit

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ChatRequest, ToolChoice, ToolSpec
from omnia_runtime.providers.gemini.contents import gemini_contents
from omnia_runtime.providers.gemini.version import Abilities, abilities
from omnia_runtime.providers.output_instruction import with_instruction

_BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
_API_VERSION = re.compile(r"/v\d+\w*$")
_MODES: dict[ToolChoice, str] = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def generate_url(config: ProviderConfig) -> str:
    """Return the URL to post to; it holds no key.

    Raises:
        ValueError: the base URL is none.
    """
    base = (config.base_url or _BASE_URL).rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'baseURL must be an http or https URL, found "{config.base_url}"')
    if not _API_VERSION.search(base):
        base += "/v1beta"
    model = config.model if "/" in config.model else f"models/{config.model}"
    return f"{base}/{quote(model, safe='/@:')}:streamGenerateContent?alt=sse"


def generate_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request; what is not set is left out, so that the vendor's own default holds.

    Raises:
        VendorFailure: the API does not take media of a message.
    """
    can = abilities(config.model)
    body: JsonObject = {"contents": gemini_contents(request.messages, can)}
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


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.input_schema,
    }


def _parameters(parameters: Parameters, can: Abilities) -> JsonObject:
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
