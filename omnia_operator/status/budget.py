"""The condition about the budget of an agent."""

from collections.abc import Iterator

from omnia_core.names import Handler
from omnia_operator.resolve import Resolved
from omnia_operator.status.conditions import ConditionUpdate, false, true, unknown

WITHIN_BUDGET = "WithinBudget"

_NOT_REPORTED = (
    "no pod has said yet what is spent: a pod does so at its port runtime-health, within a minute"
    " of its start"
)


def budget_conditions(resolved: Resolved, spent: str | None) -> Iterator[ConditionUpdate]:
    """Yield the condition about `spec.budget`, if there is one.

    Args:
        resolved: the agent.
        spent: why no turn begins, in the words of a pod; "" if money is left; None if it is not
            known.
    """
    spec = resolved.agent.spec
    if spec.budget is None or spec.facade.handler is not Handler.RUNTIME:
        return
    if spent is None:
        yield unknown(WITHIN_BUDGET, "NotReported", _NOT_REPORTED)
    elif spent:
        yield false(WITHIN_BUDGET, "BudgetSpent", spent)
    else:
        yield true(WITHIN_BUDGET, "BudgetLeft")
