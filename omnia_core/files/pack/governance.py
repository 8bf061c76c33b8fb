"""What a pack says about itself: what it is for, who answers for it, which models it needs."""

from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import (
    DateTime,
    Extensions,
    Language,
    MediaType,
    NotNegative,
    OpenPart,
    Part,
    Period,
    Positive,
    ProviderKey,
    since,
)
from omnia_core.jsonvalue import JsonObject


class Independence(Part, frozen=True, omit_defaults=True):
    """In what the producer of an agent's input must differ from the agent."""

    axes: Annotated[
        list[Literal["model", "provider", "tools", "prompts", "accountable_owner"]],
        Meta(min_length=1),
    ]
    enforcement: Literal["strict", "advisory"] = "advisory"


class Trigger(Part, frozen=True, omit_defaults=True):
    """What an obligation follows from."""

    capability: str = ""
    data_class: str = ""
    risk_classification: str = ""


class Control(Part, frozen=True, omit_defaults=True):
    """What discharges an obligation: exactly one of the four."""

    field: str | None = None
    validator: str | None = None
    eval: str | None = None
    external: str | None = None


class Obligation(Part, frozen=True, omit_defaults=True):
    """An obligation and its controls."""

    id: str
    obligation: str
    controls: Annotated[list[Control], Meta(min_length=1)]
    applies_to: Trigger | None = None
    note: str = ""
    extensions: Extensions = None


class Review(Part, frozen=True, omit_defaults=True):
    """An obligation that recurs."""

    id: str
    type: str
    cadence: Period
    owner: str
    satisfies: list[str] = field(default_factory=list)
    eval: str = ""
    extensions: Extensions = None


class Governance(Part, frozen=True, omit_defaults=True):
    """What people declare about an agent; nothing is decided by it."""

    vocabularies: dict[str, str] = field(default_factory=dict)
    intended_purpose: str = ""
    foreseeable_misuse: list[str] = field(default_factory=list)
    autonomy_level: (
        Literal["suggests", "acts_with_approval", "acts_with_oversight", "acts_autonomously"] | None
    ) = None
    accountable_owner: str = ""
    operator_role: str = ""
    risk_classification: str = ""
    intended_deployment_contexts: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    approved_environments: list[str] = field(default_factory=list)
    requires_ai_disclosure: bool | None = None
    extensions: JsonObject | None = None
    independent_of: Annotated[Independence | None, since("1.8")] = None
    obligations: Annotated[list[Obligation], since("1.8")] = field(default_factory=list)
    reviews: Annotated[list[Review], since("1.8")] = field(default_factory=list)


class CostEstimate(OpenPart, frozen=True, omit_defaults=True):
    """US dollars for one use."""

    min_cost_usd: NotNegative | None = None
    max_cost_usd: NotNegative | None = None
    avg_cost_usd: NotNegative | None = None


class Metadata(OpenPart, frozen=True, omit_defaults=True):
    """Where a pack belongs; keys of its author's own may stand beside these."""

    domain: str = ""
    language: Language | None = None
    tags: list[str] = field(default_factory=list)
    cost_estimate: CostEstimate | None = None
    governance: Annotated[Governance | None, since("1.6")] = None


class Compilation(OpenPart, frozen=True, omit_defaults=True):
    """How the pack was made."""

    compiled_with: str
    created_at: DateTime
    schema: str
    source: str = ""


class Capabilities(OpenPart, frozen=True, omit_defaults=True):
    """What a provider should be able to do."""

    modalities: list[MediaType] = field(default_factory=list)
    min_context_tokens: Positive | None = None
    tool_use: bool | None = None
    structured_output: bool | None = None
    embedding_dimensions: Positive | None = None


class ProviderNeed(Part, frozen=True, omit_defaults=True):
    """A provider that the pack needs; in the file a text alone is its key, its role `llm`."""

    key: ProviderKey
    role: str
    required: bool = True
    description: str = ""
    capabilities: Capabilities | None = None


class Requires(Part, frozen=True, omit_defaults=True):
    """What a pack needs from its host."""

    providers: list[str | ProviderNeed] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Return the keys of the providers."""
        return [each if isinstance(each, str) else each.key for each in self.providers]
