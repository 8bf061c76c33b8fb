"""AgentRuntime: fetch, resolve, plan, render, apply, prune, observe, status."""

from dataclasses import dataclass, replace

from omnia_core.env import FacadeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api import AgentRuntime
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, DEPLOYMENT, POD, SERVICE
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.cluster.ownership import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import Issuers
from omnia_operator.manifests import render, secrets
from omnia_operator.plan import AgentPlan, Settings, config_hash, files_hash, plan
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import World
from omnia_operator.reconcile.objects import apply, prune
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key, Problem, Resolved, resolve
from omnia_operator.status import AgentFacts, PodState, Workload, agent_status

_WARNED = (
    "PromptPackReady",
    "ProviderReady",
    "ToolRegistryReady",
    "SessionStoreReady",
    "AutoscalingReady",
    "ExternalAuth",
    "OIDCJWKSReady",
    "SessionRetention",
)
# A provider's new keys are used no later than this after they were published.
_ISSUER_SECONDS = 120.0
_TRUE = frozenset({"true", "1"})


@dataclass(frozen=True)
class _Outcome:
    agent: AgentRuntime | None = None
    resolved: Resolved | None = None
    plan: AgentPlan | None = None
    files_hash: str = ""
    """Of the files that pods may have mounted, where they have changed."""
    problems: tuple[Problem, ...] = ()


async def reconcile_agent(
    cluster: Cluster, key: Key, settings: Settings, issuers: Issuers, now: str
) -> bool | float:
    """Bring an agent to its desired state; return whether to try again without being asked, or the
    seconds until a canary of its PromptPack takes the next step, or a provider may have new keys.
    """
    document = await cluster.get(AGENT_RUNTIME, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False  # its objects go with it, by their owner references
    resource = parsed(document)
    if isinstance(resource, AgentRuntime):
        outcome = await _converge(cluster, resource, settings, issuers, now)
    else:
        invalid = Problem("Ready", "InvalidSpec", str(resource), retry=False)
        outcome = _Outcome(problems=(invalid,))
    facts = await _observe(cluster, document, outcome)
    before = status_of(document, AgentRuntimeStatus)
    after = agent_status(facts, before, now)
    statuses = before, after
    await publish(cluster, AGENT_RUNTIME, document, statuses, good="Ready", bad=_WARNED, now=now)
    if outcome.files_hash and outcome.plan is not None:
        await _refresh(cluster, outcome.plan, outcome.files_hash)
    # What the agent waits for wakes it when it comes; only what nobody announces is tried again.
    if outcome.resolved is None or any(each.retry for each in outcome.problems):
        return outcome.resolved is not None
    return _wait(outcome.resolved)


def _wait(resolved: Resolved) -> bool | float:
    """Return the seconds until there may be something new that nobody announces."""
    canary = resolved.pack.wait if resolved.pack is not None else None
    rules = resolved.agent.spec.external_auth
    waits = [each for each in (canary, _ISSUER_SECONDS if rules.oidc else None) if each]
    return min(waits) if waits else False


async def _converge(
    cluster: Cluster, agent: AgentRuntime, settings: Settings, issuers: Issuers, now: str
) -> _Outcome:
    world = World(cluster, now, issuers)
    await world.fetch_agent(agent)
    resolved = resolve(agent, world.found)
    if not isinstance(resolved, Resolved):
        return _Outcome(agent, problems=resolved)
    planned = plan(resolved, settings)
    planned = replace(planned, config_hash=config_hash(planned, world.versions))
    manifests = await _manifests(cluster, planned)
    applied = await apply(cluster, planned, manifests)
    pruned = await prune(cluster, planned, manifests)
    changed = applied.files_changed or pruned
    return _Outcome(
        agent,
        resolved,
        planned,
        files_hash(planned, world.versions) if changed else "",
        problems=(*applied.problems, *resolved.auth.problems),
    )


async def _manifests(cluster: Cluster, planned: AgentPlan) -> list[Manifest]:
    values = {}
    for copy in planned.secret_copies:
        source = await cluster.secret_values((copy.source.namespace, copy.source.name))
        values[copy] = source.get(copy.source.key, "")
    return [*secrets(planned, values), *render(planned)]


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
        open_to_all=outcome.plan is not None and _open_to_all(outcome.plan),
        has_service=_own(await cluster.get(SERVICE, key), metadata) is not None,
    )


def _open_to_all(planned: AgentPlan) -> bool:
    """Whether the facade's environment, which a user may add to, lets everybody in."""
    name = FacadeEnv.variable("allow_unauthenticated")
    return any(
        each["name"] == name and str(each.get("value")).lower() in _TRUE
        for each in planned.facade.variables
    )


def _own(live: JsonObject | None, metadata: JsonObject) -> JsonObject | None:
    return live if live is not None and owned(live, metadata.get("uid", "")) else None


async def _refresh(cluster: Cluster, planned: AgentPlan, digest: str) -> None:
    """Make the kubelet look at the mounted files at once, instead of within its next minute."""
    annotations = {labels.FILES_HASH: digest}
    for pod in await cluster.find(POD, planned.namespace, planned.name):
        if not pod["metadata"].get("deletionTimestamp"):
            key = pod["metadata"]["namespace"], pod["metadata"]["name"]
            await cluster.annotate(POD, key, annotations)
