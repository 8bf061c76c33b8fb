"""SessionRetentionPolicy: is it in force, and for whom."""

from collections.abc import Iterator

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator.api import SessionRetentionPolicy
from omnia_operator.api.session import SessionType
from omnia_operator.api.sessionretentionpolicy import SessionRetentionPolicyStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, SESSION_RETENTION_POLICY
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key, RetentionPolicy, in_force
from omnia_operator.status import PolicyFacts, policy_status


async def reconcile_policy(cluster: Cluster, key: Key, now: str) -> bool:
    """Say what a SessionRetentionPolicy is worth; the agents see for themselves."""
    document = await cluster.get(SESSION_RETENTION_POLICY, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False
    resource = parsed(document)
    holding = in_force(key[0], await policies(cluster, key[0]))
    agents = await cluster.find(AGENT_RUNTIME, key[0])
    facts = PolicyFacts(
        generation=generation_of(document),
        name=key[1],
        spec=resource.spec if isinstance(resource, SessionRetentionPolicy) else str(resource),
        in_force=holding.name if holding else "",
        agents=tuple(store for each in agents for store in _stores(each)),
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
    return False


async def policies(cluster: Cluster, namespace: str) -> tuple[RetentionPolicy, ...]:
    """Return what can be in force in a namespace."""
    documents = await cluster.find(SESSION_RETENTION_POLICY, namespace)
    return tuple(policy for each in documents for policy in _policies(each))


def _policies(document: JsonObject) -> Iterator[RetentionPolicy]:
    resource, metadata = parsed(document), document["metadata"]
    if isinstance(resource, SessionRetentionPolicy):
        yield RetentionPolicy.of(resource)
        return
    # An edit that cannot be used deletes nothing, and lets nothing be kept for longer.
    last = status_of(document, SessionRetentionPolicyStatus).last_valid_spec
    if last is not None:
        created = metadata.get("creationTimestamp") or ""
        yield RetentionPolicy(metadata["namespace"], metadata["name"], created, last)


def _stores(agent: JsonObject) -> Iterator[tuple[str, str]]:
    spec = agent["spec"]
    if (spec.get("facade") or {}).get("handler", Handler.RUNTIME) == Handler.RUNTIME:
        store = (spec.get("session") or {}).get("type", SessionType.MEMORY)
        yield agent["metadata"]["name"], store
