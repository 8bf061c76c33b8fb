"""providers.yaml: the providers of an agent, without their secrets."""

from typing import Literal

from msgspec import Struct, field

from omnia_core.files.config_text import ConfigText
from omnia_core.units import Duration


class ProviderDefaults(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Default parameters of calls; those of a pack take precedence. None: not set.

    Attributes:
        context_window: the tokens of a request and its answer together.
        truncation_strategy: sliding, summarize or custom; custom acts as sliding.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    request_timeout: str | None = None
    stream_idle_timeout: str | None = None
    stream_timeout: str | None = None
    context_window: int | None = None
    truncation_strategy: str = "sliding"


class Pricing(Struct, frozen=True, omit_defaults=True):
    """US dollars per 1000 tokens."""

    input_cost_per_1k: float | None = field(default=None, name="inputCostPer1K")
    output_cost_per_1k: float | None = field(default=None, name="outputCostPer1K")
    cached_cost_per_1k: float | None = field(default=None, name="cachedCostPer1K")


class OpenAISettings(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Settings of the OpenAI APIs.

    Attributes:
        api: completions or responses; None: the one that the model needs.
        reasoning_effort: none, minimal, low, medium, high, … as the model supports.
        parallel_tool_calls: whether one answer may call several tools; None: the vendor decides.
        think_tags: whether `<think>…</think>` at the beginning of an answer is reasoning; None:
            at compatible servers.
    """

    api: Literal["completions", "responses"] | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    think_tags: bool | None = None


# One shared object, so that providers without these settings are written without an empty block.
NO_OPENAI_SETTINGS = OpenAISettings()


class CassetteConfig(Struct, frozen=True):
    """Recorded answers.

    Attributes:
        mode: record: ask, and record; replay: ask nobody; auto: ask what is not recorded, and
            record it.
    """

    mode: Literal["record", "replay", "auto"]
    path: str


class ProviderConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One provider.

    Attributes:
        name: the name in the AgentRuntime; its API key is in `OMNIA_PROVIDER_<NAME>_API_KEY`.
        type: claude, openai, gemini, ollama, vllm or mock.
        mock_responses_path: the response file of the mock provider.
        cassette: recorded answers; None without any.
        authority: certificates in PEM that are trusted beside the public ones.
        key_origin: where its API key comes from, for messages: `the key "k" of the Secret "s"`.
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
    cassette: CassetteConfig | None = None
    authority: ConfigText | None = None
    key_origin: str = ""


class ProvidersFile(Struct, frozen=True):
    """The content of providers.yaml.

    The provider named `default`, else the first one, answers turns. `fallback` and names that begin
    with `fallback-` are its fallbacks, in this order. Others are used only by name.
    """

    providers: list[ProviderConfig] = field(default_factory=list)


def timeout_seconds(text: str | None, default: float) -> float:
    """Return a duration in seconds; `default` when it is not set.

    Raises:
        ValueError: `text` is not a duration.
    """
    return default if text is None else Duration.parse(text).seconds
