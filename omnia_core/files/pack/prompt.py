"""A prompt of a pack: template, variables, parameters, and what it declares beside them."""

from typing import Annotated, Any

from msgspec import Meta, field

from omnia_core.files.pack.evals import Eval
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.terms import (
    NULLABLE,
    Date,
    Extensions,
    Identifier,
    KeyId,
    Natural,
    NotEmpty,
    NotNegative,
    Part,
    Positive,
    Share,
    Version,
    since,
)
from omnia_core.files.pack.tools import ToolPolicy
from omnia_core.jsonvalue import JsonObject

Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Validation(Part, frozen=True, omit_defaults=True):
    """Rules for a variable's value. Lengths count characters.

    Attributes:
        pattern: an RE2 pattern, searched for in the text; ^ and $ bind it to the ends.
    """

    pattern: str | None = None
    min_length: Natural | None = None
    max_length: Positive | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: list[Any] | None = None


class Binding(Part, frozen=True, omit_defaults=True):
    """Where a host may take a variable's value from."""

    kind: str = ""
    field: str = ""
    auto_populate: bool = False
    filter: str = ""


class Variable(Part, frozen=True, omit_defaults=True):
    """A variable of a template.

    Attributes:
        type: string, number, boolean, object or array; of another type nothing is checked.
        default: of any JSON type; None is "no default".
    """

    name: Identifier
    type: str
    required: bool
    default: Any = None
    description: str = ""
    example: Any = None
    validation: Validation | None = None
    binding: Annotated[Binding | None, since("1.9")] = None


class Parameters(Part, frozen=True, omit_defaults=True):
    """Parameters of the model; None is "not set", which differs from 0."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Positive | None = None
    top_p: Share | None = None
    top_k: Annotated[Positive | None, NULLABLE] = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None


class ModelOverride(Part, frozen=True, omit_defaults=True):
    """What differs for one model. Prefix and suffix stand around the template, or around what
    replaces it.
    """

    system_template_prefix: str = ""
    system_template_suffix: str = ""
    system_template: str | None = None
    parameters: Parameters | None = None


class Middleware(Part, frozen=True, omit_defaults=True):
    """A step of another runtime's pipeline."""

    type: str
    config: JsonObject = field(default_factory=dict)


class Pipeline(Part, frozen=True, omit_defaults=True):
    """The order of another runtime's steps; this one has its own."""

    stages: list[str]
    middleware: list[Middleware] = field(default_factory=list)


class TestedModel(Part, frozen=True, omit_defaults=True):
    """How a model did with the prompt."""

    provider: str
    model: str
    date: Date
    success_rate: Share | None = None
    avg_tokens: NotNegative | None = None
    avg_cost: NotNegative | None = None
    avg_latency_ms: NotNegative | None = None
    notes: str = ""


class Prompt(Part, frozen=True, omit_defaults=True):
    """One prompt of a pack.

    Attributes:
        validators: as in the file; `omnia_core.files.validators` reads them.
        provider: the key of the provider that answers; "" is `default`.
    """

    id: KeyId
    name: NotEmpty
    version: Version
    system_template: NotEmpty
    description: str = ""
    variables: list[Variable] = field(default_factory=list)
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
