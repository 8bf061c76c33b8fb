"""The types of a prompt: template, variables, parameters, tools, evaluations."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field, structs

from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.terms import (
    ADDITION,
    NULLABLE,
    Date,
    Extensions,
    Identifier,
    KeyId,
    MetricName,
    Natural,
    NotEmpty,
    NotNegative,
    OpenPackObject,
    PackObject,
    Positive,
    Share,
    Version,
    since,
)
from omnia_core.jsonvalue import JsonObject

Penalty = Annotated[float, Meta(ge=-2, le=2)]
ToolChoice = Literal["auto", "required", "none"]
TRIGGERS = ("every_turn", "on_session_complete", "sample_turns", "sample_sessions")
"""The triggers of format 1.6 and older; later formats allow any word."""


class Validation(PackObject, frozen=True, omit_defaults=True):
    """Rules for the value of a variable. Lengths are in characters.

    Attributes:
        pattern: an RE2 pattern that has to match anywhere in the text; ^ and $ anchor it.
    """

    pattern: str | None = None
    min_length: Natural | None = None
    max_length: Positive | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: list[Any] | None = None


class Binding(PackObject, frozen=True, omit_defaults=True):
    """Where a host may get the value of a variable from."""

    kind: str = ""
    field: str = ""
    auto_populate: bool = False
    filter: str = ""


class PromptVariable(PackObject, frozen=True, omit_defaults=True):
    """A variable of a template.

    Attributes:
        type: string, number, boolean, object or array; other types are not checked.
        default: of any JSON type; None: no default.
    """

    name: Identifier
    type: str
    required: bool
    default: Any = None
    description: str = ""
    example: Any = None
    validation: Validation | None = None
    binding: Annotated[Binding | None, since("1.9")] = None


class Parameters(PackObject, frozen=True, omit_defaults=True):
    """Parameters of the model; None: not set, which differs from 0."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Positive | None = None
    top_p: Share | None = None
    top_k: Annotated[Positive | None, NULLABLE] = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None


class ModelOverride(PackObject, frozen=True, omit_defaults=True):
    """Overrides for one model. Prefix and suffix surround the template or its replacement."""

    system_template_prefix: str = ""
    system_template_suffix: str = ""
    system_template: str | None = None
    parameters: Parameters | None = None


class ToolPolicy(PackObject, frozen=True, omit_defaults=True):
    """Limits of the tool loop, per turn. The fields after `blocklist` are additions to the format.

    Attributes:
        max_identical_tool_calls: the same tool with the same arguments.
        max_cost_usd: of the model calls of a turn; None: no limit, as for `max_total_tokens`.
        stop_on_tool: names of tools whose call ends the turn.
    """

    tool_choice: ToolChoice = "auto"
    max_rounds: Positive = 5
    max_tool_calls_per_turn: Positive = 10
    blocklist: list[str] = field(default_factory=list)
    max_parallel_tool_calls: Annotated[Positive, ADDITION] = 10
    max_identical_tool_calls: Annotated[Positive, ADDITION] = 3
    max_calls_per_minute: Annotated[Positive | None, ADDITION] = None
    max_cost_usd: Annotated[Annotated[float, Meta(gt=0)] | None, ADDITION] = None
    max_total_tokens: Annotated[Positive | None, ADDITION] = None
    stop_on_tool: Annotated[list[str], ADDITION] = field(default_factory=list)


class ActionScope(PackObject, frozen=True, omit_defaults=True):
    """What a tool can affect, as its author declares; the runtime does not act on it."""

    effect: Literal["read", "write", "external"] | None = None
    reversibility: Literal["reversible", "compensable", "irreversible"] | None = None
    data_classes: list[str] = field(default_factory=list)
    extensions: Extensions = None


class PackTool(PackObject, frozen=True, omit_defaults=True):
    """A tool as the model sees it. The ToolRegistry configures who executes it."""

    name: Identifier
    description: NotEmpty
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})
    action_scope: Annotated[ActionScope | None, since("1.6")] = None
    extensions: Extensions = None


