"""The reports of an agent's pods about themselves."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_core.names import Handler
from omnia_operator.plan.evals import enabled, works
from omnia_operator.pod_checks import (
    BUDGET_CHECK,
    EVAL_BUDGET_CHECK,
    STORE_CHECK,
    WORKER_BUDGET_CHECK,
    CheckState,
    PodCheck,
    PodChecks,
)
from omnia_operator.resolve import Key, Problem, Resolved
from omnia_operator.status import unreachable_store

_CHECKS = (STORE_CHECK, BUDGET_CHECK, EVAL_BUDGET_CHECK, WORKER_BUDGET_CHECK)


@dataclass(frozen=True)
class PodFindings:
    """What is known from pods.

    Attributes:
        problems: what keeps the agent from answering.
        store_reached: whether pods have said that they reach the session store.
        budget_spent: why no turn begins, in the words of a pod; "" if money is left; None if it is
            not known.
        evals_budget_spent: why judges are not asked; "" if they are, or if it is not known.
    """

    problems: tuple[Problem, ...] = ()
    store_reached: bool = False
    budget_spent: str | None = None
    evals_budget_spent: str = ""


def pod_findings(resolved: Resolved | None, checks: PodChecks, agent: Key) -> PodFindings:
    """Return what is known, and have the pods asked from now on for what the agent needs."""
    needed = set(_needed(resolved)) if resolved else set[PodCheck]()
    for check in _CHECKS:
        if check not in needed:
            checks.forget(check, agent)
    states = {check: checks.state(check, agent) for check in needed}
    store, budget = (states.get(check, CheckState()) for check in (STORE_CHECK, BUDGET_CHECK))
    evals = states.get(WORKER_BUDGET_CHECK) or states.get(EVAL_BUDGET_CHECK) or CheckState()
    return PodFindings(
        problems=(unreachable_store(*store.failure),) if store.failure else (),
        store_reached=bool(store.passes),
        budget_spent=None if budget.passes is None else _words(budget),
        evals_budget_spent=_words(evals),
    )


def _needed(resolved: Resolved) -> Iterator[PodCheck]:
    spec, evals = resolved.agent.spec, enabled(resolved)
    if resolved.has_store:
        yield STORE_CHECK
    if spec.budget is not None and spec.facade.handler is Handler.RUNTIME:
        yield BUDGET_CHECK
    if evals is not None and evals.budget is not None and works(resolved):
        yield WORKER_BUDGET_CHECK if spec.session.type.shared else EVAL_BUDGET_CHECK


def _words(state: CheckState) -> str:
    return state.failure.failure if state.failure else ""
