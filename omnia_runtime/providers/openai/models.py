"""What OpenAI's models do differently, by the beginnings of their names.

Sources, read in 2026: https://developers.openai.com/api/docs/models,
https://developers.openai.com/api/docs/guides/reasoning and .../guides/latest-model.
"""

import re
from urllib.parse import urlsplit

from msgspec import Struct

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig

OPENAI_HOST = "api.openai.com"


class ModelFamily(Struct, frozen=True):
    """Models whose names begin alike.

    Attributes:
        effort: how much they reason unless told otherwise, "" for models that do not reason.
        responses: whether they answer, or call tools, only through the Responses API.
    """

    effort: str = ""
    responses: bool = False


_PLAIN = ModelFamily()
_REASONS = ModelFamily("medium")
_MAY_REASON = ModelFamily("none")
_RESPONSES = ModelFamily("medium", responses=True)

_GENERATION = re.compile(r"gpt-(\d+)")
_NEWEST = 6

# The longest beginning counts.
_FAMILIES = {
    "o1": _REASONS,
    "o1-pro": _RESPONSES,
    "o3": _REASONS,
    "o3-pro": _RESPONSES,
    "o3-deep-research": _RESPONSES,
    "o4-mini": _REASONS,
    "o4-mini-deep-research": _RESPONSES,
    "codex-mini": _RESPONSES,
    "gpt-5": _REASONS,
    "gpt-5-chat": _PLAIN,
    "gpt-5-codex": _RESPONSES,
    "gpt-5-pro": _RESPONSES,
    "gpt-5.1": _MAY_REASON,
    "gpt-5.1-chat": _REASONS,
    "gpt-5.1-codex": _RESPONSES,
    "gpt-5.2": _MAY_REASON,
    "gpt-5.2-chat": _REASONS,
    "gpt-5.2-codex": _RESPONSES,
    "gpt-5.2-pro": _RESPONSES,
    "gpt-5.3-codex": _RESPONSES,
    "gpt-5.4": _MAY_REASON,
    "gpt-5.4-pro": _RESPONSES,
    "gpt-5.5-pro": _RESPONSES,
    # with tools, chat completions takes them only without reasoning
    "gpt-5.6": _RESPONSES,
    "gpt-6": _RESPONSES,
}


def family_of(config: ProviderConfig) -> ModelFamily:
    """Return what is known of a provider's model; a server of one's own is taken as it is."""
    if config.type != "openai":
        return _PLAIN
    model = config.model.rpartition("/")[2]
    beginnings = [each for each in _FAMILIES if model.startswith(each)]
    if beginnings:
        return _FAMILIES[max(beginnings, key=len)]
    # a generation that is newer than this table is taken to be like the newest in it
    generation = _GENERATION.match(model)
    return _RESPONSES if generation and int(generation[1]) > _NEWEST else _PLAIN


def reasons(config: ProviderConfig) -> bool:
    """Whether the model thinks before it answers, and takes no temperature, top_p and penalties."""
    family = family_of(config)
    effort = config.openai.reasoning_effort or family.effort
    return family.effort != "" and effort != "none"


def not_taken(config: ProviderConfig, parameters: Parameters) -> list[str]:
    """Name the parameters that are set and that the model, or its API, does not take."""
    refused = [] if config.type == "vllm" else ["top_k"]
    if uses_responses(config) or reasons(config):
        refused += ["frequency_penalty", "presence_penalty"]
    if reasons(config):
        refused += ["temperature", "top_p"]
    return [name for name in refused if getattr(parameters, name) is not None]


def uses_responses(config: ProviderConfig) -> bool:
    """Whether the Responses API is spoken: as the Provider says, else where the model needs it.

    Compatible servers are taken to speak chat completions.
    """
    if config.openai.api:
        return config.openai.api == "responses"
    return at_openai(config) and family_of(config).responses


def at_openai(config: ProviderConfig) -> bool:
    """Whether the provider is OpenAI itself."""
    host = urlsplit(config.base_url).hostname if config.base_url else OPENAI_HOST
    return config.type == "openai" and host == OPENAI_HOST