class MetricRange(OpenPackObject, frozen=True, omit_defaults=True):
    """The expected range of a metric."""

    min: float | None = None
    max: float | None = None


class Metric(OpenPackObject, frozen=True, omit_defaults=True):
    """The Prometheus metric of an evaluation."""

    name: MetricName
    type: Literal["gauge", "counter", "histogram", "boolean"]
    range: MetricRange | None = None
    labels: dict[str, str] = field(default_factory=dict)


class Threshold(PackObject, frozen=True, omit_defaults=True):
    """The score at which an evaluation passes: as the format has it, or as PromptKit reads it."""

    operator: str = ""
    value: float | None = None
    passed: Annotated[bool | None, ADDITION] = None
    min_score: Annotated[float | None, ADDITION] = None
    max_score: Annotated[float | None, ADDITION] = None


class Eval(PackObject, frozen=True, omit_defaults=True):
    """An evaluation; `sample_percentage` applies to the sampling triggers."""

    id: NotEmpty
    type: NotEmpty
    trigger: str
    description: str = ""
    sample_percentage: Annotated[float, Meta(ge=0, le=100)] = 5.0
    enabled: bool = True
    params: JsonObject = field(default_factory=dict)
    metric: Metric | None = None
    threshold: Annotated[Threshold | None, since("1.7")] = None
    message: Annotated[str, since("1.7")] = ""
    when: Annotated[JsonObject | None, since("1.7")] = None
    groups: Annotated[list[str], since("1.7")] = field(default_factory=list)
    extensions: Extensions = None


class Middleware(PackObject, frozen=True, omit_defaults=True):
    """A pipeline step of another runtime."""

    type: str
    config: JsonObject = field(default_factory=dict)


class Pipeline(PackObject, frozen=True, omit_defaults=True):
    """The pipeline of another runtime; ignored here."""

    stages: list[str]
    middleware: list[Middleware] = field(default_factory=list)


class TestedModel(PackObject, frozen=True, omit_defaults=True):
    """Test results of the prompt with a model."""

    provider: str
    model: str
    date: Date
    success_rate: Share | None = None
    avg_tokens: NotNegative | None = None
    avg_cost: NotNegative | None = None
    avg_latency_ms: NotNegative | None = None
    notes: str = ""


class Prompt(PackObject, frozen=True, omit_defaults=True):
    """One prompt of a pack.

    Attributes:
        validators: as in the file; `omnia_core.files.validators` parses them.
        provider: the key of the provider; "" is `default`.
    """

    id: KeyId
    name: NotEmpty
    version: Version
    system_template: NotEmpty
    description: str = ""
    variables: list[PromptVariable] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    tool_policy: ToolPolicy | None = None
    parameters: Parameters | None = None
    validators: list[JsonObject] = field(default_factory=list)
    evals: Annotated[list[Eval], since("1.2")] = field(default_factory=list)
    model_overrides: dict[str, ModelOverride] = field(default_factory=dict)
    media: Annotated[MediaConfig | None, since("1.1")] = None
    pipeline: Pipeline | None = None
    tested_models: list[TestedModel] = field(default_factory=list)
    provider: Annotated[str, since("1.9")] = ""
    extensions: Extensions = None


def for_model(prompt: Prompt, model: str) -> Prompt:
    """Return the prompt with its override for exactly this model, if it has one.

    Parameters that the override sets take precedence.
    """
    override = prompt.model_overrides.get(model)
    if override is None:
        return prompt
    template = override.system_template or prompt.system_template
    return structs.replace(
        prompt,
        system_template=(
            override.system_template_prefix + template + override.system_template_suffix
        ),
        parameters=_merged(prompt.parameters or Parameters(), override.parameters or Parameters()),
    )


def _merged(own: Parameters, override: Parameters) -> Parameters:
    changes = {key: value for key, value in structs.asdict(override).items() if value is not None}
    return structs.replace(own, **changes)
