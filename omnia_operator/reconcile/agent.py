"""Reconciles an AgentRuntime: fetch, resolve, plan, render, apply, prune, observe, status."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api import AgentRuntime, AnyResource
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    SCALED_OBJECT,
    SERVICE,
)
from omnia_operator.cluster.manifest import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import Issuers
from omnia_operator.manifests import render
from omnia_operator.plan import AgentPlan, Settings, files_hash, hashed, plan
from omnia_operator.pod_checks import PodChecks
from omnia_operator.policy import refusals
from omnia_operator.reconcile.admission import open_to_all
from omnia_operator.reconcile.card_keys import with_card_key
from omnia_operator.reconcile.claims import Claims, OtherOperator
from omnia_operator.reconcile.credentials import with_issuers
from omnia_operator.reconcile.documents import explained, generation_of, parsed, status_of
from omnia_operator.reconcile.drift import Corrections
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.former_names import former_objects
from omnia_operator.reconcile.grants import end_revoked
from omnia_operator.reconcile.objects import apply, not_installed, prune
from omnia_operator.reconcile.pod_findings import PodFindings, pod_findings
from omnia_operator.reconcile.publish import announce, publish
from omnia_operator.reconcile.rollout import (
    RolloutDecision,
    converge_candidate,
    rollout_step,
    with_rollout,
    write_end,
)
from omnia_operator.reconcile.secret_copies import copied_manifests, versions_of
from omnia_operator.resolve import Found, Key, Problem, Resolved, resolve
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.scheduling import Requeue
from omnia_operator.status import (
    CARD_SIGNED,
    EVALS_READY,
    EXPOSE_READY,
    OBJECTS_IN_SYNC,
    ROUTE_PENDING,
    TRAFFIC_ROUTING,
    WITHIN_BUDGET,
    AgentFacts,
    Announcement,
    DeploymentState,
    PodState,
    agent_status,
)

_WARNED = (
    "PromptPackReady",
    "ProviderReady",
    "ToolRegistryReady",
    "SessionStoreReady",
    "AutoscalingReady",
    EVALS_READY,
    EXPOSE_READY,
    "ExternalAuth",
    "OIDCJWKSReady",
    CARD_SIGNED,
    "SessionRetention",
    OBJECTS_IN_SYNC,
    TRAFFIC_ROUTING,
    WITHIN_BUDGET,
)
# A Gateway's answer is looked for after this time: when the Gateway API was installed after the
# operator had started, no watch tells it.
_ROUTE_SECONDS = 15.0
# New keys of an OpenID provider are used at the latest after this time.
_ISSUER_SECONDS = 120.0
_GRACE_SECONDS = 1.0
# Ages are whole seconds: with a longer pause a missing object would be told up to a second later.
_GRACE_PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class _Outcome:
    agent: AgentRuntime | None = None
    resolved: Resolved | None = None
    plan: AgentPlan | None = None
    files_hash: str = ""
    """Hash of the mounted files; "" if they have not changed."""
    problems: tuple[Problem, ...] = ()
    news: tuple[Announcement, ...] = ()
    """What others had changed in the objects, and what became of the rollout."""
    step: RolloutDecision | None = None
    """What was decided about the rollout; None without one."""


async def reconcile_agent(
    cluster: Cluster,
    key: Key,
    settings: Settings,
    *,
    issuers: Issuers,
    pod_checks: PodChecks,
    claims: Claims,
    corrections: Corrections,
    checks: CheckThreads,
    measuring: Measuring,
    now: str,
) -> Requeue:
    """Bring an agent to its desired state.

    It is requeued after a failure that may pass, for the next step of a canary of its PromptPack,
    for new keys of its OpenID provider, and while a Gateway has not answered.
    """
    document = await cluster.get(AGENT_RUNTIME, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        claims.forget(key)
        pod_checks.forget_all(key)
        measuring.forget(key)
        return Requeue.NO  # Kubernetes deletes its objects, by their owner references
    former = await _deployment(cluster, document)
    other = claims.other(key, former, settings.operator)
    if other is not None:
        if other.new:
            await announce(cluster, AGENT_RUNTIME, document, [_left_to(other, settings)], now)
        return Requeue.NO
    resource = parsed(document)
    refused = _refused(resource, settings)
    if refused is not None:
        outcome = _Outcome(problems=(refused,))
    elif isinstance(resource, AgentRuntime):
        step = await rollout_step(cluster, document, resource, measuring, now)
        if step is not None:
            # Stable may run with something else than the spec says.
            resource, document = step.agent(resource), step.document
        found = await fetch(cluster, AGENT_RUNTIME, document, now)
        found = await with_issuers(cluster, resource, issuers, found)
        found = await with_card_key(cluster, resource, found)
        resolved = await checks.run(key[0], partial(resolve, resource, found))
        outcome = await _converge(cluster, resource, settings, found, resolved, corrections, step)
        outcome = replace(outcome, step=step)
    else:
        invalid = Problem("Ready", "InvalidSpec", str(resource), retry=False)
        outcome = _Outcome(problems=(invalid,))
    if outcome.plan is None:
        news = await end_revoked(cluster, document, outcome.agent, former)
        outcome = replace(outcome, news=(*outcome.news, *news))
    deployment = await _deployment(cluster, document)
    outcome = await _with_candidate(
        cluster, outcome, deployment, settings, checks, corrections, now
    )
    claims.applied(key, deployment, settings.operator)
    if _may_be_applied_still(document, outcome, now):
        return Requeue.after(_GRACE_PAUSE_SECONDS)
    said = pod_findings(outcome.resolved, pod_checks, key)
    outcome = replace(outcome, problems=(*outcome.problems, *said.problems))
    facts = await _observe(cluster, document, outcome, deployment, former, said)
    before = status_of(document, AgentRuntimeStatus)
    after = agent_status(facts, before, now)
    statuses = before, after
    await publish(cluster, AGENT_RUNTIME, document, statuses, good="Ready", bad=_WARNED, now=now)
    await write_end(cluster, outcome.step)
    await announce(cluster, AGENT_RUNTIME, document, outcome.news, now)
    if outcome.files_hash and outcome.plan is not None:
        await _refresh(cluster, outcome.plan, outcome.files_hash)
    pending = any(condition.reason == ROUTE_PENDING for condition in after.conditions)
    return _requeue(outcome, _ROUTE_SECONDS if pending else None)


async def _with_candidate(
    cluster: Cluster,
    outcome: _Outcome,
    deployment: JsonObject | None,
    settings: Settings,
    checks: CheckThreads,
    corrections: Corrections,
    now: str,
) -> _Outcome:
    """Bring the candidate of a rollout to what was decided, where there is one."""
    if outcome.step is None:
        return outcome
    pods = DeploymentState.of(deployment).desired if deployment else 1
    step = await converge_candidate(cluster, outcome.step, settings, checks, corrections, pods, now)
    return replace(outcome, step=step, news=(*outcome.news, *step.news))


def _may_be_applied_still(document: JsonObject, outcome: _Outcome, now: str) -> bool:
    """Whether an agent is so new that what it refers to may come with it, after it.

    `kubectl apply -f FOLDER` applies an agent before its ToolRegistry: a warning each time would be
    noise.
    """
    created = document["metadata"].get("creationTimestamp")
    if not created or document.get("status") or not outcome.problems:
        return False
    age = dt.datetime.fromisoformat(now) - dt.datetime.fromisoformat(created)
    missing = all(problem.reason.endswith("NotFound") for problem in outcome.problems)
    # Both times are whole seconds. A clock that is behind must not silence the agent.
    return missing and outcome.plan is None and 0 <= age.total_seconds() <= _GRACE_SECONDS


def _left_to(other: OtherOperator, settings: Settings) -> Announcement:
    message = (
        f'the operators "{other.name}" and "{settings.operator}" both act on this agent; the latter'
        " leaves it alone until it is restarted: uninstall one of them, or give each its own"
        " namespaces in operator.watchNamespaces"
    )
    return Announcement(warning=True, reason="SeveralOperators", message=message)


def _refused(resource: AnyResource | str, settings: Settings) -> Problem | None:
    """Return what the policy refuses. Like an invalid spec, it leaves the pods as they are."""
    if not isinstance(resource, AgentRuntime):
        return None
    findings = list(refusals(resource, settings.policy))
    if not findings:
        return None
    return Problem("Ready", "PolicyViolation", explained(findings), retry=False)


def _requeue(outcome: _Outcome, route: float | None) -> Requeue:
    resolved = outcome.resolved
    if resolved is None:
        return Requeue.NO  # the missing object queues the agent when it is created
    if any(problem.retry for problem in outcome.problems):
        return Requeue.with_backoff()
    # These change without an event.
    canary = resolved.pack.wait if resolved.pack is not None else None
    oidc = _ISSUER_SECONDS if resolved.agent.spec.external_auth.oidc else None
    rollout = outcome.step.plan.wake if outcome.step else None
    waits = [seconds for seconds in (canary, oidc, route, rollout) if seconds]
    return Requeue.after(min(waits)) if waits else Requeue.NO


async def _converge(
    cluster: Cluster,
    agent: AgentRuntime,
    settings: Settings,
    found: Found,
    resolved: Resolved | tuple[Problem, ...],
    corrections: Corrections,
    step: RolloutDecision | None,
) -> _Outcome:
    if not isinstance(resolved, Resolved):
        return _Outcome(agent, problems=resolved)
    versions = versions_of(found)
    planned = plan(resolved, settings)
    if step is not None:
        planned = with_rollout(planned, agent, step)
    missing = []
    if planned.pods.keda is not None and not await cluster.serves(SCALED_OBJECT):
        planned = replace(planned, pods=planned.pods.unscaled)
        missing.append(not_installed(SCALED_OBJECT))
    if planned.http_route is not None and not await cluster.serves(HTTP_ROUTE):
        planned = replace(planned, exposure=None)
        missing.append(not_installed(HTTP_ROUTE))
    planned = hashed(planned, versions)
    manifests = [*await copied_manifests(cluster, planned, resolved), *render(planned)]
    manifests += await former_objects(cluster, planned, manifests)
    applied = await apply(cluster, planned, manifests, corrections, found.at)
    pruned = await prune(cluster, planned, manifests)
    changed = applied.files_changed or pruned
    return _Outcome(
        agent,
        resolved,
        planned,
        files_hash(planned, versions) if changed else "",
        problems=(
            *applied.problems,
            *resolved.auth.problems,
            *missing,
        ),
        news=tuple(applied.news),
    )


async def _deployment(cluster: Cluster, document: JsonObject) -> JsonObject | None:
    metadata = document["metadata"]
    return _own(await cluster.get(DEPLOYMENT, (metadata["namespace"], metadata["name"])), metadata)


async def _observe(
    cluster: Cluster,
    document: JsonObject,
    outcome: _Outcome,
    deployment: JsonObject | None,
    former: JsonObject | None,
    said: PodFindings,
) -> AgentFacts:
    metadata = document["metadata"]
    key = metadata["namespace"], metadata["name"]
    workload = None if deployment is None else DeploymentState.of(deployment)
    pods = []
    if workload is not None and not workload.complete:
        pods = await cluster.find(POD, *key)
    evals, evals_pods = await _evaluation(cluster, outcome, metadata)
    return AgentFacts(
        generation=generation_of(document),
        agent=outcome.agent,
        resolved=outcome.resolved,
        problems=outcome.problems,
        workload=workload,
        pods=_not_ready(pods),
        evals=evals,
        evals_pods=evals_pods,
        open_to_all=open_to_all(outcome.plan, deployment, former),
        has_service=_own(await cluster.get(SERVICE, key), metadata) is not None,
        route=await _route(cluster, outcome.agent, metadata),
        store_reached=said.store_reached,
        budget_spent=said.budget_spent,
        evals_budget_spent=said.evals_budget_spent,
        rollout=outcome.step.status if outcome.step else None,
        traffic=outcome.step.traffic if outcome.step and outcome.step.before.active else None,
    )


async def _evaluation(
    cluster: Cluster, outcome: _Outcome, metadata: JsonObject
) -> tuple[DeploymentState | None, tuple[PodState, ...]]:
    """Return the Deployment that evaluates, and its pods that are not ready."""
    planned = outcome.plan
    if planned is None or planned.evals is None:
        return None, ()
    key = planned.namespace, planned.evals.name
    live = _own(await cluster.get(DEPLOYMENT, key), metadata)
    state = None if live is None else DeploymentState.of(live)
    if state is None or state.complete:
        return state, ()
    return state, _not_ready(await cluster.find(POD, *key))


def _not_ready(pods: Iterable[JsonObject]) -> tuple[PodState, ...]:
    states = (PodState.of(pod) for pod in pods)
    return tuple(state for state in states if state is not None)


async def _route(
    cluster: Cluster, agent: AgentRuntime | None, metadata: JsonObject
) -> JsonObject | None:
    """Return the Ingress or HTTPRoute of an agent."""
    expose = agent and agent.spec.facade.expose
    if not expose:
        return None
    kind = INGRESS if expose.http_route is None else HTTP_ROUTE
    return _own(await cluster.get(kind, (metadata["namespace"], metadata["name"])), metadata)


def _own(live: JsonObject | None, metadata: JsonObject) -> JsonObject | None:
    return live if live is not None and owned(live, metadata.get("uid", "")) else None


async def _refresh(cluster: Cluster, planned: AgentPlan, digest: str) -> None:
    """Annotate the pods, so that the kubelet updates their files at once, not within a minute."""
    annotations = {labels.FILES_HASH: digest}
    instances = [planned.name, *([planned.evals.name] if planned.evals else [])]
    for pod in [
        pod for name in instances for pod in await cluster.find(POD, planned.namespace, name)
    ]:
        if not pod["metadata"].get("deletionTimestamp"):
            key = pod["metadata"]["namespace"], pod["metadata"]["name"]
            await cluster.annotate(POD, key, annotations)
