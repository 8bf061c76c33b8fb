"""Provider: an LLM vendor, its credentials and its defaults."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import DurationField, HttpUrl, Model, ObjectName, Text
from omnia_operator.api.rules import rule
from omnia_operator.api.tls import Tls


class ProviderType(StrEnum):
    """The API of the provider."""

    CLAUDE = "claude"
    OPENAI = "openai"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    VLLM = "vllm"
    MOCK = "mock"


class ModelCapability(StrEnum):
    """A capability of a model."""

    TEXT = "text"
    STREAMING = "streaming"
    VISION = "vision"
    TOOLS = "tools"
    JSON = "json"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENTS = "documents"
    DUPLEX = "duplex"


class TruncationStrategy(StrEnum):
    """What happens to a conversation that is longer than the context window."""

    SLIDING = "sliding"
    SUMMARIZE = "summarize"
    CUSTOM = "custom"


class ProviderSecretRef(Model):
    """The Secret with the API key."""

    name: ObjectName
    """Name of the Secret, in the namespace of the resource that names it."""
    key: Text | None = None
    """Key in the Secret. Without it, the usual names for the provider's type are tried, such as
    `OPENAI_API_KEY` and `api-key`."""


class ModelDefaults(Model):
    """Default parameters, which a prompt may override."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Randomness of the answers."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability mass that tokens are drawn from."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest answer, in tokens."""
    context_window: Annotated[int, Field(ge=1)] | None = None
    """Largest number of tokens of a request and its answer together; older messages that do not fit
    are left out. Without it, the whole conversation is sent."""
    truncation_strategy: TruncationStrategy = TruncationStrategy.SLIDING
    """What happens to a conversation that is longer than the context window: `sliding` leaves out
    the oldest exchanges, `summarize` replaces them by a summary."""
    request_timeout: DurationField | None = None
    """Longest time from a request to the first byte of its answer; 60 s without it."""
    stream_idle_timeout: DurationField | None = None
    """Longest pause within an answer; 30 s without it. For a model that reasons without output, the
    longer of the two limits applies. A server that meanwhile sends heartbeats, but no more of the
    answer, has ten times as long."""
    stream_timeout: DurationField | None = None
    """Longest time from a request to the end of its answer; 1 h without it."""


class Pricing(Model):
    """What tokens cost, in US dollars; it overrides the built-in prices."""

    input_cost_per_1k: Annotated[float, Field(ge=0)] | None = None
    """Price of 1000 input tokens."""
    output_cost_per_1k: Annotated[float, Field(ge=0)] | None = None
    """Price of 1000 output tokens."""
    cached_cost_per_1k: Annotated[float, Field(ge=0)] | None = None
    """Price of 1000 input tokens that the provider had cached."""


class OpenAIAPI(StrEnum):
    """One of OpenAI's two APIs."""

    COMPLETIONS = "completions"
    RESPONSES = "responses"


class ReasoningEffort(StrEnum):
    """How much a reasoning model thinks before it answers."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class OpenAISettings(Model):
    """Settings of OpenAI's APIs only."""

    api: OpenAIAPI | None = None
    """`completions` is chat completions, `responses` the Responses API. Without it, OpenAI's models
    that need the Responses API are called through it, and everything else through chat
    completions."""
    reasoning_effort: ReasoningEffort | None = None
    """How much a reasoning model thinks; the allowed values depend on the model."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may have several tool calls. Without it, the vendor's default applies."""
    think_tags: bool | None = None
    """Whether `<think>…</think>` at the beginning of an answer is reasoning, which is not part of
    the answer. Without it, it is reasoning everywhere except at OpenAI itself. For chat completions
    only."""


class ResponsesRef(Model):
    """A ConfigMap with mock responses."""

    name: ObjectName
    """Name of the ConfigMap, in the namespace of the resource that names it."""
    key: Text = "mock-responses.yaml"
    """Key in the ConfigMap."""


def _not_text(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic takes no TypeError for a finding
            "expected an object, found text: remove the | after responses:"
        )
    return value


class Mock(Model):
    """Responses of the mock provider; without them, one fixed sentence."""

    responses: Annotated[JsonObject | None, BeforeValidator(_not_text)] = None
    """The response file, as an object."""
    config_map_ref: ResponsesRef | None = None
    """The ConfigMap with the response file."""

    responses_have_one_source: ClassVar = rule(
        "the responses of a mock provider have one source: remove one of responses and"
        " configMapRef",
        cel="!has(self.responses) || !has(self.configMapRef)",
        at="configMapRef",
    )


class CassetteMode(StrEnum):
    """What a provider does with a cassette."""

    RECORD = "record"
    REPLAY = "replay"
    AUTO = "auto"


class CassetteRef(Model):
    """A ConfigMap with a cassette."""

    name: ObjectName
    """Name of the ConfigMap, in the namespace of the resource that names it."""
    key: Text = "cassette.jsonl"
    """Key in the ConfigMap."""


