"""Reconciles a Provider: whether the key that it refers to exists."""

from functools import partial

from omnia_operator.api import Provider
from omnia_operator.api.provider import ProviderStatus
from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import PROVIDER
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key, Problem, provider_problem
from omnia_operator.scheduling import Requeue
from omnia_operator.status import provider_status


async def reconcile_provider(cluster: Cluster, key: Key, checks: CheckThreads, now: str) -> Requeue:
    """Write the status of a Provider."""
    document = await cluster.get(PROVIDER, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return Requeue.NO
    resource = parsed(document)
    provider = resource if isinstance(resource, Provider) else None
    if provider is None:
        problem: Problem | None = Problem("Ready", "InvalidSpec", str(resource), retry=False)
    else:
        found = await fetch(cluster, PROVIDER, document)
        problem = await checks.run(key[0], partial(provider_problem, provider, found))
    before = status_of(document, ProviderStatus)
    after = provider_status(generation_of(document), provider, problem, before, now)
    await publish(
        cluster,
        PROVIDER,
        document,
        (before, after),
        good="CredentialConfigured",
        bad=("SecretFound",),
        now=now,
    )
    return Requeue.NO
