"""What a call costs: the Provider's own prices, or the list prices of its vendor."""

import re
from functools import cache
from urllib.parse import urlsplit

import structlog
from msgspec import Struct, structs

from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import Pricing, ProviderConfig

_log = structlog.get_logger()

# Self-hosted servers, whose calls no vendor charges for.
_SELF_HOSTED = ("ollama", "vllm")
# The suffixes with which vendors mark a release of a model.
_RELEASE = re.compile(r"([-@](\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3}|preview(-\d{2}-\d{4})?))+$")


class Prices(Struct, frozen=True):
    """US dollars per million tokens.

    Attributes:
        cached: for input tokens that were read from a cache.
        written: for input tokens that were written to a cache.
    """

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    written: float = 0.0

    def priced(self, usage: Usage, written_tokens: int = 0) -> Usage:
        """Return `usage` with its cost.

        `written_tokens` of the input tokens were written to a cache; they were not read from it.
        """
        fresh = max(usage.input_tokens - usage.cached_tokens - written_tokens, 0)
        dollars = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + written_tokens * self.written
            + usage.output_tokens * self.output
        ) / 1_000_000
        return structs.replace(usage, cost_usd=dollars)


def prices_of(config: ProviderConfig) -> Prices:
    """Return the prices of a provider. A model without a known price is free, and is logged."""
    listed = _listed(config)
    own = config.pricing
    if listed is None and own == Pricing():
        if config.type not in _SELF_HOSTED and not _is_here(config.base_url):
            _warn(config.name, config.model)
        return Prices()
    return _merged(own, listed or Prices())


def _merged(own: Pricing, listed: Prices) -> Prices:
    """Merge the prices; the cache prices follow an input price of the Provider's own."""
    input_, cached, written = listed.input, listed.cached, listed.written
    if own.input_cost_per_1k is not None:
        input_ = cached = own.input_cost_per_1k * 1000
        written = input_ * (listed.written / listed.input if listed.input else 1.0)
    if own.cached_cost_per_1k is not None:
        cached = own.cached_cost_per_1k * 1000
    output = listed.output if own.output_cost_per_1k is None else own.output_cost_per_1k * 1000
    return Prices(input_, cached, output, written)


def _listed(config: ProviderConfig) -> Prices | None:
    if config.type == "mock":
        return _MOCK
    table = _LISTED.get(config.type, {})
    model = config.model.rpartition("/")[2]
    return table.get(model) or table.get(_RELEASE.sub("", model))


def _is_here(base_url: str | None) -> bool:
    """Whether the server is on this machine, where nothing is paid for a call."""
    return urlsplit(base_url or "").hostname in ("localhost", "127.0.0.1", "::1")


@cache
def _warn(provider: str, model: str) -> None:
    _log.warning(
        "no price is known for the model, so its calls are counted as free:"
        " set inputCostPer1K and outputCostPer1K in the pricing of the Provider",
        provider=provider,
        model=model,
    )


def _openai(input_: float, cached: float, output: float, written: float | None = None) -> Prices:
    return Prices(input_, cached, output, input_ if written is None else written)


def _claude(input_: float, output: float, read: float = 0.1) -> Prices:
    return Prices(input_, input_ * read, output, input_ * 1.25)


def _gemini(input_: float, output: float, read: float = 0.1) -> Prices:
    return Prices(input_, input_ * read, output, input_)


