"""The status of an AgentRuntime."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_core.names import Handler
from omnia_operator.api.agentruntime import (
    AgentPhase,
    AgentRuntime,
    AgentRuntimeStatus,
    Replicas,
)
from omnia_operator.api.meta import ConditionStatus
from omnia_operator.api.session import SessionType
from omnia_operator.resolve import EXTERNAL_AUTH, OIDC_KEYS, Problem, Resolved
from omnia_operator.status.auth import auth_verdicts
from omnia_operator.status.conditions import Verdict, dated, false, true
from omnia_operator.status.media import MEDIA_READY, media_verdicts
from omnia_operator.status.retention import SESSION_RETENTION, retention_verdicts
from omnia_operator.status.workload import PodState, Workload

READY = "Ready"
INVALID_SPEC = "InvalidSpec"

_REFERENCES = {
    "PromptPackReady": "PromptPackFound",
    "ProviderReady": "ProviderFound",
    "ToolRegistryReady": "ToolRegistryFound",
    "SessionStoreReady": "SecretFound",
}
_TO_ZERO = "at zero replicas nothing holds the first request until a pod is ready"
# Without an autoscaler the agent serves all the same, with the pods that it has; and whom it lets
# in, which files are found again, and what is kept are no questions of whether it runs.
_OPTIONAL = frozenset(
    {"AutoscalingReady", EXTERNAL_AUTH, OIDC_KEYS, MEDIA_READY, SESSION_RETENTION}
)


@dataclass(frozen=True)
class AgentFacts:
    """What is known of an agent."""

    generation: int
    agent: AgentRuntime | None
    """None when its spec is invalid."""
    resolved: Resolved | None = None
    problems: tuple[Problem, ...] = ()
    workload: Workload | None = None
    pods: tuple[PodState, ...] = ()
    """Pods with which something is wrong."""
    has_service: bool = False
    open_to_all: bool = False
    """Whether the facade lets in who has no credential."""


def agent_status(facts: AgentFacts, previous: AgentRuntimeStatus, now: str) -> AgentRuntimeStatus:
    """Summarise what is known of an agent."""
    verdicts = list(_verdicts(facts)) if facts.agent else _kept(previous)
    ready = _ready(facts, verdicts)
    conditions = dated([ready, *verdicts], previous.conditions, facts.generation, now)
    work = facts.workload
    return AgentRuntimeStatus(
        observed_generation=facts.generation,
        phase=_phase(facts, ready),
        replicas=None
        if work is None
        else Replicas(desired=work.desired, ready=work.ready, available=work.available),
        active_version=_version(facts, previous),
        service_endpoint=_endpoint(facts) if facts.agent else previous.service_endpoint,
        rollout=previous.rollout,
        conditions=conditions,
    )


def _phase(facts: AgentFacts, ready: Verdict) -> AgentPhase:
    if ready.status is ConditionStatus.TRUE:
        return AgentPhase.RUNNING
    failed = facts.agent is None or _failure(facts) is not None
    return AgentPhase.FAILED if failed else AgentPhase.PENDING


def _ready(facts: AgentFacts, verdicts: list[Verdict]) -> Verdict:
    invalid = [each for each in facts.problems if each.condition == READY]
    if invalid:
        return false(READY, invalid[0].reason, invalid[0].message)
    wrong = [
        each
        for each in verdicts
        if each.status is not ConditionStatus.TRUE and each.type not in _OPTIONAL
    ]
    if not wrong:
        return true(READY, "RuntimeReady")
    message = " ".join(f"{each.type}: {each.message or each.reason}." for each in wrong)
    failure = _failure(facts)
    reason = failure[0] if failure else "RuntimeNotReady"
    return false(READY, reason, message)


def _verdicts(facts: AgentFacts) -> Iterator[Verdict]:
    yield _deployment(facts)
    problems = {each.condition: each for each in reversed(facts.problems)}
    if "ServiceReady" in problems:
        yield _verdict(problems["ServiceReady"])
    elif facts.has_service:
        yield true("ServiceReady", "ServiceCreated")
    else:
        yield false("ServiceReady", "ServicePending", "the Service is not made yet")
    for condition in _needed(facts):
        problem = problems.get(condition)
        message = _without(facts) if condition == "PromptPackReady" else ""
        yield _verdict(problem) if problem else true(condition, _reason(facts, condition), message)
    scaling = facts.agent and facts.agent.spec.runtime.autoscaling
    if scaling and scaling.enabled:
        problem = problems.get("AutoscalingReady")
        to_zero = "" if scaling.min_replicas else _TO_ZERO
        yield _verdict(problem) if problem else true("AutoscalingReady", "Scaling", to_zero)
    if facts.agent is not None:
        yield from media_verdicts(facts.agent)
    if facts.agent is not None and facts.resolved is not None:
        yield from auth_verdicts(facts.agent, problems, open_to_all=facts.open_to_all)
        yield from retention_verdicts(facts.resolved)


def _needed(facts: AgentFacts) -> Iterator[str]:
    yield "PromptPackReady"
    yield "ProviderReady"
    if facts.agent is None:
        return
    if facts.agent.spec.tool_registry_ref is not None:
        yield "ToolRegistryReady"
    if facts.agent.spec.session.type is not SessionType.MEMORY:
        yield "SessionStoreReady"


def _reason(facts: AgentFacts, condition: str) -> str:
    alone = facts.agent is not None and facts.agent.spec.facade.handler is not Handler.RUNTIME
    return "NotNeeded" if alone else _REFERENCES[condition]


def _without(facts: AgentFacts) -> str:
    pack = facts.resolved.pack if facts.resolved else None
    if pack is None or not pack.left_out:
        return ""
    return (
        f"there is no room for version {', '.join(pack.left_out)} beside the newer ones (1 MiB for"
        " all): sessions that began with it go on with another; delete PromptPacks of old versions"
        " that nobody uses"
    )


def _verdict(problem: Problem) -> Verdict:
    return false(problem.condition, problem.reason, problem.message)


def _deployment(facts: AgentFacts) -> Verdict:
    failure = _failure(facts)
    if failure is not None:
        return false("DeploymentReady", *failure)
    work = facts.workload
    if work is None:
        waits = "it is made when everything that the agent refers to is there"
        return false("DeploymentReady", "DeploymentPending", f"there is no Deployment yet: {waits}")
    if work.complete:
        return true("DeploymentReady", "DeploymentCreated")
    message = f"{work.available} of {work.desired} pods are available, {work.updated} are new"
    if facts.pods:
        message += f"; pod {facts.pods[0].name}: {facts.pods[0].message}"
    return false("DeploymentReady", "DeploymentProgressing", message)


def _failure(facts: AgentFacts) -> tuple[str, str] | None:
    """Return reason and message of what keeps the Deployment from ever getting ready."""
    problem = next((each for each in facts.problems if each.condition == "DeploymentReady"), None)
    if problem is not None:
        return problem.reason, problem.message
    if facts.workload is None or facts.workload.complete:
        return None
    if facts.workload.failure is not None:
        return "DeploymentFailed", facts.workload.failure
    stuck = next((each for each in facts.pods if each.stuck), None)
    return None if stuck is None else (stuck.reason, stuck.message)


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


def _kept(previous: AgentRuntimeStatus) -> list[Verdict]:
    """What was found while the spec was valid: the pods run on as they were."""
    return [
        Verdict(each.type, each.status, each.reason, each.message)
        for each in previous.conditions
        if each.type != READY
    ]
