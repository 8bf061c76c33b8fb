"""Keeps the objects that an agent's pods use by their former names, until those pods are gone.

The objects of `OwnedNames` once had no prefix. An operator that knows the prefix replaces the pods
once, together with their images. Until they are gone, the old pods read the objects of the names
that they know.
"""

from collections.abc import Iterable

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT, POD, SECRET, SERVICE_ACCOUNT
from omnia_operator.cluster.manifest import Manifest, owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.labels import former_name
from omnia_operator.manifests import Used, uses
from omnia_operator.plan import AgentPlan
from omnia_operator.status import DeploymentState

_ENDED = ("Succeeded", "Failed")
_KINDS = (CONFIG_MAP, SECRET, SERVICE_ACCOUNT)


async def former_objects(
    cluster: Cluster, agent: AgentPlan, manifests: Iterable[Manifest]
) -> list[Manifest]:
    """Return the manifests under the former names that pods still use.

    They have the present content, so that a new prompt and a revoked key reach the old pods too.
    """
    former = []
    for manifest in manifests:
        if manifest.kind in _KINDS:
            name = former_name(manifest.key[1])
            live = await cluster.get(manifest.kind, (agent.namespace, name))
            if live is not None and owned(live, agent.uid):
                former.append(manifest.renamed(name))
    return former if former and await _in_use(cluster, agent, former) else []


async def _in_use(cluster: Cluster, agent: AgentPlan, former: Iterable[Manifest]) -> bool:
    deployment = await cluster.get(DEPLOYMENT, (agent.namespace, agent.name))
    if deployment is not None and owned(deployment, agent.uid):
        names = {Used(manifest.kind, manifest.key[1]) for manifest in former}
        state = DeploymentState.of(deployment)
        if uses(deployment) & names or not state.current or state.former:
            return True
    pods = await cluster.find(POD, agent.namespace, agent.name)
    return any(_runs(pod) and _config_hash(pod) != agent.config_hash for pod in pods)


def _runs(pod: JsonObject) -> bool:
    return (pod.get("status") or {}).get("phase") not in _ENDED


def _config_hash(pod: JsonObject) -> str | None:
    found: str | None = (pod["metadata"].get("annotations") or {}).get(labels.CONFIG_HASH)
    return found
