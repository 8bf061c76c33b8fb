"""The one object that holds what may not pass through a plan: copies of granted keys."""

from collections.abc import Mapping

from omnia_operator.cluster.kinds import SECRET
from omnia_operator.manifests.manifest import Manifest
from omnia_operator.plan import AgentPlan, SecretCopy


def secret(agent: AgentPlan, values: Mapping[SecretCopy, str]) -> Manifest | None:
    """Return the Secret with the copies, as base64 like their originals; None without copies."""
    if not agent.secret_copies:
        return None
    return Manifest.of(
        {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.name,
            "metadata": {
                "name": agent.secret_copies[0].target.name,
                "namespace": agent.namespace,
                "labels": agent.labels,
                "ownerReferences": agent.owners,
            },
            "type": "Opaque",
            "data": {each.target.key: values[each] for each in agent.secret_copies},
        }
    )
