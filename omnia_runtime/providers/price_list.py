"""The vendors' list prices, US dollars per million tokens, as their price pages had them in 2026.

Prices for long prompts, batches, faster tiers, audio and caches of more than a few minutes are not
in it. A price here may be out of date: a Provider's own `pricing` wins.
"""

from omnia_runtime.providers.prices import Prices


def _openai(input_: float, cached: float, output: float, written: float | None = None) -> Prices:
    return Prices(input_, cached, output, input_ if written is None else written)


def _claude(input_: float, output: float, read: float = 0.1) -> Prices:
    return Prices(input_, input_ * read, output, input_ * 1.25)


def _gemini(input_: float, output: float, read: float = 0.1) -> Prices:
    return Prices(input_, input_ * read, output, input_)


LISTED: dict[str, dict[str, Prices]] = {
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
        # half of the price from 2027 on
        "gemini-3.6-flash": _gemini(0.75, 3.75),
        "gemini-3.8-flash": _gemini(0.75, 3.75),
    },
}

MOCK = Prices(10, 10, 10, 10)
