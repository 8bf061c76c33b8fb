"""ToolRegistry: which tools there are."""

from omnia_operator.api import ToolRegistry
from omnia_operator.api.toolregistry import ToolRegistryStatus
from omnia_operator.cluster.kinds import TOOL_REGISTRY
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key
from omnia_operator.status import registry_status


async def reconcile_registry(cluster: Cluster, key: Key, now: str) -> bool:
    """Say which tools a ToolRegistry has; return whether to try again without being asked."""
    document = await cluster.get(TOOL_REGISTRY, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False
    resource = parsed(document)
    registry = resource if isinstance(resource, ToolRegistry) else None
    invalid = None if registry is not None else str(resource)
    before = status_of(document, ToolRegistryStatus)
    after = registry_status(generation_of(document), registry, invalid, before, now)
    await publish(
        cluster,
        TOOL_REGISTRY,
        document,
        (before, after),
        good="ToolsDiscovered",
        bad=("HandlersValid",),
        now=now,
    )
    return False
