"""ToolRegistry: which tools there are."""

from omnia_operator.api import ToolRegistry
from omnia_operator.api.toolregistry import ToolRegistryStatus
from omnia_operator.cluster.kinds import TOOL_REGISTRY
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import DiscoveryCache, Seen
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.publish import publish
from omnia_operator.reconcile.servers import context_of
from omnia_operator.resolve import Key
from omnia_operator.status import registry_status


async def reconcile_registry(
    cluster: Cluster, key: Key, lookout: DiscoveryCache, now: str
) -> bool | float:
    """Say which tools a ToolRegistry has; return the seconds until its servers are due again."""
    document = await cluster.get(TOOL_REGISTRY, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        lookout.forget(key)
        return False
    resource = parsed(document)
    registry = resource if isinstance(resource, ToolRegistry) else None
    seen = None if registry is None else await _look(cluster, key, registry, lookout)
    before = status_of(document, ToolRegistryStatus)
    found = str(resource) if seen is None else seen
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
    return False if seen is None else seen.again


async def _look(
    cluster: Cluster, key: Key, registry: ToolRegistry, lookout: DiscoveryCache
) -> Seen:
    context = await context_of(cluster, registry)
    return await lookout.look(key, registry.spec.handlers, context)
