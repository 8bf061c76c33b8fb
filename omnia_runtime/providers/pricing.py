"""What a call costs: the Provider's own prices, else a table of list prices."""

from msgspec import Struct

from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_runtime.providers.port import Usage


class Prices(Struct, frozen=True):
    """US dollars per million tokens."""

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0

    def priced(self, usage: Usage) -> Usage:
        """Return `usage` with its cost."""
        fresh = max(usage.input_tokens - usage.cached_tokens, 0)
        cost = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.output_tokens * self.output
        ) / 1_000_000
        return Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens, cost)


_OPENAI = {
    "gpt-4": Prices(30, 15, 60),
    "gpt-4-turbo": Prices(10, 5, 30),
    "gpt-3.5-turbo": Prices(1.5, 0.75, 2),
    "gpt-4o": Prices(2.5, 1.25, 10),
    "gpt-4o-mini": Prices(0.15, 0.075, 0.6),
    "gpt-4.1": Prices(2, 0.5, 8),
    "gpt-4.1-mini": Prices(0.4, 0.1, 1.6),
    "gpt-4.1-nano": Prices(0.1, 0.025, 0.4),
    "o1": Prices(15, 7.5, 60),
    "o1-mini": Prices(1.1, 0.55, 4.4),
    "o3": Prices(2, 0.5, 8),
    "o3-mini": Prices(1.1, 0.55, 4.4),
    "o4-mini": Prices(1.1, 0.275, 4.4),
    "gpt-5": Prices(1.25, 0.125, 10),
    "gpt-5-mini": Prices(0.25, 0.025, 2),
    "gpt-5-nano": Prices(0.05, 0.005, 0.4),
}
_LISTED = {"openai": _OPENAI, "mock": {"": Prices(10, 10, 10)}}


def prices_of(config: ProviderConfig) -> Prices:
    """Return the prices of a provider; a model that nobody priced costs nothing."""
    own = config.pricing
    if own != Pricing():
        per_1k = own.input_cost_per_1k or 0.0
        cached = per_1k if own.cached_cost_per_1k is None else own.cached_cost_per_1k
        return Prices(per_1k * 1000, cached * 1000, (own.output_cost_per_1k or 0.0) * 1000)
    table = _LISTED.get(config.type, {})
    return table.get("" if config.type == "mock" else config.model.rpartition("/")[2], Prices())
