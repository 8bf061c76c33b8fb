"""What a resource refers to, read from its document without judging it."""

from collections.abc import Iterator
from typing import NamedTuple

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator import labels
from omnia_operator.api.session import SessionType
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    PROMPT_PACK,
    PROVIDER,
    SECRET,
    SERVICE,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
)

PACK_NAME = ObjectKind("", "", "PackName", "")
"""The name that versions of a pack share. It is no object: packs have it, agents refer to it."""
SERVICE_LABEL = ObjectKind("", "", "ServiceLabel", "")
"""A label and its value: Services have it, selectors of registries refer to it."""
CLIENT_KEYS = ObjectKind("", "", "ClientKeys", "")
"""The keys that are handed out for an agent: Secrets are marked as such, agents accept them."""
SESSION_STORE = ObjectKind("", "", "SessionStore", "")
"""A kind of store of a namespace's sessions: policies are about each, agents refer to theirs."""
SHARED = frozenset({PACK_NAME, SERVICE_LABEL, CLIENT_KEYS, SESSION_STORE})
COUNTED = frozenset({PACK_NAME, SESSION_STORE})
"""Names whose bearers say in their status who refers to them."""


class Node(NamedTuple):
    """An object, or a name that objects share."""

    kind: ObjectKind
    namespace: str
    name: str


def node_of(kind: ObjectKind, document: JsonObject) -> Node:
    """Return the node of an object."""
    return Node(kind, document["metadata"]["namespace"], document["metadata"]["name"])


def references(node: Node, document: JsonObject) -> frozenset[Node]:
    """Return what a custom resource refers to."""
    spec = document.get("spec") or {}
    if node.kind == AGENT_RUNTIME:
        return frozenset(_agent(node.namespace, node.name, spec))
    if node.kind == PROVIDER:
        return frozenset(_settings(node.namespace, spec))
    if node.kind == PROMPT_PACK:
        return frozenset(_pack(node, spec))
    if node.kind == TOOL_REGISTRY:
        return frozenset(_registry(node.namespace, spec))
    if node.kind == SESSION_RETENTION_POLICY:
        # Another policy may be older. One name of those that they all have is enough.
        return frozenset({Node(SESSION_STORE, node.namespace, SessionType.MEMORY)})
    return frozenset()


def shared_names(node: Node, document: JsonObject) -> frozenset[Node]:
    """Return the names by which others refer to an object beside its own."""
    if node.kind == SERVICE:
        marked = (document["metadata"].get("labels") or {}).items()
        return frozenset(_label(node.namespace, key, value) for key, value in marked)
    if node.kind == SECRET:
        return frozenset(_client_key(node.namespace, document["metadata"].get("labels") or {}))
    if node.kind == SESSION_RETENTION_POLICY:
        return frozenset(Node(SESSION_STORE, node.namespace, each) for each in SessionType)
    if node.kind != PROMPT_PACK:
        return frozenset()
    names = {node.name, (document.get("spec") or {}).get("packName") or node.name}
    return frozenset(Node(PACK_NAME, node.namespace, name) for name in names)


def _agent(namespace: str, name: str, spec: JsonObject) -> Iterator[Node]:
    if reference := spec.get("promptPackRef"):
        yield Node(PACK_NAME, namespace, reference["name"])
    if reference := spec.get("toolRegistryRef"):
        yield Node(TOOL_REGISTRY, reference.get("namespace") or namespace, reference["name"])
    for each in spec.get("providers") or ():
        reference = each["providerRef"]
        yield Node(PROVIDER, reference.get("namespace") or namespace, reference["name"])
    if reference := (spec.get("session") or {}).get("storeRef"):
        yield Node(SECRET, namespace, reference["name"])
    if (spec.get("facade") or {}).get("handler", Handler.RUNTIME) == Handler.RUNTIME:
        store = (spec.get("session") or {}).get("type", SessionType.MEMORY)
        yield Node(SESSION_STORE, namespace, store)
    yield from _settings(namespace, spec.get("provider") or {})
    yield Node(CLIENT_KEYS, namespace, name)
    if reference := (spec.get("externalAuth") or {}).get("userIdKeyRef"):
        yield Node(SECRET, namespace, reference["name"])


def _settings(namespace: str, settings: JsonObject) -> Iterator[Node]:
    if reference := settings.get("secretRef"):
        yield Node(SECRET, namespace, reference["name"])
    if reference := (settings.get("mock") or {}).get("configMapRef"):
        yield Node(CONFIG_MAP, namespace, reference["name"])


def _pack(node: Node, spec: JsonObject) -> Iterator[Node]:
    # Another version of the same pack may be newer.
    yield Node(PACK_NAME, node.namespace, spec.get("packName") or node.name)
    if reference := (spec.get("source") or {}).get("configMapRef"):
        yield Node(CONFIG_MAP, node.namespace, reference["name"])


def _registry(namespace: str, spec: JsonObject) -> Iterator[Node]:
    for each in spec.get("handlers") or ():
        if reference := (each.get("auth") or {}).get("secretRef"):
            yield Node(SECRET, namespace, reference["name"])
        if selector := each.get("selector"):
            # One label is enough to be told of every Service that has them all.
            key, value = min(selector["matchLabels"].items())
            yield _label(selector.get("namespace") or namespace, key, value)


def _client_key(namespace: str, marked: JsonObject) -> Iterator[Node]:
    if marked.get(labels.CREDENTIAL_KIND) == labels.CLIENT_KEY:
        yield Node(CLIENT_KEYS, namespace, marked.get(labels.AGENT_NAME, ""))


def _label(namespace: str, key: str, value: str) -> Node:
    return Node(SERVICE_LABEL, namespace, f"{key}={value}")
