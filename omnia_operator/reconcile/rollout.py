"""One step of a rollout: observe, decide, and bring the candidate to what was decided."""

from dataclasses import dataclass, replace
from functools import partial

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api import AgentRuntime
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import AGENT_RUNTIME, DEPLOYMENT, POD
from omnia_operator.cluster.manifest import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests import render
from omnia_operator.plan import AgentPlan, Settings, config_hash, plan
from omnia_operator.reconcile.analysis_source import ClusterAnalyses
from omnia_operator.reconcile.card_keys import with_card_key
from omnia_operator.reconcile.documents import parsed, status_of
from omnia_operator.reconcile.drift import Corrections
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.objects import apply, delete_instance, prune
from omnia_operator.reconcile.secret_copies import copied_manifests, versions_of
from omnia_operator.reconcile.traffic import route_traffic
from omnia_operator.resolve import Problem, Resolved, resolve
from omnia_operator.rollout.candidate import (
    as_candidate,
    candidate_of,
    document_with,
    hindered,
    obstacle_of,
    replicas_of,
)
from omnia_operator.rollout.identity import (
    digest_of,
    promotion_patch,
    rollback_patch,
    with_fields,
)
from omnia_operator.rollout.machine import advance
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.rollout.plan import Plan, World, Write
from omnia_operator.rollout.progress import analysis_progress
from omnia_operator.rollout.requests import request_of
from omnia_operator.rollout.stable import as_stable
from omnia_operator.rollout.traffic import TrafficState
from omnia_operator.status import Announcement, DeploymentState, PodState


@dataclass(frozen=True)
class RolloutDecision:
    """What was decided about the rollout of an agent."""

    written: JsonObject
    """The agent as it is written."""
    document: JsonObject
    """The agent as stable runs it."""
    before: RolloutStatus
    plan: Plan
    status: RolloutStatus
    """The next status."""
    traffic: TrafficState
    """What splits the traffic, by the status as it was read."""

    def agent(self, agent: AgentRuntime) -> AgentRuntime:
        """Return the agent as stable runs it."""
        spec = with_fields(agent.spec, self.plan.stable)
        return agent.model_copy(update={"spec": spec})

    @property
    def news(self) -> tuple[Announcement, ...]:
        """The Events."""
        return tuple(
            Announcement(each.warning, each.reason, each.message) for each in self.plan.news
        )


async def rollout_step(
    cluster: Cluster, document: JsonObject, agent: AgentRuntime, measuring: Measuring, now: str
) -> RolloutDecision | None:
    """Decide about the rollout of an agent; None: it has none."""
    before = status_of(document, AgentRuntimeStatus).rollout or RolloutStatus()
    if agent.spec.rollout is None and not before.active:
        measuring.forget(agent.key)
        return None
    # The weight is in the status already, so it may be set before anything is decided.
    traffic = await route_traffic(cluster, agent, before, now)
    world = World(
        now=now,
        traffic=traffic,
        stable_runs=_runs(await _live(cluster, document, agent.metadata.name)),
        request=request_of(document),
        obstacle=obstacle_of(agent) if agent.spec.rollout else "",
    )
    if before.active and before.candidate is not None:
        name = labels.canary_name(agent.metadata.name)
        live = await _live(cluster, document, name)
        world = replace(
            world,
            candidate_ready=_is_ready(live, digest_of(before.candidate)),
            candidate_failure=await _failure(cluster, agent.key[0], name, live),
        )
    source = ClusterAnalyses(cluster)
    analysis = await analysis_progress(source, agent, before, world, measuring)
    world = replace(world, analysis=analysis)
    noted = before.model_copy(update={"weight_writes": traffic.writes})
    decided = advance(agent.spec, noted, world)
    stable = document_with(document, decided.stable)
    return RolloutDecision(document, stable, before, decided, decided.status, traffic)


