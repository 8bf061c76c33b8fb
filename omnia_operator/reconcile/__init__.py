"""The steps from what is wanted to what there is. Running them twice changes nothing."""

from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    PROMPT_PACK,
    PROVIDER,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import DiscoveryCache, Issuers
from omnia_operator.plan import Settings
from omnia_operator.reconcile.agent import reconcile_agent
from omnia_operator.reconcile.pack import reconcile_pack
from omnia_operator.reconcile.policy import reconcile_policy
from omnia_operator.reconcile.provider import reconcile_provider
from omnia_operator.reconcile.registry import reconcile_registry
from omnia_operator.resolve import Key

__all__ = ["reconcile"]


async def reconcile(
    cluster: Cluster,
    kind: ObjectKind,
    key: Key,
    settings: Settings,
    lookout: DiscoveryCache,
    now: str,
    issuers: Issuers,
) -> bool | float:
    """Reconcile a resource; return whether, or after how many seconds, to do it again unasked.

    Raises:
        ClusterError: the API server did not do what it was asked.
    """
    if kind == AGENT_RUNTIME:
        return await reconcile_agent(cluster, key, settings, issuers, now)
    if kind == PROMPT_PACK:
        return await reconcile_pack(cluster, key, now)
    if kind == PROVIDER:
        return await reconcile_provider(cluster, key, now)
    if kind == TOOL_REGISTRY:
        return await reconcile_registry(cluster, key, lookout, now)
    if kind == SESSION_RETENTION_POLICY:
        return await reconcile_policy(cluster, key, now)
    raise ValueError(f"{kind} is no custom resource")
