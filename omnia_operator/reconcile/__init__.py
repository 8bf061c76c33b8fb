"""Brings the cluster from its present to its desired state. Doing it twice changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    PROMPT_PACK,
    PROVIDER,
    ROLLOUT_ANALYSIS,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import DiscoveryCache, Issuers
from omnia_operator.plan import Settings
from omnia_operator.pod_checks import PodChecks
from omnia_operator.reconcile.agent import reconcile_agent
from omnia_operator.reconcile.analysis import reconcile_analysis
from omnia_operator.reconcile.claims import Claims
from omnia_operator.reconcile.drift import Corrections
from omnia_operator.reconcile.pack import reconcile_pack
from omnia_operator.reconcile.policy import reconcile_policy
from omnia_operator.reconcile.provider import reconcile_provider
from omnia_operator.reconcile.registry import reconcile_registry
from omnia_operator.references import ObjectReference
from omnia_operator.resolve import Key
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.scheduling import Requeue

__all__ = ["Reconciler"]


@dataclass(frozen=True)
class Reconciler:
    """Reconciles the custom resources."""

    cluster: Cluster
    settings: Settings
    discovery: DiscoveryCache
    issuers: Issuers
    pod_checks: PodChecks
    measuring: Measuring
    claims: Claims = field(default_factory=Claims)
    corrections: Corrections = field(default_factory=Corrections)
    checks: CheckThreads = field(default_factory=CheckThreads)

    async def reconcile(self, item: ObjectReference, now: str) -> Requeue:
        """Reconcile a custom resource; `now` is the time, RFC 3339.

        Raises:
            ClusterError: a request to the API server failed.
            KeyError: the kind is no custom resource of ours.
        """
        return await _RECONCILERS[item.kind](self, item.key, now)


_RECONCILERS: dict[ObjectKind, Callable[[Reconciler, Key, str], Awaitable[Requeue]]] = {
    AGENT_RUNTIME: lambda own, key, now: reconcile_agent(
        own.cluster,
        key,
        own.settings,
        issuers=own.issuers,
        pod_checks=own.pod_checks,
        claims=own.claims,
        corrections=own.corrections,
        checks=own.checks,
        measuring=own.measuring,
        now=now,
    ),
    PROMPT_PACK: lambda own, key, now: reconcile_pack(own.cluster, key, own.checks, now),
    PROVIDER: lambda own, key, now: reconcile_provider(own.cluster, key, own.checks, now),
    ROLLOUT_ANALYSIS: lambda own, key, now: reconcile_analysis(own.cluster, key, now),
    SESSION_RETENTION_POLICY: lambda own, key, now: reconcile_policy(own.cluster, key, now),
    TOOL_REGISTRY: lambda own, key, now: reconcile_registry(own.cluster, key, own.discovery, now),
}
