"""Metadata, governance and required providers of a pack."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta, field

from omnia_core.files.pack.terms import (
    DateTime,
    Extensions,
    Language,
    MediaType,
    NotNegative,
    OpenPackObject,
    PackObject,
    Period,
    Positive,
    ProviderKey,
    since,
)
from omnia_core.jsonvalue import JsonObject


class Independence(PackObject, frozen=True, omit_defaults=True):
    """The aspects in which the producer of an agent's input has to differ from the agent."""

    axes: Annotated[
        list[Literal["model", "provider", "tools", "prompts", "accountable_owner"]],
        Meta(min_length=1),
    ]
    enforcement: Literal["strict", "advisory"] = "advisory"


class Trigger(PackObject, frozen=True, omit_defaults=True):
    """What triggers an obligation."""

    capability: str = ""
    data_class: str = ""
    risk_classification: str = ""


class Control(PackObject, frozen=True, omit_defaults=True):
    """A control that fulfils an obligation: exactly one of the four."""

    field: str | None = None
    validator: str | None = None
    eval: str | None = None
    external: str | None = None


class Obligation(PackObject, frozen=True, omit_defaults=True):
    """An obligation and its controls."""

    id: str
    obligation: str
    controls: Annotated[list[Control], Meta(min_length=1)]
    applies_to: Trigger | None = None
    note: str = ""
    extensions: Extensions = None


class Review(PackObject, frozen=True, omit_defaults=True):
    """An obligation that recurs."""

    id: str
    type: str
    cadence: Period
    owner: str
    satisfies: list[str] = field(default_factory=list)
    eval: str = ""
    extensions: Extensions = None


class Governance(PackObject, frozen=True, omit_defaults=True):
    """Declarations about an agent; the runtime does not act on them."""

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


class CostEstimate(OpenPackObject, frozen=True, omit_defaults=True):
    """US dollars for one use."""

    min_cost_usd: NotNegative | None = None
    max_cost_usd: NotNegative | None = None
    avg_cost_usd: NotNegative | None = None


class PackMetadata(OpenPackObject, frozen=True, omit_defaults=True):
    """Metadata of a pack; it may have additional keys of its author."""

    domain: str = ""
    language: Language | None = None
    tags: list[str] = field(default_factory=list)
    cost_estimate: CostEstimate | None = None
    governance: Annotated[Governance | None, since("1.6")] = None


class Compilation(OpenPackObject, frozen=True, omit_defaults=True):
    """How the pack was compiled."""

    compiled_with: str
    created_at: DateTime
    schema: str
    source: str = ""


class Capabilities(OpenPackObject, frozen=True, omit_defaults=True):
    """What a provider should be able to do."""

    modalities: list[MediaType] = field(default_factory=list)
    min_context_tokens: Positive | None = None
    tool_use: bool | None = None
    structured_output: bool | None = None
    embedding_dimensions: Positive | None = None


class ProviderNeed(PackObject, frozen=True, omit_defaults=True):
    """A provider that the pack requires; plain text in the file is a key with the role `llm`."""

    key: ProviderKey
    role: str
    required: bool = True
    description: str = ""
    capabilities: Capabilities | None = None


class Requires(PackObject, frozen=True, omit_defaults=True, dict=True):
    """What a pack requires from its host."""

    providers: list[str | ProviderNeed] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Return the keys of the providers."""
        return [need if isinstance(need, str) else need.key for need in self.providers]

    @cached_property
    def known(self) -> Mapping[str, None]:
        """The keys, each once and in their order; every prompt may name one."""
        return dict.fromkeys(self.keys())
