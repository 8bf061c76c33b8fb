"""What was found of the things that agents refer to, and what may stand in an agent's way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from omnia_core.names import Kind
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.provider import Provider
from omnia_operator.api.toolregistry import ToolRegistry
from omnia_operator.resolve.issuers import Answer
from omnia_operator.resolve.retention import RetentionPolicy

Key: TypeAlias = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Found:
    """Everything that agents may refer to. Secrets are known by their keys only."""

    packs: Mapping[Key, PromptPack] = field(default_factory=dict)
    registries: Mapping[Key, ToolRegistry] = field(default_factory=dict)
    providers: Mapping[Key, Provider] = field(default_factory=dict)
    policies: tuple[RetentionPolicy, ...] = ()
    """What can be in force of SessionRetentionPolicies."""
    config_maps: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[Key, frozenset[str]] = field(default_factory=dict)
    invalid: Mapping[tuple[Kind, Key], str] = field(default_factory=dict)
    """What is wrong with those resources that cannot be used."""
    client_keys: frozenset[Key] = frozenset()
    """Secrets that are client keys of the agent."""
    cluster_issuer: Answer | None = None
    """Who signs the tokens of ServiceAccounts; None without a cluster."""
    oidc: Answer | None = None
    """The keys of the agent's OpenID provider; None without a cluster."""
    at: str = ""
    """When it was found, RFC 3339; "" stands for the moment when everything begins."""


@dataclass(frozen=True)
class Problem:
    """Why an agent cannot run: a condition that is false, and whether waiting may help."""

    condition: str
    reason: str
    message: str
    retry: bool


def missing(kind: str, key: Key, there: Iterable[Key], field_path: str) -> str:
    """Say that an object does not exist, and which ones do."""
    namespace, name = key
    near = sorted(other for space, other in there if space == namespace)
    others = f" (there: {', '.join(near)})" if near else ""
    return (
        f'there is no {kind} "{name}" in namespace "{namespace}"{others}: create it, or correct'
        f" {field_path}"
    )


def unusable(kind: Kind, key: Key, found: Found) -> str | None:
    """Say that an object exists and cannot be used; None where there is no such object."""
    reason = found.invalid.get((kind, key))
    return None if reason is None else f'{kind.value} "{key[1]}" cannot be used: {reason}'


def not_granted(kind: str, key: Key, namespace: str) -> str:
    """Say that an object of another namespace may not be used, and what would allow it."""
    return (
        f'{kind} "{key[1]}" of namespace "{key[0]}" may not be used from namespace "{namespace}":'
        f' add "{namespace}" to its spec.allowedNamespaces'
    )


def granted(owner: str, allowed: Iterable[str], user: str) -> bool:
    """Whether an object of the namespace `owner` may be used from the namespace `user`."""
    return owner == user or bool({user, "*"} & set(allowed))
