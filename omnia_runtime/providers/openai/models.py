"""Differences between OpenAI's models, by the prefixes of their names.

ToolSources, read in 2026: https://developers.openai.com/api/docs/models,
https://developers.openai.com/api/docs/guides/reasoning and .../guides/latest-model.
"""

import re
from urllib.parse import urlsplit

from msgspec import Struct

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig

OPENAI_HOST = "api.openai.com"


class ModelFamily(Struct, frozen=True):
    """Models with the same prefix of their names.

    Attributes:
        effort: the default reasoning effort, "" for models that do not reason.
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

# The longest prefix counts.
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
    # Chat completions accepts tools for these only without reasoning.
    "gpt-5.6": _RESPONSES,
    "gpt-6": _RESPONSES,
}


def family_of(config: ProviderConfig) -> ModelFamily:
    """Return the family of a provider's model; a self-hosted model has the plain one."""
    if config.type != "openai":
        return _PLAIN
    model = config.model.rpartition("/")[2]
    prefixes = [prefix for prefix in _FAMILIES if model.startswith(prefix)]
    if prefixes:
        return _FAMILIES[max(prefixes, key=len)]
    # A generation newer than this table is assumed to be like the newest one in it.
    generation = _GENERATION.match(model)
    return _RESPONSES if generation and int(generation[1]) > _NEWEST else _PLAIN


def reasons(config: ProviderConfig) -> bool:
    """Whether the model reasons, and so does not support temperature, top_p and penalties."""
    family = family_of(config)
    effort = config.openai.reasoning_effort or family.effort
    return family.effort != "" and effort != "none"


def unsupported_parameters(config: ProviderConfig, parameters: Parameters) -> list[str]:
    """List the parameters that are set, but that the model or its API does not support."""
    unsupported = [] if config.type == "vllm" else ["top_k"]
    if uses_responses(config) or reasons(config):
        unsupported += ["frequency_penalty", "presence_penalty"]
    if reasons(config):
        unsupported += ["temperature", "top_p"]
    return [name for name in unsupported if getattr(parameters, name) is not None]


def uses_responses(config: ProviderConfig) -> bool:
    """Whether to use the Responses API: as the Provider says, else if the model needs it.

    Compatible servers are assumed to offer chat completions only.
    """
    if config.openai.api:
        return config.openai.api == "responses"
    return at_openai(config) and family_of(config).responses


def at_openai(config: ProviderConfig) -> bool:
    """Whether the provider is OpenAI itself."""
    host = urlsplit(config.base_url).hostname if config.base_url else OPENAI_HOST
    return config.type == "openai" and host == OPENAI_HOST


def has_think_tags(config: ProviderConfig) -> bool:
    """Whether `<think>` at the beginning of an answer is taken for reasoning.

    OpenAI itself sends no such tags.
    """
    wanted = config.openai.think_tags
    return not at_openai(config) if wanted is None else wanted
