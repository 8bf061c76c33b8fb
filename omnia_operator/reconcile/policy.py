"""Reconciles a SessionRetentionPolicy: whether it is in force, and for which agents."""

from collections.abc import Iterator

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import SessionRetentionPolicy
from omnia_operator.api.sessionretentionpolicy import SessionRetentionPolicyStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, SESSION_RETENTION_POLICY
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.publish import publish
from omnia_operator.references import RetentionPolicies, references_of
from omnia_operator.resolve import Key, in_force
from omnia_operator.scheduling import Requeue
from omnia_operator.status import PolicyFacts, policy_status


async def reconcile_policy(cluster: Cluster, key: Key, now: str) -> Requeue:
    """Write the status of a SessionRetentionPolicy; agents read the policy themselves."""
    document = await cluster.get(SESSION_RETENTION_POLICY, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return Requeue.NO
    resource = parsed(document)
    found = await fetch(cluster, SESSION_RETENTION_POLICY, document)
    holding = in_force(key[0], found.policies)
    agents = await cluster.find(AGENT_RUNTIME, key[0])
    facts = PolicyFacts(
        generation=generation_of(document),
        name=key[1],
        spec=resource.spec if isinstance(resource, SessionRetentionPolicy) else str(resource),
        in_force=holding.name if holding else "",
        agents=tuple(store for agent in agents for store in _stores(agent)),
    )
    before = status_of(document, SessionRetentionPolicyStatus)
    after = policy_status(facts, before, now)
    await publish(
        cluster,
        SESSION_RETENTION_POLICY,
        document,
        (before, after),
        good="Active",
        bad=("Effective",),
        now=now,
    )
    return Requeue.NO


def _stores(agent: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the agent's name and where its sessions are kept, if it has any."""
    for reference in references_of(AGENT_RUNTIME, agent):
        if isinstance(reference, RetentionPolicies):
            yield agent["metadata"]["name"], reference.store
