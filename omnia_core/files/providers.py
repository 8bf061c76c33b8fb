"""providers.yaml: everything about an agent's providers that is not secret."""

from msgspec import Struct, field

from omnia_core.units import Duration


class ProviderDefaults(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Parameters of every call; those of a pack win. None is "not set"."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    request_timeout: str | None = None
    stream_idle_timeout: str | None = None


class Pricing(Struct, frozen=True, omit_defaults=True):
    """US dollars per 1000 tokens."""

    input_cost_per_1k: float | None = field(default=None, name="inputCostPer1K")
    output_cost_per_1k: float | None = field(default=None, name="outputCostPer1K")
    cached_cost_per_1k: float | None = field(default=None, name="cachedCostPer1K")


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
    mock_responses_path: str | None = None


class ProvidersFile(Struct, frozen=True):
    """The file. The provider named `default`, else the first, answers turns."""

    providers: list[ProviderConfig] = field(default_factory=list)


def timeout_seconds(text: str | None, default: float) -> float:
    """Return a duration setting in seconds.

    Raises:
        ValueError: `text` is not a duration.
    """
    return default if text is None else Duration.parse(text).seconds
