"""Reconciles a ToolRegistry: which tools its servers offer."""

import base64
import binascii
from collections.abc import Callable, Mapping

from omnia_core.env.contract import SecretStr
from omnia_core.files.config_text import ConfigText
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import ToolRegistry
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ToolRegistryStatus
from omnia_operator.cluster.kinds import TOOL_REGISTRY
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import DiscoveryCache, DiscoveryContext, DiscoveryResult
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import (
    Found,
    Key,
    handler_authority,
    handler_document,
    tool_secret_keys,
)
from omnia_operator.scheduling import Requeue
from omnia_operator.status import registry_status


async def reconcile_registry(
    cluster: Cluster, key: Key, discovery: DiscoveryCache, now: str
) -> Requeue:
    """Write the status of a ToolRegistry; requeue it for the next discovery."""
    document = await cluster.get(TOOL_REGISTRY, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        discovery.forget(key)
        return Requeue.NO
    resource = parsed(document)
    registry = resource if isinstance(resource, ToolRegistry) else None
    result = None if registry is None else await _discover(cluster, document, registry, discovery)
    before = status_of(document, ToolRegistryStatus)
    found = str(resource) if result is None else result
    after = registry_status(generation_of(document), registry, found, before, now)
    await publish(
        cluster,
        TOOL_REGISTRY,
        document,
        (before, after),
        good="ToolsDiscovered",
        bad=("HandlersValid",),
        now=now,
    )
    return Requeue.NO if result is None else Requeue.after(result.again)


async def _discover(
    cluster: Cluster, document: JsonObject, registry: ToolRegistry, discovery: DiscoveryCache
) -> DiscoveryResult:
    found = await fetch(cluster, TOOL_REGISTRY, document)
    context = DiscoveryContext(
        namespace=registry.metadata.namespace,
        services=tuple(found.services),
        credentials=await _credentials(cluster, registry),
        probe=registry.spec.probe,
        documents=_texts(handler_document, registry, found),
        authorities=_texts(handler_authority, registry, found),
    )
    return await discovery.discover(registry.key, registry.spec.handlers, context)


def _texts(
    read: Callable[[ToolHandler, str, Found], ConfigText | None],
    registry: ToolRegistry,
    found: Found,
) -> Mapping[str, ConfigText]:
    namespace = registry.metadata.namespace
    texts = {handler.name: read(handler, namespace, found) for handler in registry.spec.handlers}
    return {name: text for name, text in texts.items() if text is not None}


async def _credentials(cluster: Cluster, registry: ToolRegistry) -> Mapping[str, SecretStr]:
    secrets: dict[str, Mapping[str, str]] = {}
    credentials: dict[str, SecretStr] = {}
    for handler in registry.spec.handlers:
        for secret in tool_secret_keys(handler):
            reference = secret.reference
            if reference.name not in secrets:
                key = registry.metadata.namespace, reference.name
                secrets[reference.name] = await cluster.secret_values(key)
            encoded = secrets[reference.name].get(reference.key)
            if encoded is not None:
                credentials[secret.file] = SecretStr(_decoded(encoded))
    return credentials


def _decoded(encoded: str) -> str:
    try:
        # Invalid UTF-8 does not fit into a header: discovery reports it.
        return base64.b64decode(encoded).decode(errors="replace")
    except binascii.Error:
        return ""
