"""What a call costs: the Provider's own prices, else the list prices of its vendor."""

import re
from functools import cache

import structlog

from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_runtime.providers.price_list import LISTED, MOCK
from omnia_runtime.providers.prices import Prices

_log = structlog.get_logger()

# Servers of one's own, which no vendor sends a bill for.
_WITHOUT_BILL = ("ollama", "vllm")
# What vendors add to the name of a model for one of its releases.
_RELEASE = re.compile(r"([-@](\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3}|preview(-\d{2}-\d{4})?))+$")


def prices_of(config: ProviderConfig) -> Prices:
    """Return the prices of a provider; a model that nobody priced costs nothing, and is logged."""
    listed = _listed(config)
    own = config.pricing
    if listed is None and own == Pricing():
        if config.type not in _WITHOUT_BILL:
            _warn(config.name, config.model)
        return Prices()
    return _merged(own, listed or Prices())


def _merged(own: Pricing, listed: Prices) -> Prices:
    """A price that the Provider leaves open is the listed one; for a cache, its own of input."""
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
        return MOCK
    table = LISTED.get(config.type, {})
    model = config.model.rpartition("/")[2]
    return table.get(model) or table.get(_RELEASE.sub("", model))


@cache
def _warn(provider: str, model: str) -> None:
    _log.warning(
        "no price is known for a model, its calls are counted as free;"
        " set inputCostPer1K and outputCostPer1K in the pricing of the Provider",
        provider=provider,
        model=model,
    )