class ProviderCassette(Model):
    """Recorded answers of the model."""

    mode: CassetteMode
    """`record`: the model is asked, and its answers are recorded. `replay`: every answer comes from
    the cassette; neither key nor network is needed. `auto`: what is not recorded yet is asked, and
    recorded."""
    config_map_ref: CassetteRef | None = None
    """The ConfigMap with the cassette, for `replay`."""
    path: Text | None = None
    """The file in the runtime container, on a volume of the pod."""

    cassette_has_one_source: ClassVar = rule(
        "a cassette is in one place: give either configMapRef or path",
        cel="has(self.configMapRef) != has(self.path)",
        at="path",
    )

    what_is_recorded_is_written: ClassVar = rule(
        "record and auto write the cassette, and a ConfigMap is read only: give a path on a volume"
        " instead of configMapRef",
        cel="self.mode == 'replay' || !has(self.configMapRef)",
        at="configMapRef",
    )


class ProviderSettings(Model):
    """An LLM vendor, its credentials and its defaults."""

    type: ProviderType
    """The API of the provider. `ollama` and `vllm` are servers with OpenAI chat completions,
    at `http://localhost:11434/v1` and `http://localhost:8000/v1` unless `baseURL` is set; `mock`
    answers from a script and needs neither key nor network."""
    model: Text | None = None
    """Name of the model, as the vendor spells it. Required for every type except `mock`."""
    secret_ref: ProviderSecretRef | None = None
    """The Secret with the API key."""
    base_url: HttpUrl | None = None
    """Address of the API, for a proxy or a compatible server."""
    tls: Tls | None = None
    """The certificate authority of the server at `baseURL`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """HTTP headers sent with every request. Do not put secrets here."""
    defaults: ModelDefaults = Field(default_factory=ModelDefaults)
    """Default parameters, which a prompt may override."""
    pricing: Pricing | None = None
    """What tokens cost, in US dollars."""
    openai: OpenAISettings | None = None
    """Settings of OpenAI's APIs only: for the types `openai`, `ollama` and `vllm`."""
    capabilities: tuple[ModelCapability, ...] = Field(
        default=(), max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Declared capabilities of the model; they are not checked."""
    mock: Mock | None = None
    """Responses of a provider of the type `mock`."""
    cassette: ProviderCassette | None = None
    """Recorded answers of the model, for tests that need neither key nor network. With `replay`
    the type does not matter."""

    model_is_named: ClassVar = rule(
        "every provider except mock needs a model: add model with the vendor's name of it",
        cel="self.type == 'mock' || has(self.model)",
        at="model",
    )

    key_is_given_where_one_is_needed: ClassVar = rule(
        "claude, openai and gemini need an API key: add secretRef with the name of a Secret, or"
        " baseURL for a compatible server that needs no key",
        cel="self.type in ['ollama', 'vllm', 'mock'] || has(self.secretRef) || has(self.baseURL)"
        " || has(self.cassette) && self.cassette.mode == 'replay'",
        at="secretRef",
    )

    only_openai_has_openai_settings: ClassVar = rule(
        "the block openai belongs to the types openai, ollama and vllm: remove it, or set one of"
        " these types",
        cel="!has(self.openai) || self.type in ['openai', 'ollama', 'vllm']",
        at="openai",
    )

    only_a_mock_has_mock_responses: ClassVar = rule(
        "the block mock belongs to the type mock: remove it, or set type: mock",
        cel="!has(self.mock) || self.type == 'mock'",
        at="mock",
    )


class ProviderSpec(ProviderSettings):
    """Desired state of a Provider."""

    allowed_namespaces: tuple[str, ...] = Field(
        default=(), max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Other namespaces whose agents may use this provider; `"*"` is every namespace. The key is
    copied into the namespaces that use it. Without its namespace an agent's copy is deleted, and
    its pods end."""


class ProviderPhase(StrEnum):
    """Phase of a Provider."""

    READY = "Ready"
    ERROR = "Error"
    UNAVAILABLE = "Unavailable"


class ProviderStatus(Status):
    """Observed state of a Provider. Conditions: `SecretFound`, `CredentialConfigured`,
    `CredentialValid`, `EndpointReachable`, `ModelValid`.
    """

    phase: ProviderPhase | None = None
    """State in a word."""


class Provider(Resource):
    """Provider is an LLM vendor, its credentials and its defaults."""

    kind_name: ClassVar = Kind.PROVIDER
    plural: ClassVar = "providers"
    short_names: ClassVar = ("prov",)
    columns: ClassVar = (
        PrinterColumn(name="Type", type="string", json_path=".spec.type"),
        PrinterColumn(name="Model", type="string", json_path=".spec.model"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        AGE,
    )

    spec: ProviderSpec
    """Desired state."""
    status: ProviderStatus | None = None
    """Observed state, written by the operator."""
