"""Ends what an agent has by a grant that was withdrawn.

The key of a Provider or ToolRegistry of another namespace is copied, and pods read it when they
start. When the grant is withdrawn the copy is deleted, and the Deployment, so that no pod goes on
with the key. A grant that never was, or an object that is missing, ends nothing.
"""

from collections.abc import Iterable

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_core.suggestions import listed
from omnia_operator import labels
from omnia_operator.api import AgentRuntime
from omnia_operator.cluster.kinds import DEPLOYMENT, PROVIDER, SECRET, TOOL_REGISTRY
from omnia_operator.cluster.manifest import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.labels import OwnedNames, former_name
from omnia_operator.manifests import Used, uses
from omnia_operator.resolve import Grant, granted, needed_grants
from omnia_operator.status import Announcement

_KINDS = {Kind.PROVIDER: PROVIDER, Kind.TOOL_REGISTRY: TOOL_REGISTRY}


async def end_revoked(
    cluster: Cluster,
    document: JsonObject,
    agent: AgentRuntime | None,
    deployment: JsonObject | None,
) -> list[Announcement]:
    """Delete the copied keys and the Deployment of an agent whose grant was withdrawn.

    Args:
        cluster: the cluster.
        document: the agent.
        agent: the agent, if its spec is valid.
        deployment: its Deployment.

    Returns:
        The Event about it, if there was anything to delete.
    """
    metadata = document["metadata"]
    namespace, names = metadata["namespace"], OwnedNames(metadata["name"])
    copied = {names.copied_keys, former_name(names.copied_keys)}
    recorded = _recorded(deployment)
    # An older operator made no record.
    grants = list(needed_grants(agent)) if recorded is None and agent else recorded or []
    revoked = [grant for grant in grants if await _revoked(cluster, grant, namespace)]
    if not revoked:
        return []
    ended = []
    for secret in sorted(copied):
        live = await cluster.get(SECRET, (namespace, secret))
        if live is not None and owned(live, metadata.get("uid", "")):
            ended.append((SECRET, live))
    if deployment is not None and (
        recorded is not None or uses(deployment) & {Used(SECRET, name) for name in copied}
    ):
        evals = await cluster.get(DEPLOYMENT, (namespace, names.evals))
        if evals is not None and owned(evals, metadata.get("uid", "")):
            ended.append((DEPLOYMENT, evals))
        # Last: it has the record of its grants.
        ended.append((DEPLOYMENT, deployment))
    for kind, live in ended:
        await cluster.delete(kind, (namespace, live["metadata"]["name"]), live["metadata"]["uid"])
    return [_announcement(revoked, namespace)] if ended else []


async def _revoked(cluster: Cluster, grant: Grant, namespace: str) -> bool:
    """Whether an object exists and does not grant its use; an invalid one counts as it reads."""
    found = await cluster.get(_KINDS[grant.kind], (grant.namespace, grant.name))
    if found is None:
        return False
    allowed = (found.get("spec") or {}).get("allowedNamespaces") or ()
    return not granted(grant.namespace, allowed, namespace)


def _recorded(deployment: JsonObject | None) -> list[Grant] | None:
    annotations = ((deployment or {}).get("metadata") or {}).get("annotations") or {}
    text = annotations.get(labels.GRANTS)
    if text is None:
        return None
    grants = (Grant.read(each) for each in text.split(","))
    return [grant for grant in grants if grant is not None]


def _announcement(revoked: Iterable[Grant], namespace: str) -> Announcement:
    objects = listed(
        [f'{grant.kind.value} "{grant.name}" of namespace "{grant.namespace}"' for grant in revoked]
    )
    message = (
        f'the grant to namespace "{namespace}" was withdrawn: {objects}; the copied keys are'
        " deleted and the pods end; replace a key at its vendor if somebody may have read the copy"
    )
    return Announcement(warning=True, reason="GrantRevoked", message=message)