# The vendors' list prices, US dollars per million tokens, from their price pages in 2026. There are
# no prices for long prompts, batches, faster tiers, audio and caches of more than a few
# minutes. They may be out of date: the `pricing` of a Provider takes precedence.
_LISTED: dict[str, dict[str, Prices]] = {
    "openai": {
        "gpt-3.5-turbo": _openai(1.5, 0.75, 2),
        "gpt-4": _openai(30, 15, 60),
        "gpt-4-turbo": _openai(10, 5, 30),
        "gpt-4o": _openai(2.5, 1.25, 10),
        "gpt-4o-mini": _openai(0.15, 0.075, 0.6),
        "gpt-4.1": _openai(2, 0.5, 8),
        "gpt-4.1-mini": _openai(0.4, 0.1, 1.6),
        "gpt-4.1-nano": _openai(0.1, 0.025, 0.4),
        "o1": _openai(15, 7.5, 60),
        "o1-mini": _openai(1.1, 0.55, 4.4),
        "o3": _openai(2, 0.5, 8),
        "o3-mini": _openai(1.1, 0.55, 4.4),
        "o4-mini": _openai(1.1, 0.275, 4.4),
        "gpt-5": _openai(1.25, 0.125, 10),
        "gpt-5-mini": _openai(0.25, 0.025, 2),
        "gpt-5-nano": _openai(0.05, 0.005, 0.4),
        "gpt-5-pro": _openai(15, 15, 120),
        "gpt-5.1": _openai(1.25, 0.125, 10),
        "gpt-5.2": _openai(1.75, 0.175, 14),
        "gpt-5.2-pro": _openai(21, 21, 168),
        "gpt-5.4": _openai(2.5, 0.25, 15),
        "gpt-5.4-mini": _openai(0.75, 0.075, 4.5),
        "gpt-5.4-nano": _openai(0.2, 0.02, 1.25),
        "gpt-5.6-terra": _openai(2, 0.2, 12),
        "gpt-6.1-terra": _openai(1, 0.05, 5, 1.25),
    },
    "claude": {
        "claude-3-haiku": _claude(0.25, 1.25),
        "claude-3-sonnet": _claude(3, 15),
        "claude-3-opus": _claude(15, 75),
        "claude-3-5-haiku": _claude(0.8, 4),
        "claude-3-5-sonnet": _claude(3, 15),
        "claude-3-7-sonnet": _claude(3, 15),
        "claude-sonnet-4": _claude(3, 15),
        "claude-sonnet-4-0": _claude(3, 15),
        "claude-sonnet-4-5": _claude(3, 15),
        "claude-sonnet-4-6": _claude(3, 15),
        "claude-sonnet-5": _claude(2, 10),
        "claude-sonnet-5-5": _claude(2, 10, 0.05),
        "claude-haiku-4-5": _claude(1, 5),
        "claude-haiku-5-5": _claude(0.1, 0.5),
        "claude-opus-4": _claude(15, 75),
        "claude-opus-4-0": _claude(15, 75),
        "claude-opus-4-1": _claude(15, 75),
        "claude-opus-4-5": _claude(5, 25),
        "claude-opus-4-6": _claude(5, 25),
        "claude-opus-4-7": _claude(5, 25),
        "claude-opus-4-8": _claude(5, 25),
        "claude-opus-5": _claude(5, 25),
        "claude-opus-5-5": _claude(4, 20, 0.05),
        "claude-fable-5": _claude(10, 50),
        "claude-fable-5-1": _claude(10, 50, 0.025),
    },
    "gemini": {
        "gemini-1.5-pro": _gemini(1.25, 5, 0.25),
        "gemini-1.5-flash": _gemini(0.075, 0.3, 0.25),
        "gemini-2.0-flash": _gemini(0.1, 0.4, 0.25),
        "gemini-2.0-flash-lite": _gemini(0.075, 0.3, 0.25),
        "gemini-2.5-pro": _gemini(1.25, 10),
        "gemini-2.5-flash": _gemini(0.3, 2.5),
        "gemini-2.5-flash-lite": _gemini(0.1, 0.4),
        "gemini-3-pro": _gemini(2, 12),
        "gemini-3-flash": _gemini(0.5, 3),
        "gemini-3-flash-lite": _gemini(0.15, 0.6),
        "gemini-3.1-pro": _gemini(2, 12),
        "gemini-3.1-flash-lite": _gemini(0.25, 1.5),
        "gemini-3.5-flash": _gemini(1.5, 9),
        # Half price from 2027 on.
        "gemini-3.6-flash": _gemini(0.75, 3.75),
        "gemini-3.8-flash": _gemini(0.75, 3.75),
    },
}

_MOCK = Prices(10, 10, 10, 10)
