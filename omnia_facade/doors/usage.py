"""Usage of a turn in the words of each protocol."""

from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject

NO_USAGE = Usage()


def omnia_usage(usage: Usage | None) -> JsonObject | None:
    """Return our own words: AI SDK, A2A and MCP have a free field for them."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
    }


def completion_usage(usage: Usage | None) -> JsonObject:
    """Return the usage of an OpenAI chat completion; zeros where it is unknown."""
    used = usage or NO_USAGE
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def response_usage(usage: Usage | None) -> JsonObject | None:
    """Return the usage of an OpenAI response."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def agui_usage(usage: Usage | None, model: str) -> list[JsonObject]:
    """Return the usage of an AG-UI run; empty where it is unknown."""
    if usage is None:
        return []
    return [
        {
            "model": model,
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.input_tokens + usage.output_tokens,
        }
    ]
