"""providers.yaml: everything about an agent's providers that is not secret."""

from typing import Literal

from msgspec import Struct, field

from omnia_core.units import Duration


class ProviderDefaults(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Parameters of every call; those of a pack win. None is "not set".

    Attributes:
        context_window: tokens that a request and its answer may have together.
        truncation_strategy: sliding, summarize or custom; custom acts as sliding.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    request_timeout: str | None = None
    stream_idle_timeout: str | None = None
    context_window: int | None = None
    truncation_strategy: str = "sliding"


class Pricing(Struct, frozen=True, omit_defaults=True):
    """US dollars per 1000 tokens."""

    input_cost_per_1k: float | None = field(default=None, name="inputCostPer1K")
    output_cost_per_1k: float | None = field(default=None, name="outputCostPer1K")
    cached_cost_per_1k: float | None = field(default=None, name="cachedCostPer1K")


class OpenAISettings(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What only OpenAI's APIs know.

    Attributes:
        api: completions or responses; None is "what the model needs".
        reasoning_effort: none, minimal, low, medium, high, … as the model knows them.
        parallel_tool_calls: whether one answer may call several tools; None is the vendor's choice.
    """

    api: Literal["completions", "responses"] | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None


# One object, so that a provider that sets none of it is written without an empty block.
NO_OPENAI_SETTINGS = OpenAISettings()


class ProviderConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One provider.

    Attributes:
        name: the logical name in the AgentRuntime; the key is `OMNIA_PROVIDER_<NAME>_API_KEY`.
        type: claude, openai, gemini, ollama, vllm or mock.
        mock_responses_path: the mock provider's response file.
    """

    name: str
    type: str
    model: str = ""
    base_url: str | None = field(default=None, name="baseURL")
    headers: dict[str, str] = field(default_factory=dict)
    defaults: ProviderDefaults = ProviderDefaults()
    pricing: Pricing = Pricing()
    openai: OpenAISettings = NO_OPENAI_SETTINGS
    mock_responses_path: str | None = None


class ProvidersFile(Struct, frozen=True):
    """The file. The provider named `default`, else the first, answers turns; `fallback`, and names
    that begin with `fallback-`, step in for it in their order; others are used only by name.
    """

    providers: list[ProviderConfig] = field(default_factory=list)


def timeout_seconds(text: str | None, default: float) -> float:
    """Return a duration setting in seconds.

    Raises:
        ValueError: `text` is not a duration.
    """
    return default if text is None else Duration.parse(text).seconds
