"""The status of an AgentRuntime."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_core.env import SessionType
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator import labels
from omnia_operator.api.agentruntime import (
    AgentPhase,
    AgentRuntime,
    AgentRuntimeSpec,
    AgentRuntimeStatus,
    Endpoint,
    Replicas,
)
from omnia_operator.api.meta import ConditionStatus
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.plan.doors import endpoints
from omnia_operator.plan.exposure import public_url
from omnia_operator.resolve import EXTERNAL_AUTH, OIDC_KEYS, Problem, Resolved
from omnia_operator.rollout.traffic import TrafficState
from omnia_operator.status.agent_conditions import (
    CARD_SIGNED,
    MEDIA_READY,
    OBJECTS_IN_SYNC,
    SESSION_RETENTION,
    SESSION_STORE_READY,
    SESSION_STORE_UNREACHABLE,
    UNAUTHENTICATED,
    auth_conditions,
    card_conditions,
    media_conditions,
    open_to_all,
    retention_conditions,
)
from omnia_operator.status.budget import WITHIN_BUDGET, budget_conditions
from omnia_operator.status.conditions import ConditionUpdate, dated, false, true
from omnia_operator.status.evals import EVALS_READY, evals_conditions
from omnia_operator.status.exposure import EXPOSE_READY, exposure_conditions
from omnia_operator.status.rollout import ROLLOUT_ACTIVE, TRAFFIC_ROUTING, rollout_conditions
from omnia_operator.status.workload import DeploymentState, PodState

READY = "Ready"

_REFERENCES = {
    "PromptPackReady": "PromptPackFound",
    "ProviderReady": "ProviderFound",
    "ToolRegistryReady": "ToolRegistryFound",
    SESSION_STORE_READY: "SecretFound",
}
_TO_ZERO = "at zero replicas the first request fails: nothing queues it until a pod is ready"
_ONE_POD = (
    "one pod writes the file: a change ends it before the next one starts, and clients reconnect;"
    " the history of the chart does not read the file (postgres and mongodb have one)"
)
# These do not affect whether the agent runs. Without an autoscaler it has its present pods.
_OPTIONAL = frozenset(
    {
        "AutoscalingReady",
        EVALS_READY,
        EXPOSE_READY,
        EXTERNAL_AUTH,
        OIDC_KEYS,
        CARD_SIGNED,
        MEDIA_READY,
        OBJECTS_IN_SYNC,
        SESSION_RETENTION,
        ROLLOUT_ACTIVE,
        TRAFFIC_ROUTING,
        WITHIN_BUDGET,
    }
)


@dataclass(frozen=True)
class AgentFacts:
    """What is known about an agent."""

    generation: int
    agent: AgentRuntime | None
    """None when its spec is invalid."""
    resolved: Resolved | None = None
    problems: tuple[Problem, ...] = ()
    workload: DeploymentState | None = None
    pods: tuple[PodState, ...] = ()
    """Pods that are not ready, and why."""
    evals: DeploymentState | None = None
    """The Deployment that evaluates."""
    evals_pods: tuple[PodState, ...] = ()
    """Its pods that are not ready, and why."""
    has_service: bool = False
    route: JsonObject | None = None
    """The Ingress or HTTPRoute."""
    open_to_all: bool = False
    """Whether the facade accepts requests without credentials."""
    store_reached: bool = False
    """Whether pods have said that they reach the session store."""
    budget_spent: str | None = None
    """Why no turn begins, in the words of a pod; "" if money is left; None if it is not known."""
    evals_budget_spent: str = ""
    """Why judges are not asked, in the words of a pod; "" if they are."""
    rollout: RolloutStatus | None = None
    """Progress of the rollout; None without one."""
    traffic: TrafficState | None = None
    """What splits its traffic; None while there is nothing to split."""


def agent_status(facts: AgentFacts, previous: AgentRuntimeStatus, now: str) -> AgentRuntimeStatus:
    """Return the status of an agent."""
    updates = list(_conditions(facts, previous)) if facts.agent else _unchanged(facts, previous)
    ready = _ready(facts, updates)
    conditions = dated([ready, *updates], previous.conditions, facts.generation, now)
    work = facts.workload
    return AgentRuntimeStatus(
        observed_generation=facts.generation,
        phase=_phase(facts, ready),
        replicas=None
        if work is None
        else Replicas(
            desired=work.desired,
            ready=work.ready,
            available=work.available,
            current=work.total,
        ),
        active_version=_version(facts, previous),
        service_endpoint=_endpoint(facts) if facts.agent else previous.service_endpoint,
        endpoints=_endpoints(facts) if facts.agent else previous.endpoints,
        url=public_url(facts.agent) if facts.agent else previous.url,
        selector=_selector(facts.agent) if facts.agent else previous.selector,
        rollout=facts.rollout if facts.agent else previous.rollout,
        conditions=conditions,
    )


def _phase(facts: AgentFacts, ready: ConditionUpdate) -> AgentPhase:
    if ready.status is ConditionStatus.TRUE:
        return AgentPhase.RUNNING
    failed = facts.agent is None or _failure(facts) is not None or _outage(facts) is not None
    return AgentPhase.FAILED if failed else AgentPhase.PENDING


def _ready(facts: AgentFacts, updates: list[ConditionUpdate]) -> ConditionUpdate:
    invalid = [problem for problem in facts.problems if problem.condition == READY]
    if invalid:
        return false(READY, invalid[0].reason, invalid[0].message)
    failed = [
        update
        for update in updates
        if update.status is not ConditionStatus.TRUE and update.type not in _OPTIONAL
    ]
    if not failed:
        return true(READY, "RuntimeReady")
    message = " ".join(f"{update.type}: {update.message or update.reason}." for update in failed)
    failure, outage = _failure(facts), _outage(facts)
    reason = failure[0] if failure else outage.reason if outage else "RuntimeNotReady"
    return false(READY, reason, message)


def _conditions(facts: AgentFacts, previous: AgentRuntimeStatus) -> Iterator[ConditionUpdate]:
    yield _deployment(facts)
    problems = {problem.condition: problem for problem in reversed(facts.problems)}
    if "ServiceReady" in problems:
        yield _failed(problems["ServiceReady"])
    elif facts.has_service:
        yield true("ServiceReady", "ServiceCreated")
    else:
        yield false("ServiceReady", "ServicePending", "the Service does not exist yet")
    for condition in _needed(facts):
        problem = problems.get(condition)
        message = _remark(facts, condition)
        yield _failed(problem) if problem else true(condition, _reason(facts, condition), message)
    scaling = facts.agent and facts.agent.spec.runtime.autoscaling
    if facts.agent and scaling and scaling.enabled:
        problem = problems.get("AutoscalingReady")
        yield (
            _failed(problem)
            if problem
            else true("AutoscalingReady", "Scaling", "; ".join(_about_scaling(facts.agent.spec)))
        )
    if facts.agent is not None:
        yield from exposure_conditions(facts.agent, problems, facts.route)
        yield from media_conditions(facts.agent)
        if facts.rollout is not None:
            yield from rollout_conditions(facts.rollout, facts.traffic)
    if facts.agent is not None and facts.resolved is not None:
        yield from auth_conditions(
            facts.agent, problems, is_open=facts.open_to_all or _still_open(facts, previous)
        )
        yield from card_conditions(facts.resolved)
        yield from retention_conditions(facts.resolved)
        yield from budget_conditions(facts.resolved, facts.budget_spent)
        yield from evals_conditions(
            facts.resolved, problems, facts.evals, facts.evals_pods, facts.evals_budget_spent
        )
    elif facts.open_to_all:
        yield open_to_all()
    if OBJECTS_IN_SYNC in problems:
        yield _failed(problems[OBJECTS_IN_SYNC])


def _about_scaling(spec: AgentRuntimeSpec) -> Iterator[str]:
    scaling = spec.runtime.autoscaling
    if scaling is not None and not scaling.min_replicas:
        yield _TO_ZERO
    if spec.runtime.replicas != 1:
        yield (
            f"runtime.replicas ({spec.runtime.replicas}) has no effect, because the autoscaler"
            " chooses the number of pods: set runtime.autoscaling.enabled: false to choose it"
            " yourself, as kubectl scale does"
        )


def _still_open(facts: AgentFacts, previous: AgentRuntimeStatus) -> bool:
    """Whether pods that were open to all may still serve beside those that replace them."""
    return (
        facts.workload is not None
        and not facts.workload.complete
        and any(condition.reason == UNAUTHENTICATED for condition in previous.conditions)
    )


def _needed(facts: AgentFacts) -> Iterator[str]:
    yield "PromptPackReady"
    yield "ProviderReady"
    if facts.agent is None:
        return
    if facts.agent.spec.tool_registry_ref is not None:
        yield "ToolRegistryReady"
    if facts.agent.spec.session.type is not SessionType.MEMORY:
        yield SESSION_STORE_READY


def _reason(facts: AgentFacts, condition: str) -> str:
    if facts.agent is not None and _is_not_needed(facts.agent.spec, condition):
        return "NotNeeded"
    if condition == SESSION_STORE_READY and _is_file(facts):
        return "PersistentVolumeClaim"
    if condition == SESSION_STORE_READY and facts.store_reached:
        return "SessionStoreReached"
    return _REFERENCES[condition]


def _is_not_needed(spec: AgentRuntimeSpec, condition: str) -> bool:
    """Whether an agent has no use for something, or brings it in its image."""
    if spec.facade.handler is not Handler.RUNTIME:
        return True
    own = {
        "PromptPackReady": spec.prompt is None and spec.prompt_pack_ref is None,
        "ProviderReady": spec.provider is None and not spec.providers,
    }
    return own.get(condition, False)


def _is_file(facts: AgentFacts) -> bool:
    spec = None if facts.agent is None else facts.agent.spec
    return (
        spec is not None
        and spec.session.type is SessionType.SQLITE
        and spec.facade.handler is Handler.RUNTIME
    )


def _remark(facts: AgentFacts, condition: str) -> str:
    if condition == SESSION_STORE_READY and _is_file(facts):
        return _ONE_POD
    return _left_out(facts) if condition == "PromptPackReady" else ""


def _left_out(facts: AgentFacts) -> str:
    pack = facts.resolved.pack if facts.resolved else None
    if pack is None or not pack.left_out:
        return ""
    return (
        f"version {', '.join(pack.left_out)} does not fit into the ConfigMap beside the newer ones"
        " (1 MiB for all): its sessions continue with another version; delete PromptPacks of"
        " versions that are no longer used"
    )


def _failed(problem: Problem) -> ConditionUpdate:
    return false(problem.condition, problem.reason, problem.message)


def _deployment(facts: AgentFacts) -> ConditionUpdate:
    failure = _failure(facts)
    if failure is not None:
        return false("DeploymentReady", *failure)
    work = facts.workload
    if work is None:
        message = "the Deployment is created when everything that the agent refers to exists"
        return false("DeploymentReady", "DeploymentPending", message)
    if work.complete:
        return true("DeploymentReady", "DeploymentCreated")
    if not work.current:
        message = (
            "the Deployment has changed, and Kubernetes has not counted its pods since;"
            f" {work.available} were available before"
        )
        return false("DeploymentReady", "DeploymentProgressing", message)
    message = (
        f"{work.available} of {work.desired} pods are available, {work.updated} are up to date"
    )
    if work.former:
        message += f", {work.former} of an earlier version serve until then"
    if facts.pods:
        message += f"; pod {facts.pods[0].name}: {facts.pods[0].message}"
    return false("DeploymentReady", "DeploymentProgressing", message)


def _failure(facts: AgentFacts) -> tuple[str, str] | None:
    """Return reason and message of a failure that does not pass by itself."""
    problem = next(
        (problem for problem in facts.problems if problem.condition == "DeploymentReady"), None
    )
    if problem is not None:
        return problem.reason, problem.message
    if facts.workload is None or facts.workload.complete:
        return None
    if facts.workload.failure is not None:
        return "DeploymentFailed", facts.workload.failure
    stuck = next((pod for pod in facts.pods if pod.stuck), None)
    return None if stuck is None else (stuck.reason, stuck.message)


def _outage(facts: AgentFacts) -> Problem | None:
    """Return the problem that the pods cannot reach the session store: every turn fails."""
    found = (problem for problem in facts.problems if problem.reason == SESSION_STORE_UNREACHABLE)
    return next(found, None)


def _version(facts: AgentFacts, previous: AgentRuntimeStatus) -> str | None:
    if facts.resolved is None:
        return previous.active_version
    inline = facts.agent is not None and facts.agent.spec.prompt is not None
    return None if inline or not facts.resolved.pack else facts.resolved.pack.stable.version


def _endpoint(facts: AgentFacts) -> str | None:
    if facts.agent is None or not facts.has_service:
        return None
    namespace, name = facts.agent.key
    return f"{name}.{namespace}.svc.cluster.local:{facts.agent.spec.facade.port}"


def _endpoints(facts: AgentFacts) -> tuple[Endpoint, ...]:
    service = _endpoint(facts)
    if facts.agent is None or service is None:
        return ()
    found = endpoints(facts.agent, f"http://{service}")
    return tuple(Endpoint(door=door, url=url) for door, url in found)


def _selector(agent: AgentRuntime) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.selector(agent.metadata.name).items())


def _unchanged(facts: AgentFacts, previous: AgentRuntimeStatus) -> list[ConditionUpdate]:
    """Return the conditions of the last valid spec: its pods still run."""
    kept = [
        ConditionUpdate(condition.type, condition.status, condition.reason, condition.message)
        for condition in previous.conditions
        if condition.type != READY and not (facts.open_to_all and condition.type == EXTERNAL_AUTH)
    ]
    return [*kept, open_to_all()] if facts.open_to_all else kept
