"""What a call is said to cost."""

import pytest
from structlog.testing import capture_logs

from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_runtime.providers.pricing import Prices, prices_of


def prices(kind: str, model: str, own: Pricing | None = None) -> Prices:
    return prices_of(ProviderConfig("p", kind, model, pricing=own or Pricing()))


@pytest.mark.parametrize(
    ("kind", "model", "input_", "cached", "output"),
    [
        ("openai", "gpt-4o", 2.5, 1.25, 10),
        ("openai", "gpt-4o-2024-08-06", 2.5, 1.25, 10),
        ("openai", "openai/gpt-5-mini", 0.25, 0.025, 2),
        ("claude", "claude-sonnet-4-5-20250929", 3, 0.3, 15),
        ("claude", "claude-3-5-haiku-latest", 0.8, 0.08, 4),
        ("claude", "claude-opus-4-1@20250805", 15, 1.5, 75),
        ("gemini", "gemini-2.0-flash-001", 0.1, 0.025, 0.4),
        ("gemini", "models/gemini-2.5-flash-preview-09-2025", 0.3, 0.03, 2.5),
        ("mock", "whatever", 10, 10, 10),
    ],
)
def test_list_prices_are_found_by_model_and_its_releases(
    kind: str, model: str, input_: float, cached: float, output: float
) -> None:
    found = prices(kind, model)
    assert (found.input, found.cached, found.output) == pytest.approx((input_, cached, output))


def test_what_claude_writes_to_its_cache_costs_more() -> None:
    assert prices("claude", "claude-sonnet-4-5").written == pytest.approx(3.75)


def test_a_call_is_priced_by_what_was_fresh_cached_written_and_answered() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cached_tokens=40)
    priced = Prices(1, 0.1, 5, 1.25).priced(usage, written_tokens=20)
    assert priced.cost_usd == pytest.approx((40 * 1 + 40 * 0.1 + 20 * 1.25 + 10 * 5) / 1e6)
    assert (priced.input_tokens, priced.output_tokens, priced.cached_tokens) == (100, 10, 40)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (Pricing(0.001, 0.002, 0.0005), (1, 0.5, 2, 1.25)),
        (Pricing(0.001, 0.002), (1, 1, 2, 1.25)),
        (Pricing(output_cost_per_1k=0.002), (3, 0.3, 2, 3.75)),
        (Pricing(0, 0), (0, 0, 0, 0)),
    ],
)
def test_the_providers_own_prices_win(
    own: Pricing, expected: tuple[float, float, float, float]
) -> None:
    found = prices("claude", "claude-sonnet-4-5", own)
    assert (found.input, found.cached, found.output, found.written) == pytest.approx(expected)


def test_a_model_without_a_price_is_free_and_named_in_the_log_once() -> None:
    with capture_logs() as logs:
        assert prices("openai", "gpt-99-unheard-of") == Prices()
        assert prices("openai", "gpt-99-unheard-of") == Prices()
    assert [(each["provider"], each["model"]) for each in logs] == [("p", "gpt-99-unheard-of")]
    assert "inputCostPer1K" in logs[0]["event"]


@pytest.mark.parametrize("kind", ["ollama", "vllm"])
def test_a_server_of_ones_own_is_free_without_a_warning(kind: str) -> None:
    with capture_logs() as logs:
        assert prices(kind, "llama") == Prices()
    assert logs == []
