"""What a resource refers to: the index of dependents and fetching use the same references.

A reference names one object, or a group that objects belong to. Documents are read without being
validated, so that an invalid resource is found by those that refer to it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from omnia_core.env import SessionType
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    PROMPT_PACK,
    PROVIDER,
    ROLLOUT_ANALYSIS,
    SECRET,
    SERVICE,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.resolve import Key


class ObjectReference(NamedTuple):
    """One object by kind, namespace and name."""

    kind: ObjectKind
    key: Key


@dataclass(frozen=True, slots=True)
class VersionsOfPack:
    """The PromptPacks that share a pack name, or the one object with that name."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class RetentionPolicies:
    """The SessionRetentionPolicies of a namespace, for the sessions of one type of store."""

    namespace: str
    store: str
    """Type of the store, as in `session.type`."""


@dataclass(frozen=True, slots=True)
class LabelledServices:
    """The Services of a namespace with one label."""

    namespace: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class ClientKeySecrets:
    """The Secrets that are client keys of an agent."""

    namespace: str
    agent: str


Group: TypeAlias = VersionsOfPack | RetentionPolicies | LabelledServices | ClientKeySecrets
Reference: TypeAlias = ObjectReference | Group

COUNTS_USERS: tuple[type[Group], ...] = (VersionsOfPack, RetentionPolicies)
"""Groups whose members list in their status the agents that refer to the group."""


def reference_to(kind: ObjectKind, document: JsonObject) -> ObjectReference:
    """Return the reference to an object."""
    metadata = document["metadata"]
    return ObjectReference(kind, (metadata["namespace"], metadata["name"]))


def references_of(kind: ObjectKind, document: JsonObject) -> frozenset[Reference]:
    """Return what a resource refers to; objects of Kubernetes' own kinds refer to nothing."""
    read = _REFERENCES.get(kind)
    return frozenset() if read is None else frozenset(read(document))


def groups_of(kind: ObjectKind, document: JsonObject) -> frozenset[Group]:
    """Return the groups that an object belongs to."""
    read = _GROUPS.get(kind)
    return frozenset() if read is None else frozenset(read(document))


def _agent(document: JsonObject) -> Iterator[Reference]:
    spec, (namespace, name) = document.get("spec") or {}, _key(document)
    if reference := spec.get("promptPackRef"):
        yield VersionsOfPack(namespace, reference["name"])
    if reference := spec.get("toolRegistryRef"):
        yield _object(TOOL_REGISTRY, namespace, reference)
    for provider in spec.get("providers") or ():
        yield _object(PROVIDER, namespace, provider["providerRef"])
    yield from _rollout(namespace, spec.get("rollout") or {})
    yield from _provider_settings(namespace, spec.get("provider") or {})
    session = spec.get("session") or {}
    if reference := session.get("storeRef"):
        yield _object(SECRET, namespace, reference)
    if (spec.get("facade") or {}).get("handler", Handler.RUNTIME) == Handler.RUNTIME:
        # Not converted: the type of an invalid resource may be unknown.
        yield RetentionPolicies(namespace, session.get("type", SessionType.MEMORY))
    rules = spec.get("externalAuth") or {}
    if rules.get("clientKeys") is not None:
        yield ClientKeySecrets(namespace, name)
    if reference := rules.get("userIdKeyRef"):
        yield _object(SECRET, namespace, reference)
    signing = ((spec.get("facade") or {}).get("a2a") or {}).get("signing") or {}
    if reference := signing.get("secretRef"):
        yield _object(SECRET, namespace, reference)


def _rollout(namespace: str, rollout: JsonObject) -> Iterator[Reference]:
    for step in rollout.get("steps") or ():
        if analysis := step.get("analysis"):
            yield ObjectReference(ROLLOUT_ANALYSIS, (namespace, analysis["templateName"]))
    candidate = rollout.get("candidate") or {}
    if reference := candidate.get("toolRegistryRef"):
        yield _object(TOOL_REGISTRY, namespace, reference)
    for provider in candidate.get("providerRefs") or ():
        yield _object(PROVIDER, namespace, provider["providerRef"])


