"""The objects that hold what may not pass through a plan: copies of keys of other Secrets."""

from collections.abc import Mapping

from omnia_operator.cluster.kinds import SECRET
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.plan import AgentPlan, SecretCopy


def secrets(agent: AgentPlan, values: Mapping[SecretCopy, str]) -> list[Manifest]:
    """Return the Secrets with the copies, as base64 like their originals."""
    data: dict[str, dict[str, str]] = {}
    for each in agent.secret_copies:
        data.setdefault(each.target.name, {})[each.target.key] = values[each]
    return [
        Manifest.of(
            {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.name,
                "metadata": {
                    "name": name,
                    "namespace": agent.namespace,
                    "labels": agent.labels,
                    "ownerReferences": agent.owners,
                },
                "type": "Opaque",
                "data": copies,
            }
        )
        for name, copies in data.items()
    ]