async def write_end(cluster: Cluster, step: RolloutDecision | None) -> None:
    """Write the end of a rollout into the spec, if that is due; its attempt is in the status.

    Raises:
        ClusterError: the spec could not be written; the next step tries once more.
    """
    if step is None:
        return
    match step.plan.write:
        case Write.PROMOTION:
            patch = promotion_patch(step.written, step.plan.stable)
        case Write.ROLLBACK:
            patch = rollback_patch(step.written)
        case None:
            return
    if patch:
        metadata = step.written["metadata"]
        await cluster.edit(AGENT_RUNTIME, (metadata["namespace"], metadata["name"]), patch)


def with_rollout(planned: AgentPlan, agent: AgentRuntime, step: RolloutDecision) -> AgentPlan:
    """Return the plan of stable with what the rollout adds to it."""
    planned = replace(planned, rollout=digest_of(step.plan.stable))
    return as_stable(planned, agent, step.before, step.traffic)


async def converge_candidate(
    cluster: Cluster,
    step: RolloutDecision,
    settings: Settings,
    checks: CheckThreads,
    corrections: Corrections,
    stable_replicas: int,
    now: str,
) -> RolloutDecision:
    """Bring the objects of the candidate to what was decided; add to the status what hinders it."""
    document = step.document
    namespace, name = document["metadata"]["namespace"], document["metadata"]["name"]
    wanted = step.plan.candidate
    if wanted is None:
        uid = document["metadata"].get("uid", "")
        await delete_instance(cluster, namespace, labels.canary_name(name), uid)
        return step
    derived = document_with(document, wanted)
    resource = parsed(derived)
    if not isinstance(resource, AgentRuntime):
        return _hindered(step, str(resource))
    found = await fetch(cluster, AGENT_RUNTIME, derived, now)
    found = await with_card_key(cluster, resource, found)
    agent = candidate_of(resource, replicas_of(step.status, stable_replicas))
    resolved = await checks.run(namespace, partial(resolve, agent, found))
    if not isinstance(resolved, Resolved):
        if any(problem.reason.endswith("NotGranted") for problem in resolved):
            # Its pods must not go on with a key whose grant was withdrawn.
            uid = document["metadata"].get("uid", "")
            await delete_instance(cluster, namespace, labels.canary_name(name), uid)
        return _hindered(step, _first(resolved))
    planned = as_candidate(plan(resolved, settings), name, digest_of(wanted))
    planned = replace(planned, config_hash=config_hash(planned, versions_of(found)))
    manifests = [*await copied_manifests(cluster, planned, resolved), *render(planned)]
    applied = await apply(cluster, planned, manifests, corrections, now)
    await prune(cluster, planned, manifests)
    return _hindered(step, _first(applied.problems)) if applied.problems else step


def _first(problems: "list[Problem] | tuple[Problem, ...]") -> str:
    return problems[0].message if problems else ""


def _hindered(step: RolloutDecision, problem: str) -> RolloutDecision:
    return replace(step, status=hindered(step.status, problem))


async def _live(cluster: Cluster, document: JsonObject, name: str) -> JsonObject | None:
    metadata = document["metadata"]
    live = await cluster.get(DEPLOYMENT, (metadata["namespace"], name))
    return live if live is not None and owned(live, metadata.get("uid", "")) else None


def _digest(live: JsonObject | None) -> str:
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(labels.ROLLOUT, ""))


def _runs(live: JsonObject | None) -> str:
    """Return what every pod of a Deployment runs with; "" while some do not."""
    return _digest(live) if live is not None and DeploymentState.of(live).complete else ""


def _is_ready(live: JsonObject | None, digest: str) -> bool:
    if live is None or _digest(live) != digest:
        return False
    state = DeploymentState.of(live)
    return state.current and min(state.updated, state.available) >= 1 and state.former == 0


async def _failure(cluster: Cluster, namespace: str, name: str, live: JsonObject | None) -> str:
    """Return why the pods of a candidate do not get ready, if that does not pass by itself."""
    if live is None:
        return ""
    state = DeploymentState.of(live)
    if state.failure is not None:
        return state.failure
    if state.complete:
        return ""
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or "its pods were not ready in time")
    pods = [PodState.of(pod) for pod in await cluster.find(POD, namespace, name)]
    stuck = next((pod for pod in pods if pod is not None and pod.stuck), None)
    return "" if stuck is None else f"{stuck.reason}: {stuck.message}"
