"""The condition about the evaluations of an agent."""

from collections.abc import Iterator, Mapping

from omnia_core.suggestions import listed
from omnia_operator.api.framework import FrameworkType
from omnia_operator.api.meta import ConditionStatus
from omnia_operator.plan.evals import enabled, evaluated, works
from omnia_operator.resolve import DeclaredEvals, Problem, Resolved
from omnia_operator.status.conditions import ConditionUpdate, false, true
from omnia_operator.status.workload import DeploymentState, PodState

EVALS_READY = "EvalsReady"

_IN_PROCESS = (
    "the runtime evaluates sessions itself; those that are not complete when the pod ends are"
    " evaluated {kept}"
)
_NO_STORE = (
    "a custom runtime evaluates nothing, and no other pod sees its sessions: set spec.session.type"
    " to redis, postgres or mongodb"
)


def evals_conditions(
    resolved: Resolved,
    problems: Mapping[str, Problem],
    workload: DeploymentState | None,
    pods: tuple[PodState, ...],
    spent: str = "",
) -> Iterator[ConditionUpdate]:
    """Yield the condition about evaluations, if they are enabled.

    Args:
        resolved: the agent.
        problems: by condition.
        workload: the Deployment that evaluates, if there is one.
        pods: its pods that are not ready.
        spent: why judges are not asked, in the words of a pod; "" if they are.
    """
    if enabled(resolved) is None:
        return
    declared = evaluated(resolved) or DeclaredEvals()
    if (problem := problems.get(EVALS_READY)) is not None:
        yield false(EVALS_READY, problem.reason, problem.message)
    elif declared.problems:
        yield false(EVALS_READY, "UnknownEval", f"not run: {'; '.join(declared.problems)}")
    elif missing := _missing(resolved, declared):
        yield false(EVALS_READY, "JudgeMissing", missing)
    elif not declared.light and not declared.others:
        yield true(EVALS_READY, "NothingDeclared", "the PromptPack declares no evaluations")
    elif works(resolved):
        found = _working(resolved, workload, pods)
        ready = found.status is ConditionStatus.TRUE
        yield false(EVALS_READY, "BudgetSpent", spent) if spent and ready else found
    elif resolved.agent.spec.framework.type is FrameworkType.CUSTOM:
        yield false(EVALS_READY, "SessionsNotShared", _NO_STORE)
    else:
        yield true(EVALS_READY, "Ready", "the runtime evaluates each turn after its answer")


def _working(
    resolved: Resolved, workload: DeploymentState | None, pods: tuple[PodState, ...]
) -> ConditionUpdate:
    session = resolved.agent.spec.session.type
    if not session.shared:
        kept = "when it is back" if session.keeps_history else "never"
        return true(EVALS_READY, "InProcess", _IN_PROCESS.format(kept=kept))
    name = f"{resolved.agent.metadata.name}-evals"
    if workload is not None and workload.complete:
        return true(EVALS_READY, "Ready", f"Deployment {name} evaluates the sessions")
    reason = workload.failure if workload else None
    message = f"Deployment {name}: {reason or 'its pod is not ready yet'}"
    if pods:
        message += f"; pod {pods[0].name}: {pods[0].message}"
    return false(EVALS_READY, "NotReady", message)


def _missing(resolved: Resolved, declared: DeclaredEvals) -> str:
    """Return what to add for Providers that are asked and not there; "" if all are there."""
    there = {provider.name for provider in resolved.providers}
    missing = {name: ids for name, ids in declared.providers.items() if name not in there}
    if not missing:
        return ""
    ids = listed([id_ for each in missing.values() for id_ in each])
    lines = " ".join(f"- {{name: {name}, providerRef: {{name: PROVIDER}}}}" for name in missing)
    return (
        f"{ids} cannot be judged, because spec.providers lacks {listed(list(missing))}: add to it"
        f" {lines}"
    )
