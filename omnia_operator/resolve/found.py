"""The objects that agents refer to, as they were found, and the problems of an agent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from omnia_core.documents import ValuePath
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_core.suggestions import listed
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.provider import Provider
from omnia_operator.api.toolregistry import ToolRegistry
from omnia_operator.resolve.retention import RetentionPolicy
from omnia_operator.resolve.services import ToolService

Key: TypeAlias = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class IssuerKeys:
    """The public keys of a token issuer, as JWKs (RFC 7517)."""

    issuer: str
    keys: tuple[JsonObject, ...]


@dataclass(frozen=True)
class NoKeys:
    """Why the keys of an issuer are not available now."""

    reason: str
    """One word for programs, in CamelCase."""
    message: str
    """A sentence for people."""
    last: IssuerKeys | None = None
    """The keys that were available before."""


IssuerAnswer: TypeAlias = IssuerKeys | NoKeys


@dataclass(frozen=True)
class CardKey:
    """The private key that signs an agent card, in PEM, or why there is none."""

    pem: str = ""
    problem: str = ""
    """A sentence for people, "" if there is a key."""


@dataclass
class Found:
    """The objects that a resource refers to, directly or indirectly."""

    packs: dict[Key, PromptPack] = field(default_factory=dict)
    registries: dict[Key, ToolRegistry] = field(default_factory=dict)
    providers: dict[Key, Provider] = field(default_factory=dict)
    services: list[ToolService] = field(default_factory=list)
    """Services that a selector of a ToolRegistry may match."""
    policies: list[RetentionPolicy] = field(default_factory=list)
    """SessionRetentionPolicies that can be in force."""
    config_maps: dict[Key, Mapping[str, str]] = field(default_factory=dict)
    secrets: dict[Key, Mapping[str, str]] = field(default_factory=dict)
    """For each key of a Secret a digest of its value, "" where the value is not known."""
    client_keys: dict[Key, frozenset[str]] = field(default_factory=dict)
    """Secrets that are client keys of the agent, with the uids of the AgentRuntimes that own
    them."""
    invalid: dict[tuple[Kind, Key], str] = field(default_factory=dict)
    """Resources with an invalid spec, and what is wrong with it."""
    cluster_issuer: IssuerAnswer | None = None
    """The issuer of the cluster's ServiceAccount tokens; None without a cluster."""
    oidc: IssuerAnswer | None = None
    """The keys of the agent's OpenID provider; None without a cluster."""
    card_key: CardKey | None = None
    """The key of the agent's card; None if the card is not signed."""
    at: str = ""
    """When the objects were read, RFC 3339; "" stands for the start of every canary."""


@dataclass(frozen=True)
class Problem:
    """Why an agent cannot run: a condition that is false, and whether to try again.

    Attributes:
        place: where in the content of its PromptPack; empty for anything else.
    """

    condition: str
    reason: str
    message: str
    retry: bool
    place: ValuePath = ()


def missing(kind: str, key: Key, existing: Iterable[Key], field_path: str) -> str:
    """Return the message that an object does not exist, with the names of those that do."""
    namespace, name = key
    near = sorted(other for space, other in existing if space == namespace)
    others = f" (existing: {listed(near)})" if near else ""
    return (
        f'there is no {kind} "{name}" in namespace "{namespace}"{others}: create it, or correct'
        f" {field_path}"
    )


def unusable(kind: Kind, key: Key, found: Found) -> str | None:
    """Return the message that an object is invalid; None if it is valid or does not exist."""
    reason = found.invalid.get((kind, key))
    return None if reason is None else f'{kind.value} "{key[1]}" is invalid: {reason}'


def not_granted(kind: str, key: Key, namespace: str) -> str:
    """Return the message that an object of another namespace is not shared with this one."""
    return (
        f'{kind} "{key[1]}" of namespace "{key[0]}" may not be used from namespace "{namespace}":'
        f' add "{namespace}" to its spec.allowedNamespaces'
    )


def granted(owner: str, allowed: Iterable[str], user: str) -> bool:
    """Whether an object of the namespace `owner` may be used from the namespace `user`."""
    return owner == user or bool({user, "*"} & set(allowed))