def _provider(document: JsonObject) -> Iterator[Reference]:
    yield from _provider_settings(_key(document)[0], document.get("spec") or {})


def _provider_settings(namespace: str, settings: JsonObject) -> Iterator[Reference]:
    if reference := settings.get("secretRef"):
        yield _object(SECRET, namespace, reference)
    for block in ("mock", "cassette"):
        if reference := (settings.get(block) or {}).get("configMapRef"):
            yield _object(CONFIG_MAP, namespace, reference)
    yield from _authority(namespace, settings)


def _authority(namespace: str, server: JsonObject) -> Iterator[Reference]:
    if reference := (server.get("tls") or {}).get("caConfigMapRef"):
        yield _object(CONFIG_MAP, namespace, reference)


def _pack(document: JsonObject) -> Iterator[Reference]:
    spec, (namespace, name) = document.get("spec") or {}, _key(document)
    # Another version of the same pack may be newer.
    yield VersionsOfPack(namespace, spec.get("packName") or name)
    if reference := (spec.get("source") or {}).get("configMapRef"):
        yield _object(CONFIG_MAP, namespace, reference)


def _registry(document: JsonObject) -> Iterator[Reference]:
    namespace = _key(document)[0]
    for handler in (document.get("spec") or {}).get("handlers") or ():
        if reference := (handler.get("auth") or {}).get("secretRef"):
            yield _object(SECRET, namespace, reference)
        mcp = handler.get("mcpConfig") or {}
        for value in (*(mcp.get("envFrom") or ()), *(mcp.get("headersFrom") or ())):
            yield _object(SECRET, namespace, value["secretRef"])
        if reference := (handler.get("openAPIConfig") or {}).get("specConfigMapRef"):
            yield _object(CONFIG_MAP, namespace, reference)
        yield from _authority(namespace, handler)
        if selector := handler.get("selector"):
            # Services with all labels of a selector are among those with one of them.
            label, value = min(selector["matchLabels"].items())
            yield LabelledServices(selector.get("namespace") or namespace, label, value)


def _policy(document: JsonObject) -> Iterator[Reference]:
    # Another policy may be older. Every policy belongs to the groups of all stores.
    yield RetentionPolicies(_key(document)[0], SessionType.MEMORY)


def _groups_of_pack(document: JsonObject) -> Iterator[Group]:
    namespace, name = _key(document)
    yield VersionsOfPack(namespace, name)
    yield VersionsOfPack(namespace, (document.get("spec") or {}).get("packName") or name)


def _groups_of_policy(document: JsonObject) -> Iterator[Group]:
    for store in SessionType:
        yield RetentionPolicies(_key(document)[0], store)


def _groups_of_service(document: JsonObject) -> Iterator[Group]:
    for label, value in _labels(document).items():
        yield LabelledServices(_key(document)[0], label, value)


def _groups_of_secret(document: JsonObject) -> Iterator[Group]:
    found = _labels(document)
    if found.get(labels.CREDENTIAL_KIND) == labels.CLIENT_KEY:
        yield ClientKeySecrets(_key(document)[0], found.get(labels.AGENT_NAME, ""))


def _key(document: JsonObject) -> Key:
    return document["metadata"]["namespace"], document["metadata"]["name"]


def _labels(document: JsonObject) -> JsonObject:
    return document["metadata"].get("labels") or {}


def _object(kind: ObjectKind, namespace: str, reference: JsonObject) -> ObjectReference:
    return ObjectReference(kind, (reference.get("namespace") or namespace, reference["name"]))


_REFERENCES: dict[ObjectKind, Callable[[JsonObject], Iterator[Reference]]] = {
    AGENT_RUNTIME: _agent,
    PROMPT_PACK: _pack,
    PROVIDER: _provider,
    SESSION_RETENTION_POLICY: _policy,
    TOOL_REGISTRY: _registry,
}
_GROUPS: dict[ObjectKind, Callable[[JsonObject], Iterator[Group]]] = {
    PROMPT_PACK: _groups_of_pack,
    SECRET: _groups_of_secret,
    SERVICE: _groups_of_service,
    SESSION_RETENTION_POLICY: _groups_of_policy,
}
