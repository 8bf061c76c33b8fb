"""AgentRuntime: fetch, resolve, plan, render, apply, prune, observe, status."""

from dataclasses import dataclass, replace

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api import AgentRuntime
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, DEPLOYMENT, POD, SERVICE
from omnia_operator.cluster.ownership import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests import Manifest, render, secret
from omnia_operator.plan import AgentPlan, Settings, config_hash, files_hash, plan
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import World
from omnia_operator.reconcile.objects import apply, prune
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key, Problem, Resolved, resolve
from omnia_operator.status import AgentFacts, PodState, Workload, agent_status

_REFERENCES = (
    "PromptPackReady",
    "ProviderReady",
    "ToolRegistryReady",
    "SessionStoreReady",
    "AutoscalingReady",
)


@dataclass(frozen=True)
class _Outcome:
    agent: AgentRuntime | None = None
    resolved: Resolved | None = None
    plan: AgentPlan | None = None
    files_changed: bool = False
    problems: tuple[Problem, ...] = ()


async def reconcile_agent(cluster: Cluster, key: Key, settings: Settings, now: str) -> bool | float:
    """Bring an agent to its desired state; return whether to try again without being asked, or the
    seconds until a canary of its PromptPack takes the next step.
    """
    document = await cluster.get(AGENT_RUNTIME, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False  # its objects go with it, by their owner references
    resource = parsed(document)
    if isinstance(resource, AgentRuntime):
        outcome = await _converge(cluster, resource, settings, now)
    else:
        invalid = Problem("Ready", "InvalidSpec", str(resource), retry=False)
        outcome = _Outcome(problems=(invalid,))
    facts = await _observe(cluster, document, outcome)
    before = status_of(document, AgentRuntimeStatus)
    after = agent_status(facts, before, now)
    statuses = before, after
    await publish(
        cluster, AGENT_RUNTIME, document, statuses, good="Ready", bad=_REFERENCES, now=now
    )
    if outcome.files_changed and outcome.plan is not None:
        await _refresh(cluster, outcome.plan)
    # What the agent waits for wakes it when it comes; only what nobody announces is tried again.
    if outcome.resolved is None or any(each.retry for each in outcome.problems):
        return outcome.resolved is not None
    return (outcome.resolved.pack and outcome.resolved.pack.wait) or False


async def _converge(
    cluster: Cluster, agent: AgentRuntime, settings: Settings, now: str
) -> _Outcome:
    world = World(cluster, now)
    await world.fetch_agent(agent)
    resolved = resolve(agent, world.found)
    if not isinstance(resolved, Resolved):
        return _Outcome(agent, problems=resolved)
    planned = plan(resolved, settings)
    planned = replace(planned, config_hash=config_hash(planned, world.versions))
    manifests = await _manifests(cluster, planned)
    applied = await apply(cluster, planned, manifests)
    await prune(cluster, planned, manifests)
    return _Outcome(
        agent, resolved, planned, applied.files_changed, problems=tuple(applied.problems)
    )


async def _manifests(cluster: Cluster, planned: AgentPlan) -> list[Manifest]:
    values = {}
    for copy in planned.secret_copies:
        source = await cluster.secret_values((copy.source.namespace, copy.source.name))
        values[copy] = source.get(copy.source.key, "")
    copies = secret(planned, values)
    return [*([copies] if copies else []), *render(planned)]


async def _observe(cluster: Cluster, document: JsonObject, outcome: _Outcome) -> AgentFacts:
    metadata = document["metadata"]
    key = metadata["namespace"], metadata["name"]
    deployment = _own(await cluster.get(DEPLOYMENT, key), metadata)
    workload = None if deployment is None else Workload.of(deployment)
    pods = []
    if workload is not None and not workload.complete:
        pods = await cluster.find(POD, *key)
    states = (PodState.of(each) for each in pods)
    return AgentFacts(
        generation=generation_of(document),
        agent=outcome.agent,
        resolved=outcome.resolved,
        problems=outcome.problems,
        workload=workload,
        pods=tuple(each for each in states if each is not None),
        has_service=_own(await cluster.get(SERVICE, key), metadata) is not None,
    )


def _own(live: JsonObject | None, metadata: JsonObject) -> JsonObject | None:
    return live if live is not None and owned(live, metadata.get("uid", "")) else None


async def _refresh(cluster: Cluster, planned: AgentPlan) -> None:
    """Make the kubelet look at the mounted files at once, instead of within its next minute."""
    annotations = {labels.FILES_HASH: files_hash(planned)}
    for pod in await cluster.find(POD, planned.namespace, planned.name):
        if not pod["metadata"].get("deletionTimestamp"):
            key = pod["metadata"]["namespace"], pod["metadata"]["name"]
            await cluster.annotate(POD, key, annotations)
