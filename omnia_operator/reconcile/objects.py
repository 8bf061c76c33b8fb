"""Applies the objects of an agent, and deletes those that are no longer needed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from omnia_operator.cluster.errors import ClusterError, KindMissing, name_taken
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    HPA,
    OWNED,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
)
from omnia_operator.cluster.manifest import Manifest, owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests import same
from omnia_operator.plan import AgentPlan
from omnia_operator.resolve import Problem

_CONDITIONS = {
    SERVICE: ("ServiceReady", "ServiceFailed"),
    HPA: ("AutoscalingReady", "Error"),
    SCALED_OBJECT: ("AutoscalingReady", "Error"),
}
_OTHERS = ("DeploymentReady", "DeploymentFailed")


@dataclass
class Applied:
    """The result of applying."""

    problems: list[Problem] = field(default_factory=list)
    files_changed: bool = False
    """Whether a ConfigMap or Secret that pods may have mounted has new content."""


async def apply(cluster: Cluster, agent: AgentPlan, manifests: Iterable[Manifest]) -> Applied:
    """Apply the objects that differ. A failure of one does not stop the others."""
    outcome = Applied()
    for manifest in manifests:
        try:
            live = await cluster.get(manifest.kind, manifest.key)
            if live is not None and not owned(live, agent.uid):
                raise name_taken(manifest, live)
            if live is None or not same(manifest, live):
                await cluster.apply(manifest, known=live is not None)
                known = live is not None and manifest.kind == CONFIG_MAP
                # Pods may have mounted a Secret before it existed.
                outcome.files_changed |= known or manifest.kind == SECRET
        except ClusterError as error:
            outcome.problems.append(_problem(manifest, error))
    return outcome


async def prune(cluster: Cluster, agent: AgentPlan, manifests: Iterable[Manifest]) -> bool:
    """Delete the objects without a manifest; return whether a Secret was among them."""
    secret = False
    wanted = {(manifest.kind, manifest.key) for manifest in manifests}
    for kind in OWNED:
        for live in await cluster.find(kind, agent.namespace, agent.name):
            metadata = live["metadata"]
            key = metadata["namespace"], metadata["name"]
            if (kind, key) not in wanted and owned(live, agent.uid):
                await cluster.delete(kind, key, metadata["uid"])
                secret |= kind == SECRET
    return secret


def _problem(manifest: Manifest, error: ClusterError) -> Problem:
    condition, reason = _CONDITIONS.get(manifest.kind, _OTHERS)
    if isinstance(error, KindMissing):
        message = "KEDA is not installed: install it, or set runtime.autoscaling.type: hpa"
        return Problem(condition, "KEDANotInstalled", message, retry=False)
    message = f"{manifest.kind} {manifest.key[1]}: {error.message}"
    return Problem(condition, reason, message, retry=error.transient)
